"""The log of the way out: a line for each failed attempt and each change of health, none for a 2xx.

When an endpoint fails faster than a person can read, a second's lines beyond the first MOST become
one that says how many they were: an outage must not fill the disk with its log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from mmconnect.domain.clock import iso
from mmconnect.domain.facts import facts
from mmconnect.domain.models import Attempt, Endpoint

log = logging.getLogger(__name__)

MOST = 20
"""Lines about failed attempts of one endpoint in a second."""
SECOND = 1.0


@dataclass(slots=True)
class _Burst:
    """What one endpoint has said in the present second."""

    name: str
    lines: int = 0
    more: int = 0


class Journal:
    """Writes the lines, and holds back what is too many."""

    def __init__(
        self, later: Callable[[float, Callable[[], object]], object] | None = None
    ) -> None:
        """`later(seconds, call)` calls something after a while; the event loop's unless told."""
        self._later = later
        self._bursts: dict[str, _Burst] = {}

    def landed(
        self, endpoint: Endpoint, attempt: Attempt, told: str | None, next_at: int | None
    ) -> None:
        """An attempt was made; `told` is what went wrong in words fit for a log, None for a 2xx.

        `next_at` is when the next one is due (UTC ms), None when there is none.
        """
        if told is None:
            if log.isEnabledFor(logging.DEBUG):
                log.debug(
                    "Delivery %s to %s: attempt %d delivered",
                    attempt.delivery_id,
                    endpoint.name,
                    attempt.number,
                    extra=_of(endpoint, attempt, None),
                )
            return
        burst = self._bursts.get(endpoint.id)
        if burst is None:
            burst = self._bursts[endpoint.id] = _Burst(endpoint.name)
            later = self._later or asyncio.get_running_loop().call_later
            later(SECOND, lambda: self._over(endpoint.id))
        if burst.lines >= MOST:
            burst.more += 1
            return
        burst.lines += 1
        log.warning(
            "Delivery %s to %s: attempt %d failed: %s",
            attempt.delivery_id,
            endpoint.name,
            attempt.number,
            told,
            extra=_of(endpoint, attempt, next_at),
        )

    def held(self, endpoint: Endpoint, held_class: str, told: str) -> None:
        """An endpoint is held from now on; `told` as in landed()."""
        extra = facts(endpoint=endpoint.id, state="held", outcome=str(held_class))
        log.warning("Endpoint %s is held: %s", endpoint.name, told, extra=extra)

    def recovered(self, endpoint: Endpoint, waiting: int | None = None) -> None:
        """An endpoint is no longer held; `waiting` deliveries are sent now, where that is known."""
        extra = facts(endpoint=endpoint.id, state="active", waiting=waiting)
        log.warning("Endpoint %s takes deliveries again", endpoint.name, extra=extra)

    def _over(self, endpoint_id: str) -> None:
        """A second is over: what was held back becomes one line."""
        burst = self._bursts.pop(endpoint_id)
        if burst.more:
            log.warning(
                "… and %d more attempts to %s failed within a second",
                burst.more,
                burst.name,
                extra=facts(endpoint=endpoint_id, more=burst.more),
            )


def _of(endpoint: Endpoint, attempt: Attempt, next_at: int | None) -> dict[str, object]:
    return dict(
        facts(
            delivery=attempt.delivery_id,
            endpoint=endpoint.id,
            attempt=attempt.number,
            outcome=str(attempt.outcome),
            status=attempt.status,
            ms=attempt.duration_ms,
            nextAttemptAt=None if next_at is None else iso(next_at),
        )
    )
