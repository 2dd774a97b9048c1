"""Chromium on the owner's pages, watched: complaints, requests elsewhere, width, what axe finds.

A test module that uses this marks itself: `pytestmark = browser_marks`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import CHROMIUM, FLAGS
from tests.support.desk import admin_of, desk_of
from tests.support.inprocess import Appliance, appliance

AXE = Path(os.environ.get("AXE_JS") or Path(sys.prefix) / "axe/node_modules/axe-core/axe.min.js")

browser_marks = [
    pytest.mark.apt,
    pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed: apt install chromium"),
    pytest.mark.timeout(300),
]

both = pytest.mark.parametrize("javascript", [True, False], ids=["script", "plain"])
"""For what has to work with and without JavaScript."""
EVIL = "<script>document.title='x'</script>\"'><img src=x onerror=alert(1)>"
"""What a stranger may send as text, name, header or answer."""
STAYS = """const later = setTimeout;
window.setTimeout = (what, ...how) => String(what).includes('"Copy"') ? 0 : later(what, ...how);"""
"""A button that says "Copied" goes on saying so: two seconds are not enough for whoever looks."""
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


class Watched:
    """A page of the admin site, and everything about it that must not be."""

    def __init__(self, page: Any, base: str) -> None:
        self.page, self.base = page, base
        self.complaints: list[str] = []
        self.refused = 400
        """Answers from this status on are complaints; a form that is refused sets it higher."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("request", self._request)

    def _console(self, message: Any) -> None:
        expected = message.text.startswith("Failed to load") and self.refused > 400
        if message.type in ("error", "warning") and not expected:
            self.complaints.append(f"{message.type}: {message.text}")

    def _request(self, request: Any) -> None:
        if not request.url.startswith((f"{self.base}/", "data:")):
            self.complaints.append(f"a request to {request.url}")

    async def go(self, path: str) -> None:
        """Open a page."""
        answer = await self.page.goto(self.base + path)
        assert answer.status < self.refused, (path, answer.status)

    async def press(self, name: str) -> None:
        """Press a button, and wait for the page that it leads to."""
        await self.page.get_by_role("button", name=name, exact=True).first.click()
        await self.page.wait_for_load_state()

    async def follow(self, name: str) -> None:
        """Follow a link."""
        await self.page.get_by_role("link", name=name, exact=True).first.click()
        await self.page.wait_for_load_state()

    async def says(self, words: str) -> None:
        """Wait until the page says so."""
        await self.page.get_by_text(words).first.wait_for()

    async def fits(self) -> None:
        """Nothing is wider than the screen."""
        wide = await self.page.evaluate(
            "() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert wide[0] <= wide[1], (self.page.url, wide)

    async def axe(self, *, colours_only: bool = False) -> None:
        """axe finds nothing; `colours_only`: of what another theme changes."""
        await self.page.evaluate(AXE.read_text(encoding="utf-8"))  # noqa: ASYNC240 (a test)
        found = await self.page.evaluate(
            "async (rules) => (await axe.run({runOnly: rules})).violations.map((v) =>"
            " `${v.id}: ${v.nodes.map((n) => n.html).join(' | ').slice(0, 300)}`)",
            {"type": "rule", "values": ["color-contrast"]} if colours_only else _RULES,
        )
        assert not found, f"{self.page.url}: {found}"


@asynccontextmanager
async def browsing(
    port: int,
    *,
    javascript: bool = True,
    width: int = 1280,
    scheme: str = "light",
    host: str = "127.0.0.1",
    **how: Any,
) -> AsyncIterator[Watched]:
    """A page in a browser of its own; in the end nobody has complained. `host`: as what the browser
    knows the machine, which is this one in any case."""
    api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
    async with api.async_playwright() as play:
        browser = await play.chromium.launch(
            executable_path=CHROMIUM,
            args=[*FLAGS, f"--host-resolver-rules=MAP {host} 127.0.0.1"],
        )
        try:
            context = await browser.new_context(
                viewport={"width": width, "height": 900},
                color_scheme=scheme,
                java_script_enabled=javascript,
                **how,
            )
            context.set_default_timeout(60_000)
            await context.add_init_script(STAYS)
            watched = Watched(await context.new_page(), f"http://{host}:{port}")
            yield watched
        finally:
            await browser.close()
        assert watched.complaints == []


@asynccontextmanager
async def opened(
    directory: Path, *, tokens: Sequence[str] = ("token-of-the-first-phone",), **how: Any
) -> AsyncIterator[tuple[Appliance, Watched]]:
    """An appliance with a phone for each token, and a browser on its admin site."""
    async with (
        appliance(directory, tokens=tokens) as box,
        admin_of(desk_of(box)) as port,
        browsing(port, **how) as watched,
    ):
        yield box, watched
