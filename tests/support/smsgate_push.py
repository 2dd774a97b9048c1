"""How a simulated SMS Gateway pushes its webhooks: a lasting queue and one worker, by hand on TCP.

Every attempt is a new connection, signed afresh over the same bytes. The queue outlives the app;
the worker dies with it. Faults (answers that get lost, pushes that go out twice) are set by tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.support.phones_wire import gson
from tests.support.smsgate_rules import nano_id, version_key

BATCH = 20
STUCK_SECONDS = 300
"""After a kill, how long what was being sent is left alone."""
CONNECT_SECONDS = ANSWER_SECONDS = 5.0
ATTEMPT_SECONDS = 30.0


class NetworkError(Exception):
    """No answer: what the app writes into its log."""


@dataclass(slots=True, kw_only=True)
class Hook:
    """A registered webhook: one event to one address."""

    id: str
    url: str
    event: str


@dataclass(slots=True, kw_only=True)
class Queued:
    """One event for one webhook, until it is delivered or given up."""

    id: str
    hook: Hook
    body: bytes
    attempts: int = 0
    next_at: float = 0.0
    """Monotonic seconds."""
    state: str = "pending"
    """pending, processing, delivered, permanently_failed"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One POST that the phone tried."""

    id: str
    event: str
    url: str
    number: int
    """Counted from 1."""
    status: int | None
    """None: no answer, or one that got lost."""
    error: str | None
    headers: Mapping[str, str]
    body: bytes
    at: float
    """Monotonic seconds, when it was over."""


@dataclass(slots=True)
class Faults:
    """What goes wrong with the next attempts, each counted down."""

    lost_answers: int = 0
    """Sent and answered, but the answer never reaches the app."""
    hang_ups: int = 0
    """Sent, and the connection is broken at once."""
    doubles: int = 0
    """Two POSTs of the same id at the same time, as the race of 1.71 makes."""
    repeats: int = 0
    """The very same bytes again afterwards, as the HTTP library does by itself."""

    def take(self, name: str) -> bool:
        left = getattr(self, name)
        setattr(self, name, max(0, left - 1))
        return left > 0


@dataclass(slots=True, kw_only=True)
class Line:
    """What the phone is like at the moment, as far as pushing goes."""

    version: str
    insecure: bool = False
    """The build that may use plain HTTP."""
    wifi: bool = True
    internet: bool = True
    """Whether Android considers the network good for the internet."""
    authorities: list[str] = field(default_factory=list)
    """User-installed authorities, PEM."""
    time_scale: float = 1.0
    """Of the back-off and of what is stuck."""
    timeout_scale: float = 1.0
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    dial: Callable[[str, int], Awaitable[socket.socket]] | None = None
    """How to get to an address, where that is not this machine's own way."""
    verify: int = 0
    """What OpenSSL is told beyond what it always is (`X509_V_FLAG_…`)."""
    faults: Faults = field(default_factory=Faults)


class Queue:
    """Events on their way. Everything here runs in the phone's own loop."""

    def __init__(self, line: Line, log: Callable[[str, str, str], None]) -> None:
        self.line, self._log = line, log
        self.rows: list[Queued] = []
        self.attempts: list[Attempt] = []
        self.retry_count: Callable[[], int] = lambda: 15
        self.signing_key: Callable[[], str] = lambda: ""
        self.internet_required: Callable[[], bool] = lambda: True
        self._wake = asyncio.Event()

    def add(self, hook: Hook, device: str, payload: Mapping[str, Any]) -> Queued:
        event_id = nano_id()
        envelope = {
            "id": event_id,
            "webhookId": hook.id,
            "event": hook.event,
            "deviceId": device,
            "payload": payload,
        }
        queued = Queued(
            id=event_id,
            hook=hook,
            body=gson(envelope).encode(),
            next_at=self.line.monotonic(),
        )
        self.rows.append(queued)
        self._wake.set()
        return queued

    def wake(self) -> None:
        """Something about the network changed."""
        self._wake.set()

    async def work(self) -> None:
        """Send what is due, one after another, until cancelled; that is the app's death."""
        self._wake = asyncio.Event()  # of the loop that runs this
        for row in self.rows:
            if row.state == "processing":
                row.state = "pending"
                row.next_at = self.line.monotonic() + STUCK_SECONDS * self.line.time_scale
        while True:
            self._wake.clear()
            for row in self._due():
                if not self._may():
                    break
                await self._process(row)
            if self._may() and self._due():
                continue
            waiting = [r.next_at for r in self.rows if r.state == "pending"] if self._may() else []
            delay = min(waiting) - self.line.monotonic() if waiting else None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), delay)

    def _may(self) -> bool:
        line = self.line
        return (line.wifi and line.internet) or not self.internet_required()

    def _due(self) -> list[Queued]:
        now = self.line.monotonic()
        due = [r for r in self.rows if r.state == "pending" and r.next_at <= now]
        return sorted(due, key=lambda r: r.next_at)[:BATCH]

    async def _process(self, row: Queued) -> None:
        row.state = "processing"
        row.attempts += 1
        faults = self.line.faults
        if faults.take("doubles"):
            first, _ = await asyncio.gather(self._attempt(row), self._attempt(row))
        else:
            first = await self._attempt(row)
        if first:
            row.state = "delivered"
        elif row.attempts > self.retry_count():
            row.state = "permanently_failed"
        else:
            row.state = "pending"
            wait = 5 * 2 ** (row.attempts - 1) * self.line.time_scale
            row.next_at = self.line.monotonic() + wait

    async def _attempt(self, row: Queued) -> bool:
        headers = self._headers(row)
        status, error = None, None
        try:
            status = await self._post(row.hook.url, headers, row.body)
        except NetworkError as failed:
            error = str(failed)
            self._log("ERROR", "webhooks", f"Webhook network error: {error}")
        except Exception as broken:
            error = f"{type(broken).__name__}: {broken}"
            self._log("ERROR", "webhooks", f"Webhook network error: {error}")
        else:
            if not 200 <= status < 300:
                self._log("WARN", "webhooks", f"Webhook failed: HTTP {status}")
        self.attempts.append(
            Attempt(
                id=row.id,
                event=row.hook.event,
                url=row.hook.url,
                number=row.attempts,
                status=status,
                error=error,
                headers=headers,
                body=row.body,
                at=self.line.monotonic(),
            )
        )
        return status is not None and 200 <= status < 300

    def _headers(self, row: Queued) -> dict[str, str]:
        version = self.line.version
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"me.capcom.smsgateway/{version}",
            "Accept": "application/json",
            "Accept-Charset": "UTF-8",
        }
        if version_key(version) >= (1, 33, 0):
            stamp = str(int(self.line.clock()))
            key = self.signing_key().encode()
            headers["X-Timestamp"] = stamp
            headers["X-Signature"] = hmac.new(
                key, row.body + stamp.encode(), hashlib.sha256
            ).hexdigest()
        return headers

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        where = urlsplit(url)
        host, tls = where.hostname or "", where.scheme == "https"
        port = where.port or (443 if tls else 80)
        if not self.line.wifi:
            raise NetworkError(f"Failed to connect to /{host}:{port}")
        if not tls and host != "127.0.0.1" and not self.line.insecure:
            raise NetworkError(
                f"CLEARTEXT communication to {host} not permitted by network security policy"
            )
        target = (where.path or "/") + (f"?{where.query}" if where.query else "")
        name = f"[{host}]" if ":" in host else host
        lines = [f"POST {target} HTTP/1.1", f"Host: {name}:{port}"]
        lines += [f"{key}: {value}" for key, value in headers.items()]
        lines += [f"Content-Length: {len(body)}", "Connection: Keep-Alive"]
        message = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
        faults = self.line.faults
        repeated = faults.take("repeats")
        status = await self._exchange(host, port, tls, message)
        if repeated:
            status = await self._exchange(host, port, tls, message)
        return status

    async def _exchange(self, host: str, port: int, tls: bool, message: bytes) -> int:
        scale = self.line.timeout_scale
        context = self._context() if tls else None
        try:
            async with asyncio.timeout(CONNECT_SECONDS * scale):
                reader, writer = await self._dial(host, port, context)
        except ssl.SSLCertVerificationError as error:
            raise NetworkError(_distrust(error, host)) from None
        except ssl.SSLError as error:
            raise NetworkError(f"SSL handshake failed: {error.reason}") from None
        except TimeoutError:
            raise NetworkError("Connect timeout has expired") from None
        except OSError:
            raise NetworkError(f"Failed to connect to /{host}:{port}") from None
        try:
            writer.write(message)
            async with asyncio.timeout(ATTEMPT_SECONDS * scale):
                await writer.drain()
                if self.line.faults.take("hang_ups"):
                    writer.transport.abort()
                    raise NetworkError("Software caused connection abort")
                async with asyncio.timeout(ANSWER_SECONDS * scale):
                    head = await reader.readuntil(b"\r\n\r\n")
            if self.line.faults.take("lost_answers"):
                raise NetworkError("Socket timeout has expired")
            return int(head.split(b" ", 2)[1])
        except TimeoutError:
            raise NetworkError("Socket timeout has expired") from None
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            raise NetworkError("unexpected end of stream") from None
        except (IndexError, ValueError):
            raise NetworkError("Unexpected status line") from None
        finally:
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(1):
                    await writer.wait_closed()

    async def _dial(
        self, host: str, port: int, context: ssl.SSLContext | None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.line.dial is None:
            return await asyncio.open_connection(host, port, ssl=context)
        sock = await self.line.dial(host, port)
        name = host if context else None
        return await asyncio.open_connection(sock=sock, ssl=context, server_hostname=name)

    def _context(self) -> ssl.SSLContext:
        """Trusts what the user installed, and nothing else: there is no internet here."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.hostname_checks_common_name = False
        context.verify_flags |= self.line.verify
        for pem in self.line.authorities:
            context.load_verify_locations(cadata=pem)
        return context


def _distrust(error: ssl.SSLCertVerificationError, host: str) -> str:
    told = error.verify_message
    if "mismatch" in told or "doesn't match" in told:
        return f"Hostname {host} not verified"
    if "expired" in told or "not yet valid" in told:
        return "Chain validation failed"
    return (
        "java.security.cert.CertPathValidatorException:"
        " Trust anchor for certification path not found."
    )
