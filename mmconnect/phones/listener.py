"""The phone listener: `/in/{token}`, and the sites beside it, each under a path of its own.

Authenticates, reads, lets the app's parser read, stores, answers: in this order, and 2xx only after
the commit. The answer satisfies every supported app at once. Knows nothing of deliveries.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from mmconnect.domain.clock import Clock
from mmconnect.domain.errors import StoreUnavailable
from mmconnect.domain.models import Device
from mmconnect.phones import answers, tokens
from mmconnect.phones.apps import APPS, read
from mmconnect.phones.beat import BEAT, Beats
from mmconnect.phones.dedupe import window_of
from mmconnect.phones.entrance import Entrance
from mmconnect.phones.facts import BEATS, facts
from mmconnect.phones.intake import Intake
from mmconnect.phones.presence import Presences
from mmconnect.phones.push import DeviceEvent, NotUnderstood, Push, Reading, Texts
from mmconnect.phones.requests import push_of
from mmconnect.phones.sightings import Mistake, Sightings
from mmconnect.store import devices
from mmconnect.store.configuration import Entry, Look
from mmconnect.store.database import Database
from mmconnect.web.body import BodyReader, Broken, TooLarge, TooSlow
from mmconnect.web.http import Answer, Handler, Misfit, Request
from mmconnect.web.server import Server

log = logging.getLogger(__name__)

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
        self.sightings = sightings or Sightings(clock)
        """What came in that was no good."""
        self._database, self._intake, self._presences = database, intake, presences
        self._bodies = BodyReader()
        self._entrance = Entrance(
            look, refresh, clock, trusted, presences, intake.counts, self.sightings
        )
        beats = Beats(self._entrance, self._bodies, presences)
        self._sites = {BEAT: beats.handle, **(sites or {})}

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
            entry = self._entrance.known(request)
            if entry is not None and request.method == "POST":  # what nearly all are
                return await self._push(request, entry)
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
        entry = await self._entrance.admit(request)
        if isinstance(entry, Answer):
            return entry
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
            push = push_of(request, await self._bodies.read(request))
        except TooLarge:
            self._entrance.log_refusal(device, "it was larger than 10 MiB")
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
            self._entrance.log_refusal(device, "its signature does not match")
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
        self._presences.came_by(device.id, push.headers.get("host"), secure=request.secure)
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
                self._news(device, reading)
                return answers.noted()
            case NotUnderstood():
                return answers.kept(await self._intake.keep_unrecognised(device, push, reading))

    def _news(self, device: Device, event: DeviceEvent) -> None:
        """What a phone tells of itself beside its texts; some of that is its heartbeat."""
        told = facts(event.detail)
        if event.name in BEATS:
            self._presences.beat(device.id, told)
        else:
            self._presences.told(device.id, told)

    async def _retire_old_tokens(self, entry: Entry) -> None:
        """A new token is in use: the ones it replaced have done their time."""
        await self._database.write(lambda db: devices.retire_tokens(db, entry.device.id))
