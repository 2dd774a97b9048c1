"""What an owner sets for the appliance as a whole: one list for command line, pages and API.

Each setting is read from a text as people write it (`90d`, `on`, `10.0.0.0/8,…`), kept as that
text, and given as a value. Knows nothing of how it is asked for; put() and unset() are to be called
inside a write, and a running service notices within a second.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, get_type_hints

from mmconnect.desk import shown
from mmconnect.desk.actor import Actor
from mmconnect.domain.ids import Ids
from mmconnect.domain.numbers import is_country
from mmconnect.store import alerts, preferences
from mmconnect.store import settings as kept

ALERT_URL = "alert_url"
LONGEST_NAME = 200
"""Characters of a site's name."""


class Sort(Enum):
    """What kind of value a setting has."""

    TEXT = auto()
    NUMBER = auto()
    SWITCH = auto()
    DURATION = auto()
    """Seconds."""
    SEVERAL = auto()
    """A list of texts."""


def _country(text: str) -> str:
    code = text.strip().upper()
    if not is_country(code):
        raise ValueError("write a country's two letters, like SG, DE or US")
    return code


def _site_name(text: str) -> str:
    name = text.strip()
    if not 0 < len(name) <= LONGEST_NAME or any(0xD800 <= ord(c) < 0xE000 for c in name):
        raise ValueError(f"a name has 1 to {LONGEST_NAME} characters of text")
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One setting: how its text is read, what stands without one, and what it is for."""

    name: str
    parse: Callable[[str], Any]
    """Raises ValueError or OverflowError, with a sentence."""
    default: Any
    sort: Sort
    help: str

    @property
    def camel(self) -> str:
        """Its name in the API."""
        return re.sub(r"_(\w)", lambda found: found[1].upper(), self.name)


def _sort(name: str) -> Sort:
    if name in ("replay_rate", "backup_keep"):
        return Sort.NUMBER
    kind = str(get_type_hints(preferences.Preferences)[name])
    for beginning, sort in (("<class 'bool'>", Sort.SWITCH), ("tuple", Sort.SEVERAL)):
        if kind.startswith(beginning):
            return sort
    return Sort.DURATION if "int" in kind else Sort.TEXT


_DEFAULTS = preferences.Preferences()
KNOWN = {
    kept.SITE_NAME: Known(
        name=kept.SITE_NAME,
        parse=_site_name,
        default=None,
        sort=Sort.TEXT,
        help="tenantName in webhooks (default: the host's name)",
    ),
    kept.COUNTRY: Known(
        name=kept.COUNTRY,
        parse=_country,
        default=None,
        sort=Sort.TEXT,
        help="how new phones read numbers without +: SG, DE, …",
    ),
} | {
    s.name: Known(
        name=s.name,
        parse=s.parse,
        default=getattr(_DEFAULTS, s.name),
        sort=_sort(s.name),
        help=s.help,
    )
    for s in preferences.SETTINGS
}
"""By name, in the order in which they are listed."""
BY_CAMEL = {known.camel: known for known in KNOWN.values()}


def value(db: sqlite3.Connection, name: str) -> Any:
    """A setting's value; what cannot be read (an older version's) counts as not set."""
    known, text = KNOWN[name], kept.value(db, name)
    if text is None:
        return known.default
    try:
        return known.parse(text)
    except (ValueError, OverflowError):
        return known.default


def everything(db: sqlite3.Connection) -> dict[str, Any]:
    """Every setting as the API shows it: secrets in a URL are left out."""
    return {known.camel: as_json(name, value(db, name)) for name, known in KNOWN.items()}


def as_json(name: str, value: Any, *, masked: bool = True) -> Any:
    """A value as the API and `--json` have it."""
    if name == ALERT_URL and value is not None and masked:
        return shown.without_secrets(value)
    return list(value) if isinstance(value, tuple) else value


def text_of(known: Known, value: Any) -> str:
    """A value of the API as it is written. Raises ValueError for what cannot be."""
    match value:
        case bool():
            return "on" if value else "off"
        case int() if known.sort is Sort.DURATION:
            return f"{value}s"
        case str() | int():
            return str(value)
    if any("," in one for one in value):
        raise ValueError("give each by itself")
    return ",".join(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a change of the settings has brought about."""

    value: Any
    secret: str | None = field(default=None, repr=False)
    """Of an alert URL that was just made: to be shown this once."""


def put(db: sqlite3.Connection, name: str, text: str, *, ids: Ids, now: int, by: Actor) -> Made:
    """Set one, as it is written; `now` is UTC ms. Raises ValueError, OverflowError."""
    secret = change(db, {name: text}, ids=ids, now=now, by=by)
    return Made(value=value(db, name), secret=secret)


def change(
    db: sqlite3.Connection, texts: Mapping[str, str | None], *, ids: Ids, now: int, by: Actor
) -> str | None:
    """Set several, each as it is written; None lets one have its default again.

    Returns the signing secret of an alert URL that was just made: to be shown this once. Raises
    ValueError, OverflowError.
    """
    for name, text in texts.items():
        before = kept.value(db, name)
        if text is None:
            kept.remove(db, name)
        else:
            read = KNOWN[name].parse(text)
            kept.put(db, name, read if name in (kept.SITE_NAME, kept.COUNTRY) else text.strip())
        after = kept.value(db, name)
        if after != before:
            by.note(db, now, "settings.changed", None, _told(name, before, after))
    return alerts.sync(db, ids, now)


def _told(name: str, before: str | None, after: str | None) -> str:
    """A change for the audit list; of a URL only that it has changed, as it may hold a secret."""
    if name == ALERT_URL:
        return name
    return f"{name}: {before or 'default'} → {after or 'default'}"
