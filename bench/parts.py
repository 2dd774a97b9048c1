"""Where the microseconds of one text go: CPU time of each part of its way, alone, on one core.

    python bench/parts.py            (make bench runs it)

Process CPU time over a few thousand repetitions, so a busy machine spoils it less than wall time
would. What the sum lacks to a burst's CPU per text is asyncio, the sockets of both sides and the
threads' taking turns. Not a test: it judges nothing.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from mmconnect.delivery.flight import landing
from mmconnect.delivery.sender import Answer, Sender, Way
from mmconnect.delivery.signed import sign
from mmconnect.domain.clock import SystemClock
from mmconnect.domain.ids import DEVICE, ENDPOINT, Ids
from mmconnect.domain.models import (
    DeliveryState,
    Device,
    Endpoint,
    EndpointState,
    Message,
    Numbers,
    Place,
    Secret,
)
from mmconnect.phones import answers
from mmconnect.phones.apps import read
from mmconnect.phones.dedupe import keys
from mmconnect.phones.fanout import Plan, plan
from mmconnect.phones.push import Push, Texts
from mmconnect.store import configuration, devices, endpoints, messages, outbox, settings
from mmconnect.store.connection import FILE, connect, transaction
from mmconnect.store.migrate import migrate
from mmconnect.webhook.signing import new_secret

REPETITIONS = 3000
BATCH = 16
"""Texts that share a commit, as they do in a burst."""
IN_FLIGHT = 32
BODY = (
    b'{"from":"+15551234567","text":"your code is 123456, the parcel arrives today between noon'
    b' and four, please call back if that is too late"}'
)


class _Outlet:
    """Lets everything start at once."""

    boot_id = "bench"

    def reserve(self, endpoint: Endpoint, sender: str) -> Place:
        return Place.IN_FLIGHT

    def committed(self, flights: object, waiting: object) -> None: ...

    def abandoned(self, flights: object, waiting: object) -> None: ...

    def wake(self) -> None: ...


def told(part: str, work: Callable[[], object], repetitions: int = REPETITIONS) -> None:
    """Run `work`, which does everything `repetitions` times, and print its CPU time for each."""
    begun = time.process_time()
    work()
    print(f"| {part} | {(time.process_time() - begun) / repetitions * 1e6:.1f} |")


def parts(directory: Path) -> None:
    """Every part but the network."""
    clock = SystemClock()
    ids = Ids(clock)
    db = connect(directory / FILE)
    migrate(db, directory / FILE)
    now = clock.now()
    endpoint = Endpoint(
        id=ids.new(ENDPOINT),
        name="bench",
        url="http://127.0.0.1:9/",
        state=EndpointState.ACTIVE,
        held_class=None,
        held_reason=None,
        numbers=Numbers.E164,
        events=frozenset({"message.received"}),
        max_age=86400,
        plain_headers=True,
        concurrency=64,
        created_at=now,
        secrets=(Secret(value=new_secret(), created_at=now, expires_at=None),),
    )
    device = Device(
        id=ids.new(DEVICE), name="bench", app="auto", country=None, signing_key=None, created_at=now
    )
    with transaction(db):
        settings.ensure_tenant(db, ids)
        endpoints.add(db, endpoint)
        devices.add(db, device, "token")
    known = configuration.load(db)
    push = Push(
        headers={"Content-Type": "application/json"},
        body=BODY,
        content_type="application/json",
        charset="utf-8",
    )
    repeat = range(REPETITIONS)
    told("read the push (auto)", lambda: [read("auto", push, {}) for _ in repeat])
    reading = read("auto", push, {})
    assert isinstance(reading, Texts)
    text = reading.texts[0]
    told("dedupe keys", lambda: [keys(device.id, text.sender, text, BODY, 0) for _ in repeat])
    outlet = _Outlet()

    def planned() -> Plan:
        message = Message(
            id=ids.new("msg_"),
            kind=text.kind,
            sender=text.sender,
            sender_raw=None,
            recipient=None,
            text=text.text,
            sent_at=None,
            received_at=now,
            device_id=device.id,
            device_name=device.name,
        )
        return plan(message, known, ids, outlet, keys=messages.Keys(), raw=BODY, raw_headers=None)

    plans: list[Plan] = []
    told("ids, payload, deliveries", lambda: plans.extend(planned() for _ in repeat))

    def batches(write: Callable[[Plan], object]) -> None:
        for first in range(0, REPETITIONS, BATCH):
            with transaction(db):
                for one in plans[first : first + BATCH]:
                    write(one)

    told(f"store it ({BATCH} a commit)", lambda: batches(lambda p: messages.take(db, p.new)))
    told("answer the phone", lambda: [answers.taken([_taken(p)]) for p in plans])
    told("sign", lambda: [sign(endpoint, p.flights[0], now) for p in plans])
    answer = Answer(status=200, trouble=None, duration_ms=3, address="127.0.0.1:9", body="ok")

    def landed(one: Plan) -> object:
        return landing(endpoint, one.flights[0], answer, started_at=now, now=now, jitter=0.0)

    told("judge the answer", lambda: [landed(p) for p in plans])

    def settle(one: Plan) -> None:
        landed = landing(endpoint, one.flights[0], answer, started_at=now, now=now, jitter=0.0)
        state = DeliveryState.DELIVERED
        outbox.settle(db, landed.attempt, state, spent=1, due_at=None, now=now)

    told(f"judge and record it ({BATCH} a commit)", lambda: batches(settle))
    db.close()


def _taken(one: Plan) -> messages.Taken:
    return messages.Taken(message_id=one.new.message.id, duplicate=False)


async def post(url: str) -> None:
    """POST with IN_FLIGHT at a time."""
    sender = Sender(SystemClock())
    headers = {"webhook-id": "msg_x", "webhook-signature": "v1," + "x" * 44}

    async def some(count: int) -> None:
        for _ in range(count):
            await sender.post(Way(url=url), headers, BODY)

    await some(50)
    begun = time.process_time()
    await asyncio.gather(*(some(100) for _ in range(IN_FLIGHT)))
    spent = (time.process_time() - begun) / (100 * IN_FLIGHT) * 1e6
    print(f"| POST it, {IN_FLIGHT} in flight (sockets and event loop included) | {spent:.1f} |")
    await sender.close()


class _Answers(asyncio.Protocol):
    """As little of a receiver as there can be, so that it is never what is waited for."""

    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.request = transport, b""

    def data_received(self, data: bytes) -> None:
        self.request += data
        if self.request.endswith(BODY):
            self.request = b""
            self.transport.write(self.answer)  # type: ignore[attr-defined]


def receiver(port: int) -> None:
    """A receiver in a process of its own."""

    async def serve() -> None:
        await asyncio.get_running_loop().create_server(_Answers, "127.0.0.1", port)
        await asyncio.Event().wait()

    asyncio.run(serve())


def main() -> None:
    """Print the table."""
    print("| part | CPU µs per text |\n|---|---|")
    with tempfile.TemporaryDirectory() as directory:
        parts(Path(directory))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    other = multiprocessing.get_context("spawn").Process(target=receiver, args=(port,), daemon=True)
    other.start()
    while socket.socket().connect_ex(("127.0.0.1", port)):
        time.sleep(0.05)
    asyncio.run(post(f"http://127.0.0.1:{port}/"))
    other.terminate()


if __name__ == "__main__":
    main()
