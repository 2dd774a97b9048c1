"""The whole examination: what is looked at in which order, and what goes on beside what.

A look that fails is a finding like any other, and keeps nobody from the rest. What may take long,
or never come back, has its time.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from importlib.util import find_spec

from mmconnect.desk.doctor import Check, Finding, Report
from mmconnect.service.clock_sync import kernel_clock
from mmconnect.service.doctor import (
    certificate,
    clock,
    copies,
    database,
    directory,
    disk,
    firewall,
    hardware,
    lan,
    looks_around,
    looks_at_data,
    ports,
    receivers,
    speed,
    unit,
    versions,
    work,
)
from mmconnect.service.doctor.patience import within
from mmconnect.service.doctor.scene import DISK_PATIENCE, Scene, Subject
from mmconnect.service.tls import names

log = logging.getLogger(__name__)

OPTIONS = Check("options", "Options")

Found = Iterable[Finding]
Look = Callable[[Scene], Awaitable[Found]]


async def examine(subject: Subject) -> Report:
    """Look at everything."""
    scene = Scene(subject)
    data, network, others = _DATA, _AROUND, _REST
    if scene.blind:  # a service that cannot be seen must not be told to be down
        data, network = data[:1], network[1:2]
        others = tuple(one for one in others if one[0] in _WITHOUT_DATA)
    seen = [await _look(scene, check, look) for check, look in data]
    around = await asyncio.gather(*(_look(scene, check, look) for check, look in network))
    rest = [await _look(scene, check, look) for check, look in others]
    found = [one for part in (*around, *seen, *rest) for one in part]
    return Report(at=scene.now, findings=tuple(_typed(one, subject.command) for one in found))


def _typed(one: Finding, command: str) -> Finding:
    """With the commands in it as they have to be typed here."""
    if one.remedy is None or command == "mmconnect":
        return one
    return replace(one, remedy=re.sub("`(sudo )?mmconnect ", rf"`\1{_raw(command)} ", one.remedy))


def _raw(text: str) -> str:
    return text.replace("\\", r"\\")


async def _look(scene: Scene, check: Check, look: Look) -> list[Finding]:
    try:
        return list(await look(scene))
    except TimeoutError:
        return [
            check.note(
                "It could not be looked at: there was no answer in time.",
                "Look again; if it stays so, see what is found of the disk.",
            )
        ]
    except Exception as error:
        log.debug("A look of the doctor failed", exc_info=True)
        told = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return [check.note(f"It could not be looked at: {told}.", "Please report it.")]


async def _clock(scene: Scene) -> Found:
    known = scene.stored
    return [
        clock.check(
            scene.now,
            kernel_clock(),
            trusted=known is not None and known.configuration.preferences.clock_trusted,
            last_ran=None if known is None else known.last_ran,
            standing=scene.subject.standing,
        )
    ]


async def _certificate(scene: Scene) -> Found:
    options, brought = scene.subject.options, scene.brought
    key = options.tls_key if options is not None and options.tls_cert == brought else None
    papers = await within(
        DISK_PATIENCE,
        lambda: certificate.look(scene.directory, brought, key, in_use=scene.running is not None),
    )
    return certificate.check(
        papers,
        names.present(),
        scene.now,
        running=scene.running is not None,
        can_make=find_spec("cryptography") is not None,
    )


async def _deliveries(scene: Scene) -> Found:
    if scene.stored is None:
        return [work.DELIVERIES.skipped(scene.unread)]
    if scene.running is not None and work.overdue(scene.stored.waits, scene.now):
        await looks_at_data.again(scene)  # it may have been between two texts
    return work.deliveries(scene.stored.waits, scene.now, running=scene.running is not None)


async def _phones(scene: Scene) -> Found:
    known = scene.stored
    if known is None:
        return [work.PHONES.skipped(scene.unread)]
    return work.phones(known.phones, len(known.configuration.phones) - len(known.phones))


async def _backup(scene: Scene) -> Found:
    known = scene.stored
    if known is None:
        return [copies.BACKUP.skipped(scene.unread)]
    wanted = known.configuration.preferences
    try:
        about = await within(
            DISK_PATIENCE,
            lambda: copies.look(
                scene.directory, wanted, known.backup_at, scene.now, anything=known.texts
            ),
        )
    except TimeoutError:
        return [copies.hangs(wanted.backup_folder or str(scene.directory))]
    return [copies.check(about, scene.now)]


async def _machine(scene: Scene) -> Found:
    return hardware.check(hardware.look())


async def _versions(scene: Scene) -> Found:
    running = None if scene.running is None else scene.running.version
    return versions.check(versions.present(), running)


async def _options(scene: Scene) -> Found:
    subject = scene.subject
    if subject.fault is not None:
        return [OPTIONS.problem(f"{subject.fault}.", "The service cannot start before.")]
    unknown = () if subject.options is None else subject.options.unknown_variables
    return [
        OPTIONS.note(f"The variable {name} is not one that mmconnect knows.", "Is it spelt right?")
        for name in unknown
    ]


_DATA: tuple[tuple[Check, Look], ...] = (
    (directory.DIRECTORY, looks_at_data.owner),
    (disk.DISK, looks_at_data.room),
    (speed.FSYNC, looks_at_data.quickness),
    (database.DATABASE, looks_at_data.whole),
    (database.LOG, looks_at_data.logs),
)
"""One after the other: one disk does all of it, and others ask what the database has said."""
_AROUND: tuple[tuple[Check, Look], ...] = (
    (unit.SERVICE, looks_around.service),
    (unit.UNIT, looks_around.systemd),
    (ports.PORTS, looks_around.listeners),
    (lan.LAN, looks_around.network),
    (firewall.FIREWALL, looks_around.walls),
    (receivers.RECEIVERS, looks_around.endpoints),
)
"""All at once: they wait for others."""
_REST: tuple[tuple[Check, Look], ...] = (
    (clock.CLOCK, _clock),
    (certificate.CERTIFICATE, _certificate),
    (work.DELIVERIES, _deliveries),
    (work.PHONES, _phones),
    (copies.BACKUP, _backup),
    (hardware.MACHINE, _machine),
    (versions.VERSIONS, _versions),
    (OPTIONS, _options),
)
_WITHOUT_DATA = (clock.CLOCK, hardware.MACHINE, versions.VERSIONS, OPTIONS)
"""Of these, what can be told without a look into the data directory."""
