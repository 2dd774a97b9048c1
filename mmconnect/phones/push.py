"""What a phone pushed, and what its app's parser made of it.

A parser is pure: it is given a Push and returns a Reading. It never sees the store, the device's
token or the clock, and it never raises: what it cannot understand is NotUnderstood, with the
reason in words, and is kept as received.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mmconnect.domain.models import Attachment, Kind
from mmconnect.domain.values import value_type

HEAD = 64
"""Bytes of a data SMS that SMSGate's inbox shows."""


@value_type(frozen=True, slots=True, kw_only=True)
class Push:
    """One request to the phone listener."""

    headers: Mapping[str, str]
    """By name; upper and lower case are the same."""
    body: bytes = field(repr=False)
    content_type: str
    """The media type alone, in lower case; empty when the phone sent none."""
    charset: str
    """As declared by the phone, else `utf-8`."""
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The URL's query without the token."""


@value_type(frozen=True, slots=True, kw_only=True)
class IncomingText:
    """One text as the phone told it: nothing normalised, nothing invented."""

    kind: Kind = Kind.SMS
    sender: str
    text: str
    recipient: str | None = None
    sent_at: int | None = None
    """The SMS centre's or phone's time of the text, UTC milliseconds; None when it gave none that
    can be placed in time (a local time without its zone, nonsense, or nothing)."""
    time_mark: str | None = None
    """What the phone gave as the time of the text, as given: tells two texts apart even where it
    cannot be placed in time. None when it gave none, or gives the time of the push."""
    sim: int | None = None
    """1-based slot."""
    event_id: str | None = None
    """The app's own id of this event, the same at each of its retries."""
    subject: str | None = None
    attachments: tuple[Attachment, ...] | None = None
    head: bytes | None = field(default=None, repr=False)
    """The first HEAD bytes of a data SMS, all that every way of SMSGate tells of one."""
    rough: bool = field(default=False, compare=False)
    """Whether its time is only roughly the one that another way of the phone gives."""
    announcement: bool = False
    """True for `mms:received`: an MMS waits at the operator; its contents may follow."""
    raw: bytes | None = field(default=None, repr=False, compare=False)
    """What is kept of the push with this text, where that is not the whole of it: its own part of a
    batch, so that wiping one text leaves nothing of it with another; an MMS without contents."""


@value_type(frozen=True, slots=True, kw_only=True)
class Odd:
    """One part of a batch that could not be read."""

    reason: str
    raw: bytes = field(repr=False)
    """It alone, in a shape that can be read again."""


@value_type(frozen=True, slots=True, kw_only=True)
class Texts:
    """The push carried these texts (one, but for batches)."""

    app: str
    """The app that was recognised."""
    texts: tuple[IncomingText, ...]
    via: str | None = None
    """The id of the app's webhook that brought it, where the app has such."""
    odd: tuple[Odd, ...] = ()
    """What of a batch could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceEvent:
    """The push was about the phone, not a text: a ping, a start, the fate of an outgoing text."""

    app: str
    name: str
    """As the app calls it, for example `system:ping`."""
    event_id: str | None = None
    detail: Mapping[str, object] = field(default_factory=dict)
    """What the app told, as given (JSON values); shown on the phone's page."""
    via: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotUnderstood:
    """The push could not be read; `reason` says why, for the person who set the phone up."""

    reason: str
    raw: bytes | None = field(default=None, repr=False, compare=False)
    """What is kept of the push, where that is not the whole of it."""


Reading = Texts | DeviceEvent | NotUnderstood
