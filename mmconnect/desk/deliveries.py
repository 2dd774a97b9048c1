"""What an owner does with deliveries, whoever asks: sending again, one or many, and giving up.

What is named by id is due at once. What is found by a filter is counted and written down as one
order, which the service works through at a rate that leaves room for new texts. Functions that take
`db` are to be called inside a write; those that take `read` or `write` go in short steps, so that
texts come between, however many rows there are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from mmconnect.desk.actor import Actor
from mmconnect.desk.transactions import Pause, Reader, Writer
from mmconnect.domain.clock import Clock, iso
from mmconnect.domain.errors import NotFound, Refused
from mmconnect.domain.ids import REPLAY, Ids
from mmconnect.domain.models import Delivery, DeliveryState, Trigger
from mmconnect.store import deliveries, delivery_counts, endpoints, replays
from mmconnect.store.delivery_counts import Count
from mmconnect.store.delivery_lists import Wanted
from mmconnect.store.replays import Replay

REPEATABLE = tuple(s for s in DeliveryState if s is not DeliveryState.IN_FLIGHT)
"""Deliveries in these states can be sent again."""
CHUNK = 1000
"""Deliveries that one write cancels: some milliseconds, so that a phone never waits long."""
FOUND_AT_ONCE = 50_000
"""Ids that are held in memory."""
MOST_COUNTED = 100_000
"""How far a count goes that is only to be looked at; beyond, "more than" is said."""
STEPS = 3
"""Looks at the history that such a count takes at the most, some ten milliseconds each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """What came of sending again."""

    count: int
    """How many are sent again."""
    flying: int = 0
    """How many are in flight just now, and were left alone."""
    refused: tuple[str, ...] = ()
    """Why others are not, a sentence each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """What came of cancelling."""

    count: int
    flying: int = 0
    """How many are in flight just now, and may yet arrive."""


def found(db: sqlite3.Connection, delivery_id: str) -> Delivery:
    """One delivery. Raises NotFound."""
    delivery = deliveries.get(db, delivery_id)
    if delivery is None:
        raise NotFound(f"There is no delivery {delivery_id}")
    return delivery


def why_not(db: sqlite3.Connection, delivery: Delivery) -> str | None:
    """Why it cannot be sent again, in a sentence; None when it can."""
    if delivery.trigger is Trigger.TEST:
        return f"{delivery.id} was a test, and tests are never repeated"
    if endpoints.get(db, delivery.endpoint_id) is None:
        return f"The endpoint of {delivery.id} was removed"
    wiped_at = deliveries.wiped_at(db, delivery.id)
    if wiped_at is not None:
        return f"The text of {delivery.id} was wiped at {iso(wiped_at)}: there is nothing to send"
    return None


def retry(db: sqlite3.Connection, ids: Sequence[str], *, now: int, by: Actor) -> Retried:
    """Send these again at once, all or none. Raises NotFound and Refused."""
    for delivery_id in ids:
        refusal = why_not(db, found(db, delivery_id))
        if refusal is not None:
            raise Refused(refusal)
    return _retry(db, ids, now, by)


def retry_those_that_can(
    db: sqlite3.Connection, ids: Sequence[str], *, now: int, by: Actor
) -> Retried:
    """Send again what can be, and say why the rest is not. What is gone is passed over."""
    can, refused = [], []
    for delivery_id in dict.fromkeys(ids):
        delivery = deliveries.get(db, delivery_id)
        if delivery is None:
            continue
        refusal = why_not(db, delivery)
        if refusal is None:
            can.append(delivery_id)
        else:
            refused.append(refusal)
    done = _retry(db, can, now, by)
    return Retried(count=done.count, flying=done.flying, refused=tuple(refused))


def _retry(db: sqlite3.Connection, ids: Sequence[str], now: int, by: Actor) -> Retried:
    ids = list(dict.fromkeys(ids))
    if not ids:
        return Retried(count=0)
    count = deliveries.retry(db, ids, now)
    if len(ids) == 1:
        by.note(db, now, "delivery.retried", ids[0], "")
    else:
        by.note(db, now, "delivery.retried", None, f"{count} deliveries")
    return Retried(count=count, flying=len(ids) - count)


async def count(read: Reader, wanted: Wanted) -> Count:
    """How many match, as far as a look that is bounded tells; see Count.end.

    Those whose text was wiped are among them: a replay passes over them, and says how many.
    """
    return await _count(read, wanted, STEPS, MOST_COUNTED)


async def count_all(read: Reader, wanted: Wanted) -> Count:
    """How many match, exactly, in as many looks as that takes."""
    return await _count(read, wanted, None, None)


async def _count(read: Reader, wanted: Wanted, steps: int | None, most: int | None) -> Count:
    so_far, made = delivery_counts.NOTHING, 0
    while not so_far.end and made != steps and not (most and so_far.total > most):
        step = partial(
            delivery_counts.step, wanted=wanted, so_far=so_far, most=MOST_COUNTED, wiped=False
        )
        so_far, made = await read(step), made + 1
    return so_far


def order(
    db: sqlite3.Connection, wanted: Wanted, counted: Count, *, ids: Ids, now: int, by: Actor
) -> Replay:
    """Order that what was `counted` is sent again; see Replay for how far it has come.

    Raises Refused when there is nothing to send.
    """
    if not counted.there:
        raise Refused("Nothing that matches can be sent again")
    replay = Replay(
        id=ids.new(REPLAY),
        created_at=now,
        filter=wanted,
        cursor=counted.first[:-1],  # sorts before it, and nothing that matches lies between
        last=counted.last,
        total=counted.total,
    )
    replays.add(db, replay)
    by.note(db, now, "replay.ordered", replay.id, f"{counted.there} deliveries")
    return replay


def stop(db: sqlite3.Connection, replay_id: str, *, now: int, by: Actor) -> Replay:
    """Offer no more of a replay; as it is then, which may be finished. Raises NotFound."""
    if replays.get(db, replay_id) is None:
        raise NotFound(f"There is no replay {replay_id}")
    if replays.cancel(db, replay_id, now):
        by.note(db, now, "replay.cancelled", replay_id, "")
    after = replays.get(db, replay_id)
    assert after is not None  # noqa: S101 (it was there some lines above)
    return after


async def cancel(
    write: Writer,
    ids: Sequence[str],
    *,
    clock: Clock,
    by: Actor,
    between: Pause | None = None,
) -> Cancelled:
    """Cancel those of these that wait. Raises NotFound, and then nothing is cancelled."""
    ids = list(dict.fromkeys(ids))

    def known(db: sqlite3.Connection) -> None:
        for delivery_id in ids:
            found(db, delivery_id)

    await write(known)
    count = await _cancel(write, ids, clock, between)

    def flying(db: sqlite3.Connection) -> int:
        if count:
            one = ids[0] if len(ids) == 1 else None
            by.note(db, clock.now(), "delivery.cancelled", one, "" if one else f"{count} waited")
        left = [deliveries.get(db, delivery_id) for delivery_id in ids]
        return sum(d is not None and d.state is DeliveryState.IN_FLIGHT for d in left)

    return Cancelled(count=count, flying=await write(flying))


async def cancel_waiting(
    write: Writer,
    endpoint_id: str,
    *,
    before: int | None = None,
    clock: Clock,
    by: Actor,
    between: Pause | None = None,
) -> Cancelled:
    """Cancel what waits for an endpoint, or what of it was made `before` (UTC ms)."""
    count = 0

    def some(db: sqlite3.Connection) -> list[str]:
        return deliveries.waiting(db, endpoint_id, before=before, limit=FOUND_AT_ONCE)

    while ids := await write(some):
        cancelled = await _cancel(write, ids, clock, between)
        count += cancelled
        if not cancelled:  # all of them took off meanwhile
            break
    if count:
        now = clock.now()
        what = f"{count} that waited for it"
        await write(lambda db: by.note(db, now, "delivery.cancelled", endpoint_id, what))
    return Cancelled(count=count)


async def _cancel(write: Writer, ids: Sequence[str], clock: Clock, between: Pause | None) -> int:
    count = 0
    for start in range(0, len(ids), CHUNK):
        if start and between is not None:
            await between()
        chunk, now = ids[start : start + CHUNK], clock.now()
        count += await write(partial(deliveries.cancel, delivery_ids=chunk, now=now))
    return count
