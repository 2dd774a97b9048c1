"""What systemd is told: sd_notify(3) by hand, a datagram of `NAME=value` lines to one socket.

Tells and asks nothing where no systemd listens. Knows nothing of what mmconnect does: whether the
watchdog may be fed is decided in `watchdog`. Invariant: to tell never holds the service up, and
never fails it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import AsyncIterator, MutableMapping

log = logging.getLogger(__name__)

PATIENCE = 2.0
"""Seconds that READY=1 may wait for systemd to have room for it, as it is said only once. What is
said again and again waits for nothing."""
EXTENSION = 300.0
"""Seconds that a start may take longer after each sign that it gets on. The longest step without
one is the COMMIT of a migration that made a large table anew."""
SIGN_EVERY = 5.0
"""Seconds between two such signs."""
LONGEST = 3600.0
"""Seconds that work which nobody can look into may take in all."""


class Systemd:
    """The service manager, if one has started this process and wants to hear of it."""

    def __init__(self, address: str | None = None, watchdog: float | None = None) -> None:
        """`address`: of its socket, a path, or a name in the abstract space after an `@`.
        `watchdog`: seconds after which it kills what has not said that it lives."""
        if address is not None and not address.startswith(("/", "@")):
            log.warning("$NOTIFY_SOCKET is %s, which mmconnect cannot reach", address)
            address = None
        self.listens = address is not None
        """Whether anybody hears."""
        self.watchdog = watchdog if self.listens else None
        self._address = f"\0{address[1:]}" if address and address[0] == "@" else address
        self._status = ""
        self._last_sign = 0.0
        self._failed = False

    @classmethod
    def of(cls, environ: MutableMapping[str, str]) -> Systemd:
        """As the environment says. Takes it out of there, so that no child speaks for us.

        $WATCHDOG_PID is not looked at: of the one-file build it names the boot loader, whose child
        we are, and to feed a watchdog that is another's does no harm.
        """
        address = environ.pop("NOTIFY_SOCKET", None) or None
        interval = environ.pop("WATCHDOG_USEC", "")
        environ.pop("WATCHDOG_PID", None)
        told = interval.isascii() and interval.isdigit() and int(interval) > 0
        return cls(address, int(interval) / 1e6 if told else None)

    def ready(self, status: str) -> None:
        """The start is done, or a reload is. `status` is one line for `systemctl status`."""
        self._status = status
        self._tell(PATIENCE, READY="1", STATUS=status)

    def status(self, sentence: str) -> None:
        """How it is at present; told when it has changed."""
        if sentence != self._status:
            self._status = sentence
            self._tell(STATUS=sentence)

    def feed(self) -> None:
        """Keep the watchdog quiet."""
        self._tell(WATCHDOG="1")

    def reloading(self) -> None:
        """A reload begins; ready() ends it. The time is CLOCK_MONOTONIC, as sd_notify(3) wants."""
        self._tell(RELOADING="1", MONOTONIC_USEC=str(time.monotonic_ns() // 1000))

    def reloaded(self) -> None:
        """It is done, and all is as it was."""
        self.ready(self._status)

    def stopping(self, status: str) -> None:
        """The end has begun; from here on the unit's TimeoutStopSec counts."""
        self._status = status
        self._tell(STOPPING="1", STATUS=status)

    def gets_on(self) -> None:
        """A sign of life from work that holds up the loop, such as a migration. Cheap."""
        now = time.monotonic()
        if self.listens and now - self._last_sign >= SIGN_EVERY:
            self._last_sign = now
            self._tell(EXTEND_TIMEOUT_USEC=f"{EXTENSION * 1e6:.0f}", WATCHDOG="1")

    @contextlib.asynccontextmanager
    async def busy(self, status: str) -> AsyncIterator[None]:
        """While another thread works at something long: the loop's turning counts, for LONGEST."""
        self.status(status)
        signs = asyncio.create_task(self._signs())
        try:
            yield
        finally:
            signs.cancel()

    async def _signs(self) -> None:
        until = time.monotonic() + LONGEST
        while time.monotonic() < until:
            self.gets_on()
            await asyncio.sleep(SIGN_EVERY)

    def _tell(self, patience: float = 0.0, **facts: str) -> None:
        if self._address is None:
            return
        lines = [f"{name}={' '.join(value.split())}" for name, value in facts.items()]
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.settimeout(patience)  # 0 does not wait
                out.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            if not self._failed:
                log.warning("systemd cannot be told how mmconnect is: %s", error)
            self._failed = True
        else:
            self._failed = False
