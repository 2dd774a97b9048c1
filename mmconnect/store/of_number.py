"""The texts of one sender, however the number is written, without a walk through the history.

Numbers that are the same end in the same digits, by which the index finds them; each is then read
with the appliance's country and each phone's own, as when it came in.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from mmconnect.domain.numbers import normalise
from mmconnect.store import devices, settings
from mmconnect.store.grams import digits
from mmconnect.store.message_list import MOST, find
from mmconnect.store.message_query import MessageQuery
from mmconnect.store.search_terms import is_number

_LAST = 7
"""Digits that are written alike whatever stands before them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """A number or a name that somebody wrote down."""

    written: str
    forms: frozenset[str]
    """What it may be in E.164; always with what was written."""
    countries: frozenset[str | None]

    def sent_as(self, name: str) -> bool:
        """Whether a sender that stands in the log is this one."""
        return name in self.forms or any(
            normalise(name, country) in self.forms for country in self.countries
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A part of the texts of a sender."""

    ids: tuple[str, ...]
    names: frozenset[str]
    """How the sender is written in them."""
    cursor: str | None
    """Where to look on; None at the end."""


def sender(db: sqlite3.Connection, number: str) -> Sender:
    """What a person may mean by a number."""
    countries = {settings.value(db, settings.COUNTRY)}
    countries |= {device.country for device in devices.known(db, removed=True)}
    forms = {number} | {normalise(number, country) for country in countries}
    if number.isdigit():
        forms.add(f"+{number}")  # as the hosted service wrote it
    return Sender(written=number, forms=frozenset(forms), countries=frozenset(countries))


def texts(db: sqlite3.Connection, of: Sender, cursor: str | None = None) -> Found:
    """Messages of a sender, newest first: as many as one look finds."""
    looked = digits(of.written)[-_LAST:] if is_number(of.written) else of.written
    page = find(db, MessageQuery(number=looked), cursor=cursor, limit=MOST // 4)
    ids, names = [], set[str]()
    for item in page.items:
        message = item.stored.message
        written = (message.sender or "", message.sender_raw or "")
        own = {name for name in written if name and of.sent_as(name)}
        if own:
            ids.append(message.id)
            names |= own
    return Found(ids=tuple(ids), names=frozenset(names), cursor=page.older)
