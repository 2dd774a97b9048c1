"""`mmconnect delivery …`: where texts went, sending them again, and giving up on them."""

from __future__ import annotations

import argparse
import asyncio

from mmconnect.cli import open as opening
from mmconnect.cli import output, replay
from mmconnect.cli.instants import instant
from mmconnect.desk import actor, shown
from mmconnect.desk import deliveries as desk
from mmconnect.domain.errors import UsageError
from mmconnect.domain.models import Delivery, DeliveryState, EndpointState
from mmconnect.store import deliveries, delivery_lists, endpoints
from mmconnect.store.delivery_lists import Wanted


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    parents: list[argparse.ArgumentParser],
) -> None:
    """Add the family."""
    family = commands.add_parser("delivery", parents=parents, help="where texts went")
    verbs = family.add_subparsers(metavar="VERB", required=True)
    states = [s.value for s in DeliveryState]

    listed = verbs.add_parser("list", parents=parents, help="the newest deliveries")
    listed.add_argument("--state", choices=states, help="only these")
    listed.add_argument("--endpoint", metavar="ID", help="only this endpoint's")
    listed.add_argument("--limit", metavar="N", type=int, default=50, help="how many (default 50)")
    listed.set_defaults(run=_list)

    show = verbs.add_parser("show", parents=parents, help="one delivery and its attempts")
    show.add_argument("id", metavar="ID")
    show.set_defaults(run=_show)

    replay.add_verbs(verbs, parents)

    cancel = verbs.add_parser(
        "cancel", parents=parents, help="no longer send what waits: these, or an endpoint's"
    )
    cancel.add_argument("ids", metavar="ID", nargs="*")
    cancel.add_argument("--endpoint", metavar="ID", help="all that wait for this endpoint")
    cancel.add_argument("--before", metavar="T", help="2h (ago), or 2026-06-12T14:00:00Z")
    cancel.set_defaults(run=_cancel)


def _list(args: argparse.Namespace) -> int:
    limit = output.limit(args.limit)
    states = frozenset() if args.state is None else frozenset({DeliveryState(args.state)})
    wanted = Wanted(states=states, endpoint_id=args.endpoint)
    with opening.opened(args) as store:
        found = delivery_lists.newest(store.db, wanted, limit=limit)
        if args.endpoint is not None and not found and args.state is None:
            opening.endpoint(store, args.endpoint)
        stopped = {
            e.id: f"endpoint {e.state.value}"
            for e in endpoints.known(store.db)
            if e.state is not EndpointState.ACTIVE
        }
    if args.json:
        output.document([shown.delivery(d) for d in found])
    else:
        output.table(
            ("ID", "STATE", "ATTEMPTS", "NEXT", "MESSAGE", "ENDPOINT"),
            [
                (
                    d.id,
                    d.state.value,
                    d.attempts,
                    _next(d, stopped),
                    d.message_id,
                    d.endpoint_id,
                )
                for d in found
            ],
            "No delivery matches.",
        )
    return 0


def _show(args: argparse.Namespace) -> int:
    with opening.opened(args) as store:
        delivery = replay.named(store, args.id)
        attempts = deliveries.attempts(store.db, args.id)
    facts = shown.delivery(delivery)
    if args.json:
        output.document({**facts, "attemptList": [shown.attempt(a) for a in attempts]})
        return 0
    output.fields(list(facts.items()))
    for a in attempts:
        print()
        output.fields(list(shown.attempt(a).items()))
    return 0


def _next(value: Delivery, stopped: dict[str, str]) -> str:
    """When it is tried next, or why that is not known; `stopped`: why endpoints get nothing."""
    waits = value.due_at is not None and value.endpoint_id in stopped
    return stopped[value.endpoint_id] if waits else output.local(value.due_at)


def _cancel(args: argparse.Namespace) -> int:
    if bool(args.ids) == bool(args.endpoint):
        raise UsageError("Name deliveries by id, or all that wait for an --endpoint (and --before)")
    if args.ids and args.before is not None:
        raise UsageError("--before goes with --endpoint, not with ids")
    with opening.opened(args) as store:
        done = asyncio.run(_cancelled(args, store))
    if args.json:
        output.document({"cancelled": done.count})
    else:
        said = output.many(done.count, "waiting delivery was", "waiting deliveries were")
        print(f"{said} cancelled, and can be sent again.")
        if done.flying:
            print(
                f"{output.many(done.flying, 'is', 'are')} in flight just now, and may yet arrive."
            )
    return 0


async def _cancelled(args: argparse.Namespace, store: opening.Store) -> desk.Cancelled:
    write, clock, now = opening.writer(store), store.clock, store.clock.now()
    if args.ids:
        return await desk.cancel(
            write, args.ids, clock=clock, by=actor.CLI, between=opening.give_way
        )
    opening.endpoint(store, args.endpoint)
    return await desk.cancel_waiting(
        write,
        args.endpoint,
        before=None if args.before is None else instant("--before", args.before, now),
        clock=clock,
        by=actor.CLI,
        between=opening.give_way,
    )
