"""Seventeen receivers that misbehave, and three that do not: what do those three notice?

    python -m bench.neighbours          (NEIGHBOURS_TEXTS=150 NEIGHBOURS_ROUNDS=3)

5 hang, 5 answer 500, 3 drip, 2 redirect, 1 answers 410, 1 sends 100 MB. Both appliances run side by
side, one with the good three alone and one with all twenty, and get texts in turn; from push
to webhook, in ms. Gate: the median within 1.2 times; exit code 1 when it is missed.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import sys
import time
from multiprocessing.connection import Connection

from bench.load import Push, Sink, Trickle, latencies
from bench.support import Appliance, cpu, median, memory, percentile, say, scratch
from tests.support import receiver as acts

TEXTS = int(os.environ.get("NEIGHBOURS_TEXTS", "150"))
ROUNDS = int(os.environ.get("NEIGHBOURS_ROUNDS", "3"))
RATE = 5.0
GATE = 1.2
NAMES = ("the three alone", "among seventeen bad ones")


def _bad(told: Connection) -> None:
    async def work() -> None:
        moved = acts.answer(302, b"", {"Location": "http://127.0.0.1:9/"})
        all_of_them: list[acts.Act] = [acts.hang] * 5 + [acts.answer(500)] * 5
        all_of_them += [acts.drip(0.5)] * 3 + [moved] * 2
        all_of_them += [acts.answer(410), acts.flood(100 * 2**20)]
        async with contextlib.AsyncExitStack() as stack:
            urls = [
                (await stack.enter_async_context(acts.receiver(default=act))).url
                for act in all_of_them
            ]
            told.send(urls)
            await asyncio.Event().wait()

    asyncio.run(work())


def main() -> None:
    """Measure in turn, print, judge."""
    processes = multiprocessing.get_context("spawn")
    here, there = processes.Pipe()
    bad = processes.Process(target=_bad, args=(there,), daemon=True)
    bad.start()
    urls: list[str] = here.recv()
    sinks = [[Sink() for _ in range(3)] for _ in range(2)]
    late: list[list[float]] = [[], []]
    with scratch("neighbours") as folder:
        gateways = []
        for n, name in enumerate(("alone", "among")):
            (folder / name).mkdir()
            gateway = Appliance.furnish(folder / name)
            for url in (urls if n else []) + [sink.url for sink in sinks[n]]:
                gateway.endpoint(url)
            gateway.start()
            gateways.append(gateway)
        try:
            spent = [cpu(gateway.pid) for gateway in gateways]
            for number in range(ROUNDS):
                for n in (0, 1) if number % 2 == 0 else (1, 0):
                    one = _round(gateways[n], sinks[n], number * TEXTS)
                    say(f"round {number + 1}, {NAMES[n]}: p50 {median(one) * 1000:.2f} ms")
                    late[n] += one
            spent = [cpu(g.pid) - before for g, before in zip(gateways, spent, strict=True)]
            peaks = [memory(gateway.pid)[2] for gateway in gateways]
        finally:
            for gateway in gateways:
                gateway.service.stop()
    for sink in [*sinks[0], *sinks[1]]:
        sink.close()
    bad.kill()
    ratio = median(late[1]) / median(late[0])
    say(
        f"{ROUNDS} rounds in turn of {TEXTS} texts at {RATE:g}/s for each of three endpoints",
        "",
        "| | p50 | p95 | p99 | CPU | peak memory |",
        "|---|---|---|---|---|---|",
    )
    for n, name in enumerate(NAMES):
        ms = " | ".join(
            f"{percentile(late[n], share) * 1000:.2f} ms" for share in (0.5, 0.95, 0.99)
        )
        say(f"| {name} | {ms} | {spent[n]:.2f} s | {peaks[n]:.1f} MB |")
    say("", f"median: {ratio:.2f} × (gate {GATE} ×){' MISSED' if ratio > GATE else ''}")
    sys.exit(1 if ratio > GATE else 0)


def _round(gateway: Appliance, sinks: list[Sink], first: int) -> list[float]:
    """One round for one of the two; seconds from push to webhook, at each good endpoint."""
    for sink in sinks:
        sink.take()
    pushes: list[Push] = Trickle(gateway.service.phone, gateway.token, first, TEXTS, RATE).join()
    assert all(push.status == 200 for push in pushes)
    for sink in sinks:
        sink.wait(len(pushes))
    time.sleep(0.5)
    return [late for sink in sinks for late in latencies(pushes, sink.take())]


if __name__ == "__main__":
    main()
