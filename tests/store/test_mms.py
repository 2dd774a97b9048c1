"""MMS in two pushes: announced, downloaded, in either order, in time or too late."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import pytest

from mmconnect.domain.models import Attachment, Kind
from mmconnect.phones.push import IncomingText
from mmconnect.store import messages, mms
from mmconnect.store.messages import StoredMessage
from tests.store.making import MINUTE, NOW
from tests.store.test_dedupe import Way, way

__all__ = ["way"]

SENT = NOW - 5_000
PICTURE = (Attachment(name="a.jpg", content_type="image/jpeg", size=1234),)


def announced(event_id: str = "n1", **more: Any) -> IncomingText:
    fields: dict[str, Any] = {
        "kind": Kind.MMS,
        "sender": "+6581230000",
        "text": "",
        "sent_at": SENT,
    }
    fields |= {"event_id": event_id, "subject": "Holiday", "announcement": True}
    return IncomingText(**(fields | more))


def downloaded(event_id: str = "d1", **more: Any) -> IncomingText:
    fields: dict[str, Any] = {
        "kind": Kind.MMS,
        "sender": "+6581230000",
        "text": "Look!",
        "sent_at": SENT,
    }
    fields |= {"event_id": event_id, "subject": "Holiday", "attachments": PICTURE}
    return IncomingText(**(fields | more))


async def stored(way: Way) -> list[StoredMessage]:
    """Every message, oldest first, with what its own page shows."""

    def look(db: sqlite3.Connection) -> list[StoredMessage | None]:
        rows = db.execute("SELECT id FROM messages ORDER BY received_at, rowid").fetchall()
        return [messages.get(db, row[0]) for row in rows]

    return [one for one in await way.database.read(look) if one is not None]


async def deliveries(way: Way) -> list[tuple[str, str]]:
    return await way.database.read(
        lambda db: db.execute("SELECT message_id, state FROM deliveries ORDER BY id").fetchall()
    )


async def test_announced_then_downloaded_in_time_is_one_with_the_announcements_id(way: Way) -> None:
    first = await way.one(announced())
    assert not first.duplicate
    assert await stored(way) == []  # nothing goes out yet
    way.clock.ms += 14 * MINUTE
    second = await way.one(downloaded())
    assert second.message_id == first.message_id
    (only,) = await stored(way)
    assert only.message.id == first.message_id
    assert (only.message.text, only.message.attachments) == ("Look!", PICTURE)
    assert only.message.ref is None
    body = json.loads(only.payload or b"")
    assert (body["id"], body["ref"], body["kind"]) == (first.message_id, None, "mms")
    assert await deliveries(way) == [(first.message_id, "pending")]
    assert way.outlet.woken >= 1

    way.clock.ms += 60 * MINUTE
    assert await way.intake.release_announcements() is None
    assert len(await stored(way)) == 1


async def test_downloaded_first_the_announcement_adds_nothing(way: Way) -> None:
    first = await way.one(downloaded())
    second = await way.one(announced())
    assert (second.message_id, second.duplicate) == (first.message_id, True)
    way.clock.ms += 60 * MINUTE
    assert await way.intake.release_announcements() is None
    assert len(await stored(way)) == 1


async def test_what_nothing_follows_stands_alone_and_a_late_download_refers_to_it(way: Way) -> None:
    first = await way.one(announced())
    way.clock.ms += mms.PATIENCE - 1
    assert await way.intake.release_announcements() == NOW + mms.PATIENCE
    assert await stored(way) == []
    way.clock.ms += 1
    assert await way.intake.release_announcements() is None
    (alone,) = await stored(way)
    assert (alone.message.id, alone.message.text) == (first.message_id, "")
    assert (alone.message.subject, alone.message.sent_at) == ("Holiday", SENT)
    assert alone.message.received_at == NOW
    assert json.loads(alone.payload or b"")["attachments"] == []

    way.clock.ms += 5 * MINUTE
    late = await way.one(downloaded())
    assert late.message_id != first.message_id
    _, second = await stored(way)
    assert (second.message.id, second.message.ref) == (late.message_id, first.message_id)
    assert json.loads(second.payload or b"")["ref"] == first.message_id
    assert [m for m, _ in await deliveries(way)] == [first.message_id, late.message_id]


@pytest.mark.parametrize("late", [False, True])
async def test_each_push_may_come_again(way: Way, late: bool) -> None:
    first = await way.one(announced())
    assert await way.one(announced()) == messages.Taken(message_id=first.message_id, duplicate=True)
    if late:
        way.clock.ms += mms.PATIENCE
        await way.intake.release_announcements()
    second = await way.one(downloaded())
    for _ in range(2):
        assert await way.one(downloaded()) == messages.Taken(
            message_id=second.message_id, duplicate=True
        )
        assert (await way.one(announced())).duplicate
    assert len(await stored(way)) == (2 if late else 1)
    assert len(await deliveries(way)) == (2 if late else 1)


async def test_matched_by_sender_and_device(way: Way) -> None:
    first = await way.one(announced())
    others = [
        await way.one(downloaded("d2", sender="+6581230001")),
        await way.one(downloaded("d3"), phone=way.other_phone),
    ]
    assert first.message_id not in {one.message_id for one in others}
    assert (await way.one(downloaded("d4"))).message_id == first.message_id


async def test_of_several_the_nearest_in_time_is_meant(way: Way) -> None:
    one = await way.one(announced("n1", sent_at=SENT))
    two = await way.one(announced("n2", sent_at=SENT + 4 * MINUTE))
    assert (await way.one(downloaded("d2", sent_at=SENT + 4 * MINUTE))).message_id == two.message_id
    assert (await way.one(downloaded("d1", sent_at=SENT + 1000))).message_id == one.message_id


async def test_too_far_apart_they_are_two(way: Way) -> None:
    first = await way.one(announced())
    second = await way.one(downloaded(sent_at=SENT + mms.PATIENCE + 1))
    assert second.message_id != first.message_id
    (got,) = await stored(way)
    assert got.message.ref is None


async def test_an_announcement_survives_a_restart(way: Way) -> None:
    """It is a row, not a timer: another look at the same file finds it due."""
    first = await way.one(announced())
    due = await way.database.read(lambda db: mms.overdue(db, NOW + mms.PATIENCE, 10))
    assert [notice.message.id for notice in due] == [first.message_id]
    assert due[0].raw is not None
