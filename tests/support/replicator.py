"""Stands in for a continuous replicator (Litestream): keeps a replica from the write-ahead log.

Does to the database what that does: tables of its own, a read transaction that it holds all the
time so that nobody starts the log anew, and checkpoints of its own. Run as
`python -m tests.support.replicator DATABASE REPLICA`; SIGTERM lets it write what it has and end.
Of the log only what is committed is taken: the wal-index says how far that is
(https://www.sqlite.org/walformat.html).
"""

from __future__ import annotations

import signal
import sqlite3
import struct
import sys
import time
from pathlib import Path

CHECKPOINT = 1000
"""Pages of the log after which it is carried over, as Litestream's default is."""
_HEADER, _FRAME = 32, 24


def committed(path: Path) -> tuple[int, int]:
    """(frames of the log that are in use, pages of the database), from the wal-index."""
    while True:
        with path.with_name(f"{path.name}-shm").open("rb") as index:
            head = index.read(96)
        if len(head) == 96 and head[:48] == head[48:]:  # the writer was not in the midst of it
            last, count = struct.unpack_from("=II", head, 16)
            return last, count


class Replicator:
    """One database, and the pages of its replica."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lost = 0
        """How often somebody has started the log anew behind its back."""
        self._holding, self._locking, self._carrying = (self._opened() for _ in range(3))
        for table in ("_litestream_seq", "_litestream_lock"):
            self._locking.execute(f"CREATE TABLE IF NOT EXISTS {table} (id INTEGER PRIMARY KEY)")
        self._locking.execute("INSERT OR REPLACE INTO _litestream_seq VALUES (1)")
        self._page = int(self._locking.execute("PRAGMA page_size").fetchone()[0])
        self._hold()
        self._locking.execute("BEGIN IMMEDIATE")  # nobody writes while the file itself is read
        data = path.read_bytes()
        self._pages = {
            n + 1: data[n * self._page : (n + 1) * self._page]
            for n in range(len(data) // self._page)
        }
        self._count = len(self._pages)
        self._salt, self._done = b"", 0
        self.sync()
        self._locking.execute("ROLLBACK")

    def sync(self) -> None:
        """Take what was committed since the last time."""
        last, count = committed(self.path)
        with self.path.with_name(f"{self.path.name}-wal").open("rb") as log:
            salt = log.read(_HEADER)[16:24]
            if salt != self._salt:
                if self._salt and not self._carried:
                    self.lost += 1
                self._salt, self._done, self._carried = salt, 0, False
            log.seek(_HEADER + self._done * (_FRAME + self._page))
            for _ in range(self._done, last):
                frame = log.read(_FRAME + self._page)
                self._pages[int.from_bytes(frame[:4])] = frame[_FRAME:]
        self._done, self._count = last, count

    _carried = False

    def carry(self) -> None:
        """Let the log begin anew: all of it is here, and is carried over into the file."""
        if self._done < CHECKPOINT:
            return
        self._locking.execute("BEGIN IMMEDIATE")
        try:
            self.sync()
            self._holding.execute("ROLLBACK")
            self._carrying.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            self._carried = True
            self._hold()
        finally:
            self._locking.execute("ROLLBACK")

    def write(self, replica: Path) -> None:
        """The database as far as it is here."""
        part = replica.with_name(f"{replica.name}.part")
        with part.open("wb") as file:
            for number in range(1, self._count + 1):
                file.write(self._pages[number])
        part.replace(replica)

    def _hold(self) -> None:
        self._holding.execute("BEGIN")
        self._holding.execute("SELECT count(*) FROM _litestream_seq").fetchone()

    def _opened(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=30, isolation_level=None)


def main(database: Path, replica: Path) -> None:
    """Replicate until SIGTERM."""
    over: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: over.append(number))
    found = Replicator(database)
    print("ready", flush=True)
    while not over:
        time.sleep(0.05)
        found.sync()
        found.carry()
    found.sync()
    found.write(replica)
    print(f"lost {found.lost}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
