"""The whole way of a text inside the test's own loop: listener, intake, store, dispatcher, sender.

Wired as daemon.py wires them, with a real SQLite file and real sockets; only time is a fake where
it matters. The configuration is changed as the command line changes it: by another connection to
the same file, which the watch notices.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from mmconnect.delivery.dispatcher import Dispatcher
from mmconnect.delivery.sender import TOTAL_TIMEOUT, Sender
from mmconnect.desk.figures import Figures
from mmconnect.domain.clock import Clock, SystemClock
from mmconnect.domain.ids import DEVICE, ENDPOINT, Ids
from mmconnect.domain.models import (
    Attempt,
    Delivery,
    Device,
    Endpoint,
    EndpointState,
    Numbers,
    Secret,
)
from mmconnect.phones.intake import Intake
from mmconnect.phones.listener import Listener
from mmconnect.phones.presence import Presences
from mmconnect.phones.tokens import new_token
from mmconnect.service.watch import Watch
from mmconnect.store import configuration, deliveries, delivery_lists, devices, endpoints, settings
from mmconnect.store.connection import FILE, connect
from mmconnect.store.database import Database
from mmconnect.store.delivery_lists import Wanted
from mmconnect.webhook.payload import RECEIVED
from tests.support.phones import generic_json
from tests.support.wire import Told, ask, request

T = TypeVar("T")

SECRET = "whsec_bW1jb25uZWN0LWdvbGRlbi1zZWNyZXQtMzItYnl0ZXM="
NOW = 1_781_274_720_000
"""2026-06-12T14:32:00Z: where a FakeClock begins."""


class FakeClock:
    """Stands still until it is told to move."""

    def __init__(self, at: int = NOW) -> None:
        self._now, self._monotonic = at, 1000.0

    def now(self) -> int:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        self._now += round(seconds * 1000)
        self._monotonic += seconds


async def eventually(check: Callable[[], T | None], deadline: float = 45.0) -> T:
    """What `check` returns, as soon as that is true.

    The deadline is for a machine that stands still now and then; it is less than the minute after
    which much of mmconnect looks again by itself.
    """
    begun = time.monotonic()
    while not (found := check()):
        assert time.monotonic() - begun < deadline, f"still {found!r} after {deadline} s"
        await asyncio.sleep(0.005)
    return found


@dataclass(kw_only=True)
class Appliance:
    """A running mmconnect without its process."""

    directory: Path
    clock: Clock
    ids: Ids
    database: Database
    watch: Watch
    sender: Sender
    dispatcher: Dispatcher
    intake: Intake
    figures: Figures
    presences: Presences
    listener: Listener
    port: int
    """Of the phone listener."""
    tokens: dict[str, str] = field(default_factory=dict)
    """Of the devices, by id."""

    # -- configuration, as the command line changes it ------------------------------------------

    def change(self, write: Callable[[sqlite3.Connection], T]) -> T:
        """Write as another process does; the watch notices."""
        db = connect(self.directory / FILE, patience=60.0)
        try:
            db.execute("BEGIN IMMEDIATE")
            result = write(db)
            db.execute("COMMIT")
        finally:
            db.close()
        return result

    async def endpoint(self, url: str, **fields: Any) -> str:
        """Add an endpoint; its id."""
        now = self.clock.now()
        secrets = fields.pop("secrets", None) or [SECRET]
        made = Endpoint(
            **{
                "id": self.ids.new(ENDPOINT),
                "name": "crm",
                "url": url,
                "state": EndpointState.ACTIVE,
                "held_class": None,
                "held_reason": None,
                "numbers": Numbers.E164,
                "events": frozenset({RECEIVED}),
                "max_age": 14 * 86400,
                "plain_headers": True,
                "concurrency": 64,
                "created_at": now,
                "secrets": tuple(
                    Secret(value=value, created_at=now - n, expires_at=None)
                    for n, value in enumerate(secrets)
                ),
            }
            | fields
        )
        self.change(lambda db: endpoints.add(db, made))
        await self.watch.refresh()
        return made.id

    async def device(self, **fields: Any) -> str:
        """Add a phone; its token."""
        token = fields.pop("token", None) or new_token()
        made = Device(
            **{
                "id": self.ids.new(DEVICE),
                "name": "Reception",
                "app": "auto",
                "country": None,
                "signing_key": None,
                "created_at": self.clock.now(),
            }
            | fields
        )
        self.change(lambda db: devices.add(db, made, token))
        await self.watch.refresh()
        self.tokens[made.id] = token
        return token

    # -- pushes ---------------------------------------------------------------------------------

    async def push(
        self,
        headers: Mapping[str, str],
        body: bytes,
        *,
        token: str | None = None,
        **how: Any,
    ) -> Told:
        """Push to the listener as the first device, or with another's token."""
        token = token or next(iter(self.tokens.values()))
        return await ask(self.port, request(f"/in/{token}", headers, body, **how))

    async def text(self, text: str = "hello", sender: str = "+6581230000") -> str:
        """A text comes in; the id of its message."""
        told = await self.push(*generic_json({"from": sender, "text": text}))
        assert told.status == 200, told
        return str(told.json["id"])

    # -- what became of it ----------------------------------------------------------------------

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """What the database holds, by a connection of its own."""
        return self._look(lambda db: db.execute(sql, values).fetchall())

    def one(self, sql: str, *values: object) -> Any:
        """The first column of the first row."""
        return self.rows(sql, *values)[0][0]

    def deliveries(self, message_id: str | None = None) -> list[Delivery]:
        """Every delivery, or those of a message, oldest first."""
        if message_id is not None:
            return self._look(lambda db: deliveries.of_message(db, message_id))
        return self._look(lambda db: delivery_lists.newest(db, Wanted(), limit=10_000))[::-1]

    def attempts(self, delivery_id: str) -> list[Attempt]:
        return self._look(lambda db: deliveries.attempts(db, delivery_id))

    def endpoint_row(self, endpoint_id: str) -> Endpoint:
        found = self._look(lambda db: endpoints.get(db, endpoint_id))
        assert found is not None
        return found

    async def settled(
        self, message_id: str, state: str = "delivered", *, attempts: int = 1
    ) -> Delivery:
        """The one delivery of a message, once it is in `state` after so many attempts."""

        def look() -> Delivery | None:
            (found,) = self.deliveries(message_id)
            recorded = len(self.attempts(found.id))
            return found if (found.state, recorded) == (state, attempts) else None

        try:
            return await eventually(look)
        except AssertionError:
            (found,) = self.deliveries(message_id)
            raise AssertionError(f"{found} with {self.attempts(found.id)}") from None

    def _look(self, read: Callable[[sqlite3.Connection], T]) -> T:
        db = connect(self.directory / FILE, patience=60.0, readonly=True)
        try:
            return read(db)
        finally:
            db.close()


@asynccontextmanager
async def appliance(
    directory: Path,
    *,
    clock: Clock | None = None,
    jitter: Callable[[], float] = lambda: 0.0,
    total_timeout: float = TOTAL_TIMEOUT,
    tokens: Sequence[str] = ("token-of-the-first-phone",),
) -> AsyncIterator[Appliance]:
    """An appliance with a phone for each of `tokens` and no endpoint yet."""
    clock = clock or SystemClock()
    ids = Ids(clock)
    async with AsyncExitStack() as stack:
        database = Database.open(directory)
        stack.push_async_callback(database.close)
        await database.write(lambda db: settings.ensure_tenant(db, ids))
        watch = Watch(database, await database.read(configuration.load))
        sender = Sender(clock, total_timeout=total_timeout)
        stack.push_async_callback(sender.close)
        dispatcher = Dispatcher(
            database, watch.look, sender, clock, ids, boot_id=ids.new("boot_"), jitter=jitter
        )
        intake = Intake(database, watch.look, dispatcher, clock, ids)
        figures = Figures(database, clock, intake.counts)
        dispatcher.observe = figures.observed
        presences = Presences(clock, {})
        listener = Listener(database, intake, presences, watch.look, watch.refresh, clock)
        watching = asyncio.create_task(watch.run(dispatcher.wake))
        stack.push_async_callback(_ended, watching)
        running = asyncio.create_task(dispatcher.run())
        stack.push_async_callback(_ended, running)
        stack.push_async_callback(dispatcher.stop, 0.0)
        server = listener.server()
        stack.push_async_callback(server.close, 0.5)
        await server.start("127.0.0.1", 0)
        made = Appliance(
            directory=directory,
            clock=clock,
            ids=ids,
            database=database,
            watch=watch,
            sender=sender,
            dispatcher=dispatcher,
            intake=intake,
            figures=figures,
            presences=presences,
            listener=listener,
            port=server.addresses[0][1],
        )
        for token in tokens:
            await made.device(token=token)
        yield made


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
