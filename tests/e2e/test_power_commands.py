"""The power is cut while a command changes what is kept: an upgrade, a backup, a restore, a
configuration that is put into force. It is as before or as after, and what was told is so.

Each command is recorded once, with every name that it gives a file, and played back
(tests/support/power).
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from mmconnect.store import migrate
from mmconnect.store.connection import connect
from tests.support import power, recorded
from tests.support.phones import generic_json
from tests.support.program import source_only
from tests.support.released import unpack
from tests.support.service import DB, Service, ask

INSTANTS = int(os.environ.get("POWER_INSTANTS", "64")) // 8
NEWEST = migrate.migrations()[-1][0]

pytestmark = [
    pytest.mark.apt,
    source_only,
    pytest.mark.skipif(not shutil.which("strace"), reason="needs strace"),
    pytest.mark.timeout(1800),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was found, laid down in a folder, and how far the command was then."""

    data: Path
    beside: Path
    told: bool
    """Whether the command had said that it was done."""


class Cut:
    """A command on a data directory, and all that the disk may hold at many moments of it."""

    def __init__(self, tmp_path: Path) -> None:
        seed = int(os.environ.get("POWER_SEED", random.randrange(10**6)))
        print(f"POWER_SEED={seed}")  # shown when the test fails
        self.chance = random.Random(seed)
        self.world, self.place = tmp_path / "world", tmp_path / "found"
        self.service = Service(self.world / "data", tmp_path)
        self.beside = self.world / "beside"
        self.beside.mkdir(parents=True)

    def at_many_moments(self, words: list[str], says: bytes, judge: Callable[[Seen], bool]) -> None:
        """Run it, and judge what would have been found; `judge` tells whether it is as after."""
        disk, record = power.Disk.holding(self.world), self.world.parent / "record"
        done = subprocess.run(
            [
                *(*recorded.STRACE, "-o", str(record), *self.service.program),
                *(*words, "--data-dir", str(self.service.directory)),
            ],
            capture_output=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        assert says in done.stdout
        events = recorded.read(record, self.world)
        print(sorted(Counter(f"{one.call} {Path(one.path).name}" for one in events).items()))
        moments = self.chance.sample(range(len(events)), min(INSTANTS, len(events)))
        seen, lost = Counter[bool](), 0
        for number, event in enumerate(events):
            disk.play(event)
            if number not in moments and number != len(events) - 1:
                continue
            whole = disk.snapshot()
            for found in (whole, *(disk.cut(self.chance) for _ in range(4))):
                lost += found != whole
                shutil.rmtree(self.place, ignore_errors=True)
                power.put(found, self.world, self.place)
                told = says in disk.said
                is_so = judge(
                    Seen(data=self.place / "data", beside=self.place / "beside", told=told)
                )
                assert is_so or not told, "it has said so, and it is not"
                seen[is_so] += 1
        print(f"as after, or before: {seen}; {lost} times something was missing")
        assert seen[True] > 0
        assert lost > 0


@pytest.fixture
def cut(tmp_path: Path) -> Cut:
    return Cut(tmp_path)


def _texts(file: Path) -> dict[str, str]:
    with closing(connect(file)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return dict(db.execute("SELECT id, text FROM messages").fetchall())


def _names(file: Path) -> set[str]:
    with closing(connect(file)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {one for (one,) in db.execute("SELECT name FROM devices")}


@pytest.mark.parametrize("schema", [1, pytest.param(6, marks=pytest.mark.long)])
def test_an_upgrade(cut: Cut, schema: int) -> None:
    story = unpack(schema, cut.service.directory)

    def judge(seen: Seen) -> bool:
        file = seen.data / DB
        texts = _texts(file)
        assert {id_: texts[id_] for id_ in story["texts"]} == story["texts"]
        with closing(connect(file)) as db:
            new = migrate.version(db) == NEWEST
            assert new or migrate.version(db) == schema
        if new:
            copy = seen.data / "backups" / f"before-schema-{schema + 1}.db"
            with closing(connect(copy)) as db:
                assert migrate.version(db) == schema
            assert {id_: _texts(copy)[id_] for id_ in story["texts"]} == story["texts"]
        else:
            with closing(connect(file)) as db:
                migrate.migrate(db, file)
                assert migrate.version(db) == NEWEST
        return new

    cut.at_many_moments(["device", "list"], b"dev_", judge)


@pytest.mark.long
def test_a_backup_over_an_older_one(cut: Cut) -> None:
    cut.service.cli("device", "add", "--name", "First")
    file = cut.beside / "backup.db"
    cut.service.cli("backup", str(file))
    cut.service.cli("device", "add", "--name", "Second")

    def judge(seen: Seen) -> bool:
        assert _names(seen.data / DB) == {"First", "Second"}
        held = _names(seen.beside / "backup.db")
        assert held in ({"First"}, {"First", "Second"})
        return "Second" in held

    cut.at_many_moments(["backup", "--force", str(file)], b"Everything is in", judge)


def test_a_restore(cut: Cut) -> None:
    service, file = cut.service, cut.beside / "backup.db"
    service.cli("device", "add", "--name", "First")
    authority = find_spec("cryptography") is not None
    if authority:
        service.cli("tls", "create-ca")
    service.cli("backup", str(file))
    ca = service.directory / "ca.key"
    backed_up = ca.read_bytes() if authority else b""
    service.start()
    try:
        token = service.cli("device", "add", "--name", "Second")["token"]
        headers, body = generic_json({"from": "+6581230000", "text": "later"})
        assert ask(service.phone, "POST", f"/in/{token}", body, headers)[0] == 200
    finally:
        service.kill()  # what is new stands in the log only
    if authority:
        service.cli("tls", "create-ca", "--replace")
    replaced = ca.read_bytes() if authority else b""

    def judge(seen: Seen) -> bool:
        held = _names(seen.data / DB)
        assert held in ({"First"}, {"First", "Second"})
        key = (seen.data / "ca.key").read_bytes() if authority else b""
        assert key in (backed_up, replaced)
        if held == {"First"}:
            (before,) = (seen.data / "backups").glob("before-restore-*.db")
            assert _names(before) == {"First", "Second"}
            assert [*_texts(before).values()] == ["later"]
        else:
            assert key == replaced
            assert [*_texts(seen.data / DB).values()] == ["later"]
        return held == {"First"} and key == backed_up

    cut.at_many_moments(["restore", str(file)], b"The backup is in place", judge)


@pytest.mark.long
def test_a_configuration_that_is_put_into_force(cut: Cut) -> None:
    service, file = cut.service, cut.beside / "configuration.json"
    wanted = {f"Phone {n}" for n in range(20)}
    for name in ("A", "B"):
        service.cli("device", "add", "--name", name)
    document = service.cli("export-config")
    document["devices"] += [{"name": one, "app": "generic"} for one in sorted(wanted)]
    document["endpoints"] += [{"name": "CRM", "url": "http://127.0.0.1:9/"}]
    file.write_text(json.dumps(document), encoding="utf-8")

    def judge(seen: Seen) -> bool:
        names = _names(seen.data / DB)
        with closing(connect(seen.data / DB)) as db:
            (endpoints,) = db.execute("SELECT count(*) FROM endpoints").fetchone()
        assert (names, endpoints) in (({"A", "B"}, 0), ({"A", "B"} | wanted, 1))
        return bool(endpoints)

    cut.at_many_moments(["import-config", str(file)], b"Phone 19", judge)
