"""`mmconnect delivery retry|replays`: sending again, one delivery or all that match.

What is named by id is due at once. What is found by a filter is counted and written down as one
order, which the service works through at a rate that leaves room for new texts.
"""

from __future__ import annotations

import argparse
import sys

from mmconnect.cli import open as opening
from mmconnect.cli import output
from mmconnect.cli.instants import instant
from mmconnect.desk import actor, shown
from mmconnect.desk import deliveries as desk
from mmconnect.domain.errors import NotFound, Refused, UsageError
from mmconnect.domain.models import Delivery, DeliveryState
from mmconnect.service.lock import poke, running
from mmconnect.store import delivery_counts, preferences, replays
from mmconnect.store.connection import transaction
from mmconnect.store.delivery_lists import Wanted
from mmconnect.store.replays import ReplayState


def add_verbs(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser],
    parents: list[argparse.ArgumentParser],
) -> None:
    """Add the verbs to the delivery family."""
    states = [state.value for state in desk.REPEATABLE]
    retry = verbs.add_parser(
        "retry", parents=parents, help="send again: these, or all that match --state and --since"
    )
    retry.add_argument("ids", metavar="ID", nargs="*")
    retry.add_argument("--state", choices=states, help="all of these")
    retry.add_argument("--since", metavar="T", help="2h (ago), or 2026-06-12T14:00:00Z")
    retry.add_argument("--until", metavar="T", help="only those made before then")
    retry.add_argument("--endpoint", metavar="ID", help="only this endpoint's")
    retry.add_argument("--dry-run", action="store_true", help="count them, and change nothing")
    retry.set_defaults(run=_retry)

    listed = verbs.add_parser(
        "replays", parents=parents, help="how far sending many again has come, or cancel it"
    )
    listed.add_argument("word", metavar="cancel", nargs="?", choices=["cancel"])
    listed.add_argument("id", metavar="RPL", nargs="?")
    listed.set_defaults(run=_replays)


def _retry(args: argparse.Namespace) -> int:
    if bool(args.ids) == bool(args.state):
        raise UsageError(
            "Name deliveries by id, or choose them with --state (and --since, --until, --endpoint)"
        )
    if args.state:
        return _matching(args)
    if args.since or args.until or args.endpoint or args.dry_run:
        raise UsageError("--since, --until, --endpoint and --dry-run go with --state, not with ids")
    ids = list(dict.fromkeys(args.ids))
    with opening.opened(args, write=True) as store:
        for delivery_id in ids:
            named(store, delivery_id)
        done = desk.retry(store.db, ids, now=store.clock.now(), by=actor.CLI)
    count = done.count
    sent = f"{output.many(count, 'delivery is', 'deliveries are')} sent again"
    if args.json:
        output.document({"retried": count, "matching": len(ids), "wiped": 0, "replay": None})
    elif done.flying:
        flying = output.many(done.flying, "is", "are")
        print(f"{sent}; {flying} in flight just now.")
    else:
        print(f"{sent}, as soon as the service runs.")
    return 0


def _matching(args: argparse.Namespace) -> int:
    with opening.opened(args) as store:
        now = store.clock.now()
        if args.endpoint is not None:
            opening.endpoint(store, args.endpoint)
        wanted = Wanted(
            states=frozenset({DeliveryState(args.state)}),
            endpoint_id=args.endpoint,
            since=None if args.since is None else instant("--since", args.since, now),
            until=None if args.until is None else instant("--until", args.until, now),
        )
        counted = delivery_counts.exact(store.db, wanted)
        total, wiped, there = counted.total, counted.wiped, counted.there
        but = f", of which {wiped} cannot be sent, as their texts were wiped" if wiped else ""
        matching = f"{output.many(total, 'delivery matches', 'deliveries match')}{but}"
        if args.dry_run or not total:
            return _told(args, total, wiped, None, f"{matching}; nothing was changed.")
        if not there:
            raise Refused(f"{matching}: there is nothing to send")
        if sys.stdin.isatty() and not args.json:
            question = f"{matching}. Send {there} again?"
            if not opening.confirm(question, yes=False):
                raise Refused("Nothing was changed")
        with transaction(store.db):
            replay = desk.order(
                store.db, wanted, counted, ids=store.ids, now=store.clock.now(), by=actor.CLI
            )
        poke(store.directory)
        rate = preferences.load(store.db).replay_rate
        if running(store.directory) is None:
            when = "as soon as the service runs, which it does not"
        else:
            when = f"{rate} a second at the most"
    see = f"{output.command(args)} delivery replays"
    sent = output.many(there, "delivery is", "deliveries are")
    told = f"{sent} sent again, {when}. See: {see}"
    if wiped:
        told += f"\n{wiped} more match, but their texts were wiped."
    return _told(args, total, wiped, replay.id, told)


def _told(
    args: argparse.Namespace, total: int, wiped: int, replay_id: str | None, sentence: str
) -> int:
    if args.json:
        retried = 0 if replay_id is None else total - wiped
        output.document(
            {"retried": retried, "matching": total, "wiped": wiped, "replay": replay_id}
        )
    else:
        print(sentence)
    return 0


def _replays(args: argparse.Namespace) -> int:
    if args.word is not None:
        return _cancel(args)
    with opening.opened(args) as store:
        found = replays.latest(store.db, 50)
        up = running(store.directory) is not None
    if args.json:
        output.document([shown.replay(one) for one in found])
        return 0
    output.table(
        ("ID", "STATE", "DONE", "SKIPPED", "OF", "ORDERED"),
        [
            (r.id, r.state.value, r.done, r.skipped, r.total, output.local(r.created_at))
            for r in found
        ],
        "Nothing was sent again in bulk yet.",
    )
    if not up and any(r.state is ReplayState.RUNNING for r in found):
        print("\nThe service does not run; they go on when it does.")
    return 0


def _cancel(args: argparse.Namespace) -> int:
    if args.id is None:
        raise UsageError("Name the replay to cancel: `mmconnect delivery replays` shows them")
    with opening.opened(args, write=True) as store:
        try:
            after = desk.stop(store.db, args.id, now=store.clock.now(), by=actor.CLI)
        except NotFound as error:
            raise NotFound(f"{error}. `mmconnect delivery replays` shows them") from error
    if args.json:
        output.document([shown.replay(after)])
    elif after.state is ReplayState.CANCELLED:
        print(f"{after.id} offers no more; {after.done} of {after.total} were offered before.")
    else:
        print(f"{after.id} was finished already: {after.done} of {after.total} were offered.")
    return 0


def named(store: opening.Store, delivery_id: str) -> Delivery:
    """A delivery that a command names. Raises NotFound."""
    try:
        return desk.found(store.db, delivery_id)
    except NotFound as error:
        raise NotFound(f"{error}. `mmconnect delivery list` shows them") from error
