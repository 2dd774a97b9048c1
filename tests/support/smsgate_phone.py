"""A simulated phone with SMS Gateway for Android: its local server, its pushes, its accidents.

It runs on a thread and loop of its own and is used by plain calls, from tests that are coroutines
as well as from those that are not. Written from the description of the protocol, and never from
mmconnect's code.

    with SmsgatePhone(version="1.68.0") as phone:
        phone.receive("+15550100", "hello")
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any, Self, TypeVar

from aiohttp import web

from tests.support.loops import turned_away
from tests.support.phone_thread import FOREVER, LoopThread, until
from tests.support.receiver import free_port
from tests.support.smsgate_api import serve
from tests.support.smsgate_app import App
from tests.support.smsgate_faults import Asked, Trouble
from tests.support.smsgate_inbox import Incoming
from tests.support.smsgate_push import Attempt, Faults, Queued
from tests.support.smsgate_rules import epoch_ms, version_key

Made = TypeVar("Made")
DEVICE_ID = "ffffffffceb0b1db0000018e937c815b"


class SmsgatePhone:
    """One phone. `host` and `port`: where its server is; 0 chooses, and the choice is kept."""

    def __init__(
        self,
        *,
        version: str = "1.68.0",
        host: str = "127.0.0.1",
        port: int = 0,
        device_id: str = DEVICE_ID,
        user: str = "sms",
        password: str = "pass1234",
        sims: Mapping[int, str | None] | None = None,
        zone: str | tzinfo = "+05:30",
        old_android: bool = False,
        insecure: bool = False,
        time_scale: float = 0.01,
        timeout_scale: float = 1.0,
        ttl_scale: float = 1.0,
    ) -> None:
        self.host, self.port = host, port
        self.app = App(
            version=version,
            device_id=device_id,
            user=user,
            password=password,
            sims=sims or {1: "+15550199", 2: None},
            zone=zone,
            old_android=old_android,
            insecure=insecure,
            time_scale=time_scale,
            timeout_scale=timeout_scale,
            ttl_scale=ttl_scale,
        )
        self.trouble = Trouble()
        self.requests: list[Asked] = []
        """What was asked of the local server, in order, with the status that was answered."""
        self.alive = False
        """Whether the app's process runs."""
        self.listen: Callable[[str, int], socket.socket] = _listen
        """How it gets its server's socket, where that is not on this machine's own network."""
        self._thread = LoopThread("smsgate-phone")
        self._runner: web.ServerRunner | None = None
        self._listening: socket.socket | None = None
        self._tasks: list[asyncio.Task[None]] = []

    # Where it is, and whether it runs

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def start(self) -> Self:
        """The app's process comes up, on the port it had before."""
        self._thread.start()
        self._do(self._come_up)
        return self

    def kill_app(self) -> None:
        """Android kills the app: no server, no pushes, texts are not seen until start()."""
        self._do(self._die)

    def stop(self) -> None:
        """The phone is switched off; start() switches it on again."""
        self._do(self._die)
        self._thread.stop()

    def restart(self) -> None:
        self.kill_app()
        self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def update(self, version: str) -> None:
        """Install another version over this one, which restarts the app."""
        if self.alive:
            self.kill_app()
        if version_key(self.app.version) < (1, 63, 0) <= version_key(version):
            self.app.inbox.wipe()
        self.app.line.version = version
        self.start()

    def wifi(self, on: bool, *, internet: bool | None = None) -> None:
        """Off: the server cannot be reached and pushes fail. `internet`: what Android thinks."""

        async def change() -> None:
            line = self.app.line
            line.wifi = on
            line.internet = line.internet if internet is None else internet
            await self._close_server()
            if self.alive and on:
                await self._open_server()
            self.app.queue.wake()

        self._do(change)

    def move(self, host: str, port: int | None = None) -> None:
        """DHCP gives the phone another address. `port`: None keeps it."""

        async def change() -> None:
            await self._close_server()
            self.host, self.port = host, self.port if port is None else port
            if self.alive and self.app.line.wifi:
                await self._open_server()

        self._do(change)

    # What comes in by radio

    def receive(
        self,
        sender: str,
        text: str = "",
        *,
        sent_at: datetime | float | None = None,
        sim: int | None = 1,
        kind: str = "SMS",
        data: bytes = b"",
        subject: str | None = None,
        size: int = 0,
        attachments: Sequence[tuple[str, str, bytes]] = (),
        copies: int = 1,
        twin: bool = False,
    ) -> Incoming:
        """A message arrives. `sent_at`: the SMSC's time (seconds, or aware); None is now.

        `kind`: SMS, DATA_SMS, MMS (the notice), MMS_DOWNLOADED. `copies`: how often the app hears
        of it. `twin`: once more by Android's store with another subscription, so by another id.
        """
        ms = epoch_ms(sent_at) if isinstance(sent_at, datetime) else None
        if ms is None:
            ms = int((self.app.line.clock() if sent_at is None else float(sent_at)) * 1000)  # type: ignore[arg-type]
        given = {"sender": sender, "text": text, "ms": ms // 1000 * 1000, "kind": kind, "sim": sim}
        more = {"data": data, "subject": subject, "size": size, "attachments": tuple(attachments)}
        message = Incoming(**given, **more, subscription=sim)  # type: ignore[arg-type]

        def arrive() -> Incoming:
            app = self.app
            if kind != "DATA_SMS":
                app.inbox.android.append(message)
            if self.alive:
                app.inbox.mark = message.provider_id
                doubles = (1, 51, 1) <= version_key(app.version) <= (1, 51, 2)
                for _ in range(copies + (copies == 1 and doubles)):
                    app.process(message)
                if twin:
                    other = Incoming(**given, **more, subscription=(sim or 0) + 7)  # type: ignore[arg-type]
                    app.process(other)
            return message

        return self._call(arrive)

    def fill(self, count: int, *, start: float = 1_760_000_000, step: float = 60) -> None:
        """So many texts that came in long ago, without webhooks: "text 0", "text 1" …"""

        def add() -> None:
            app = self.app
            for at in range(count):
                ms = int(start + at * step) * 1000
                sender = f"+1555{at % 50:04d}"
                message = Incoming(sender=sender, text=f"text {at}", ms=ms)
                app.inbox.android.append(message)
                app.inbox.keep(message, app.version)
                app.inbox.mark = message.provider_id

        self._call(add)

    def push_now(self) -> None:
        """As if the waits of everything in the queue were over."""

        def wake() -> None:
            for row in self.app.queue.rows:
                row.next_at = min(row.next_at, self.app.line.monotonic())
            self.app.queue.wake()

        self._call(wake)

    # What the user does on it

    def trust(self, pem: str) -> None:
        """Install a certificate authority in Android's settings."""
        self._call(lambda: self.app.line.authorities.append(pem))

    def set_password(self, password: str) -> None:
        """In force at the app's next start."""
        self.app.access.password = password

    def expire_tokens(self) -> None:
        self._call(self.app.access.expire_all)

    def forget_tokens(self) -> None:
        """As after a reinstall: none is valid any more, and none can be refreshed."""
        self._call(self.app.access.tokens.clear)

    def ping(self) -> None:
        """A `system:ping` now."""
        self._call(self.app.ping)

    # What it did

    @property
    def faults(self) -> Faults:
        """Of pushes: `phone.faults.lost_answers = 1`."""
        return self.app.line.faults

    def lose_answers(self, count: int = 1) -> None:
        """The next pushes arrive and are answered, but the app never learns of it."""
        self.faults.lost_answers = count

    @property
    def pushes(self) -> list[Attempt]:
        """Every attempt at a webhook, in order."""
        return list(self.app.queue.attempts)

    @property
    def queue(self) -> list[Queued]:
        return list(self.app.queue.rows)

    @property
    def waiting(self) -> int:
        """Events that are neither delivered nor given up."""
        return sum(1 for row in self.queue if row.state in ("pending", "processing"))

    @property
    def log_lines(self) -> list[str]:
        return [f"{entry['module']}: {entry['message']}" for entry in list(self.app.logs)]

    def until(self, met: Callable[[], Any], deadline: float = FOREVER) -> None:
        """Wait, in a test that is no coroutine."""
        until(met, deadline)

    def settled(self, deadline: float = FOREVER) -> None:
        """Wait until the queue is empty."""
        self.until(lambda: not self.waiting, deadline)

    # The thread's side

    def _do(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._thread.do(work())

    def _call(self, work: Callable[[], Made]) -> Made:
        return self._thread.call(work)

    async def _come_up(self) -> None:
        if self.alive:
            return
        self.alive = True
        self.app.started()
        self._tasks = [asyncio.ensure_future(self.app.queue.work())]
        self._tasks.append(asyncio.ensure_future(self._keep_pinging()))
        if self.app.line.wifi:
            await self._open_server()

    async def _die(self) -> None:
        self.alive = False
        await self._close_server()
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks = []

    async def _keep_pinging(self) -> None:
        interval = self.app.settings.ping_running
        while interval:
            await asyncio.sleep(interval * self.app.line.time_scale)
            self.app.ping()

    async def _open_server(self) -> None:
        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            return await self.trouble.serve(request, self.requests, self._answer)

        self._runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.05)
        await self._runner.setup()
        self.port = self.port or free_port()  # nobody else is given it while the phone is away
        self._listening = self.listen(self.host, self.port)
        await web.SockSite(self._runner, self._listening).start()

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        return await serve(self.app, request)

    async def _close_server(self) -> None:
        runner, self._runner = self._runner, None
        if runner is not None and self._listening is not None:
            await turned_away([self._listening])
            await runner.cleanup()


def _listen(host: str, port: int) -> socket.socket:
    return socket.create_server((host, port))
