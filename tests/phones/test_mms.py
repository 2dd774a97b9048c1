"""An MMS comes in two pushes, announced and downloaded, and is one message all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.inprocess import Appliance, FakeClock, appliance
from tests.support.phones import SENDER, Wire, generic_multipart, smsgate
from tests.support.receiver import Receiver, receiver

MINUTES = 60
ANNOUNCED_AT = "2026-06-12T14:31:50.000Z"


def announced(
    transaction: str = "t1",
    sender: str = SENDER,
    at: str = ANNOUNCED_AT,
    *,
    event_id: str = "announced-1",
    subject: str | None = "Door",
) -> Wire:
    payload = {
        "transactionId": transaction,
        "subject": subject,
        "size": 48211,
        "contentClass": "IMAGE_BASIC",
        "receivedAt": at,
        "messageId": transaction,
        "sender": sender,
        "simNumber": 1,
        "phoneNumber": sender,
    }
    return smsgate("mms:received", payload, event_id=event_id)


def downloaded(
    body: str | None = "look",
    sender: str = SENDER,
    at: str = "2026-06-12T14:32:05.000Z",
    *,
    event_id: str = "downloaded-1",
    message_id: str = "31",
) -> Wire:
    part = {"partId": 57, "contentType": "image/jpeg", "name": "p.jpg", "size": 5, "data": "/9j/4"}
    payload = {
        "body": body,
        "subject": "Door",
        "attachments": [part],
        "receivedAt": at,
        "messageId": message_id,
        "sender": sender,
        "simNumber": 1,
        "phoneNumber": sender,
    }
    return smsgate("mms:downloaded", payload, event_id=event_id)


async def take(box: Appliance, push: Wire) -> tuple[str, bool]:
    told = await box.push(*push)
    assert told.status == 200
    return told.json["id"], told.json["duplicate"]


def kinds(there: Receiver) -> list[tuple[str, str, str | None]]:
    return [(one.json["kind"], one.json["text"], one.json["ref"]) for one in there.arrivals]


async def test_announced_then_downloaded_is_one_message(tmp_path: Path):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box, receiver() as there:
        await box.endpoint(there.url)
        first, duplicate = await take(box, announced())
        assert not duplicate
        assert await take(box, announced()) == (first, True)
        assert box.rows("SELECT * FROM messages") == []
        clock.advance(15 * MINUTES - 20)
        assert await take(box, downloaded()) == (first, False)
        await box.settled(first)
        assert await take(box, downloaded()) == (first, True)
        clock.advance(3600)
        assert await box.intake.release_announcements() is None
        (arrival,) = there.arrivals
        assert arrival.header("webhook-id") == first == arrival.id
        fields = arrival.json
        assert (fields["kind"], fields["text"], fields["subject"]) == ("mms", "look", "Door")
        assert fields["attachments"] == [{"name": "p.jpg", "contentType": "image/jpeg", "size": 5}]
        assert fields["sentAt"] == "2026-06-12T14:32:05.000Z"


async def test_downloaded_then_announced_is_one_message(tmp_path: Path):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box, receiver() as there:
        await box.endpoint(there.url)
        first, _ = await take(box, downloaded())
        assert await take(box, announced()) == (first, True)
        assert await take(box, announced()) == (first, True)
        clock.advance(3600)
        assert await box.intake.release_announcements() is None
        await box.settled(first)
        assert kinds(there) == [("mms", "look", None)]


async def test_what_is_never_downloaded_is_a_message_after_a_quarter_of_an_hour(tmp_path: Path):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box, receiver() as there:
        await box.endpoint(there.url)
        begun = clock.now()
        first, _ = await take(box, announced())
        assert await box.intake.release_announcements() == begun + 15 * MINUTES * 1000
        clock.advance(15 * MINUTES - 1)
        assert await box.intake.release_announcements() == begun + 15 * MINUTES * 1000
        assert box.rows("SELECT * FROM messages") == []
        clock.advance(1)
        assert await box.intake.release_announcements() is None
        await box.settled(first)
        (arrival,) = there.arrivals
        fields = arrival.json
        assert (fields["id"], fields["kind"], fields["text"]) == (first, "mms", "")
        assert (fields["subject"], fields["attachments"]) == ("Door", [])
        assert fields["receivedAt"] == "2026-06-12T14:32:00.000Z", "when it was pushed"
        assert await take(box, announced()) == (first, True)

        later, duplicate = await take(box, downloaded())
        assert not duplicate
        assert later != first
        await box.settled(later)
        assert kinds(there)[1:] == [("mms", "look", first)]
        assert await take(box, downloaded()) == (later, True)
        assert len(there.arrivals) == 2


async def test_two_at_once_from_one_sender_stay_two(tmp_path: Path):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box, receiver() as there:
        await box.endpoint(there.url)
        one, _ = await take(box, announced("t1", at="2026-06-12T14:20:00.000Z", event_id="a1"))
        two, _ = await take(box, announced("t2", at="2026-06-12T14:31:00.000Z", event_id="a2"))
        assert one != two
        near_two = downloaded("second", at="2026-06-12T14:31:09.000Z", event_id="d2")
        near_one = downloaded("first", at="2026-06-12T14:20:07.000Z", event_id="d1")
        assert await take(box, near_two) == (two, False)
        assert await take(box, near_one) == (one, False)
        await box.settled(one)
        await box.settled(two)
        assert sorted(kinds(there)) == [("mms", "first", None), ("mms", "second", None)]


@pytest.mark.parametrize(
    "other",
    [
        downloaded(sender="+15550101"),
        downloaded(at="2026-06-12T14:10:00.000Z"),
        downloaded(at="2026-06-12T14:50:00.000Z"),
    ],
    ids=["another sender", "long before", "long after"],
)
async def test_what_does_not_belong_together_is_not_put_together(tmp_path: Path, other: Wire):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box, receiver() as there:
        await box.endpoint(there.url)
        first, _ = await take(box, announced())
        second, _ = await take(box, other)
        assert second != first
        clock.advance(15 * MINUTES)
        await box.intake.release_announcements()
        await box.settled(first)
        await box.settled(second)
        assert sorted(kinds(there)) == [("mms", "", None), ("mms", "look", None)]


async def test_the_two_of_different_phones_are_not_put_together(tmp_path: Path):
    async with appliance(tmp_path, tokens=("one", "two")) as box:
        first = (await box.push(*announced(), token="one")).json["id"]
        second = (await box.push(*downloaded(), token="two")).json["id"]
        assert first != second


async def test_an_mms_without_words_has_an_empty_text(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there:
        await box.endpoint(there.url)
        await take(box, downloaded(None))
        (arrival,) = await there.until(1)
        assert arrival.json["text"] == ""
        assert len(arrival.json["attachments"]) == 1


async def test_an_announcement_survives_a_restart(tmp_path: Path):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box:
        first, _ = await take(box, announced())
    clock.advance(15 * MINUTES)
    async with appliance(tmp_path, clock=clock, tokens=()) as box, receiver() as there:
        await box.endpoint(there.url)
        await box.intake.release_announcements()
        await box.settled(first)
        assert [one.id for one in there.arrivals] == [first]


async def test_a_picture_in_a_form_is_an_mms(tmp_path: Path):
    picture = ("door.jpg", "image/jpeg", bytes(range(256)) * 40)
    async with appliance(tmp_path) as box, receiver() as there:
        await box.endpoint(there.url)
        push = generic_multipart({"from": SENDER, "text": "look"}, {"picture": picture})
        assert (await box.push(*push)).status == 200
        (arrival,) = await there.until(1)
        assert (arrival.json["kind"], arrival.json["text"]) == ("mms", "look")
        assert arrival.json["attachments"] == [
            {"name": "door.jpg", "contentType": "image/jpeg", "size": 10240}
        ]
