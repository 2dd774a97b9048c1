"""A secret that was just made, for the session that made it: shown for ten minutes, then no more.

In memory alone. So the page can be loaded again, and in another language, without the secret being
anywhere it can be read a day later; who logs out, or never was in, does not see it.
"""

from __future__ import annotations

from collections import OrderedDict

from aiohttp import web

from mmconnect.admin.entrance import session
from mmconnect.domain.clock import Clock

SHOWN_FOR = 600.0
"""Seconds."""
_MOST = 64

Place = tuple[str, str]
"""The session, and the id of what the secret belongs to."""


class JustMade:
    """What is still shown."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._made: OrderedDict[Place, tuple[str, float]] = OrderedDict()

    def keep(self, request: web.Request, subject: str, secret: str) -> None:
        """Show it on the pages of `subject` that ask for it."""
        place = session(request).id, subject
        self._made[place] = secret, self._clock.monotonic() + SHOWN_FOR
        self._made.move_to_end(place)
        if len(self._made) > _MOST:
            self._made.popitem(last=False)

    def shown(self, request: web.Request, subject: str) -> str | None:
        """The secret of `subject`, if this session has just made it."""
        now = self._clock.monotonic()
        for place in [place for place, (_, until) in self._made.items() if until < now]:
            del self._made[place]
        secret, _ = self._made.get((session(request).id, subject), (None, 0.0))
        return secret

    def forget(self, request: web.Request, subject: str) -> None:
        """It has been copied: show it no more."""
        self._made.pop((session(request).id, subject), None)


JUST_MADE = web.AppKey("just_made", JustMade)
