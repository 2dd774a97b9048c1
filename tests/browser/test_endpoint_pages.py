"""The pages about endpoints in a real browser: every action, with and without JavaScript.

Real receiver, store and dispatcher behind them. Nothing breaks the site's own policy, asks another
host, or is wider than a phone; axe finds nothing in either theme.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mmconnect.domain.models import Condition, EndpointState, Match, Routing
from mmconnect.store import endpoints as stored
from mmconnect.store import secrets
from tests.support.admin_browser import AXE, EVIL, both, browser_marks, opened
from tests.support.inprocess import SECRET, Appliance, eventually
from tests.support.receiver import answer, receiver

pytestmark = browser_marks


def only(box: Appliance) -> Any:
    (found,) = box.change(stored.known)
    return found


@both
async def test_from_nothing_to_a_text_that_has_arrived(tmp_path: Path, javascript: bool):
    async with (
        receiver() as target,
        opened(tmp_path, javascript=javascript, width=390) as (box, watched),
    ):
        page, last = watched.page, await box.text("the last text")
        await watched.go("/endpoints")
        await watched.follow("Add an endpoint")
        await page.get_by_label("URL").fill(target.url)
        if javascript:
            await watched.says("this appliance itself")
        await page.get_by_label("Name").fill("My CRM")
        await watched.press("Add it")
        await eventually(lambda: box.change(stored.known))
        await watched.says(only(box).secrets[0].value)
        await watched.fits()
        await watched.press("Send a test")
        await watched.says("The test has arrived")
        await watched.says("127.0.0.1:")
        assert await page.get_by_text("Send it the last text now?").is_visible()
        await watched.press("Send it")
        await watched.says("The last text is on its way.")
        await box.settled(last)
        assert target.texts == ["This is a test from mmconnect.", "the last text"]


async def test_a_url_is_looked_at_while_it_is_typed(tmp_path: Path):
    async with opened(tmp_path) as (_, watched):
        page = watched.page
        await watched.go("/endpoints/new")
        await page.get_by_label("URL").press_sequentially("http://8.8.8.8/hook", delay=5)
        await watched.says("everybody on the way can read your texts")
        tick = page.get_by_label("Send my texts there over plain http all the same")
        await tick.check()
        async with page.expect_response("**/endpoints/look?*more"):
            await page.get_by_label("URL").fill("http://8.8.8.8/hook/more")
        assert await tick.is_checked(), "what was agreed to stays"
        assert await page.get_by_label("Name").get_attribute("placeholder") == "8.8.8.8"
        await page.get_by_label("URL").fill("https://8.8.8.8/hook")
        await watched.says("Texts travel encrypted")
        assert await tick.count() == 0


@both
async def test_what_is_refused_comes_back_as_it_was_typed(tmp_path: Path, javascript: bool):
    async with opened(tmp_path, javascript=javascript) as (box, watched):
        page = watched.page
        await watched.go("/endpoints/new")
        watched.refused = 500
        await page.get_by_label("URL").fill("http://169.254.169.254/latest")
        await page.get_by_label("Name").fill(EVIL)
        await watched.press("Add it")
        await page.locator("#url-wrong").get_by_text("credentials").wait_for()
        assert await page.get_by_label("Name").input_value() == EVIL
        await page.get_by_label("URL").fill("http://8.8.8.8/hook")
        await watched.press("Add it")
        await page.locator("#plainHttp-wrong").wait_for()
        await page.get_by_label("Send my texts there").check()
        await watched.press("Add it")
        await watched.says("Give this secret to your receiver")
        assert only(box).name == EVIL
        assert await page.title() != "x"


@both
async def test_pause_resume_and_remove(tmp_path: Path, javascript: bool):
    async with receiver() as target, opened(tmp_path, javascript=javascript) as (box, watched):
        page, made = watched.page, await box.endpoint(target.url, name="CRM")
        await watched.go(f"/endpoints/{made}")
        await watched.press("Pause")
        await watched.says("CRM is paused")
        message = await box.text("while it is paused")
        await watched.follow("Resume")
        await watched.says("1 text waits, oldest first.")
        await page.get_by_label("Send everything").check()
        await watched.press("Resume")
        await watched.says("CRM goes on")
        await box.settled(message)
        await watched.go(f"/endpoints/{made}")
        await watched.follow("Remove")
        await watched.says("Nothing waits for it.")
        await page.get_by_text("Leave it as it is").click()
        assert only(box).id == made
        await watched.follow("Remove")
        await watched.press("Remove it")
        await watched.says("CRM was removed.")
        await watched.says("No endpoint yet")


@both
async def test_a_held_one_is_explained_and_tried_again(tmp_path: Path, javascript: bool):
    async with receiver() as target, opened(tmp_path, javascript=javascript) as (box, watched):
        made = await box.endpoint(target.url, name="CRM")
        box.change(lambda db: stored.hold(db, made, "gone", "It answered 410", 1, target.url))
        await box.watch.refresh()
        message = await box.text()
        await watched.go(f"/endpoints/{made}")
        await watched.says("It answered 410.")
        await watched.says("Nothing is tried until you say so")
        await watched.press("Try it now")
        await watched.says("It is tried now")
        await box.settled(message)
        await eventually(lambda: only(box).state is EndpointState.ACTIVE or None)
        if not javascript:
            await watched.page.reload()
        await watched.says("It takes its texts.")


@both
async def test_the_check_up(tmp_path: Path, javascript: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mmconnect.delivery.checkup.SLOW", 600_000)
    async with (
        receiver(answer(200), answer(200), answer(401)) as target,
        opened(tmp_path, javascript=javascript) as (box, watched),
    ):
        made = await box.endpoint(target.url, name="CRM")
        await watched.go(f"/endpoints/{made}")
        await watched.follow("Check-up")
        await watched.press("Run the check-up")
        await watched.says("The receiver does everything well.")
        await watched.says("A wrongly signed text is answered 401")


@both
async def test_routing_with_a_preview(tmp_path: Path, javascript: bool):
    async with opened(tmp_path, javascript=javascript) as (box, watched):
        page, made = watched.page, await box.endpoint("http://127.0.0.1:9/", name="CRM")
        await box.text("Your code is 1")
        await box.text(f"hello {EVIL}")
        await watched.go(f"/endpoints/{made}/routing")
        await page.get_by_label("With these words, row 1: with what").fill("CODE")
        await watched.press("Preview")
        await watched.says("It would have matched 1 of the last 2 texts.")
        assert only(box).routing == Routing()
        await watched.press("Save")
        await watched.says("Saved: it counts from the next text on.")
        await watched.says("Now it gets texts that contain “CODE”.")
        text = Condition(match=Match.CONTAINS, value="CODE")
        assert only(box).routing.texts == (text,)


@both
async def test_settings(tmp_path: Path, javascript: bool):
    async with opened(tmp_path, javascript=javascript) as (box, watched):
        page, made = watched.page, await box.endpoint("http://127.0.0.1:9/", name="CRM")
        await watched.go(f"/endpoints/{made}/settings")
        watched.refused = 500
        await page.get_by_label("How long a text is worth delivering").fill("soon")
        await page.get_by_label("Schedule").fill("now,5s")
        await page.get_by_label("New header 1: name").fill("X-Api-Key")
        await page.get_by_label("New header 1: value").fill("s3cret")
        await watched.press("Save")
        await page.locator("#maxAge-wrong").wait_for()
        assert await page.get_by_label("Schedule").input_value() == "now,5s"
        assert await page.get_by_label("New header 1: value").input_value() == "s3cret"
        await page.get_by_label("How long a text is worth delivering").fill("15m")
        await page.get_by_label("A phone has not been heard").check()
        await page.get_by_label("Strict order").check()
        await watched.press("Save")
        await watched.says("Saved: it counts from now on.")
        found = only(box)
        assert (found.max_age, found.schedule, found.strict_order) == (900, (0, 5), True)
        assert found.headers == (("X-Api-Key", "s3cret"),)
        assert found.events == {"message.received", "device.silent"}
        await page.get_by_label("Remove", exact=True).check()
        await watched.press("Save")
        await eventually(lambda: only(box).headers == ())
        await watched.says("Saved: it counts from now on.")


@both
async def test_a_new_secret_and_the_end_of_the_overlap(tmp_path: Path, javascript: bool):
    async with opened(tmp_path, javascript=javascript) as (box, watched):
        page, made = watched.page, await box.endpoint("http://127.0.0.1:9/", name="CRM")
        await watched.go(f"/endpoints/{made}/signing")
        await watched.press("Make a new secret")
        await eventually(lambda: only(box).secrets[0].value != SECRET)
        fresh = only(box).secrets[0].value
        await watched.says(fresh)
        await watched.follow("Go")
        await watched.says("go run receive.go")
        await watched.says(fresh)
        await watched.press("I have it: hide it")
        await watched.follow("Signing")
        await watched.says("The previous secret ends in 24 h")
        assert fresh not in await page.content()
        if javascript:
            await watched.says("go run receive.go")
        await watched.press("End it now")
        await watched.says("From now on only the current secret signs.")
        assert [s.value for s in only(box).secrets] == [fresh]


async def test_a_secret_and_a_snippet_are_copied(tmp_path: Path):
    async with opened(tmp_path, permissions=["clipboard-read", "clipboard-write"]) as (_, watched):
        page = watched.page
        await watched.go("/endpoints/new")
        await page.get_by_label("URL").fill("http://127.0.0.1:9/")
        await watched.press("Add it")
        for number in range(2):
            button = page.locator("[data-copy]").nth(number)
            await button.click()
            await button.filter(has_text="Copied").wait_for()
            shown = await page.locator(".copyable code").nth(number).text_content()
            copied = await page.evaluate("() => navigator.clipboard.readText()")
            assert copied.replace("\r\n", "\n") == shown


@both
async def test_the_order_is_changed(tmp_path: Path, javascript: bool):
    async with opened(tmp_path, javascript=javascript) as (box, watched):
        for name in ("One", "Two"):
            await box.endpoint("http://127.0.0.1:9/", name=name)
        await watched.go("/endpoints")
        await watched.follow("Change the order")
        await watched.press("Up Two")
        await eventually(lambda: [e.name for e in box.change(stored.known)] == ["Two", "One"])
        await watched.follow("The order is right")


async def test_by_keyboard_alone(tmp_path: Path):
    async with receiver() as target, opened(tmp_path) as (box, watched):
        page = watched.page
        await watched.go("/endpoints/new")
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.className") == "skip"
        await page.keyboard.press("Enter")
        for _ in range(20):
            await page.keyboard.press("Tab")
            if await page.evaluate("document.activeElement.id") == "url":
                break
        await page.keyboard.type(target.url)
        await page.keyboard.press("Enter")
        await watched.says("Give this secret to your receiver")
        assert only(box).url == target.url


# -- all pages ---


@pytest.mark.long  # test_every_page.py has every page at every run
@pytest.mark.skipif(not AXE.exists(), reason=f"axe-core is not at {AXE}: npm install axe-core")
@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 1440), ("light", 320)])
async def test_every_page_can_be_read_by_everybody(tmp_path: Path, scheme: str, width: int):
    long = "http://192.168.1.30:8123/api/webhook/" + "a-very-long-name-" * 12
    async with (
        receiver() as target,
        opened(tmp_path, scheme=scheme, width=width, reduced_motion="reduce") as (box, watched),
    ):
        wants = Routing(id="rule_1", texts=(Condition(match=Match.CONTAINS, value="x" * 400),))
        made = await box.endpoint(
            target.url,
            name=f"CRM {EVIL}",
            routing=wants,
            headers=(("X-Api-Key", "1"),),
        )
        held = await box.endpoint(long, name="Held")
        paused = await box.endpoint("http://127.0.0.1:9/", name="Paused")
        box.change(lambda db: stored.hold(db, held, "refused", "It says no" * 20, 1, long))
        box.change(lambda db: stored.pause(db, paused, 1))
        fresh = "whsec_bmV3IHNlY3JldCBvZiAzMiBieXRlcw=="
        box.change(lambda db: secrets.rotate(db, made, fresh, now=box.clock.now()))
        await box.watch.refresh()
        await box.text("x" * 400)
        await box.text(EVIL, sender=EVIL)
        paths = ["", "/new", f"/{held}", f"/{paused}/resume", f"/{paused}/remove"]
        paths += [f"/{made}{part}" for part in ("", "/routing", "/settings", "/signing", "/check")]
        for path in ("?order=1", *paths):
            await watched.go(f"/endpoints{path}")
            await watched.fits()
            await watched.axe()
        await watched.go(f"/endpoints/{made}")
        await watched.press("Send a test")
        await watched.fits()
        await watched.axe()
        await watched.go(f"/endpoints/{made}/check")
        await watched.press("Run the check-up")
        await watched.says("What was found")
        await watched.fits()
        await watched.axe()
        await watched.go("/endpoints/new")
        await watched.page.get_by_label("URL").fill("http://8.8.8.8/")
        await watched.says("everybody on the way")
        await watched.axe()
