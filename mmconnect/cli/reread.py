"""`message reread`: what was not understood, read again after its phone's settings were mended."""

from __future__ import annotations

import argparse

from mmconnect.cli import open as opening
from mmconnect.cli import output
from mmconnect.domain.errors import NotFound, UsageError
from mmconnect.phones.reread import Fate, Reread, reread
from mmconnect.service.lock import poke
from mmconnect.store import configuration, deliveries, devices, messages, rereads, sends
from mmconnect.store.connection import transaction


def run(args: argparse.Namespace) -> int:
    """Read again, oldest first, each in a transaction of its own."""
    if bool(args.ids) == (args.device is not None):
        raise UsageError("Name messages by their ids, or a phone with --device")
    done: list[tuple[Reread, int]] = []
    with opening.opened(args) as store:
        for message_id in _asked(store, args):
            with transaction(store.db):
                found = messages.get(store.db, message_id)
                if found is None:  # deleted this very moment
                    continue
                now = configuration.load(store.db)
                one = reread(store.db, found, now, store.ids, store.clock.now())
                made = sum(deliveries.count_of(store.db, new) for new in one.message_ids)
            done.append((one, made))
            if made:
                poke(store.directory)
    if args.json:
        output.document([_facts(one, made) for one, made in done])
    else:
        for one, made in done:
            print(f"{one.message_id}: {_sentence(one, made)}.")
        if not done:
            print("There is nothing that was not understood.")
    still = [one for one, _ in done if one.fate is Fate.NOT_UNDERSTOOD]
    return 1 if done and len(still) == len(done) else 0


def _asked(store: opening.Store, args: argparse.Namespace) -> list[str]:
    if args.device is not None:
        if devices.get(store.db, args.device) is None and not any(
            device.id == args.device for device in devices.known(store.db, removed=True)
        ):
            raise NotFound(f"There is no device {args.device}. `mmconnect device list` shows them")
        return rereads.unrecognised(store.db, args.device)
    ids = sorted(set(args.ids))
    if missing := sends.unknown(store.db, ids):
        raise NotFound(
            f"There is no message {', '.join(missing[:3])}{' …' if missing[3:] else ''}."
            " `mmconnect message list` shows them"
        )
    return ids


def _facts(one: Reread, made: int) -> dict[str, object]:
    return {
        "id": one.message_id,
        "state": one.fate.value,
        "messageIds": list(one.message_ids),
        "duplicateOf": one.duplicate_of,
        "deliveries": made,
        "reason": one.reason,
    }


def _sentence(one: Reread, made: int) -> str:
    match one.fate:
        case Fate.UNDERSTOOD:
            several = len(one.message_ids) > 1 or one.message_ids[:1] != (one.message_id,)
            became = f" as {', '.join(one.message_ids)}" if several else ""
            goes = output.many(made, "delivery", "deliveries") if made else "sent to nobody"
            return f"understood{became}, {one.reason or goes}"
        case Fate.DUPLICATE:
            return f"the same text as {one.duplicate_of}, so nothing is sent"
        case Fate.EVENT:
            return f"no text, but news of the phone ({one.reason}), and now kept as such"
        case Fate.NOT_UNDERSTOOD:
            return f"still not understood: {one.reason}"
        case Fate.NOTHING_TO_READ:
            return "nothing to read: it was understood, or its text was wiped"
