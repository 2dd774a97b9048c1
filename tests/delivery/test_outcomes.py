"""The contract's outcome table, row by row, against a real receiver; and what is recorded of it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from mmconnect.domain.models import EndpointState
from mmconnect.store import endpoints
from tests.delivery.limits import TOTAL
from tests.support.inprocess import NOW, FakeClock, appliance, eventually
from tests.support.leaping import Leap
from tests.support.receiver import Act, answer, drip, free_port, hang_up, receiver, reset, say, when

MOVED = {"Location": "http://127.0.0.1:9/elsewhere"}
ROWS: dict[str, tuple[Act, int | None, str, str]] = {
    # what the receiver does: status, class, words of the error
    "301": (answer(301, headers=MOVED), 301, "refused", "moved to http://127.0.0.1:9/elsewhere"),
    "302": (answer(302, headers=MOVED), 302, "refused", "Redirects are not followed"),
    "303": (answer(303, headers=MOVED), 303, "refused", "change the endpoint's URL"),
    "307": (answer(307, headers=MOVED), 307, "refused", "http://127.0.0.1:9/elsewhere"),
    "308": (answer(308, headers=MOVED), 308, "refused", "http://127.0.0.1:9/elsewhere"),
    "304": (answer(304, b""), 304, "refused", "nothing has changed (304)"),
    "399": (answer(399), 399, "refused", "399"),
    "400": (answer(400), 400, "refused", "its answer may say why"),
    "401": (answer(401), 401, "refused", "did not accept the signature"),
    "403": (answer(403), 403, "refused", "firewall or login"),
    "404": (answer(404), 404, "refused", "is the flow active?"),
    "405": (answer(405), 405, "refused", "does not take POST"),
    "413": (answer(413), 413, "refused", "too large"),
    "415": (answer(415), 415, "refused", "application/json"),
    "418": (answer(418), 418, "refused", "418"),
    "422": (answer(422), 422, "refused", "422"),
    "451": (answer(451), 451, "refused", "451"),
    "499": (answer(499), 499, "refused", "499"),
    "408": (answer(408), 408, "failing", "gave up waiting"),
    "425": (answer(425), 425, "failing", "not ready"),
    "429": (answer(429), 429, "failing", "fewer requests"),
    "500": (answer(500), 500, "failing", "its own log"),
    "501": (answer(501), 501, "failing", "501"),
    "502": (answer(502), 502, "failing", "proxy"),
    "504": (answer(504), 504, "failing", "in time"),
    "507": (answer(507), 507, "failing", "507"),
    "599": (answer(599), 599, "failing", "599"),
    "600": (answer(600), 600, "failing", "600"),
    "503": (answer(503), 503, "not_reached", "not available just now"),
    "closed": (hang_up, None, "failing", "the receiver may have the text"),
    "reset": (reset, None, "failing", "the receiver may have the text"),
    "too late": (drip(), None, "failing", "No complete answer within 15 s"),
    "nonsense": (say(b"hello\r\n\r\n"), None, "failing", "not valid HTTP"),
}


@pytest.mark.parametrize("row", list(ROWS))
async def test_failures_are_tried_again(tmp_path: Path, leap: Leap, row: str):
    """Whatever went wrong, the text is due again in 5 s: nothing is ever thrown away."""
    act, status, result, words = ROWS[row]
    clock = FakeClock()
    async with (
        appliance(tmp_path, clock=clock, total_timeout=TOTAL) as box,
        receiver(act) as there,
    ):
        endpoint_id = await box.endpoint(there.url)
        message_id = await box.text()
        await there.until(1)
        if row == "too late":
            await leap(TOTAL)
        delivery = await box.settled(message_id, "pending")
        (attempt,) = box.attempts(delivery.id)
        assert (attempt.status, attempt.outcome) == (status, result)
        assert attempt.error is not None
        assert words in attempt.error
        assert (delivery.attempts, delivery.spent) == (1, 1)
        assert delivery.due_at == NOW + 5000
        assert delivery.finished_at is None
        assert box.endpoint_row(endpoint_id).state is EndpointState.ACTIVE
        assert len(there.arrivals) == 1, "redirects are not followed, failures not repeated at once"
        clock.advance(5)
        box.dispatcher.wake()
        delivery = await box.settled(message_id, "delivered", attempts=2)
        assert (delivery.due_at, delivery.finished_at) == (None, clock.now())
        assert [a.outcome for a in box.attempts(delivery.id)] == [result, "delivered"]


@pytest.mark.parametrize("status", [200, 201, 202, 204, 206, 226, 299])
async def test_every_2xx_is_success(tmp_path: Path, status: int):
    async with appliance(tmp_path) as box, receiver(answer(status)) as there:
        await box.endpoint(there.url)
        delivery = await box.settled(await box.text())
        (attempt,) = box.attempts(delivery.id)
        assert (attempt.status, attempt.outcome, attempt.error) == (status, "delivered", None)


async def test_a_receiver_that_is_not_there(tmp_path: Path):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box:
        port = free_port()
        await box.endpoint(f"http://127.0.0.1:{port}/hook")
        message_id = await box.text()
        delivery = await box.settled(message_id, "pending")
        (attempt,) = box.attempts(delivery.id)
        assert (attempt.status, attempt.outcome) == (None, "not_reached")
        assert attempt.error is not None
        assert "connection was refused. Is the receiver running" in attempt.error
        assert attempt.address is None
        async with receiver(port=port) as there:
            clock.advance(5)
            box.dispatcher.wake()
            await box.settled(message_id, "delivered", attempts=2)
            assert len(there.arrivals) == 1


async def test_an_attempt_is_recorded_in_full(tmp_path: Path):
    headers = {"X-Request-Id": "abc", "Set-Cookie": "a=1", "set-cookie": "b=2"}
    told = b'{"error":"caf\xe9"}' + b"." * 5000
    async with appliance(tmp_path) as box, receiver(answer(500, told, headers)) as there:
        await box.endpoint(there.url, schedule=(0, 86_400))
        before, begun = box.clock.now(), time.monotonic()
        delivery = await box.settled(await box.text(), "pending")
        (attempt,) = box.attempts(delivery.id)
        assert (attempt.delivery_id, attempt.number) == (delivery.id, 1)
        assert before <= attempt.started_at <= box.clock.now()
        assert attempt.duration_ms is not None
        assert 0 <= attempt.duration_ms <= (time.monotonic() - begun) * 1000 + 1
        assert attempt.address == f"127.0.0.1:{there.port}"
        assert attempt.response_headers == (
            f"X-Request-Id: abc\nSet-Cookie: a=1\nset-cookie: b=2\nContent-Length: {len(told)}"
        )
        assert attempt.response_body is not None
        assert attempt.response_body.startswith('{"error":"caf\ufffd"}...')
        assert len(attempt.response_body) == 4096


async def test_410_holds_the_endpoint_at_once(tmp_path: Path):
    """One POST, and not one more until a person resumes it."""
    async with appliance(tmp_path) as box, receiver(default=answer(410)) as there:
        endpoint_id = await box.endpoint(there.url)
        message_id = await box.text()
        await eventually(lambda: box.endpoint_row(endpoint_id).state == "held")
        await asyncio.sleep(0.7)  # longer than the watch takes to notice by itself
        assert len(there.arrivals) == 1
        await box.settled(message_id, "pending", attempts=1)


async def test_410_holds_at_once_even_if_something_else_changed_meanwhile(tmp_path: Path):
    """While the answer was on its way, a phone was added: the configuration is another object."""
    gate = asyncio.Event()
    async with appliance(tmp_path) as box, receiver(default=when(gate, answer(410))) as there:
        endpoint_id = await box.endpoint(there.url)
        await box.text()
        await there.until(1)
        await box.device(token="another-phone")
        gate.set()
        await eventually(lambda: box.endpoint_row(endpoint_id).state == "held")
        await asyncio.sleep(0.7)
        assert len(there.arrivals) == 1


async def test_410_makes_texts_wait_until_a_person_resumes(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver(default=answer(410)) as there:
        endpoint_id = await box.endpoint(there.url)
        await box.text("1", "+6581230001")
        held = await eventually(
            lambda: e if (e := box.endpoint_row(endpoint_id)).state == "held" else None
        )
        assert held.held_class == "gone"
        assert held.held_reason is not None
        assert "resume the endpoint" in held.held_reason
        await eventually(lambda: box.dispatcher.in_flight == 0)
        count = len(there.arrivals)
        assert count == 1
        for n in range(2, 6):
            await box.text(str(n), f"+658123000{n}")
        for _ in range(20):
            box.dispatcher.wake()
            await asyncio.sleep(0.01)
        assert len(there.arrivals) == count, "not even a probe"
        assert {d.state for d in box.deliveries()} == {"pending"}

        there.default = answer()
        box.change(lambda db: endpoints.ask_probe(db, endpoint_id, box.clock.now()))
        await eventually(lambda: {d.state for d in box.deliveries()} == {"delivered"})
        assert sorted(there.texts[count:]) == ["1", "2", "3", "4", "5"]
        assert len(there.arrivals) == count + 5


async def test_410_does_not_undo_a_pause(tmp_path: Path):
    gate = asyncio.Event()

    async def gone_later(exchange) -> None:
        await gate.wait()
        await answer(410)(exchange)

    async with appliance(tmp_path) as box, receiver(gone_later) as there:
        endpoint_id = await box.endpoint(there.url)
        message_id = await box.text()
        await there.until(1)
        box.change(lambda db: endpoints.pause(db, endpoint_id, box.clock.now()))
        await box.watch.refresh()
        gate.set()
        await box.settled(message_id, "pending")
        await asyncio.sleep(0.05)
        assert box.endpoint_row(endpoint_id).state is EndpointState.PAUSED


async def test_410_of_the_old_url_does_not_hold_the_new_one(tmp_path: Path):
    """Its answer was on its way when the owner changed the URL."""
    gate = asyncio.Event()
    async with (
        appliance(tmp_path) as box,
        receiver(when(gate, answer(410))) as old,
        receiver() as new,
    ):
        endpoint_id = await box.endpoint(old.url)
        message_id = await box.text()
        await old.until(1)
        sql = "UPDATE endpoints SET url = ? WHERE id = ?"
        box.change(lambda db: db.execute(sql, (new.url, endpoint_id)))
        await box.watch.refresh()
        gate.set()
        await box.settled(message_id, "delivered", attempts=2)
        assert len(new.arrivals) == 1
        assert box.endpoint_row(endpoint_id).state is EndpointState.ACTIVE


BAD_URL = "http://127.0.0.1:99999/"


async def test_a_url_that_cannot_be_used_holds_the_endpoint(tmp_path: Path):
    async with appliance(tmp_path, clock=FakeClock()) as box, receiver() as there:
        endpoint_id = await box.endpoint(BAD_URL)
        message_id = await box.text()
        held = await eventually(
            lambda: e if (e := box.endpoint_row(endpoint_id)).state == "held" else None
        )
        assert held.held_class == "blocked"
        assert held.held_reason is not None
        assert "URL cannot be used" in held.held_reason

        def mend(db) -> None:
            db.execute("UPDATE endpoints SET url = ? WHERE id = ?", (there.url, endpoint_id))

        await eventually(lambda: box.dispatcher.in_flight == 0)
        box.change(mend)
        await there.until(1)
        await eventually(lambda: box.deliveries(message_id)[0].state == "delivered")


async def test_a_url_that_cannot_be_used_spends_no_attempt(tmp_path: Path):
    async with appliance(tmp_path) as box:
        endpoint_id = await box.endpoint(BAD_URL)
        message_id = await box.text()
        await eventually(lambda: box.endpoint_row(endpoint_id).state == "held")
        await box.watch.refresh()
        await eventually(lambda: box.dispatcher.in_flight == 0)
        (delivery,) = box.deliveries(message_id)
        assert (delivery.state, delivery.attempts, delivery.spent) == ("pending", 0, 0)
