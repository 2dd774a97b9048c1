"""What modem programs hand to a hook when a text has come: Gammu SMSD and SMS Server Tools 3.

Pure: environment, arguments and bytes in, one text out. Ids are the program's own, scoped to the
modem and, where it is known, to the time of the text, as numbers begin again with a new database.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from mmconnect.cli.push.spool import Sms
from mmconnect.domain.errors import UsageError

RECEIVED = "RECEIVED"
_EVENTS = (RECEIVED, "SENT", "FAILED", "REPORT", "CALL")
"""What SMS Server Tools 3 calls its event handler for."""
_MOST_PARTS = 255
_NUMBER = re.compile(r"\d+")
_SHORT = 6
"""Digits up to which a number without a type counts as a short code, not as international."""


def from_gammu(environ: Mapping[bytes, bytes], ids: Sequence[str], now: int) -> Sms:
    """The text of Gammu SMSD's `RunOnReceive`; `now` (UTC ms) where it tells no time.

    Raises UsageError when there is none, as when it was not Gammu that called.
    """

    def told(name: str) -> str:
        return environ.get(name.encode(), b"").decode("utf-8", "replace")

    count = _count(told("SMS_MESSAGES"))
    if count == 0:
        raise UsageError(
            "There is no text in the environment: --gammu is for RunOnReceive of Gammu SMSD"
        )
    # only concatenated texts are decoded; for anything else that is empty
    text = "".join(told(f"DECODED_{n}_TEXT") for n in range(1, _count(told("DECODED_PARTS")) + 1))
    text = text or "".join(told(f"SMS_{n}_TEXT") for n in range(1, count + 1))
    stamp = told("SMS_1_TIMESTAMP")  # since 1.44
    sent = int(stamp) * 1000 if _NUMBER.fullmatch(stamp) and len(stamp) < 12 else None
    parts = ["gammu", told("PHONE_ID"), " ".join(ids), "" if sent is None else stamp]
    return Sms(
        id=_id(parts, now),
        sender=told("SMS_1_NUMBER"),
        text=text,
        time=now if sent is None else sent,
    )


def smstools_event(words: Sequence[str]) -> tuple[str, str]:
    """(event, file) of an event handler's arguments, which come in either order.

    Raises UsageError.
    """
    events = [word for word in words[:2] if word in _EVENTS]
    files = [word for word in words[:2] if word not in _EVENTS]
    if len(events) != 1 or len(files) != 1:
        raise UsageError(
            "--smstools is for the eventhandler of SMS Server Tools 3, which adds an event"
            f" ({', '.join(_EVENTS)}) and a file"
        )
    return events[0], files[0]


def from_smstools(content: bytes, name: str, now: int) -> Sms:
    """The text of one incoming file called `name`; `now` (UTC ms) where it tells no time.

    Local times are this machine's, as the program runs here.
    """
    head, _, body = content.replace(b"\r\n", b"\n", head_end(content)).partition(b"\n\n")
    lines = [line.partition(":") for line in head.decode("utf-8", "replace").splitlines()]
    fields = {key.strip().lower(): value.strip() for key, _, value in lines}
    stamp = fields.get("sent") or fields.get("received") or ""
    sent = _local(stamp)
    modem = fields.get("modem") or fields.get("subject") or ""
    return Sms(
        id=_id(["smstools", modem, name, stamp], now),
        sender=_sender(fields.get("from", ""), fields.get("from_toa", "")),
        text=_text(body, fields.get("alphabet", "").upper()),
        time=now if sent is None else sent,
    )


def head_end(content: bytes) -> int:
    """How many CRLF line ends the head has, if it has any: the body is left as it is."""
    head, found, _ = content.partition(b"\r\n\r\n")
    return head.count(b"\r\n") + 2 if found and b"\n\n" not in head else 0


def _sender(given: str, kind: str) -> str:
    """The program leaves the `+` of international numbers out; a name stays a name."""
    if not _NUMBER.fullmatch(given):
        return given
    if kind:
        international = kind.startswith("91") or "international" in kind.lower()
    else:
        international = len(given) > _SHORT
    return f"+{given}" if international else given


def _text(body: bytes, alphabet: str) -> str:
    if alphabet in ("UCS2", "UCS-2", "UNICODE"):
        return body.decode("utf-16-be", "replace")
    try:
        return body.decode()
    except UnicodeDecodeError:
        if alphabet in ("BINARY", "8BIT"):
            return base64.b64encode(body).decode()
        return body.decode("iso-8859-15")


def _local(stamp: str) -> int | None:
    """UTC ms of `26-06-12 14:31:58`."""
    try:
        return int(datetime.strptime(stamp, "%y-%m-%d %H:%M:%S").astimezone().timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        return None


def _count(told: str) -> int:
    return min(int(told), _MOST_PARTS) if _NUMBER.fullmatch(told) and len(told) < 9 else 0


def _id(parts: Sequence[str], now: int) -> str:
    """Never longer than an id may be; without an id of the program's, the time has to do."""
    named = "/".join(parts if parts[2] else [*parts, str(now)])
    return named[:400]
