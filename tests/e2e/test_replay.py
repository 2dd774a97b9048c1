"""A replay of 2,000 deliveries that is killed on its way: each is sent again once."""

from __future__ import annotations

import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from mmconnect.store import messages, settings
from mmconnect.store.connection import FILE, connect, transaction
from tests.store import making
from tests.support.receiver import Receiver, receiving
from tests.support.service import Service, until

COUNT = 2000
SLOW, QUICK = 100, 1000
"""Deliveries a second: until the last kill so few that however long the machine stands still, it
comes in the middle; then the rest."""
STEP = 90
"""Deliveries between two kills."""


def furnish(service: Service, endpoint_id: str) -> dict[str, str]:
    """Deliveries that have failed for good; their messages' ids, by delivery."""
    made: dict[str, str] = {}
    db = connect(service.directory / FILE)
    with transaction(db):
        for n in range(COUNT):
            text = making.message(None, f"text {n}", device_name=None, sender=f"+1555{n:07d}")
            its = making.delivery(text, endpoint_id)
            messages.take(db, making.new_message(text, [its]))
            made[its.id] = text.id
        db.execute("UPDATE deliveries SET state = 'failed', due_at = NULL, attempts = 10")
        settings.put(db, "replay_rate", str(SLOW))
    db.close()
    return made


def posts(there: Receiver) -> Counter[str]:
    """How often each delivery came."""
    return Counter(one.header("X-MMConnect-Delivery") or "" for one in list(there.arrivals))


def _came(there: Receiver, count: int) -> bool:
    return len(posts(there)) >= count


@pytest.mark.parametrize("kills", [1, 3])
def test_killed_in_the_middle_each_is_sent_again_once(tmp_path: Path, kills: int):
    service = Service(tmp_path / "data")
    with receiving() as there:
        endpoint_id = service.cli("endpoint", "add", there.url)["id"]
        made = furnish(service, endpoint_id)
        told = service.cli("delivery", "retry", "--state", "failed")
        assert told["matching"] == COUNT
        allowed: Counter[str] = Counter(dict.fromkeys(made, 1))
        try:
            for number in range(1, kills + 1):
                service.start()
                goal = STEP * number
                until(partial(_came, there, goal), "it is on its way")
                service.kill()
                with service.autopsy(tmp_path / "autopsy") as db:
                    flying = db.execute("SELECT id FROM deliveries WHERE state = 'in_flight'")
                    allowed.update(row[0] for row in flying.fetchall())
                    (left,) = db.execute(
                        "SELECT count(*) FROM deliveries WHERE state = 'failed'"
                    ).fetchone()
                    assert 0 < left < COUNT
            service.cli("settings", "set", "replay_rate", str(QUICK))
            service.start()
            until(lambda: len(posts(there)) == COUNT, "all are sent again")
            undelivered = "SELECT count(*) FROM deliveries WHERE state <> 'delivered'"
            until(lambda: not service.count(undelivered), "every result is recorded")
            until(
                lambda: service.cli("delivery", "replays")[0]["state"] == "finished", "it says so"
            )
            time.sleep(1.5)  # nothing comes after
            found = posts(there)
        finally:
            service.kill()
        assert set(found) == set(made)
        wrong = {one: count for one, count in found.items() if count > allowed[one]}
        assert not wrong
        assert {one.header("webhook-id") for one in there.arrivals} == set(made.values())
        (replay,) = service.cli("delivery", "replays")
        assert (replay["done"], replay["skipped"], replay["total"]) == (COUNT, 0, COUNT)
        doubled = sum(count - 1 for count in found.values())
        print(f"{COUNT} replayed, {kills} kills, {doubled} came twice")
