"""Order and waits of the one that delivers, in a time of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mmconnect.cli.push import drain as draining
from mmconnect.cli.push import hand
from mmconnect.cli.push.drain import Drain
from mmconnect.cli.push.origin import NoTarget, Origin, Target, parse
from mmconnect.cli.push.post import Result, What
from mmconnect.cli.push.spool import LOG_SIZE, Entry, Sms, Spool
from mmconnect.domain.clock import SystemClock
from tests.support.inprocess import FakeClock

A, B = Origin(url="http://a/", token="t"), Origin(url="http://b/", token="t")
AWAY = Result(what=What.AWAY, reason="no answer")


class World:
    """Targets that answer as they are told, and a clock that sleeping moves."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = FakeClock()
        self.spool = Spool(path, self.clock)
        self.spool.prepare()
        self.answers: dict[str, Result] = {}
        self.took: dict[str, float] = {}
        self.asked: list[tuple[str, str]] = []
        self.at: list[float] = []
        world = self

        class Fake:
            def __init__(self, target: Target) -> None:
                self.target = target

            def push(self, sms: Sms, timeout: float) -> Result:
                world.asked.append((self.target.host, sms.text))
                world.at.append(world.clock.monotonic())
                world.clock.advance(world.took.get(self.target.host, 0.0))
                fallback = world.answers.get(self.target.host, Result(what=What.DELIVERED))
                return world.answers.get(sms.text, fallback)

            def close(self) -> None:
                """There is nothing to close."""

        monkeypatch.setattr(draining, "Line", Fake)
        self.slept = 0.0
        self.drain = Drain(self.spool, self.clock, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def add(self, text: str, origin: Origin = A) -> str:
        sms = Sms(id=text, sender="+1", text=text, time=1)
        return self.spool.add(Entry(sms=sms, origin=origin))

    def run(self, seconds: float) -> None:
        self.drain.run(self.clock.monotonic() + seconds)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path / "spool", monkeypatch)


def test_oldest_first_also_when_the_clock_goes_back(world: World) -> None:
    world.add("one")
    world.clock.advance(-86_400)
    world.add("two")
    world.add("three")
    world.run(10)
    assert [text for _, text in world.asked] == ["one", "two", "three"]
    assert world.spool.names() == []


def test_while_one_target_is_away_its_texts_wait_in_order_and_others_go(world: World) -> None:
    world.answers["a"], world.took["b"] = AWAY, 2.0
    for number in range(4):
        world.add(f"a{number}", A)
        world.add(f"b{number}", B)
    world.run(9)
    assert [text for host, text in world.asked if host == "b"] == ["b0", "b1", "b2", "b3"]
    assert {text for host, text in world.asked if host == "a"} == {"a0"}, "never a later one first"
    del world.answers["a"]
    world.run(100)
    assert [text for host, text in world.asked if host == "a"][-4:] == ["a0", "a1", "a2", "a3"]


def test_the_waits_double_to_a_minute_and_stay_there_for_weeks(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining, "_TICK", 60.0)  # nobody pokes: nobody need look each second
    world.answers["a"] = AWAY
    world.add("one")

    def gaps() -> list[float]:
        return [later - earlier for earlier, later in zip(world.at, world.at[1:], strict=False)]

    world.run(86_400)
    assert gaps()[:8] == pytest.approx([1, 1, 2, 4, 8, 16, 32, 60], abs=1e-3)
    assert gaps()[8:] == pytest.approx([60] * (len(gaps()) - 8), abs=1e-3)
    assert len(gaps()) > 1400
    world.clock.advance(20 * 86_400)  # the machine sleeps, and nobody is there after it either
    world.at.clear()
    world.run(86_400)
    assert gaps() == pytest.approx([60] * len(gaps()), abs=1e-3)
    assert len(gaps()) > 1400
    assert len(world.spool.names()) == 1
    assert world.spool.logged.read_text().count("\n") == 1, "told once"


def test_it_waits_as_long_as_it_was_asked_to(world: World) -> None:
    world.answers["a"] = Result(what=What.AWAY, reason="503", retry_after=300)
    world.add("one")
    world.run(400)
    assert world.at[1] - world.at[0] == pytest.approx(300)


def test_a_text_that_is_refused_itself_stands_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining, "_TICK", 60.0)
    world.answers["large"] = Result(what=What.UNFIT, reason="413")
    world.add("large")
    world.add("small")
    world.run(7 * 86_400)
    texts = [text for _, text in world.asked]
    assert texts[:2] == ["large", "small"]
    assert 150 < texts.count("large") < 200, "every hour in the end"
    assert len(world.spool.names()) == 1


def test_a_poke_ends_the_wait(world: World) -> None:
    world.answers["a"] = AWAY
    world.add("one")

    def sleep(seconds: float) -> None:
        world.clock.advance(seconds)
        if world.clock.monotonic() > 1100 and "a" in world.answers:
            del world.answers["a"]
            world.add("two")
            world.spool.poke()

    world.sleep = sleep  # type: ignore[method-assign]
    world.drain = Drain(world.spool, world.clock, sleep)
    world.run(3600)
    assert world.spool.names() == []
    assert world.at[-1] < 1103


def test_pokes_make_no_wait_longer(world: World) -> None:
    world.answers["a"] = AWAY
    world.add("one")
    slept = [0]

    def sleep(seconds: float) -> None:
        world.clock.advance(seconds)
        slept[0] += 1
        if slept[0] < 30:
            path = world.spool.path / "poke"
            path.touch()
            os.utime(path, ns=(slept[0], slept[0]))

    world.drain = Drain(world.spool, world.clock, sleep)
    world.run(90)
    gaps = [later - earlier for earlier, later in zip(world.at, world.at[1:], strict=False)]
    assert gaps[:28] == pytest.approx([1] * 28)
    assert max(gaps) < 61
    assert gaps[29] == pytest.approx(30, abs=2), "as long as it has been failing"


def test_what_cannot_be_read_is_set_aside_and_kept(world: World) -> None:
    name = world.add("one")
    (world.spool.path / name).write_text("{broken")
    world.add("two")
    world.run(10)
    assert [text for _, text in world.asked] == ["two"]
    (aside,) = world.spool.path.glob("*.unreadable")
    assert aside.read_text() == "{broken"


def test_what_somebody_died_writing_is_no_text_and_goes(world: World) -> None:
    half = world.spool.path / f".{'1' * 20}-aa.text.99"
    half.write_text("{")
    world.run(1)
    assert half.exists()
    world.clock.advance(10 * 365 * 86_400)
    world.run(1)
    assert not half.exists()
    assert world.asked == []


def test_the_log_is_bounded(world: World) -> None:
    for _ in range(3 * LOG_SIZE // 1000):
        world.spool.log("x" * 1000)
    sizes = [path.stat().st_size for path in world.spool.path.glob("push.log*")]
    assert len(sizes) == 2
    assert max(sizes) < LOG_SIZE + 2000


@pytest.mark.parametrize(
    ("url", "where", "path"),
    [
        ("http://192.168.1.20:8481", "http://192.168.1.20:8481", "/in"),
        ("http://192.168.1.20:8481/", "http://192.168.1.20:8481", "/in"),
        ("http://[fd00::1]:8481/in", "http://[fd00::1]:8481", "/in"),
        ("https://sms.example.com/gate/", "https://sms.example.com:443", "/gate/in"),
        ("http://h/in/TOKEN", "http://h:80", "/in"),
        ("https://h/gate/in/TOKEN/", "https://h:443", "/gate/in"),
    ],
)
def test_what_a_url_means(url: str, where: str, path: str) -> None:
    target = parse(url, None if "TOKEN" in url else "TOKEN", None)
    assert (target.shown, target.path, target.token) == (where, path, "TOKEN")
    assert "TOKEN" not in repr(target) + target.shown


@pytest.mark.parametrize(
    "url",
    ["h:8481", "ftp://h", "http://", "http://h:x/", "http://u:p@h/", "http://h/?a", "http://[/"],
)
def test_what_no_url_means(url: str) -> None:
    with pytest.raises(NoTarget):
        parse(url, "t", None)


def test_a_text_that_was_not_tried_says_why_it_waits(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Spool] = []
    monkeypatch.setattr(hand, "start_drain", started.append)
    world.took["b"] = 5.0
    world.add("before it", B)
    late = Entry(sms=Sms(id="late", sender="+1", text="late", time=1), origin=A)
    done = hand.hand_over(world.spool, late, world.clock, 2.0)
    assert (done.delivered, done.waiting, len(started)) == (False, 1, 1)
    assert str(done.reason).startswith("the time ran out before its turn; ")
    with world.spool.held() as ours:
        assert ours
        done = hand.hand_over(world.spool, late, SystemClock(), 0.01)
    assert str(done.reason).startswith("another process is at it; ")
