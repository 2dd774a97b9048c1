"""The pages about deliveries in a real browser: every action, with and without JavaScript.

Real receiver, store, dispatcher and replays behind them. Nothing breaks the site's own policy, asks
another host, or is wider than a phone; axe finds nothing in either theme.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mmconnect.delivery.replays import Replays
from mmconnect.domain.clock import Clock
from mmconnect.store import endpoints, replays
from tests.support.admin_browser import AXE, EVIL, Watched, both, browser_marks, browsing
from tests.support.desk import admin_of, desk_of
from tests.support.inprocess import Appliance, FakeClock, appliance, eventually
from tests.support.receiver import Receiver, answer, receiver

pytestmark = browser_marks


@asynccontextmanager
async def opened(
    directory: Path, *, clock: Clock | None = None, **how: Any
) -> AsyncIterator[tuple[Appliance, Receiver, Watched]]:
    """An appliance, a receiver that refuses everything at first, and a browser."""
    async with (
        receiver(default=answer(400, b"no <b>way</b>")) as there,
        appliance(directory, clock=clock) as box,
        admin_of(desk_of(box)) as port,
        browsing(port, **how) as watched,
    ):
        yield box, there, watched


async def failed(box: Appliance, there: Receiver, *texts: str, **fields: Any) -> list[str]:
    """Texts that were refused to the end; from then on the receiver takes everything."""
    await box.endpoint(there.url, **({"name": "CRM", "schedule": (0,)} | fields))
    made = [(await box.settled(await box.text(text), "failed")).id for text in texts]
    there.default = answer()
    return made


def state(box: Appliance, delivery_id: str) -> str:
    return str(box.one("SELECT state FROM deliveries WHERE id = ?", delivery_id))


@both
async def test_what_needs_attention_is_found_picked_and_sent_again(
    tmp_path: Path, javascript: bool
):
    async with opened(tmp_path, javascript=javascript, width=390) as (box, there, watched):
        one, two, three = await failed(box, there, "first", "second", "third")
        await watched.go("/deliveries")
        await watched.follow("Needs attention")
        await watched.fits()
        await watched.page.wait_for_url("**/deliveries?state=attention")
        boxes = watched.page.get_by_role("checkbox")
        assert await boxes.count() == 3
        await boxes.nth(0).check()  # the newest
        await boxes.nth(2).check()
        await watched.press("Retry selected")
        await watched.says("2 deliveries are sent again.")
        await eventually(lambda: (state(box, one), state(box, three)) == ("delivered",) * 2)
        assert state(box, two) == "failed"
        assert "state=attention" in watched.page.url


@both
async def test_all_that_match_are_counted_sent_again_and_stopped(tmp_path: Path, javascript: bool):
    async with opened(tmp_path, javascript=javascript) as (box, there, watched):
        made = await failed(box, there, "first", "second", "third")
        await watched.go("/deliveries?state=attention")
        await watched.follow("Retry all that match")
        await watched.says("Send 3 deliveries again?")
        await watched.page.get_by_text("Leave it as it is").click()
        await watched.says("Retry all that match")
        assert box.rows("SELECT 1 FROM replays") == []
        await watched.follow("Retry all that match")
        await watched.press("Send them again")
        await watched.says("3 deliveries are sent again, one after the other.")
        await watched.says("0 of 3 offered")
        await watched.press("Stop")
        await watched.says("Stopped: 0 of 3 were offered before")
        await watched.follow("Retry all that match")
        await watched.press("Send them again")
        work = Replays(box.database, box.watch.look, box.dispatcher.wake, box.clock)
        running = asyncio.create_task(work.run())
        try:
            await eventually(lambda: {state(box, one) for one in made} == {"delivered"})
        finally:
            running.cancel()
        if not javascript:
            await watched.page.reload()
        await watched.says("3 of 3 were sent again")
        assert len(box._look(lambda db: replays.latest(db, 9))) == 2


@both
async def test_one_is_cancelled_and_sent_again_and_its_attempts_tell_all(
    tmp_path: Path, javascript: bool
):
    # the second attempt would be due in 5 s, whatever the browser takes
    how: dict[str, Any] = {"clock": FakeClock(), "javascript": javascript, "width": 390}
    async with opened(tmp_path, **how) as (box, there, watched):
        await box.endpoint(there.url, name="CRM")
        delivery = (await box.settled(await box.text("the code is 1234"), "pending")).id
        await watched.go("/deliveries?state=pending")
        await watched.follow("+6581230000")
        await watched.says("CRM did not take it yet")
        await watched.says("The receiver found the request wrong (400)")
        await watched.press("Cancel it")
        await watched.says("Cancelled. It can be sent again.")
        there.default = answer()
        await watched.press("Send it again")
        await watched.says("It is due now")
        await eventually(lambda: state(box, delivery) == "delivered")
        if not javascript:
            await watched.page.reload()
        await watched.says("CRM took it at attempt 2.")
        await watched.page.get_by_role("link", name="Attempt 1: 400").click()
        await watched.says("no <b>way</b>")
        await watched.says("webhook-signature: v1,")
        await watched.fits()
        copy = watched.page.get_by_role("button", name="Copy")
        assert await copy.count() == int(javascript)
        command = await watched.page.get_by_label("Command", exact=True).inner_text()
        assert command.startswith("curl --silent")
        if javascript:
            await copy.click()
            await watched.page.get_by_role("button", name="Copied").wait_for()
        await watched.press("Send it again")
        await watched.says("It is due now")


@both
async def test_a_filter_comes_back_as_it_was_typed(tmp_path: Path, javascript: bool):
    async with opened(tmp_path, javascript=javascript) as (box, there, watched):
        await failed(box, there, "first")
        page = watched.page
        await watched.go("/deliveries")
        await page.get_by_text("State, endpoint, time").click()
        await page.get_by_label("State").select_option("failed")
        await page.get_by_label("Endpoint").select_option(label="CRM")
        await page.get_by_label("From").fill("2020-01-01T00:00")
        await watched.press("Show")
        await watched.says("first")
        assert await page.get_by_label("From").input_value() == "2020-01-01T00:00"
        await page.get_by_label("To", exact=True).fill("2020-01-02T00:00")
        await watched.press("Show")
        await watched.says("No delivery is like that.")


async def test_what_is_ticked_stays_ticked_while_the_page_renews_itself(tmp_path: Path):
    async with opened(tmp_path) as (box, there, watched):
        await failed(box, there, "first")
        await watched.go("/deliveries")
        ticked = watched.page.get_by_role("checkbox")
        await ticked.check()
        await watched.page.locator("h1").click()
        await box.settled(await box.text("another"))
        async with watched.page.expect_response("**/deliveries"):
            await watched.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        assert await ticked.is_checked()
        await ticked.uncheck()
        await watched.page.locator("h1").click()
        async with watched.page.expect_response("**/deliveries"):
            await watched.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        await watched.says("another")


@pytest.mark.long  # test_every_page.py has every page at every run
@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1440])
async def test_every_page_fits_and_everybody_can_read_it(tmp_path: Path, scheme: str, width: int):
    async with opened(tmp_path, scheme=scheme, width=width, reduced_motion="reduce") as (
        box,
        there,
        watched,
    ):
        (one,) = await failed(box, there, EVIL, name=f"CRM {EVIL}", headers=(("X-A", "1"),))
        held = await box.endpoint("http://127.0.0.1:9/" + "x" * 300, name="Held")
        await box.text("x" * 400, "y" * 200)
        await eventually(lambda: box.rows("SELECT 1 FROM endpoints WHERE state = 'held'"), 20)
        await box.watch.refresh()
        waits = box.one("SELECT id FROM deliveries WHERE endpoint_id = ?", held)
        box.change(lambda db: endpoints.pause(db, held, 1))
        box.change(
            lambda db: db.execute(
                "INSERT INTO replays (id, created_at, cursor, last, total, done)"
                " VALUES ('rpl_1', 1, '', 'dlv_0', 100, 40)"
            )
        )
        for path in (
            "",
            "?state=attention",
            "?state=expired&since=2026-01-01T00:00",
            "/retry-all?state=failed",
            f"/{one}",
            f"/{one}/attempts/1",
            f"/{waits}",
            f"/{waits}/attempts/1",
        ):
            await watched.go(f"/deliveries{path}")
            await watched.fits()
            await watched.axe()
        assert await watched.page.title() != "x"
