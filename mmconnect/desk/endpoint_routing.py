"""Which texts an endpoint wants: conditions as people write them, and what they would have matched.

Reads `+65*`, `pattern:…`, `exact:…`. What cannot be is a ValueError with a
sentence; whether a phone is there is asked of the store.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from mmconnect.domain.models import EVERYTHING, Condition, Match, Message, Routing
from mmconnect.domain.numbers import normalise
from mmconnect.store import messages
from mmconnect.webhook import routing

PREVIEWED = 50
"""Texts on which a changed routing is tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a routing would have matched of the last texts."""

    wanted: tuple[Message, ...]
    """Newest first."""
    others: tuple[Message, ...]

    @property
    def matched(self) -> int:
        """How many it would have matched."""
        return len(self.wanted)

    @property
    def of(self) -> int:
        """Of how many."""
        return len(self.wanted) + len(self.others)

    def words(self) -> str:
        """The same in a sentence."""
        if not self.of:
            return "There is no text yet to try it on."
        return f"It would have matched {self.matched} of the last {self.of} texts."


def preview(db: sqlite3.Connection, wanted: Routing) -> Preview:
    """Try a routing on the last texts."""
    router = routing.compile(wanted)
    found = [(message, router.wants(message)) for message in messages.recent(db, PREVIEWED)]
    return Preview(
        wanted=tuple(m for m, wants in found if wants),
        others=tuple(m for m, wants in found if not wants),
    )


def sim(text: str) -> int:
    """A SIM's number, from 1."""
    if not (text.isascii() and text.isdigit() and len(text) < 4):
        raise ValueError(f"{text!r}: SIMs are counted from 1")
    return int(text)


def sender(text: str, country: str | None) -> Condition:
    """A condition as written; numbers lose their blanks, and `country` reads national ones."""
    match, value = _parted(text, routing.SENDER_MATCHES, Match.EXACT)
    if match is Match.EXACT and value.endswith("*") and not text.startswith("exact:"):
        match, value = Match.PREFIX, value[:-1]
    if match is Match.EXACT:
        value = normalise(value.strip(), country)
    if match is not Match.PATTERN:
        value = routing.compact(value)
    return Condition(match=match, value=value)


def text(written: str) -> Condition:
    """A condition on the text: contained, `exact:…`, or `pattern:…`."""
    match, value = _parted(written, routing.TEXT_MATCHES, Match.CONTAINS)
    return Condition(match=match, value=value)


def checked(wanted: Routing, known: Collection[str], new_id: Callable[[], str]) -> Routing:
    """A routing that can be saved; `known`: ids of the phones; one that matches gets an id.

    Raises ValueError; LookupError for a phone that is not there, with its id.
    """
    if replace(wanted, id=None) == EVERYTHING:
        return EVERYTHING
    if faults := routing.validate(wanted):
        raise ValueError(". ".join(faults))
    for device in sorted(wanted.devices - set(known)):
        raise LookupError(device)
    return wanted if wanted.id is not None else replace(wanted, id=new_id())


def words(wanted: Routing, names: dict[str, str]) -> str:
    """A routing for a person; `names` are those of the phones, by id."""
    parts = []
    if wanted.devices:
        parts.append("phone " + " or ".join(sorted(names.get(d, d) for d in wanted.devices)))
    if wanted.sims:
        parts.append("SIM " + " or ".join(str(sim) for sim in sorted(wanted.sims)))
    for what, conditions in (("sender", wanted.senders), ("text", wanted.texts)):
        if conditions:
            parts.append(f"{what} " + " or ".join(f"{c.match.value}:{c.value}" for c in conditions))
    return "; ".join(parts) or "everything"


_SENDERS = {
    Match.EXACT: "{}",
    Match.PREFIX: "numbers and names that begin with {}",
    Match.PATTERN: "senders that match {}",
}
_TEXTS = {
    Match.CONTAINS: "contain “{}”",
    Match.EXACT: "read “{}”",
    Match.PATTERN: "match {}",
}


def sentence(wanted: Routing, names: dict[str, str]) -> str:
    """Which texts, as a page says it: `texts of Reception that contain “code”`."""
    parts = []
    if wanted.devices:
        parts.append("of " + " or ".join(sorted(names.get(d, d) for d in wanted.devices)))
    if wanted.sims:
        parts.append("to SIM " + " or ".join(str(sim) for sim in sorted(wanted.sims)))
    if wanted.senders:
        told = [_SENDERS[c.match].format(c.value) for c in wanted.senders]
        parts.append("from " + " or ".join(told))
    if wanted.texts:
        parts.append("that " + " or ".join(_TEXTS[c.match].format(c.value) for c in wanted.texts))
    return " ".join(["texts", *parts]) if parts else "every text"


def _parted(text: str, matches: tuple[Match, ...], default: Match) -> tuple[Match, str]:
    """`pattern:x` is a pattern, `x` the default."""
    kind, colon, value = text.partition(":")
    if colon and kind in {match.value for match in matches}:
        return Match(kind), value
    return default, text
