"""The one-time code for the first visit: it shows that whoever comes first owns the machine.

60 random bits, kept as a hash. A start makes one and ends those before; a person can ask for one
more. It goes into the fragment of a link, which no server, proxy or log ever sees.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field

from mmconnect.phones import codes
from mmconnect.store import accounts

LENGTH = 12
"""Letters of 5 bits each; the contract asks for 50 bits."""
PATH = "/setup"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupCode:
    """A code, as it is kept nowhere."""

    code: str = field(repr=False)

    @property
    def shown(self) -> str:
        """As a person reads it: `7K2M-9XQ4-PB3D`."""
        return codes.shown(self.code)

    def link(self, base: str) -> str:
        """The page that takes it, with the code already typed; `base` as `http://HOST:PORT`."""
        return f"{base}{PATH}#{self.shown}"


def make(db: sqlite3.Connection, now: int, *, asked: bool = False) -> SetupCode | None:
    """A new code, while there is no administrator (else None); `asked`: by a person."""
    return None if accounts.account(db) is not None else fresh(db, now, asked=asked)


def fresh(db: sqlite3.Connection, now: int, *, asked: bool = False) -> SetupCode:
    """The same, where it is known that there is no administrator."""
    made = SetupCode(code=codes.new_code(LENGTH))
    accounts.add_setup_code(db, codes.digest(made.code), now, asked=asked)
    return made


def digest(typed: str) -> bytes | None:
    """What the code that somebody means is looked up by; None for what is no such code."""
    code = codes.read(typed, LENGTH)
    return None if code is None else codes.digest(code)
