"""What a phone pushed that was not understood: each with its reason, and all read again."""

from __future__ import annotations

import sqlite3
from collections import Counter
from functools import partial

from aiohttp import web

from mmconnect.admin.context import desk, see
from mmconnect.admin.flash import say
from mmconnect.admin.pages.phones import words
from mmconnect.admin.words import many
from mmconnect.desk import rereading
from mmconnect.desk.rereading import Fate
from mmconnect.store import device_watch, messages, rereads
from mmconnect.store.messages import StoredMessage

SHOWN = 20
"""Pushes that the page shows, the newest."""
AT_ONCE = 2000
"""Pushes that are read again by one press: each is a transaction of its own."""


async def _show(request: web.Request) -> web.Response:
    device, at = words.found(request), desk(request)

    def look(db: sqlite3.Connection) -> tuple[int, list[StoredMessage]]:
        newest = (messages.get(db, one) for one in rereads.newest(db, device.id, SHOWN))
        total = device_watch.unrecognised(db).get(device.id, 0)
        return total, [one for one in newest if one is not None]

    total, newest = await at.database.read(look)
    return words.shown(
        request,
        "unread",
        device,
        total=total,
        rows=[
            {
                "id": one.message.id,
                "when": one.message.received_at,
                "why": one.note,
                "raw": (one.raw or b"")[:4000].decode("utf-8", "replace"),
                "headers": one.raw_headers,
            }
            for one in newest
        ],
    )


async def _reread(request: web.Request) -> web.StreamResponse:
    device, at = words.found(request), desk(request)
    asked = await at.database.read(lambda db: rereading.of_device(db, device.id, AT_ONCE + 1))
    fates: Counter[Fate] = Counter()
    for message_id in asked[:AT_ONCE]:
        again = partial(rereading.turn, message_id=message_id, ids=at.ids, now=at.clock.now())
        done = await at.database.write(again, heavy=True)
        if done is not None:
            fates[done.read.fate] += 1
            if done.deliveries:
                at.wake()
    good = fates[Fate.UNDERSTOOD]
    told = f"{many(good, 'text was', 'texts were')} understood"
    await at.change(lambda db: words.note(request, db, "device.reread", device, told))
    more = [
        (Fate.DUPLICATE, "had come again meanwhile"),
        (Fate.EVENT, "was news of the phone"),
        (Fate.NOT_UNDERSTOOD, "still not understood"),
    ]
    told = ", ".join([told, *(f"{fates[fate]} {what}" for fate, what in more if fates[fate])])
    left = fates[Fate.NOT_UNDERSTOOD] or len(asked) > AT_ONCE
    there = see(request, words.path(device, *(["unread"] if left else [])))
    return say(request, there, f"{told}.", kind="good" if good or not left else "warn")


ROUTES = (
    web.get("/phones/{id}/unread", _show),
    web.post("/phones/{id}/unread", _reread),
)
