"""A report in one sentence, in order, and made once for all who ask together."""

from __future__ import annotations

import asyncio

import pytest

from mmconnect.desk.doctor import FRESH, Check, Mark, Once, Report, worst_first
from tests.support.inprocess import FakeClock

DISK, CLOCK = Check("disk", "Disk"), Check("clock", "Clock")
FINE, ODD, BAD = DISK.ok("Fine."), CLOCK.note("Odd.", "Look."), DISK.problem("Full.", "Tidy up.")
UNSEEN = CLOCK.skipped("Dark.")


@pytest.mark.parametrize(
    ("findings", "ok", "verdict"),
    [
        ((FINE, UNSEEN), True, "No problem."),
        ((ODD, FINE), True, "No problem, and 1 thing to know."),
        ((BAD, FINE), False, "1 problem."),
        ((BAD, ODD, BAD, ODD), False, "2 problems, and 2 things to know."),
    ],
)
def test_a_verdict(findings, ok: bool, verdict: str):
    report = Report(at=0, findings=findings)
    assert (report.ok, report.verdict) == (ok, verdict)


def test_in_json_and_in_order():
    assert worst_first([FINE, UNSEEN, ODD, BAD]) == [BAD, ODD, FINE, UNSEEN]
    assert Report(at=0, findings=(BAD,)).as_json() == {
        "ok": False,
        "checkedAt": "1970-01-01T00:00:00.000Z",
        "checks": [
            {
                "check": "disk",
                "title": "Disk",
                "mark": "problem",
                "found": "Full.",
                "remedy": "Tidy up.",
            }
        ],
    }
    assert DISK.skipped("x").mark is Mark.SKIPPED


async def test_who_asks_together_or_shortly_after_shares_one():
    clock, once, made, go = FakeClock(), Once(), 0, asyncio.Event()

    async def make() -> Report:
        nonlocal made
        made += 1
        await go.wait()
        return Report(at=made, findings=())

    first = asyncio.ensure_future(once.report(make, clock))
    second = asyncio.ensure_future(once.report(make, clock))
    gone = asyncio.ensure_future(once.report(make, clock))
    await asyncio.sleep(0)
    gone.cancel()  # somebody who has closed the browser ends it for nobody
    go.set()
    assert await first is await second
    assert made == 1
    clock.advance(FRESH - 1)
    assert (await once.report(make, clock)).at == 1
    clock.advance(1)
    assert (await once.report(make, clock)).at == 2
    assert once.last is not None
    assert once.last.at == 2


async def test_one_that_fails_is_no_report_and_the_next_is_made_anew():
    clock, once = FakeClock(), Once()

    async def fails() -> Report:
        raise OSError("x")

    async def works() -> Report:
        return Report(at=5, findings=())

    with pytest.raises(OSError, match="x"):
        await once.report(fails, clock)
    assert once.last is None
    assert (await once.report(works, clock)).at == 5
