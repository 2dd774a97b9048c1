"""Settings that live in the database: who the tenant is, and what a person set."""

from __future__ import annotations

import socket
import sqlite3

from mmconnect.domain.ids import TENANT, Ids
from mmconnect.webhook.payload import Tenant

TENANT_ID, SITE_NAME, COUNTRY = "tenant_id", "site_name", "country"
WEBHOOK = "webhook"
"""The endpoint that `/v1/webhooks` stands for."""


def value(db: sqlite3.Connection, name: str) -> str | None:
    """A setting, or None when it was never set."""
    row = db.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def put(db: sqlite3.Connection, name: str, text: str) -> None:
    """Set a setting."""
    db.execute(
        "INSERT INTO settings VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, text),
    )


def ensure_tenant(db: sqlite3.Connection, ids: Ids) -> None:
    """Make the tenant's id at the first start; it never changes after."""
    if value(db, TENANT_ID) is None:
        put(db, TENANT_ID, ids.new(TENANT))


def tenant(db: sqlite3.Connection) -> Tenant:
    """Whose appliance this is; ensure_tenant() must have run."""
    return Tenant(
        id=value(db, TENANT_ID) or "",
        name=value(db, SITE_NAME) or socket.gethostname().split(".")[0],
    )


def remove(db: sqlite3.Connection, name: str) -> None:
    """Let a setting have its default again."""
    db.execute("DELETE FROM settings WHERE name = ?", (name,))
