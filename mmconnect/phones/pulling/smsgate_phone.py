"""One phone with SMS Gateway for Android: signed in to, read, told where to push, found again.

Everything that can go wrong with it ends as a sentence for its page and a time to try again: a
phone comes and goes. Invariant: what its inbox holds is taken within one look after it is back.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Awaitable
from dataclasses import replace

from mmconnect.domain.errors import StoreUnavailable
from mmconnect.phones.clients.http import Refused, Unreachable
from mmconnect.phones.clients.smsgate import SmsGate, bearer, past_half_life
from mmconnect.phones.pulling.inbox import Inbox
from mmconnect.phones.pulling.missed import Missed
from mmconnect.phones.pulling.provisioning import Provisioner
from mmconnect.phones.pulling.search import found_elsewhere
from mmconnect.phones.pulling.told import is_news
from mmconnect.phones.pulling.tools import Tools
from mmconnect.store import devices, links
from mmconnect.store.links import Link, LinkState

log = logging.getLogger(__name__)

INTERVAL = 3.0
"""Seconds between two looks, while nothing else brings texts."""
RELAXED = 120.0
"""The same while pushes are known to arrive."""
KNOWN_FOR = 600.0
"""Seconds for which a push shows that pushes arrive."""
LONGEST_WAIT, AFTER_AN_HOUR = 15.0, 60.0
"""Seconds between two tries at most, while a phone does not answer."""
HEALTH_EVERY = 60.0
TELL_EVERY = 15.0
"""Seconds between two looks at whether the phone has to be told something."""
SEARCH_AFTER, SEARCH_EVERY = 3, 10
"""Tries without an answer before it is looked for where its pushes came from; and again."""
SAVE_EVERY = 600.0
RENEW_EVERY = 3600.0
"""Seconds between two tries to renew a token: one that is refused has half its life left."""
MISSED = 3_600_000
"""Milliseconds before the last look from which the app is asked for texts that it missed."""


class SmsGatePhone:
    """Looks at one phone, again and again."""

    def __init__(self, tools: Tools, link: Link, state: LinkState) -> None:
        self._tools, self._link, self._state = tools, link, state
        self._gate = SmsGate(tools.http, link.url)
        self._inbox = Inbox(tools, link)
        self._provisioner = Provisioner(tools, link.device_id)
        self._version = ""
        self._reached = False
        """Whether the last look was answered."""
        self._failures = 0
        self._failing_since = 0.0
        self._health_at = self._asked_at = self._told_at = self._saved_at = -SAVE_EVERY
        self._renewed_at = -RENEW_EVERY
        self._own_push_at: float | None = None
        self._pushed: set[bool] = set()
        """How our own webhooks have come since the phone was told of them: True is by HTTPS."""
        self._missed = Missed()
        self._said = ""

    @property
    def away(self) -> bool:
        """Whether the last look was not answered as it should be."""
        return not self._reached

    async def turn(self) -> float:
        """Look once; after how many seconds to look again."""
        try:
            if not self._reached:
                await self._arrive()
            await self._look()
        except Unreachable as why:
            return await self._unreachable(str(why))
        except Refused as why:
            return await self._refused(why)
        except StoreUnavailable:
            self._inbox.distrust()
            return INTERVAL  # not all was kept, and the phone still has it
        return self._interval()

    async def stop(self) -> None:
        """Write down how far it has come."""
        if self._reached and self._state.read_to is not None:
            await self._update(read_to=self._state.read_to, read_at=self._tools.clock.now())

    def pushed(self, event: str | None, *, own: bool, secure: bool) -> bool:
        """It has pushed something."""
        if own:
            self._pushed.add(secure)
        news = own and is_news(self._state, self._pushed)
        if news:
            self._told_at = -SAVE_EVERY  # written down at once
        if own and secure:
            self._own_push_at = self._tools.clock.monotonic()
        if event == "app:started":
            self._reached = False  # what came while the app was dead, it may have missed
        return news or not self._reached

    # -- one look ---------------------------------------------------------------------------------

    async def _arrive(self) -> None:
        """The phone answers, for the first time or again: is it the same, and what was missed?"""
        device_id = self._link.device_id  # somebody may have signed in to it again
        self._state = await self._tools.database.read(lambda db: links.state(db, device_id))
        await self._health()
        access = self._access()
        phone_id, _ = await self._gate.phone_id(bearer(access))
        if self._link.phone_id is not None and phone_id != self._link.phone_id:
            raise Refused(0, "another phone answers there, or the app was installed anew")
        state, now = self._state, self._tools.clock.now()
        if state.listed_at is not None and self._tools.trusted():
            since = min(state.read_at or now, now) - MISSED
            await self._ask_for_missed(max(since, state.listed_at - 72 * MISSED), now)
        elif state.listed_at is None:
            await self._ask_for_missed(now - 72 * MISSED, now)
        self._inbox.distrust()

    async def _ask_for_missed(self, since: int, until: int) -> None:
        await self._missed.ask(self._gate, self._access(), since, until, self._name)

    async def _look(self) -> None:
        clock = self._tools.clock
        self._state = await self._inbox.look(self._gate, self._access(), self._state)
        self._reached, self._failures = True, 0
        self._tools.presences.reached(self._link.device_id)
        if self._state.trouble is not None:
            log.info("%s answers again", self._name)
            self._state = await self._update(trouble=None, trouble_at=None)
        now = clock.monotonic()
        if now - self._health_at >= HEALTH_EVERY:
            await self._health()
        if now - self._asked_at >= HEALTH_EVERY:
            self._asked_at = now
            await self._beside(self._ask_why_none_came())
        if now - self._told_at >= TELL_EVERY:
            self._told_at = now
            await self._beside(self._renew())
            await self._beside(self._tell())
        if now - self._saved_at >= SAVE_EVERY:
            self._saved_at = now
            await self._update(read_to=self._state.read_to, read_at=clock.now())

    async def _beside(self, work: Awaitable[None]) -> None:
        """What is no part of reading, and must not end it when the phone refuses."""
        try:
            await work
        except Refused as why:
            self._told_at += HEALTH_EVERY  # a while later
            if str(why) != self._said:
                self._said = str(why)
                log.warning("%s does not do as it is told: %s", self._name, why)

    async def _ask_why_none_came(self) -> None:
        self._state = await self._provisioner.ask_why_none_came(
            self._gate, self._access(), self._state
        )

    async def _health(self) -> None:
        health = await self._gate.health()
        self._health_at = self._tools.clock.monotonic()
        self._version = health.version
        self._tools.presences.told(self._link.device_id, health.facts)

    async def _renew(self) -> None:
        """Exchange the token at its half-life."""
        state, now = self._state, self._tools.clock.now()
        if state.token_made_at is None or state.token_ends_at is None or not self._tools.trusted():
            return
        if not past_half_life(state.token_made_at, state.token_ends_at, now):
            return
        if self._tools.clock.monotonic() - self._renewed_at < RENEW_EVERY:
            return
        self._renewed_at = self._tools.clock.monotonic()
        tokens = await self._gate.renew(self._access(), state.refresh_token, self._version)
        self._state = await self._update(
            access_token=tokens.access,
            refresh_token=tokens.refresh,
            token_made_at=now,
            token_ends_at=tokens.ends_at,
        )
        log.info("%s: the token for fetching was renewed", self._name)

    async def _tell(self) -> None:
        """Keep what the phone was told in step."""
        device_id, provisioner = self._link.device_id, self._provisioner
        token = await self._tools.database.read(lambda db: devices.current_token(db, device_id))
        if provisioner.is_due(self._state, token, self._version):
            self._pushed.clear()
            self._state = await provisioner.settle(
                self._gate, self._access(), self._state, token, self._version
            )
        # a push may have come before all of its webhooks were registered
        if is_news(self._state, self._pushed):
            self._state = await provisioner.saw_push(self._state)

    # -- when it does not work --------------------------------------------------------------------

    async def _unreachable(self, why: str) -> float:
        now = self._tools.clock.monotonic()
        self._reached = False
        self._failures += 1
        if self._failures == 1:
            self._failing_since = now
        if self._failures >= SEARCH_AFTER and (self._failures - SEARCH_AFTER) % SEARCH_EVERY == 0:
            if await self._found_elsewhere():
                return 0.0
            await self._in_trouble(
                f"{self._link.url} does not answer: {why}. Is the phone on and in its Wi-Fi, is the"
                " app's local server on? If its address has changed, give it a fixed one in the"
                " router (a DHCP reservation), and name that: `mmconnect device link"
                f" {self._link.device_id} --phone-url http://ADDRESS:8080 --phone-password …`"
            )
        if now - self._failing_since > 3600:
            return AFTER_AN_HOUR
        interval: float = self._configured() * 2 ** min(self._failures - 1, 8)
        return min(interval, LONGEST_WAIT)

    async def _refused(self, why: Refused) -> float:
        self._reached = False
        if why.status == 401:
            sentence = (
                "The phone no longer takes the token (the app's password was changed, or the app"
                f" was installed anew). Sign in again: `mmconnect device link"
                f" {self._link.device_id} --phone-password …`"
            )
        else:
            sentence = f"The phone cannot be read: {why}."
        await self._in_trouble(sentence)
        return AFTER_AN_HOUR if why.status == 401 else LONGEST_WAIT

    async def _in_trouble(self, sentence: str) -> None:
        if self._state.trouble == sentence:
            return
        log.warning("%s: %s", self._name, sentence)
        at = self._state.trouble_at or self._tools.clock.now()
        try:
            self._state = await self._update(trouble=sentence, trouble_at=at)
        except StoreUnavailable:
            return  # said at the next try

    async def _found_elsewhere(self) -> bool:
        """Whether it was found at another address, which is its own from now on."""
        gate = await found_elsewhere(self._tools, self._link, self._access())
        if gate is None:
            return False
        log.warning(
            "%s is no longer at %s but at %s, and is fetched from there. A DHCP reservation in the"
            " router gives it a fixed address",
            self._name,
            self._link.url,
            gate.url,
        )
        before, self._link = self._link.url, replace(self._link, url=gate.url)
        self._gate = gate
        moved = {"moved_from": before, "moved_at": self._tools.clock.now()}
        link = self._link

        def move(db: sqlite3.Connection) -> LinkState:
            links.put(db, link)  # which begins its task anew: both at once
            return links.update(db, link.device_id, **moved)

        self._state = await self._tools.database.write(move)
        return True

    # -- small things -----------------------------------------------------------------------------

    def _interval(self) -> float:
        at, configured = self._own_push_at, self._configured()
        if at is not None and self._tools.clock.monotonic() - at < KNOWN_FOR:
            return max(RELAXED, configured)
        return configured

    def _configured(self) -> float:
        return INTERVAL if self._link.interval is None else self._link.interval / 1000

    def _access(self) -> str:
        if self._state.access_token is None:
            raise Refused(401, "not signed in")
        return self._state.access_token

    async def _update(self, **fields: object) -> LinkState:
        device_id = self._link.device_id
        return await self._tools.database.write(lambda db: links.update(db, device_id, **fields))

    @property
    def _name(self) -> str:
        return self._tools.device(self._link).name
