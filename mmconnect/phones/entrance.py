"""Who may come in: the device whose token a request carries, or what it is told instead.

The same for texts and heartbeats, so that guessing tokens is no easier at one door than at the
other. Guards that wrong tokens are slowed down per address, and that a request with a good one
never is; says nothing of a token anywhere.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from mmconnect.domain.clock import Clock
from mmconnect.domain.models import Device
from mmconnect.phones import answers, tokens
from mmconnect.phones.counts import Counts
from mmconnect.phones.presence import Presences
from mmconnect.phones.sightings import Mistake, Sightings
from mmconnect.store.configuration import Entry, Look
from mmconnect.web.http import Answer, Request
from mmconnect.web.throttle import Throttle

log = logging.getLogger(__name__)

_WRONG_TOKENS = 20
"""Wrong tokens that one address may try in a minute."""


_TOLD = 5
"""Lines of the log that one phone's refused pushes may cost in a minute: some try for ever."""


class Entrance:
    """Lets in whoever has a good token."""

    def __init__(
        self,
        look: Look,
        refresh: Callable[[], Awaitable[None]],
        clock: Clock,
        trusted: Callable[[], bool],
        presences: Presences,
        counts: Counts,
        sightings: Sightings,
    ) -> None:
        """`trusted`: whether nothing speaks against the clock; else no old token ends by it."""
        self._look, self._refresh, self._clock, self._trusted = look, refresh, clock, trusted
        self._presences, self._counts, self._sightings = presences, counts, sightings
        self._throttle = Throttle(most=_WRONG_TOKENS, window=60.0)
        self._told = Throttle(most=_TOLD, window=60.0)

    def known(self, request: Request) -> Entry | None:
        """What a token that is good at first sight stands for, as nearly all are; else admit()."""
        now = self._clock.now() if self._trusted() else 0
        entry = tokens.find(self._look(), tokens.from_request(request, tokens.PATH), now)
        return entry if entry is not None and entry.device.removed_at is None else None

    async def admit(self, request: Request, path: str = tokens.PATH) -> Entry | Answer:
        """What the request's token stands for, or the refusal; `path`: what it may stand after."""
        token = tokens.from_request(request, path)
        now = self._clock.now() if self._trusted() else 0
        entry = tokens.find(self._look(), token, now)
        if entry is None:
            await self._refresh()  # a device that was added this very moment
            entry = tokens.find(self._look(), token, now)
        if entry is None:
            self._sightings.saw(Mistake.UNKNOWN_TOKEN, request.remote)
            self._counts.push_rejected("unknown_token")
            wait = self._throttle.fail(request.remote or "", self._clock.monotonic())
            if wait:
                return answers.slow_down(wait)
            log.warning("A push from %s was refused: unknown token", request.remote)
            what = "No device has this token. `mmconnect device list` shows them."
            return answers.error(401, "unknown_token", what)
        if entry.device.removed_at is not None:
            self._sightings.saw(Mistake.REMOVED, request.remote)
            self._presences.rejected(entry.device.id, "removed")
            self._counts.push_rejected("removed")
            self.log_refusal(entry.device, "that device was removed")
            return answers.error(401, "unknown_token", "This device was removed from mmconnect.")
        return entry

    def log_refusal(self, device: Device, why: str) -> None:
        """A line for a push of a known phone that was not taken; a few a minute will do."""
        if not self._told.fail(device.id, self._clock.monotonic()):
            log.warning("A push of %s was refused: %s", device.name, why)
