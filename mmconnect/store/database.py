"""The database of the running service: one writer with group commit, and one reader.

The trap of SQLite under asyncio is that a connection is not a transaction: on a shared one, one
coroutine's rollback erases another's insert, and a cancellation in mid-transaction loses what comes
after. So a write here is one plain function, run whole on the writer's own thread; nobody else can
reach that connection, and cancelling whoever waits for it changes nothing. Writes that queue up
while the disk is busy share the next commit; when one of them fails, they are run again, each in its
own savepoint: one bad write fails alone.

Invariant: a write's future has a result only after its commit is on the disk.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from mmconnect.domain.errors import StoreUnavailable
from mmconnect.store import migrate
from mmconnect.store.connection import FILE, connect, unavailable

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
    then: Callable[[Any, BaseException | None], None] | None = None
    result: Any = None
    error: BaseException | None = field(default=None)


class Database:
    """Open with `Database.open()` and close with `close()`, in the event loop's thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trouble: str | None = None
        """Why the last commit failed, in words; None while commits succeed."""
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._writer = connect(path, patience=PATIENCE)
        try:
            migrate.migrate(self._writer, path)
            self._reader = connect(path, readonly=True)
        except BaseException:
            self._writer.close()
            raise
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="reader")
        self._thread = threading.Thread(target=self._write_forever, name="writer", daemon=True)
        self._thread.start()

    @classmethod
    def open(cls, directory: Path) -> Database:
        """Open (and create, and migrate) the database of a data directory.

        Raises StoreError or one of its kind, with a sentence for a person.
        """
        return cls(directory / FILE)

    def submit(self, function: Write[T], then: Then[T] | None = None) -> asyncio.Future[T]:
        """Queue a write; the future has its result once the commit is on the disk.

        `function` gets the connection, inside a transaction, on another thread; it must touch
        nothing of the event loop, and may be run a second time after its first run was undone. Its
        exception undoes it alone. StoreUnavailable means that nothing of it was kept.

        Whoever waits for the future may be cancelled; the write is not, and `then` is called in the
        event loop with (result, None) or (None, error) in any case.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        job = _Job(function, future, then)
        if self._jobs.qsize() >= QUEUE_LIMIT:
            job.error = StoreUnavailable("too many writes are waiting for the disk")
            self._loop.call_soon(self._settle, [job])
        else:
            self._jobs.put(job)
        return future

    async def write(self, function: Write[T]) -> T:
        """submit(), and wait."""
        return await self.submit(function)

    async def read(self, function: Write[T]) -> T:
        """Run `function` on the read-only connection: one snapshot, never in a write's way."""
        return await self._loop.run_in_executor(self._reading, _snapshot, self._reader, function)

    async def probe(self) -> None:
        """Commit something small. Raises StoreUnavailable while that cannot be done."""
        await self.write(lambda db: db.execute(f"PRAGMA user_version = {migrate.version(db)}"))

    async def close(self) -> None:
        """Finish what is queued, then close. Nothing may be submitted afterwards."""
        self._jobs.put(None)
        await self._loop.run_in_executor(None, self._thread.join)
        self._reading.shutdown()
        self._reader.close()
        self._writer.close()

    # -- the writer's thread --------------------------------------------------------------------

    def _write_forever(self) -> None:
        closing = False
        while not closing:
            batch, closing = self._next_batch()
            if batch:
                _commit_together(self._writer, batch)
                try:
                    self._loop.call_soon_threadsafe(self._settle, batch)
                except RuntimeError:  # the loop is gone: nobody waits any more
                    return

    def _next_batch(self) -> tuple[list[_Job], bool]:
        """Wait for a job, then take what has queued up beside it; True when asked to stop."""
        batch: list[_Job] = []
        job = self._jobs.get()
        while job is not None:
            batch.append(job)
            if len(batch) == BATCH:
                return batch, False
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    # -- the event loop's thread ----------------------------------------------------------------

    def _settle(self, batch: list[_Job]) -> None:
        troubles = [str(job.error) for job in batch if isinstance(job.error, StoreUnavailable)]
        self.trouble = troubles[0] if len(troubles) == len(batch) else None
        for job in batch:
            if job.then is not None:
                job.then(job.result, job.error)
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
        db.execute("COMMIT")


def _commit_together(db: sqlite3.Connection, batch: list[_Job]) -> None:
    """Run the jobs in one transaction and fill in results and errors."""
    try:
        db.execute("BEGIN IMMEDIATE")
        try:
            for job in batch:
                job.result = job.function(db)
        except Exception:
            _roll_back(db)
            db.execute("BEGIN IMMEDIATE")
            for job in batch:
                _run_alone(db, job)
        db.execute("COMMIT")
    except sqlite3.Error as error:
        told = unavailable(error) or StoreUnavailable(f"the database failed: {error}")
        told.__cause__ = error
        for job in batch:
            job.error = job.error or told
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
