"""What a person sets for the appliance as a whole: one table of settings, their meaning, defaults.

Kept as text in the table `settings`; read into a frozen Preferences with every snapshot of the
configuration, so a change takes effect within a second. A value that cannot be read is refused when
it is set; one that got there all the same (an older version's) counts as not set.
"""

from __future__ import annotations

import os.path
import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

from mmconnect.domain.clock import parse_duration
from mmconnect.store import settings
from mmconnect.webhook import addresses

DAY = 86_400
LONGEST = 3650 * DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """The settings as they stand. Times are in seconds."""

    retention_messages: int = 90 * DAY
    retention_attempts: int = 30 * DAY
    wipe_after: int | None = None
    """Texts are wiped this long after they came, once nothing waits; None: with their message."""
    wipe_delivered: bool = False
    """Texts are wiped as soon as every delivery of theirs has been delivered."""
    alert_url: str | None = field(default=None, repr=False)
    address_allow: tuple[str, ...] = ()
    """Networks that webhooks may go to although the address rule refuses them."""
    address_deny: tuple[str, ...] = ()
    """Networks that webhooks may not go to."""
    clock_trusted: bool = False
    """The machine's clock is kept right by something that the kernel does not tell of."""
    appearance: str = "system"
    """`light`, `dark`, or as the reader's machine has it."""
    replay_rate: int = 20
    """Deliveries a second that a replay of many offers."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks of reverse proxies that are believed for whom they ask."""
    base_path: str | None = None
    """Below which path a reverse proxy shows the admin side, as `/mmconnect`; None: at the root."""
    allowed_hosts: tuple[str, ...] = ()
    """Names by which the admin side may be asked for, besides this machine's own."""
    backup_schedule: str = "daily"
    """`daily`, `weekly` or `off`."""
    backup_keep: int = 7
    """Backups made by the schedule that stay."""
    backup_folder: str | None = None
    """An absolute path; None: `backups` in the data directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting: how its text is read, and what it is for."""

    name: str
    parse: Callable[[str], Any]
    """Raises ValueError with a sentence."""
    help: str


def _duration(text: str) -> int:
    seconds = parse_duration(text)
    if not 0 < seconds <= LONGEST:
        raise ValueError("choose more than nothing and at most ten years")
    return seconds


def _duration_or_off(text: str) -> int | None:
    return None if text.strip().lower() == "off" else _duration(text)


def _switch(text: str) -> bool:
    word = text.strip().lower()
    if word not in ("on", "off"):
        raise ValueError("write on or off")
    return word == "on"


def _networks(text: str) -> tuple[str, ...]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    return tuple(str(ip_network(word, strict=False)) for word in words)


def _url_or_off(text: str) -> str | None:
    if text.strip().lower() == "off":
        return None
    url = text.strip()
    parts = urlsplit(url)
    host = parts.hostname
    if parts.scheme not in ("http", "https") or not host or any(c.isspace() for c in url):
        raise ValueError("write http://HOST/… or https://HOST/…, or off")
    if parts.port == 0:
        raise ValueError("nothing listens on port 0")
    if parts.scheme == "http" and _is_public(host):
        raise ValueError(f"{host} is beyond your own network: write https://")
    return url


def _is_public(host: str) -> bool:
    """Whether it is a public address; names are judged when connecting."""
    try:
        return not addresses.is_private(host)
    except ValueError:
        return False


def _appearance(text: str) -> str:
    word = text.strip().lower()
    if word not in ("system", "light", "dark"):
        raise ValueError("write system, light or dark")
    return word


def _schedule(text: str) -> str:
    word = text.strip().lower()
    if word not in ("daily", "weekly", "off"):
        raise ValueError("write daily, weekly or off")
    return word


def _kept(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:10]) <= 365:
        raise ValueError("choose 1 to 365 backups")
    return int(text)


def _folder_or_default(text: str) -> str | None:
    path = text.strip()
    if path.lower() == "default":
        return None
    if not path.startswith("/") or len(path) > 1000 or not path.isprintable():
        raise ValueError("write a whole path like /media/usb1/mmconnect, or default")
    return os.path.normpath(path)


def _rate(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= 1000:
        raise ValueError("choose 1 to 1000 a second")
    return int(text)


_SEGMENT = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*", re.ASCII)
_OURS = frozenset(
    "v1 static docs healthz readyz metrics ca.crt setup login logout messages deliveries endpoints"
    " phones settings help patterns".split()
)
"""First words of our own paths, which would be two things if the base began with one."""


def _base_path_or_off(text: str) -> str | None:
    word = text.strip()
    if word.lower() == "off" or word == "/":
        return None
    segments = word.rstrip("/").split("/")[1:]
    if not (word.startswith("/") and segments and len(word) <= 100):
        raise ValueError("write it like /mmconnect, or off")
    if not all(_SEGMENT.fullmatch(segment) for segment in segments):
        raise ValueError("write it like /mmconnect: letters, digits and . _ ~ - between slashes")
    if segments[0] in _OURS:
        raise ValueError(f"/{segments[0]} is a page of mmconnect itself: choose another word")
    return "/" + "/".join(segments)


_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.ASCII)


def _host_names(text: str) -> tuple[str, ...]:
    names = []
    for word in text.split(","):
        name = word.strip().lower().removesuffix(".")
        if not name:
            continue
        if len(name) > 253 or not all(_NAME.fullmatch(label) for label in name.split(".")):
            raise ValueError(
                f"{word.strip()!r} is no name of a host: write it like mm.example.org, without"
                " http:// and port"
            )
        names.append(name)
    return tuple(dict.fromkeys(names))


SETTINGS = (
    Setting(
        name="retention_messages",
        parse=_duration,
        help="how long messages are kept (default 90d)",
    ),
    Setting(
        name="retention_attempts",
        parse=_duration,
        help="how long the attempts of deliveries are kept (default 30d)",
    ),
    Setting(
        name="wipe_after",
        parse=_duration_or_off,
        help="how long texts are kept when less than their message (default off)",
    ),
    Setting(
        name="wipe_delivered",
        parse=_switch,
        help="wipe a text once it is delivered everywhere: on or off (default off)",
    ),
    Setting(name="alert_url", parse=_url_or_off, help="a URL that gets every operational event"),
    Setting(
        name="address_allow",
        parse=_networks,
        help="networks that webhooks may go to although the address rule refuses them:"
        " 169.254.7.0/24,…",
    ),
    Setting(
        name="address_deny",
        parse=_networks,
        help="networks that webhooks may not go to: 192.0.2.0/24,…",
    ),
    Setting(
        name="clock_trusted",
        parse=_switch,
        help="on when this machine's clock is right although its kernel cannot tell (a virtual"
        " machine's, say; default off)",
    ),
    Setting(
        name="appearance",
        parse=_appearance,
        help="how the pages look: light, dark, or system (default)",
    ),
    Setting(
        name="replay_rate",
        parse=_rate,
        help="deliveries a second that a replay of many offers (default 20)",
    ),
    Setting(
        name="trusted_proxies",
        parse=_networks,
        help="reverse proxies that are believed for whom they ask: 127.0.0.1,10.0.0.5,…",
    ),
    Setting(
        name="base_path",
        parse=_base_path_or_off,
        help="below which path a reverse proxy shows the admin side: /mmconnect (default off)",
    ),
    Setting(
        name="allowed_hosts",
        parse=_host_names,
        help="names by which the admin side may be opened besides this machine's own:"
        " mm.example.org,…",
    ),
    Setting(
        name="backup_schedule",
        parse=_schedule,
        help="how often a backup is made: daily (default), weekly, or off",
    ),
    Setting(
        name="backup_keep",
        parse=_kept,
        help="how many of those stay (default 7)",
    ),
    Setting(
        name="backup_folder",
        parse=_folder_or_default,
        help="where they are put: /media/usb1/mmconnect (default: backups in the data directory)",
    ),
)
BY_NAME = {setting.name: setting for setting in SETTINGS}
assert BY_NAME.keys() == {f.name for f in fields(Preferences)}  # noqa: S101 (one table, two views)


def load(db: sqlite3.Connection) -> Preferences:
    """The preferences as they stand."""
    found: dict[str, Any] = {}
    for setting in SETTINGS:
        text = settings.value(db, setting.name)
        if text is not None:
            try:
                found[setting.name] = setting.parse(text)
            except ValueError:
                continue
    return Preferences(**found)
