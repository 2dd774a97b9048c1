"""The clock of the year in fast motion, in a process of its own, all of which it changes."""

from __future__ import annotations

import subprocess
import sys

from tests.support.service import PATIENCE, ROOT

CODE = """
import asyncio, socket, threading, time
from mmconnect.domain.clock import StepWatch, SystemClock
from tests.support.flowing import FlowingLoop, flows

loop = FlowingLoop(1_800_000_000_000, 600.0)
here, there = socket.socketpair()
sent, arrived = threading.Event(), []

def arrive():
    sent.wait()
    time.sleep(0.1)
    arrived.append((there.recv(1), loop.flown))

threading.Thread(target=arrive).start()  # which nobody waits for, as it begins before
flows(loop)
clock = SystemClock()

def work():
    time.sleep(0.2)
    return loop.flown

async def main():
    steps = StepWatch(clock)
    await asyncio.sleep(365 * 86_400)
    print("year", round(loop.flown / 86_400))
    print("together", clock.now() - loop.begun == round((clock.monotonic() - 1000) * 1000),
          steps.look())
    before = loop.flown
    print("thread", await asyncio.to_thread(work) - before < 1)
    told = loop.create_future()
    own = threading.Thread(target=lambda: (time.sleep(0.2), loop.call_soon_threadsafe(
        told.set_result, loop.flown)))
    own.start()
    print("own thread", await told - before < 1)
    with loop.standing():
        process = await asyncio.create_subprocess_exec("sleep", "0.2")
        await process.wait()
    print("process", loop.flown - before < 1)
    with loop.talk():
        before = loop.flown
        await asyncio.sleep(5)
        print("exact", loop.flown - before < 6)
    before = loop.flown
    await asyncio.sleep(5)
    print("stride", 600 <= loop.flown - before < 601)
    loop.add_reader(here, print)
    here.send(b"x")
    sent.set()
    before = loop.flown
    await asyncio.sleep(5)
    print("on its way", [(what, at - before < 1) for what, at in arrived])

loop.run_until_complete(main())
"""


def test_time_flows_when_nobody_works_and_stands_still_while_somebody_does():
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=PATIENCE,
        check=False,
    )
    assert done.stdout.splitlines() == [
        "year 365",
        "together True None",
        "thread True",
        "own thread True",
        "process True",
        "exact True",
        "stride True",
        "on its way [(b'x', True)]",
    ], done.stderr
