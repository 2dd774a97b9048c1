"""SmsForwarder: the HTTP server on the phone (port 5000), for the texts that it has in store.

Every request is `{"data", "timestamp", "sign"}`; the sign covers the timestamp alone, with the
secret that its owner set. What goes wrong comes as HTTP 200 with another `code` in the JSON. The
API `/sms/query` has to be switched on in the app. `/sms/send` has its place here once mmconnect
sends. Knows nothing of devices or the store.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from mmconnect.domain.clock import Clock
from mmconnect.phones.apps.fields import scalar
from mmconnect.phones.clients.http import PhoneHttp, Refused, count, words

PAGE = 50
"""Rows that one request asks for."""
RECEIVED = 1
"""The type of rows that were received, not sent."""


class SmsForwarder:
    """One phone's server."""

    def __init__(self, http: PhoneHttp, url: str, secret: str | None, clock: Clock) -> None:
        self._http, self.url, self._secret, self._clock = http, url, secret, clock

    async def received(self, page: int) -> Sequence[Mapping[str, Any]]:
        """A page (from 1 on) of received texts, newest first."""
        wanted = {"type": RECEIVED, "page_num": page, "page_size": PAGE, "keyword": ""}
        rows = await self._ask("/sms/query", wanted)
        return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []

    async def battery(self) -> dict[str, Any]:
        """`battery` in percent and `charging`, as far as it tells."""
        told = await self._ask("/battery/query", {})
        facts: dict[str, Any] = {}
        if isinstance(told, dict):
            level = count((scalar(told.get("level")) or "").removesuffix("%"))
            if level is not None and level <= 100:
                facts["battery"] = level
        return facts

    async def _ask(self, path: str, data: Mapping[str, Any]) -> Any:
        """The `data` of the answer. Raises Unreachable, and Refused with what the app says."""
        now = self._clock.now()
        body: dict[str, Any] = {"data": data, "timestamp": now}
        if self._secret is not None:
            body["sign"] = sign(now, self._secret)
        reply = await self._http.ask("POST", self.url + path, body=body)
        told = reply.value
        if not isinstance(told, dict) or "code" not in told:
            raise Refused(0, "what answers there is not SmsForwarder's server")
        if told["code"] != 200:
            said = words(told.get("msg"))
            raise Refused(int(told["code"]) if isinstance(told["code"], int) else 0, said)
        return told.get("data")


def sign(timestamp: int, secret: str) -> str:
    """base64 of HMAC-SHA256 of `<timestamp>\\n<secret>`, percent-encoded once."""
    digest = hmac.digest(secret.encode(), f"{timestamp}\n{secret}".encode(), "sha256")
    return quote(base64.b64encode(digest).decode(), safe="")
