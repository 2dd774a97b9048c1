"""What can be set of a phone: how each value is read from a person's text, and which can be.

The functions that read text raise ValueError with a sentence that names no option or field, for
whoever asked knows which; `checked` is for values with types, as the API and the pages have them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from unicodedata import category

from mmconnect.domain.clock import parse_duration
from mmconnect.domain.errors import Invalid, Issue
from mmconnect.domain.numbers import is_country
from mmconnect.phones.apps import APPS
from mmconnect.phones.apps.names import FIELDS, field_of

APP_NAMES = tuple(APPS)
"""What can push."""
FIELD_NAMES = tuple(FIELDS)
"""What can have a path of its own."""

LONGEST_WINDOW = 90 * 86_400
"""Seconds that keys are certain to be remembered."""
SHORTEST_SILENCE, LONGEST_SILENCE = 60, 365 * 86_400
LONGEST_NAME, LONGEST_KEY, LONGEST_PATH = 200, 1000, 500
_NO_TEXT = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode's categories of control characters, halves of characters, and ends of lines."""

_WINDOW = f"from 0 to {LONGEST_WINDOW} (90 days), or default"


def name_of(text: str) -> str:
    """A name as people read it. Raises ValueError for one that is empty, or no line of text."""
    name = text.strip()
    if not name or len(name) > LONGEST_NAME or any(category(c) in _NO_TEXT for c in name):
        raise ValueError(f"A name has 1 to {LONGEST_NAME} characters of text, on one line")
    return name


def country_of(text: str) -> str:
    """A country's two letters, in capitals. Raises ValueError."""
    if not is_country(text.upper()):
        raise ValueError(f"{text!r} is not a country's two letters, like SG, DE or US")
    return text.upper()


def window_of(text: str) -> int | None:
    """Seconds, or None for `default`. Raises ValueError."""
    if text == "default":
        return None
    if not (text.isascii() and text.isdigit() and int(text[:10]) <= LONGEST_WINDOW):
        raise ValueError(f"in seconds, {_WINDOW}")
    return int(text)


def silence_of(text: str) -> int | None:
    """Seconds of `2h`; 0 for `off`, None for `default`. Raises ValueError."""
    if text in ("off", "default"):
        return 0 if text == "off" else None
    try:
        seconds = parse_duration(text)
    except (ValueError, OverflowError):
        seconds = 0
    if not SHORTEST_SILENCE <= seconds <= LONGEST_SILENCE:
        raise ValueError("write 2h or 3d (1m to 365d), off, or default")
    return seconds


def path_of(text: str) -> tuple[str, str]:
    """Field and path of `from=data.sender`. Raises ValueError."""
    name, equals, path = text.partition("=")
    name, path = name.strip(), path.strip()
    if not equals or not name or not path:
        raise ValueError("write FIELD=PATH, for example from=data.sender")
    if field_of(name) is None:
        raise ValueError(f"there is no field {name!r}; there are {', '.join(FIELDS)}")
    return name, path


def checked(given: Mapping[str, object]) -> dict[str, Any]:
    """Values by the names of the API, as they are kept. Raises Invalid with all that is wrong.

    `name`, `app`, `country`, `signingKey`, `mapping`, `dedupeWindow` and `silentAfter` (seconds; 0:
    never). None takes the app's or the appliance's own, where there is such.
    """
    good: dict[str, Any] = {}
    issues = []
    for name, value in given.items():
        check = _CHECKS.get(name)
        if check is None:
            issues.append(Issue(path=name, message="There is no such field"))
            continue
        try:
            good[name] = check(value)
        except ValueError as error:
            issues.append(Issue(path=name, message=str(error)))
    if issues:
        raise Invalid(*issues)
    return good


def _name(value: object) -> str:
    return name_of(value if isinstance(value, str) else "")


def _app(value: object) -> str:
    if not isinstance(value, str) or value not in APPS:
        raise ValueError(f"There is no such app; there are {', '.join(APPS)}")
    return value


def _country(value: object) -> str | None:
    if value is None:
        return None
    return country_of(value if isinstance(value, str) else str(value)[:40])


def _key(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_KEY or _halves(value):
        raise ValueError(f"A signing key has 1 to {LONGEST_KEY} characters")
    return value


def _mapping(value: object) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ValueError("A path by field: from is data.sender")
    made: dict[str, str] = {}
    for name, path in value.items():
        if not isinstance(path, str) or not path.strip() or len(path) > LONGEST_PATH:
            raise ValueError(f"A path has 1 to {LONGEST_PATH} characters, for example data.sender")
        if _halves(path):
            raise ValueError("A path is text")
        if field_of(str(name)) is None:
            raise ValueError(f"There is no field {name!r}; there are {', '.join(FIELDS)}")
        made[str(name)] = path.strip()
    return made


def _window(value: object) -> int | None:
    return _seconds(value, 0, LONGEST_WINDOW)


def _silence(value: object) -> int | None:
    if value == 0 and not isinstance(value, bool):
        return 0
    return _seconds(value, SHORTEST_SILENCE, LONGEST_SILENCE)


def _seconds(value: object, least: int, most: int) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"Seconds, from {least} to {most}")
    return value


def _halves(text: str) -> bool:
    """Whether there are halves of characters in it, which nothing can store."""
    return any(category(c) == "Cs" for c in text)


_CHECKS: Mapping[str, Callable[[object], Any]] = {
    "name": _name,
    "app": _app,
    "country": _country,
    "signingKey": _key,
    "mapping": _mapping,
    "dedupeWindow": _window,
    "silentAfter": _silence,
}
