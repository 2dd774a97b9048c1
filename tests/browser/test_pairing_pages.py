"""The pairing pages in a real browser: they work with and without JavaScript, say nothing to
anybody else, break no policy of their own, and can be read by everybody.

Chromium on a phone's screen, against the listener in the test's own loop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mmconnect.phones.sightings import Mistake
from mmconnect.phones.urls import Bases
from tests.support.admin_browser import AXE
from tests.support.browser import CHROMIUM, FLAGS, PHONE
from tests.support.pairing import HTTP, HTTPS, TOKEN, House, pairing_house
from tests.support.phones import generic_json

api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")

pytestmark = [
    pytest.mark.apt,
    pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed: apt install chromium"),
    pytest.mark.timeout(300),
]

PUSH = generic_json({"from": "+6581230000", "text": "a secret text"})


class Watched:
    """A page, and everything about it that must not be."""

    def __init__(self, page: Any, house: House) -> None:
        self.page = page
        self.at = f"http://127.0.0.1:{house.port}/pair"
        self.complaints: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("request", self._request)

    def _console(self, message: Any) -> None:
        page = (
            message.text.startswith("Failed to load") and message.location["url"] == self.page.url
        )
        if message.type in ("error", "warning") and not page:  # a page may well be a 404
            self.complaints.append(f"{message.type}: {message.text}")

    def _request(self, request: Any) -> None:
        if not request.url.startswith(self.at.removesuffix("pair")):
            self.complaints.append(f"a request to {request.url}")

    async def press(self, name: str) -> None:
        await self.page.get_by_role("button", name=name).click()

    async def heading(self, words: str) -> None:
        await self.page.get_by_role("heading", name=words).wait_for()


@asynccontextmanager
async def opened(directory: Path, **how: Any) -> AsyncIterator[tuple[House, Watched, Any]]:
    """A house, a page in a browser of its own, and that browser."""
    script = how.pop("script", None)
    async with pairing_house(directory) as house, api.async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = await browser.new_context(**{**PHONE, **how})
        context.set_default_timeout(60_000)
        if script is not None:
            await context.add_init_script(script)
        watched = Watched(await context.new_page(), house)
        try:
            yield house, watched, browser
        finally:
            await browser.close()
        assert watched.complaints == []


@pytest.mark.parametrize("javascript", [True, False])
async def test_a_phone_is_paired(tmp_path: Path, javascript: bool):
    async with opened(tmp_path, java_script_enabled=javascript) as (house, watched, browser):
        page = watched.page
        code = house.invite()
        await page.goto(watched.at)
        await page.get_by_label("Code").fill(code.lower().replace("-", " "))
        await watched.press("Go on")
        await watched.heading("Connect Reception")
        assert TOKEN not in await page.content()
        await watched.press("Continue")
        await watched.heading("Which phone, which app?")
        await watched.press("Incoming SMS to URL forwarder")
        await watched.heading("Incoming SMS to URL forwarder")
        assert await page.get_by_label("Push URL", exact=True).input_value() == f"{HTTP}/in/{TOKEN}"
        copies = page.get_by_role("button", name="Copy")
        assert await copies.first.is_visible() == javascript
        await page.get_by_role("link", name="Another app").click()
        await watched.press("Anything else that can send HTTP")
        await page.get_by_role("link", name="Watch").click()
        await watched.heading("Waiting for the first text…")

        # it changes by itself: by its script, or by loading itself again
        house.box.listener.sightings.saw(Mistake.UNKNOWN_TOKEN, "127.0.0.1")
        await watched.heading("A push came with a wrong token")
        await house.box.push(*PUSH)
        await watched.heading("The first text has arrived")
        content = await page.content()
        assert TOKEN not in content
        assert "a secret text" not in content

        other = await browser.new_context(**PHONE)
        stranger = await other.new_page()
        await stranger.goto(f"{watched.at}/{code}")
        await stranger.get_by_role("heading", name="This code is not good").wait_for()


async def test_the_steps_themselves_notice(tmp_path: Path):
    async with opened(tmp_path) as (house, watched, _):
        await steps(house, watched, "tasker")
        bar = watched.page.get_by_role("status").filter(has_text="Waiting")
        await bar.wait_for()
        house.box.listener.sightings.saw(Mistake.WRONG_PATH, "127.0.0.1")
        await watched.page.get_by_text("A push came to a wrong path").wait_for()
        await house.box.push(*PUSH)
        await watched.heading("The first text has arrived")


async def steps(house: House, watched: Watched, app: str) -> str:
    """A browser that has chosen its app; the code."""
    code = house.invite()
    await watched.page.goto(f"{watched.at}/{code}")
    await watched.press("Continue")
    await watched.page.click(f"button[value={app}]")
    await watched.page.wait_for_selector(".steps")
    return code


INSECURE = "Object.defineProperty(window, 'isSecureContext', {value: false});"
"""As on http://192.168.1.20: there is no navigator.clipboard."""
NO_CLIPBOARD = INSECURE + "Object.defineProperty(navigator, 'clipboard', {value: undefined});"


@pytest.mark.parametrize("secure", [True, False])
async def test_one_tap_copies_a_field_whole(tmp_path: Path, secure: bool):
    # what is pasted tells what was copied
    script = None if secure else NO_CLIPBOARD
    how = {"permissions": ["clipboard-read", "clipboard-write"]} if secure else {}
    async with opened(tmp_path, script=script, **how) as (house, watched, _):
        page = watched.page
        await steps(house, watched, "incoming_sms")
        for label in ("Push URL", "Token alone", "Template", "Retries"):
            await page.get_by_role("button", name=f"Copy {label}", exact=True).click()
            await page.get_by_role("status").filter(has_text=f"{label} copied").wait_for()
            field = page.get_by_label(label, exact=True)
            await page.evaluate(
                "() => { const at = document.createElement('textarea'); at.id = 'paste';"
                " document.querySelector('main').append(at); at.focus(); }"
            )
            await page.keyboard.press("Control+V")
            assert await page.input_value("#paste") == await field.input_value()
            await page.evaluate("document.getElementById('paste').remove()")


async def test_a_service_that_is_away_for_a_moment_is_waited_for(tmp_path: Path):
    async with opened(tmp_path) as (house, watched, _):
        page = watched.page
        code = await steps(house, watched, "tasker")
        await page.goto(f"{watched.at}/{code}/wait")
        await page.route("**/status", lambda route: route.fulfill(status=503, body="away"))
        async with page.expect_response(lambda told: told.status == 503):
            pass
        await page.unroute("**/status")
        await house.box.push(*PUSH)
        await watched.heading("The first text has arrived")
        watched.complaints = [one for one in watched.complaints if "503" not in one]


async def test_the_keyboard_is_enough(tmp_path: Path):
    async with opened(tmp_path) as (house, watched, _):
        page = watched.page
        await page.goto(f"{watched.at}/{house.invite()}")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await watched.heading("Which phone, which app?")
        await page.keyboard.press("Tab")
        width = await page.evaluate(
            "getComputedStyle(document.activeElement).outlineStyle"
            " + getComputedStyle(document.activeElement).outlineWidth"
        )
        assert width == "solid3px", "focus is not to be seen"
        await page.keyboard.press("Enter")
        await watched.heading("Incoming SMS to URL forwarder")


async def walk(house: House, watched: Watched) -> AsyncIterator[str]:
    """Every page in turn, by a name of its own."""
    page, at = watched.page, watched.at
    await page.goto(at)
    yield "code"
    await page.goto(f"{at}?code=hello")
    yield "wrong code"
    code = house.invite()
    await page.goto(f"{at}/{code}")
    yield "continue"
    await watched.press("Continue")
    await watched.heading("Which phone")
    yield "apps"
    for app in ("incoming_sms", "smsgate", "shortcuts"):
        await page.goto(f"{at}/{code}/app")
        await page.click(f"button[value={app}]")
        await page.wait_for_selector(".steps")
        await page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        yield app
    house.bases, house.ca = Bases(http=(HTTP,), https=(HTTPS,)), True
    await page.goto(f"{at}/{code}/app")
    await page.click("button[value=smsgate]")
    await page.wait_for_selector("text=Download the certificate")
    yield "smsgate with https"
    await page.goto(f"{at}/{code}/app")
    await page.click("button[value=incoming_sms]")
    await page.wait_for_selector(".steps")
    await page.goto(f"{at}/{code}/wait")
    yield "wait"
    house.clock.advance(61)
    await watched.heading("Nothing has come yet")
    yield "a minute"
    house.box.listener.sightings.saw(Mistake.UNKNOWN_TOKEN, "127.0.0.1")
    await watched.heading("A push came with a wrong token")
    yield "diagnosis"
    await house.box.push(*PUSH)
    await watched.heading("The first text has arrived")
    yield "arrived"
    house.invite()
    await page.goto(f"{at}/{code}")
    yield "expired"


@pytest.mark.skipif(not AXE.exists(), reason=f"axe-core is not at {AXE}: npm install axe-core")
async def test_everybody_can_read_them(tmp_path: Path):
    axe = AXE.read_text(encoding="utf-8")
    wcag = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    colours = {"type": "rule", "values": ["color-contrast"]}  # what the other theme changes
    async with opened(tmp_path, bypass_csp=True) as (house, watched, _):
        page, usual = watched.page, watched.page.viewport_size
        async for name in walk(house, watched):
            await page.evaluate(axe)
            for scheme, rules in (("light", wcag), ("dark", colours)):
                await page.emulate_media(color_scheme=scheme)
                found = await page.evaluate(
                    "async (rules) => (await axe.run({runOnly: rules})).violations.map("
                    "v => v.id + ': ' + v.nodes.map(n => n.html).join(' '))",
                    rules,
                )
                assert found == [], (name, scheme)
            for width in (320, 195):  # the second: 390 at 200 %
                await page.set_viewport_size({"width": width, "height": 600})
                wide = await page.evaluate("document.documentElement.scrollWidth")
                assert wide <= width, name
            await page.set_viewport_size(usual)


async def test_nothing_moves_and_targets_are_large(tmp_path: Path):
    shifts = (
        "window.moved = 0; new PerformanceObserver(l => l.getEntries().forEach("
        "e => { if (!e.hadRecentInput) window.moved += e.value; }))"
        ".observe({type: 'layout-shift', buffered: true});"
    )
    async with opened(tmp_path, script=shifts) as (house, watched, _):
        async for name in walk(house, watched):
            if name not in ("a minute", "diagnosis"):  # there something new is said
                assert await watched.page.evaluate("window.moved") < 0.01, name
            small = await watched.page.evaluate(
                "[...document.querySelectorAll('button, .button, summary, input, .meta a')]"
                ".filter(e => e.offsetParent && e.getBoundingClientRect().height < 44)"
                ".map(e => e.outerHTML)"
            )
            assert small == [], name


async def test_whoever_wants_no_motion_gets_none(tmp_path: Path):
    async with opened(tmp_path, reduced_motion="reduce") as (house, watched, _):
        await steps(house, watched, "tasker")
        moving = "document.getAnimations().length"
        assert await watched.page.evaluate(moving) == 0
        await watched.page.emulate_media(reduced_motion="no-preference")
        assert await watched.page.evaluate(moving) > 0
