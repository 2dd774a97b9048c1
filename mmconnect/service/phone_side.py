"""The phone side put together: what takes pushes in, what fetches, and the pages for pairing.

Nothing runs yet. The pages cost nothing until somebody opens one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mmconnect.domain.clock import Clock
from mmconnect.domain.ids import Ids
from mmconnect.phones import codes, pair_files
from mmconnect.phones.clients.http import PhoneHttp
from mmconnect.phones.fanout import Outlet
from mmconnect.phones.intake import Intake
from mmconnect.phones.keeping import Keeping
from mmconnect.phones.listener import Listener
from mmconnect.phones.pair_site import PairSite
from mmconnect.phones.pairing import Pairings
from mmconnect.phones.presence import Presences
from mmconnect.phones.pulling.pulls import Pulls
from mmconnect.phones.pulling.tools import Tools
from mmconnect.phones.sightings import Sightings
from mmconnect.phones.urls import Where
from mmconnect.service.addresses import own_networks
from mmconnect.service.process import for_ever
from mmconnect.service.watch import Watch
from mmconnect.store.database import Database
from mmconnect.web.http import Handler
from mmconnect.webhook.addresses import AddressRule

LONGEST_WAIT_FOR_MMS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneSide:
    """What answers phones, and what asks them."""

    intake: Intake
    listener: Listener
    pulls: Pulls
    """Its run() has to go on for ever."""
    pairings: Pairings


async def phone_side(
    database: Database,
    watch: Watch,
    clock: Clock,
    ids: Ids,
    outlet: Outlet,
    presences: Presences,
    *,
    rule: Callable[[], AddressRule],
    where: Where,
    trusted: Callable[[], bool],
    has_ca: Callable[[], bool],
    certificate: Handler,
) -> PhoneSide:
    """Wire it.

    `rule` says which addresses may be asked, `where` how phones reach this machine, `trusted`
    whether nothing speaks against its clock, `has_ca` whether there is a CA of our own to install,
    which `certificate` answers with.
    """
    intake = Intake(database, watch.look, outlet, clock, ids)
    sightings = Sightings(clock)
    pairings = Pairings(database, clock, sightings)
    await pairings.load()
    intake.on_heard = pairings.heard
    pair = PairSite(pairings, watch.look, watch.refresh, where, own_networks, has_ca)
    sites: Mapping[str, Handler] = {
        codes.PATH.strip("/"): pair.handle,
        pair_files.PATH: pair_files.serve,
        "ca.crt": certificate,
    }
    pulls = Pulls(
        Tools(
            database=database,
            intake=intake,
            keeping=Keeping(database, watch.look, clock, ids, outlet.wake),
            presences=presences,
            look=watch.look,
            refresh=watch.refresh,
            clock=clock,
            http=PhoneHttp(rule),
            where=where,
            trusted=trusted,
        )
    )
    listener = Listener(
        database,
        intake,
        presences,
        watch.look,
        watch.refresh,
        clock,
        trusted,
        sightings,
        sites,
        pushed=pulls.pushed,
    )
    return PhoneSide(intake=intake, listener=listener, pulls=pulls, pairings=pairings)


async def release_announcements(intake: Intake, clock: Clock) -> None:
    """Let MMS that were announced and never came become messages of their own, for ever."""

    async def turn() -> float | None:
        due = await intake.release_announcements()
        return None if due is None else (due - clock.now()) / 1000

    await for_ever(LONGEST_WAIT_FOR_MMS, turn, "Looking for overdue MMS")
