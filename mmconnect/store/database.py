"""The database of the running service: one writer with group commit, and one reader.

The trap of SQLite under asyncio is that a connection is not a transaction: on a shared one, one
coroutine's rollback erases another's insert, and a cancellation in mid-transaction loses what comes
after. So a write here is one plain function, run whole between BEGIN IMMEDIATE and COMMIT, which
nothing can come between; nobody else can reach that connection, and cancelling whoever waits for it
changes nothing. Writes that queue up while the disk is busy share the next commit; when one of them
fails, they are run again, each in its own savepoint: one bad write fails alone.

The statements of a text touch a few pages that are in memory, in tens of microseconds: they run in
the event loop, as handing them to a thread costs more than running them. What waits for the disk,
the COMMIT, runs on the writer's thread, and so does everything that is heavy or has to wait for
another process's lock.

Invariant: a write's future has a result only after its commit is on the disk.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from mmconnect.domain.errors import StoreUnavailable
from mmconnect.store import migrate
from mmconnect.store.connection import FILE, connect, ended, unavailable
from mmconnect.store.pulse import Pulse

log = logging.getLogger(__name__)

T = TypeVar("T")
Write = Callable[[sqlite3.Connection], T]
Then = Callable[[T | None, BaseException | None], None]

PATIENCE = 2.0
"""Seconds that a commit waits for another process's lock: a phone gives up after 5."""
BATCH = 256
"""Writes that share one commit at the most."""
QUEUE_LIMIT = 4096
"""Writes that may wait; more are told to come back, so that memory is bounded."""


@dataclass(slots=True, eq=False)
class _Job:
    function: Write[Any]
    future: asyncio.Future[Any]
    then: Then[Any] | None
    heavy: bool
    result: Any = None
    error: BaseException | None = None


class Database:
    """Open with `Database.open()` and close with `close()`, in the event loop's thread."""

    def __init__(self, path: Path, gets_on: Callable[[], None] = lambda: None) -> None:
        self.path = path
        self.trouble: str | None = None
        """Why the last commit failed, in words; None while commits succeed."""
        self.on_trouble: Callable[[], None] = lambda: None
        """Called when commits begin to fail: somebody has to probe() until they succeed."""
        self._loop = asyncio.get_running_loop()
        self._waiting: list[_Job] = []
        self._upkeep: list[_Job] = []
        self._busy = False
        self.pulse = Pulse(self._loop.time)
        self._idle = asyncio.Event()
        self._idle.set()
        self._writer = connect(path)
        try:
            migrate.migrate(self._writer, path, gets_on)
            self._writer.execute("PRAGMA busy_timeout = 0")  # the event loop waits for nobody
            self._reader = connect(path, readonly=True)
        except BaseException:
            self._writer.close()
            raise
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="reader")

    @classmethod
    def open(cls, directory: Path, gets_on: Callable[[], None] = lambda: None) -> Database:
        """Open (and create, and migrate: `gets_on`) the database of a data directory.

        Raises StoreError or one of its kind, with a sentence for a person."""
        return cls(directory / FILE, gets_on)

    def submit(
        self, function: Write[T], then: Then[T] | None = None, *, heavy: bool = False
    ) -> asyncio.Future[T]:
        """Queue a write; the future has its result once the commit is on the disk.

        `function` gets the connection, inside a transaction. It must not wait for anything, and may
        be run a second time after its first run was undone. Its exception undoes it alone.
        StoreUnavailable means that nothing of it was kept. `heavy` is for what touches many rows or
        megabytes: it runs on the writer's thread, and so must not touch the event loop's things.

        Whoever waits for the future may be cancelled; the write is not, and `then` is called in the
        event loop with (result, None) or (None, error) in any case.
        """
        job = _Job(function, self._loop.create_future(), then, heavy)
        if len(self._waiting) >= QUEUE_LIMIT:
            job.error = StoreUnavailable("too many writes are waiting for the disk")
            self._loop.call_soon(self._tell, [job])
        else:
            self._waiting.append(job)
            if not self._busy:
                self._busy = True
                self._idle.clear()
                self._loop.call_soon(self._next)
        return job.future

    async def write(self, function: Write[T], *, heavy: bool = False) -> T:
        """submit(), and wait."""
        return await self.submit(function, heavy=heavy)

    async def read(self, function: Write[T]) -> T:
        """Run `function` on the read-only connection: one snapshot, never in a write's way."""
        return await self._loop.run_in_executor(self._reading, _snapshot, self._reader, function)

    async def maintain(self, function: Write[T]) -> T:
        """Run `function` alone on the writer's thread, outside a transaction, when no write waits.

        For upkeep: what comes in meanwhile waits for it, so it has to be short. It may begin and
        end transactions; one that it leaves open is undone.
        """
        job = _Job(function, self._loop.create_future(), None, heavy=True)
        self._upkeep.append(job)
        if not self._busy:
            self._busy = True
            self._idle.clear()
            self._loop.call_soon(self._next)
        result: T = await job.future
        return result

    async def probe(self) -> None:
        """Commit something small. Raises StoreUnavailable while that cannot be done."""
        await self.write(lambda db: db.execute(f"PRAGMA user_version = {migrate.version(db)}"))
        self.pulse.answers()

    async def close(self) -> None:
        """Finish what is queued, then close. Nothing may be submitted afterwards."""
        await self._idle.wait()
        self._writing.shutdown()
        self._reading.shutdown()
        self._reader.close()
        self._writer.close()

    def _next(self) -> None:
        """Start the next batch: whatever has queued up."""
        batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
        if batch or self._upkeep:
            self.pulse.begins()
        if not batch and self._upkeep:
            job = self._upkeep.pop(0)
            self._writing.submit(_run_outside, self._writer, job).add_done_callback(
                lambda _: self._loop.call_soon_threadsafe(self._maintained, job)
            )
            return
        if not batch:
            self._busy = False
            self.pulse.rests()
            self._idle.set()
            return
        at_once = not any(job.heavy for job in batch) and _run_at_once(self._writer, batch)
        finish = _commit if at_once else _run_and_commit
        self._writing.submit(finish, self._writer, batch).add_done_callback(
            lambda _: self._loop.call_soon_threadsafe(self._settle, batch)
        )

    def _settle(self, batch: list[_Job]) -> None:
        """A batch is through: say how the disk is, tell everyone, and go on."""
        troubles = [str(job.error) for job in batch if isinstance(job.error, StoreUnavailable)]
        before, self.trouble = self.trouble, troubles[0] if len(troubles) == len(batch) else None
        self.pulse.settles(self._writer.total_changes, refused=self.trouble is not None)
        if self.trouble is not None and before is None:
            self.on_trouble()
        self._tell(batch)
        self._next()

    def _maintained(self, job: _Job) -> None:
        self._tell([job])
        self._next()

    @staticmethod
    def _tell(batch: list[_Job]) -> None:
        for job in batch:
            if job.then is not None:
                try:
                    job.then(job.result, job.error)
                except Exception:
                    log.exception("What follows a write failed; the write itself did not")
            if job.future.cancelled():
                continue
            if job.error is None:
                job.future.set_result(job.result)
            else:
                job.future.set_exception(job.error)


def _snapshot(db: sqlite3.Connection, function: Write[T]) -> T:
    db.execute("BEGIN")
    try:
        return function(db)
    except sqlite3.Error as error:
        raise unavailable(error) or error from error
    finally:
        ended(db)


def _run_at_once(db: sqlite3.Connection, batch: list[_Job]) -> bool:
    """Run the jobs in one transaction, all but its COMMIT; False, and nothing done, when one fails.

    So they do when another process holds the lock: this waits for nobody.
    """
    try:
        db.execute("BEGIN IMMEDIATE")
        for job in batch:
            job.result = job.function(db)
    except Exception:
        _roll_back(db)
        return False
    return True


def _commit(db: sqlite3.Connection, batch: list[_Job]) -> None:
    """COMMIT on the writer's thread; what could not be kept has an error."""
    try:
        db.execute("COMMIT")
    except Exception as error:  # not only sqlite3.Error: no memory is a MemoryError
        _fail(db, batch, error)


def _run_and_commit(db: sqlite3.Connection, batch: list[_Job]) -> None:
    """Run the jobs, each in its own savepoint, and commit, with patience for another's lock."""
    try:
        db.execute(f"PRAGMA busy_timeout = {PATIENCE * 1000:.0f}")
        db.execute("BEGIN IMMEDIATE")
        for job in batch:
            _run_alone(db, job)
        db.execute("COMMIT")
    except Exception as error:
        _fail(db, batch, error)
    finally:
        db.execute("PRAGMA busy_timeout = 0")


def _run_outside(db: sqlite3.Connection, job: _Job) -> None:
    """Upkeep, in no transaction of ours."""
    try:
        job.result = job.function(db)
    except Exception as error:
        job.error = (unavailable(error) if isinstance(error, sqlite3.Error) else None) or error
    finally:
        _roll_back(db)


def _fail(db: sqlite3.Connection, batch: list[_Job], error: Exception) -> None:
    """The whole transaction is lost: nothing of the batch was kept."""
    told = unavailable(error) if isinstance(error, sqlite3.Error) else None
    told = told or StoreUnavailable(f"the database failed: {str(error) or type(error).__name__}")
    told.__cause__ = error
    for job in batch:
        job.result, job.error = None, job.error or told
    _roll_back(db)


def _run_alone(db: sqlite3.Connection, job: _Job) -> None:
    """One job in its savepoint. Raises sqlite3.Error only when the whole transaction is gone."""
    db.execute("SAVEPOINT job")
    job.result = None
    try:
        job.result = job.function(db)
    except Exception as error:
        if not db.in_transaction:  # SQLite gave up the whole transaction (disk full, I/O error)
            if isinstance(error, sqlite3.Error):
                raise
            raise sqlite3.OperationalError("the transaction was lost") from error
        db.execute("ROLLBACK TO job")
        job.error = (unavailable(error) if isinstance(error, sqlite3.Error) else None) or error
    db.execute("RELEASE job")


def _roll_back(db: sqlite3.Connection) -> None:
    if db.in_transaction:
        try:
            db.execute("ROLLBACK")
        except sqlite3.Error:  # SQLite has rolled back by itself, which is what was wanted
            return


def unwatched(write: asyncio.Future[Any]) -> None:
    """The callback of a write that nobody waits for: takes its error, which may be lost."""
    if not write.cancelled():
        write.exception()
