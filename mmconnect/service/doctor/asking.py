"""Asking this machine's own listeners, as a phone or a browser would."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from ipaddress import ip_network

from mmconnect.delivery.dial import Dialer, NotConnected
from mmconnect.delivery.http import words
from mmconnect.delivery.route import Unsendable, Way, route
from mmconnect.webhook.addresses import AddressRule
from mmconnect.webhook.outcome import Trouble

_ANYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))
"""This machine's own address may be any, a link-local one, too."""
PATIENCE = 20.0
"""Seconds: who asks the admin side first waits until its pages are loaded, on a small Pi too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a question."""

    status: int | None = None
    """None: there was no answer in time."""
    body: bytes = b""
    trouble: str = ""
    """Why there was none, in a few words."""
    taken: bool = False
    """Whether somebody took the connection."""


async def get(dialer: Dialer, url: str, ca: str | None = None) -> Answer:
    """GET a URL of this machine; `ca` (PEM) is who vouches for its certificate."""
    try:
        way = route(Way(url=url, ca=ca, plain_http=True))
        until = asyncio.get_running_loop().time() + PATIENCE
        connection = await dialer.connect(way, AddressRule(allow=_ANYWHERE), until)
    except NotConnected as error:
        return Answer(trouble=_told(error))
    except Unsendable as error:
        return Answer(trouble=error.detail)
    try:
        target = "/" + way.url.partition("://")[2].partition("/")[2]
        host = way.url.partition("://")[2].partition("/")[0]
        lines = f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        async with asyncio.timeout_at(until):
            trouble = await connection.post(lines.encode("ascii"))
    except TimeoutError:
        return Answer(trouble="it took the connection, but does not answer", taken=True)
    except OSError as error:
        return Answer(trouble=words(error), taken=True)
    finally:
        connection.abort()
    if trouble is not None or connection.head is None:
        return Answer(trouble=connection.detail or "what answers does not speak HTTP", taken=True)
    return Answer(status=connection.head.code, body=connection.body, taken=True)


def _told(error: NotConnected) -> str:
    return _PLAIN.get(error.trouble) or error.detail or str(error.trouble).replace("_", " ")


_PLAIN = {
    Trouble.REFUSED: "the connection was refused",
    Trouble.CONNECT_TIMEOUT: "no connection within 5 s",
    Trouble.CONNECT_RESET: "the connection was reset",
}
