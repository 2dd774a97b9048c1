"""Who may come in, in a real browser: with and without JavaScript, read by axe, on a narrow screen.

The site stands in the test's own loop with its real door.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from mmconnect.desk.entry import CONFIRMED
from tests.support.admin_browser import Watched, browser_marks, browsing
from tests.support.door import PASSWORD, House, house_of
from tests.support.inprocess import FakeClock
from tests.support.loops import on_loopback

api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")

pytestmark = browser_marks


@asynccontextmanager
async def opened(directory: Path, **how: Any) -> AsyncIterator[tuple[House, Watched]]:
    async with (
        house_of(directory, clock=FakeClock()) as house,
        browsing(house.port, **how) as watched,
    ):
        yield house, watched


async def enter(watched: Watched, label: str, words: str) -> None:
    await watched.page.get_by_label(label, exact=True).fill(words)


async def first_visit(house: House, watched: Watched, *, javascript: bool = True) -> None:
    code = await house.code()
    await watched.page.goto(f"{watched.base}/setup#{code}")
    if javascript:
        field = watched.page.get_by_label("One-time setup code")
        # the link has brought it, and it is gone from the address
        await api.expect(field).to_have_value(code, timeout=60_000)
        await watched.page.wait_for_url(lambda url: "#" not in url)
    else:
        await enter(watched, "One-time setup code", code.lower())
    await enter(watched, "Choose a password", PASSWORD)
    await enter(watched, "The password once more", PASSWORD)
    await watched.press("Set up")
    await watched.says("mmconnect is yours now")


@pytest.mark.parametrize("javascript", [True, False])
async def test_in_out_and_in_again(tmp_path: Path, javascript: bool) -> None:
    async with opened(tmp_path, javascript=javascript, width=390) as (house, watched):
        page = watched.page
        await watched.go("/messages")
        assert page.url.endswith("/setup")
        await first_visit(house, watched, javascript=javascript)
        await watched.follow("Settings")
        await watched.press("Log out")
        await watched.says("You are logged out.")
        await watched.go("/settings/sessions")
        watched.refused = 600
        await enter(watched, "Password", "wrong password")
        await watched.press("Log in")
        await watched.says("That is not the password")
        watched.refused = 400
        await enter(watched, "Password", PASSWORD)
        await watched.press("Log in")
        await page.wait_for_url("**/settings/sessions")
        await watched.says("this one")


@pytest.mark.parametrize("javascript", [True, False])
async def test_a_key_and_a_new_password(tmp_path: Path, javascript: bool) -> None:
    async with opened(tmp_path, javascript=javascript) as (house, watched):
        page = watched.page
        await first_visit(house, watched, javascript=javascript)
        await watched.go("/settings/keys")
        await enter(watched, "What it is for", "Backup script")
        await page.get_by_label("Write: add, change and remove, send again").uncheck()
        await watched.press("Make the key")
        secret = await page.locator("#key code").first.text_content()
        assert re.fullmatch(r"sk_live_\w{40}", secret or "")
        shown = await house.desk.keys.show(secret or "", "127.0.0.1")
        assert shown.key is not None
        assert shown.key.scopes == {"read"}
        await watched.follow("API keys")
        await page.get_by_role("link", name="Revoke").first.click()
        await watched.press("Revoke it")
        await watched.says("opens nothing now")
        assert (await house.desk.keys.show(secret or "", "127.0.0.1")).key is None
        other = house.browser()
        await other.log_in()
        await watched.follow("Sessions")
        await watched.press("Log out all others")
        await watched.says("1 browser is logged out.")
        assert (await other.get("/")).status == 303
        await watched.follow("Password")
        await enter(watched, "Present password", PASSWORD)
        await enter(watched, "New password", "another password")
        await enter(watched, "New password once more", "another password")
        await watched.press("Change the password")
        await watched.says("The password was changed.")
        assert isinstance(house.box.clock, FakeClock)
        house.box.clock.advance(CONFIRMED / 1000)
        await watched.go("/confirm?next=/settings/keys")
        await enter(watched, "Password", "another password")
        await watched.press("Go on")
        await page.wait_for_url("**/settings/keys")


@pytest.mark.parametrize("javascript", [True, False])
async def test_a_link_from_elsewhere_finds_who_is_logged_in(
    tmp_path: Path, javascript: bool
) -> None:
    """The browser keeps a strict cookie to itself then; the page after it does not."""
    async with opened(tmp_path, javascript=javascript) as (house, watched):
        await first_visit(house, watched, javascript=javascript)
        link = f"<a href='{watched.base}/settings/keys?x=a%20b'>there</a>"

        async def elsewhere(request: web.Request) -> web.Response:
            return web.Response(text=link, content_type="text/html")

        app = web.Application()
        app.router.add_get("/", elsewhere)
        async with on_loopback(web.AppRunner(app, access_log=None, shutdown_timeout=0.5)) as port:
            await watched.page.goto(f"http://localhost:{port}/")
            watched.complaints.clear()  # that was another site, on purpose
            await watched.page.get_by_role("link", name="there").click()
            await watched.page.wait_for_url("**/settings/keys?x=a%20b")
            await watched.says("A key lets a program use the REST API")
            await watched.page.context.clear_cookies()
            await watched.page.goto(f"http://localhost:{port}/")
            watched.complaints.clear()
            await watched.page.get_by_role("link", name="there").click()
            await watched.page.wait_for_url("**/login?next=**")


@pytest.mark.long  # test_every_page.py has every page at every run
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
async def test_everybody_can_read_them(tmp_path: Path, scheme: str, width: int) -> None:
    async with opened(tmp_path, scheme=scheme, width=width) as (house, watched):

        async def look(path: str) -> None:
            await watched.go(path)
            await watched.fits()
            await watched.axe()

        await look("/setup")
        watched.refused = 600
        await watched.page.evaluate("document.querySelector('form').noValidate = true")
        await watched.press("Set up")
        await watched.fits()
        await watched.axe()
        watched.refused = 400
        await first_visit(house, watched)
        key = await _key(watched)
        for path in (
            *("/settings/password", "/settings/sessions", "/settings/keys", "/confirm?next=/"),
            *(f"/settings/keys/{key}", f"/settings/keys/{key}/revoke"),
        ):
            await look(path)
        await watched.go("/settings")
        await watched.press("Log out")
        await watched.axe()
        await look("/login")


async def _key(watched: Watched) -> str:
    await watched.go("/settings/keys")
    await enter(watched, "What it is for", "Backup script with a name that goes on and on")
    await watched.press("Make the key")
    await watched.fits()
    await watched.axe()
    return str(watched.page.url.rsplit("/", 1)[1])


async def test_by_keyboard_alone(tmp_path: Path) -> None:
    async with opened(tmp_path) as (house, watched):
        await watched.go(f"/setup#{await house.code()}")
        keys = watched.page.keyboard
        # the field for the password has the focus already
        await watched.page.wait_for_function("document.activeElement.name === 'password'")
        for words in (PASSWORD, PASSWORD):
            await keys.type(words)
            await keys.press("Tab")
        await keys.press("Tab")
        await keys.type("Sing")
        await keys.press("Tab")
        await keys.press("Enter")
        await watched.says("mmconnect is yours now")
        (country,) = house.box.rows("SELECT value FROM settings WHERE name = 'country'")
        assert country == ("SG",)
