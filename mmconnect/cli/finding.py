"""The options by which `message list` finds some of the messages."""

from __future__ import annotations

import argparse

from mmconnect.cli.instants import instant
from mmconnect.cli.open import Store
from mmconnect.domain.errors import UsageError
from mmconnect.store import message_list
from mmconnect.store.message_list import Listed
from mmconnect.store.message_query import MessageQuery, MessageState

_NAMES = ("sender", "text", "state", "device", "since", "until")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `message list`."""
    states = [state.value.replace("_", "-") for state in MessageState]
    parser.add_argument("--from", dest="sender", metavar="N", help="number, part of it, or name")
    parser.add_argument("--text", metavar="T", help="words that are all in the text")
    parser.add_argument("--state", choices=states, help="what became of it")
    parser.add_argument("--device", metavar="ID", help="the phone that it came by")
    parser.add_argument("--since", metavar="T", help="taken since: 2h, or 2026-06-12T14:00Z")
    parser.add_argument("--until", metavar="T", help="taken before then")


def narrowed(args: argparse.Namespace) -> bool:
    """Whether only some messages are asked for."""
    return any(getattr(args, name) is not None for name in _NAMES)


def query(args: argparse.Namespace, now: int) -> MessageQuery:
    """What the options ask for; `now` is UTC ms. Raises UsageError."""
    if args.events and narrowed(args):
        raise UsageError("--events lists what mmconnect told of itself: it goes with --limit alone")
    for option, given in (("--from", args.sender), ("--text", args.text)):
        if given is not None and not given.strip():
            raise UsageError(f"{option} is empty: say what to look for, or leave it out")
    return MessageQuery(
        number=args.sender,
        text=args.text,
        state=None if args.state is None else MessageState(args.state.replace("-", "_")),
        device_id=args.device,
        since=None if args.since is None else instant("--since", args.since, now),
        until=None if args.until is None else instant("--until", args.until, now),
        events=args.events,
    )


def newest(store: Store, wanted: MessageQuery, limit: int) -> list[Listed]:
    """The newest `limit` messages that match, however far back they lie."""
    found: list[Listed] = []
    cursor: str | None = None
    while len(found) < limit:
        page = message_list.find(store.db, wanted, cursor=cursor, limit=limit - len(found))
        found += page.items
        cursor = page.older
        if cursor is None:
            break
    return found
