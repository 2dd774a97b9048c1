"""What looks on while the service runs: heartbeat, warnings, metrics, figures, phones, and their
signs of life that are written down now and then. Takes no part in a text's way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mmconnect.delivery.dispatcher import Dispatcher
from mmconnect.delivery.flight import Landing
from mmconnect.desk.figures import Figures
from mmconnect.desk.status import STALL_COUNTS, Status, Vitals
from mmconnect.domain.clock import Clock
from mmconnect.domain.errors import StoreUnavailable
from mmconnect.domain.ids import Ids
from mmconnect.domain.models import Endpoint, Flight
from mmconnect.phones.counts import Counts
from mmconnect.phones.liveness import Liveness
from mmconnect.phones.presence import Presences
from mmconnect.phones.urls import Where
from mmconnect.service.addresses import own_addresses
from mmconnect.service.clock_belief import Belief
from mmconnect.service.clock_sync import ClockState
from mmconnect.service.heartbeat import Heartbeat
from mmconnect.service.metrics import Metrics, Sources
from mmconnect.service.phone_metrics import PhoneMetrics
from mmconnect.service.phone_watch import ADDRESS, VERSION, PhoneWatch
from mmconnect.service.warnings import Warnings
from mmconnect.store import events
from mmconnect.store.configuration import Look
from mmconnect.store.database import Database
from mmconnect.webhook.events import SystemWarning

_SYNCHRONISED = {ClockState.WRONG: False, ClockState.UNKNOWN: None}
"""Whether the clock is right, where that is not simply so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Oversight:
    """Everything that looks on."""

    heartbeat: Heartbeat
    """Its run() has to go on for ever; so have those of `warnings` and `phones`."""
    warnings: Warnings
    phones: PhoneWatch
    metrics: Metrics
    figures: Figures
    """Its run() has to go on for ever, too; and in the end, its flush()."""
    status: Status


def oversee(
    database: Database,
    look: Look,
    ids: Ids,
    clock: Clock,
    directory: Path,
    dispatcher: Dispatcher,
    counts: Counts,
    belief: Belief,
    presences: Presences,
    where: Where,
) -> Oversight:
    """Wire it; nothing runs yet."""
    heartbeat = Heartbeat(clock)
    warnings = Warnings(database, look, ids, clock, directory, dispatcher.wake)

    liveness = Liveness(database, look, ids, clock, presences, dispatcher.wake)
    phones = PhoneWatch(
        *(database, look, clock, presences, counts, liveness, warnings),
        own=own_addresses,
        where=where,
    )

    def clock_is_wrong(sentence: str | None) -> None:
        if sentence is None:
            warnings.end("clock")
        else:
            warnings.begin("clock", sentence, "")

    def standing() -> list[str]:
        told = [*warnings.shown, *phones.sentences]
        doubt = belief.standing.sentence
        return told if doubt is None or doubt in told else [*told, doubt]

    def machine() -> list[SystemWarning]:
        told = [one for one in warnings.now if one.code not in (ADDRESS, VERSION)]
        doubt = belief.standing.sentence
        if doubt is None or any(one.sentence == doubt for one in told):
            return told
        return [*told, SystemWarning(code="clock", sentence=doubt, remedy="")]

    belief.on_warning = clock_is_wrong
    sources = Sources(
        last_turn=lambda: dispatcher.last_turn,
        in_flight=lambda: dispatcher.in_flight,
        unwritten=lambda: dispatcher.unwritten,
        stalled=heartbeat.worst,
        synchronised=lambda: _SYNCHRONISED.get(belief.standing.state, True),
        phones=PhoneMetrics(look, presences, clock).families,
    )
    metrics = Metrics(database, look, clock, directory, counts, sources)
    figures = Figures(database, clock, counts)

    def observed(endpoint: Endpoint, flight: Flight, landed: Landing) -> None:
        metrics.observed(endpoint, flight, landed)
        figures.observed(endpoint, flight, landed)

    dispatcher.observe = observed
    vitals = Vitals(
        last_turn=sources.last_turn,
        unwritten=sources.unwritten,
        stalled=lambda: heartbeat.worst(STALL_COUNTS),
        offline=lambda: dispatcher.offline,
        warnings=standing,
        machine=machine,
    )
    status = Status(database, vitals, look, clock, directory)
    return Oversight(
        heartbeat=heartbeat,
        warnings=warnings,
        phones=phones,
        metrics=metrics,
        figures=figures,
        status=status,
    )


async def save_presences(
    database: Database,
    presences: Presences,
    look: Look,
    ids: Ids,
    clock: Clock,
    wake: Callable[[], None],
) -> None:
    """Write down when phones were heard, and tell of pushes that were refused since last time."""
    changed = presences.changed()
    if not changed:
        return
    configuration, now = look(), clock.now()
    try:
        told = await database.write(
            lambda db: events.save_presences(db, configuration, ids, now, changed)
        )
    except StoreUnavailable:
        presences.put_back(changed)  # told as soon as it can be written again
        return
    if told:
        wake()
