"""Asking the local server of a simulated SMS Gateway by hand, for the simulator's own tests."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from tests.support.smsgate_phone import SmsgatePhone

BASIC = "Basic " + base64.b64encode(b"sms:pass1234").decode()


class Told:
    """An answer of the local server."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


def ask(
    phone: SmsgatePhone,
    path: str,
    body: object = None,
    *,
    method: str | None = None,
    auth: str | None = BASIC,
    timeout: float = 60.0,
) -> Told:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(phone.url + path, data, method=method)
    if auth:
        request.add_header("Authorization", auth)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return Told(response.status, dict(response.headers), response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Told(error.code, dict(error.headers), error.read())


def listen(phone: SmsgatePhone, url: str, event: str = "sms:received") -> None:
    hook = {"id": "hook-" + event, "url": url, "event": event}
    assert ask(phone, "/webhooks", hook).status == 201
