"""Texts that have to be gone, deleted in the running service: some in each write.

The rows go at once; that their bytes leave the files as well is the janitor's work, which finishes
within minutes what begin() has opened. Dedupe keys stay, which are hashes: else the next push of
the phone would bring the texts back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

from mmconnect.desk.actor import Actor
from mmconnect.desk.endpoints import Writer
from mmconnect.domain.clock import Clock
from mmconnect.domain.errors import Invalid, Issue, NotFound
from mmconnect.store import erasure, sends
from mmconnect.store.erasure import Deleted

CHUNK = 20
"""Messages of one write, so that no push waits long."""

T = TypeVar("T")


class Reader(Protocol):
    """Runs a function on one snapshot of the database: Database.read(), say."""

    async def __call__(self, function: Callable[[sqlite3.Connection], T], /) -> T: ...


async def delete(write: Writer, message_ids: Sequence[str], *, clock: Clock, by: Actor) -> Deleted:
    """Delete messages with all that hangs on them, but none that is being sent at this moment.

    Raises NotFound, and then nothing is deleted.
    """
    ids = list(dict.fromkeys(message_ids))

    def begin(db: sqlite3.Connection) -> None:
        if missing := sends.unknown(db, ids):
            told = f"{', '.join(missing[:3])}{' …' if missing[3:] else ''}"
            raise NotFound(f"There is no message {told}")
        erasure.begin(db, clock.now())

    await write(begin)
    done = Deleted()
    for at in range(0, len(ids), CHUNK):
        done += await write(partial(erasure.delete, message_ids=ids[at : at + CHUNK]))
    await _note(write, done, clock, by)
    return done


async def purge(read: Reader, write: Writer, number: str, *, clock: Clock, by: Actor) -> Deleted:
    """Delete every text that came from a number, and what else knows of it. Raises Invalid.

    Looks through all messages first: `read` must not be in a write's way.
    """
    if not number.strip():
        raise Invalid(Issue(path="from", message="Name the sender"))
    await write(partial(erasure.begin, now=clock.now()))

    def look(db: sqlite3.Connection) -> tuple[set[str], list[str]]:
        names = erasure.written(db, number)
        return names, erasure.from_number(db, names)

    names, ids = await read(look)
    done = Deleted()
    for at in range(0, len(ids), CHUNK):
        done += await write(partial(erasure.delete, message_ids=ids[at : at + CHUNK]))
    await write(partial(erasure.forget_number, names=names))
    await _note(write, done, clock, by)
    return done


async def _note(write: Writer, done: Deleted, clock: Clock, by: Actor) -> None:
    """How many, never whose."""
    if done.deleted:
        now, detail = clock.now(), f"{done.deleted} deleted"
        await write(lambda db: by.note(db, now, "message.deleted", None, detail))
