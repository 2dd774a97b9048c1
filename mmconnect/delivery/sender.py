"""One POST of a webhook: sends it, reads at most 4 KiB of the answer, and says what happened.

Never raises (but for cancellation), never follows a redirect, never expands a compressed answer,
and is done within 15 s, the answer's body included, so that a hung, dripping or flooding receiver
costs one slot and no memory. How to connect, to keep and to parse is in dial, pool and http.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import field

from mmconnect.delivery.dial import CONNECT_TIMEOUT, Dialer, NotConnected
from mmconnect.delivery.http import EXCERPT, Connection
from mmconnect.delivery.pool import Pool
from mmconnect.delivery.route import Route, Unsendable, Way, route
from mmconnect.domain.clock import Clock
from mmconnect.domain.values import value_type
from mmconnect.webhook.addresses import AddressRule
from mmconnect.webhook.outcome import Trouble

__all__ = ["CONNECT_TIMEOUT", "EXCERPT", "TOTAL_TIMEOUT", "Answer", "Sender", "Way"]

log = logging.getLogger(__name__)

TOTAL_TIMEOUT = 15.0
"""Seconds for the whole exchange."""
MEANWHILE = 2.0
"""Seconds within which a kept connection shows that the receiver had closed it before. When it
breaks later, the receiver may have acted on the request."""
_USUAL = AddressRule()
ROUTES = 256
"""Ways whose URL is kept understood."""


@value_type(frozen=True, slots=True, kw_only=True)
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
    date: str | None = None


class Sender:
    """A pool of connections to receivers, made within a running loop. Close it when done."""

    def __init__(
        self,
        clock: Clock,
        *,
        rule: Callable[[], AddressRule] = lambda: _USUAL,
        answered: Callable[[Answer], None] = lambda answer: None,
        total_timeout: float = TOTAL_TIMEOUT,
    ) -> None:
        """`rule` is asked at each POST where texts may go just then; `answered` is told whatever a
        receiver says."""
        self._clock, self._rule, self._total = clock, rule, total_timeout
        self._tell = answered
        self._loop = asyncio.get_running_loop()
        self._pool, self._dialer = Pool(self._loop), Dialer(self._loop)
        self._routes: dict[Way, Route] = {}

    async def close(self) -> None:
        """Close every idle connection."""
        self._pool.close()
        await asyncio.sleep(0)  # the sockets are closed in the loop's next turn

    async def post(self, way: Way, headers: Mapping[str, str], body: bytes) -> Answer:
        """POST `body` and say what happened. `headers` come after those that each POST has."""
        begun = self._clock.monotonic()
        until = self._loop.time() + self._total
        address: str | None = None
        try:
            there = self._routes.get(way) or self._understand(way)
            request = there.request(headers, body)
            rule = self._rule()
            connection = self._pool.take(there.key, rule)
            if connection is not None:
                trouble = await self._exchange(connection, request, until)
                # Closed by the receiver meanwhile is no failure: once more, on a new one.
                at_once = self._loop.time() < until - self._total + MEANWHILE
                if trouble is Trouble.RESET and not connection.answered and at_once:
                    connection = None
            if connection is None:
                await asyncio.sleep(0)  # those with a connection first: dialling takes longer
                connection = await self._dialer.connect(there, rule, until)
                trouble = await self._exchange(connection, request, until)
                if trouble is Trouble.RESET and not connection.sent:
                    trouble = Trouble.CONNECT_RESET
            address = connection.address
            if trouble is None:
                self._pool.keep(there.key, connection, rule)
                answer = self._answered(connection, begun)
                self._tell(answer)
                return answer
            return self._failed(trouble, connection.detail, begun, address)
        except (Unsendable, NotConnected) as error:
            return self._failed(error.trouble, error.detail, begun, None)
        except Exception as error:
            log.exception("Sending failed in an unexpected way")
            return self._failed(Trouble.INTERNAL, type(error).__name__, begun, address)

    async def _exchange(
        self, connection: Connection, request: bytes, until: float
    ) -> Trouble | None:
        limit = self._loop.call_at(until, connection.fail, Trouble.TIMEOUT)
        try:
            return await connection.post(request)
        except BaseException:
            connection.abort()
            raise
        finally:
            limit.cancel()

    def _understand(self, way: Way) -> Route:
        if len(self._routes) >= ROUTES:
            self._routes.clear()
        understood = self._routes[way] = route(way)
        return understood

    def _answered(self, connection: Connection, begun: float) -> Answer:
        head = connection.head
        assert head is not None  # noqa: S101 (there is one when there is no trouble)
        lines = b"\n".join([name + b": " + value for name, value in head.raw_headers])
        find = head.headers.get
        return Answer(
            status=head.code,
            trouble=None,
            duration_ms=self._since(begun),
            address=connection.address,
            headers=lines[:EXCERPT].decode("utf-8", "replace"),
            body=connection.body.decode("utf-8", "replace"),
            retry_after=find("Retry-After"),
            location=find("Location"),
            date=find("Date"),
        )

    def _failed(self, trouble: Trouble, detail: str, begun: float, address: str | None) -> Answer:
        return Answer(
            status=None,
            trouble=trouble,
            detail=detail,
            duration_ms=self._since(begun),
            address=address,
        )

    def _since(self, begun: float) -> int:
        return round((self._clock.monotonic() - begun) * 1000)
