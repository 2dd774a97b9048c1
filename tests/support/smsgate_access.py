"""What guards a simulated SMS Gateway and what can be set in it: passwords, tokens, settings.

How long a token lives can be scaled, so that a test sees one run out without waiting a day.
"""

from __future__ import annotations

import base64
import binascii
import copy
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.smsgate_rules import SCOPES, YEAR, nano_id, version_key

DAY = 86400


class Refused(Exception):
    """The app answers with an error."""

    def __init__(self, status: int, message: str | None = None) -> None:
        super().__init__(status, message)
        self.status, self.message = status, message


@dataclass(slots=True, kw_only=True)
class Token:
    jti: str
    access: str
    refresh: str | None
    scopes: frozenset[str]
    ttl: int
    expires: float
    """Epoch seconds, already scaled."""
    revoked: bool = False
    refreshed: bool = False


class Access:
    """Basic password and bearer tokens."""

    def __init__(self, user: str, password: str, ttl_scale: float) -> None:
        self.user, self.password = user, password
        self.live = (user, password)
        """What the running server takes: a change needs its restart."""
        self.ttl_scale = ttl_scale
        self.clock: Callable[[], float] = time.time
        """Whose seconds tokens live by."""
        self.tokens: list[Token] = []

    def issue(self, body: Mapping[str, Any], version: str) -> Token:
        """Raises Refused: 400."""
        scopes, ttl = body.get("scopes"), body.get("ttl", DAY)
        if not isinstance(scopes, list) or not scopes or not SCOPES.issuperset(scopes):
            raise Refused(400, "Invalid scopes")
        if not isinstance(ttl, int) or isinstance(ttl, bool) or not 0 < ttl <= YEAR:
            raise Refused(400, "Invalid ttl")
        return self._issue(frozenset(scopes), ttl, version)

    def refresh(self, offered: str, version: str) -> Token:
        """A new pair for a refresh token, once. Raises Refused: 401."""
        for token in self.tokens:
            if token.refresh and token.refresh == offered:
                if token.revoked or token.refreshed:
                    break
                token.refreshed = True
                return self._issue(token.scopes, token.ttl, version)
        raise Refused(401)

    def revoke(self, jti: str) -> None:
        for token in self.tokens:
            token.revoked |= token.jti == jti

    def expire_all(self) -> None:
        """Every access token has run out; refresh tokens have not."""
        for token in self.tokens:
            token.expires = 0

    def scopes_of(self, authorization: str, version: str) -> frozenset[str]:
        """What somebody may do. Raises Refused: 401."""
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() == "basic":
            try:
                pair = base64.b64decode(given, validate=True).decode().split(":", 1)
            except (binascii.Error, UnicodeDecodeError):
                raise Refused(401) from None
            if tuple(pair) == self.live:
                return frozenset({"all:any"})
        if scheme.lower() == "bearer" and version_key(version) >= (1, 55, 0):
            for token in self.tokens:
                if token.access == given and not token.revoked and self.clock() < token.expires:
                    return token.scopes
        raise Refused(401)

    def _issue(self, scopes: frozenset[str], ttl: int, version: str) -> Token:
        token = Token(
            jti=nano_id(),
            access="",
            refresh=None,
            scopes=scopes,
            ttl=ttl,
            expires=self.clock() + ttl * self.ttl_scale,
        )
        claims = {"jti": token.jti, "exp": int(token.expires), "scopes": sorted(scopes)}
        token.access = _jwt(claims)
        if version_key(version) >= (1, 64, 0):
            token.refresh = _jwt({"jti": nano_id(), "parent": token.jti})
        self.tokens.append(token)
        return token


def _jwt(claims: Mapping[str, Any]) -> str:
    parts = [json.dumps({"alg": "HS256", "typ": "JWT"}), json.dumps(claims), nano_id(32)]
    return ".".join(base64.urlsafe_b64encode(p.encode()).decode().rstrip("=") for p in parts)


_DEFAULTS: dict[str, dict[str, Any]] = {
    "gateway": {
        "cloud_url": "https://api.sms-gate.app/mobile/v1",
        "private_token": None,
        "notification_channel": "AUTO",
    },
    "messages": {
        "send_interval_min": 0,
        "send_interval_max": None,
        "limit_period": "Disabled",
        "limit_value": 0,
        "sim_selection_mode": "OSDefault",
        "log_lifetime_days": None,
        "processing_order": "LIFO",
    },
    "ping": {"interval_seconds": None},
    "logs": {"lifetime_days": 30},
    "webhooks": {"internet_required": True, "retry_count": 15, "signing_key": None},
    "encryption": {"passphrase": None},
}
_SECRET = {("webhooks", "signing_key"), ("gateway", "private_token"), ("encryption", "passphrase")}
_CHOICES = {
    "notification_channel": {"AUTO", "SSE_ONLY"},
    "limit_period": {"Disabled", "PerMinute", "Per30Minutes", "PerHour", "PerDay"},
    "sim_selection_mode": {"OSDefault", "RoundRobin", "Random"},
    "processing_order": {"LIFO", "FIFO"},
}
_LEAST = {"retry_count": 1, "interval_seconds": 1, "lifetime_days": 1, "log_lifetime_days": 1}


class Settings:
    """The document behind GET and PATCH /settings."""

    def __init__(self) -> None:
        self.all = copy.deepcopy(_DEFAULTS)
        self.ping_running: int | None = None
        """The ping interval in force: a changed one waits for the app's restart."""

    @property
    def signing_key(self) -> str:
        """Read at every push; made up when it is first wanted."""
        hooks = self.all["webhooks"]
        if not hooks["signing_key"]:
            hooks["signing_key"] = nano_id(8)
        return str(hooks["signing_key"])

    @property
    def retry_count(self) -> int:
        return int(self.all["webhooks"]["retry_count"])

    @property
    def internet_required(self) -> bool:
        return bool(self.all["webhooks"]["internet_required"])

    def shown(self) -> dict[str, dict[str, Any]]:
        """Without secrets."""
        return {
            name: {k: v for k, v in part.items() if (name, k) not in _SECRET}
            for name, part in self.all.items()
            if name != "encryption"
        }

    def patch(self, wanted: object) -> bool:
        """Whether something changed; unknown names are passed over. Raises Refused: 400."""
        if not isinstance(wanted, dict):
            raise Refused(400, "Invalid settings")
        changed = copy.deepcopy(self.all)
        for name, part in wanted.items():
            if name not in changed:
                continue
            if not isinstance(part, dict):
                raise Refused(400, f"Invalid {name}")
            for key, value in part.items():
                if key in changed[name]:
                    changed[name][key] = _checked(name, key, value)
        before, self.all = self.all, changed
        return before != changed


def _checked(part: str, key: str, value: object) -> object:
    default = _DEFAULTS[part][key]
    if value is None:
        return default
    if key in _CHOICES:
        right = isinstance(value, str) and value in _CHOICES[key]
    elif key == "internet_required":
        right = isinstance(value, bool)
    elif key == "cloud_url":
        right = isinstance(value, str) and value.startswith("https://")
    elif (part, key) in _SECRET:
        right = isinstance(value, str)
    else:
        right = isinstance(value, int) and not isinstance(value, bool)
        right = right and isinstance(value, int) and value >= _LEAST.get(key, 0)
    if not right:
        raise Refused(400, f"Invalid value for {part}.{key}")
    return _round_tripped(value) if key == "signing_key" else value


def _round_tripped(key: object) -> object:
    """Kept by way of a lenient JSON parser, which eats some keys and changes others."""
    text = str(key)
    if text.startswith(("#", "//")) or text == "null":
        return None
    return text[1:-1] if len(text) > 1 and text[0] in "'\"" and text[-1] == text[0] else text
