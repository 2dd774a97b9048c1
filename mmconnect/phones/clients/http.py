"""One request to a phone: bounded in time and size, to no address that no phone can have.

Every phone is on the owner's network, so every private address is good; redirects are not followed,
as the token would go along. Says what went wrong in words that hold neither token nor text.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from mmconnect.phones.apps.wire import clean
from mmconnect.webhook.addresses import AddressRule

PATIENCE = 10.0
"""Seconds that an answer may take in all; connecting may take CONNECTING of them."""
CONNECTING = 4.0
LARGEST = 16 * 2**20
"""Bytes of an answer: 500 rows of an inbox have a tenth of that."""


class Unreachable(Exception):
    """The phone does not answer; the message says why."""


class Refused(Exception):
    """The phone answered, but not with what was asked for."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        """The answer's; 0 when it was no answer of such an app."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer of a phone."""

    status: int
    headers: Mapping[str, str]
    value: Any = field(repr=False)
    """Its JSON; None when it had none."""


class PhoneHttp:
    """Asks phones. Close it in the end; one for all of them."""

    def __init__(self, own: Callable[[], AddressRule] = AddressRule) -> None:
        """`own`: the rule with mmconnect's own listeners, which are no phone."""
        self._rule = own
        self._session: aiohttp.ClientSession | None = None

    async def ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: object = None,
        patience: float = PATIENCE,
    ) -> Reply:
        """Ask, and read the whole answer. Raises Unreachable; any status is a Reply."""
        self._check(url)
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=_Judging(self._rule), limit=0, use_dns_cache=False
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "mmconnect"},
            )
        try:
            async with self._session.request(
                method,
                url,
                headers=headers,
                params=query,
                json=body,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=patience, sock_connect=CONNECTING),
            ) as response:
                raw = await _whole(response)
                return Reply(status=response.status, headers=response.headers, value=_json(raw))
        except aiohttp.ClientConnectorError as error:
            reason = error.os_error.strerror or type(error.os_error).__name__
            raise Unreachable(f"no connection ({reason})") from None
        except TimeoutError:
            raise Unreachable("no answer in time") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unreachable(f"the connection broke ({type(error).__name__})") from None

    async def close(self) -> None:
        """Close what is open."""
        if self._session is not None:
            await self._session.close()

    def _check(self, url: str) -> None:
        """An address that stands in the URL itself is asked of no resolver."""
        parts = urlsplit(url)
        try:
            why = self._rule().refusal(parts.hostname or "", parts.port or 80)
        except ValueError:
            return  # a name
        if why is not None:
            raise Unreachable(f"no phone can be there: {why.partition('. ')[0]}")


class _Judging(AbstractResolver):
    """Resolves names, and leaves out addresses that no phone can have."""

    def __init__(self, rule: Callable[[], AddressRule]) -> None:
        self._rule, self._resolver = rule, ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        rule = self._rule()
        found = await self._resolver.resolve(host, port, family)
        good = [one for one in found if rule.refusal(one["host"], port) is None]
        if not good:
            raise OSError(None, "the name leads to no address that a phone can have")
        return good

    async def close(self) -> None:
        await self._resolver.close()


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    parts, size = [], 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > LARGEST:
            raise ValueError("too large")
        parts.append(chunk)
    return b"".join(parts)


def _json(raw: bytes) -> Any:
    try:
        value = json.loads(raw, parse_constant=lambda _: None)
        if b"\\ud" in raw or b"\\uD" in raw:  # half a character, perhaps, which cannot be stored
            value = json.loads(clean(json.dumps(value, ensure_ascii=False)))
        return value
    except (ValueError, RecursionError):
        return None
