"""systemd's end of the notify socket: keeps every message that it is sent, in order.

One that a test asks for is waited for; what has come says nothing of what will.
"""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE = 60.0


class Notified:
    """Listens from its making on until close()."""

    def __init__(self, at: Path | None = None) -> None:
        """On a path, or in the abstract space when there is none."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        name = f"mmconnect-test-{secrets.token_hex(8)}"
        self.address = str(at) if at else f"@{name}"
        self._socket.bind(str(at) if at else f"\0{name}")
        self.told: list[dict[str, str]] = []

    def close(self) -> None:
        self._socket.close()

    def look(self) -> list[dict[str, str]]:
        """Everything so far."""
        self._socket.setblocking(False)
        try:
            while True:
                self.told.append(_parsed(self._socket.recv(65536)))
        except BlockingIOError:
            return self.told

    def forget(self) -> None:
        """Only what comes from now on counts."""
        self.look()
        self.told.clear()

    def wait(self, wanted: Callable[[dict[str, str]], bool]) -> dict[str, str]:
        """The first message that is wanted, also among those that are here already."""
        until, seen = time.monotonic() + PATIENCE, 0
        while True:
            for message in self.look()[seen:]:
                seen += 1
                if wanted(message):
                    return message
            assert time.monotonic() < until, f"never told: {self.told[-20:]}"
            time.sleep(0.01)

    def feedings(self) -> int:
        """How often the watchdog was fed so far."""
        return sum("WATCHDOG" in message for message in self.look())


def _parsed(datagram: bytes) -> dict[str, str]:
    return dict(line.split("=", 1) for line in datagram.decode().splitlines())
