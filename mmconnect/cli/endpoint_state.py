"""`mmconnect endpoint pause|resume|remove`: whether texts go out to an endpoint."""

from __future__ import annotations

import argparse
import asyncio

from mmconnect.cli import open as opening
from mmconnect.cli import output
from mmconnect.cli.instants import instant
from mmconnect.desk import actor, shown
from mmconnect.desk import endpoints as desk
from mmconnect.domain.errors import Refused
from mmconnect.service.lock import poke
from mmconnect.store import outbox


def add_verbs(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser],
    parents: list[argparse.ArgumentParser],
) -> None:
    """Add these verbs to the family."""
    pause = verbs.add_parser("pause", parents=parents, help="let texts wait, without growing older")
    pause.add_argument("id", metavar="ID")
    pause.set_defaults(run=_pause)

    resume = verbs.add_parser(
        "resume", parents=parents, help="send what waits, and what comes; probe a held one at once"
    )
    resume.add_argument("id", metavar="ID")
    which = resume.add_mutually_exclusive_group()
    which.add_argument(
        "--newer-than",
        metavar="T",
        help="of what waits, send only this: 2h (ago), or 2026-06-12T14:00:00Z; cancel the rest",
    )
    which.add_argument("--none", action="store_true", help="cancel everything that waits")
    resume.set_defaults(run=_resume)

    remove = verbs.add_parser("remove", parents=parents, help="stop sending to it for good")
    remove.add_argument("id", metavar="ID")
    remove.add_argument("--yes", action="store_true", help="even if texts wait for it")
    remove.set_defaults(run=_remove)


def _pause(args: argparse.Namespace) -> int:
    with opening.opened(args, write=True) as store:
        opening.endpoint(store, args.id)
        endpoint = desk.pause(store.db, args.id, now=store.clock.now(), by=actor.CLI)
        waiting = outbox.waiting(store.db, endpoint.id)
    if args.json:
        output.document(shown.endpoint(endpoint, waiting))
    else:
        print(f"{endpoint.name} is paused: its texts wait until you resume it ({waiting} waiting).")
    return 0


def _resume(args: argparse.Namespace) -> int:
    with opening.opened(args) as store:
        now = store.clock.now()
        before = None
        if args.newer_than is not None:
            before = instant("--newer-than", args.newer_than, now)
        opening.endpoint(store, args.id)
        done = asyncio.run(
            desk.resume(
                opening.writer(store),
                args.id,
                newer_than=before,
                none=args.none,
                clock=store.clock,
                by=actor.CLI,
                between=opening.give_way,
            )
        )
        poke(store.directory)
    endpoint, waiting, cancelled = done.endpoint, done.waiting, done.cancelled
    if done.probed:
        sentence = "is held; the service probes it now, and sends everything when it answers"
    else:
        sentence = "is active: what waited is sent now"
    if args.json:
        output.document({**shown.endpoint(endpoint, waiting), "cancelled": cancelled})
    else:
        told = f", {cancelled} cancelled" if cancelled else ""
        print(f"{endpoint.name} {sentence} ({waiting} waiting{told}).")
    return 0


def _remove(args: argparse.Namespace) -> int:
    with opening.opened(args) as store:
        endpoint = opening.endpoint(store, args.id)
        waiting = outbox.waiting(store.db, endpoint.id)
    if endpoint.alert:
        raise Refused(
            f"{endpoint.name} stands for the alert URL of the settings. To switch that off:"
            " `mmconnect settings set alert_url off`"
        )
    wait = f"{output.many(waiting, 'text waits', 'texts wait')} for {endpoint.name}"
    if waiting and not opening.confirm(f"{wait} and would be cancelled. Remove it?", yes=args.yes):
        raise Refused(
            f"{wait} and would be cancelled (and stay visible). Nothing was changed; remove it with"
            " --yes"
        )
    with opening.opened(args) as store:
        opening.endpoint(store, args.id)
        cancelled = asyncio.run(
            desk.remove(
                opening.writer(store),
                args.id,
                clock=store.clock,
                by=actor.CLI,
                between=opening.give_way,
            )
        )
        poke(store.directory)
    if args.json:
        output.document({"id": endpoint.id, "removed": True, "cancelled": cancelled})
    else:
        lost = output.many(cancelled, "waiting delivery was", "waiting deliveries were")
        print(f"{endpoint.name} was removed; {lost} cancelled.")
    return 0
