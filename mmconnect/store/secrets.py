"""Signing secrets over time: which one is current, changing it, and showing it once more.

The previous secret stays with the instant at which it ends. That is judged when something is
signed, so nothing here has to run on time; rows that have ended go with the next rotation. The
current secret is the one row without an end.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field

from mmconnect.domain.errors import NotFound, Refused
from mmconnect.domain.models import Secret
from mmconnect.webhook import signing

DAY = 86_400
DEFAULT_OVERLAP = DAY
LONGEST_OVERLAP = 7 * DAY
"""Seconds that a previous secret goes on signing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """What a rotation has made of an endpoint's secrets."""

    secret: str = field(repr=False)
    previous_expires_at: int | None
    """UTC ms; None when the previous one has ended at once."""
    ended: int
    """Earlier secrets that would have gone on signing and no longer do."""


def ring(db: sqlite3.Connection, endpoint_id: str) -> tuple[Secret, ...]:
    """An endpoint's secrets, newest first: the current one leads."""
    rows = db.execute(
        "SELECT created_at, value, expires_at FROM secrets WHERE endpoint_id = ?"
        " ORDER BY expires_at IS NOT NULL, created_at DESC",
        (endpoint_id,),
    )
    return tuple(Secret(value=v, created_at=c, expires_at=e) for c, v, e in rows)


def current(db: sqlite3.Connection, endpoint_id: str) -> Secret:
    """The secret that signs now. Raises NotFound for an endpoint that is not there (any more)."""
    for secret in ring(db, endpoint_id):
        if secret.expires_at is None:
            return secret
    raise NotFound(f"There is no endpoint {endpoint_id}", listed_by="endpoint list")


def reveal(db: sqlite3.Connection, endpoint_id: str) -> str:
    """The current secret in the clear, for a person who has just entered the password again.

    No command prints it: it is shown when it is made. Raises NotFound.
    """
    return current(db, endpoint_id).value


def end_previous(db: sqlite3.Connection, endpoint_id: str) -> int:
    """End the overlap: from now on the current secret alone signs. How many others did."""
    return db.execute(
        "DELETE FROM secrets WHERE endpoint_id = ? AND expires_at IS NOT NULL", (endpoint_id,)
    ).rowcount


def rotate(
    db: sqlite3.Connection,
    endpoint_id: str,
    secret: str,
    *,
    now: int,
    overlap: int = DEFAULT_OVERLAP,
    trusted: bool = True,
) -> Rotated:
    """Make `secret` the current one; the present one goes on signing for `overlap` seconds.

    Earlier ones keep the end they were given, as far as that many may sign together (signing.MOST).
    An overlap of 0 is for a secret that got into wrong hands: it and all before it end at once.
    While the clock is not `trusted`, what seems to have ended is kept. Raises NotFound, and
    Refused for the secret that is in use already.
    """
    before = current(db, endpoint_id)
    if before.value == secret:
        raise Refused("That is the endpoint's secret already")
    expires_at = now + overlap * 1000 if overlap else None
    signed = signing.signing_secrets(ring(db, endpoint_id), now, trusted=trusted)
    if expires_at is None:
        db.execute("DELETE FROM secrets WHERE endpoint_id = ?", (endpoint_id,))
    else:
        db.execute(
            "UPDATE secrets SET expires_at = ? WHERE endpoint_id = ? AND expires_at IS NULL",
            (expires_at, endpoint_id),
        )
        # one that comes back into use must not end when it was to
        db.execute("DELETE FROM secrets WHERE endpoint_id = ? AND value = ?", (endpoint_id, secret))
    made_at = max(now, before.created_at + 1)  # newest, whatever the clock says
    db.execute(
        "INSERT INTO secrets (endpoint_id, created_at, value, expires_at) VALUES (?, ?, ?, NULL)",
        (endpoint_id, made_at, secret),
    )
    kept = signing.valid(ring(db, endpoint_id), now, trusted=trusted)
    marks = ",".join("?" * len(kept))
    db.execute(
        f"DELETE FROM secrets WHERE endpoint_id = ? AND created_at NOT IN ({marks})",
        (endpoint_id, *[s.created_at for s in kept]),
    )
    return Rotated(
        secret=secret,
        previous_expires_at=expires_at,
        ended=len(set(signed) - {s.value for s in kept}),
    )
