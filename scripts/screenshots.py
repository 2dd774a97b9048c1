"""Pictures for docs/screenshots: python -m scripts.screenshots [DIRECTORY]

The owner's pages (scripts/admin_pictures.py), and the pairing pages on a phone's screen, light and
dark, some without JavaScript. Needs Chromium and playwright (scripts/ci-apt.sh brings both). Keeps
those that the docs show; with a DIRECTORY, all.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

from mmconnect.phones.sightings import Mistake
from mmconnect.phones.urls import Bases
from scripts import admin_pictures
from tests.support.browser import CHROMIUM, FLAGS, PHONE
from tests.support.pairing import HTTP, HTTPS, House, pairing_house
from tests.support.phones import generic_json

KEPT = Path(__file__).parents[1] / "docs" / "screenshots"
DOCS = {
    "continue-light",
    "apps-light",
    "steps-incoming_sms-light",
    "steps-incoming_sms-dark",
    "steps-smsgate-light",
    "wait-light",
    "wrong-token-light",
    "minute-dark",
    "arrived-light",
    "arrived-dark",
    "steps-shortcuts-nojs-light",
    "other-browser-light",
}
"""Of the pairing pages, a dozen at the most: they are in every clone."""
_HIGHEST = 1300
"""Pixels of a picture in the docs."""


class Album:
    """Takes pictures of a page, light and dark."""

    def __init__(self, page: Page, to: Path, only: set[str] | None, suffix: str = "") -> None:
        self.page, self._to, self._only, self._suffix = page, to, only, suffix

    async def take(self, name: str, *, whole: bool = False) -> None:
        for scheme in ("light", "dark"):
            named = f"{name}{self._suffix}-{scheme}"
            if self._only is not None and named not in self._only:
                continue
            await self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            if whole:  # as if the screen were that high: what sticks to its edge is at the end
                high = await self.page.evaluate("document.documentElement.scrollHeight")
                most = 5000 if self._only is None else _HIGHEST
                size = {"width": 390, "height": min(max(844, high), most)}
                await self.page.set_viewport_size(size)
            await self.page.screenshot(path=self._to / f"{named}.png")
            await self.page.set_viewport_size(PHONE["viewport"])


async def main(to: Path, only: set[str] | None) -> None:
    """Take them all."""
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for javascript in (True, False):
            with tempfile.TemporaryDirectory() as directory:
                async with pairing_house(Path(directory)) as house:
                    await _walk(house, browser, to, only, javascript=javascript)
        await admin_pictures.take(browser, to, kept=only is not None)
        await browser.close()


async def _walk(
    house: House, browser: Browser, to: Path, only: set[str] | None, *, javascript: bool
) -> None:
    context = await browser.new_context(**PHONE, java_script_enabled=javascript)
    page = await context.new_page()
    album = Album(page, to, only, "" if javascript else "-nojs")
    at = f"http://127.0.0.1:{house.port}/pair"
    await page.goto(at)
    await album.take("code")
    await page.fill("#code", "hello")
    await page.press("#code", "Enter")
    await album.take("code-wrong")
    code = house.invite()
    await page.goto(f"{at}/{code}")
    await album.take("continue")
    await page.get_by_role("button", name="Continue").click()
    await page.get_by_role("heading", name="Which phone").wait_for()
    await album.take("apps", whole=True)
    for app in ("shortcuts", "gammu", "generic", "smsforwarder", "incoming_sms"):
        await page.goto(f"{at}/{code}/app")
        await page.click(f"button[value={app}]")
        await page.wait_for_selector(".steps")
        await album.take(f"steps-{app}", whole=app != "incoming_sms")
    await page.goto(f"{at}/{code}/app")
    await page.click("button[value=smsgate]")
    await page.wait_for_selector(".steps")
    await album.take("steps-smsgate-no-https", whole=True)
    house.bases, house.ca = Bases(http=(HTTP,), https=(HTTPS,)), True
    await page.reload()
    await album.take("steps-smsgate", whole=True)
    await page.goto(f"{at}/{code}/app")
    await page.click("button[value=incoming_sms]")
    await page.wait_for_selector(".steps")
    await page.goto(f"{at}/{code}/wait")
    await album.take("wait")
    house.clock.advance(61)
    await _seen(page, "Nothing has come yet", javascript=javascript)
    await album.take("minute", whole=True)
    house.box.listener.sightings.saw(Mistake.UNKNOWN_TOKEN, "127.0.0.1")
    await _seen(page, "wrong token", javascript=javascript)
    await album.take("wrong-token")
    await page.goto(f"{at}/{code}")
    await album.take("steps-wrong-token")
    other = await browser.new_context(**PHONE)
    stranger = await other.new_page()
    await stranger.goto(f"{at}/{code}")
    await Album(stranger, to, only).take("other-browser")
    await house.box.push(*generic_json({"from": "+6581230000", "text": "hello"}))
    if javascript:
        await page.wait_for_selector(".tick")
    else:
        await page.reload()
    await album.take("arrived")
    await stranger.goto(f"{at}/{code}")
    await Album(stranger, to, only).take("expired")
    await other.close()
    await context.close()


async def _seen(page: Page, words: str, *, javascript: bool) -> None:
    if not javascript:
        await page.reload()
    await page.get_by_text(words).first.wait_for()


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else KEPT
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(folder, DOCS if folder == KEPT else None))
