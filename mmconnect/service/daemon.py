"""The one page that wires everything: what starts in which order, and how it stops.

Start: lock, database (migrated), dispatcher, phone listener, admin listener. Stop, in reverse of
importance: phones are turned away, what is in flight finishes, the database closes last.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from mmconnect.config import Listen, Settings
from mmconnect.delivery.announcing import Announcing
from mmconnect.delivery.dispatcher import Dispatcher
from mmconnect.delivery.egress import Egress
from mmconnect.delivery.expiry import Expiry
from mmconnect.delivery.janitor import Janitor
from mmconnect.delivery.replays import Replays
from mmconnect.delivery.sender import Sender
from mmconnect.desk import passing, setup_codes
from mmconnect.domain.clock import SystemClock
from mmconnect.domain.ids import BOOT, Ids
from mmconnect.phones.presence import Presences
from mmconnect.phones.urls import Bases
from mmconnect.service.addresses import bases, own_addresses, reachable
from mmconnect.service.backup_schedule import TURN as BACKUPS
from mmconnect.service.backup_schedule import BackupSchedule
from mmconnect.service.indexer import TURN as INDEXING
from mmconnect.service.indexer import Indexer
from mmconnect.service.lock import Lock, lock_for_service
from mmconnect.service.machine import Ending, RunningMachine
from mmconnect.service.oversight import oversee, save_presences
from mmconnect.service.phone_side import phone_side, release_announcements
from mmconnect.service.ports import opening
from mmconnect.service.process import background, for_ever, frugal
from mmconnect.service.started import Started
from mmconnect.service.systemd import Systemd
from mmconnect.service.timekeeping import Timekeeper
from mmconnect.service.tls.https import Https
from mmconnect.service.tls.keeper import Keeper, brought
from mmconnect.service.watch import Watch
from mmconnect.service.watchdog import Watchdog
from mmconnect.store import configuration, devices, jumps, settings
from mmconnect.store.database import Database
from mmconnect.web.crowd import AT_ONCE, Runner
from mmconnect.web.discretion import discreet_log

log = logging.getLogger(__name__)

PRESENCE_INTERVAL = 10.0
BACKLOG = 1024
SWITCH_INTERVAL = 0.02
"""Seconds after which Python's threads take turns. The loop gives way at every system call anyway;
forcing it more often only costs (a fifth of the burst rate at the default of 0.005)."""


async def serve(
    options: Settings, directory: Path, started: Callable[[Started], None], systemd: Systemd
) -> None:
    """Run until SIGTERM or SIGINT. Raises an MmconnectError when it cannot start."""
    ending = Ending(asyncio.Event())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.stop_for_good)  # a second one changes nothing
    frugal()
    sys.setswitchinterval(SWITCH_INTERVAL)
    lock = await lock_for_service(directory, ending.stop, systemd.gets_on)
    if lock is None:
        return
    try:
        while not ending.over:
            passing.forget_leftovers(directory)
            database = Database.open(directory, systemd.gets_on)
            try:
                await _run(options, directory, database, lock, ending, started, systemd)
            finally:
                await database.close()
            if ending.restore is None:
                break
            async with systemd.busy("A backup takes the database's place"):
                await asyncio.to_thread(ending.settle, directory)
    finally:
        lock.release()


async def _run(
    options: Settings,
    directory: Path,
    database: Database,
    lock: Lock,
    ending: Ending,
    started: Callable[[Started], None],
    systemd: Systemd,
) -> None:
    ids = Ids(SystemClock())
    for newest in await database.read(jumps.newest_ids):
        ids.follow(newest)
    await database.write(lambda db: settings.ensure_tenant(db, ids))
    today = SystemClock().now()
    setup = await database.write(lambda db: setup_codes.make(db, today))
    watch = Watch(database, await database.read(configuration.load))
    clock = Timekeeper(database, watch.look, SystemClock(), ids)
    await clock.start()
    presences = Presences(clock, await database.read(devices.presences))
    async with contextlib.AsyncExitStack() as stack:
        egress = Egress(watch.look, own_addresses)
        sender = Sender(clock, rule=egress.rule, answered=clock.saw)
        stack.push_async_callback(sender.close)

        def trusted() -> bool:
            return not clock.standing.suspect

        dispatcher = Dispatcher(
            database,
            watch.look,
            sender,
            clock,
            ids,
            boot_id=ids.new(BOOT),
            too_old=clock.too_old,
            trusted=trusted,
            moving=lambda: clock.moving,
        )

        def where() -> Bases:
            return bases(phone_at, https.phone_side)

        side = await phone_side(
            database,
            watch,
            clock,
            ids,
            dispatcher,
            presences,
            rule=egress.rule,
            where=where,
            trusted=trusted,
            has_ca=lambda: keeper.authority is not None,
            certificate=lambda request: https.certificate(request),
        )
        announcing = Announcing(watch.look, ids)
        expiry = Expiry(database, watch.look, clock, clock.too_old, announcing, dispatcher.wake)

        def clock_was_set() -> None:
            expiry.forget()
            dispatcher.wake()

        clock.on_jump = clock_was_set
        oversight = oversee(
            database,
            watch.look,
            ids,
            clock,
            directory,
            dispatcher,
            side.intake.counts,
            clock.belief,
            presences,
            lambda: bases(phone_at, https.phone_side, virtual=False),
        )

        loops = await stack.enter_async_context(background())

        def configuration_changed() -> None:
            dispatcher.wake()
            side.pulls.look_again()

        loops(watch.run(configuration_changed))
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, watch.ask)

        async def save() -> None:
            await save_presences(database, presences, watch.look, ids, clock, dispatcher.wake)

        loops(for_ever(PRESENCE_INTERVAL, save, "Writing down when phones were heard"))
        stack.push_async_callback(save)
        loops(oversight.figures.run())
        stack.push_async_callback(oversight.figures.flush)
        expiry.on_expired = oversight.figures.expired
        loops(oversight.heartbeat.run())
        loops(oversight.warnings.run())
        stack.push_async_callback(clock.stop)
        loops(clock.run())
        stack.push_async_callback(dispatcher.stop)

        keeper = Keeper(directory, brought(options), oversight.warnings, clock, trusted)
        backups = BackupSchedule(
            *(database, watch.look, clock, directory, oversight.warnings),
            known=lambda: clock.standing.known,
            flush=oversight.figures.flush,
        )

        def admin_site() -> web.Application:
            from mmconnect.service.admin_side import admin_side  # loads all pages

            return admin_side(
                database,
                watch,
                clock,
                ids,
                directory,
                dispatcher=dispatcher,
                sender=sender,
                phones=side,
                presences=presences,
                oversight=oversight,
                where=where,
                rule=egress.rule,
                listeners=lambda: https.listeners,
                https_port=lambda: https.admin_port,
                authority=lambda: keeper.authority,
                machine=RunningMachine(
                    directory=directory,
                    keeper=keeper,
                    look=watch.look,
                    clock=clock,
                    ending=ending,
                    backups=backups,
                    poke=lambda: https.ask(),
                ),
            )

        admin = Runner(
            admin_site,
            made=gc.freeze,
            access_log=None,
            logger=discreet_log(),
            shutdown_timeout=2.0,
        )
        await admin.setup()
        stack.push_async_callback(admin.cleanup)
        with opening(options.admin_listen, "--admin-listen") as bind:
            for host in bind:
                port = admin.addresses[0][1] if admin.addresses else options.admin_listen.port
                await web.TCPSite(admin, host, port, backlog=AT_ONCE).start()
        admin_at = [str(Listen(host=host, port=port)) for host, port, *_ in admin.addresses]
        phones = side.listener.server()
        stack.push_async_callback(phones.close)
        with opening(options.phone_listen, "--phone-listen") as bind:
            for host in bind:
                port = phones.addresses[0][1] if phones.addresses else options.phone_listen.port
                await phones.start(host, port, BACKLOG)
        phone_at = [str(Listen(host=host, port=port)) for host, port in phones.addresses]
        https = Https.of(options, keeper, oversight.warnings, phones, phone_at, admin, admin_at)
        https.reloading, https.reloaded = systemd.reloading, systemd.reloaded
        stack.push_async_callback(https.close)
        await https.start()

        def tell() -> None:
            note = https.note()
            egress.listening([*note.admin, *note.phone, *note.admin_tls, *note.phone_tls])
            lock.tell(note)

        loops(dispatcher.run())  # after the listeners: a start that fails has sent nothing
        loops(side.pulls.run())
        loops(oversight.phones.run())
        loops(Replays(database, watch.look, dispatcher.wake, clock).run())
        loops(expiry.run())
        loops(release_announcements(side.intake, clock))
        janitor = Janitor(database, watch.look, clock, may_prune=clock.may_prune)
        loops(janitor.run())
        loops(for_ever(BACKUPS, backups.turn, "Making backups"))
        loops(for_ever(INDEXING, Indexer(database, clock, janitor.step).turn, "Indexing texts"))

        gc.freeze()  # what is here now stays: no need to walk through it again and again
        tell()
        loops(https.run(opened=tell))
        now = watch.look()
        up = Started(
            phone=reachable(phone_at),
            admin=reachable(admin_at),
            phone_tls=reachable(https.phone_side),
            admin_tls=reachable(https.admin_side),
            directory=directory,
            devices=len(now.phones),
            endpoints=sum(not e.alert for e in now.endpoints.values()),
            setup=setup,
            base_path=now.preferences.base_path or "",
        )
        started(up)
        systemd.ready(up.told)

        def rested() -> float:
            return clock.monotonic() - dispatcher.last_turn

        troubles = oversight.warnings
        loops(Watchdog(systemd, database, rested, lambda: troubles.shown, up.told).run())
        await ending.stop.wait()
        log.info("Stopping: no new texts are taken, what is in flight finishes")
        if ending.over:
            systemd.stopping("Stopping: what is in flight finishes")
