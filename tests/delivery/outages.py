"""What the tests of holding share: time that passes, and a receiver that is not there."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.inprocess import Appliance, FakeClock, appliance, eventually
from tests.support.receiver import free_port

ANN, BOB = "+6581110000", "+6582220000"
DAY = 86_400


async def quiet(box: Appliance) -> None:
    """Until the loop has come round and everything that it started is recorded."""

    loop = box.dispatcher

    def rests() -> bool:
        return loop._resting.is_set() and not loop._awake.is_set() and not loop.in_flight

    for _ in range(3):
        for _ in range(20):  # mostly there is nothing to do, which takes no time
            await asyncio.sleep(0)
            if rests():
                break
        else:
            await eventually(rests)


async def live(box: Appliance, clock: FakeClock, seconds: float, step: float) -> None:
    """Let time pass, `step` seconds at a time."""
    for _ in range(round(seconds / step)):
        clock.advance(step)
        box.dispatcher.wake()
        await quiet(box)


async def texts(box: Appliance, *names: str, sender: str = ANN) -> list[str]:
    return [await box.text(name, sender) for name in names]


def states(box: Appliance) -> Counter[str]:
    return Counter(str(d.state) for d in box.deliveries())


@asynccontextmanager
async def nobody(tmp_path: Path):
    """An appliance whose only receiver refuses connections, and a way to start that receiver."""
    clock, port = FakeClock(), free_port()
    async with appliance(tmp_path, clock=clock) as box:
        endpoint_id = await box.endpoint(f"http://127.0.0.1:{port}/hook")
        await box.text("first", ANN)
        await quiet(box)
        await live(box, clock, 5, 5)  # its second attempt: not reached again
        assert box.endpoint_row(endpoint_id).held_class == "not_reached"
        yield box, clock, endpoint_id, port
