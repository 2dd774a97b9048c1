"""What came in lately that was no good: what the pairing page tells the person who waits.

In memory alone, a bounded number, and never a token, a path or a word of a text: only the kind of
mistake, from which address, and when.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

from mmconnect.domain.clock import Clock

KEPT = 200


class Mistake(StrEnum):
    """What was wrong with a request."""

    UNKNOWN_TOKEN = "unknown_token"  # noqa: S105 (a word, no secret)
    WRONG_PATH = "wrong_path"
    HTTPS_TO_HTTP = "https_to_http"
    """A TLS handshake on the port for plain HTTP."""
    HTTP_TO_HTTPS = "http_to_https"
    """Plain HTTP on the port for HTTPS."""
    TLS_REFUSED = "tls_refused"
    """The client ended the handshake: it does not trust the certificate."""
    BAD_SIGNATURE = "bad_signature"
    REMOVED = "removed"
    """The token of a device that was removed."""
    NOT_UNDERSTOOD = "not_understood"
    METHOD = "method"
    """GET where a push is a POST, by something that is no browser."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One request that was no good."""

    mistake: Mistake
    address: str
    at: float
    """Monotonic seconds."""


class Sightings:
    """The last of them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: deque[Sighting] = deque(maxlen=KEPT)

    def saw(self, mistake: Mistake, address: str) -> None:
        """Something was wrong with a request from this address."""
        self._seen.append(Sighting(mistake=mistake, address=address, at=self._clock.monotonic()))

    def since(self, moment: float) -> list[Sighting]:
        """Those after `moment` (monotonic seconds), oldest first."""
        return [one for one in self._seen if one.at >= moment]
