"""Coming in: the first visit, logging in and out, and the browser that a cookie stands for.

A browser gets a new cookie (256 random bits, of which only the hash is kept) whenever the password
was entered to let it in, so a cookie that somebody else has planted opens nothing. Wrong passwords
are counted before they are compared: many at once are as many. Knows nothing of HTTP.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
from dataclasses import dataclass, field

from mmconnect.desk import passwords, setup_codes
from mmconnect.desk.passwords import Passwords
from mmconnect.desk.tries import Tries
from mmconnect.domain.clock import Clock
from mmconnect.domain.errors import Invalid, Issue
from mmconnect.domain.ids import SESSION, Ids
from mmconnect.store import accounts, audit
from mmconnect.store.accounts import Session
from mmconnect.store.configuration import digest
from mmconnect.store.database import Database, unwatched

log = logging.getLogger(__name__)

CONFIRMED = 10 * 60_000
"""Milliseconds for which an entered password counts where it has to be entered once more."""
_AGENT = 300
"""Characters of a browser's name for itself that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a browser stands."""

    is_set_up: bool
    """Whether there is an administrator."""
    session: Session | None
    """The browser's own, when it is logged in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A browser that has just been let in."""

    session: Session
    cookie: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who asks."""

    address: str
    agent: str = ""
    """What the browser calls itself."""


class Entry:
    """Lets people in, and knows who is."""

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database, self._clock, self._ids = database, clock, ids
        self._passwords = Passwords()
        self._tries, self._codes = Tries(clock), Tries(clock)
        self._noted: dict[str, float] = {}
        """When a session's visit was last written down (monotonic seconds)."""

    async def look(self, cookie: str | None, address: str, *, visit: bool = True) -> Standing:
        """How the browser with that cookie stands; notes its `visit`. Raises StoreUnavailable."""
        now = self._clock.now()
        wanted = digest(cookie or "")

        def read(db: sqlite3.Connection) -> Standing:
            found = accounts.account(db)
            session = accounts.session_of(db, wanted, now) if cookie and found else None
            return Standing(is_set_up=found is not None, session=session)

        standing = await self._database.read(read)
        if standing.session is not None and visit:
            self._note(standing.session, now, address)
        return standing

    async def is_code(self, typed: str, visitor: Visitor) -> bool:
        """Whether a setup code is good; uses nothing up. Raises SlowDown, StoreUnavailable."""
        self._codes.count(visitor.address)
        wanted = setup_codes.digest(typed)
        if wanted is None:
            return False
        good = await self._database.read(lambda db: accounts.is_setup_code(db, wanted))
        if good:
            self._codes.forgive(visitor.address)
        return good

    async def set_up(self, code: str, password: str, visitor: Visitor) -> Opened:
        """The first visit: the code is used up, and whoever has it is the administrator.

        Raises Invalid for `code` or `password`, SlowDown, StoreUnavailable.
        """
        if not await self.is_code(code, visitor):
            raise _no_code()
        stored = await self._passwords.made(passwords.check_new(password))
        wanted = setup_codes.digest(code) or b""
        opened = self._opened(visitor)

        def write(db: sqlite3.Connection) -> bool:
            if not accounts.is_setup_code(db, wanted):  # somebody else was quicker
                return False
            accounts.set_password(db, stored, opened.session.created_at)
            self._admit(db, opened, "account.created")
            return True

        if not await self._database.write(write):
            raise _no_code()
        log.info("The administrator has been set up from %s", visitor.address)
        return opened

    async def log_in(self, password: str, visitor: Visitor) -> Opened:
        """Let a browser in. Raises Invalid for `password`, SlowDown, StoreUnavailable."""
        checked = await self._check(password, visitor)
        opened = self._opened(visitor)

        def write(db: sqlite3.Connection) -> None:
            _still(db, checked, "password")
            self._admit(db, opened, "session.started")

        await self._database.write(write)
        return opened

    async def confirm(self, session: Session, password: str, visitor: Visitor) -> None:
        """The password once more, which then counts for CONFIRMED. Raises as log_in() does."""
        await self._check(password, visitor)
        now = self._clock.now()
        await self._database.write(lambda db: accounts.confirm(db, session.id, now))

    def is_confirmed(self, session: Session) -> bool:
        """Whether the password was entered in this browser in the last CONFIRMED."""
        return 0 <= self._clock.now() - session.confirmed_at < CONFIRMED

    async def change_password(self, current: str, new: str, visitor: Visitor) -> Opened:
        """A new password: every browser is sent out, and this one let in with a new cookie.

        Raises Invalid for `current` or `password`, SlowDown, StoreUnavailable.
        """
        checked = await self._check(current, visitor, path="current")
        stored = await self._passwords.made(passwords.check_new(new))
        opened = self._opened(visitor)

        def write(db: sqlite3.Connection) -> None:
            _still(db, checked, "current")
            accounts.set_password(db, stored, opened.session.created_at)
            self._admit(db, opened, "account.password_changed")

        await self._database.write(write)
        return opened

    async def sessions(self) -> list[Session]:
        """Every browser that is logged in, the last used first."""
        now = self._clock.now()
        return await self._database.read(lambda db: accounts.sessions(db, now))

    async def end(self, session_id: str, address: str) -> bool:
        """Send one browser out; whether it was in."""
        now = self._clock.now()

        def write(db: sqlite3.Connection) -> bool:
            ended = accounts.end(db, session_id)
            if ended:
                audit.note(
                    db,
                    at=now,
                    actor=audit.ADMIN,
                    action="session.ended",
                    subject=session_id,
                    address=address,
                )
            return ended

        return await self._database.write(write)

    async def end_others(self, session: Session, address: str) -> int:
        """Send all other browsers out; how many that were."""
        now = self._clock.now()

        def write(db: sqlite3.Connection) -> int:
            count = accounts.end_others(db, session.id)
            if count:
                audit.note(
                    db,
                    at=now,
                    actor=audit.ADMIN,
                    action="session.others_ended",
                    detail=f"{count} other browsers" if count > 1 else "1 other browser",
                    address=address,
                )
            return count

        return await self._database.write(write)

    # -- within ---------------------------------------------------------------------------------

    async def _check(self, password: str, visitor: Visitor, path: str = "password") -> str:
        """What is kept of the password, which is the right one. Raises as log_in() does."""
        known = any(one.address == visitor.address for one in await self.sessions())
        self._tries.count(visitor.address, known=known)
        account = await self._database.read(accounts.account)
        stored = None if account is None else account.password
        if not await self._passwords.is_right(password, stored) or stored is None:
            log.warning("A wrong password was entered from %s", visitor.address)
            raise _not_the_password(path)
        self._tries.forgive(visitor.address)
        if not passwords.is_outdated(stored):
            return stored
        anew = await self._passwords.made(password)
        await self._database.write(lambda db: accounts.rewrite_password(db, stored, anew))
        return anew

    def _opened(self, visitor: Visitor) -> Opened:
        now = self._clock.now()
        session = Session(
            id=self._ids.new(SESSION),
            created_at=now,
            seen_at=now,
            confirmed_at=now,
            address=visitor.address,
            user_agent=visitor.agent[:_AGENT] or None,
        )
        return Opened(session=session, cookie=secrets.token_urlsafe(32))

    @staticmethod
    def _admit(db: sqlite3.Connection, opened: Opened, action: str) -> None:
        session = opened.session
        accounts.add_session(db, digest(opened.cookie), session)
        audit.note(
            db,
            at=session.created_at,
            actor=audit.ADMIN,
            action=action,
            subject=session.id,
            address=session.address,
        )

    def _note(self, session: Session, now: int, address: str) -> None:
        """Write a visit down, at most every SEEN_EVERY."""
        at = self._clock.monotonic()
        last = self._noted.get(session.id)
        if last is not None and (at - last) * 1000 < accounts.SEEN_EVERY:
            return
        if len(self._noted) > 2 * accounts.MOST:
            self._noted.clear()
        self._noted[session.id] = at
        self._database.submit(
            lambda db: accounts.saw(db, session.id, now, address)
        ).add_done_callback(unwatched)


def _still(db: sqlite3.Connection, checked: str, path: str) -> None:
    """Whether the password is still the one that was checked. Raises Invalid."""
    account = accounts.account(db)
    if account is None or account.password != checked:
        raise _not_the_password(path)


def _not_the_password(path: str) -> Invalid:
    return Invalid(Issue(path=path, message="That is not the password"))


def _no_code() -> Invalid:
    return Invalid(
        Issue(
            path="code",
            message="That is no setup code that is good now. mmconnect prints a new one at each"
            " start, and `mmconnect admin setup-code` makes one",
        )
    )
