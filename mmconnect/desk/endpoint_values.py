"""An endpoint's values as people write them, and what can be: for pages, API and commands alike.

Pure. What cannot be is a ValueError with a sentence that stands by itself beside the field: it
names no flag and shows no secret. `text` is as written; the functions that take typed values check
what the API was given. The second half writes them back as they can be written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from unicodedata import category
from urllib.parse import urlsplit

from mmconnect.domain.clock import parse_duration
from mmconnect.webhook import headers, payload, schedule, trust

CONCURRENCY = 64
"""POSTs in flight to one endpoint at the most, unless set otherwise."""
MOST_CONCURRENT = 256
LONGEST_AGE = 3650 * 86_400
MOST_ATTEMPTS = 50
LONGEST_WAIT = 30 * 86_400
LONGEST_NAME = 200
LONGEST_URL = 2000
"""Characters, as common servers take no longer ones."""

_NO_TEXT = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode's categories of control characters, halves of characters, and ends of lines."""

Headers = tuple[tuple[str, str], ...]


def name(text: str) -> str:
    """A name as people read it, one line of text."""
    found = text.strip()
    if not found or len(found) > LONGEST_NAME or any(category(c) in _NO_TEXT for c in found):
        raise ValueError(f"A name has 1 to {LONGEST_NAME} characters of text, on one line")
    return found


def name_for(url: str) -> str:
    """The name that is proposed for an endpoint at a URL: its host."""
    return (urlsplit(url).hostname or url)[:LONGEST_NAME]


def url(text: str) -> str:
    """A URL that webhooks can go to."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(c.isspace() or category(c) in _NO_TEXT for c in text):
        raise ValueError(
            f"{text!r} is not a URL that webhooks can go to: write http://HOST/… or https://HOST/…"
        )
    if len(text) > LONGEST_URL:
        raise ValueError(f"The URL has {len(text)} characters; {LONGEST_URL} are the most")
    return text


def events(names: Iterable[str]) -> frozenset[str]:
    """The events that an endpoint gets, at least one."""
    found = frozenset(names)
    unknown = sorted(found - set(payload.EVENTS))
    if unknown or not found:
        raise ValueError(
            f"There is no event {', '.join(unknown) or repr('')}; there are"
            f" {', '.join(payload.EVENTS)}"
        )
    return found


def max_age(text: str) -> int:
    """How long a text is worth delivering, in seconds, from `15m` or `14d`."""
    return lasting(_seconds(text, LONGEST_AGE), shown=repr(text))


def lasting(seconds: int, *, shown: str | None = None) -> int:
    """A maximum age in seconds; `shown` is how it was written."""
    if not 0 < seconds <= LONGEST_AGE:
        raise ValueError(f"{shown or seconds}: choose more than nothing and at most ten years")
    return seconds


def schedule_of(text: str) -> tuple[int, ...] | None:
    """Seconds before each attempt, from `now,5s,5m`; None for `default`."""
    if text.strip() == "default":
        return None
    words = [word.strip() for word in text.split(",")]
    return waits([0 if word == "now" else _seconds(word, LONGEST_WAIT) for word in words])


def waits(seconds: Sequence[int]) -> tuple[int, ...]:
    """Seconds before each attempt, the first of them 0."""
    if not seconds or seconds[0] != 0:
        raise ValueError("The first attempt is now, so write now,5s,5m")
    if len(seconds) > MOST_ATTEMPTS:
        raise ValueError(f"It has {len(seconds)} attempts; {MOST_ATTEMPTS} are the most")
    if not all(0 < wait <= LONGEST_WAIT for wait in seconds[1:]):
        raise ValueError("After the first, each wait is from 1s to 30d")
    return tuple(seconds)


def concurrency(number: int) -> int:
    """How many POSTs may be in flight at once."""
    if not 1 <= number <= MOST_CONCURRENT:
        raise ValueError(f"{number}: choose 1 to {MOST_CONCURRENT}")
    return number


def certificates(pem: str) -> str:
    """The certificates of a private CA, from PEM."""
    try:
        return trust.certificates(pem)
    except ValueError as error:
        raise ValueError(str(error)[:1].upper() + str(error)[1:]) from error


def header_lines(present: Headers, lines: Iterable[str]) -> Headers:
    """The headers with those lines added, replaced or (`Name:`) taken away."""
    named: set[str] = set()
    held = {name.lower(): (name, value) for name, value in present}
    for line in lines:
        name, colon, value = line.partition(":")
        name, value = name.strip(), value.strip(" \t")
        if not colon or not name:
            raise ValueError("It is written 'Name: value', or 'Name:' to take it away")
        if name.lower() in named:
            raise ValueError(f"{name} is given twice")
        named.add(name.lower())
        if value:
            held[name.lower()] = (name, value)
        elif held.pop(name.lower(), None) is None:
            raise ValueError(f"There is no header {name} to take away")
    return own_headers(held.values())


def own_headers(pairs: Iterable[tuple[str, str]]) -> Headers:
    """Headers of the owner's own: names and values that can be sent."""
    made = tuple(pairs)
    if faults := headers.validate(made):
        raise ValueError(". ".join(faults))
    return made


def words(seconds: int) -> str:
    """A duration as it is written: `5s`, `30m`, `24h`, `14d`."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % size == 0 and seconds >= (2 * size if unit == "d" else size):
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def schedule_words(seconds: tuple[int, ...] | None) -> str:
    """A schedule as schedule_of() reads it, the default one written out."""
    return ",".join(words(wait) if wait else "now" for wait in seconds or schedule.DEFAULT)


def some(values: Collection[str]) -> list[str]:
    """What was given, each once; a single empty value means none, which is all."""
    return [] if list(values) == [""] else list(dict.fromkeys(values))


def _seconds(text: str, most: int) -> int:
    try:
        return parse_duration(text)
    except OverflowError:
        return most + 1
