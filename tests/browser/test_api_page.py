"""The API's page in a real browser: with and without JavaScript, by keyboard, on any screen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.admin_browser import AXE, Watched, browser_marks, browsing
from tests.support.api import api_of
from tests.support.inprocess import appliance

pytestmark = browser_marks


@asynccontextmanager
async def opened(directory: Path, **how: Any) -> AsyncIterator[Watched]:
    async with (
        appliance(directory, tokens=()) as box,
        api_of(box) as api,
        browsing(api.port, **how) as watched,
    ):
        await watched.go("/docs")
        yield watched


@pytest.mark.parametrize("javascript", [True, False], ids=["script", "plain"])
async def test_finding_a_call_and_reading_it(tmp_path: Path, javascript: bool):
    async with opened(tmp_path, javascript=javascript) as watched:
        page = watched.page
        await page.locator("nav summary", has_text="Messages").click()
        await watched.follow("Send it to an endpoint")
        section = page.locator("#sendMessage")
        assert await section.locator("h3").inner_text() == "Send it to an endpoint"
        shown = await section.locator("pre").first.inner_text()
        assert f"{watched.base}/v1/messages/ID/send" in shown
        errors = section.locator("details", has_text="Errors")
        assert not await errors.locator("dd").first.is_visible()
        await errors.locator("summary").press("Enter")
        assert await errors.locator("dd").first.is_visible()
        assert await section.locator("button.copy").first.is_visible() is javascript


async def test_copying_a_call(tmp_path: Path):
    grants = {"permissions": ["clipboard-read", "clipboard-write"]}
    async with opened(tmp_path, **grants) as watched:
        button = watched.page.locator("#listEndpoints button.copy").first
        await button.click()
        await watched.says("Copied")
        copied = await watched.page.evaluate("navigator.clipboard.readText()")
        assert copied == f'curl -H "Authorization: Bearer $KEY" {watched.base}/v1/endpoints'


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed")
@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (1440, "dark")])
async def test_on_any_screen_in_either_theme(tmp_path: Path, width: int, scheme: str):
    async with opened(tmp_path, width=width, scheme=scheme) as watched:
        await watched.page.evaluate(
            "document.querySelectorAll('details').forEach(d => d.open = true)"
        )
        await watched.fits()
        await watched.axe()
