"""The last signs of life of each phone, kept in memory and written down now and then.

So that knowing when a phone was last heard costs no text a write of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from mmconnect.domain.clock import Clock
from mmconnect.phones.rhythm import Rhythm
from mmconnect.store.devices import Presence

REACHED_EVERY = 60_000
"""Milliseconds between two times that are written down of a phone that answers all the time."""


class Presences:
    """What is known of every phone; starts from what was written down."""

    def __init__(self, clock: Clock, known: dict[str, Presence]) -> None:
        self._clock, self._known = clock, known
        self._heard: dict[str, tuple[int, str | None, str | None]] = {}
        self._reached: dict[str, int] = {}
        self._changed: set[str] = set()
        self._alive: dict[str, float] = {}
        self._beaten: dict[str, float] = {}
        self._rhythms: dict[str, Rhythm] = {}
        self._hosts: dict[str, tuple[str, bool]] = {}

    def heard(self, device_id: str, address: str | None, user_agent: str | None) -> None:
        """A phone has pushed something with its own token."""
        self._heard[device_id] = (self._clock.now(), address, user_agent)
        self._alive[device_id] = self._clock.monotonic()

    def came_by(self, device_id: str, host: str | None, *, secure: bool) -> None:
        """The `Host` by which a phone has pushed: where it believes this machine to be."""
        if host is not None:
            self._hosts[device_id] = (host[:300], secure)

    def hosts(self) -> dict[str, tuple[str, bool]]:
        """By which `Host`, and whether over HTTPS, each phone pushed last, since the last call."""
        found, self._hosts = self._hosts, {}
        return found

    def alive(self, device_id: str) -> float | None:
        """When it last gave a sign of life since the start (monotonic seconds); None: never."""
        return self._alive.get(device_id)

    def reached(self, device_id: str) -> None:
        """It answered when it was asked, which happens every few seconds: written once a minute."""
        self._reached[device_id] = self._clock.now()
        self._alive[device_id] = self._clock.monotonic()

    def rejected(self, device_id: str, reason: str) -> None:
        """A push with a phone's token was refused."""
        self._update(
            device_id,
            rejected=self._of(device_id).rejected + 1,
            rejected_at=self._clock.now(),
            rejected_reason=reason,
        )

    def of(self, device_id: str) -> Presence:
        """What is known of a phone now."""
        self._settle()
        known, reached = self._of(device_id), self._reached.get(device_id)
        if reached is not None and reached > (known.last_heard_at or 0):
            return replace(known, last_heard_at=reached)
        return known

    def beat(self, device_id: str, facts: Mapping[str, Any]) -> None:
        """A heartbeat, with what it told of the phone."""
        now, moment = self._clock.now(), self._clock.monotonic()
        usual = self._of(device_id).beat_gap
        rhythm, last = self._rhythms.get(device_id), self._beaten.get(device_id)
        if rhythm is None or rhythm.usual != usual:
            rhythm = Rhythm(usual=usual)
        if last is not None:  # a gap in which mmconnect was off is nobody's rhythm
            rhythm = rhythm.learn(round((moment - last) * 1000))
        self._rhythms[device_id] = rhythm
        self._beaten[device_id] = self._alive[device_id] = moment
        self._update(device_id, beat_at=now, beat_gap=rhythm.usual)
        self.told(device_id, facts)

    def told(self, device_id: str, facts: Mapping[str, Any]) -> None:
        """What a phone tells of itself; what it leaves out stays as it was."""
        known = self._of(device_id).facts
        if any(known.get(name) != value for name, value in facts.items()):
            self._update(device_id, facts={**known, **facts})

    def silent(self, device_id: str, since: int | None) -> None:
        """It counts as silent since then (UTC ms), or (None) not any more."""
        self._update(device_id, silent_at=since)

    def changed(self) -> list[Presence]:
        """What has changed since the last call, for the database."""
        self._settle()
        changed = [self._known[device_id] for device_id in self._changed]
        self._changed.clear()
        return changed

    def put_back(self, unwritten: Iterable[Presence]) -> None:
        """They could not be written down: changed() gives them again, as they are by then."""
        self._changed.update(presence.device_id for presence in unwritten)

    def _settle(self) -> None:
        for device_id, (at, address, user_agent) in self._heard.items():
            known = self._of(device_id)
            self._update(
                device_id,
                last_heard_at=at,
                last_address=address or known.last_address,
                user_agent=user_agent or known.user_agent,
            )
        self._heard.clear()
        for device_id, at in self._reached.items():
            if abs(at - (self._of(device_id).last_heard_at or 0)) >= REACHED_EVERY:
                self._update(device_id, last_heard_at=at)

    def _of(self, device_id: str) -> Presence:
        return self._known.get(device_id) or Presence(device_id=device_id)

    def _update(self, device_id: str, **fields: object) -> None:
        self._known[device_id] = replace(self._of(device_id), **fields)  # type: ignore[arg-type]  # the fields are Presence's
        self._changed.add(device_id)
