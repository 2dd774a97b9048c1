"""A network between a client and a server that can lose answers, or be away: bytes in, bytes out.

Each connection is a thread; what it does with answers is decided when they come.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.support.service import Address


class Lossy:
    """Forwards to `there`, and swallows the next `lose` answers with their connections."""

    def __init__(self, there: Address) -> None:
        self.there = there
        self.lose = 0
        self.lost = 0
        self.hang = False
        """Swallow answers, but leave the connection open: the client waits."""
        self.away = False
        """Every connection breaks at once: no Wi-Fi."""
        self.carried: list[tuple[float, bytes]] = []
        """What reached the server, and when (monotonic seconds)."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def wifi(self, on: bool) -> None:
        """Off: what is open breaks, and nothing new gets through."""
        self.away = not on
        if self.away:
            for one in self._open:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.away:
                    client.close()
                    continue
                self._open.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client, socket.create_connection(self.there, 20) as server:
            self._open.append(server)
            threading.Thread(target=self._carry, args=(client, server), daemon=True).start()
            while answer := server.recv(65536):
                if self.lose > 0:
                    self.lose -= 1
                    self.lost += 1
                    if self.hang:
                        continue
                    client.shutdown(socket.SHUT_RDWR)  # closing alone tells nobody while one reads
                    return
                client.sendall(answer)

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                self.carried.append((time.monotonic(), data))
                server.sendall(data)

    def close(self) -> None:
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@contextmanager
def lossy(there: Address) -> Iterator[Lossy]:
    """One, for a while."""
    made = Lossy(there)
    try:
        yield made
    finally:
        made.close()
