"""`mmconnect delivery …`: where texts went, sending them again, and giving up on them."""

from __future__ import annotations

import argparse
from datetime import datetime

from mmconnect.cli import open as opening
from mmconnect.cli import output, shown
from mmconnect.domain.clock import parse_duration
from mmconnect.domain.errors import NotFound, Refused, UsageError
from mmconnect.domain.models import DeliveryState
from mmconnect.store import deliveries, endpoints, erasure


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

    retry = verbs.add_parser(
        "retry", parents=parents, help="send again: these, or all that match --state and --since"
    )
    retry.add_argument("ids", metavar="ID", nargs="*")
    retry.add_argument(
        "--state", choices=[s for s in states if s != "in_flight"], help="all of these"
    )
    retry.add_argument("--since", metavar="T", help="2h (ago), or 2026-06-12T14:00:00Z")
    retry.add_argument("--endpoint", metavar="ID", help="only this endpoint's")
    retry.set_defaults(run=_retry)

    cancel = verbs.add_parser(
        "cancel", parents=parents, help="no longer send what waits: these, or an endpoint's"
    )
    cancel.add_argument("ids", metavar="ID", nargs="*")
    cancel.add_argument("--endpoint", metavar="ID", help="all that wait for this endpoint")
    cancel.add_argument("--before", metavar="T", help="2h (ago), or 2026-06-12T14:00:00Z")
    cancel.set_defaults(run=_cancel)


def _list(args: argparse.Namespace) -> int:
    limit = output.limit(args.limit)
    state = None if args.state is None else DeliveryState(args.state)
    with opening.opened(args) as store:
        found = deliveries.latest(store.db, limit=limit, state=state, endpoint_id=args.endpoint)
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
                    output.local(d.due_at),
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
        delivery = deliveries.get(store.db, args.id)
        if delivery is None:
            raise NotFound(f"There is no delivery {args.id}. `mmconnect delivery list` shows them")
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


def _retry(args: argparse.Namespace) -> int:
    if bool(args.ids) == bool(args.state):
        raise UsageError(
            "Name deliveries by id, or choose them with --state (and --since, --endpoint)"
        )
    with opening.opened(args, write=True) as store:
        now = store.clock.now()
        if args.ids:
            for delivery_id in args.ids:
                _check(store, delivery_id)
            count = deliveries.retry(store.db, args.ids, now)
        else:
            count = deliveries.retry_matching(
                store.db,
                now,
                state=DeliveryState(args.state),
                endpoint_id=args.endpoint,
                since=None if args.since is None else instant("--since", args.since, now),
            )
    if args.json:
        output.document({"retried": count})
    else:
        print(f"{count} deliveries are sent again, as soon as the service runs.")
    return 0


def _cancel(args: argparse.Namespace) -> int:
    if bool(args.ids) == bool(args.endpoint):
        raise UsageError("Name deliveries by id, or all that wait for an --endpoint (and --before)")
    with opening.opened(args, write=True) as store:
        now = store.clock.now()
        if args.ids:
            for delivery_id in args.ids:
                if deliveries.get(store.db, delivery_id) is None:
                    raise NotFound(f"There is no delivery {delivery_id}")
            count = deliveries.cancel(store.db, args.ids, now)
        else:
            if endpoints.get(store.db, args.endpoint) is None:
                raise NotFound(
                    f"There is no endpoint {args.endpoint}. `mmconnect endpoint list` shows them"
                )
            before = None if args.before is None else instant("--before", args.before, now)
            count = deliveries.cancel_waiting(store.db, args.endpoint, now, before=before)
    if args.json:
        output.document({"cancelled": count})
    else:
        print(f"{count} waiting deliveries were cancelled; they can be sent again.")
    return 0


def _check(store: opening.Store, delivery_id: str) -> None:
    """Refuse what cannot be sent again, with the reason."""
    delivery = deliveries.get(store.db, delivery_id)
    if delivery is None:
        raise NotFound(f"There is no delivery {delivery_id}. `mmconnect delivery list` shows them")
    if delivery.trigger == "test":
        raise Refused(f"{delivery_id} was a test. Make another: mmconnect endpoint test")
    if endpoints.get(store.db, delivery.endpoint_id) is None:
        raise Refused(f"The endpoint of {delivery_id} was removed")
    erasure.refuse_wiped(store.db, delivery.message_id)


def instant(option: str, text: str, now: int) -> int:
    """UTC ms of a time, or of so long ago. Raises UsageError naming the option."""
    try:
        return max(0, now - parse_duration(text) * 1000)
    except ValueError:
        pass
    except OverflowError:
        return 0
    try:
        return round(datetime.fromisoformat(text).astimezone().timestamp() * 1000)
    except (ValueError, OverflowError):
        raise UsageError(f"{option} {text!r}: write 2h, or 2026-06-12T14:00:00Z") from None
