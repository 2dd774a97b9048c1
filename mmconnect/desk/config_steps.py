"""What an import of a configuration does, step by step, and what all of its parts need."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from mmconnect.desk.actor import Actor
from mmconnect.desk.settings import KNOWN
from mmconnect.domain.ids import Ids
from mmconnect.domain.models import Device, Endpoint

T = TypeVar("T", Device, Endpoint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that an import does, or leaves to a person."""

    what: str
    """`added`, `changed`, or `note`: nothing is done, but it should be known."""
    subject: str | None
    """The id that it has here."""
    name: str
    detail: str = ""
    secret: str | None = field(default=None, repr=False)
    """The signing secret or token that was made for it: to be shown this once."""

    def as_json(self, *, done: bool = True) -> dict[str, Any]:
        """As `--json` and the API have it; of a step that was only tried, without the secret."""
        setting = KNOWN.get(self.name) if self.subject is None else None
        return {
            "what": self.what,
            "id": self.subject,
            "name": self.name if setting is None else setting.camel,
            "detail": self.detail,
            "secret": self.secret if done else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where and when a document is put into force."""

    db: sqlite3.Connection
    ids: Ids
    now: int
    """UTC ms."""
    by: Actor
    base_for: Callable[[str], str]
    """Where a phone with that app pushes to."""


def meant(known: Iterable[T], wanted: str | None, name: object, used: set[str]) -> T | None:
    """What is meant: by its id, or else the one that has its name and that nothing else meant."""
    several = [one for one in known if one.id not in used]
    for one in several:
        if one.id == wanted:
            return one
    named = [one for one in several if one.name == name]
    return named[0] if len(named) == 1 else None


def differ(before: object, after: object, name: str) -> bool:
    """Whether two values differ in that field."""
    return bool(getattr(before, name) != getattr(after, name))
