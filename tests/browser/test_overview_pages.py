"""The overview in a real browser: it renews itself, stops when nobody looks, and says so when the
service is away. With and without JavaScript; axe finds nothing in either theme."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmconnect.domain.models import EndpointState
from mmconnect.store import backups
from tests.support.admin_browser import AXE, both, browser_marks, opened
from tests.support.inprocess import eventually
from tests.support.receiver import answer, receiver

pytestmark = browser_marks


async def test_the_overview_renews_itself(tmp_path: Path):
    async with receiver(answer(200)) as there, opened(tmp_path, tokens=()) as (box, watched):
        await watched.go("/")
        await box.device(token="the-phone", name="Reception")
        await watched.says("Reception has not been heard yet")
        await box.text("hello there")
        await watched.page.locator("#steps .done").nth(1).wait_for()
        await box.endpoint(there.url, name="My CRM")
        await watched.says("Send My CRM the last text now?")
        await watched.press("Send it")
        await watched.says("The text is on its way.")
        await watched.page.locator("#steps .done").nth(3).wait_for()
        await box.text("a second text")
        await watched.says("a second text")
        await there.until(2)
        assert there.texts == ["hello there", "a second text"]
        assert await watched.page.locator("[data-updated]").inner_text() != ""


@both
async def test_every_button_of_the_first_steps(tmp_path: Path, javascript: bool):
    async with (
        receiver(answer(200)) as there,
        opened(tmp_path, tokens=(), javascript=javascript, width=390) as (box, watched),
    ):
        await box.device(token="the-phone", name="Reception")
        message_id = await box.text("hello there")
        await box.endpoint(there.url, name="My CRM")
        await watched.go("/")
        await watched.press("Send it")
        await watched.says("The text is on its way.")
        await box.settled(message_id)
        await watched.go("/")
        assert await watched.page.locator("#steps .done").count() == 4
        await watched.press("Put this away")
        await watched.says("The first steps are put away.")
        assert await watched.page.locator("#steps").count() == 0
        await watched.follow("They are still under Help")
        await watched.press("Show them on the overview")
        await box.database.write(lambda db: backups.note_made(db, box.clock.now()))
        await watched.go("/")
        assert await watched.page.locator("#steps .done").count() == 5
        await watched.go("/")
        await watched.says("All is well")
        assert await watched.page.locator("#steps").count() == 0
        await watched.page.get_by_text("The same as a table").click()
        assert await watched.page.get_by_role("columnheader", name="Texts").is_visible()
        await watched.fits()


HIDDEN = """
let hidden = false;
Object.defineProperty(document, 'hidden', {get: () => hidden});
window.turnAway = (away) => {
  hidden = away;
  document.dispatchEvent(new Event('visibilitychange'));
};
"""


async def test_nobody_is_asked_while_nobody_looks(tmp_path: Path):
    async with opened(tmp_path, tokens=()) as (box, watched):
        asked: list[str] = []
        await watched.page.add_init_script(HIDDEN)
        watched.page.on(
            "request", lambda one: asked.append(one.url) if "x-live" in one.headers else None
        )
        await watched.go("/")
        await eventually(lambda: asked)
        await watched.page.evaluate("turnAway(true)")
        before = len(asked)
        await box.device(token="the-phone", name="Reception")
        await watched.page.wait_for_timeout(4500)  # longer than from one look to the next
        assert len(asked) == before
        await watched.page.evaluate("turnAway(false)")
        await watched.says("Reception has not been heard yet")


async def test_a_service_that_is_away_is_told_and_found_again(tmp_path: Path):
    async with opened(tmp_path, tokens=()) as (box, watched):
        watched.refused = 600  # a request that fails is what this is about
        await watched.go("/")
        await watched.page.context.set_offline(True)
        await watched.says("mmconnect is not reachable since")
        assert await watched.page.get_by_role("heading", name="Welcome").is_visible()
        await box.device(token="the-phone", name="Reception")
        await watched.page.context.set_offline(False)
        await watched.says("Reception has not been heard yet")
        assert await watched.page.locator("#away").count() == 0


@pytest.mark.long  # test_every_page.py has every page at every run
@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
async def test_axe_finds_nothing(tmp_path: Path, scheme: str, width: int):
    async with (
        receiver(answer(200)) as there,
        opened(tmp_path, tokens=(), scheme=scheme, width=width) as (box, watched),
    ):
        await watched.go("/")
        await watched.axe()
        await watched.fits()
        await box.device(token="the-phone", name="Reception")
        await box.endpoint(there.url, name="My CRM")
        await box.endpoint("http://127.0.0.1:9/", name="Old one", state=EndpointState.PAUSED)
        held = {"state": EndpointState.HELD, "held_class": "gone", "held_reason": "It is gone."}
        await box.endpoint("http://127.0.0.1:9/", name="Held one", **held)
        await box.text("hello there")
        for path in ("/", "/checklist"):
            await watched.go(path)
            await watched.axe()
            await watched.fits()
