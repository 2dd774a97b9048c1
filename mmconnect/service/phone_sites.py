"""The sites beside `/in` on the phone listener, put together: pairing and its files.

They cost nothing until somebody opens a page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mmconnect.domain.clock import Clock
from mmconnect.phones import codes, pair_files
from mmconnect.phones.intake import Intake
from mmconnect.phones.pair_site import PairSite
from mmconnect.phones.pairing import Pairings
from mmconnect.phones.sightings import Sightings
from mmconnect.phones.urls import Where
from mmconnect.service.addresses import own_networks
from mmconnect.service.watch import Watch
from mmconnect.store.database import Database
from mmconnect.web.http import Handler


async def phone_sites(
    database: Database,
    watch: Watch,
    clock: Clock,
    sightings: Sightings,
    intake: Intake,
    where: Where,
    has_ca: Callable[[], bool],
) -> Mapping[str, Handler]:
    """Who answers, by the first word of the path; `intake` tells when a phone is heard.

    `has_ca`: whether there is a CA of our own for phones to install.
    """
    pairings = Pairings(database, clock, sightings)
    await pairings.load()
    intake.on_heard = pairings.heard
    site = PairSite(
        pairings,
        watch.look,
        watch.refresh,
        where,
        own_networks,
        has_ca,
    )
    return {codes.PATH.strip("/"): site.handle, pair_files.PATH: pair_files.serve}
