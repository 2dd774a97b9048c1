"""A year of an appliance's life in minutes: nothing lost, nothing grows, everything at its hour.

    make year              (YEAR_DAYS=365 YEAR_TEXTS=200 YEAR_SEED=1 YEAR_STRIDE=900; root)

One real mmconnect, wired, started and stopped as `serve` does it, in a network namespace of its
own; everybody else at the other end of a cable. Its clock flows as fast as the work lets it
(tests/support/flowing.py). 200 texts a day reach three phones: one pushes by HTTP, one by HTTPS,
one is fetched from. Each week one of three receivers has an outage of hours, each month mmconnect
is stopped at its busiest and started again, its address changes twice, the fetched phone's once, a
token and the certificate come to their time. What it has to have been is in verdict.py; exit code
1 says that it was not. The table lies in bench/results/year.md, what it left in BENCH_TMP if bad.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ifaddr

from bench.support import RESULTS
from bench.year import life
from bench.year.book import DAY, HOUR, Book, months
from bench.year.house import ADDRESSES, NAME, NAMED, SHARE, Year
from bench.year.people import Place
from bench.year.verdict import judge
from mmconnect.delivery import wiper
from mmconnect.service import clock_sync
from tests.support.flowing import FlowingLoop, flows
from tests.support.lan import ROUTER, Elsewhere, Names, ask_for_names_at, machine_has

DAYS = int(os.environ.get("YEAR_DAYS", "365"))
TEXTS = int(os.environ.get("YEAR_TEXTS", "200"))
SEED = os.environ.get("YEAR_SEED", "1")
STRIDE = float(os.environ.get("YEAR_STRIDE", "900"))
ZONE = "Europe/Berlin"
"""Where the machine stands: one day has 23 hours, one 25."""
INSIDE = "MMCONNECT_YEAR_INSIDE"


async def live(year: Year) -> None:
    """From the first hour to the last."""
    with year.names.serving(year.place.elsewhere, ROUTER):
        fetched = await year.furnish()
        await year.start()
        async with asyncio.TaskGroup() as group:
            phones = [group.create_task(phone.run()) for phone in year.phones.values()]
            for work in (
                life.texts(year, fetched),
                life.outages(year),
                life.restarts(year),
                life.moves(year, fetched),
                life.looks(year, fetched),
            ):
                group.create_task(work)
            await asyncio.sleep(year.days * DAY + 6 * HOUR)
            for task in phones:
                task.cancel()
        year.day(year.days)
        await year.stop()
        await fetched._die()
        for one in year.receivers.values():
            one.close()
        await asyncio.sleep(1)
    judge(year, fetched)


class _Told(logging.Formatter):
    """Log lines have the time of the year that they are of."""

    def __init__(self, loop: FlowingLoop) -> None:
        super().__init__()
        self._loop = loop

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(self._loop.now / 1000, UTC)
        line = f"{at:%Y-%m-%d %H:%M:%S} {record.levelname} {record.name}: {record.getMessage()}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _log(loop: FlowingLoop, file: Path) -> None:
    handler = logging.FileHandler(file, encoding="utf-8")
    handler.setFormatter(_Told(loop))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)  # of the simulated phone


def _at_once(loop: FlowingLoop) -> None:
    """At one moment the machine's addresses are asked for once: they come from the kernel slowly,
    and so much of mmconnect asks every few seconds."""
    asked = ifaddr.get_adapters
    at, found = -1.0, list(asked())

    def told() -> Any:
        nonlocal at, found
        if at != loop.flown:
            at, found = loop.flown, list(asked())
        return found

    ifaddr.get_adapters = told


def _seldom() -> None:
    """What was pruned is looked for in the file's pages every six hours, not every ten minutes: the
    whole file is read each time, which is little of a day, but much of one in fast motion."""
    wiper.PRUNED_APART = 6 * HOUR


def _made(folder: Path) -> Year:
    """The year, about to begin: from here on this process lives by its time."""
    begun = round(datetime(2027, 1, 1).astimezone().timestamp() * 1000)
    ask_for_names_at(ROUTER, folder / "resolv.conf")
    elsewhere = Elsewhere()
    machine_has(ADDRESSES[0])
    clock_sync._ask_kernel = lambda told: 0  # as on a machine that the network keeps right
    loop = FlowingLoop(begun, STRIDE)
    asyncio.set_event_loop(loop)
    flows(loop)
    _at_once(loop)
    _seldom()
    _log(loop, folder / "year.log")
    book = Book(now=lambda: loop.now, names=tuple(SHARE))
    return Year(
        place=Place(loop=loop, elsewhere=elsewhere, book=book),
        folder=folder,
        names=Names({NAME: NAMED}),
        seed=SEED,
        days=DAYS,
        texts_a_day=TEXTS,
        stride=STRIDE,
    )


def main() -> int:
    """The exit code."""
    if os.environ.get(INSIDE) is None:
        os.environ[INSIDE] = "1"
        words = ["unshare", "--net", "--mount", sys.executable, "-m", "bench.year"]
        os.execvp(words[0], words)  # noqa: S606 (it needs no shell)
    os.environ["TZ"] = ZONE
    time.tzset()
    folder = Path(tempfile.mkdtemp(prefix="year-", dir=os.environ.get("BENCH_TMP")))
    os.environ["TMPDIR"] = str(folder / "tmp")
    (folder / "tmp").mkdir()
    tempfile.tempdir = None
    begun = time.monotonic()
    year = _made(folder)
    year.loop.run_until_complete(live(year))
    table, faults = months(year.book.days), year.book.faults
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "year.md").write_text(table + "\n", encoding="utf-8")
    print(table)
    took, cpu = (time.monotonic() - begun) / 60, time.process_time() / 60
    print(f"{DAYS} days in {took:.1f} min ({cpu:.1f} min of CPU), {len(year.book.phones)} texts")
    for sentence, count in faults.items():
        print(f"FAULT {sentence} ({count} times)")
    if faults:
        print(f"What is left of it is in {folder}")
    else:
        shutil.rmtree(folder)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
