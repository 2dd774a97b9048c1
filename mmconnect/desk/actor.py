"""Who does something, and the note that is made of it.

Light, as every command imports it.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from mmconnect.store import audit


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who changes something, for the audit."""

    name: str
    """`admin`, `cli`, or an API key's id."""
    address: str | None = None
    """Where it was asked from; None on this machine's command line."""

    def note(
        self, db: sqlite3.Connection, at: int, action: str, subject: str | None, detail: str
    ) -> None:
        """Write down what was done, in the write that does it; `at` is UTC ms."""
        audit.note(
            db,
            at=at,
            actor=self.name,
            action=action,
            subject=subject,
            detail=detail,
            address=self.address,
        )


CLI = Actor(name="cli")
