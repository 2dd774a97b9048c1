"""A text as a phone would push it, through the real phone listener: proves the whole way at once.

In three steps, as only the middle one may wait: choose() and verdict() look at the database.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mmconnect.desk.simulated import as_pushed
from mmconnect.domain.errors import NotFound, Refused
from mmconnect.domain.models import Device, Kind
from mmconnect.phones.tokens import PATH
from mmconnect.store import devices, messages

_LATEST = 100
"""Messages among which that of a phone is looked for whose app is answered nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """The phone that is played."""

    device: Device
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What the listener said."""

    status: int
    answer: dict[str, Any]

    @property
    def message_id(self) -> str | None:
        """Of the message that it was kept as."""
        told = self.answer.get("id")
        return told if isinstance(told, str) else None


def choose(db: sqlite3.Connection, device_id: str | None, now: int) -> Actor:
    """The phone to play at `now` (UTC ms): this one, or (None) the first.

    Raises NotFound and Refused.
    """
    known = devices.known(db)
    chosen = device_id or (known[0].id if known else None)
    if chosen is None:
        raise Refused('There is no phone yet. Add one: mmconnect device add --name "My phone"')
    device = next((one for one in known if one.id == chosen), None)
    if device is None:
        raise NotFound(f"There is no device {chosen}", listed_by="device list")
    return Actor(device=device, token=_token(db, chosen, now))


def _token(db: sqlite3.Connection, device_id: str, now: int) -> str:
    """A token of the device that is good: one that was replaced, while there is such.

    The first push by the new one ends the old one, and the phone may not have the new one yet.
    """
    mine = [one for one in devices.tokens(db) if one.device_id == device_id]  # current ones last
    return next(one.token for one in mine if one.expires_at is None or one.expires_at > now)


async def play(
    actor: Actor, listening: Sequence[str], sender: str, text: str, now: int
) -> Answered:
    """Push a text at `now` (UTC ms) to where the phone listener is bound (`host:port`).

    Raises Refused when it does not listen or answer.
    """
    from mmconnect.phones.clients.http import Unreachable
    from mmconnect.phones.clients.listener import push

    if not listening:
        raise Refused(
            "mmconnect is not running, and this goes through its phone listener. Start it first:"
            " mmconnect serve"
        )
    host, _, port = listening[0].rpartition(":")
    if host in ("0.0.0.0", "::", "[::]"):
        host = "127.0.0.1"
    body, headers = as_pushed(actor.device, sender, text, now)
    try:
        status, answer = await push(f"http://{host}:{port}{PATH}/{actor.token}", body, headers)
    except Unreachable as error:
        raise Refused(f"The phone listener did not answer: {error}") from error
    return Answered(status=status, answer=answer)


def verdict(db: sqlite3.Connection, actor: Actor, told: Answered) -> Answered:
    """The answer, with the message's id also for an app that is answered without a word.

    Raises Refused when the text was kept, but goes nowhere: to call that a success would mislead.
    """
    if told.status != 200:
        return told
    if not told.answer:
        newest = messages.latest(db, _LATEST)
        found = next((m.message.id for m in newest if m.message.device_id == actor.device.id), None)
        payload: dict[str, object] = {"success": True, "error": None, "messages": []}
        answer: dict[str, Any] = {
            "ok": True,
            "id": found,
            "duplicate": False,
            "events": [],
            "payload": payload,
        }
        told = Answered(status=200, answer=answer)
    stored = messages.get(db, told.message_id or "")
    if stored is not None and stored.message.kind is Kind.UNRECOGNISED:
        raise Refused(f"It was kept as {told.message_id}, but not understood: {stored.note}")
    return told
