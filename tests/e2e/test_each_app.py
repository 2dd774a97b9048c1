"""Each app with a guide at one real mmconnect, through everything that goes wrong between them.

Every text is one message, delivered once, soon after it could arrive; and what an app that does
not try again cannot hand on is lost, as its guide's label says, with nothing else.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from mmconnect.phones.guides import GUIDES
from mmconnect.phones.guides.guide import Kept
from tests.support.every_app import Everybody, Sender
from tests.support.receiver import Receiver, free_port, receiving
from tests.support.service import Service, until

NOT_DELIVERED = "SELECT count(*) FROM deliveries WHERE state <> 'delivered'"
SOON = 20.0
"""Seconds that a busy machine may take; `make long` judges by one, and prints the figures."""


class Story:
    """What came in at whom and in which stage, and what became of it."""

    def __init__(self, service: Service, everybody: Everybody, receiver: Receiver) -> None:
        self.service, self.everybody, self.receiver = service, everybody, receiver
        self.came: dict[str, tuple[Sender, str, float]] = {}
        """By text: at whom, in which stage, and when (monotonic seconds)."""
        self.back: dict[str, float] = {}
        """By stage, when both sides were there again."""

    def receive(self, one: Sender, stage: str, *, twice: bool = False) -> None:
        """A text of its own comes in."""
        text = f"{len(self.came):04d}.{one.name}.{stage}".replace(" ", "-").replace(",", "")
        self.came[text] = one, stage, time.monotonic()
        hand = one.twice if twice and one.twice is not None else one.receive
        hand(f"+1555{len(self.came) % 7:07d}", text)

    def all_receive(self, stage: str, count: int = 1) -> None:
        """One after another, at everybody."""
        for _ in range(count):
            for one in self.everybody.senders:
                self.receive(one, stage)

    def lost(self, one: Sender, stage: str) -> bool:
        """Whether the guide says that such a text does not arrive."""
        if stage in ("no Wi-Fi", "mmconnect off", "restarted") and not one.waits:
            return True
        return stage == "restarted" and not one.outlives

    @property
    def wanted(self) -> set[str]:
        return {text for text, (one, stage, _) in self.came.items() if not self.lost(one, stage)}

    def settle(self) -> None:
        """Wait until everything has arrived, and nobody has anything more to say."""
        until(
            lambda: not any([one.busy() for one in self.everybody.senders]),
            lambda: f"still busy: {[o.name for o in self.everybody.senders if o.busy()]}",
            within=60,
            every=0.1,
        )
        until(
            lambda: self.wanted <= set(self.receiver.texts),
            lambda: f"missing: {sorted(self.wanted - set(self.receiver.texts))}",
            within=60,
        )
        # written down, too: else a kill in between rightly sends it once more
        until(lambda: not self.service.count(NOT_DELIVERED), "every result is recorded")

    def run(self) -> None:
        """All stages."""
        senders, service = self.everybody.senders, self.service
        self.all_receive("plain")
        self.settle()
        for one in senders:
            one.lose(1)
            self.receive(one, "answer lost")
        self.settle()
        with ThreadPoolExecutor(16) as pool:
            for _ in range(3):
                for one in senders:
                    pool.submit(self.receive, one, "at once")
        self.settle()
        for one in senders:
            self.receive(one, "twice", twice=True)
        self.settle()
        for one in senders:
            for wifi in one.wifi:
                wifi(False)
        self.all_receive("no Wi-Fi", 2)
        for one in senders:
            for wifi in one.wifi:
                wifi(True)
        self.back["no Wi-Fi"] = time.monotonic()
        self.settle()
        port = service.phone[1]
        service.kill()
        self.all_receive("restarted")
        for one in senders:
            one.restart()
        self.all_receive("mmconnect off")
        service.start("--phone-listen", f"127.0.0.1:{port}")
        self.back |= dict.fromkeys(("restarted", "mmconnect off"), time.monotonic())
        self.settle()
        self.all_receive("plain")
        self.settle()

    def delays(self) -> dict[str, dict[str, float]]:
        """By app and stage the longest time from a text's first possible arrival to its webhook.

        That is when the first request that got through to mmconnect carried it; for a phone that
        is asked, when the text came in, or when both were there again.
        """
        arrived = {one.text: one.at for one in reversed(self.receiver.arrivals)}
        found: dict[str, dict[str, float]] = defaultdict(dict)
        for text, (one, stage, at) in self.came.items():
            if text not in arrived:
                continue
            carried = [] if one.network is None else one.network.carried
            first = next((when for when, data in carried if text.encode() in data), None)
            if first is None:
                first = max(at, self.back.get(stage, at))
            took = max(0.0, arrived[text] - first)  # it may be fetched before its push is carried
            found[one.name][stage] = max(took, found[one.name].get(stage, 0.0))
        return found


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    service = Service(tmp_path / "data")
    with ExitStack() as stack:
        stack.enter_context(closing(Killed(service)))
        receiver = stack.enter_context(receiving())
        service.start("--phone-listen", f"127.0.0.1:{free_port()}")  # its own while it is off, too
        service.cli("endpoint", "add", receiver.url)
        yield Story(service, Everybody(service, tmp_path, stack), receiver)


class Killed:
    """Whatever happens, it does not outlive the test."""

    def __init__(self, service: Service) -> None:
        self.close = service.kill


def promises(senders: list[Sender]) -> None:
    """Every guide has its app here, and it keeps what the guide's label says."""
    best: dict[str, bool] = {}
    for one in senders:
        app = one.name.replace(",", " ").split()[0]
        best[app] = best.get(app, False) or one.waits
    guides = {name: guide for name, guide in GUIDES.items() if name != "generic"}
    assert set(best) == set(guides)
    for name, guide in guides.items():
        loops = name == "automate"  # "unless the flow loops", says its guide
        assert best[name] == (guide.best.kept is not Kept.NONE or loops), name


@pytest.mark.timeout(300)
def test_every_text_of_every_app_is_one_message_whatever_happens(story: Story) -> None:
    promises(story.everybody.senders)
    story.run()
    service = story.service
    with service.looking() as db:
        taken = Counter(text for (text,) in db.execute("SELECT text FROM messages"))
        odd = db.execute("SELECT count(*) FROM messages WHERE kind <> 'sms'").fetchone()[0]
    assert {text: n for text, n in taken.items() if n > 1} == {}, "none twice"
    assert set(taken) == story.wanted, "all that the guides promise, and nothing else"
    assert Counter(story.receiver.texts) == taken, "each delivered once"
    assert odd == 0
    assert story.everybody.smsbox.replies == [], "Kannel would send them to somebody"
    asked = {one.name for one in story.everybody.senders if one.asked}
    slow = {
        (name, stage): took
        for name, stages in story.delays().items()
        for stage, took in stages.items()
        # a phone that was away is asked less and less often
        if took > SOON and not (name in asked and stage == "no Wi-Fi")
    }
    assert slow == {}
    assert service.stop() == 0
