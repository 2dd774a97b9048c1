"""The phone listener's HTTP server: its sockets, its connections, and how long these may last.

One timer looks after all connections. Beyond a bound the oldest makes room for each new one, after
finishing what it has under way. So a thousand open connections cost nobody anything, and a flood
of them costs a bounded amount of memory.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from email.utils import formatdate

from mmconnect.web.connection import Connection
from mmconnect.web.door import Door
from mmconnect.web.http import Handler, Misfit

MOST = 2000
"""Connections of one listener at the same time."""
KEEP_ALIVE = 60.0
"""Seconds after which a connection that asks nothing is closed."""
FINISHING = 5.0
"""Seconds that the oldest connection has to finish what it has under way."""


class Server:
    """Answers HTTP by `handler`. Start it and close it in the event loop's thread."""

    def __init__(
        self,
        handler: Handler,
        *,
        keep_alive: float = KEEP_ALIVE,
        saw: Callable[[Misfit, str], None] = lambda misfit, address: None,
    ) -> None:
        """`saw` is told, with the address, of clients that a port is not for."""
        self.handler, self.keep_alive, self.saw = handler, keep_alive, saw
        self.connections: dict[Connection, None] = {}
        """Oldest first."""
        self._leaving: set[Connection] = set()
        self._loop = asyncio.get_running_loop()
        self._listening: list[asyncio.Server] = []
        self._doors: list[Door] = []
        self._sweeping: asyncio.TimerHandle | None = None
        self._emptied = asyncio.Event()
        self._second, self._date = 0, b""

    async def start(self, host: str, port: int, backlog: int = 100) -> None:
        """Listen at an address, besides those before; port 0 is any free one. Raises OSError."""
        self._listening.append(
            await self._loop.create_server(self.connection, host, port, backlog=backlog)
        )

    async def start_tls(
        self,
        hosts: Sequence[str],
        port: int,
        context: Callable[[], ssl.SSLContext],
        elsewhere: Server,
        backlog: int = 100,
    ) -> list[tuple[str, int]]:
        """Listen for TLS at all of these, or at none; host and port of each. Raises OSError.

        `context` is asked at each connection; whoever speaks plain HTTP is answered by `elsewhere`.
        """
        door = Door(context, self.connection, elsewhere.connection, self.saw)
        opened = await door.open(hosts, port, backlog)
        self._doors.append(door)
        return opened

    def connection(self) -> Connection:
        """What talks to one client, whoever has taken its connection in."""
        return Connection(self, self._loop)

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of each socket that it listens on for plain HTTP."""
        return [one.getsockname()[:2] for at in self._listening for one in at.sockets]

    async def close(self, patience: float = FINISHING) -> None:
        """Take no more connections and end those there are; what is under way has `patience`."""
        for at in self._listening:
            at.close()
        for door in self._doors:
            door.close()
        for connection in list(self.connections):
            self._send_away(connection, patience)
        if self._leaving:
            self._emptied.clear()
            try:
                async with asyncio.timeout(patience):
                    await self._emptied.wait()
            except TimeoutError:
                for connection in self._leaving:
                    connection.cancel()
                await self._emptied.wait()
        if self._sweeping is not None:
            self._sweeping.cancel()

    # -- what its connections tell (connection.Keeper) --------------------------------------------

    def arrived(self, connection: Connection) -> None:
        """A client has connected."""
        self.connections[connection] = None
        if len(self.connections) > MOST:
            self._send_away(next(iter(self.connections)), FINISHING)
        if self._sweeping is None:
            self._sweep()

    def left(self, connection: Connection) -> None:
        """A connection has ended, and so has what it asked for."""
        self.connections.pop(connection, None)
        self._leaving.discard(connection)
        if not self._leaving and not self.connections:
            self._emptied.set()

    def date(self) -> bytes:
        """The time of an answer, as HTTP writes it; made anew once a second."""
        second = int(self._loop.time())
        if second != self._second:
            self._second, self._date = second, formatdate(usegmt=True).encode()
        return self._date

    def _send_away(self, connection: Connection, patience: float) -> None:
        del self.connections[connection]
        self._leaving.add(connection)
        connection.leave(patience)

    def _sweep(self) -> None:
        """End the connections whose time is over, as long as there are any."""
        now = self._loop.time()
        for connection in (*self.connections, *self._leaving):
            if connection.deadline <= now:
                connection.expire()
        self._sweeping = None
        if self.connections or self._leaving:
            # a twelfth: 5 s of the minute that a connection may be idle
            self._sweeping = self._loop.call_later(self.keep_alive / 12, self._sweep)
