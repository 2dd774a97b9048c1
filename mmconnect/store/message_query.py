"""What a list of messages can be asked for, and where in it one stands. Pure.

A cursor is opaque to whoever has it: a direction and the id of a message, which need not be there
any more. It goes with any query: what it says is only "older than this" or "newer than this".
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from enum import StrEnum

from mmconnect.domain.errors import Invalid, Issue
from mmconnect.domain.ids import EVENT, MESSAGE
from mmconnect.domain.models import Kind
from mmconnect.store.search_terms import Term, of_box, of_number, of_text

_PLACE = re.compile(r"([on])((?:msg|evt)_[0-9A-Z]{26}!?)")


class MessageState(StrEnum):
    """What became of a message, over all its deliveries. Each has one; `test` is asked for only."""

    WAITING = "waiting"
    """At least one delivery waits or is under way."""
    FAILED = "failed"
    """None waits, and at least one has failed, expired or was cancelled."""
    DELIVERED = "delivered"
    """Everywhere."""
    UNWANTED = "unwanted"
    """No endpoint wanted it."""
    KEPT_BACK = "kept_back"
    """A person has to say whether it is sent."""
    UNRECOGNISED = "unrecognised"
    """It was not understood."""
    TEST = "test"
    """Tests, whatever became of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageQuery:
    """Which messages are wanted; what is None (or empty) is not asked for."""

    search: str | None = None
    """What a person types into one box: a number, or words of text or sender."""
    number: str | None = None
    """The sender, or a part of it."""
    text: str | None = None
    """Words that are all in the text or the subject; between quotation marks they stay together."""
    device_id: str | None = None
    since: int | None = None
    """Taken at this time or later (UTC ms)."""
    until: int | None = None
    """Taken before this time (UTC ms)."""
    state: MessageState | None = None
    kind: Kind | None = None
    events: bool = False
    """What the appliance told of itself, instead of texts."""

    @property
    def terms(self) -> tuple[Term, ...]:
        """What has to be found in text and sender."""
        return (
            *of_box(self.search or ""),
            *of_number(self.number or ""),
            *of_text(self.text or ""),
        )

    @property
    def prefix(self) -> str:
        """What the ids of the messages begin with that can be meant."""
        return EVENT if self.events or self.kind is Kind.EVENT else MESSAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a page begins: beside a message, in one direction."""

    older: bool
    """Whether the page lies before that message in time, rather than after it."""
    message_id: str
    """With `!` after it a place just above that message, which no other id has."""

    def cursor(self) -> str:
        """The place as others are given it; letters that need no escape in a URL."""
        plain = ("o" if self.older else "n") + self.message_id
        return urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def place(cursor: str) -> Place:
    """The reverse of Place.cursor(). Raises Invalid for what is none."""
    try:
        plain = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except ValueError:
        plain = ""
    found = _PLACE.fullmatch(plain)
    if found is None:
        raise Invalid(Issue(path="cursor", message="The cursor is none of ours: begin without one"))
    return Place(older=found[1] == "o", message_id=found[2])
