"""Looks at what is kept: the directory, its disk, the database, and logs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from pathlib import Path

from mmconnect.desk.doctor import Finding
from mmconnect.domain.errors import StoreError
from mmconnect.service.doctor import copies, database, directory, disk, speed, stored
from mmconnect.service.doctor.patience import within
from mmconnect.service.doctor.scene import DISK_PATIENCE, Scene
from mmconnect.store import inspection
from mmconnect.store.connection import FILE
from mmconnect.store.inspection import Damaged

AGAIN = 2.0
"""Seconds after which what stands still is looked at once more."""
WHOLE = 86_400.0
"""Seconds for a look at all of the database."""
OTHER_LOGS = ("/var/log/syslog", "/var/log/daemon.log", "/var/log/user.log")
JOURNAL = Path("/var/log/journal")

Found = Iterable[Finding]


async def owner(scene: Scene) -> Found:
    """Whose the directory is."""
    subject = scene.subject
    if not scene.there:
        return directory.missing(scene.directory, subject.source)
    itself, inside = await within(DISK_PATIENCE, lambda: directory.look(scene.directory))
    service = None if scene.running is None else directory.owner_of(scene.running.pid)
    return directory.check(itself, inside, me=subject.before.me, service=service)


async def room(scene: Scene) -> Found:
    """The disk that it is on."""
    if not scene.there:
        return []
    space, device = await within(
        DISK_PATIENCE,
        lambda: (disk.space(scene.directory), disk.device(scene.directory, disk.mounts())),
    )
    return disk.check(space, device)


async def quickness(scene: Scene) -> Found:
    """How long that disk takes."""
    if not scene.there:
        return []
    clock = scene.subject.clock
    try:
        took = await within(DISK_PATIENCE, lambda: speed.measure(scene.directory, clock))
    except TimeoutError:
        return [speed.too_long(DISK_PATIENCE)]
    except PermissionError:
        return [speed.FSYNC.skipped("This user may not write into the data directory.")]
    except OSError as error:
        return [speed.failed(error.strerror or str(error))]
    return [speed.check(took)]


async def whole(scene: Scene) -> Found:
    """The database; what it says is in scene.stored then."""
    if not scene.there:
        scene.unread = "There is no data."
        return []
    file, subject = scene.directory / FILE, scene.subject
    try:
        if not file.exists():
            scene.unread = "There is no database yet."
            return [database.none(file)]
    except PermissionError:
        scene.unread = "This user may not look into the data directory."
        return [database.DATABASE.skipped(scene.unread)]
    seconds = WHOLE if subject.full else subject.seconds
    try:
        return await within(seconds + DISK_PATIENCE, lambda: _inspect(scene, file, seconds))
    except TimeoutError:
        return [database.closed("the disk does not answer")]
    except Damaged as error:
        at_hand = copies.at_hand(scene.directory)
        return [database.broken(f"It cannot be used: {error}.", at_hand)]
    except StoreError as error:
        return [database.closed(str(error))]


def _inspect(scene: Scene, file: Path, seconds: float) -> list[Finding]:
    subject = scene.subject
    with inspection.opened(file) as db:
        damage = inspection.damage(db, seconds, whole=subject.full)
        schema = inspection.schema(db)
        found = database.check(
            damage,
            file.stat().st_size + database.size(file.with_name(f"{FILE}-wal")),
            whole=subject.full,
            seconds=seconds,
            copies=copies.at_hand(scene.directory),
        )
        if schema.number == schema.newest:
            scene.stored = stored.read(db, scene.around())
        else:
            scene.unread = (
                "There is no data." if schema.number < 1 else "The data is of another version."
            )
    return [found, *database.version(schema, running=scene.running is not None)]


async def again(scene: Scene) -> None:
    """Read anew, after a moment, what is in scene.stored; it stays where that cannot be done."""
    await asyncio.sleep(AGAIN)

    def read() -> None:
        with inspection.opened(scene.directory / FILE) as db:
            scene.stored = stored.read(db, scene.around())

    with contextlib.suppress(StoreError, TimeoutError):
        await within(DISK_PATIENCE, read)


async def logs(scene: Scene) -> Found:
    """What grows by itself."""
    if not scene.there:
        return []
    return await within(DISK_PATIENCE, lambda: _logs(scene.directory))


def _logs(where: Path) -> Found:
    wal = database.size(where / f"{FILE}-wal")
    space = disk.space(JOURNAL).size if JOURNAL.is_dir() else 0
    plain = {name: database.size(Path(name)) for name in OTHER_LOGS}
    return list(database.logs(wal, database.size(JOURNAL), space, plain))
