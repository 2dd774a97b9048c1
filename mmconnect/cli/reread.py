"""`message reread`: what was not understood, read again after its phone's settings were mended."""

from __future__ import annotations

import argparse

from mmconnect.cli import open as opening
from mmconnect.cli import output
from mmconnect.desk import rereading
from mmconnect.desk.rereading import Done, Fate
from mmconnect.domain.errors import UsageError
from mmconnect.service.lock import poke
from mmconnect.store.connection import transaction


def run(args: argparse.Namespace) -> int:
    """Read again, oldest first, each in a transaction of its own."""
    if bool(args.ids) == (args.device is not None):
        raise UsageError("Name messages by their ids, or a phone with --device")
    done: list[Done] = []
    with opening.opened(args) as store:
        asked = (
            rereading.these(store.db, args.ids)
            if args.device is None
            else rereading.of_device(store.db, args.device)
        )
        for message_id in asked:
            with transaction(store.db):
                one = rereading.turn(store.db, message_id, store.ids, store.clock.now())
            if one is None:
                continue
            done.append(one)
            if one.deliveries:
                poke(store.directory)
    if args.json:
        output.document([one.as_json() for one in done])
    else:
        for one in done:
            print(f"{one.read.message_id}: {one.sentence}.")
        if not done:
            print("There is nothing that was not understood.")
    still = [one for one in done if one.read.fate is Fate.NOT_UNDERSTOOD]
    return 1 if done and len(still) == len(done) else 0
