"""Receivers that misbehave, and what it costs everybody else: nothing.

Each test is one sentence of what was promised, tried on the real process with real receivers. The
bounds are generous, as machines are busy; bench/neighbours.py has the figures.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import pytest

from tests.e2e.test_faults import failing, fill, mounted, root
from tests.support import receiver as acts
from tests.support.fire import IN_FLIGHT, OPEN, PENDING, Fire, by_text, overtaken, under_fire
from tests.support.receiver import Receiver, free_port, receiving
from tests.support.service import PATIENCE, until


@pytest.fixture
def fire(tmp_path: Path, furnished: tuple[Path, str, str, str]) -> Iterator[Fire]:
    """A service with a phone and no endpoint, not started yet."""
    source, token, endpoint_id, _ = furnished
    with under_fire(tmp_path, source, token) as made:
        made.service.cli("endpoint", "remove", endpoint_id, "--yes")
        yield made


def arrive(receiver: Receiver, texts: set[str], within: float = PATIENCE) -> None:
    """All of these have arrived."""
    until(
        lambda: texts <= set(receiver.texts),
        lambda: f"{sorted(texts - set(receiver.texts))} arrive",
        within,
    )


def test_a_text_that_always_gets_500_holds_up_no_other(fire: Fire) -> None:
    with receiving(default=by_text({"poison": acts.answer(500)})) as receiver:
        fire.endpoint("one", receiver.url, "--schedule", "now,1h,1h")
        fire.service.start()
        poison = fire.text("poison")
        others = {f"text {n}" for n in range(60)}
        for n, text in enumerate(sorted(others)):
            fire.text(text, "+15550100" if n % 2 else f"+1666{n:07d}")
        arrive(receiver, others)  # long before the poison's first retry is due
        assert receiver.texts.count("poison") == 1
        fire.service.due()
        until(lambda: receiver.texts.count("poison") == 2, "it is tried again when it is due")
        until(lambda: fire.posts(poison) == 2, "which is recorded")
        time.sleep(1.0)
        assert receiver.texts.count("poison") == 2
        assert fire.state("one")["state"] == "active"
        assert fire.service.count(OPEN) == 1


def test_a_failing_text_is_posted_as_often_as_its_schedule_says(fire: Fire) -> None:
    """And not once more, however many others come and go meanwhile."""
    with receiving(default=by_text({"poison": acts.answer(500)})) as receiver:
        fire.endpoint("one", receiver.url, "--schedule", "now,1s,1s")
        fire.service.start()
        poison = fire.text("poison")
        for n in range(40):
            fire.text(f"text {n}", f"+1666{n:07d}")
            time.sleep(0.1)
        failed = "SELECT count(*) FROM deliveries WHERE state = 'failed'"
        until(lambda: fire.service.count(failed) == 1, "it has failed")
        assert fire.posts(poison) == receiver.texts.count("poison") == 3
        assert len(receiver.arrivals) == 43


def test_answers_that_cannot_be_read_are_recorded_and_never_sent_again(fire: Fire) -> None:
    """A receiver's answer is its own business: 2xx is 2xx, whatever bytes come with it."""
    odd = [
        acts.answer(200, b"\xff\xfe\x00\x80" * 100, {"Content-Type": "text/html; charset=latin-9"}),
        acts.answer(200, b"x" * 2**20),
        acts.answer(204),
        acts.gzip_bomb(),
        acts.answer(200, b"{" * 5000, {"Content-Type": "\xe4\xff"}),
    ]
    with receiving(*odd) as receiver:
        fire.endpoint("one", receiver.url)
        fire.service.start()
        ids = []
        for n in range(len(odd)):
            ids.append(fire.text(f"text {n}"))
            fire.settled()
        time.sleep(1)
        assert receiver.texts == [f"text {n}" for n in range(len(odd))]
        for name in ids:
            (delivery,) = fire.service.cli("message", "show", name)["deliveries"]
            assert delivery["state"] == "delivered"
            assert fire.posts(name) == 1
        assert "Traceback" not in fire.service.log_text()


@pytest.mark.parametrize("how", ["kill -9", "stop"])
def test_what_an_endpoint_did_is_remembered_across_a_restart(fire: Fire, how: str) -> None:
    """Five different texts refused in a row hold it: four before the restart, one after."""
    with receiving(default=acts.answer(404)) as receiver:
        fire.endpoint("one", receiver.url, "--schedule", "now,1h")
        fire.service.start()
        ids = [fire.text(f"text {n}") for n in range(4)]
        until(lambda: all(fire.posts(name) == 1 for name in ids), "four refusals are recorded")
        assert fire.state("one")["state"] == "active"
        if how == "stop":
            assert fire.service.stop() == 0
        else:
            fire.service.kill()
        fire.service.start()
        fire.text("the fifth", "+16660000")
        until(lambda: fire.state("one")["state"] == "held", "the endpoint is held", every=0.2)
        assert "404" in str(fire.state("one"))


def test_a_held_endpoint_is_held_after_a_restart_and_its_probe_ends_that(fire: Fire) -> None:
    port = free_port()
    fire.endpoint("one", f"http://127.0.0.1:{port}/hook")
    fire.service.start()
    fire.text("no 0")
    fire.text("no 1", "+16660000")
    until(lambda: fire.state("one")["state"] == "held", "it is held", every=0.2)
    fire.service.kill()
    fire.service.start()
    assert fire.state("one")["state"] == "held"
    waiting = {f"no {n}" for n in range(2, 22)}
    for n, text in enumerate(sorted(waiting)):
        fire.text(text, f"+1777{n:07d}")
    with receiving(port=port) as receiver:
        arrive(receiver, waiting | {"no 0", "no 1"})
        fire.settled()
        assert max(Counter(receiver.texts).values()) == 1
        assert fire.state("one")["state"] == "active"


@root
def test_a_disk_that_fills_up_in_the_middle_of_a_drain(
    tmp_path: Path, furnished: tuple[Path, str, str, str]
) -> None:
    """Nothing is sent that could not be recorded; what was in flight is recorded later."""
    source, token, endpoint_id, _ = furnished
    slowly = acts.after(0.05, acts.answer(200, b"x" * 4000))  # which is kept: no log has the room
    full = acts.Gate(slowly)

    async def act(exchange: acts.Exchange) -> None:
        """Most of it is still to come when the disk is full."""
        await (slowly if len(receiver.arrivals) <= 300 else full)(exchange)

    with (
        mounted(tmp_path / "disk", "48m") as disk,
        under_fire(disk, source, token) as fire,
        receiving(default=act) as receiver,
    ):
        fire.service._notes = tmp_path  # not on the full disk
        fire.service.cli("endpoint", "remove", endpoint_id, "--yes")
        one = fire.endpoint("one", receiver.url, "--concurrency", "16")
        fire.service.cli("endpoint", "pause", one)
        fire.service.start()
        fire.texts(1000, senders=100)
        assert fire.service.count(PENDING) == 1000
        fire.service.cli("endpoint", "resume", one)
        until(lambda: len(receiver.arrivals) >= 200, "the drain is under way")
        fill(disk / "ballast")
        full.open()
        until(lambda: "database" in fire.service.readyz()[1], "no commit succeeds", every=0.05)
        until(lambda: not _moving(receiver), "nothing more is sent", every=0.1)
        under_way = fire.service.count(IN_FLIGHT)
        (disk / "ballast").unlink()
        fire.settled(60)
        times = Counter(one.id for one in receiver.arrivals)
        assert len(times) == 1000
        assert sum(times.values()) - 1000 <= under_way
        assert max(times.values()) <= 2
        recorded = "SELECT count(*) FROM attempts WHERE outcome = 'delivered'"
        assert fire.service.count(recorded) == 1000
        firsts = list(dict.fromkeys((a.json["from"], a.text) for a in receiver.arrivals))
        assert overtaken(firsts) == []
        assert fire.service.stop() == 0


def test_a_dozen_database_errors_in_a_row_leave_the_loop_alive(fire: Fire) -> None:
    """What was due meanwhile needs the loop: nothing else would send it."""
    with receiving(acts.answer(500)) as receiver:
        fire.endpoint("one", receiver.url, "--schedule", "now,1h")
        fire.service.start()
        again = fire.text("again")
        until(lambda: fire.posts(again) == 1, "its failure is recorded")
        told = "Deliveries wait, as the database cannot commit"
        with failing(fire, "EIO"):
            fire.service.due()
            until(lambda: fire.service.log_text().count(told) >= 12, "a dozen errors", 60, 0.1)
            assert receiver.texts == ["again"]
        until(lambda: receiver.texts == ["again", "again"], "what was due is sent")
        fire.text("and the next", "+16660000")
        arrive(receiver, {"and the next"})
        fire.settled()
        until(lambda: fire.service.readyz() == (200, {}), lambda: str(fire.service.readyz()))


def _moving(receiver: Receiver) -> bool:
    """Whether anything arrives within a second."""
    before = len(receiver.arrivals)
    time.sleep(1.0)
    return len(receiver.arrivals) > before


def _everywhere(receivers: list[Receiver], count: int) -> bool:
    """Whether each has got that many."""
    return all(len(receiver.arrivals) >= count for receiver in receivers)


def test_seventeen_bad_neighbours_cost_three_good_ones_nothing(fire: Fire) -> None:
    """5 hang, 5 answer 500, 3 drip, 2 redirect, 1 answers 410, 1 sends 100 MB."""
    moved = acts.answer(302, b"", {"Location": "http://127.0.0.1:9/"})
    bad: list[acts.Act] = [acts.hang] * 5 + [acts.answer(500)] * 5 + [acts.drip()] * 3
    bad += [moved] * 2 + [acts.answer(410), acts.flood(100 * 2**20)]
    with ExitStack() as stack:
        for n, act in enumerate(bad):
            neighbour = stack.enter_context(receiving(default=act))
            fire.endpoint(f"bad {n}", neighbour.url)
        good = [stack.enter_context(receiving()) for _ in range(3)]
        for n, receiver in enumerate(good):
            fire.endpoint(f"good {n}", receiver.url)
        fire.service.start()
        late: list[float] = []
        for n in range(40):
            begun = time.monotonic()
            fire.text(f"text {n}", f"+1666{n % 10:07d}")
            until(lambda: _everywhere(good, n + 1), f"text {n} arrives")  # noqa: B023
            late.append(time.monotonic() - begun)
        assert median(late) < 0.5
        assert sorted(late)[-4] < 5.0, "but for those for which the machine stood still"
        assert all(len(receiver.arrivals) == 40 for receiver in good)
        assert fire.state("good 0")["state"] == "active"
        assert fire.service.stop() == 0
