"""Holding and releasing: keeps the health of every endpoint, in memory and in the database.

An answer is learnt from at once; the database follows in the transaction that records the attempt,
and until that is committed what is in memory counts. Other processes hold, release and pause
endpoints too: a newer revision of the configuration is believed. Knows nothing of how deliveries
are claimed or sent.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from mmconnect.delivery.flight import Landing
from mmconnect.delivery.health import WELL, Evidence, Health, asked, began, learnt
from mmconnect.delivery.lanes import Lane
from mmconnect.domain.clock import Clock
from mmconnect.domain.models import Endpoint, EndpointState, Flight
from mmconnect.store import endpoints
from mmconnect.store import health as stored
from mmconnect.store.configuration import Configuration, revision
from mmconnect.store.health import StoredHealth
from mmconnect.webhook.outcome import OutcomeClass

_HELD = {
    OutcomeClass.NOT_REACHED: "It is not reached. Its texts wait, and all of them go out as soon as"
    " it answers",
    OutcomeClass.FAILING: "It is reached but fails. Its texts wait while one at a time tries again",
    OutcomeClass.REFUSED: "It refuses every text. Its texts wait while one at a time tries again",
    OutcomeClass.GONE: "Nothing more is sent to it, and its texts wait",
    OutcomeClass.BLOCKED: "Its texts wait until it can be used",
}

_WAY = (
    *("url", "secrets", "headers", "plain_headers", "numbers", "ca", "plain_http"),
    "probe_asked_at",
)
"""What of an endpoint makes a request another one, or another answer likely."""
_SILENCE = 10.0
"""Seconds without an answer from anywhere, after which "no network" is believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What an answer has changed for its endpoint, to be written with the attempt."""

    health: Health
    before: Health
    reason: str
    """Why it is held, in a sentence; empty when the answer was of another class."""

    @property
    def held(self) -> bool:
        """Whether it is held now, or for another reason than before."""
        moved = self.health.held is not self.before.held or self.health.local != self.before.local
        return moved and self.health.held is not None and not self.health.local

    @property
    def released(self) -> bool:
        """Whether its deliveries go out again."""
        return self.health.held is None and self.before.held is not None

    @property
    def moves(self) -> bool:
        """Whether the endpoint's state in the database changes."""
        return self.held or (self.released and not self.before.local)


class Holding:
    """What is known of every endpoint."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._found: dict[str, StoredHealth] = {}
        self._seen: dict[str, Endpoint] = {}
        self._reached = float("-inf")
        """When anything beyond this machine last answered."""

    def found(self, healths: dict[str, StoredHealth]) -> None:
        """What an earlier run has learnt."""
        self._found = healths

    def forget(self, endpoint_id: str) -> None:
        """The endpoint is gone."""
        self._seen.pop(endpoint_id, None)

    def notice(self, lane: Lane, endpoint: Endpoint, configuration: Configuration) -> None:
        """Follow what a person or another process has changed of an endpoint."""
        before = self._seen.get(endpoint.id)
        if before is endpoint:
            return
        if lane.known_at is None or lane.known_at > configuration.revision:
            return  # as of before our own change
        self._seen[endpoint.id] = endpoint
        now = self._clock.monotonic()
        if endpoint.state is EndpointState.HELD:
            self._notice_held(lane, endpoint, before, now)
        elif endpoint.state is EndpointState.PAUSED:
            lane.health = WELL
        elif before is None:
            lane.health = self._remembered(endpoint, now) or WELL
        elif lane.health.held is not None and not lane.health.local:
            lane.health = WELL
            lane.released()

    def learn(
        self, lane: Lane, endpoint: Endpoint, flight: Flight, landed: Landing
    ) -> Change | None:
        """Draw the conclusions of an answer; what is to be written of them, if anything."""
        now = self._clock.monotonic()
        if landed.attempt.status is not None and not _here(landed.attempt.address):
            self._reached = now
        if landed.result is OutcomeClass.DELIVERED:
            lane.went_well(endpoint, landed.attempt.duration_ms or 0)
            if lane.health is WELL:
                return None
        elif landed.result in (OutcomeClass.NOT_REACHED, OutcomeClass.FAILING):
            lane.went_wrong(endpoint)
        before = lane.health
        after = learnt(
            before,
            Evidence(
                result=landed.result,
                delivery_id=flight.delivery_id,
                sender=flight.sender,
                at=now,
                probe=flight.probe,
                unavailable=landed.attempt.status == 503,
                local=landed.local and self._nothing_is_reached(now),
                retry_after=landed.retry_after,
            ),
        )
        if flight.probe and lane.asked:
            lane.asked = False
            after = after if after.held is None else asked(after, now)
        if after == before:
            return None
        lane.health = after
        change = Change(health=after, before=before, reason=_reason(after, landed))
        if change.released:
            lane.released()
        if change.moves:
            lane.is_writing()
        return change

    def network_is_back(self, lanes: Iterable[Lane]) -> None:
        """One endpoint was reached again: try all others that were not for want of a network."""
        now = self._clock.monotonic()
        for lane in lanes:
            if lane.health.local:
                lane.health = asked(lane.health, now)

    def write(
        self, db: sqlite3.Connection, endpoint: Endpoint, change: Change, now: int
    ) -> int | None:
        """Keep a change; the configuration's revision where it has moved the endpoint's state."""
        health = change.health
        stored.save(db, endpoint.id, self._to_store(health, now))
        if not change.moves:
            if change.reason and health.held is not None and not health.local:
                endpoints.held_because(db, endpoint.id, health.held, change.reason)
            return None
        if health.held is None:
            endpoints.release(db, endpoint.id, now)
        else:
            endpoints.hold(db, endpoint.id, health.held, change.reason, now, endpoint.url)
        return revision(db)

    def _nothing_is_reached(self, now: float) -> bool:
        return now - self._reached > _SILENCE

    def _notice_held(
        self, lane: Lane, endpoint: Endpoint, before: Endpoint | None, now: float
    ) -> None:
        held = OutcomeClass(endpoint.held_class or OutcomeClass.NOT_REACHED)
        found = self._found.get(endpoint.id)
        if lane.health.held is not held:
            lane.health = (self._remembered(endpoint, now) if before is None else None) or began(
                held, now
            )
        if before is None:
            told_at = max(endpoint.held_at or 0, 0 if found is None else found.since or 0)
            wanted = (endpoint.probe_asked_at or 0) > told_at
        else:
            wanted = _way_changed(before, endpoint)
        if wanted:
            lane.health, lane.asked = asked(lane.health, now), lane.probing
            lane.look_again()

    def _remembered(self, endpoint: Endpoint, now: float) -> Health | None:
        """What an earlier run knew, its timer carried over to this run's clock."""
        known = self._found.pop(endpoint.id, None)
        if known is None:
            return None
        wall = self._clock.now()
        held = None
        if endpoint.state is EndpointState.HELD:
            held = OutcomeClass(endpoint.held_class or OutcomeClass.NOT_REACHED)
        due = None
        if known.probe_at is not None and held is not None:
            due = now + min(max(0.0, (known.probe_at - wall) / 1000), 1800.0)
        return Health(
            held=held,
            since=now - max(0.0, (wall - (known.since or wall)) / 1000),
            probes=known.probes,
            probe_due=due,
            not_reached=known.not_reached,
            failing=known.failing,
            refused=known.refused,
        )

    def _to_store(self, health: Health, now: int) -> StoredHealth | None:
        if health == WELL:
            return None
        at = self._clock.monotonic()
        return StoredHealth(
            not_reached=health.not_reached,
            failing=health.failing,
            refused=health.refused,
            since=None if health.held is None else now - round((at - health.since) * 1000),
            probes=health.probes,
            probe_at=None
            if health.probe_due is None
            else now + round((health.probe_due - at) * 1000),
        )


def _way_changed(before: Endpoint, after: Endpoint) -> bool:
    """Whether a person has changed something that may make a held endpoint work, or has asked."""
    return any(getattr(before, name) != getattr(after, name) for name in _WAY)


def _here(address: str | None) -> bool:
    """Whether an answer came from this machine: it tells nothing of the network."""
    return address is not None and address.startswith(("127.", "[::1]"))


def _reason(health: Health, landed: Landing) -> str:
    if health.held is None or health.held is not landed.result:
        return ""
    told = landed.told or ""
    return f"{_HELD[health.held]}. {told}".removesuffix(". ")
