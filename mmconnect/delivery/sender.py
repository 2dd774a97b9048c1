"""One POST of a webhook: sends it, reads at most 4 KiB of the answer, and says what happened.

The only place that opens outgoing webhook connections. Never raises (but for cancellation), never
follows a redirect, never expands a compressed answer, and is done within 15 s, the answer's body
included, so that a hung, dripping or flooding receiver costs one slot and no memory.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp
from yarl import URL

from mmconnect import __version__
from mmconnect.delivery.connector import Connector, Line, line
from mmconnect.domain.clock import Clock
from mmconnect.webhook.outcome import Trouble

log = logging.getLogger(__name__)

TOTAL_TIMEOUT = 15.0
"""Seconds for the whole exchange."""
CONNECT_TIMEOUT = 5.0
"""Seconds until a connection must be there, name resolution and TLS included."""
EXCERPT = 4096
"""Bytes of the answer that are kept, of its headers and of its body."""

USER_AGENT = f"mmconnect/{__version__}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one POST."""

    status: int | None
    """None when no complete answer came."""
    trouble: Trouble | None
    detail: str = ""
    """The system's own words for the trouble."""
    duration_ms: int
    address: str | None
    """The address connected to, `ip:port`."""
    headers: str | None = field(default=None, repr=False)
    body: str | None = field(default=None, repr=False)
    retry_after: str | None = None
    location: str | None = None


class Sender:
    """A pool of connections to receivers. Close it when done."""

    def __init__(self, clock: Clock, *, total_timeout: float = TOTAL_TIMEOUT) -> None:
        self._clock, self._total = clock, total_timeout
        self._pooled = _session(reuse=True)
        self._fresh = _session(reuse=False)

    async def close(self) -> None:
        """Close every connection."""
        await self._pooled.close()
        await self._fresh.close()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """POST `body` to `url` and say what happened."""
        begun = self._clock.monotonic()
        over = Line()
        answer = await self._try(self._pooled, url, headers, body, begun, over)
        if answer.trouble is Trouble.RESET and over.reused and not over.answered:
            # The receiver had closed a kept-alive connection meanwhile: that is no failure.
            answer = await self._try(self._fresh, url, headers, body, begun, Line())
        return answer

    async def _try(
        self,
        session: aiohttp.ClientSession,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        begun: float,
        over: Line,
    ) -> Answer:
        line.set(over)
        left = self._total - (self._clock.monotonic() - begun)
        try:
            async with asyncio.timeout(left):
                async with session.post(
                    URL(url), data=body, headers=headers, allow_redirects=False
                ) as response:
                    over.answered = True
                    excerpt = await _read_some(response)
                    return Answer(
                        status=response.status,
                        trouble=None,
                        duration_ms=self._since(begun),
                        address=over.address,
                        headers=_header_lines(response),
                        body=excerpt.decode("utf-8", "replace"),
                        retry_after=response.headers.get("Retry-After"),
                        location=response.headers.get("Location"),
                    )
        except asyncio.CancelledError:
            raise
        except aiohttp.ServerDisconnectedError as error:
            # when an answer had begun, `message` is what came of it instead of a sentence
            over.answered = over.answered or not isinstance(error.message, str)
            return self._failed(Trouble.RESET, "", begun, over)
        except Exception as error:
            trouble, detail = _trouble(error, over)
            if trouble is Trouble.INTERNAL:
                log.exception("Sending failed in an unexpected way")
            return self._failed(trouble, detail, begun, over)

    def _failed(self, trouble: Trouble, detail: str, begun: float, over: Line) -> Answer:
        return Answer(
            status=None,
            trouble=trouble,
            detail=detail,
            duration_ms=self._since(begun),
            address=over.address,
        )

    def _since(self, begun: float) -> int:
        return round((self._clock.monotonic() - begun) * 1000)


def _session(*, reuse: bool) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=Connector(reuse=reuse),
        timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_TIMEOUT),
        headers={"User-Agent": USER_AGENT, "Content-Type": "application/json"},
        skip_auto_headers={"Accept", "Accept-Encoding"},
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    )


async def _read_some(response: aiohttp.ClientResponse) -> bytes:
    """At most EXCERPT bytes of the body. Leaving a longer one unread closes the connection."""
    content = response.content
    excerpt = await content.read(EXCERPT)
    while len(excerpt) < EXCERPT and not content.at_eof():
        excerpt += await content.read(EXCERPT - len(excerpt))
    if not content.at_eof():
        response.close()
    return excerpt


def _header_lines(response: aiohttp.ClientResponse) -> str:
    lines = b"\n".join([name + b": " + value for name, value in response.raw_headers])
    return lines[:EXCERPT].decode("utf-8", "replace")


def _trouble(error: Exception, over: Line) -> tuple[Trouble, str]:
    """Which trouble an exception of the client stands for, and the system's words for it."""
    match error:
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return Trouble.BAD_URL, str(error)
        case aiohttp.ClientConnectorDNSError():
            return Trouble.DNS, _words(error.os_error)
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return Trouble.TLS, _words(error)
        case aiohttp.ClientConnectorError():
            return _connect_trouble(error.os_error), _words(error.os_error)
        case TimeoutError():
            return (Trouble.TIMEOUT if over.connected else Trouble.CONNECT_TIMEOUT), ""
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError() | OSError():
            return (Trouble.RESET if over.connected else Trouble.CONNECT_RESET), _words(error)
        case aiohttp.ClientResponseError():
            return Trouble.PROTOCOL, type(error).__name__  # its message quotes what came
        case ValueError() if not over.connected:
            return Trouble.BAD_URL, str(error)
        case _:
            return Trouble.INTERNAL, type(error).__name__


def _connect_trouble(error: OSError) -> Trouble:
    match error:
        case ConnectionRefusedError():
            return Trouble.REFUSED
        case ConnectionResetError() | ConnectionAbortedError() | BrokenPipeError():
            return Trouble.CONNECT_RESET
        case TimeoutError():
            return Trouble.CONNECT_TIMEOUT
        case _:
            return Trouble.UNREACHABLE


def _words(error: BaseException) -> str:
    """The system's words; never the other side's."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return str(error.certificate_error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
