"""The phones' pages in a real browser: every action with and without JavaScript, by keyboard too.

Chromium against the admin site in the test's own loop, with a real phone listener, a real receiver
and a simulated phone behind it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mmconnect.desk.desk import Listeners
from mmconnect.phones import codes, pair_files
from mmconnect.phones.pair_site import PairSite
from mmconnect.phones.pairing import Pairings
from mmconnect.phones.urls import Bases
from mmconnect.store import settings
from tests.support.admin_browser import AXE, browser_marks
from tests.support.browser import CHROMIUM, FLAGS, PHONE
from tests.support.desk import admin_of, desk_of
from tests.support.inprocess import Appliance, appliance, eventually
from tests.support.phones import JSON, generic_json, smsgate
from tests.support.receiver import receiver
from tests.support.smsgate_phone import SmsgatePhone

api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")

pytestmark = browser_marks

NAUGHTY = '<b onmouseover="alert(1)">Jo</b>'
ODD = json.dumps({"who": {"nr": "+6581230000"}, "what": "hello you"}).encode()


@dataclass
class Owner:
    """A person at the pages, and everything about them that must not be."""

    box: Appliance
    page: Any
    browser: Any
    at: str
    complaints: list[str]

    async def go(self, path: str) -> None:
        await self.page.goto(self.at + path)

    async def press(self, name: str) -> None:
        await self.page.get_by_role("button", name=name).first.click()

    async def follow(self, name: str) -> None:
        await self.page.get_by_role("link", name=name).first.click()

    async def tab(self, name: str) -> None:
        """Another page of the same phone."""
        await self.page.locator(".tabs").get_by_role("link", name=name).click()

    async def heading(self, words: str) -> None:
        await self.page.get_by_role("heading", name=words).first.wait_for()

    async def sees(self, words: str) -> None:
        await self.page.get_by_text(words).first.wait_for()

    def watch(self, page: Any) -> None:
        def console(message: Any) -> None:
            if message.type in ("error", "warning"):
                ours = message.location["url"] == page.url and "Failed to load" in message.text
                if not ours:  # a form that comes back is a 400
                    self.complaints.append(f"{message.type}: {message.text}")

        def request(asked: Any) -> None:
            if not asked.url.startswith("http://127.0.0.1:"):
                self.complaints.append(f"a request to {asked.url}")

        page.on("console", console)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("request", request)


@asynccontextmanager
async def opened(directory: Path, **how: Any) -> AsyncIterator[Owner]:
    """An appliance with both its sites, and a browser at the owner's."""
    async with appliance(directory, tokens=()) as box, api.async_playwright() as play:
        box.change(lambda db: settings.put(db, settings.SITE_NAME, "Acme Dental"))
        await box.watch.refresh()
        bases = Bases(http=(f"http://127.0.0.1:{box.port}",))
        pairings = Pairings(box.database, box.clock, box.listener.sightings)
        box.intake.on_heard = pairings.heard
        site = PairSite(
            pairings, box.watch.look, box.watch.refresh, lambda: bases, list, lambda: False
        )
        box.listener._sites.update(
            {codes.PATH.strip("/"): site.handle, pair_files.PATH: pair_files.serve}
        )
        desk = desk_of(
            box,
            pairings=pairings,
            listeners=lambda: Listeners(phone=(f"127.0.0.1:{box.port}",)),
        )
        async with admin_of(desk) as port:
            browser = await play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            context = await browser.new_context(
                **{"viewport": {"width": 1200, "height": 900}, **how}
            )
            context.set_default_timeout(60_000)
            page = await context.new_page()
            owner = Owner(box, page, browser, f"http://127.0.0.1:{port}", [])
            owner.watch(page)
            try:
                yield owner
            finally:
                await browser.close()
            assert owner.complaints == []


@pytest.mark.parametrize("javascript", [True, False])
async def test_from_no_phone_to_its_first_text(tmp_path: Path, javascript: bool):
    async with opened(tmp_path, java_script_enabled=javascript) as owner:
        page = owner.page
        await owner.go("/phones")
        await owner.heading("No phone yet")
        await owner.follow("Add a phone")
        await page.get_by_label("Name").fill("  ")
        await page.get_by_label("Incoming SMS to URL forwarder").check()
        await page.get_by_label("Country").select_option("SG")
        await owner.press("Add the phone")
        await owner.sees("A name has 1 to 200 characters")
        assert await page.get_by_label("Country").input_value() == "SG"
        await page.get_by_label("Name").fill(NAUGHTY)
        await owner.press("Add the phone")
        await owner.heading("Waiting for the phone's browser")
        assert await page.get_by_role("img", name="QR code of the pairing page").count()

        link = await page.locator(".copyable code").first.inner_text()
        phone = await (await owner.browser.new_context(**PHONE)).new_page()
        owner.watch(phone)
        await phone.goto(link)
        await phone.get_by_role("button", name="Continue").click()
        await phone.get_by_role("heading", name="Incoming SMS to URL forwarder").wait_for()
        # it changes by itself: by the script, or by loading itself again
        await owner.heading("Waiting for the first text")
        ((token,),) = owner.box.rows("SELECT token FROM device_tokens")
        await owner.box.push(*generic_json(), token="wrong")
        await owner.heading("A push came with a wrong token")
        await owner.box.push(*generic_json({"from": "81230000", "text": "a secret"}), token=token)
        await owner.heading("The first text has arrived")
        await owner.follow("Look at")
        await owner.sees("1 text today.")
        assert await page.locator("[onmouseover]").count() == 0
        assert token not in await page.content()


@pytest.mark.parametrize("javascript", [True, False])
async def test_everything_that_can_be_done_with_a_phone(tmp_path: Path, javascript: bool):
    async with receiver() as hook, opened(tmp_path, java_script_enabled=javascript) as owner:
        box, page = owner.box, owner.page
        await box.endpoint(hook.url)
        token = await box.device(name="Reception", app="generic")
        device = next(iter(box.tokens))

        await owner.go(f"/phones/{device}")
        await page.get_by_label("From").fill("+6581230000")
        await page.get_by_label("Text", exact=True).fill("from the page")
        await owner.press("Push this text")
        await owner.sees("went through the phone listener")
        message = box.one("SELECT id FROM messages WHERE text = 'from the page'")
        await box.settled(message)
        href = await page.get_by_role("link", name="What became of it").get_attribute("href")
        assert href == f"/messages/{message}"

        await owner.tab("Settings")
        await page.get_by_label("Tell me when it is silent").fill("soon")
        await owner.press("Save")
        await owner.sees("Write 2h or 3d")
        await page.get_by_label("Tell me when it is silent").fill("2h")
        await page.get_by_label("Country").select_option("DE")
        await owner.press("Save")
        await owner.sees("Saved.")
        assert box.rows("SELECT silent_after, country FROM devices") == [(7200, "DE")]

        await box.push({"Content-Type": JSON}, ODD, token=token)
        await owner.tab("Now")
        await owner.sees("1 push was not understood")
        await owner.follow("Look at it")
        await owner.follow("Mend the mapping with this one")
        await owner.sees("Not understood: there is no sender")
        await page.locator("#path-text").fill("what")
        await owner.press("Try it with what is near")
        await owner.sees("A text, read as one of")
        assert await page.locator("#path-from").input_value() == "who.nr"
        await owner.press("Save these paths")
        await owner.sees("Now read again")
        await owner.press("Read it again")
        await owner.sees("1 text was understood.")
        await box.settled(box.one("SELECT id FROM messages WHERE text = 'hello you'"))

        await owner.follow("Show the push URL")
        assert token in await page.locator(".copyable code").first.inner_text()
        await owner.go(f"/phones/{device}")
        await owner.follow("New token")
        await owner.press("Make a new token")
        await owner.sees("7 days at most.")
        fresh = "SELECT token FROM device_tokens WHERE token != ?"
        ((new,),) = await eventually(lambda: box.rows(fresh, token))

        await owner.go(f"/phones/{device}")
        await owner.follow("Remove")
        await owner.heading("Remove Reception?")
        if javascript:
            assert await page.locator("dialog[open]").count() == 1
            await page.keyboard.press("Escape")
            await page.wait_for_function("!document.querySelector('dialog')")
            assert box.one("SELECT removed_at FROM devices") is None
            await owner.follow("Remove")
        await owner.press("Remove it")
        await owner.sees("Reception was removed")
        assert (await box.push(*generic_json(), token=new)).status == 401


@pytest.mark.parametrize("javascript", [True, False])
async def test_a_phone_that_is_fetched_from(tmp_path: Path, javascript: bool):
    with SmsgatePhone() as phone:
        async with receiver() as hook, opened(tmp_path, java_script_enabled=javascript) as owner:
            box, page = owner.box, owner.page
            await box.endpoint(hook.url)
            await owner.go("/phones/new?app=smsgate")
            await page.get_by_label("Name").fill("Reception")
            await page.get_by_text("Also fetch from the phone").click()
            await page.get_by_label("The phone's address").fill(f"http://127.0.0.1:{phone.port}")
            await page.get_by_label("Password").fill("wrong")
            await owner.press("Add the phone")
            await owner.sees("user or password is wrong")
            assert await page.get_by_label("Password").input_value() == ""
            await page.get_by_label("Password").fill("pass1234")
            await owner.press("Add the phone")
            await owner.sees("let mmconnect in")
            await owner.sees("pushes over HTTPS alone")
            device = box.one("SELECT id FROM devices")

            now = box.clock.now()
            for n in range(2):
                kept = f"msg_01M8NSNTSJFH05TMEAFA8K0W{n}0"
                values = (kept, f"old {n}", now, device)
                box.change(partial(keep_back, values=values))
            await owner.go(f"/phones/{device}")
            await owner.sees("2 texts were kept without being sent")
            await owner.follow("Decide")
            await owner.press("Send 2 texts")
            await owner.sees("2 texts are sent: 2 deliveries.")

            await owner.tab("Fetching")
            await page.get_by_label("Look every").fill("30s")
            await owner.press("Save")
            await owner.sees("Saved.")
            await owner.follow("Fetch no longer")
            await owner.press("Fetch no longer")
            await owner.sees("is fetched from no longer")
            assert box.rows("SELECT * FROM phone_links") == []


def keep_back(db: sqlite3.Connection, values: tuple[object, ...]) -> None:
    """A text of an inbox that waits for a decision: its id, words, time and device."""
    db.execute(
        "INSERT INTO messages (id, kind, sender, text, received_at, device_id, payload)"
        " VALUES (?, 'sms', '+1', ?, ?, ?, x'7b7d')",
        values,
    )
    db.execute("INSERT INTO kept_back VALUES (?, ?, 'history')", (values[0], values[3]))


async def test_a_phone_is_added_with_the_keyboard_alone(tmp_path: Path):
    async with opened(tmp_path) as owner:
        page = owner.page
        await owner.go("/phones/new")

        async def tab_to(what: str) -> None:
            for _ in range(60):
                await page.keyboard.press("Tab")
                if await page.evaluate(f"document.activeElement.matches({what!r})"):
                    ring = "getComputedStyle(document.activeElement).outlineStyle"
                    assert await page.evaluate(ring) == "solid", what
                    return
            raise AssertionError(f"{what} is not reached")

        await tab_to("#name")
        await page.keyboard.type("Workshop")
        await tab_to("[name=app]")
        await page.keyboard.press("ArrowDown")
        await tab_to("summary")
        await page.keyboard.press("Enter")
        await tab_to("#phoneUrl")
        await tab_to("button.first")
        await page.keyboard.press("Enter")
        await owner.heading("Waiting for the phone's browser")
        assert owner.box.rows("SELECT name, app FROM devices") == [("Workshop", "smsgate")]


async def filled(owner: Owner) -> list[str]:
    """Phones of many kinds; the paths of all their pages."""
    box = owner.box
    await box.device(name="Reception", app="smsgate", token="a", silent_after=7200)
    await box.device(name=f"{NAUGHTY} of a name that goes on and on", token="b", app="generic")
    await box.device(name="Signed", token="c", app="generic", signing_key="k" * 20)
    first, second, third = box.tokens
    health = {"checks": {"battery:level": {"observedValue": 21}}}
    await box.push(*smsgate("system:ping", {"health": health}), token="a")
    for n in range(3):
        await box.push(*generic_json({"from": "+1", "text": str(n), "id": str(n)}), token="a")
    kept = (await box.push({"Content-Type": JSON}, ODD, token="b")).json["id"]
    await box.push(*generic_json(), token="c")
    box.presences.silent(first, box.clock.now())
    rest = ("", "pair", "settings", "mapping", "fetching", "token", "new-token", "remove", "unread")
    paths = ["/phones", "/phones/new", f"/phones/{second}/mapping?message={kept}"]
    paths += [f"/phones/{first}/{word}".rstrip("/") for word in rest]
    return [*paths, f"/phones/{second}", f"/phones/{second}/unread", f"/phones/{third}"]


@pytest.mark.long  # test_every_page.py has every page at every run
@pytest.mark.skipif(not AXE.exists(), reason=f"axe-core is not at {AXE}: npm install axe-core")
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing(tmp_path: Path, scheme: str):
    axe = AXE.read_text(encoding="utf-8")
    # bypass_csp: axe is put into the page, which its policy rightly does not let in
    async with opened(tmp_path, color_scheme=scheme, bypass_csp=True) as owner:
        found: list[str] = []
        for path in await filled(owner):
            await owner.go(path)
            await owner.page.evaluate(axe)
            told = await owner.page.evaluate("async () => (await axe.run()).violations")
            found += [f"{path}: {one['id']}: {one['nodes'][0]['html']}" for one in told]
        assert found == []


@pytest.mark.long  # test_every_page.py has every page at every run
@pytest.mark.parametrize("width", [320, 390, 768, 1440])
async def test_no_page_is_wider_than_the_screen(tmp_path: Path, width: int):
    async with opened(tmp_path, viewport={"width": width, "height": 844}) as owner:
        for path in await filled(owner):
            await owner.go(path)
            wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert await owner.page.evaluate(wider) == 0, path
