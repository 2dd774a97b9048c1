"""Who may come in by browser: the one administrator, the codes for the first visit, the sessions.

Of codes and cookies only hashes are here, of the password what scrypt makes of it.
Invariants: a code is good for one use, and while there is no administrator; a session ends after
IDLE without a visit and after LONGEST in any case, whatever was done in it.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field

from mmconnect.store.connection import Row
from mmconnect.store.retention import PLAUSIBLE

IDLE = 7 * 86_400_000
"""Milliseconds after the last visit for which a browser stays logged in."""
LONGEST = 30 * 86_400_000
"""Milliseconds for which it does at the most."""
SEEN_EVERY = 60_000
"""Milliseconds between two notes of a visit: looking at pages is not to wear the disk out."""
AHEAD = 86_400_000
"""Milliseconds by which the clock may have been set back since a session was made; one that was
made by a clock that was further ahead would hardly end."""
ASKED = 3_600_000
"""Milliseconds for which a setup code that a person asked for outlives a start."""
MOST = 100
"""Sessions at the same time; the one that was not used for longest makes room."""

_COLUMNS = "id, created_at, seen_at, confirmed_at, address, user_agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The administrator."""

    password: str = field(repr=False)
    """As desk/passwords.py writes it."""
    created_at: int
    changed_at: int
    """When the password was set (UTC ms)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A browser that is logged in. Times are UTC milliseconds."""

    id: str
    created_at: int
    seen_at: int
    confirmed_at: int
    """When the password was last entered in it."""
    address: str | None
    user_agent: str | None

    def is_good(self, now: int) -> bool:
        """Whether it has not ended by itself, at `now` (UTC ms); by a clock that was never set,
        none has."""
        return now < PLAUSIBLE or (
            self.created_at <= now + AHEAD
            and now - self.seen_at < IDLE
            and now - self.created_at < LONGEST
        )


# -- the administrator ----------------------------------------------------------------------------


def account(db: sqlite3.Connection) -> Account | None:
    """The administrator, if there is one yet."""
    row = db.execute("SELECT password, created_at, changed_at FROM account").fetchone()
    return None if row is None else Account(password=row[0], created_at=row[1], changed_at=row[2])


def set_password(db: sqlite3.Connection, password: str, now: int) -> int:
    """Give the administrator a password, and be one if there is none; how many sessions it ends.

    No code for the first visit is good any more.
    """
    db.execute(
        "INSERT INTO account VALUES (1, ?1, ?2, ?2)"
        " ON CONFLICT (only) DO UPDATE SET password = ?1, changed_at = ?2",
        (password, now),
    )
    db.execute("DELETE FROM setup_codes")
    return end_all(db)


def rewrite_password(db: sqlite3.Connection, before: str, password: str) -> None:
    """Write the same password in another way, unless it was changed meanwhile."""
    db.execute("UPDATE account SET password = ? WHERE password = ?", (password, before))


def remove(db: sqlite3.Connection) -> int:
    """There is no administrator any more, nor a code to be one; how many sessions that ends."""
    db.execute("DELETE FROM account")
    db.execute("DELETE FROM setup_codes")
    return end_all(db)


# -- codes for the first visit --------------------------------------------------------------------


def add_setup_code(db: sqlite3.Connection, code_hash: bytes, now: int, *, asked: bool) -> None:
    """A code that is good from now on. `asked`: a person has asked for it.

    Else a start has made it, which ends those before: all but what was asked for in the hour
    before, perhaps for this very start.
    """
    if not asked:
        db.execute(
            "DELETE FROM setup_codes WHERE NOT asked OR made_at NOT BETWEEN ? AND ?",
            (now - ASKED, now),
        )
    db.execute("INSERT INTO setup_codes VALUES (?, ?, ?)", (code_hash, now, asked))


def is_setup_code(db: sqlite3.Connection, code_hash: bytes) -> bool:
    """Whether a code is good."""
    found = db.execute("SELECT 1 FROM setup_codes WHERE code_hash = ?", (code_hash,)).fetchone()
    return found is not None and account(db) is None


# -- sessions -------------------------------------------------------------------------------------


def add_session(db: sqlite3.Connection, cookie_hash: bytes, session: Session) -> None:
    """A browser has logged in. Those that have ended by themselves go."""
    now = session.created_at
    if now >= PLAUSIBLE:
        db.execute(
            "DELETE FROM sessions WHERE seen_at <= ? OR created_at <= ? OR created_at > ?",
            (now - IDLE, now - LONGEST, now + AHEAD),
        )
    db.execute(
        "DELETE FROM sessions WHERE id NOT IN"
        " (SELECT id FROM sessions ORDER BY seen_at DESC LIMIT ?)",
        (MOST - 1,),
    )
    db.execute(
        "INSERT INTO sessions (id, cookie_hash, created_at, seen_at, confirmed_at, address,"
        " user_agent) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            session.id,
            cookie_hash,
            session.created_at,
            session.seen_at,
            session.confirmed_at,
            session.address,
            session.user_agent,
        ),
    )


def session_of(db: sqlite3.Connection, cookie_hash: bytes, now: int) -> Session | None:
    """The session of a cookie, at `now` (UTC ms), or None."""
    row = db.execute(
        f"SELECT {_COLUMNS} FROM sessions WHERE cookie_hash = ?", (cookie_hash,)
    ).fetchone()
    session = None if row is None else _session(row)
    return session if session is not None and session.is_good(now) else None


def sessions(db: sqlite3.Connection, now: int) -> list[Session]:
    """Those that are good at `now` (UTC ms), the last used first."""
    rows = db.execute(f"SELECT {_COLUMNS} FROM sessions ORDER BY seen_at DESC, id")
    return [session for session in map(_session, rows) if session.is_good(now)]


def saw(db: sqlite3.Connection, session_id: str, now: int, address: str) -> None:
    """A session was used."""
    db.execute(
        "UPDATE sessions SET seen_at = ?, address = ? WHERE id = ?", (now, address, session_id)
    )


def confirm(db: sqlite3.Connection, session_id: str, now: int) -> None:
    """The password was entered once more."""
    db.execute("UPDATE sessions SET confirmed_at = ? WHERE id = ?", (now, session_id))


def end(db: sqlite3.Connection, session_id: str) -> bool:
    """End a session; whether there was one."""
    return db.execute("DELETE FROM sessions WHERE id = ?", (session_id,)).rowcount > 0


def end_others(db: sqlite3.Connection, session_id: str) -> int:
    """End all sessions but one; how many that were."""
    return db.execute("DELETE FROM sessions WHERE id <> ?", (session_id,)).rowcount


def end_all(db: sqlite3.Connection) -> int:
    """End every session; how many there were."""
    return db.execute("DELETE FROM sessions").rowcount


def forget(db: sqlite3.Connection) -> None:
    """No cookie and no code is good any more: a backup was restored, they may have ended since."""
    end_all(db)
    db.execute("DELETE FROM setup_codes")


def _session(row: Row) -> Session:
    return Session(
        id=row[0],
        created_at=row[1],
        seen_at=row[2],
        confirmed_at=row[3],
        address=row[4],
        user_agent=row[5],
    )
