"""A day in which mmconnect is off, at two phones at once that go on trying as they do.

Their clocks are simulated, and the waits of their apps longer than the test: what is fetched has
to be there before any of them pushes again.
"""

from __future__ import annotations

import time
from datetime import datetime

import pytest

from tests.support.forwarders import PRESET, Server, SmsForwarderPhone
from tests.support.receiver import Receiver, free_port
from tests.support.service import Service, until
from tests.support.smsgate_phone import SmsgatePhone

SERVE = ("--phone-listen", f"127.0.0.1:{free_port()}")
"""Of its own, so that nobody else answers there while it is off."""
DAY = 86_400.0
EVERY = 7 * 60.0
"""Seconds between two texts at each phone."""
SECRET = "s3cret-of-the-phone"
NOT_DELIVERED = "SELECT count(*) FROM deliveries WHERE state <> 'delivered'"


@pytest.mark.parametrize("template", [PRESET, None], ids=["preset", "form"])
def test_a_day_off_then_everything_arrives_in_order_with_its_true_time(
    service: Service, receiver: Receiver, template: str | None
) -> None:
    server = Server(key=SECRET)
    with (
        SmsgatePhone(time_scale=20) as gate,
        SmsForwarderPhone("", template=template, server=server, time_scale=0.01) as forwarder,
    ):
        password = ("--poll", "1s", "--phone-password")
        gate_id = service.cli(
            *("device", "add", "--name", "Gate", "--app", "smsgate", "--phone-url", gate.url),
            *(*password, "pass1234"),
        )["id"]
        added = service.cli(
            *("device", "add", "--name", "Forwarder", "--app", "smsforwarder"),
            *("--phone-url", forwarder.server_url, *password, SECRET),
        )
        forwarder.url = added["pushUrl"]
        until(lambda: len(gate.app.hooks) == 6, "it is told where to push")
        listed = "SELECT count(listed_at) FROM phone_link_states"
        until(lambda: service.count(listed) == 2, "both were looked at")
        assert service.stop() == 0

        begun = time.time() - DAY
        came: dict[str, list[tuple[str, str, float]]] = {gate_id: [], added["id"]: []}
        for number in range(int(DAY / EVERY)):
            at, sender = begun + number * EVERY, f"+1555{number % 9:07d}"
            gate.receive(sender, f"gate {number}", sent_at=at)
            came[gate_id].append((sender, f"gate {number}", int(at)))  # the SMSC tells seconds
            forwarder.receive(sender, f"forwarder {number}", at=at + 0.123)
            came[added["id"]].append((sender, f"forwarder {number}", at + 0.123))
        forwarder.settled()
        assert not any(push.status for push in forwarder.pushes), "nobody took any"
        assert not any(push.status for push in gate.pushes if push.event == "sms:received")

        service.start()
        count = sum(map(len, came.values()))
        until(lambda: len(receiver.arrivals) >= count, lambda: f"{len(receiver.arrivals)}", 60)
        until(lambda: not service.count(NOT_DELIVERED), "nothing waits")
        for device, texts in came.items():
            told = [one.json for one in receiver.arrivals if one.json["deviceId"] == device]
            for sender in {sender for sender, _, _ in texts}:
                conversation = [t["text"] for t in told if t["from"] == sender]
                assert conversation == [text for s, text, _ in texts if s == sender]
            told.sort(key=lambda one: one["id"])  # different senders may overtake one another
            assert [(t["from"], t["text"]) for t in told] == [(s, t) for s, t, _ in texts]
            for one, (_, text, at) in zip(told, texts, strict=True):
                sent = datetime.fromisoformat(one["sentAt"]).timestamp()
                assert abs(sent - at) < 0.002, text
                assert datetime.fromisoformat(one["receivedAt"]).timestamp() > begun + DAY, text

        # at last the apps push again what they have not got rid of, and the task sends all of it
        assert gate.waiting >= int(DAY / EVERY)
        gate.push_now()
        forwarder.resend(hours=25)
        gate.settled(60)
        forwarder.settled(60)
        assert sum(push.status == 200 for push in gate.pushes) >= int(DAY / EVERY)
        assert all(row.state == "sent" for row in forwarder.store)
        until(lambda: not service.count(NOT_DELIVERED), "nothing waits")
        assert len(receiver.arrivals) == count, "and nothing is doubled"
        assert service.count("SELECT count(*) FROM messages") == count
