"""The writer: one commit for many, one bad write fails alone, and no result before its commit."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mmconnect.domain.errors import StoreUnavailable
from mmconnect.store import database as module
from mmconnect.store.connection import connect
from mmconnect.store.database import QUEUE_LIMIT, Database
from tests.store.making import afresh, commits


def put(name: str, value: str = "") -> Callable[[sqlite3.Connection], str]:
    def write(db: sqlite3.Connection) -> str:
        db.execute("INSERT INTO settings VALUES (?, ?)", (name, value))
        return name

    return write


def names(directory: Path) -> set[str]:
    """What another program finds in the file."""
    db = afresh(directory)
    try:
        return {row[0] for row in db.execute("SELECT name FROM settings")}
    finally:
        db.close()


class Disk:
    """Stands between the writer and its connection: a COMMIT can be made to wait or to fail."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.go = threading.Event()
        self.go.set()
        self.fault: Exception | None = None

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql == "COMMIT":
            assert self.go.wait(60)
            if self.fault is not None:
                raise self.fault
        return self._db.execute(sql, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


def full() -> sqlite3.OperationalError:
    """As SQLite tells it, which is at the COMMIT when it writes ahead."""
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> list[Disk]:
    """Filled with the writer's Disk once a database is opened after this."""
    disks: list[Disk] = []

    def opened(path: Path, **how: Any) -> Any:
        db = connect(path, **how)
        if how.get("readonly"):
            return db
        disks.append(Disk(db))
        return disks[-1]

    monkeypatch.setattr(module, "connect", opened)
    return disks


# -- group commit -------------------------------------------------------------------------------


@pytest.mark.parametrize("heavy", [False, True])
async def test_what_comes_together_is_committed_together(
    database: Database, tmp_path: Path, heavy: bool
) -> None:
    before = commits(tmp_path)
    wanted = [f"n{n}" for n in range(50)]
    got = await asyncio.gather(*[database.submit(put(name), heavy=heavy) for name in wanted])
    assert got == wanted
    assert names(tmp_path) == set(wanted)
    assert commits(tmp_path) - before <= 2


async def test_what_queues_up_while_the_disk_is_busy_shares_the_next_commit(
    disk: list[Disk], tmp_path: Path
) -> None:
    database = Database.open(tmp_path)
    before = commits(tmp_path)
    disk[0].go.clear()
    first = database.submit(put("first"))
    await asyncio.sleep(0.02)  # it is at its COMMIT
    rest = [database.submit(put(f"n{n}")) for n in range(100)]
    await asyncio.sleep(0)
    disk[0].go.set()
    await asyncio.gather(first, *rest)
    assert commits(tmp_path) - before == 2
    await database.close()


async def test_one_at_a_time_they_have_a_commit_each(database: Database, tmp_path: Path) -> None:
    """The count above counts."""
    before = commits(tmp_path)
    for n in range(10):
        await database.write(put(f"n{n}"))
    assert commits(tmp_path) - before == 10


@pytest.mark.parametrize("heavy", [False, True])
async def test_a_bad_write_fails_alone(database: Database, tmp_path: Path, heavy: bool) -> None:
    def half_done(db: sqlite3.Connection) -> None:
        put("half")(db)
        raise ValueError("changed its mind")

    def against_the_rules(db: sqlite3.Connection) -> None:
        put("against")(db)
        put("against")(db)

    writes = [put("a"), half_done, put("b"), against_the_rules, put("c")]
    before = commits(tmp_path)
    got = await asyncio.gather(
        *[database.submit(write, heavy=heavy) for write in writes], return_exceptions=True
    )
    assert [got[0], got[2], got[4]] == ["a", "b", "c"]
    assert isinstance(got[1], ValueError)
    assert isinstance(got[3], sqlite3.IntegrityError)
    assert names(tmp_path) == {"a", "b", "c"}
    assert commits(tmp_path) - before == 1
    assert database.trouble is None  # a mistake of ours says nothing about the disk


async def test_a_write_may_be_run_twice_and_has_its_effect_once(
    database: Database, tmp_path: Path
) -> None:
    runs: list[str] = []

    def noted(db: sqlite3.Connection) -> int:
        runs.append("run")
        put("once", "x" * len(runs))(db)
        return len(runs)

    def bad(db: sqlite3.Connection) -> None:
        raise ValueError

    result, failed = await asyncio.gather(
        database.submit(noted), database.submit(bad), return_exceptions=True
    )
    assert len(runs) == 2
    assert result == 2  # of the run that was kept
    assert isinstance(failed, ValueError)
    found = await database.read(lambda db: db.execute("SELECT * FROM settings").fetchall())
    assert found == [("once", "xx")]


# -- no result before its commit ------------------------------------------------------------------


@pytest.mark.parametrize("heavy", [False, True])
async def test_there_is_no_result_while_the_commit_is_on_its_way(
    disk: list[Disk], tmp_path: Path, heavy: bool
) -> None:
    database = Database.open(tmp_path)
    told: list[object] = []
    disk[0].go.clear()
    future = database.submit(put("a"), lambda *what: told.append(what), heavy=heavy)
    for _ in range(20):
        await asyncio.sleep(0.002)  # the loop turns all the while
        assert not future.done()
        assert told == []
    assert await database.read(lambda db: db.execute("SELECT 1").fetchone()) == (1,)
    assert names(tmp_path) == set()
    disk[0].go.set()
    assert await future == "a"
    assert told == [("a", None)]
    assert names(tmp_path) == {"a"}
    await database.close()


@pytest.mark.parametrize("heavy", [False, True])
@pytest.mark.parametrize("fault", [full(), MemoryError()], ids=["full", "memory"])
async def test_a_commit_that_fails_leaves_neither_row_nor_result(
    disk: list[Disk], tmp_path: Path, fault: Exception, heavy: bool
) -> None:
    database = Database.open(tmp_path)
    told: list[tuple[object, object]] = []
    disk[0].fault = fault
    futures = [
        database.submit(put(n), lambda *what: told.append(what), heavy=heavy) for n in ("a", "b")
    ]
    for got in await asyncio.gather(*futures, return_exceptions=True):
        assert isinstance(got, StoreUnavailable)
    assert [result for result, _ in told] == [None, None]
    assert all(isinstance(error, StoreUnavailable) for _, error in told)
    assert database.trouble is not None
    with pytest.raises(StoreUnavailable):
        await database.probe()
    assert names(tmp_path) == set()

    disk[0].fault = None
    await database.probe()
    assert database.trouble is None
    assert await database.write(put("c")) == "c"
    assert names(tmp_path) == {"c"}
    await database.close()


async def test_a_full_disk_in_the_middle_of_a_write_fails_it_whole(
    database: Database, tmp_path: Path
) -> None:
    """Here SQLite itself says so: it may not take another page."""

    def limit(db: sqlite3.Connection) -> None:
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count = {pages + 1}")

    await database.write(limit)
    got = await asyncio.gather(
        *[database.submit(put(f"n{n}", "x" * 9000)) for n in range(5)], return_exceptions=True
    )
    assert any(isinstance(one, StoreUnavailable) for one in got)
    kept = {one for one in got if isinstance(one, str)}
    assert names(tmp_path) == kept
    await database.write(lambda db: db.execute("PRAGMA max_page_count = 1000000"))
    assert await database.write(put("more", "x" * 9000)) == "more"
    assert names(tmp_path) == kept | {"more"}


# -- who waits may go, what follows may fail ------------------------------------------------------


async def test_cancelling_whoever_waits_cancels_no_write(disk: list[Disk], tmp_path: Path) -> None:
    database = Database.open(tmp_path)
    told: list[object] = []
    waiters = []
    for n in range(20):

        async def wait(name: str = f"n{n}") -> None:
            await database.submit(put(name), then=lambda result, error: told.append(result))

        waiters.append(asyncio.create_task(wait()))
    disk[0].go.clear()
    await asyncio.sleep(0.01)
    for waiter in waiters:
        waiter.cancel()
    await asyncio.gather(*waiters, return_exceptions=True)
    assert all(waiter.cancelled() for waiter in waiters)
    disk[0].go.set()
    await database.close()
    assert names(tmp_path) == set(told) == {f"n{n}" for n in range(20)}


async def test_what_follows_a_write_may_fail_without_stopping_the_next(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(result: object, error: object) -> None:
        raise ZeroDivisionError

    assert await database.submit(put("a"), then=fail) == "a"
    async with asyncio.timeout(60):
        assert await database.write(put("b")) == "b"
    assert "ZeroDivisionError" in caplog.text


async def test_the_queue_is_bounded(database: Database, tmp_path: Path) -> None:
    futures = [database.submit(put(f"n{n}")) for n in range(QUEUE_LIMIT + 10)]
    got = await asyncio.gather(*futures, return_exceptions=True)
    refused = [one for one in got if isinstance(one, StoreUnavailable)]
    assert len(refused) == 10
    assert "too many writes" in str(refused[0])
    assert len(names(tmp_path)) == QUEUE_LIMIT
    assert database.trouble is None


async def test_closing_finishes_what_is_queued(tmp_path: Path) -> None:
    database = Database.open(tmp_path)
    futures = [database.submit(put(f"n{n}"), heavy=n % 7 == 0) for n in range(1000)]
    await database.close()
    assert len(names(tmp_path)) == 1000
    assert all(future.done() for future in futures)


# -- another process -------------------------------------------------------------------------------


async def test_another_process_that_holds_the_lock_is_waited_for_but_not_for_long(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.3)
    other = afresh(tmp_path)
    other.execute("BEGIN IMMEDIATE")
    asked: list[str] = []
    database._writer.set_trace_callback(asked.append)
    begun = time.monotonic()
    with pytest.raises(StoreUnavailable, match="another program holds the database"):
        await database.write(put("a"))
    assert time.monotonic() - begun > 0.2
    assert [sql for sql in asked if "busy_timeout" in sql] == [
        "PRAGMA busy_timeout = 300",
        "PRAGMA busy_timeout = 0",
    ], "and not for longer, however slow this machine is"
    assert database.trouble is not None

    monkeypatch.setattr(module, "PATIENCE", 60.0)
    waiting = database.submit(put("b"))
    for _ in range(20):  # the event loop waits for nobody: else the lock would outlast the patience
        await asyncio.sleep(0.005)
    assert not waiting.done()
    other.execute("COMMIT")
    other.close()
    assert await waiting == "b"
    assert database.trouble is None
    assert names(tmp_path) == {"b"}
