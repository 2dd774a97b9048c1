"""What a phone was told of where to push, as the database has it."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from mmconnect.store.links import LinkState

PING = 300
"""Seconds between two pings of a phone; it begins when the app has been started anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a phone was told, as the database has it."""

    base: str
    """Where it pushes to; empty when it refused."""
    mark: str
    """A digest of everything that it was told."""
    at: int
    """UTC milliseconds."""
    refused: str = ""
    """Why it takes no webhook, in the phone's words."""
    seen_at: int | None = None
    """When the first push came that way; None while none has."""
    complaint: str = ""
    """Why none comes, from the phone's own log."""


def told(state: LinkState) -> Told | None:
    """What the phone was last told, or None."""
    return Told(**state.told) if state.told else None


def is_news(state: LinkState, pushed: Set[bool]) -> bool:
    """Whether a push came the way that the phone was told, which is not written down yet.

    `pushed`: how our own webhooks have come since, True by HTTPS. What the phone still had for the
    address of before says nothing of the new one.
    """
    known = told(state)
    if known is None or known.seen_at is not None:
        return False
    return True in pushed or (False in pushed and not known.base.startswith("https:"))
