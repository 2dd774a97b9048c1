"""Texts that have to be gone, deleted in the running service: some in each write.

The rows go at once; that their bytes leave the files as well is the janitor's work, which finishes
within minutes what begin() has opened. Dedupe keys stay, which are hashes: else the next push of
the phone would bring the texts back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from mmconnect.desk import named
from mmconnect.desk.actor import Actor
from mmconnect.desk.transactions import Reader, Writer
from mmconnect.domain.clock import Clock
from mmconnect.domain.errors import Invalid, Issue, NotFound, Refused
from mmconnect.store import erasure, messages, of_number
from mmconnect.store.erasure import Deleted

CHUNK = 20
"""Messages of one write, so that no push waits long."""
MOST = 5000
"""Texts of a number that are looked up before they are deleted."""


async def delete(write: Writer, message_ids: Sequence[str], *, clock: Clock, by: Actor) -> Deleted:
    """Delete messages with all that hangs on them, but none that is being sent at this moment.

    Raises NotFound, and then nothing is deleted.
    """
    ids = list(dict.fromkeys(message_ids))

    def begin(db: sqlite3.Connection) -> None:
        named.messages(db, ids)
        erasure.begin(db, clock.now())

    await write(begin)
    done = Deleted()
    for at in range(0, len(ids), CHUNK):
        done += await write(partial(erasure.delete, message_ids=ids[at : at + CHUNK]))
    await _note(write, done, clock, by)
    return done


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge:
    """What would be deleted with a number."""

    ids: tuple[str, ...]
    names: frozenset[str]
    """Every way in which the number is written."""
    more: bool
    """There may be more than MOST."""
    waiting: int
    """Deliveries that would never be sent."""


async def would_purge(read: Reader, number: str) -> Purge:
    """The texts that came from a number, at most MOST, found a few at a time. Raises Invalid."""
    if not number.strip():
        raise Invalid(Issue(path="from", message="Name the sender"))
    of = await read(lambda db: of_number.sender(db, number))
    ids: list[str] = []
    names, cursor, waiting = set(of.forms), None, 0
    while True:
        found = await read(partial(of_number.texts, of=of, cursor=cursor))
        ids += found.ids
        names |= found.names
        waiting += await read(partial(erasure.waiting, message_ids=found.ids))
        cursor = found.cursor
        if cursor is None or len(ids) >= MOST:
            return Purge(
                ids=tuple(ids), names=frozenset(names), more=cursor is not None, waiting=waiting
            )


async def purge(read: Reader, write: Writer, number: str, *, clock: Clock, by: Actor) -> Deleted:
    """Delete every text that came from a number, and what else is known of it. Raises Invalid."""
    await write(partial(erasure.begin, now=clock.now()))
    done, more = Deleted(), True
    while more:
        what = await would_purge(read, number)
        more = what.more
        for at in range(0, len(what.ids), CHUNK):
            some = await write(partial(erasure.delete, message_ids=what.ids[at : at + CHUNK]))
            done += some
            more = more and some.deleted > 0  # not for ever, where all are being sent
        await write(partial(erasure.forget_number, names=set(what.names)))
    await _note(write, done, clock, by)
    return done


async def wipe(write: Writer, message_id: str, *, clock: Clock, by: Actor) -> None:
    """Wipe the text of a message while its row stays. Raises NotFound, and Refused while it waits.

    One that is wiped already stays so.
    """

    def wipe(db: sqlite3.Connection) -> None:
        found = messages.get(db, message_id)
        if found is None:
            raise NotFound(f"There is no message {message_id}")
        if found.wiped_at is not None:
            return
        if not erasure.wipe(db, [message_id], clock.now()):
            raise Refused(
                "It still waits for an endpoint, and what is wiped cannot be sent. Cancel its"
                " deliveries first, or wait until they are through"
            )
        by.note(db, clock.now(), "message.wiped", message_id, "the text")

    await write(wipe)


async def _note(write: Writer, done: Deleted, clock: Clock, by: Actor) -> None:
    """How many, never whose."""
    if done.deleted:
        now, detail = clock.now(), f"{done.deleted} deleted"
        await write(lambda db: by.note(db, now, "message.deleted", None, detail))
