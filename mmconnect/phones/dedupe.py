"""The keys by which a push is recognised when it comes again.

Per device, three rungs: the app's event id together with sender and text; sender, time of the SMS
and text, whatever way it came; and only where there is neither id nor time, the body, within the
app's window. In doubt, deliver.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum, auto
from hashlib import blake2b

from mmconnect.domain.models import Device, Kind
from mmconnect.phones.apps import APPS
from mmconnect.phones.push import IncomingText
from mmconnect.store.messages import Keys
from mmconnect.store.twins import Twin

MMS_APART = 1000
"""Milliseconds that SMSGate's two ways of an MMS may differ by: one tells whole seconds."""
ROUGH_APART = 10_000
"""Milliseconds between SmsForwarder's broadcast and the row in the phone's own store, at most."""

RETRYING_APP_WINDOW = 120
"""Seconds in which an app that retries may send the same body again."""
_A_PARTS_WINDOW = 86_400_000
"""Milliseconds in which the phone may push the batch again."""


class Way(Enum):
    """How a text came."""

    ONLY = auto()
    """The phone pushed it, and is not fetched from."""
    PUSHED = auto()
    """The phone pushed it, and is fetched from, too."""
    FETCHED = auto()
    """It was read from the phone."""


def keys(
    device_id: str,
    sender: str,
    text: IncomingText,
    body: bytes,
    window: int,
    *,
    way: Way = Way.ONLY,
) -> Keys:
    """The keys of one text of a push. `sender` is normalised; `window` is in seconds.

    Both ways of a phone give the same moment, but for an MMS, of which SMSGate's inbox tells less,
    and for SmsForwarder, whose pushes have the time of the broadcast.
    """
    content = _content(sender, text)
    if text.event_id is not None:
        # A phone's store gives the same row again and again, also after its country was changed.
        told = _content(text.sender, text) if way is Way.FETCHED else content
        event = _hash(8, device_id, "event", text.event_id) + _hash(8, told)
    else:
        event = None
    moment = None
    if text.sent_at is not None:
        # Keys of one time lie together in the database: a new one is added at the end, not in the
        # middle of 90 days of others, which costs the disk a page for each text.
        seconds = (text.sent_at // 1000 & 0xFF_FFFF_FFFF).to_bytes(5, "big")
        moment = seconds + _hash(11, device_id, "moment", str(text.sent_at), content)
    elif text.time_mark is not None:
        moment = _hash(16, device_id, "moment", text.time_mark, content)
    if event is not None or moment is not None or window == 0:
        twin = None if way is Way.ONLY else _twin(device_id, sender, text, way)
        return Keys(event=event, moment=moment, twin=twin)
    # with the text, as one body may carry several
    return Keys(body=_hash(16, device_id, "body", body, content), window=window * 1000)


def _twin(device_id: str, sender: str, text: IncomingText, way: Way) -> Twin | None:
    """What the other way would tell of it; None where that gives the same moment."""
    at, zoned = text.sent_at, True
    if text.kind is Kind.MMS:
        words = "announced" if text.announcement else text.text or text.subject or ""
        within = MMS_APART
    elif text.rough:
        words, within = text.text, ROUGH_APART
        if at is None and text.time_mark is not None:
            at, zoned = _local(text.time_mark), False
    else:
        return None
    if at is None:
        return None
    return Twin(
        digest=_hash(16, device_id, "twin", text.kind.value, sender, words),
        at=at,
        zoned=zoned,
        within=within,
        fetched=way is Way.FETCHED,
    )


def _local(mark: str) -> int | None:
    """A local time as milliseconds of its own clock, or None."""
    try:
        moment = datetime.fromisoformat(mark)
    except ValueError:
        return None
    return round(moment.replace(tzinfo=UTC).timestamp() * 1000)


def window_of(device: Device, app: str) -> int:
    """Seconds within which the same body counts as seen; `app` is what a push was recognised as."""
    if device.dedupe_window is not None:
        return device.dedupe_window
    return RETRYING_APP_WINDOW if APPS[app].retries else 0


def part_keys(device_id: str, part: bytes) -> Keys:
    """The key of a part of a batch that could not be read; it carries the batch's id."""
    return Keys(body=_hash(16, device_id, "part", part), window=_A_PARTS_WINDOW)


def _content(sender: str, text: IncomingText) -> str:
    words = text.text if text.head is None else text.head.hex()
    parts = [text.kind.value, "announced" if text.announcement else "", sender, words]
    if text.subject or text.attachments:
        parts += [text.subject or "", repr(text.attachments)]
    return "\x00".join(parts)


def _hash(size: int, *parts: str | bytes) -> bytes:
    digest = blake2b(digest_size=size)
    for part in parts:
        data = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(4, "big") + data)
    return digest.digest()
