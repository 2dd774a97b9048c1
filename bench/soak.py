"""Half an hour of texts for endpoints that fail and recover at random: nothing lost, nothing grows.

    make soak              (SOAK_MINUTES=30 SOAK_RATE=20 SOAK_ENDPOINTS=6 SOAK_SEED=…)

At the end every endpoint works and every text has to arrive at each. The verdict:

* loss: a text that was answered 200 and that an endpoint has not answered with 200 at the end;
* order: of two texts of one sender, the later one may arrive first only if the earlier was tried
  more than once (a retry was overtaken);
* growth: after the first five minutes (a sixth of a shorter run) the robust slope (the median of
  the slopes between all pairs of samples), times the time it was measured over, must stay below
  the larger of a share and an amount: memory 5 % or 3 MB, files and tasks 15 % or 12, threads
  2, log 25 % or 4 MB. What is written there is bounded, so it may come and go, but not climb.

Exit code 1 says that the verdict is bad. The plot and the samples lie in bench/results/.
"""

from __future__ import annotations

import json
import os
import random
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from bench.fickle import Post, Receivers
from bench.load import Push, Trickle
from bench.plot import plot
from bench.support import RESULTS, Appliance, memory, open_files, say, scratch, threads
from tests.support.service import ask

MINUTES = float(os.environ.get("SOAK_MINUTES", "30"))
RATE = float(os.environ.get("SOAK_RATE", "20"))
ENDPOINTS = int(os.environ.get("SOAK_ENDPOINTS", "6"))
SENDERS = 200
INTERVAL = 5.0
CALM = 60.0
"""Seconds before the end from which on every endpoint works while texts still come."""
DRAIN = float(os.environ.get("SOAK_DRAIN", "420"))
"""Seconds that what is left may take by itself: a text that failed twice waits five minutes."""
TOLERATED = {
    "rss": (0.05, 3.0),
    "files": (0.15, 12.0),
    "tasks": (0.15, 12.0),
    "threads": (0.0, 2.0),
    "log": (0.25, 4.0),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """The appliance at one moment. Megabytes are of 2^20 bytes."""

    minute: float
    rss: float
    pss: float
    files: int
    threads: int
    tasks: int
    database: float
    log: float
    waiting: int
    failing: int
    """How many endpoints fail at the moment."""


def sample(gateway: Appliance, receivers: Receivers, begun: float) -> Sample:
    rss, pss, _ = memory(gateway.pid)
    database, log = gateway.database_bytes
    return Sample(
        minute=(time.monotonic() - begun) / 60,
        rss=rss,
        pss=pss,
        files=open_files(gateway.pid),
        threads=threads(gateway.pid),
        tasks=_tasks(gateway),
        database=database / 2**20,
        log=log / 2**20,
        waiting=gateway.pending(),
        failing=sum(mode != "ok" for mode in receivers.modes()),
    )


def _tasks(gateway: Appliance) -> int:
    _, _, body = ask(gateway.service.admin, "GET", "/metrics")
    found = re.search(rb"(?m)^mmconnect_asyncio_tasks (\d+)", body)
    assert found, body
    return int(found[1])


def slope(samples: Sequence[Sample], name: str) -> float:
    """By how much it grew over these samples, robustly."""
    points = [(s.minute, float(getattr(s, name))) for s in samples]
    pairs = [
        (b[1] - a[1]) / (b[0] - a[0])
        for n, a in enumerate(points)
        for b in points[n + 1 :]
        if b[0] > a[0]
    ]
    return median(pairs) * (points[-1][0] - points[0][0]) if pairs else 0.0


def growth(samples: Sequence[Sample]) -> dict[str, tuple[float, float, bool]]:
    """For each quantity: by how much it grew, how much is tolerated, whether that is all right."""
    warm = min(5.0, samples[-1].minute / 6)
    counted = [s for s in samples if s.minute >= warm]
    out = {}
    for name, (share, amount) in TOLERATED.items():
        allowed = max(amount, share * median(getattr(s, name) for s in counted))
        grown = slope(counted, name)
        out[name] = (grown, allowed, grown <= allowed)
    return out


def judge(pushes: Sequence[Push], posts: Sequence[Post]) -> dict[str, Any]:
    """What became of the texts, endpoint by endpoint."""
    acked = {push.id for push in pushes if push.status == 200}
    done: dict[tuple[int, str], list[Post]] = defaultdict(list)
    tried = Counter((post.endpoint, post.id) for post in posts)
    for post in posts:
        if post.status == 200:
            done[post.endpoint, post.id].append(post)
    lost = [(n, name) for n in range(ENDPOINTS) for name in acked if (n, name) not in done]
    twice = {key: found for key, found in done.items() if len(found) > 1}
    overtaken, unexplained = 0, []
    of_sender: dict[tuple[int, str], list[tuple[int, Post]]] = defaultdict(list)
    for found in done.values():
        first = min(found, key=lambda post: post.at)
        number = int(first.text.split()[1])
        of_sender[first.endpoint, first.sender].append((number, first))
    for texts in of_sender.values():
        texts.sort(key=lambda pair: pair[0])
        latest = 0.0
        for number, post in reversed(texts):
            if latest and post.at > latest:
                again = post.attempt > 1 or tried[post.endpoint, post.id] > 1
                overtaken += again
                if not again:
                    unexplained.append((post.endpoint, number))
            latest = min(latest or post.at, post.at)
    return {
        "pushed": len(pushes),
        "acknowledged": len(acked),
        "refused": len(pushes) - sum(push.status == 200 for push in pushes),
        "posts": len(posts),
        "lost": len(lost),
        "twice": len(twice),
        "twice_tried_by_us": sum(
            len({post.attempt for post in found}) > 1 for found in twice.values()
        ),
        "overtaken_by_retries": overtaken,
        "out_of_order": len(unexplained),
    }


def options(gateway: Appliance) -> tuple[str, ...]:
    """A schedule that ends within the run, where it can be had."""
    told = gateway.service.run("endpoint", "add", "--help").stdout
    schedule = "now,5s,10s,20s,30s,1m,1m,1m,2m,2m,2m,2m,5m,5m"
    return ("--schedule", schedule) if "--schedule" in told else ()


def drain(gateway: Appliance, receivers: Receivers, want: int) -> tuple[float, int]:
    """Wait for the rest; (seconds it took, how many had to be sent again by a person)."""
    begun = time.monotonic()
    while receivers.delivered() < want and time.monotonic() - begun < DRAIN:
        time.sleep(1)
    took = time.monotonic() - begun
    missing = want - receivers.delivered()
    if missing:
        with gateway.service.looking() as db:
            rows = db.execute(
                "SELECT id FROM deliveries WHERE state IN ('pending', 'failed')"
            ).fetchall()
        for n in range(0, len(rows), 200):
            gateway.service.cli("delivery", "retry", *[row[0] for row in rows[n : n + 200]])
        end = time.monotonic() + 120
        while receivers.delivered() < want and time.monotonic() < end:
            time.sleep(1)
    return took, missing


def main() -> None:
    """Run, draw, judge."""
    seed = int(os.environ.get("SOAK_SEED", random.randrange(10**6)))
    say(f"SOAK_SEED={seed}: {MINUTES:g} minutes at {RATE:g} texts/s, {ENDPOINTS} endpoints")
    receivers = Receivers(ENDPOINTS, seed, min(1.0, max(0.1, MINUTES / 10)))
    samples: list[Sample] = []
    with scratch("soak") as folder:
        gateway = Appliance.furnish(folder)
        wanted = options(gateway)
        for url in receivers.urls:
            gateway.endpoint(url, *wanted)
        gateway.start()
        try:
            count = int(MINUTES * 60 * RATE)
            begun = time.monotonic()
            phones = Trickle(gateway.service.phone, gateway.token, 0, count, RATE, SENDERS)
            receivers.begin()
            calm = False
            while phones.running:
                samples.append(sample(gateway, receivers, begun))
                if len(samples) % 12 == 0:
                    say(json.dumps(asdict(samples[-1])))
                left = begun + MINUTES * 60 - time.monotonic()
                if not calm and left < min(CALM, MINUTES * 15):
                    receivers.calm()
                    calm = True
                time.sleep(INTERVAL)
            pushes = phones.join()
            acked = sum(push.status == 200 for push in pushes)
            took, by_hand = drain(gateway, receivers, acked * ENDPOINTS)
            gateway.settled(30)
            samples.append(sample(gateway, receivers, begun))
            posts = receivers.posts()
        finally:
            gateway.service.stop()
            receivers.close()
        log = gateway.service.log_text()
    grown = growth(samples)
    told = judge(pushes, posts) | {
        "seed": seed,
        "drained_s": round(took, 1),
        "sent_again_by_hand": by_hand,
        "log_lines": log.count("\n"),
        "tracebacks": log.count("Traceback"),
    }
    finish(samples, told, grown)


def finish(
    samples: Sequence[Sample], told: dict[str, Any], grown: dict[str, tuple[float, float, bool]]
) -> None:
    """Write everything down, and exit with the verdict."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    minutes = [s.minute for s in samples]
    title = f"soak: {MINUTES:g} min, {RATE:g} texts/s, {ENDPOINTS} endpoints, seed {told['seed']}"
    panels: dict[str, dict[str, Sequence[float]]] = {
        "memory, MB": {"RSS": [s.rss for s in samples], "PSS": [s.pss for s in samples]},
        "deliveries waiting": {"waiting": [s.waiting for s in samples]},
        "endpoints failing": {"failing": [s.failing for s in samples]},
        "write-ahead log and database, MB": {
            "log": [s.log for s in samples],
            "database": [s.database for s in samples],
        },
        "open files, tasks, threads": {
            "files": [s.files for s in samples],
            "tasks": [s.tasks for s in samples],
            "threads": [s.threads for s in samples],
        },
    }
    (RESULTS / "soak.svg").write_text(plot(title, minutes, panels))
    (RESULTS / "soak.json").write_text(
        json.dumps({"verdict": told, "samples": [asdict(s) for s in samples]}, indent=1)
    )
    say("", *(f"{name}: {value}" for name, value in told.items()), "")
    for name, (by, allowed, fine) in grown.items():
        say(f"{name}: grew by {by:+.2f}, tolerated {allowed:.2f}: {'ok' if fine else 'GROWS'}")
    bad = [name for name, (_, _, fine) in grown.items() if not fine]
    bad += [name for name in ("lost", "out_of_order", "tracebacks") if told[name]]
    say(f"plot: {RESULTS / 'soak.svg'}", f"verdict: {', '.join(bad) or 'good'}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
