"""One sentence for the next page that a browser sees: what came of the form it has just sent.

Kept in memory for as long as a redirect takes; a restart in between loses it, and nothing else.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass

from aiohttp import web

from mmconnect.web.asked import client_of

COOKIE = "mmconnect_said"
_MOST = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A sentence, and whether it is `good`, `warn` or `bad` news."""

    kind: str
    sentence: str
    link: tuple[str, str] | None = None
    """Where to go on: words and path."""


class Flashes:
    """What is still to be said, by a cookie that names nothing else."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, Said] = OrderedDict()

    def say(self, said: Said) -> str:
        """Keep it; the cookie's value."""
        name = secrets.token_urlsafe(12)
        self._waiting[name] = said
        if len(self._waiting) > _MOST:
            self._waiting.popitem(last=False)
        return name

    def take(self, name: str | None) -> Said | None:
        """What was kept under that name, once."""
        return None if name is None else self._waiting.pop(name, None)


FLASHES = web.AppKey("flashes", Flashes)


def say(
    request: web.Request,
    answer: web.Response,
    sentence: str,
    *,
    kind: str = "good",
    link: tuple[str, str] | None = None,
) -> web.Response:
    """Let the page that `answer` leads to say it: `return say(request, see(…), "Paused.")`."""
    name = request.app[FLASHES].say(Said(kind=kind, sentence=sentence, link=link))
    answer.set_cookie(
        COOKIE,
        name,
        max_age=60,
        path="/",
        httponly=True,
        samesite="Strict",
        secure=client_of(request).scheme == "https",
    )
    return answer
