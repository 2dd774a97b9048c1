"""A network between a client and a server that can lose answers: bytes in, bytes out, or not.

Each connection is a thread; what it does with answers is decided when they come.
"""

from __future__ import annotations

import socket
import threading
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
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client, socket.create_connection(self.there, 5) as server:
            self._open.append(server)
            threading.Thread(target=_copy, args=(client, server), daemon=True).start()
            while answer := server.recv(65536):
                if self.lose > 0:
                    self.lose -= 1
                    self.lost += 1
                    if self.hang:
                        continue
                    client.shutdown(socket.SHUT_RDWR)  # closing alone tells nobody while one reads
                    return
                client.sendall(answer)

    def close(self) -> None:
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def _copy(source: socket.socket, to: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            to.sendall(data)


@contextmanager
def lossy(there: Address) -> Iterator[Lossy]:
    """One, for a while."""
    made = Lossy(there)
    try:
        yield made
    finally:
        made.close()
