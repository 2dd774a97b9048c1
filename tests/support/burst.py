"""Many pushes at once, and somebody who counts what arrives.

The burst is what phones do at their worst: raw keep-alive sockets, one push after the other on
each, and of every push a note whether it was answered. The receiver verifies both signatures with
its own few lines of HMAC, none of mmconnect's.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.loops import ended, settled, turned_away
from tests.support.service import Address, until

SECRET = "whsec_bW1jb25uZWN0LWR1cmFiaWxpdHktc2VjcmV0LTMyYnk="


@dataclass(slots=True)
class Text:
    """One text that a phone has; it keeps pushing it until it is told that it was taken."""

    event_id: str
    sender: str
    text: str
    sent_at: int = 1767225600000
    sent: bool = False
    """Whether its bytes went out in the last burst."""
    status: int | None = None
    """Of the last push; None when no answer came."""
    answer: dict[str, Any] = field(default_factory=dict)

    @property
    def acked(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def body(self) -> bytes:
        fields = {
            "from": self.sender,
            "text": self.text,
            "id": self.event_id,
            "sentStamp": self.sent_at,
        }
        return json.dumps(fields).encode()


class Burst:
    """Pushes texts from several connections at once, until all are through or the line breaks."""

    def __init__(
        self, at: Address, token: str, texts: Sequence[Text], connections: int = 8
    ) -> None:
        self._at, self._token = at, token
        self.acked = 0
        """How many have got their 2xx so far."""
        self._lock = threading.Lock()
        for text in texts:
            text.sent, text.status = False, None
        self._threads = [
            threading.Thread(target=self._push_all, args=(texts[n::connections],), daemon=True)
            for n in range(connections)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def running(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def wait_acked(self, count: int) -> None:
        """Until that many have their 2xx, or it is over."""
        until(lambda: self.acked >= count or not self.running, "the burst is taken", every=0.0005)

    def join(self, within: float = 90.0) -> None:
        for thread in self._threads:
            thread.join(within)
            assert not thread.is_alive(), "a push hangs"

    def _push_all(self, texts: Sequence[Text]) -> None:
        try:
            with socket.create_connection(self._at, timeout=60) as line:
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for text in texts:
                    text.sent = True
                    line.sendall(request(self._token, text.body))
                    text.status, body = answer(line)
                    text.answer = json.loads(body)
                    with self._lock:
                        self.acked += text.acked
        except (OSError, EOFError):
            return  # killed in the middle: what has no answer is pushed again


def request(token: str, body: bytes, content_type: str = "application/json") -> bytes:
    """A push as bytes on the wire."""
    head = (
        f"POST /in/{token} HTTP/1.1\r\nHost: mmconnect\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def answer(line: socket.socket) -> tuple[int, bytes]:
    """Status and body of one answer. Raises EOFError when the line ends before it does."""
    got = b""
    while b"\r\n\r\n" not in got:
        got += _more(line)
    head, _, body = got.partition(b"\r\n\r\n")
    length = next(
        int(h.split(b":")[1])
        for h in head.split(b"\r\n")
        if h.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += _more(line)
    return int(head.split(b" ", 2)[1]), body


def _more(line: socket.socket) -> bytes:
    got = line.recv(65536)
    if not got:
        raise EOFError
    return got


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One POST that the receiver has got, whole and well signed."""

    id: str
    attempt: int
    delivery: str
    body: dict[str, Any]
    at: float
    """Monotonic seconds."""


class Receiver(threading.Thread):
    """Counts webhooks on a thread of its own; how it answers can be changed at any time."""

    def __init__(self, secret: str = SECRET) -> None:
        super().__init__(name="receiver", daemon=True)
        self.secret = secret
        self.arrivals: list[Arrival] = []
        self.wrong: list[str] = []
        """What was not as it should be, in words."""
        self.delay = 0.0
        """Seconds from a POST's arrival to its answer."""
        self.held = False
        """While this is so, no POST is answered."""
        self.status = 200
        self.waiting = 0
        """POSTs that have arrived and are not answered yet."""
        self._up = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._lines: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/texts"

    @property
    def times(self) -> Counter[str]:
        """How often each webhook-id has arrived."""
        return Counter(arrival.id for arrival in list(self.arrivals))

    def run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        self._up.set()
        await self._end.wait()
        await turned_away(server.sockets)
        server.close()
        await ended()

    def forget(self) -> None:
        """As new: whatever somebody who was killed still has under way arrives nowhere."""
        asyncio.run_coroutine_threadsafe(self._forget(), self._loop).result(60)

    async def _forget(self) -> None:
        await settled()
        lines = list(self._lines)
        for line in lines:
            line.cancel()
        await asyncio.gather(*lines, return_exceptions=True)
        self.arrivals, self.waiting = [], 0
        self.delay, self.held, self.status = 0.0, False, 200

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.current_task()
        assert line is not None
        self._lines.add(line)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                headers = {
                    name.strip().lower(): value.strip()
                    for name, _, value in (
                        line.partition(":") for line in head.decode().split("\r\n")[1:]
                    )
                }
                body = await reader.readexactly(int(headers["content-length"]))
                status = self.status if self._take(headers, body) else 401
                self.waiting += 1
                try:
                    if self.delay:
                        await asyncio.sleep(self.delay)
                    while self.held:  # noqa: ASYNC110 (by another thread)
                        await asyncio.sleep(0.01)
                finally:
                    self.waiting -= 1
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\nok" % status)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._lines.discard(line)
            writer.close()

    def _take(self, headers: dict[str, str], body: bytes) -> bool:
        message_id = headers.get("webhook-id", "")
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        signed = f"{message_id}.{headers.get('webhook-timestamp')}.".encode() + body
        standard = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        plain = hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        fields = json.loads(body)
        for told, fits in (
            ("webhook-signature", headers.get("webhook-signature") == f"v1,{standard}"),
            ("X-MMConnect-Signature", headers.get("x-mmconnect-signature") == plain),
            ("X-MAC-Signature", headers.get("x-mac-signature") == f"sha256={plain}"),
            ("webhook-id", fields["id"] == message_id),
        ):
            if not fits:
                self.wrong.append(f"{told} of {message_id}")
                return False
        self.arrivals.append(
            Arrival(
                id=message_id,
                attempt=int(headers["x-mmconnect-attempt"]),
                delivery=headers["x-mmconnect-delivery"],
                body=fields,
                at=time.monotonic(),
            )
        )
        return True

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self.join(60)


@contextmanager
def receiving(secret: str = SECRET) -> Iterator[Receiver]:
    """A receiver that listens; closed afterwards, and with no wrong signature in between."""
    receiver = Receiver(secret)
    receiver.start()
    receiver._up.wait(60)
    try:
        yield receiver
    finally:
        receiver.close()
    assert receiver.wrong == []
