"""Backups in a real browser: made, asked for, restored, and the configuration imported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.admin_browser import both, browser_marks, opened

pytestmark = [*browser_marks, pytest.mark.long]

PATH = "/settings/backup"


@both
async def test_what_was_set_is_taken_away_and_imported(tmp_path: Path, javascript: bool):
    async with opened(tmp_path, javascript=javascript, width=390) as (box, watched):
        page = watched.page
        await box.endpoint("http://127.0.0.1:9/x", name="CRM")
        await watched.go(PATH)
        await watched.press("Make one now")
        await watched.says("Made and checked")
        async with page.expect_download() as saving:
            await page.get_by_role("button", name="Export", exact=True).click()
        saved = Path(await (await saving.value).path())
        document = json.loads(saved.read_text(encoding="utf-8"))  # noqa: ASYNC240
        document["settings"]["siteName"] = "Renamed"
        document["endpoints"][0]["maxAge"] = 3600
        await _bring(page, "configuration", json.dumps(document))
        await watched.says("Import this configuration?")
        await watched.fits()
        (named, ident) = await page.evaluate(
            "() => { const cell = [...document.querySelectorAll('td[data-label=Which]')].at(-1);"
            " return [cell.querySelector('div'), cell.querySelector('code')].map("
            "(one) => one.getBoundingClientRect().left); }"
        )
        assert ident >= named, "an id stands with its name, and not below the label"
        await watched.press("Import it")
        await watched.says("The configuration is imported")
        await watched.go("/")
        await watched.says("Renamed")


@both
async def test_what_is_wrong_with_a_file_stands_at_the_top(tmp_path: Path, javascript: bool):
    async with opened(tmp_path, javascript=javascript, width=390) as (_, watched):
        watched.refused = 500
        for field, says in (("configuration", "cannot be imported"), ("file", "be restored")):
            await watched.go(PATH)
            await _bring(watched.page, field, "what is this")
            first = watched.page.locator("main .notice").first
            assert says in await first.inner_text()
            await watched.fits()


@both
async def test_a_restore_is_waited_for(tmp_path: Path, javascript: bool):
    """With JavaScript the page goes on when the next run is there, and no sooner."""
    async with opened(tmp_path, javascript=javascript) as (_, watched):
        page, asked = watched.page, 0

        async def starting(route: Any) -> None:
            nonlocal asked
            asked += 1
            if asked == 1:  # the old run still answers
                await route.fulfill(status=200, body="old")
            elif asked < 4:
                await route.abort("connectionrefused")
            else:  # nobody is logged in at the new one
                await route.fulfill(status=303, headers={"Location": "/login"})

        await watched.go(PATH)
        await watched.press("Make one now")
        await watched.follow("Restore")
        await watched.says("no delivery waits")
        await page.route("**/settings/backup", starting)
        await watched.press("Restore it")
        await watched.says("The backup is being restored")
        if javascript:
            await page.wait_for_url(f"{watched.base}/")  # where the door leads in this test
            assert asked >= 4
        else:
            assert await page.locator("meta[http-equiv=refresh]").count() == 1
        watched.complaints = [one for one in watched.complaints if "Failed to load" not in one]


async def _bring(page: Any, field: str, content: str) -> None:
    """Choose a file with that content, and press the button beside it."""
    file = {"name": "it.json", "mimeType": "application/json", "buffer": content.encode()}
    await page.set_input_files(f"#{field}", files=[file])
    await page.locator(f"form:has(#{field}) button").click()
    await page.wait_for_load_state()
