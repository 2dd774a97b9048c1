"""Routing: which messages an endpoint wants, decided from the message alone.

Patterns are a person's input and run on a stranger's text, in the event loop. So they go to RE2,
whose time is linear in the text, with a bound on the program and on how much of a text it sees; and
RE2 is loaded only where there is a pattern. Invariant: no routing, whatever stands in the database,
makes a text fail to be stored.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from mmconnect.domain.models import EVERYTHING, Condition, Match, Message, Routing
from mmconnect.domain.numbers import digits
from mmconnect.webhook import patterns
from mmconnect.webhook.letters import composed
from mmconnect.webhook.patterns import BadPattern

log = logging.getLogger(__name__)

SENDER_MATCHES = (Match.EXACT, Match.PREFIX, Match.PATTERN)
TEXT_MATCHES = (Match.CONTAINS, Match.EXACT, Match.PATTERN)
MOST_CONDITIONS = 50
"""Of each kind: what a person can still read."""
LONGEST_VALUE = 500
"""Characters of one condition."""
LAST_SIM = 99

_DIALLED = re.compile(r"\+?[\d\s().\-/]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Sides:
    """What conditions are compared with: each a tuple, as a sender is written in several ways."""

    exact: tuple[str, ...]
    """Folded; also a number without its `+`."""
    folded: tuple[str, ...]
    written: tuple[str, ...]
    """As they are, for patterns."""


Test = Callable[[_Sides], bool]


def fold(text: str) -> str:
    """A text as it is compared: without regard to case and to how its letters are composed.

    `ß` equals `ss`. Turkish i's, with a dot or without, are all equal, as nothing says what
    language a text is in.
    """
    if text.isascii():
        return text.lower()
    folded = composed(text).casefold()
    return composed(folded.replace("i\u0307", "i").replace("\u0131", "i"))


class Router:
    """One routing, ready to be asked. Make it with compile()."""

    __slots__ = ("_devices", "_senders", "_sims", "_texts", "_wants_all", "rule")

    def __init__(self, routing: Routing) -> None:
        self._devices, self._sims = routing.devices, routing.sims
        self._senders = [_test(routing, c, compact) for c in routing.senders]
        self._texts = [_test(routing, c, str) for c in routing.texts]
        self._wants_all = not (self._devices or self._sims or self._senders or self._texts)
        self.rule = routing.id if self._senders or self._texts else None
        """The routing's id (`rule_…`) where senders or texts decide: for what it wants."""

    def wants(self, message: Message) -> bool:
        """Whether the endpoint wants this message."""
        if self._wants_all:
            return True
        if self._devices and message.device_id not in self._devices:
            return False
        if self._sims and message.sim not in self._sims:
            return False
        if self._senders and not _any(self._senders, _sender(message)):
            return False
        return not self._texts or _any(self._texts, _text(message))

    def rule_id(self, message: Message) -> str | None:
        """`rule`, when the message is wanted because of its sender or text."""
        return self.rule if self.rule is not None and self.wants(message) else None


@lru_cache(maxsize=256)
def _compiled(routing: Routing) -> Router:
    return Router(routing)


_EVERYTHING = Router(EVERYTHING)


def compile(routing: Routing) -> Router:
    """The Router of a routing, made once for all that are equal. Never raises.

    A pattern that cannot be used, which validate() would have refused, matches nothing.
    """
    return _EVERYTHING if routing is EVERYTHING else _compiled(routing)


def validate(routing: Routing) -> list[str]:
    """What is wrong with a routing, in sentences for a person; empty when it can be saved."""
    return list(_faults(routing))


def _faults(routing: Routing) -> Iterator[str]:
    if any(not 1 <= sim <= LAST_SIM for sim in routing.sims):
        yield f"SIMs are counted from 1 to {LAST_SIM}"
    size = 0
    for what, conditions, matches in (
        ("sender", routing.senders, SENDER_MATCHES),
        ("text", routing.texts, TEXT_MATCHES),
    ):
        if len(conditions) > MOST_CONDITIONS:
            yield (
                f"There are {len(conditions)} conditions on the {what}; {MOST_CONDITIONS} are the"
                " most"
            )
        for condition in conditions:
            shown = f"{what} {condition.match.value}:{condition.value[:60]}"
            if condition.match not in matches:
                allowed = ", ".join(match.value for match in matches)
                yield f"{shown}: a {what} is compared by {allowed}"
            elif len(condition.value) > LONGEST_VALUE:
                length = len(condition.value)
                yield f"{shown}…: has {length} characters; {LONGEST_VALUE} are the most"
            elif not fold(condition.value).strip():
                yield f"{shown}: is empty, and would match everything or nothing"
            elif condition.match is Match.PATTERN:
                try:
                    size += patterns.compile(condition.value).size
                except BadPattern as error:
                    yield f"{shown}: {error}"
    if size > patterns.LARGEST:
        yield (
            f"The patterns are too large together ({size} steps; {patterns.LARGEST} are the most):"
            " use fewer, or smaller repetitions than {…}"
        )


def compact(number: str) -> str:
    """A number without what people write between its digits; anything else as it is."""
    if _DIALLED.fullmatch(number) is None:
        return number
    return re.sub(r"[^+\d]", "", number)


def _test(routing: Routing, condition: Condition, read: Callable[[str], str]) -> Test:
    """`read` is what is done to the condition's value as it is to what it is compared with."""
    value = fold(read(condition.value))
    match condition.match:
        case Match.EXACT:
            exact = value.strip()
            return lambda sides: exact in sides.exact
        case Match.PREFIX:
            prefix = value.lstrip()
            return lambda sides: any(side.startswith(prefix) for side in sides.folded)
        case Match.CONTAINS:
            return lambda sides: any(value in side for side in sides.folded)
        case Match.PATTERN:
            try:
                search = patterns.compile(condition.value).search
            except BadPattern as error:
                log.warning("A pattern of %s matches nothing: %s", routing.id, error.kind)
                return lambda _: False
            return lambda sides: any(search(side) for side in sides.written)


def _sender(message: Message) -> _Sides:
    """Every way in which the sender is written: E.164, as the phone gave it, without blanks."""
    given = {one for one in (message.sender, message.sender_raw) if one is not None}
    folded = {fold(form) for one in given for form in (one.strip(), compact(one))}
    exact = folded | {digits(one) for one in folded}
    return _Sides(tuple(exact), tuple(folded), tuple(given))


def _text(message: Message) -> _Sides:
    """The text, and for patterns also folded, so that the pattern `strasse` finds `Straße`."""
    text, folded = message.text, fold(message.text)
    written = (text,) if text.isascii() else (text, folded)
    return _Sides((folded.strip(),), (folded,), written)


def _any(tests: list[Test], sides: _Sides) -> bool:
    return any(test(sides) for test in tests)
