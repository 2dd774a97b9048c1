"""The phone listener: `/in/{token}`, and the sites beside it, each under a path of its own.

Authenticates, reads, lets the app's parser read, stores, answers: in this order, and 2xx only after
the commit. The answer satisfies every supported app at once. Knows nothing of deliveries.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from multidict import MultiDict

from mmconnect.domain.clock import Clock
from mmconnect.domain.errors import StoreUnavailable
from mmconnect.phones import answers, tokens
from mmconnect.phones.apps import APPS, read
from mmconnect.phones.dedupe import window_of
from mmconnect.phones.intake import Intake
from mmconnect.phones.presence import Presences
from mmconnect.phones.push import DeviceEvent, NotUnderstood, Push, Reading, Texts
from mmconnect.phones.sightings import Mistake, Sightings
from mmconnect.store import devices
from mmconnect.store.configuration import Entry, Look
from mmconnect.store.database import Database
from mmconnect.web.body import BodyReader, Broken, TooLarge, TooSlow
from mmconnect.web.http import Answer, Handler, Misfit, Request, media_type
from mmconnect.web.server import Server
from mmconnect.web.throttle import Throttle

log = logging.getLogger(__name__)

_WRONG_TOKENS = 20
"""Wrong tokens that one address may try in a minute."""
_MISTAKES = {
    Misfit.TLS_TO_PLAIN: Mistake.HTTPS_TO_HTTP,
    Misfit.PLAIN_TO_TLS: Mistake.HTTP_TO_HTTPS,
    Misfit.DISTRUST: Mistake.TLS_REFUSED,
}
LARGE = 256 * 2**10
"""Bytes of a body that is read on a thread."""


Pushed = Callable[[str, Reading, bool], None]
"""Told of a push: whose, what it was, and whether it came over TLS."""


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
        trusted: Callable[[], bool] = lambda: True,
        sightings: Sightings | None = None,
        sites: Mapping[str, Handler] | None = None,
        pushed: Pushed = lambda device_id, reading, secure: None,
    ) -> None:
        """`trusted`: whether nothing speaks against the clock; else no old token ends by it.

        `sites`: who else answers, by the first word of the path. `pushed`: told of each push that
        was stored.
        """
        self._pushed = pushed
        self._trusted = trusted
        self.sightings = sightings or Sightings(clock)
        """What came in that was no good."""
        self._sites = dict(sites or {})
        self._database, self._intake, self._presences = database, intake, presences
        self._look, self._refresh, self._clock = look, refresh, clock
        self._bodies = BodyReader()
        self._throttle = Throttle(most=_WRONG_TOKENS, window=60.0)

    def server(self) -> Server:
        """A server for one listening address."""
        return Server(self.handle, saw=self._misfit)

    def _misfit(self, misfit: Misfit, address: str) -> None:
        self.sightings.saw(_MISTAKES[misfit], address)

    async def handle(self, request: Request) -> Answer:
        """Answer one request."""
        try:
            return await self._answer(request)
        except Exception:
            log.exception("A push could not be handled; the phone is asked to try again")
            return answers.unavailable()

    async def _answer(self, request: Request) -> Answer:
        path = request.url.path
        if path == tokens.PATH or path.startswith(tokens.PATH + "/"):
            return await self._in(request)
        if path == "/healthz":
            return answers.text(200, "ok\n")
        site = self._sites.get(path[1:].partition("/")[0])
        if site is not None:
            return await site(request)
        if request.method not in ("GET", "HEAD"):  # no browser's favicon
            self.sightings.saw(Mistake.WRONG_PATH, request.remote)
        return answers.error(404, "not_found", "Phones push to /in/ followed by their token.")

    async def _in(self, request: Request) -> Answer:
        token = tokens.from_request(request)
        now = self._clock.now() if self._trusted() else 0
        entry = tokens.find(self._look(), token, now)
        if entry is None:
            await self._refresh()  # a device that was added this very moment
            entry = tokens.find(self._look(), token, now)
        if entry is None:
            self.sightings.saw(Mistake.UNKNOWN_TOKEN, request.remote)
            self._intake.counts.push_rejected("unknown_token")
            wait = self._throttle.fail(request.remote or "", self._clock.monotonic())
            return answers.slow_down(wait) if wait else self._refuse_token(request)
        if entry.device.removed_at is not None:
            self.sightings.saw(Mistake.REMOVED, request.remote)
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

    async def _push(self, request: Request, entry: Entry) -> Answer:
        device = entry.device
        try:
            push = _push_of(request, await self._bodies.read(request))
        except TooLarge:
            log.warning("A push of %s was larger than 10 MiB and was refused", device.name)
            return answers.error(413, "too_large", "A push may have 10 MiB.", close=True)
        except TooSlow:
            return answers.error(408, "too_slow", "The body took longer than 30 s.", close=True)
        except Broken:
            return answers.error(400, "broken_body", "The body is incomplete.", close=True)
        key = device.signing_key
        if key is not None and APPS.get(device.app, APPS["auto"]).verify(push, key) is not True:
            self.sightings.saw(Mistake.BAD_SIGNATURE, request.remote)
            self._presences.rejected(device.id, "bad_signature")
            self._intake.counts.push_rejected("bad_signature")
            log.warning("A push of %s was refused: its signature does not match", device.name)
            return answers.error(
                401, "bad_signature", "The signature does not match the device's signing key."
            )
        try:
            if entry.replaces:
                await self._retire_old_tokens(entry)
            if len(push.body) > LARGE:  # pictures; their reading must not hold up other phones
                reading = await asyncio.to_thread(read, device.app, push, device.mapping)
            else:
                reading = read(device.app, push, device.mapping)
            if isinstance(reading, NotUnderstood) or (isinstance(reading, Texts) and reading.odd):
                self.sightings.saw(Mistake.NOT_UNDERSTOOD, request.remote)
            answer = await self._store(entry, push, reading)
        except StoreUnavailable as error:
            log.error("A push of %s could not be stored: %s", device.name, error)
            return answers.unavailable()
        self._presences.heard(device.id, request.remote, push.headers.get("user-agent"))
        self._pushed(device.id, reading, request.secure)
        return answers.mute(answer) if APPS.get(device.app, APPS["auto"]).mute else answer

    async def _store(self, entry: Entry, push: Push, reading: Reading) -> Answer:
        device = entry.device
        match reading:
            case Texts(app=app, texts=texts, odd=odd):
                window = window_of(device, app)
                taken = await self._intake.take(device, push, texts, window, odd)
                return answers.taken(taken)
            case DeviceEvent():
                await self._intake.keep_event(device, reading)
                return answers.noted()
            case NotUnderstood():
                return answers.kept(await self._intake.keep_unrecognised(device, push, reading))

    async def _retire_old_tokens(self, entry: Entry) -> None:
        """A new token is in use: the ones it replaced have done their time."""
        await self._database.write(lambda db: devices.retire_tokens(db, entry.device.id))

    def _refuse_token(self, request: Request) -> Answer:
        log.warning("A push from %s was refused: unknown token", request.remote)
        return answers.error(
            401, "unknown_token", "No device has this token. `mmconnect device list` shows them."
        )


def _push_of(request: Request, body: bytes) -> Push:
    content_type, charset = media_type(request.headers.get("Content-Type"))
    query: MultiDict[str] = MultiDict()
    if request.url.raw_query_string:  # with what is there twice, which the parsers refuse
        query.extend((k, v) for k, v in request.url.query.items() if k != "token")
    return Push(
        headers=request.headers,
        body=body,
        content_type=content_type,
        charset=charset,
        query=query,
    )
