"""One request to a phone: bounded in time and size, to no address that no phone can have.

Every phone is on the owner's network, so every private address is good; redirects are not followed,
as the token would go along. Says what went wrong in words that hold neither token nor text.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from mmconnect.phones.apps.fields import scalar
from mmconnect.phones.apps.wire import clean
from mmconnect.webhook.addresses import AddressRule

PATIENCE = 10.0
"""Seconds that an answer may take in all; connecting may take CONNECTING of them."""
CONNECTING = 4.0
LARGEST = 8 * 2**20
"""Bytes of an answer: 500 rows of an inbox, each of ten parts, have a third of that."""
MOST_PARTS = 500_000
"""Lists and objects in an answer; 500 rows of an inbox have 3000. While they are made nobody else
has his turn, and each takes fifty times its letters. What is in texts counts, too."""
_SECRET = re.compile(r"(?<=/in/)[^\s\"']+|[A-Za-z0-9_-]{32,}")
"""What may be a token or a key, in what a phone says: it knows our push URL."""
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
"""A surrogate in JSON, which may be without its other half."""


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


def words(value: object, most: int = 200) -> str:
    """What a phone says, fit for a log and for people: one line of `most` letters, no secret."""
    said = " ".join((scalar(value) or "")[: 4 * most].split())
    said = "".join(letter if letter.isprintable() else "\ufffd" for letter in said)
    return _SECRET.sub("\u2026", said)[:most]


def count(value: object) -> int | None:
    """A number that a phone tells, if it is one that it can have; None for anything else."""
    digits = (scalar(value) or "")[:20]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 16 else None


def _json(raw: bytes) -> Any:
    """None for what is no JSON; half characters are replaced, as nothing could store them."""
    if raw.count(b"[") + raw.count(b"{") > MOST_PARTS:
        return None
    text = raw.decode("utf-8", "replace").removeprefix("\ufeff")
    try:
        value = json.loads(text, parse_constant=lambda _: None)
        return _whole_characters(value) if _HALF.search(text) else value
    except (ValueError, RecursionError):
        return None


def _whole_characters(value: Any) -> Any:
    match value:
        case str():
            return clean(value)
        case list():
            return [_whole_characters(one) for one in value]
        case dict():
            return {clean(name): _whole_characters(one) for name, one in value.items()}
    return value
