"""HTTP/1.1 on one connection: a request goes out, and at most 4 KiB of its answer are kept.

Parsing is llhttp's, through aiohttp; one parser serves all answers of a connection, and no task is
started for any. Knows nothing of names, pools, repeats or time limits: who waits calls fail() when
time is up. Invariant: whatever is sent back costs bounded memory, and is waited for by one future.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from aiohttp.http_parser import HttpResponseParser

from mmconnect.webhook.outcome import Trouble

if TYPE_CHECKING:
    from aiohttp.http_parser import RawResponseMessage
    from aiohttp.streams import StreamReader

    Messages = Sequence[tuple[RawResponseMessage, StreamReader]]

EXCERPT = 4096
"""Bytes of the answer that are kept, of its headers and of its body."""
MOST = 65536
"""Bytes of an answer that are read at all: what its headers, provisional answers before it and the
wrapping of its chunks may take. A body ends the reading earlier, at EXCERPT."""

_END = b"\r\n\r\n"


class _NoFlow:
    """Takes the place of the protocol that the parser would slow down: MOST bounds it instead."""

    _reading_paused = False

    def pause_reading(self) -> None: ...

    def resume_reading(self, resume_parser: bool = True) -> None: ...


_NO_FLOW = _NoFlow()


class Connection(asyncio.BufferedProtocol):
    """One connection to a receiver, for one request at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, buffer: memoryview, address: str) -> None:
        """`buffer` is where the system puts what arrives; the connections of a loop share one."""
        self.address = address
        """`ip:port` of the other end."""
        self.reusable = False
        """Whether the last answer left it fit for another request."""
        self.sent = False
        """Whether anything of the present request may have reached the receiver."""
        self.answered = False
        """Whether any byte of the present answer came."""
        self.head: RawResponseMessage | None = None
        self.body = b""
        """What came of the answer: the head, and at most EXCERPT bytes of the body."""
        self.detail = ""
        """The system's words for what went wrong."""
        self._loop, self._buffer = loop, buffer
        self._transport: asyncio.Transport | None = None
        self._parser = _parser(loop)
        self._payload: StreamReader | None = None
        self._received = 0
        self._more = False
        self._waiter: asyncio.Future[Trouble | None] | None = None

    def post(self, request: bytes) -> asyncio.Future[Trouble | None]:
        """Send a request; what comes of it is None when an answer is there, else the trouble."""
        waiter = self._waiter = self._loop.create_future()
        self.answered = self.reusable = False
        self.head = self._payload = None
        self._received, self._more = 0, False
        transport = self._transport
        if transport is None or transport.is_closing():
            self.sent = False
            self.fail(Trouble.RESET)
        else:
            self.sent = True
            transport.write(request)
        return waiter

    def fail(self, trouble: Trouble, detail: str = "") -> None:
        """End the present exchange without an answer, and close."""
        self.detail = detail
        self._end(trouble)
        self.abort()

    @property
    def usable(self) -> bool:
        """Whether another request can be sent over it, as far as one knows."""
        transport = self._transport
        return self.reusable and transport is not None and not transport.is_closing()

    def close(self) -> None:
        """Close in good order."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once; what was not sent yet is dropped."""
        if self._transport is not None:
            self._transport.abort()

    # -- what asyncio calls ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        waiter = self._waiter
        if waiter is None or waiter.done():
            self.reusable = False  # nobody asked: it would be taken for the next answer
            self.abort()
            return
        self.answered = True
        self._received += nbytes
        data = bytes(self._buffer[:nbytes])
        try:
            messages = self._parser.feed_data(data)[0]
            if messages:
                self._begin(messages)
        except Exception as error:
            if self._was_whole(data):
                self._finish(None)
            else:
                self.fail(Trouble.PROTOCOL, type(error).__name__)  # its message quotes what came
            return
        payload = self._payload
        if payload is not None and payload.is_eof():
            self._finish(data)
        elif payload is not None and payload.total_bytes > EXCERPT:
            self._finish(None)
        elif self._received > MOST:
            self.fail(Trouble.PROTOCOL, f"more than {MOST // 1024} KiB without an end")

    def connection_lost(self, exc: Exception | None) -> None:
        self.reusable = False
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        payload = self._payload
        if payload is not None and exc is None:
            with contextlib.suppress(Exception):  # a length or a last chunk is missing
                self._parser.feed_eof()
            if payload.is_eof():
                self._finish(None)  # this was its end
                return
        self.fail(Trouble.RESET, "" if exc is None else words(exc))

    # -- the answer -----------------------------------------------------------------------------

    def _begin(self, messages: Messages) -> None:
        """Note the head of the answer, when it is there."""
        for head, payload in messages:
            if self.head is not None:
                self._more = True
            elif head.code >= 200:
                self.head, self._payload = head, payload
            elif head.code == 101:
                raise ValueError("nobody asked for another protocol")

    def _was_whole(self, data: bytes) -> bool:
        """Whether the answer was complete before what cannot be parsed.

        So it is when a receiver counts its body in characters instead of bytes. The parser keeps
        what it had found to itself then, so it is found again.
        """
        if self._payload is None and self._received == len(data):
            head, gap, rest = data.partition(_END)
            parser = _parser(self._loop)
            with contextlib.suppress(Exception):
                self._begin(parser.feed_data(head + gap)[0])
                parser.feed_data(rest)
        return self._payload is not None and self._payload.is_eof()

    def _finish(self, last: bytes | None) -> None:
        """The answer is there. `last` is what came last, when the connection may outlive it."""
        head, payload = self.head, self._payload
        assert head is not None  # noqa: S101 (for the type)
        assert payload is not None  # noqa: S101
        body = payload.read_nowait()
        if last is not None and not head.should_close and not self._more:
            # more than the answer is the beginning of something that nobody asked for
            end = _END if head.chunked else _END + body
            self.reusable = end.endswith(last[-4:]) and self._is_all_sent()
        self.body = body[:EXCERPT]
        self._end(None)

    def _is_all_sent(self) -> bool:
        """Whether the request is out: a receiver may answer before it has read the whole of it."""
        return self._transport is not None and self._transport.get_write_buffer_size() == 0

    def _end(self, trouble: Trouble | None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(trouble)


def words(error: BaseException) -> str:
    """The system's words; never the other side's."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__


def _parser(loop: asyncio.AbstractEventLoop) -> HttpResponseParser:
    return HttpResponseParser(
        _NO_FLOW,  # type: ignore[arg-type]
        loop,
        MOST,
        read_until_eof=True,
        auto_decompress=False,
    )
