"""One text is one message, however often and by whatever way it is pushed; two are two."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from mmconnect.phones.apps import APPS
from tests.support.inprocess import FakeClock, appliance, eventually
from tests.support.phones import (
    PHONE_MS,
    SENDER,
    SMSC_MS,
    Wire,
    envaya,
    generic_json,
    generic_plain,
    incoming_sms,
    smsforwarder_json,
    smsgate_sms,
    smssync,
)
from tests.support.receiver import receiver

DAY = 86400


async def pushed(tmp_path: Path, *pushes: Wire, **device: object) -> list[bool]:
    """For each push, one after the other, whether it was seen before."""
    async with appliance(tmp_path, tokens=()) as box:
        await box.device(**device)
        told = [await box.push(*push) for push in pushes]
        assert {one.status for one in told} == {200}
        seen = [one.json["duplicate"] for one in told]
        count, merged = box.rows("SELECT count(*), sum(duplicates) FROM messages")[0]
        assert (count, merged) == (seen.count(False), seen.count(True))
        ids = [one.json["id"] for one in told]
        assert {i for i, s in zip(ids, seen, strict=True) if s} <= {
            i for i, s in zip(ids, seen, strict=True) if not s
        }
        return seen


SAME = {
    "smsgate: the same event": (smsgate_sms(), smsgate_sms()),
    "smsgate: signed anew at its retry": (
        smsgate_sms(key="k", timestamp=1),
        smsgate_sms(key="k", timestamp=9),
    ),
    "smsgate: two events of one text": (smsgate_sms(), smsgate_sms(event_id="another")),
    "smsgate: its broadcast and its database, with other hashes": (
        smsgate_sms(),
        smsgate_sms(event_id="another", message_id="ffffffff", sim=None, recipient=None),
    ),
    "smsgate: the zone of the phone changed": (
        smsgate_sms(received_at="2026-01-01T05:30:00.000+05:30"),
        smsgate_sms(event_id="another", received_at="2026-01-01T00:00:00.000Z"),
    ),
    "incoming_sms: the same bytes": (incoming_sms(), incoming_sms()),
    "incoming_sms: two rules": (incoming_sms(), incoming_sms(received_ms=PHONE_MS + 7)),
    "envaya: its battery and log changed": (envaya(), envaya(now_ms=PHONE_MS + 9, battery="3")),
    "smssync: the same id": (smssync(), smssync()),
    "two apps on one phone": (smsgate_sms(), incoming_sms(sent_ms=SMSC_MS + 1000)),
    "smsforwarder: the same bytes within two minutes": (smsforwarder_json(), smsforwarder_json()),
    "smsforwarder: with a new [timestamp]": (
        smsforwarder_json(),
        smsforwarder_json(pushed_ms=PHONE_MS + 5000),
    ),
    "generic: the same id": (
        generic_json({"from": SENDER, "text": "x", "id": "1"}),
        generic_json({"text": "x", "from": SENDER, "id": "1"}),
    ),
    "generic: the same time": (
        generic_json({"from": SENDER, "text": "x", "date": 1767225599}),
        generic_json({"sender": SENDER, "body": "x", "timestamp": "2025-12-31T23:59:59Z"}),
    ),
    "generic: number written in two ways": (
        generic_json({"from": "+15550100", "text": "x", "id": "1"}),
        generic_json({"from": "+1 555 0100", "text": "x", "id": "1"}),
    ),
}
OTHER = {
    "another second": (
        smsgate_sms(),
        smsgate_sms(event_id="b", received_at="2026-01-01T05:30:01.000+05:30"),
    ),
    "another text": (smsgate_sms(), smsgate_sms("other", event_id="b")),
    "another sender": (smsgate_sms(), smsgate_sms(sender="+15550101", event_id="b")),
    "an id used again for another text": (smsgate_sms(), smsgate_sms("other")),
    "incoming_sms, two minutes later": (incoming_sms(), incoming_sms(sent_ms=SMSC_MS + 120_000)),
    "without id and time, twice, from a sender that never repeats": (
        generic_json({"from": SENDER, "text": "x"}),
        generic_json({"from": SENDER, "text": "x"}),
    ),
    "raw text": (generic_plain(time=None), generic_plain(time=None)),
    "a text of nothing but a difference of blanks": (
        generic_json({"from": SENDER, "text": "x", "id": "1"}),
        generic_json({"from": SENDER, "text": "x ", "id": "1"}),
    ),
    "smsforwarder, at another local time": (
        smsforwarder_json(received="2026-01-01 08:00:00"),
        smsforwarder_json(received="2026-01-01 08:00:01"),
    ),
}


@pytest.mark.parametrize("case", list(SAME))
async def test_one_text_is_one_message(tmp_path: Path, case: str):
    assert await pushed(tmp_path, *SAME[case]) == [False, True]


@pytest.mark.parametrize("case", list(OTHER))
async def test_two_texts_are_two_messages(tmp_path: Path, case: str):
    assert await pushed(tmp_path, *OTHER[case]) == [False, False]


async def test_texts_of_two_phones_are_two_messages(tmp_path: Path):
    async with appliance(tmp_path, tokens=("one", "two")) as box:
        for token in ("one", "two"):
            assert (await box.push(*smsgate_sms(), token=token)).json["duplicate"] is False


async def test_a_match_on_any_key_is_a_match_on_all_of_them(tmp_path: Path):
    """What is seen by its time is seen by its id afterwards: every key that it carried is known."""
    one = {"from": SENDER, "text": "x", "id": "1", "date": 1767225599}
    seen = await pushed(
        tmp_path,
        generic_json(one),
        generic_json({**one, "id": "2"}),
        generic_json({"from": SENDER, "text": "x", "id": "2"}),
    )
    assert seen == [False, True, True]


async def test_a_used_id_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.WARNING)
    await pushed(tmp_path, smsgate_sms(), smsgate_sms("other"))
    assert "used an event id again for another text" in caplog.text


@pytest.mark.parametrize(
    ("device", "after", "seen"),
    [
        ({"app": "smsforwarder"}, 120, True),
        ({"app": "smsforwarder"}, 121, False),
        ({"app": "auto"}, 0, False),
        ({"app": "generic"}, 0, False),
        ({"app": "generic", "dedupe_window": 600}, 600, True),
        ({"app": "generic", "dedupe_window": 600}, 601, False),
        ({"app": "smsforwarder", "dedupe_window": 0}, 0, False),
    ],
)
async def test_the_window_for_pushes_without_id_and_time(
    tmp_path: Path, device: dict[str, object], after: int, seen: bool
):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock, tokens=()) as box:
        await box.device(**device)
        push = generic_json({"from": SENDER, "text": "the heating is off"})
        await box.push(*push)
        clock.advance(after)
        assert (await box.push(*push)).json["duplicate"] is seen


def test_only_apps_that_repeat_have_a_window():
    retrying = {name for name, app in APPS.items() if app.retries}
    phones = {"smsgate", "incoming_sms", "smsforwarder", "termux"}
    assert retrying == phones | {"gammu", "smstools", "kannel"}


async def test_keys_are_known_for_months(tmp_path: Path):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box:
        await box.push(*smsgate_sms())
        clock.advance(89 * DAY)
        assert (await box.push(*smsgate_sms())).json["duplicate"] is True


async def test_the_same_push_many_times_at_once_is_one_message(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there:
        await box.endpoint(there.url)
        told = await asyncio.gather(*[box.push(*smsgate_sms()) for _ in range(30)])
        assert [one.status for one in told] == [200] * 30
        assert sorted(one.json["duplicate"] for one in told) == [False] + [True] * 29
        assert len({one.json["id"] for one in told}) == 1
        assert box.rows("SELECT duplicates FROM messages") == [(29,)]
        assert len(box.deliveries()) == 1
        await box.settled(told[0].json["id"])
        assert len(there.arrivals) == 1
        await eventually(lambda: box.dispatcher.in_flight == 0)
