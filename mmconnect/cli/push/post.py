"""One text over the wire, by the standard library alone, and what the answer means.

Delivered is only what mmconnect itself says it has on its disk: the 200 of a captive portal is no
success. A text is known to mmconnect by its id, so asking twice costs nothing.
"""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass
from enum import Enum, auto

from mmconnect import __version__
from mmconnect.cli.push.origin import Target
from mmconnect.cli.push.spool import Sms

_MOST = 64 * 1024
"""Bytes of an answer that are read."""
_LATER = frozenset({408, 425, 429})
_THIS_TEXT = frozenset({400, 411, 413, 414, 415, 422, 431})


class What(Enum):
    """What came of it."""

    DELIVERED = auto()
    AWAY = auto()
    """Nobody there, or not able to take it just now."""
    REFUSED = auto()
    """This token, or this address, is no good: no text will be taken."""
    UNFIT = auto()
    """This very text will not be taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The end of one try."""

    what: What
    reason: str = ""
    """In words, where it was not delivered."""
    message_id: str | None = None
    duplicate: bool = False
    retry_after: float = 0.0
    """Seconds that it asked to be left alone."""


class Line:
    """A connection to one target, kept open from text to text."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._connection: http.client.HTTPConnection | None = None

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def push(self, sms: Sms, timeout: float) -> Result:
        """Try once; `timeout` seconds for each step. Never raises for what the network does."""
        used = self._connection is not None
        result = self._push(sms, timeout)
        if used and result.what is What.AWAY and self._connection is None:
            return self._push(sms, timeout)  # it was closed while nobody spoke
        return result

    def _push(self, sms: Sms, timeout: float) -> Result:
        try:
            connection = self._connection or self._open(timeout)
            self._connection = connection
            connection.timeout = timeout
            if connection.sock is not None:
                connection.sock.settimeout(timeout)
            connection.request("POST", self.target.path, sms.body(), self._headers())
            answer = connection.getresponse()
            body = answer.read(_MOST)
            if not answer.isclosed():
                self.close()
            return result_of(answer.status, answer.headers, body)
        except ssl.SSLCertVerificationError as error:
            self.close()
            return Result(
                what=What.REFUSED,
                reason=f"the certificate is not trusted: {error.verify_message}",
            )
        except (OSError, http.client.HTTPException) as error:
            self.close()
            told = (
                getattr(error, "strerror", None) or _printable(str(error)) or type(error).__name__
            )
            return Result(what=What.AWAY, reason=f"no answer: {told}")

    def _open(self, timeout: float) -> http.client.HTTPConnection:
        host, port = self.target.host, self.target.port
        if not self.target.tls:
            return http.client.HTTPConnection(host, port, timeout=timeout)
        context = ssl.create_default_context(cafile=self.target.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return http.client.HTTPSConnection(host, port, timeout=timeout, context=context)

    def _headers(self) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self.target.token}",
            "Content-Type": "application/json",
            "User-Agent": f"mmconnect-push/{__version__}",
        }


def result_of(status: int, headers: http.client.HTTPMessage, body: bytes) -> Result:
    """What an answer means."""
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    fields = told if isinstance(told, dict) else {}
    if status == 200:
        # an app that has to be answered without a word gets no JSON, but mmconnect's own name
        if fields.get("ok") is True or (not body and headers.get("Server") == "mmconnect"):
            message_id = fields.get("id")
            return Result(
                what=What.DELIVERED,
                message_id=message_id if isinstance(message_id, str) else None,
                duplicate=fields.get("duplicate") is True,
            )
        return Result(what=What.REFUSED, reason="what answers there is not mmconnect")
    error = fields.get("error")
    named = f" {error[:40]}" if isinstance(error, str) and error.isidentifier() else ""
    reason = f"the answer was {status}{named}"
    if status >= 500 or status in _LATER:
        return Result(what=What.AWAY, reason=reason, retry_after=_seconds(headers))
    if status in _THIS_TEXT:
        return Result(what=What.UNFIT, reason=reason)
    if status == 401:
        reason += ": the token is unknown there"
    elif 300 <= status < 400 or status in (404, 405):
        reason += ": no texts are taken at that URL"
    return Result(what=What.REFUSED, reason=reason)


def _printable(said: str) -> str:
    """Some words of whoever answered instead of mmconnect, as one line that steers no terminal."""
    line = " ".join(said.split())[:80]
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in line)


def _seconds(headers: http.client.HTTPMessage) -> float:
    told = headers.get("Retry-After", "")
    return float(min(int(told), 3600)) if told.isascii() and told.isdigit() else 0.0
