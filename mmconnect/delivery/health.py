"""How an endpoint is, learnt from its answers: when it is held, when it is probed, what ends it.

Pure: `learnt()` is given what is known and one more outcome, and says what is known then; the
dispatcher obeys. The rules are the contract's ("Outage: hold and drain"). Times are monotonic
seconds, so that a clock that jumps moves no probe.
Invariant: nothing is thrown away while an endpoint is held.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mmconnect.webhook.outcome import OutcomeClass

NOT_REACHED_IN_A_ROW = 2
FAILING_DELIVERIES = 3
REFUSED_DELIVERIES = 5
ARRIVAL_PROBE = 5.0
"""Seconds without a probe after which a new text's first attempt serves as one."""
CONFIRM = 5.0
"""Seconds until a first "not reached" of a held endpoint is looked at again."""

_STEPS = (60.0, 300.0, 900.0, 1800.0)
"""Seconds between the probes of an endpoint that answers, but not with success."""
_FREE = frozenset({OutcomeClass.NOT_REACHED, OutcomeClass.BLOCKED})
"""Held for these, a probe reaches nobody, and costs a delivery nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What is known of an endpoint."""

    held: OutcomeClass | None = None
    """The class it is held in; None while deliveries go out."""
    local: bool = False
    """Held, but because this machine has no network: a condition of the appliance."""
    since: float = 0.0
    """When the timer of the probes began."""
    probes: int = 0
    """Steps that the timer has taken."""
    probe_due: float | None = None
    """When the next probe is due; None while it is not held, and for one that is gone."""
    last_probe: float = float("-inf")
    not_before: float = float("-inf")
    """Until when the receiver asked to be left alone."""
    avoid: str | None = None
    """A sender whose delivery was just answered with 503: the next probe takes another's."""
    not_reached: int = 0
    """Attempts in a row that reached nobody."""
    failing: tuple[str, ...] = ()
    """Different deliveries that failed since the last success."""
    refused: tuple[str, ...] = ()
    """Different deliveries that were refused since the last success."""

    @property
    def free(self) -> bool:
        """Whether a probe costs its delivery nothing."""
        return self.held in _FREE

    def wants_probe(self, now: float) -> bool:
        """Whether the timer asks for a probe."""
        return self.probe_due is not None and max(self.probe_due, self.not_before) <= now

    def takes_arrival(self, now: float) -> bool:
        """Whether a text that has just come may serve as a probe."""
        return (
            self.probe_due is not None
            and now - self.last_probe >= ARRIVAL_PROBE
            and self.not_before <= now
        )


WELL = Health()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One more outcome."""

    result: OutcomeClass
    delivery_id: str
    sender: str
    at: float
    probe: bool = False
    unavailable: bool = False
    """It was answered with 503."""
    local: bool = False
    """It was not reached because this machine has no network."""
    retry_after: float | None = None
    """Seconds that the receiver asked to be left alone."""


def learnt(known: Health, new: Evidence) -> Health:
    """What is known after one more outcome."""
    if new.result is OutcomeClass.DELIVERED:
        return WELL
    if new.result in (OutcomeClass.GONE, OutcomeClass.BLOCKED):
        return _held(known, new.result, new)
    if new.result is OutcomeClass.NOT_REACHED:
        counted = replace(known, not_reached=known.not_reached + 1)
        if counted.not_reached >= NOT_REACHED_IN_A_ROW:
            return _held(counted, OutcomeClass.NOT_REACHED, new)
        if known.held is not None and new.probe:
            return _after_probe(counted, new, CONFIRM)
        return counted
    if new.result is OutcomeClass.FAILING:
        counted = replace(known, not_reached=0, failing=_with(known.failing, new.delivery_id))
        enough = len(counted.failing) >= FAILING_DELIVERIES
    else:
        counted = replace(known, not_reached=0, refused=_with(known.refused, new.delivery_id))
        enough = len(counted.refused) >= REFUSED_DELIVERIES
    if (new.probe and known.held is not None) or (enough and known.held is None):
        return _held(counted, new.result, new)
    return counted


def began(held: OutcomeClass, now: float) -> Health:
    """Of an endpoint that is found held, and nothing else is known: it is probed at once."""
    due = None if held is OutcomeClass.GONE else now
    return Health(held=held, since=now, probe_due=due)


def asked(known: Health, now: float) -> Health:
    """A person wants a probe, now."""
    return replace(known, probe_due=now, not_before=float("-inf"), last_probe=float("-inf"))


def launched(known: Health, now: float) -> Health:
    """A probe is on its way."""
    return replace(known, last_probe=now)


def _held(known: Health, held: OutcomeClass, new: Evidence) -> Health:
    if known.held is not held:  # the timer starts anew
        known = replace(
            known, held=held, since=new.at, last_probe=new.at, probes=0, local=new.local
        )
        if held is OutcomeClass.GONE:
            return replace(known, probe_due=None)
        wait = 5.0 if held in _FREE else _STEPS[0]
        return _next(known, new, wait)
    if known.held is OutcomeClass.GONE:  # who asked has been told
        return replace(known, since=new.at, probe_due=None)
    known = replace(known, local=known.local and new.local)
    return _after_probe(known, new, None) if new.probe else known


def _after_probe(known: Health, new: Evidence, wait: float | None) -> Health:
    """A probe has failed: when is the next? One that came before its time moves no step."""
    timed = known.probe_due is None or known.probe_due <= new.at
    if wait is None:
        if not timed:
            return replace(_next(known, new, 0.0), probe_due=known.probe_due)
        known = replace(known, probes=known.probes + 1)
        wait = _wait(known, new.at)
    elif not timed and known.probe_due is not None:
        wait = min(wait, known.probe_due - new.at)
    return _next(known, new, wait)


def _next(known: Health, new: Evidence, wait: float) -> Health:
    return replace(
        known,
        probe_due=new.at + wait,
        not_before=new.at + (new.retry_after or 0.0),
        avoid=new.sender if new.unavailable else None,
    )


def _wait(known: Health, now: float) -> float:
    """Seconds until the next probe of an endpoint that has been held for a while."""
    if known.held in _FREE:
        held_for = now - known.since
        return 10.0 if held_for < 3600 else 60.0 if held_for < 86_400 else 300.0
    return _STEPS[min(known.probes, len(_STEPS) - 1)]


def _with(ids: tuple[str, ...], delivery_id: str) -> tuple[str, ...]:
    """The different deliveries, no more of them than any rule counts."""
    if delivery_id in ids or len(ids) >= REFUSED_DELIVERIES:
        return ids
    return (*ids, delivery_id)
