"""Endpoints and their signing secrets."""

from __future__ import annotations

import json
import sqlite3

from mmconnect.domain.models import Endpoint, EndpointState, Numbers, Secret
from mmconnect.store.connection import Row

_COLUMNS = (
    "id, name, url, state, held_class, held_reason, numbers, events, max_age, plain_headers,"
    " concurrency, created_at, removed_at"
)


def add(db: sqlite3.Connection, endpoint: Endpoint) -> None:
    """Add an endpoint with its secrets."""
    db.execute(
        f"INSERT INTO endpoints ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            endpoint.id,
            endpoint.name,
            endpoint.url,
            endpoint.state.value,
            endpoint.held_class,
            endpoint.held_reason,
            endpoint.numbers.value,
            json.dumps(sorted(endpoint.events)),
            endpoint.max_age,
            int(endpoint.plain_headers),
            endpoint.concurrency,
            endpoint.created_at,
            endpoint.removed_at,
        ),
    )
    db.executemany(
        "INSERT INTO secrets (endpoint_id, created_at, value, expires_at) VALUES (?, ?, ?, ?)",
        [(endpoint.id, s.created_at, s.value, s.expires_at) for s in endpoint.secrets],
    )


def known(db: sqlite3.Connection) -> list[Endpoint]:
    """Every endpoint that has not been removed, oldest first."""
    secrets: dict[str, list[Secret]] = {}
    for endpoint_id, created_at, value, expires_at in db.execute(
        "SELECT endpoint_id, created_at, value, expires_at FROM secrets"
        " ORDER BY endpoint_id, expires_at IS NOT NULL, created_at DESC"
    ):
        secrets.setdefault(endpoint_id, []).append(
            Secret(value=value, created_at=created_at, expires_at=expires_at)
        )
    rows = db.execute(f"SELECT {_COLUMNS} FROM endpoints WHERE removed_at IS NULL ORDER BY id")
    return [_endpoint(row, tuple(secrets.get(row[0], ()))) for row in rows]


def get(db: sqlite3.Connection, endpoint_id: str) -> Endpoint | None:
    """One endpoint that has not been removed, or None."""
    return next((e for e in known(db) if e.id == endpoint_id), None)


def set_state(
    db: sqlite3.Connection,
    endpoint_id: str,
    state: EndpointState,
    held_class: str | None = None,
    held_reason: str | None = None,
) -> None:
    """Change whether texts go out to an endpoint, and why not."""
    db.execute(
        "UPDATE endpoints SET state = ?, held_class = ?, held_reason = ? WHERE id = ?",
        (state.value, held_class, held_reason, endpoint_id),
    )


def hold(
    db: sqlite3.Connection,
    endpoint_id: str,
    held_class: str,
    held_reason: str,
    url: str | None = None,
) -> None:
    """Hold an endpoint because of what happened at `url`; a person's pause or change stands."""
    db.execute(
        "UPDATE endpoints SET state = 'held', held_class = ?, held_reason = ?"
        " WHERE id = ? AND state = 'active' AND url = coalesce(?, url)",
        (held_class, held_reason, endpoint_id, url),
    )


def remove(db: sqlite3.Connection, endpoint_id: str, now: int) -> None:
    """Remove an endpoint; its row stays for the history, its secrets do not."""
    db.execute("DELETE FROM secrets WHERE endpoint_id = ?", (endpoint_id,))
    db.execute("UPDATE endpoints SET removed_at = ? WHERE id = ?", (now, endpoint_id))


def _endpoint(row: Row, secrets: tuple[Secret, ...]) -> Endpoint:
    return Endpoint(
        id=row[0],
        name=row[1],
        url=row[2],
        state=EndpointState(row[3]),
        held_class=row[4],
        held_reason=row[5],
        numbers=Numbers(row[6]),
        events=frozenset(json.loads(str(row[7]))),
        max_age=row[8],
        plain_headers=bool(row[9]),
        concurrency=row[10],
        created_at=row[11],
        removed_at=row[12],
        secrets=secrets,
    )
