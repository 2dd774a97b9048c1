"""The phone listener: `/in/{token}` and what belongs to it.

Authenticates, reads, lets the app's parser read, stores, answers: in this order, and 2xx only after
the commit. The answer satisfies every supported app at once. Knows nothing of deliveries.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from mmconnect.domain.clock import Clock
from mmconnect.domain.errors import StoreUnavailable
from mmconnect.phones import answers, tokens
from mmconnect.phones.apps import APPS, read
from mmconnect.phones.intake import Intake
from mmconnect.phones.presence import Presences
from mmconnect.phones.push import DeviceEvent, NotUnderstood, Push, Reading, Texts
from mmconnect.store import devices
from mmconnect.store.configuration import Entry, Look
from mmconnect.store.database import Database
from mmconnect.web.body import BodyReader, Broken, TooLarge, TooSlow
from mmconnect.web.connections import BoundedServer
from mmconnect.web.throttle import Throttle

log = logging.getLogger(__name__)

RETRYING_APP_WINDOW = 120
"""Seconds in which an app that retries may send the same body again."""
_WRONG_TOKENS = 20
"""Wrong tokens that one address may try in a minute."""
KEEP_ALIVE = 60.0
LARGE = 256 * 2**10
"""Bytes of a body that is read on a thread."""


class Listener:
    """What answers phones."""

    def __init__(
        self,
        database: Database,
        intake: Intake,
        presences: Presences,
        look: Look,
        refresh: Callable[[], Awaitable[None]],
        clock: Clock,
    ) -> None:
        self._database, self._intake, self._presences = database, intake, presences
        self._look, self._refresh, self._clock = look, refresh, clock
        self._bodies = BodyReader()
        self._throttle = Throttle(most=_WRONG_TOKENS, window=60.0)

    def server(self) -> BoundedServer:
        """A server for one listening address."""
        return BoundedServer(self.handle, keepalive_timeout=KEEP_ALIVE)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        try:
            return await self._answer(request)
        except Exception:
            log.exception("A push could not be handled; the phone is asked to try again")
            return answers.unavailable()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if path == tokens.PATH or path.startswith(tokens.PATH + "/"):
            return await self._in(request)
        if path == "/healthz":
            return answers.text(200, "ok\n")
        return answers.error(404, "not_found", "Phones push to /in/ followed by their token.")

    async def _in(self, request: web.BaseRequest) -> web.StreamResponse:
        token = tokens.from_request(request)
        entry = tokens.find(self._look(), token, self._clock.now())
        if entry is None:
            await self._refresh()  # a device that was added this very moment
            entry = tokens.find(self._look(), token, self._clock.now())
        if entry is None:
            self._intake.counts.push_rejected("unknown_token")
            wait = self._throttle.fail(request.remote or "", self._clock.monotonic())
            return answers.slow_down(wait) if wait else self._refuse_token(request)
        if entry.device.removed_at is not None:
            self._presences.rejected(entry.device.id, "removed")
            self._intake.counts.push_rejected("removed")
            log.warning("A push of %s was refused: that device was removed", entry.device.name)
            return answers.error(401, "unknown_token", "This device was removed from mmconnect.")
        match request.method:
            case "POST" | "PUT" | "PATCH":
                return await self._push(request, entry)
            case "GET" | "HEAD":
                return answers.token_is_good(entry.device.name)
            case _:
                return answers.method_not_allowed()

    async def _push(self, request: web.BaseRequest, entry: Entry) -> web.StreamResponse:
        device = entry.device
        try:
            push = await self._received(request)
        except TooLarge:
            log.warning("A push of %s was larger than 10 MiB and was refused", device.name)
            return answers.error(413, "too_large", "A push may have 10 MiB.", close=True)
        except TooSlow:
            return answers.error(408, "too_slow", "The body took longer than 30 s.", close=True)
        except Broken:
            return answers.error(400, "broken_body", "The body is incomplete.", close=True)
        key, app = device.signing_key, APPS.get(device.app, APPS["auto"])
        if key is not None and app.verify(push, key) is not True:
            self._presences.rejected(device.id, "bad_signature")
            self._intake.counts.push_rejected("bad_signature")
            log.warning("A push of %s was refused: its signature does not match", device.name)
            return answers.error(
                401, "bad_signature", "The signature does not match the device's signing key."
            )
        try:
            await self._retire_old_tokens(entry)
            answer = await self._store(entry, push, await self._read(entry, push))
        except StoreUnavailable as error:
            log.error("A push of %s could not be stored: %s", device.name, error)
            return answers.unavailable()
        self._presences.heard(device.id, request.remote, push.headers.get("user-agent"))
        return answer

    async def _received(self, request: web.BaseRequest) -> Push:
        body = await self._bodies.read(request)
        query = {}
        if request.query_string:
            query = {k: v for k, v in request.query.items() if k != "token"}
        return Push(
            headers=request.headers,
            body=body,
            content_type=request.content_type if "Content-Type" in request.headers else "",
            charset=request.charset or "utf-8",
            query=query,
        )

    @staticmethod
    async def _read(entry: Entry, push: Push) -> Reading:
        device = entry.device
        if (
            len(push.body) > LARGE
        ):  # an MMS with pictures; its reading must not hold up other phones
            return await asyncio.to_thread(read, device.app, push, device.mapping)
        return read(device.app, push, device.mapping)

    async def _store(self, entry: Entry, push: Push, reading: Reading) -> web.StreamResponse:
        device = entry.device
        match reading:
            case Texts(app=app, texts=texts):
                window = RETRYING_APP_WINDOW if APPS[app].retries else 0
                if device.dedupe_window is not None:
                    window = device.dedupe_window
                taken = await self._intake.take(device, push, texts, window)
                return answers.taken(taken)
            case DeviceEvent():
                await self._intake.keep_event(device, reading)
                return answers.noted()
            case NotUnderstood():
                return answers.kept(await self._intake.keep_unrecognised(device, push, reading))

    async def _retire_old_tokens(self, entry: Entry) -> None:
        """A new token is in use: the ones it replaced have done their time."""
        if entry.replaces:
            await self._database.write(lambda db: devices.retire_tokens(db, entry.device.id))

    def _refuse_token(self, request: web.BaseRequest) -> web.StreamResponse:
        log.warning("A push from %s was refused: unknown token", request.remote)
        return answers.error(
            401, "unknown_token", "No device has this token. `mmconnect device list` shows them."
        )
