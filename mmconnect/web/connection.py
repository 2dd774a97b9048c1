"""One connection of a client: bytes in, requests one after the other, answers in their order.

aiohttp's parser (llhttp) reads the HTTP; here is what happens when. One task answers what has
arrived, and there is none while nothing is asked. Whoever leaves in mid-request takes only the
connection along: its handler finishes what it has begun, as what it commits has to be started.
Invariant: what a client can make this remember is bounded, whether it sends without pause, in
drips, or never reads its answers.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from math import inf
from typing import Protocol

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_exceptions import BadHttpMethod, HttpProcessingError
from aiohttp.http_parser import HttpRequestParser, RawRequestMessage
from aiohttp.http_writer import HttpVersion10
from aiohttp.streams import StreamReader

from mmconnect.web.body import Broken
from mmconnect.web.http import Answer, Handler, Misfit, Request, head

log = logging.getLogger(__name__)

PIPELINED = 8
"""Requests of one connection that are taken apart before the first of them is answered."""
MAX_LINE = 8190
"""Bytes of the request line, and of one header."""
MAX_HEADERS = 128
BUFFER = 2**16
"""Bytes of a body that arrive before somebody reads it; reading pauses at twice as many."""
HEAD_PATIENCE = 30.0
"""Seconds that the head of a request may take to arrive, once it has begun."""
UNREAD_PATIENCE = 60.0
"""Seconds that a client may leave its answers unread when the socket's buffers are full."""
LINGERING = 10.0
"""Seconds in which the rest of a refused body is let in: closing at once would lose the answer."""

HANDSHAKE = b"\x16"
"""What TLS begins with (RFC 8446, 5.1)."""

_PLAIN = "text/plain; charset=utf-8"
_NO_HTTP = Answer(head=head(400, _PLAIN), body=b"This is no valid HTTP.\n", close=True)
_FAILED = Answer(head=head(500, _PLAIN), body=b"Something went wrong.\n", close=True)


class Keeper(Protocol):
    """The server, as its connections know it."""

    handler: Handler
    keep_alive: float
    saw: Callable[[Misfit, str], None]
    """Told, with the address, of a client that this port is not for."""

    def arrived(self, connection: Connection) -> None:
        """It is open."""
        ...

    def left(self, connection: Connection) -> None:
        """It is closed, and nothing that it asked for is under way any more."""
        ...

    def date(self) -> bytes:
        """The time of an answer, as HTTP writes it."""
        ...


class Connection(BaseProtocol):
    """Made by the server for each client; BaseProtocol has the flow control of both directions."""

    def __init__(self, keeper: Keeper, loop: asyncio.AbstractEventLoop) -> None:
        parser = HttpRequestParser(
            self,
            loop,
            BUFFER,
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
            max_headers=MAX_HEADERS,
            payload_exception=Broken,
            max_msg_queue_size=PIPELINED,
        )
        super().__init__(loop, parser)
        self.deadline = inf
        """When the server closes it (in the loop's time), unless something happens before."""
        self._keeper = keeper
        self._remote, self._secure = "", False
        self._queue: deque[tuple[RawRequestMessage, StreamReader]] = deque()
        self._body: StreamReader | None = None
        """Of the latest request; maybe still on its way."""
        self._task: asyncio.Task[None] | None = None
        self._begun = False
        """Whether a part of a request's head has arrived."""
        self._broken = False
        """Whether no more HTTP is to be expected of this client."""
        self._refused = False
        """Whether what came last was no HTTP, and the client is to be told so."""
        self._leaving = False

    # -- what the server asks ---------------------------------------------------------------------

    def leave(self, patience: float) -> None:
        """Close it, after what is under way, which has `patience` seconds to finish."""
        self._leaving = True
        self.deadline = self._loop.time() + patience
        if self._task is None:
            self._close()

    def expire(self) -> None:
        """Its deadline is over. What was to be sent is given up at the second call."""
        if self.transport is None:
            return
        if self._task is not None or self.transport.is_closing():
            self.transport.abort()
        else:
            self.transport.close()

    def cancel(self) -> None:
        """Give up whatever is under way."""
        if self._task is not None:
            self._task.cancel()
        if self.transport is not None:
            self.transport.abort()

    # -- what the loop tells ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self._remote = str(peer[0]) if isinstance(peer, tuple) else ""
        self._secure = transport.get_extra_info("sslcontext") is not None
        self.deadline = self._loop.time() + self._keeper.keep_alive
        self._keeper.arrived(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """It is closed, by either side; whatever is under way goes on."""
        super().connection_lost(exc)
        self._break_body()
        self._parser = None  # it knows its connection
        if self._task is None:
            self._keeper.left(self)

    def data_received(self, data: bytes) -> None:
        """Take apart what has arrived."""
        if self._parser is None or self._broken:
            return
        try:
            requests, upgraded, _ = self._parser.feed_data(data)
        except HttpProcessingError as error:
            self._refuse(error)
            if data[:1] == HANDSHAKE and self._remote:
                self._keeper.saw(Misfit.TLS_TO_PLAIN, self._remote)
            return
        if requests:
            self._begun = False
            self._queue.extend(requests)
            self._body = requests[-1][1]
            self._broken = upgraded  # CONNECT, WebSocket: answered as any other, then it is over
            if self._task is None:
                self.deadline = inf
                self._task = self._loop.create_task(self._work())
            if len(self._queue) >= PIPELINED and not self._buffer_paused:
                self._pause_reading_for_buffer()
        elif self._task is None and not self._begun:
            self._begun = True
            self.deadline = self._loop.time() + HEAD_PATIENCE

    def resume_reading(self, resume_parser: bool = True) -> None:
        """A body was read: let more of it in, if it had to wait. Asked at every body."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    # -- requests and answers ---------------------------------------------------------------------

    async def _work(self) -> None:
        """Answer everything that has arrived."""
        try:
            going_on = True
            while self._queue and going_on and self.transport is not None:
                going_on = await self._handle(*self._next())
        except Exception:
            log.exception("A connection failed")
            going_on = False
        finally:
            self._task = None
            if self.transport is None:
                self._keeper.left(self)
        if going_on and not self._leaving and not self._broken:
            self.deadline = self._loop.time() + self._keeper.keep_alive
            return
        if going_on and self._refused:
            self._write(_NO_HTTP, None, close=True)
        self._close()

    def _next(self) -> tuple[RawRequestMessage, StreamReader]:
        taken = self._queue.popleft()
        self._parser.message_consumed()  # type: ignore[union-attr]  # still connected
        if self._buffer_paused and len(self._queue) <= PIPELINED // 2:
            self._buffer_paused = False
            self.data_received(b"")  # what the parser held back
            if not self._buffer_paused:
                self._resume_reading_for_buffer()
        return taken

    async def _handle(self, message: RawRequestMessage, body: StreamReader) -> bool:
        """Answer one request; whether the connection goes on."""
        request = Request(
            method=message.method,
            url=message.url,
            headers=message.headers,
            remote=self._remote,
            secure=self._secure,
            content=body,
            send_continue=self._send_continue,
        )
        try:
            answer = await self._keeper.handler(request)
        except Exception:
            log.exception("A request could not be answered")
            answer = _FAILED
        over = self._broken and not self._refused and not self._queue
        close = answer.close or message.should_close or self._leaving or over
        self._write(answer, message, close=close)
        if self._paused:
            await self._until_read()
        if not body.is_eof():
            await self._linger(body)
        return not close and body.is_eof()

    def _write(self, answer: Answer, message: RawRequestMessage | None, *, close: bool) -> None:
        """Send an answer to a request, or to what was none."""
        if self.transport is not None:
            old = message is not None and message.version == HttpVersion10
            bare = message is not None and message.method == "HEAD"
            data = answer.encoded(self._keeper.date(), close=close, old=old, bare=bare)
            self.transport.write(data)

    def _send_continue(self) -> None:
        if self.transport is not None:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    async def _until_read(self) -> None:
        """Wait for a client that reads more slowly than it asks."""
        self.deadline = self._loop.time() + UNREAD_PATIENCE
        try:
            await self._drain_helper()
        except ConnectionError:
            return  # it has left
        self.deadline = inf

    async def _linger(self, body: StreamReader) -> None:
        """Let in the rest of a body that nobody wants."""
        try:
            async with asyncio.timeout(LINGERING):
                while not body.is_eof():
                    await body.readany()
        except (TimeoutError, Broken):
            return

    # -- ends -------------------------------------------------------------------------------------

    def _refuse(self, error: HttpProcessingError) -> None:
        """What came is no HTTP. It is named, not quoted: it may hold the token or the text."""
        kind = type(error).__name__
        stranger = isinstance(error, BadHttpMethod)  # TLS, most often, or a scanner
        level = logging.DEBUG if stranger else logging.WARNING
        log.log(level, "A request of %s: it was no valid HTTP (%s)", self._remote, kind)
        self._broken = True
        if self._break_body():
            return  # its handler answers
        self._refused = True
        if self._task is None:
            self._write(_NO_HTTP, None, close=True)
            self._close()

    def _break_body(self) -> bool:
        """Whether a body was on its way, which now will not be whole."""
        body, self._body = self._body, None
        if body is None or body.is_eof():
            return False
        body.set_exception(Broken())
        return True

    def _close(self) -> None:
        if self.transport is not None:
            self.deadline = min(self.deadline, self._loop.time() + UNREAD_PATIENCE)
            self.transport.close()
