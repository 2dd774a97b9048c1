"""What SMS Gateway for Android does by rule: versions, dates, hashes, ids, previews.

Pure functions, written from the description of the app's protocol and never from mmconnect's code:
the simulated phone built of them is there to check that code.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import uuid
from datetime import UTC, datetime, timedelta, timezone, tzinfo

SINCE = {
    "sms:received": "1.15.0",
    "system:ping": "1.16.0",
    "sms:sent": "1.18.0",
    "sms:delivered": "1.19.0",
    "sms:failed": "1.19.0",
    "sms:data-received": "1.39.0",
    "mms:received": "1.47.0",
    "mms:downloaded": "1.56.0",
    "app:started": "1.66.0",
    "sms:cancelled": "1.67.0",
    "sms:batch:received": "1.71.0",
    "sms:batch:data-received": "1.71.0",
    "mms:batch:received": "1.71.0",
    "mms:batch:downloaded": "1.71.0",
}
"""Events, and the version that brought them."""

SCOPES = frozenset(
    "all:any messages:send messages:read messages:export messages:cancel inbox:list inbox:read"
    " inbox:refresh devices:list webhooks:list webhooks:write webhooks:delete settings:read"
    " settings:write logs:read tokens:manage".split()
)
YEAR = 365 * 86400
"""The longest life of a token, in seconds."""

KINDS = {
    "SMS": ("text:", "sms:received"),
    "DATA_SMS": ("data:", "sms:data-received"),
    "MMS": ("mms-header:", "mms:received"),
    "MMS_DOWNLOADED": ("mms:", "mms:downloaded"),
}
"""Types of the inbox: the prefix of their ids, and the event that tells of one."""

_NANO = string.ascii_letters + string.digits + "_-"
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)


def nano_id(length: int = 21) -> str:
    return "".join(secrets.choice(_NANO) for _ in range(length))


def version_key(version: str) -> tuple[int, ...]:
    """For comparing: "1.68.0" is (1, 68, 0)."""
    return tuple(int(part) for part in version.split("."))


def query_date(text: str) -> int | None:
    """Epoch ms of a date in a query or body; None where the app's parser gives up.

    Three fraction digits or none; `Z` or an offset with a colon. No more than that.
    """
    if not _DATE.fullmatch(text):
        return None
    try:
        return epoch_ms(datetime.fromisoformat(text))
    except ValueError:
        return None


def epoch_ms(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def zone_of(zone: str | tzinfo) -> tzinfo:
    """`Z`, `+05:30`, `-03:30`, or a time zone as it is."""
    if isinstance(zone, tzinfo):
        return zone
    if zone == "Z":
        return UTC
    hours, minutes = zone[1:].split(":")
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return timezone(-offset if zone[0] == "-" else offset)


def stamp(ms: int, zone: tzinfo, *, old_android: bool = False) -> str:
    """A date as the app writes it, in the phone's zone.

    `old_android`: as on Android 6 and before, whose offsets are malformed west of Greenwich.
    """
    moment = datetime.fromtimestamp(ms // 1000, zone) + timedelta(milliseconds=ms % 1000)
    offset = moment.utcoffset() or timedelta()
    written = moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}"
    minutes = int(offset.total_seconds() // 60)
    if old_android:
        if not minutes:
            return written + "+0000"
        hours, rest = divmod(abs(minutes), 60)
        sign = -1 if minutes < 0 else 1
        return f"{written}+{sign * hours:02d}:{sign * rest:02d}"
    if not minutes:
        return written + "Z"
    hours, rest = divmod(abs(minutes), 60)
    return f"{written}{'-' if minutes < 0 else '+'}{hours:02d}:{rest:02d}"


def java_hash(text: str) -> int:
    """`String.hashCode`: over UTF-16 units, in 32 bits, unsigned here."""
    units = text.encode("utf-16-be", "surrogatepass")
    total = 0
    for at in range(0, len(units), 2):
        total = (31 * total + (units[at] << 8 | units[at + 1])) & 0xFFFFFFFF
    return total


def content_hash(version: str, address: str, ms: int, subscription: int | None, text: str) -> int:
    """A message's own number (signed, 32 bits). From 1.63.0 until 1.66.1 the time is left out."""
    total = java_hash(address)
    if not (1, 63, 0) <= version_key(version) < (1, 66, 2):
        total = 31 * total + ((ms ^ (ms & 0xFFFFFFFFFFFFFFFF) >> 32) & 0xFFFFFFFF)
    total = 31 * total + (subscription or 0)
    total = (31 * total + java_hash(text)) & 0xFFFFFFFF
    return total - 2**32 if total >= 2**31 else total


def message_id(signed: int) -> str:
    """The `messageId` of webhooks: hexadecimal, without leading zeros."""
    return format(signed & 0xFFFFFFFF, "x")


def row_id(
    version: str, kind: str, address: str, ms: int, subscription: int | None, text: str
) -> str:
    """The id of a message in /inbox: by content, or before 1.63.0 by sender, time and SIM."""
    if version_key(version) < (1, 63, 0):
        name = f"{address}-{ms}-{subscription or 0}".encode()
        return str(uuid.UUID(bytes=hashlib.md5(name).digest(), version=3))  # noqa: S324
    return KINDS[kind][0] + str(content_hash(version, address, ms, subscription, text))


def data_preview(data: bytes) -> str:
    """`contentPreview` of a data SMS: hexadecimal, of 64 bytes at most."""
    return data[:64].hex() + ("..." if len(data) > 64 else "")
