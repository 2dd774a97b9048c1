"""A secret that was just made, for the browser that made it: shown for ten minutes, then no more.

In memory alone, found by a cookie that names nothing else. So the page can be loaded again, and in
another language, without the secret being anywhere it can be read a day later.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field

from aiohttp import web

from mmconnect.domain.clock import Clock

COOKIE = "mmconnect_made"
SHOWN_FOR = 600.0
"""Seconds."""
_MOST = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What was made, and for what."""

    subject: str
    """The id of what it belongs to."""
    secret: str = field(repr=False)
    until: float
    """Monotonic seconds."""


class JustMade:
    """What is still shown."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._made: OrderedDict[str, Made] = OrderedDict()

    def keep(self, answer: web.Response, subject: str, secret: str) -> web.Response:
        """Let the page that `answer` leads to show it."""
        name = secrets.token_urlsafe(24)
        until = self._clock.monotonic() + SHOWN_FOR
        self._made[name] = Made(subject=subject, secret=secret, until=until)
        if len(self._made) > _MOST:
            self._made.popitem(last=False)
        answer.set_cookie(
            COOKIE, name, max_age=int(SHOWN_FOR), httponly=True, samesite="Strict", path="/"
        )
        return answer

    def shown(self, request: web.Request, subject: str) -> str | None:
        """The secret of `subject`, if this browser has just made it."""
        for name in [n for n, made in self._made.items() if made.until < self._clock.monotonic()]:
            del self._made[name]
        made = self._made.get(request.cookies.get(COOKIE, ""))
        return made.secret if made is not None and made.subject == subject else None

    def forget(self, request: web.Request) -> None:
        """It has been copied: show it no more."""
        self._made.pop(request.cookies.get(COOKIE, ""), None)


JUST_MADE = web.AppKey("just_made", JustMade)
