"""Simulated phones with forwarding apps and scripts; this is the module to import.

Those here are the ones without memory: what they could not push is gone.
"""

from __future__ import annotations

import http.client
import itertools
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import datetime, tzinfo

from tests.support.forwarder_incoming import IncomingSmsPhone, Post
from tests.support.forwarder_smsforwarder import PRESET, Server, SmsForwarderPhone, sign
from tests.support.smsgate_rules import zone_of

__all__ = [
    "PRESET",
    "IncomingSmsPhone",
    "Post",
    "Server",
    "ShortcutsPhone",
    "SmsForwarderPhone",
    "TaskerPhone",
    "TermuxPhone",
    "post_once",
    "sign",
]


def post_once(
    url: str, headers: Mapping[str, str], body: bytes, replies: list[bytes] | None = None
) -> int | None:
    """The status, or None when nobody answered. `replies`: where what was answered goes."""
    request = urllib.request.Request(url, body, dict(headers), method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            said = answer.read()
            if replies is not None and said:
                replies.append(said)
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except (OSError, http.client.HTTPException):
        return None


class TaskerPhone:
    """Tasker in raw mode: headers for what is about the text, the body for the text."""

    def __init__(self, url: str) -> None:
        self.url = url

    def receive(self, sender: str, text: str, *, at: float | None = None) -> int | None:
        """`at`: the phone's time now, seconds; it is the only time that Tasker has."""
        now = int(time.time() if at is None else at)
        headers = {"X-SMS-From": sender, "X-SMS-Time": str(now), "Content-Type": "text/plain"}
        return post_once(self.url, headers, text.encode())


class ShortcutsPhone:
    """An automation of iOS Shortcuts: JSON of a dictionary, no id, no retry, no SIM."""

    def __init__(self, url: str, *, zone: str | tzinfo = "+02:00") -> None:
        self.url, self.zone = url, zone_of(zone)

    def receive(self, sender: str, text: str, *, at: float | None = None) -> int | None:
        now = datetime.fromtimestamp(time.time() if at is None else at, self.zone)
        body = {"text": text, "sender": sender, "receivedAt": now.isoformat(timespec="seconds")}
        return post_once(self.url, {"Content-Type": "application/json"}, json.dumps(body).encode())


class TermuxPhone:
    """A script without memory: `termux-sms-list` of the last texts, posted again and again."""

    def __init__(self, url: str, *, zone: str | tzinfo = "+02:00") -> None:
        self.url, self.zone = url, zone_of(zone)
        self.rows: list[dict[str, object]] = []
        self._ids = itertools.count(1)

    def receive(self, sender: str, text: str, *, at: float | None = None) -> None:
        """Into the phone's store; the script pushes it at its next run."""
        when = datetime.fromtimestamp(time.time() if at is None else at, self.zone)
        self.rows.append(
            {
                "threadid": 1,
                "type": "inbox",
                "read": False,
                "address": sender,
                "number": sender,
                "received": when.strftime("%Y-%m-%d %H:%M:%S"),
                "body": text,
                "_id": next(self._ids),
            }
        )

    def repost(self, last: int = 10) -> int | None:
        """One run of the script: one POST, an array."""
        body = json.dumps(self.rows[-last:], indent=2).encode()
        return post_once(self.url, {"Content-Type": "application/json"}, body)
