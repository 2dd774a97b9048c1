"""What is left of deleted texts in the file itself, and getting rid of it.

`secure_delete` zeroes what is deleted, but not the copies that SQLite leaves when it moves rows
between pages: in the unused middle of a page old bytes stay until something is written over them.
So after an erasure the log is truncated, every page is read, and such middles are zeroed in place,
under the write lock and with nothing in the log, so that nobody has a newer version of the page.
https://www.sqlite.org/fileformat2.html §1.6 says where a page's unused middle is.

Trap: closing any descriptor of the file ends SQLite's own locks on it in this process
(sqlite.org/howtocorrupt.html §2.2), so the one used here is kept until the process ends.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmconnect.domain.errors import StoreError
from mmconnect.store import migrate
from mmconnect.store.connection import connect, unavailable

PIECE = 256
"""Pages that are read at once."""
_HEADS = {2: 12, 5: 12, 10: 8, 13: 8}
"""Length of a b-tree page's header by the page's type."""
_LARGEST = 0x0200_0000
"""Pages beyond which the first byte of an overflow page could look like a b-tree's (128 GiB)."""

_kept: dict[tuple[int, int], int] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Middle:
    """The unused middle of one page that is not all zero."""

    page: int
    start: int
    end: int


def truncate_log(db: sqlite3.Connection) -> bool:
    """Carry the write-ahead log over into the file and empty it; False when somebody is reading."""
    busy, _, _ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def log_size(path: Path) -> int:
    """Bytes of the write-ahead log of a database file."""
    try:
        return path.with_name(path.name + "-wal").stat().st_size
    except FileNotFoundError:
        return 0


def middles(path: Path, first: int = 1, pages: int | None = None) -> Iterator[Middle]:
    """Unused middles that are not empty, of `pages` pages (all) from the `first` (1) on.

    Of the file as it stands, without the log.
    """
    fd = _descriptor(path)
    size, count = _layout(fd)
    end = count if pages is None else min(count, first - 1 + pages)
    for at in range(first - 1, end, PIECE):
        data = os.pread(fd, size * min(PIECE, end - at), at * size)
        for n in range(len(data) // size):
            found = _middle(data[n * size : (n + 1) * size], at + n + 1)
            if found is not None:
                yield found


def search(path: Path, first: int, pages: int) -> list[Middle]:
    """middles(), all at once."""
    return list(middles(path, first, pages))


def page_count(path: Path) -> int:
    """How many pages the file has."""
    return _layout(_descriptor(path))[1]


def clear(path: Path, found: list[Middle]) -> bool:
    """Zero these middles, as far as they still are some; False when the database is busy.

    Takes the write lock for as long as that takes: a page write each, and one fsync.
    """
    fd = _descriptor(path)
    try:
        db = connect(path, patience=0.0)
        try:
            db.execute("BEGIN IMMEDIATE")
            if log_size(path):
                return False  # a newer version of a page may stand there
            size, count = _layout(fd)
            for middle in found:
                if middle.page <= count:
                    _zero(fd, middle.page, size)
            os.fsync(fd)
            # something has to change: then every connection reads its pages anew
            db.execute(f"PRAGMA user_version = {migrate.version(db)}")
            db.execute("COMMIT")
        finally:
            db.close()
    except sqlite3.Error as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
            return False
        raise unavailable(error, path) or error from error
    return True


def _zero(fd: int, page: int, size: int) -> None:
    data = os.pread(fd, size, (page - 1) * size)
    middle = _middle(data, page)
    if middle is not None:
        os.pwrite(fd, bytes(middle.end - middle.start), (page - 1) * size + middle.start)


def _middle(data: bytes, page: int) -> Middle | None:
    """The unused middle of a page: between the cells' pointers and the cells themselves."""
    size = len(data)
    head = 100 if page == 1 else 0
    length = _HEADS.get(data[head])
    if length is None or (page - 2) % (size // 5 + 1) == 0:  # the latter: a pointer map
        return None
    cells = int.from_bytes(data[head + 3 : head + 5])
    start = head + length + 2 * cells
    end = int.from_bytes(data[head + 5 : head + 7]) or 65536
    if not start < end <= size or not any(data[start:end]):
        return None
    return Middle(page=page, start=start, end=end)


def _layout(fd: int) -> tuple[int, int]:
    """(bytes of a page, pages of the file). Raises StoreError for what is not laid out as ours."""
    head = os.pread(fd, 100, 0)
    size = int.from_bytes(head[16:18])
    size = 65536 if size == 1 else size
    count = os.fstat(fd).st_size // size if size else 0
    reserved, auto_vacuum = head[20:21], int.from_bytes(head[52:56])
    if not head.startswith(b"SQLite format 3\0") or reserved != b"\0" or not auto_vacuum:
        raise StoreError("the database file is not laid out as mmconnect makes it")
    if count >= _LARGEST:
        raise StoreError("the database file is too large to look for remains")
    return size, count


def _descriptor(path: Path) -> int:
    there = path.stat()
    key = (there.st_dev, there.st_ino)
    if key not in _kept:
        _kept[key] = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    return _kept[key]
