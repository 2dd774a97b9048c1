"""The admin side put together: the desk, and the sites that stand on it.

Nothing runs yet. What these sites need of the running service is lent to them here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from mmconnect.admin.context import BASE
from mmconnect.admin.secure import Secure
from mmconnect.admin.site import make_site
from mmconnect.api.mount import mount
from mmconnect.delivery.dispatcher import Dispatcher
from mmconnect.delivery.sender import Sender
from mmconnect.delivery.trials import Trials
from mmconnect.desk.around import Around
from mmconnect.desk.desk import Desk, Listeners
from mmconnect.desk.entry import Entry
from mmconnect.desk.keys import KeyRing
from mmconnect.desk.machine import Machine
from mmconnect.domain.clock import Clock
from mmconnect.domain.ids import Ids
from mmconnect.phones.presence import Presences
from mmconnect.phones.urls import Where
from mmconnect.service.addresses import bases, own_addresses
from mmconnect.service.oversight import Oversight
from mmconnect.service.phone_side import PhoneSide
from mmconnect.service.watch import Watch
from mmconnect.store.database import Database
from mmconnect.store.devices import Presence
from mmconnect.web.asked import client_of
from mmconnect.webhook.addresses import AddressRule


def admin_side(
    database: Database,
    watch: Watch,
    clock: Clock,
    ids: Ids,
    directory: Path,
    *,
    dispatcher: Dispatcher,
    sender: Sender,
    phones: PhoneSide,
    presences: Presences,
    oversight: Oversight,
    where: Where,
    rule: Callable[[], AddressRule],
    listeners: Callable[[], Listeners],
    https_port: Callable[[], int | None],
    authority: Callable[[], bytes | None],
    machine: Machine,
) -> web.Application:
    """Wire it. `https_port` and `authority`: what `Secure` is made of."""
    secure = Secure(port=https_port, authority=authority)

    def around() -> Around:
        at = listeners()
        seen = {device_id: presences.of(device_id) for device_id in watch.look().devices}
        return Around(
            bases=where(),
            real=bases(at.phone, at.phone_tls, virtual=False),
            own=own_addresses(),
            now=clock.now(),
            presence=lambda device_id: seen.get(device_id) or Presence(device_id=device_id),
        )

    desk = Desk(
        database=database,
        look=watch.look,
        clock=clock,
        ids=ids,
        directory=directory,
        status=oversight.status,
        trials=Trials(database.write, sender, clock, ids),
        figures=oversight.figures,
        presences=presences,
        pairings=phones.pairings,
        where=where,
        around=around,
        rule=rule,
        entry=Entry(database, clock, ids),
        keys=KeyRing(database, clock),
        refresh=watch.refresh,
        wake=dispatcher.wake,
        listeners=listeners,
        authority=secure.authority,
        machine=machine,
    )
    return make_site(desk, oversight.metrics.scrape, secure, more=lambda site: with_api(site, desk))


def with_api(site: web.Application, desk: Desk) -> None:
    """Put the API into the site, and let it see through proxies as the pages do."""

    def origin(request: web.Request) -> str:
        client = client_of(request)
        return f"{client.scheme}://{client.host}"

    mount(
        site,
        desk,
        address=lambda request: client_of(request).address,
        base=lambda request: request.get(BASE, ""),
        origin=origin,
    )
