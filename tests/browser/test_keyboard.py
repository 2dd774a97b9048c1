"""By keyboard alone: from the first visit to an endpoint, and the main actions of every day.

Only Tab, Enter, Space, Escape, arrows and letters. After each Tab what has the focus is shown by an
outline, stands within the window and is not under a bar that stays in its place.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mmconnect.desk import setup_codes
from tests.support.admin_browser import Watched, browser_marks, browsing
from tests.support.filled import Filled, filled

pytestmark = browser_marks

MOST = 90
"""Presses of Tab after which what is looked for counts as out of reach."""
FOCUS = """() => {
  const at = document.activeElement;
  if (!at || at === document.body) return null;
  const box = at.getBoundingClientRect(), style = getComputedStyle(at);
  const x = box.left + box.width / 2, y = box.top + Math.min(box.height, innerHeight) / 2;
  const seen = document.elementFromPoint(x, y);
  const own = at.getAttribute('aria-label') || at.innerText;
  const name = at.labels?.length ? at.labels[0].innerText : own;
  return {
    name: (name || '').trim().replace(/\\s+/g, ' '),
    outlined: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    inside: box.top >= 0 && box.left >= 0 && y <= innerHeight && x <= innerWidth,
    covered: !(seen && (at.contains(seen) || seen.contains(at) || seen.closest('label'))),
    scrolls: at.matches('pre, main'),
  };
}"""


class Keys:
    """Somebody without a mouse."""

    def __init__(self, watched: Watched) -> None:
        self.watched, self.page = watched, watched.page

    async def tab(self) -> str | None:
        """To what comes next; its name. None: out of the page."""
        await self.page.keyboard.press("Tab")
        at = await self.page.evaluate(FOCUS)
        if at is None:
            return None
        if not at["scrolls"]:
            assert at["outlined"], (self.page.url, at)
            assert at["inside"], (self.page.url, at)
            assert not at["covered"], (self.page.url, at)
        return str(at["name"])

    async def to(self, name: str) -> None:
        """Tab until there."""
        passed = []
        for _ in range(MOST):
            reached = await self.tab()
            if reached is not None and (reached == name or reached.startswith(f"{name} ")):
                return
            passed.append(reached)
        raise AssertionError(f"{name} is not reached on {self.page.url}, but {passed}")

    async def press(self, name: str, key: str = "Enter") -> None:
        """Tab there, and press it."""
        await self.to(name)
        await self.page.keyboard.press(key)

    async def write(self, name: str, text: str) -> None:
        await self.to(name)
        await self.page.keyboard.press("ControlOrMeta+a")
        await self.page.keyboard.type(text)

    async def through(self) -> int:
        """All the way through a page; how many stops there were."""
        stops = 0
        while await self.tab() is not None and stops < 400:
            stops += 1
        return stops


@asynccontextmanager
async def opened(
    directory: Path, *, width: int = 1280, **where: Any
) -> AsyncIterator[tuple[Filled, Keys]]:
    async with filled(directory, **where) as there, browsing(there.port, width=width) as watched:
        yield there, Keys(watched)


@pytest.mark.parametrize("width", [390, 1280])
async def test_the_focus_is_seen_all_the_way_through_the_main_pages(tmp_path: Path, width: int):
    async with opened(tmp_path, width=width) as (there, keys):
        endpoint = there.endpoints["Booking system"]
        for path in ("/", "/messages", "/deliveries", f"/endpoints/{endpoint}", "/settings/keys"):
            await keys.watched.go(path)
            assert await keys.tab() == "Skip to the page"
            assert await keys.through() > 12


async def test_the_first_visit_and_an_endpoint(tmp_path: Path):
    async with opened(tmp_path, bare=True, locked=True) as (there, keys):
        page, watched = keys.page, keys.watched
        made = there.box.change(lambda db: setup_codes.make(db, there.box.clock.now()))
        assert made is not None
        await watched.go("/setup")
        await keys.write("One-time setup code", made.code)
        await keys.write("Choose a password", "correct horse battery")
        await keys.write("The password once more", "correct horse battery")
        await keys.press("Set up")
        await page.get_by_role("heading", name="Welcome").wait_for()
        await keys.press("Add an endpoint")
        await page.get_by_role("heading", name="Add an endpoint").wait_for()
        await keys.write("URL", "http://127.0.0.1:9/hook")
        await keys.write("Name", "By keyboard")
        await keys.press("Add it")
        await watched.says("Give this secret to your receiver")
        assert there.box.one("SELECT name FROM endpoints") == "By keyboard"


async def test_pausing_resuming_and_sending_again(tmp_path: Path):
    async with opened(tmp_path, width=390) as (there, keys):
        page, watched = keys.page, keys.watched
        await watched.go(f"/endpoints/{there.endpoints['Helpdesk']}")
        await keys.press("Pause", "Space")
        await page.get_by_role("link", name="Resume", exact=True).wait_for()
        await keys.press("Resume")
        dialog = page.get_by_role("dialog")
        await dialog.wait_for()
        await page.keyboard.press("Escape")
        await dialog.wait_for(state="hidden")
        assert (await page.evaluate(FOCUS))["name"] == "Resume"  # back where it was
        await page.keyboard.press("Enter")
        await dialog.wait_for()
        await keys.press("Resume", "Space")
        await watched.says("Helpdesk goes on")
        await watched.go("/deliveries?state=failed")
        box = page.get_by_role("checkbox").first
        await keys.to(await box.get_attribute("aria-label"))
        await page.keyboard.press("Space")
        assert await box.is_checked()
        await keys.press("Retry selected")
        await watched.says("sent again")
