"""SMS Gateway for Android: its HTTP server on the phone (local mode), as of 1.59 to 1.75.

Written from the app's protocol: `docs/phones/` says which versions can what. Reading the inbox,
tokens, webhooks, settings, log. Sending texts has its place here, too (`POST /messages`), once
mmconnect sends. Knows nothing of devices, the store or what is done with the answers.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from mmconnect.phones.apps.fields import scalar
from mmconnect.phones.apps.news import health
from mmconnect.phones.apps.times import read_time
from mmconnect.phones.clients.http import PhoneHttp, Refused, Reply, count, words
from mmconnect.phones.facts import facts

PAGE = 500
"""Rows of the inbox that one request may ask for."""
TOKEN_LIFE = 365 * 86_400
"""Seconds; the app gives none that lives longer."""
SCOPES = (
    *("inbox:list", "inbox:read", "inbox:refresh", "devices:list"),
    *("webhooks:list", "webhooks:write", "webhooks:delete"),
    *("settings:read", "settings:write", "logs:read"),
)
RENEWS_BY_REFRESH = (1, 64)
"""Version since which a token comes with another to renew it; before, a scope does that."""
SLOW = 60.0
"""Seconds for what the phone does before it answers: looking through its SMS store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What `/health` tells, to anybody."""

    version: str
    facts: Mapping[str, Any]
    """`battery` (percent), `charging`, `network`, `version`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What a password, or an earlier token, was exchanged for."""

    access: str = field(repr=False)
    refresh: str | None = field(repr=False)
    ends_at: int | None
    """By the phone's clock, UTC milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of the inbox, newest first."""

    rows: Sequence[Mapping[str, Any]] = field(repr=False)
    total: int | None
    """How many rows there are in all; None when the phone does not say."""


class SmsGate:
    """One phone's server."""

    def __init__(self, http: PhoneHttp, url: str) -> None:
        self._http, self.url = http, url

    # -- who it is --------------------------------------------------------------------------------

    async def health(self) -> Health:
        """Version and state. Without internet the app answers 500, which is as good."""
        reply = await self._http.ask("GET", f"{self.url}/health")
        told = reply.value
        version = scalar(told.get("version")) if isinstance(told, dict) else None
        if reply.status not in (200, 500) or not isinstance(told, dict) or not version:
            raise Refused(0, "what answers there is not SMS Gateway for Android")
        return Health(version=version[:40], facts=facts(health({"health": told})))

    async def phone_id(self, authorization: str) -> tuple[str, str]:
        """The phone's own id, the same until the app is reinstalled, and its model."""
        reply = await self._good("GET", "/device", authorization)
        listed = reply.value if isinstance(reply.value, list) else [reply.value]
        first = listed[0] if listed else None
        found = scalar(first.get("id")) if isinstance(first, dict) else None
        if not isinstance(first, dict) or not found:
            raise Refused(0, "the phone does not say who it is")
        return found[:200], words(first.get("name"))

    # -- tokens -----------------------------------------------------------------------------------

    async def sign_in(self, user: str, password: str, version: str) -> Tokens:
        """Exchange the password for a token. 401: it is wrong."""
        return await self._new_token(basic(user, password), version)

    async def renew(self, access: str, refresh: str | None, version: str) -> Tokens:
        """Exchange a token for the next one; the old one may be worth nothing afterwards."""
        if refresh is None:
            return await self._new_token(bearer(access), version)
        return _tokens(await self._good("POST", "/auth/token/refresh", bearer(refresh)))

    async def _new_token(self, authorization: str, version: str) -> Tokens:
        scopes = [*SCOPES]
        if version_of(version) < RENEWS_BY_REFRESH:
            scopes.append("tokens:manage")
        wanted = {"scopes": scopes, "ttl": TOKEN_LIFE}
        return _tokens(await self._good("POST", "/auth/token", authorization, body=wanted))

    # -- the inbox --------------------------------------------------------------------------------

    async def inbox(
        self, token: str, *, since: int | None, offset: int = 0, limit: int = PAGE
    ) -> Page:
        """A page of what was received since then (UTC ms, by the times of the texts)."""
        query = {"limit": str(limit), "offset": str(offset)}
        if since is not None:
            query["from"] = written(since)
        reply = await self._good("GET", "/inbox", bearer(token), query=query)
        if not isinstance(reply.value, list):
            raise Refused(0, "the phone's inbox is no list")
        # more than was asked for would hold up everybody else while it is taken apart
        rows = [row for row in reply.value[:limit] if isinstance(row, dict)]
        total = count(reply.headers.get("X-Total-Count"))
        if total is not None and rows and total < offset + len(rows):
            total = None  # no count of these rows
        return Page(rows=rows, total=total)

    async def read_anew(self, token: str, since: int, until: int) -> None:
        """Let the app look for texts that it has missed, in the phone's own store of SMS."""
        wanted = {
            "since": written(since),
            "until": written(until),
            "messageTypes": ["SMS", "MMS"],
            "triggerWebhooks": False,
        }
        await self._good("POST", "/inbox/refresh", bearer(token), body=wanted, patience=SLOW)

    # -- webhooks and settings ----------------------------------------------------------------

    async def webhooks(self, token: str) -> dict[str, tuple[str, str]]:
        """What is registered: (URL, event) by id."""
        reply = await self._good("GET", "/webhooks", bearer(token))
        listed = reply.value if isinstance(reply.value, list) else []
        return {
            str(one["id"]): (str(one.get("url")), str(one.get("event")))
            for one in listed
            if isinstance(one, dict) and "id" in one
        }

    async def register(self, token: str, hook: str, url: str, event: str) -> None:
        """Register a webhook; the same id again replaces it."""
        wanted = {"id": hook, "url": url, "event": event}
        await self._good("POST", "/webhooks", bearer(token), body=wanted)

    async def unregister(self, token: str, hook: str) -> None:
        """Remove a webhook, if it is there."""
        await self._good("DELETE", f"/webhooks/{hook}", bearer(token))

    async def settings(self, token: str) -> Mapping[str, Any]:
        """Its settings, without secrets."""
        reply = await self._good("GET", "/settings", bearer(token))
        return reply.value if isinstance(reply.value, dict) else {}

    async def change_settings(self, token: str, change: Mapping[str, Any]) -> None:
        """Change some; the phone tells its owner by a notification."""
        await self._good("PATCH", "/settings", bearer(token), body=change)

    async def complaints(self, token: str, since: int) -> list[str]:
        """Why its webhooks failed since then (UTC ms), from its log, oldest first."""
        reply = await self._good("GET", "/logs", bearer(token), query={"from": written(since)})
        listed = reply.value if isinstance(reply.value, list) else []
        return [
            words(one.get("message"), 300)
            for one in listed
            if isinstance(one, dict)
            and one.get("module") == "webhooks"
            and one.get("priority") in ("ERROR", "WARN")
        ]

    async def _good(
        self,
        method: str,
        path: str,
        authorization: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        patience: float | None = None,
    ) -> Reply:
        """Ask; anything but 2xx raises Refused with what the phone says of it."""
        more = {} if patience is None else {"patience": patience}
        reply = await self._http.ask(
            method,
            self.url + path,
            headers={"Authorization": authorization},
            query=query,
            body=body,
            **more,
        )
        if 200 <= reply.status < 300:
            return reply
        said = words(reply.value.get("message")) if isinstance(reply.value, dict) else ""
        about = f": {said}" if said else ""
        raise Refused(reply.status, f"{method} {path} was answered {reply.status}{about}")


def basic(user: str, password: str) -> str:
    """`Authorization` with name and password."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def bearer(token: str) -> str:
    """`Authorization` with a token."""
    return f"Bearer {token}"


def past_half_life(made_at: int, ends_at: int, now: int) -> bool:
    """Whether a token should be renewed. UTC milliseconds, of which `ends_at` is the phone's.

    Either clock may have been wrong when it was made: no token lives longer than TOKEN_LIFE.
    """
    lives = ends_at - made_at
    if not 0 < lives < TOKEN_LIFE * 1000:
        lives = TOKEN_LIFE * 1000
    return not 0 <= now - made_at < lives // 2


def written(ms: int) -> str:
    """A time as the app reads it: UTC, exactly three digits of a second or none."""
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def version_of(text: str) -> tuple[int, ...]:
    """`1.66.2` as numbers that compare; what is no number ends it."""
    numbers = []
    for part in text.split("-")[0].split("."):
        if not (part.isascii() and part.isdigit()):
            break
        numbers.append(int(part))
    return tuple(numbers)


def _tokens(reply: Reply) -> Tokens:
    told = reply.value if isinstance(reply.value, dict) else {}
    access = scalar(told.get("access_token"))
    if not access:
        raise Refused(0, "the phone gave no token")
    return Tokens(
        access=access,
        refresh=scalar(told.get("refresh_token")) or None,
        ends_at=read_time(told.get("expires_at"))[0],
    )
