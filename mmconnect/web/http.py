"""What the phone listener's handler is given and what it gives back: a request and an answer.

Knows neither sockets nor who asks. An answer is bytes from the start: its head is made once for
all answers of its kind, so that telling a phone that its text is safe costs one concatenation.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from http import HTTPStatus

from aiohttp.helpers import parse_content_type
from aiohttp.streams import StreamReader
from yarl import URL

from mmconnect.domain.values import value_type


class Misfit(Enum):
    """How a client and a port do not go together."""

    TLS_TO_PLAIN = auto()
    """A TLS handshake on a port for plain HTTP."""
    PLAIN_TO_TLS = auto()
    """Plain HTTP on a port for TLS."""
    DISTRUST = auto()
    """The client ended the handshake, as it does not take the certificate."""


@dataclass(slots=True, kw_only=True, eq=False)
class Request:
    """One request; its body may still be on the way (`BodyReader` reads it)."""

    method: str
    url: URL
    """As it stood in the request line, without the host unless that was there."""
    headers: Mapping[str, str]
    """By name; upper and lower case are the same."""
    remote: str
    """The address of whoever asks, without the port."""
    content: StreamReader
    secure: bool = False
    """Whether it came over TLS."""
    send_continue: Callable[[], None]
    """Tells a client that waits for it (`Expect: 100-continue`) to send the body."""


@value_type(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer."""

    head: bytes
    """As head() makes it."""
    body: bytes
    close: bool = False
    """Whether the connection ends with it."""

    @property
    def status(self) -> int:
        """Its status code."""
        return int(self.head[:3])

    def encoded(self, date: bytes, *, close: bool, old: bool, bare: bool) -> bytes:
        """As it is sent at `date`. `old`: to HTTP/1.0; `bare`: to HEAD, which gets no body."""
        if close:
            connection = b"Connection: close\r\n"
        else:
            connection = b"Connection: keep-alive\r\n" if old else b""
        return b"HTTP/1.%d %bContent-Length: %d\r\nDate: %b\r\n%b\r\n%b" % (
            0 if old else 1,
            self.head,
            len(self.body),
            date,
            connection,
            b"" if bare else self.body,
        )


Handler = Callable[[Request], Awaitable[Answer]]
"""Answers a request; whatever it raises becomes a 500."""


def head(status: int, content_type: str, headers: Mapping[str, str] | None = None) -> bytes:
    """What all answers of a kind begin with, after `HTTP/1.1 `; no line of it may need escaping."""
    lines = [f"{status} {HTTPStatus(status).phrase}", f"Content-Type: {content_type}"]
    # instead of the versions of what it is made of
    lines += [
        f"{name}: {value}" for name, value in {"Server": "mmconnect", **(headers or {})}.items()
    ]
    return "".join(line + "\r\n" for line in lines).encode("ascii")


@lru_cache(maxsize=64)
def media_type(header: str | None) -> tuple[str, str]:
    """What a `Content-Type` says: the media type alone in lower case, and the charset.

    Without the header `""` and `utf-8`; the charset is as declared, and may be none that exists.
    """
    if header is None:
        return "", "utf-8"
    media, parameters = parse_content_type(header)
    return media, parameters.get("charset") or "utf-8"
