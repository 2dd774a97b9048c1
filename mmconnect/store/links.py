"""Phones that mmconnect fetches from: where each is (configuration), and how far fetching has come.

The state is written now and then and is no configuration: it wakes nobody. Of a password nothing is
kept, only the tokens it was exchanged for.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Where a phone is fetched from."""

    device_id: str
    url: str
    """Scheme, host and port: `http://192.168.1.31:8080`."""
    interval: int | None = None
    """Milliseconds between two looks; None: as the app's default says."""
    phone_id: str | None = None
    """What the phone calls itself; another phone at its address is told apart by it."""
    secret: str | None = field(default=None, repr=False)
    """SmsForwarder's: signs what its server is asked."""
    created_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkState:
    """How far fetching has come. Times are UTC milliseconds."""

    device_id: str
    access_token: str | None = field(default=None, repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    token_made_at: int | None = None
    token_ends_at: int | None = None
    read_to: int | None = None
    """Up to which time of an SMS the inbox has been read; by the operators' clocks."""
    read_at: int | None = None
    """When it last was, give or take ten minutes."""
    listed_at: int | None = None
    """When the ids of everything that it held at first were written down."""
    ask: bool = False
    """A backup was restored: what is older than an hour is kept back until somebody is asked."""
    told: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What the phone was last told of us; holds the push URL."""
    trouble: str | None = None
    """Why it cannot be fetched from at present, for a person."""
    trouble_at: int | None = None
    moved_from: str | None = None
    moved_at: int | None = None


_STATE = (
    "device_id, access_token, refresh_token, token_made_at, token_ends_at, read_to, read_at,"
    " listed_at, ask, told, trouble, trouble_at, moved_from, moved_at"
)


def known(db: sqlite3.Connection) -> dict[str, Link]:
    """Every link of a device that has not been removed, by device id."""
    rows = db.execute(
        "SELECT l.device_id, l.url, l.interval, l.phone_id, l.secret, l.created_at"
        " FROM phone_links l JOIN devices d ON d.id = l.device_id WHERE d.removed_at IS NULL"
    )
    return {
        row[0]: Link(
            device_id=row[0],
            url=row[1],
            interval=row[2],
            phone_id=row[3],
            secret=row[4],
            created_at=row[5],
        )
        for row in rows
    }


def put(db: sqlite3.Connection, link: Link) -> None:
    """Add a link, or change the one that there is."""
    db.execute(
        "INSERT INTO phone_links VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (device_id) DO UPDATE"
        " SET url = ?2, interval = ?3, phone_id = ?4, secret = ?5",
        (link.device_id, link.url, link.interval, link.phone_id, link.secret, link.created_at),
    )


def remove(db: sqlite3.Connection, device_id: str) -> bool:
    """Fetch no longer; forgets the tokens, and what the inbox held. Whether there was a link."""
    db.execute("DELETE FROM phone_link_states WHERE device_id = ?", (device_id,))
    db.execute("DELETE FROM inbox_history WHERE device_id = ?", (device_id,))
    gone = db.execute("DELETE FROM phone_links WHERE device_id = ?", (device_id,))
    return gone.rowcount > 0


def state(db: sqlite3.Connection, device_id: str) -> LinkState:
    """How far fetching has come; nowhere, for a new link."""
    row = db.execute(
        f"SELECT {_STATE} FROM phone_link_states WHERE device_id = ?", (device_id,)
    ).fetchone()
    if row is None:
        return LinkState(device_id=device_id)
    return LinkState(
        device_id=row[0],
        access_token=row[1],
        refresh_token=row[2],
        token_made_at=row[3],
        token_ends_at=row[4],
        read_to=row[5],
        read_at=row[6],
        listed_at=row[7],
        ask=bool(row[8]),
        told=json.loads(row[9]) if row[9] else {},
        trouble=row[10],
        trouble_at=row[11],
        moved_from=row[12],
        moved_at=row[13],
    )


def update(db: sqlite3.Connection, device_id: str, **fields: object) -> LinkState:
    """Write some fields of a state (those of LinkState); the whole as it is then."""
    values = {
        name: json.dumps(value) if name == "told" else value for name, value in fields.items()
    }
    db.execute("INSERT OR IGNORE INTO phone_link_states (device_id) VALUES (?)", (device_id,))
    if values:
        db.execute(
            f"UPDATE phone_link_states SET {', '.join(f'{name} = ?' for name in values)}"
            " WHERE device_id = ?",
            (*values.values(), device_id),
        )
    return state(db, device_id)


def ask_before_old_texts(db: sqlite3.Connection) -> int:
    """A backup was restored: keep back what is old until somebody is asked; how many phones."""
    db.execute(
        "INSERT OR IGNORE INTO phone_link_states (device_id) SELECT device_id FROM phone_links"
    )
    return db.execute("UPDATE phone_link_states SET ask = 1").rowcount


# -- what an inbox held when it was first read ----------------------------------------------------


def list_history(
    db: sqlite3.Connection, device_id: str, inbox_ids: Iterable[str], now: int
) -> LinkState:
    """Write down everything that the inbox held, at once: it is history from now on."""
    db.executemany(
        "INSERT OR IGNORE INTO inbox_history (device_id, inbox_id) VALUES (?, ?)",
        [(device_id, one) for one in inbox_ids],
    )
    return update(db, device_id, listed_at=now)


def history(db: sqlite3.Connection, device_id: str, inbox_ids: Iterable[str]) -> set[str]:
    """Those of the ids that are history."""
    return {
        one
        for one in inbox_ids
        if db.execute(
            "SELECT 1 FROM inbox_history WHERE device_id = ? AND inbox_id = ?", (device_id, one)
        ).fetchone()
    }


def unfinished(db: sqlite3.Connection, device_id: str) -> bool:
    """Whether some of the history has not become messages yet."""
    row = db.execute(
        "SELECT 1 FROM inbox_history WHERE device_id = ? AND done = 0 LIMIT 1", (device_id,)
    ).fetchone()
    return row is not None


def finish_history(db: sqlite3.Connection, device_id: str) -> None:
    """All of it that the phone still has became messages."""
    db.execute("UPDATE inbox_history SET done = 1 WHERE device_id = ? AND done = 0", (device_id,))
