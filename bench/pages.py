"""A million messages, and somebody who clicks: is every page there at once, and does a text notice?

    make pages             (PAGES_MESSAGES=1000000 PAGES_ROUNDS=4 PAGES_SECONDS=60 PAGES_ASKS=9)

Builds a history as people have it (`pages_history.py`), indexes it, and starts the service. Every
question of the list below is asked PAGES_ASKS times over HTTP, as a browser that is logged in, one
after the other; the CPU time is the service's, whatever else the machine does. Then a trickle of
five texts a second, alone and with somebody who opens one of these pages every second, in turns.
Gates: the median of each question under 100 ms; the p99 of the trickle with clicks within 1.5 times
of that without. Exit code 1 when one is missed.
"""

from __future__ import annotations

import http.client
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from bench import pages_history as history
from bench.load import Sink
from bench.retention import trickle
from bench.support import Appliance, cpu, median, percentile, say, scratch
from tests.support.service import Service

MESSAGES = int(os.environ.get("PAGES_MESSAGES", "1000000"))
ROUNDS = int(os.environ.get("PAGES_ROUNDS", "4"))
SECONDS = int(os.environ.get("PAGES_SECONDS", "60"))
ASKS = int(os.environ.get("PAGES_ASKS", "9"))
KEPT = os.environ.get("PAGES_HISTORY")
"""A directory to keep the history in, and to take it from the next time."""
EVERY = 1.0
"""Seconds between two clicks."""
GATE, RATIO = 0.1, 1.5
PASSWORD = "a long enough password"


class Browser:
    """Somebody who is logged in, on one connection."""

    def __init__(self, gateway: Appliance) -> None:
        host, port = gateway.service.admin
        self._line = http.client.HTTPConnection(host, port, timeout=30)
        self._cookie = ""
        origin = {"Origin": f"http://{host}:{port}"}
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = self._ask("POST", "/login", urlencode({"password": PASSWORD}), origin | form)
        assert answer.status == 303, answer.status
        self._cookie = (answer.getheader("Set-Cookie") or "").partition(";")[0]

    def _ask(
        self, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None
    ) -> http.client.HTTPResponse:
        cookie = {"Cookie": self._cookie} if self._cookie else {}
        self._line.request(method, path, body, (headers or {}) | cookie)
        answer = self._line.getresponse()
        self.page = answer.read().decode()
        return answer

    def seconds(self, path: str) -> float:
        """How long a page takes."""
        begun = time.monotonic()
        answer = self._ask("GET", path)
        took = time.monotonic() - begun
        assert answer.status == 200, (path, answer.status, self.page[:2000])
        return took


def questions(gateway: Appliance) -> dict[str, str]:
    """What is asked, in words, and as a path."""
    with gateway.service.looking() as db:
        (message,) = db.execute("SELECT max(id) FROM messages").fetchone()
        (middle,) = db.execute(
            "SELECT id FROM messages WHERE rowid >= ? LIMIT 1", (MESSAGES // 2,)
        ).fetchone()
        (failed,) = db.execute("SELECT max(id) FROM deliveries WHERE state = 'failed'").fetchone()
        endpoint = db.execute("SELECT id FROM endpoints ORDER BY id LIMIT 1").fetchone()[0]
        phones = [row[0] for row in db.execute("SELECT id FROM devices ORDER BY id")]

    def messages(**query: str) -> str:
        return "/messages?" + urlencode(query)

    day = 86_400
    then = [
        time.strftime("%Y-%m-%dT%H:%M", time.localtime(time.time() - n * day)) for n in (41, 40)
    ]
    return {
        "overview": "/",
        "messages, the newest": "/messages",
        "messages, a common word": messages(q=history.COMMON),
        "messages, one in 20,000": messages(q=history.SELDOM),
        "messages, a word that is there once": messages(q=history.RARE),
        "messages, a word that is nowhere": messages(q="xylophonist"),
        "messages, nowhere, of common pieces": messages(q="kolibappointment"),
        "messages, two words": messages(q=f"{history.COMMON} {history.SELDOM}"),
        "messages, a phrase": messages(q=f'"{history.RARE} 0"'),
        "messages, two letters that are nowhere": messages(q="zq"),
        "messages, a number": messages(q="+1 555 000 1234"),
        "messages, part of a number": messages(q="0001234"),
        "messages, a number that is nowhere": messages(q="+4915112345678"),
        "messages, a phone": messages(phone=phones[1]),
        "messages, a phone that is seldom": messages(phone=phones[2]),
        "messages, failed": messages(state="failed"),
        "messages, failed, with a word": messages(state="failed", q=history.COMMON),
        "messages, waiting": messages(state="waiting"),
        "messages, nobody wanted": messages(state="unwanted"),
        "messages, not understood": messages(state="unrecognised"),
        "messages, a day long ago": messages(since=then[0], until=then[1]),
        "messages, before anything": messages(until="2001-01-01T00:00"),
        "messages, phone, word and time": messages(
            phone=phones[1], q=history.SELDOM, since=then[0]
        ),
        "messages, a phone, a word and a state": messages(
            phone=phones[2], q=history.COMMON, state="delivered"
        ),
        "a message": f"/messages/{message}",
        "a message long ago": f"/messages/{middle}",
        "to delete all of a number": "/messages/purge?number=%2B15550001234",
        "deliveries": "/deliveries",
        "deliveries, failed": "/deliveries?state=failed",
        "deliveries, delivered, of an endpoint": f"/deliveries?state=delivered&endpoint={endpoint}",
        "a delivery": f"/deliveries/{failed}",
        "endpoints": "/endpoints",
        "an endpoint": f"/endpoints/{endpoint}",
        "phones": "/phones",
        "a phone": f"/phones/{phones[0]}",
        "changes": "/settings/changes",
    }


@contextmanager
def clicking(gateway: Appliance, paths: list[str]) -> Iterator[list[float]]:
    """Somebody opens one page after the other; what each took."""
    over, took = threading.Event(), list[float]()

    def work() -> None:
        browser, number = Browser(gateway), 0
        while not over.wait(EVERY):
            took.append(browser.seconds(paths[number % len(paths)]))
            number += 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield took
    finally:
        over.set()
        thread.join()


@dataclass(slots=True)
class Trickle:
    """Seconds from push to webhook, all rounds together, and each round's p99."""

    all: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)

    def add(self, late: list[float]) -> None:
        self.all += late
        self.p99.append(percentile(late, 0.99))


def furnished(folder: Path, sink: Sink) -> Appliance:
    """An appliance with the history, indexed; not started."""
    place = folder / "pages"
    if KEPT and (Path(KEPT) / "data").exists():
        shutil.copytree(KEPT, place)
        gateway = Appliance(service=Service(place / "data", place))
        gateway.service.directory.chmod(0o700)
        gateway.token = (place / "token").read_text()
        first = min(one["id"] for one in gateway.service.cli("endpoint", "list"))
        gateway.service.run("endpoint", "set", first, "--url", sink.url)
        return gateway
    place.mkdir()
    gateway = Appliance.furnish(place)
    (place / "token").write_text(gateway.token)
    endpoint = gateway.endpoint(sink.url)
    paused = gateway.endpoint("http://127.0.0.1:9/")
    gateway.service.run("endpoint", "pause", paused)
    for name in ("Shop", "Attic"):
        gateway.service.cli("device", "add", "--name", name, "--app", "generic")
    phones = sorted(one["id"] for one in gateway.service.cli("device", "list"))
    for setting in ("retention_messages", "retention_attempts"):
        gateway.service.run("settings", "set", setting, "3000d")
    gateway.service.run("admin", "set-password", "--password", PASSWORD)
    at = gateway.service.directory / "mmconnect.db"
    took = history.fill(at, endpoint, paused, phones, MESSAGES)
    begun = time.monotonic()
    segments = history.index(at)
    size = gateway.database_bytes[0] / 2**30
    say(
        f"{MESSAGES:,} messages built in {took:.0f} s, {segments} segments indexed at once in"
        f" {time.monotonic() - begun:.0f} s: {size:.2f} GiB"
    )
    if KEPT:
        shutil.copytree(place, KEPT)
    return gateway


def main() -> None:
    """Build, ask, trickle, print."""
    sink = Sink()
    with scratch("pages") as folder:
        gateway = furnished(folder, sink)
        gateway.start()
        try:
            missed = report_questions(gateway)
            missed += report_trickle(gateway, sink)
        finally:
            gateway.service.stop()
            sink.close()
    sys.exit(1 if missed else 0)


def report_questions(gateway: Appliance) -> int:
    """The table of pages; how many missed the gate."""
    browser, missed = Browser(gateway), 0
    say("", "| page | first | median | CPU of one | gate |", "|---|---|---|---|---|")
    for words, path in questions(gateway).items():
        spent = cpu(gateway.pid)
        took = [browser.seconds(path) for _ in range(ASKS)]
        spent = (cpu(gateway.pid) - spent) / ASKS
        late = median(took) >= GATE
        missed += late
        verdict = f"< {GATE * 1000:.0f} ms{' MISSED' if late else ''}"
        say(
            f"| {words} | {took[0] * 1000:.1f} ms | {median(took) * 1000:.1f} ms"
            f" | {spent * 1000:.0f} ms | {verdict} |"
        )
    return missed


def report_trickle(gateway: Appliance, sink: Sink) -> int:
    """The trickle with and without clicks; 1 when the gate was missed."""
    alone, clicked, clicks = Trickle(), Trickle(), list[float]()
    paths = list(questions(gateway).values())
    trickle(gateway, sink, 10**6, 5)
    sink.take()
    for number in range(1, ROUNDS + 1):
        alone.add(trickle(gateway, sink, number * 10**7, SECONDS))
        with clicking(gateway, paths) as took:
            clicked.add(trickle(gateway, sink, number * 10**7 + 10**6, SECONDS))
        clicks += took
    ratio = percentile(clicked.all, 0.99) / percentile(alone.all, 0.99)
    say("", "| trickle, phone to webhook | p50 | p99 | p99 of each round |", "|---|---|---|---|")
    for words, one in (("alone", alone), ("beside clicks", clicked)):
        rounds = ", ".join(f"{p99 * 1000:.1f}" for p99 in one.p99)
        p50, p99 = (percentile(one.all, share) * 1000 for share in (0.5, 0.99))
        say(f"| {words} | {p50:.1f} ms | {p99:.1f} ms | {rounds} |")
    verdict = "" if ratio <= RATIO else " MISSED"
    say("", f"{len(clicks)} pages meanwhile, median {median(clicks) * 1000:.1f} ms.")
    say(f"p99 beside clicks: {ratio:.2f} × (gate {RATIO} ×){verdict}")
    return int(ratio > RATIO)


if __name__ == "__main__":
    main()
