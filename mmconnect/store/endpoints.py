"""Endpoints and their signing secrets."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from mmconnect.domain.models import Endpoint, EndpointState, Numbers, Secret
from mmconnect.store import routings
from mmconnect.store.connection import Row
from mmconnect.webhook.outcome import OutcomeClass

_COLUMNS = (
    "id, name, url, state, held_class, held_reason, held_at, probe_asked_at, numbers, events,"
    " max_age, plain_headers, concurrency, schedule, strict_order, headers, routing, ca,"
    " plain_http, alert, created_at, removed_at"
)

_SETTABLE = (
    *("name", "url", "numbers", "events", "max_age", "plain_headers", "concurrency", "schedule"),
    *("strict_order", "headers", "routing", "ca", "plain_http"),
)


def add(db: sqlite3.Connection, endpoint: Endpoint) -> None:
    """Add an endpoint with its secrets, after those that are there."""
    row = _row(endpoint)
    db.execute(
        f"INSERT INTO endpoints ({_COLUMNS}, position) VALUES ({','.join('?' * len(row))},"
        " (SELECT coalesce(max(position), 0) FROM endpoints))",
        row,
    )
    db.executemany(
        "INSERT INTO secrets (endpoint_id, created_at, value, expires_at) VALUES (?, ?, ?, ?)",
        [(endpoint.id, s.created_at, s.value, s.expires_at) for s in endpoint.secrets],
    )


def known(db: sqlite3.Connection) -> list[Endpoint]:
    """Every endpoint that has not been removed, in the order that people gave them."""
    secrets: dict[str, list[Secret]] = {}
    for endpoint_id, created_at, value, expires_at in db.execute(
        "SELECT endpoint_id, created_at, value, expires_at FROM secrets"
        " ORDER BY endpoint_id, expires_at IS NOT NULL, created_at DESC"
    ):
        secrets.setdefault(endpoint_id, []).append(
            Secret(value=value, created_at=created_at, expires_at=expires_at)
        )
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM endpoints WHERE removed_at IS NULL ORDER BY position, id"
    )
    return [_endpoint(row, tuple(secrets.get(row[0], ()))) for row in rows]


def get(db: sqlite3.Connection, endpoint_id: str) -> Endpoint | None:
    """One endpoint that has not been removed, or None."""
    return next((e for e in known(db) if e.id == endpoint_id), None)


def name_of(db: sqlite3.Connection, endpoint_id: str) -> str:
    """What an endpoint is or was called; its id when nothing is known of it."""
    row = db.execute("SELECT name FROM endpoints WHERE id = ?", (endpoint_id,)).fetchone()
    return endpoint_id if row is None else str(row[0])


def is_taken(db: sqlite3.Connection, endpoint_id: str) -> bool:
    """Whether an id is an endpoint's, also of one that was removed."""
    row = db.execute("SELECT 1 FROM endpoints WHERE id = ?", (endpoint_id,)).fetchone()
    return row is not None


def update(db: sqlite3.Connection, endpoint: Endpoint) -> None:
    """Write what an owner can set. Its state, its hold and its secrets stay as they are."""
    row = dict(zip(_COLUMNS.split(", "), _row(endpoint), strict=True))
    changes = ", ".join(f"{column} = ?" for column in _SETTABLE)
    db.execute(
        f"UPDATE endpoints SET {changes} WHERE id = ?",
        (*(row[column] for column in _SETTABLE), endpoint.id),
    )


def rank(db: sqlite3.Connection, endpoint_ids: Sequence[str]) -> None:
    """Put the endpoints into this order."""
    db.executemany(
        "UPDATE endpoints SET position = ? WHERE id = ? AND position <> ?1",
        [(number, endpoint_id) for number, endpoint_id in enumerate(endpoint_ids)],
    )


def hold(
    db: sqlite3.Connection, endpoint_id: str, held_class: str, reason: str, now: int, url: str
) -> None:
    """Hold an endpoint because of what happened at `url`; a person's pause or change stands.

    Where a probe costs nothing, what waits is put back in the order it came in.
    """
    db.execute(
        "UPDATE endpoints SET state = 'held', held_class = ?1, held_reason = ?2,"
        " held_at = iif(state = 'held', held_at, ?3)"
        " WHERE id = ?4 AND state <> 'paused' AND url = ?5",
        (held_class, reason, now, endpoint_id, url),
    )
    if held_class in (OutcomeClass.NOT_REACHED, OutcomeClass.BLOCKED):
        all_due(db, endpoint_id, now)


def held_because(db: sqlite3.Connection, endpoint_id: str, held_class: str, reason: str) -> None:
    """Say what the last probe was told, where that is something else than before."""
    db.execute(
        "UPDATE endpoints SET held_reason = ?1"
        " WHERE id = ?2 AND held_class = ?3 AND held_reason <> ?1",
        (reason, endpoint_id, held_class),
    )


def release(db: sqlite3.Connection, endpoint_id: str, now: int) -> bool:
    """It works again: whatever waits is due at once, oldest first. False when it was not held.

    What was counted against it no longer counts.
    """
    changed = db.execute(
        "UPDATE endpoints SET state = 'active', held_class = NULL, held_reason = NULL,"
        " held_at = NULL WHERE id = ? AND state = 'held'",
        (endpoint_id,),
    ).rowcount
    if changed:
        db.execute("DELETE FROM endpoint_health WHERE endpoint_id = ?", (endpoint_id,))
        all_due(db, endpoint_id, now)
    return bool(changed)


def ask_probe(db: sqlite3.Connection, endpoint_id: str, now: int) -> None:
    """A person wants to know at once whether a held endpoint works again."""
    db.execute("UPDATE endpoints SET probe_asked_at = ? WHERE id = ?", (now, endpoint_id))


def retried(db: sqlite3.Connection, endpoint_id: str | None, now: int) -> None:
    """A person sends texts again, to this endpoint or to any: so a held one is probed at once.

    But not one that is gone for good: that wants to be resumed.
    """
    db.execute(
        "UPDATE endpoints SET probe_asked_at = ?1 WHERE state = 'held' AND held_class <> 'gone'"
        " AND id = coalesce(?2, id)",
        (now, endpoint_id),
    )


def pause(db: sqlite3.Connection, endpoint_id: str, now: int) -> bool:
    """Let its texts wait, none of them growing older. False when it was paused already."""
    changed = db.execute(
        "UPDATE endpoints SET state = 'paused', held_class = NULL, held_reason = NULL,"
        " held_at = NULL WHERE id = ? AND state <> 'paused'",
        (endpoint_id,),
    ).rowcount
    if changed:
        db.execute(
            "INSERT INTO age_gaps (endpoint_id, from_at, reason) VALUES (?, ?, 'paused')",
            (endpoint_id, now),
        )
    return bool(changed)


def resume(db: sqlite3.Connection, endpoint_id: str, now: int) -> None:
    """End a pause: what waits goes out, also when there was none. A running service notices."""
    db.execute(
        "UPDATE endpoints SET state = iif(state = 'paused', 'active', state) WHERE id = ?",
        (endpoint_id,),
    )
    db.execute(
        "UPDATE age_gaps SET to_at = max(from_at, ?) WHERE endpoint_id = ? AND to_at IS NULL",
        (now, endpoint_id),
    )
    all_due(db, endpoint_id, now)


def all_due(db: sqlite3.Connection, endpoint_id: str, now: int) -> None:
    """Waiting deliveries are due whatever their own schedule said, in the order they came.

    Those that were never tried are already.
    """
    db.execute(
        "UPDATE deliveries SET due_at = min(coalesce(renewed_at, created_at), ?)"
        " WHERE endpoint_id = ? AND state = 'pending' AND attempts > 0",
        (now, endpoint_id),
    )


def move(db: sqlite3.Connection, endpoint_id: str, url: str, now: int) -> None:
    """Give an endpoint another URL, to which whatever waits goes at once.

    What it was held for at the old one no longer counts.
    """
    db.execute("DELETE FROM endpoint_health WHERE endpoint_id = ?", (endpoint_id,))
    db.execute(
        "UPDATE endpoints SET url = ?, held_class = NULL, held_reason = NULL, held_at = NULL,"
        " state = iif(state = 'held', 'active', state) WHERE id = ?",
        (url, endpoint_id),
    )
    all_due(db, endpoint_id, now)


def remove(db: sqlite3.Connection, endpoint_id: str, now: int) -> None:
    """Remove an endpoint; its row stays for the history, its secrets do not."""
    db.execute("DELETE FROM secrets WHERE endpoint_id = ?", (endpoint_id,))
    db.execute("UPDATE endpoints SET removed_at = ? WHERE id = ?", (now, endpoint_id))


def _row(endpoint: Endpoint) -> Row:
    """The columns of an endpoint, in the order of _COLUMNS."""
    return (
        endpoint.id,
        endpoint.name,
        endpoint.url,
        endpoint.state.value,
        endpoint.held_class,
        endpoint.held_reason,
        endpoint.held_at,
        endpoint.probe_asked_at,
        endpoint.numbers.value,
        json.dumps(sorted(endpoint.events)),
        endpoint.max_age,
        int(endpoint.plain_headers),
        endpoint.concurrency,
        None if endpoint.schedule is None else json.dumps(endpoint.schedule),
        int(endpoint.strict_order),
        json.dumps(dict(endpoint.headers)),
        routings.written(endpoint.routing),
        endpoint.ca,
        int(endpoint.plain_http),
        int(endpoint.alert),
        endpoint.created_at,
        endpoint.removed_at,
    )


def _endpoint(row: Row, secrets: tuple[Secret, ...]) -> Endpoint:
    return Endpoint(
        id=row[0],
        name=row[1],
        url=row[2],
        state=EndpointState(row[3]),
        held_class=row[4],
        held_reason=row[5],
        held_at=row[6],
        probe_asked_at=row[7],
        numbers=Numbers(row[8]),
        events=frozenset(json.loads(str(row[9]))),
        max_age=row[10],
        plain_headers=bool(row[11]),
        concurrency=row[12],
        schedule=None if row[13] is None else tuple(json.loads(str(row[13]))),
        strict_order=bool(row[14]),
        headers=_headers(str(row[15])),
        routing=routings.read(str(row[16])),
        ca=row[17],
        plain_http=bool(row[18]),
        alert=bool(row[19]),
        created_at=row[20],
        removed_at=row[21],
        secrets=secrets,
    )


def _headers(text: str) -> tuple[tuple[str, str], ...]:
    """Headers as the column holds them; what somebody broke by hand is one that cannot be sent."""
    try:
        held = json.loads(text)
    except ValueError:
        held = None
    if not isinstance(held, dict):
        return (("", text),)
    return tuple(
        (name, value if isinstance(value, str) else f"\n{value}") for name, value in held.items()
    )
