"""From a fresh data directory to a delivered text and a backup, in the browser alone.

The real process, a phone's browser beside the owner's, a receiver that verifies: with and without
JavaScript. The owner only ever follows what the pages say.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mmconnect.webhook import signing
from tests.support.admin_browser import Watched, browser_marks, browsing
from tests.support.browser import PHONE
from tests.support.receiver import Receiver, receiver
from tests.support.service import Service, ask

pytestmark = [*browser_marks, pytest.mark.program]

PASSWORD = "correct horse battery"


@asynccontextmanager
async def fresh(directory: Path, **how: Any) -> AsyncIterator[tuple[Service, Watched, Receiver]]:
    """A service that has just been installed, a browser at it, and a receiver that waits."""
    service = Service(directory / "data")
    await asyncio.to_thread(service.start)
    try:
        async with receiver() as there, browsing(service.admin[1], **how) as watched:
            yield service, watched, there
    finally:
        await asyncio.to_thread(service.stop)


def printed_link(service: Service) -> tuple[str, str]:
    """Page and code of the link that the start has printed."""
    found = re.search(r"(http://127\.0\.0\.1:\d+)(/setup)#([0-9A-Z-]+)", service.out.read_text())
    assert found is not None, service.out.read_text()
    return found[2], found[3]


def a_text(service: Service, push_url: str, text: str) -> None:
    """What the phone's app does with a text."""
    body = f'{{"from": "+6581230000", "text": "{text}"}}'.encode()
    path = "/" + push_url.split("/", 3)[3]
    kind = {"Content-Type": "application/json"}
    assert ask(service.phone, "POST", path, body, kind)[0] == 200


async def on_the_phone(watched: Watched, link: str) -> str:
    """The pairing page in the phone's own browser; the push URL that it shows."""
    browser = watched.page.context.browser
    phone = await browser.new_context(**PHONE)
    page = await phone.new_page()
    await page.goto(link)
    await page.get_by_role("button", name="Continue").click()
    again = page.get_by_role("button", name="Anything else that can send HTTP")
    shown = page.get_by_label("Push URL", exact=True)
    await again.or_(shown).first.wait_for()
    if await again.is_visible():
        await again.click()
    push_url: str = await shown.input_value()
    await phone.close()
    return push_url


def ticks(watched: Watched) -> Any:
    return watched.page.locator("#steps .done")


async def come_to(watched: Watched, done: int, *, javascript: bool) -> None:
    """Wait until so many of the first steps are ticked; without a script, by looking again."""
    begun = time.monotonic()
    while await ticks(watched).count() < done and time.monotonic() - begun < 60:
        if javascript:
            await asyncio.sleep(0.1)
        else:
            await watched.go("/")
    assert await ticks(watched).count() == done


@pytest.mark.parametrize("javascript", [True, False], ids=["script", "plain"])
async def test_from_nothing_to_a_text_that_was_delivered(tmp_path: Path, javascript: bool):
    async with fresh(tmp_path, javascript=javascript, width=390) as (service, watched, there):
        page = watched.page

        # the first visit: whatever is asked for leads to it, and the code is what was printed
        await watched.go("/")
        await page.get_by_role("heading", name="Set up mmconnect").wait_for()
        path, code = printed_link(service)
        await page.goto(f"{watched.base}{path}#{code}")
        code_field = page.get_by_label("One-time setup code")
        if javascript:
            await page.wait_for_function("document.getElementById('code').value !== ''")
            assert await code_field.input_value() == code
        else:
            await code_field.fill(code)
        await page.get_by_label("Choose a password").fill(PASSWORD)
        await page.get_by_label("The password once more").fill(PASSWORD)
        await page.get_by_label("Name of this site").fill("Corner shop")
        await page.get_by_label("Country of your phones’ SIMs").select_option("SG")
        await watched.press("Set up")
        await page.get_by_role("heading", name="Welcome", exact=True).wait_for()
        assert await ticks(watched).count() == 0
        await watched.fits()

        # connect a phone
        await watched.follow("Connect a phone")
        await page.get_by_label("Name").fill("Reception")
        await page.get_by_label("Anything else that can send HTTP").check()
        await watched.press("Add the phone")
        link = await page.locator(".copyable code").first.inner_text()
        push_url = await on_the_phone(watched, link)
        if javascript:
            await watched.says("Waiting for the first text")

        # send yourself a text
        await asyncio.to_thread(a_text, service, push_url, "the first text")
        if not javascript:
            await page.reload()
        await page.get_by_role("heading", name="The first text has arrived").wait_for()
        await watched.go("/")
        await come_to(watched, 2, javascript=javascript)

        # add an endpoint
        await watched.follow("Add an endpoint")
        await page.get_by_label("URL").fill(there.url)
        await page.get_by_label("Name").fill("My CRM")
        await watched.press("Add it")
        secret = await page.locator(".copyable code").first.inner_text()
        await watched.press("Send a test")
        await watched.says("The test has arrived")

        # see it delivered
        await watched.go("/")
        await watched.says("Send My CRM the last text now?")
        await watched.press("Send it")
        await watched.says("The text is on its way")
        await come_to(watched, 4, javascript=javascript)
        _, delivered = await there.until(2)
        assert delivered.text == "the first text"
        signature = signing.plain_signature(secret, delivered.body)
        assert delivered.header("X-MMConnect-Signature") == signature
        assert b'"tenantName":"Corner shop"' in delivered.body

        # download a backup
        await watched.follow("Download a backup")
        async with page.expect_download() as downloading:
            await page.get_by_role("button", name="Download", exact=True).click()
        backup = tmp_path / "backup.db"
        await (await downloading.value).save_as(backup)
        with sqlite3.connect(backup) as db:
            assert db.execute("SELECT text FROM messages WHERE NOT test").fetchall() == [
                ("the first text",)
            ]
        await watched.go("/")
        await come_to(watched, 5, javascript=javascript)
        await watched.go("/")
        await page.get_by_role("heading", name="Overview").wait_for()
        assert await page.locator("#steps").count() == 0
        latest = page.locator("#latest li").filter(has_text="the first text")
        assert "delivered" in await latest.inner_text()
