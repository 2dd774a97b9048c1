"""Every page in a real browser: axe in both themes, no complaint, nothing from elsewhere.

And none is wider than the screen: on a phone, a tablet, and at 200 % zoom of those and of a desk.

One page of each route is looked at, as a walk along the links finds it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.admin.test_crawl import shown_by, walk
from tests.support.admin_browser import AXE, Watched, browser_marks, browsing
from tests.support.filled import Filled, filled

pytestmark = browser_marks

ALSO = ("/docs", "/patterns", "/nothing-here")
EMPTY = ("/", "/messages", "/deliveries", "/endpoints", "/phones", "/settings/keys", "/checklist")
"""Pages that say something else while there is nothing yet."""
OUTSIDE = ("/setup", "/login")
WIDTHS = (195, 320, 384, 390, 720, 768, 1440)
"""CSS pixels: phone, tablet and desk, each also at 200 % zoom, and what WCAG calls reflow."""


async def one_of_each(port: int) -> list[str]:
    """A path for every route that the walk has found."""
    found: dict[str, str] = {}
    for path in (await walk(port)).pages:
        found.setdefault(shown_by(path.partition("?")[0]) or path, path)
    return [*(path for path in found.values() if not path.startswith("/docs")), *ALSO]


@asynccontextmanager
async def opened(
    directory: Path, where: dict[str, Any], **how: Any
) -> AsyncIterator[tuple[Filled, Watched]]:
    async with filled(directory, **where) as there, browsing(there.port, **how) as watched:
        watched.refused = 600
        yield there, watched


async def paths_of(there: Filled, where: dict[str, Any]) -> list[str]:
    if where.get("locked"):
        return list(OUTSIDE)
    return list(EMPTY) if where.get("bare") else await one_of_each(there.port)


appliances = pytest.mark.parametrize(
    "where",
    [{}, {"bare": True}, {"bare": True, "locked": True}],
    ids=["filled", "empty", "locked"],
)
script_or_not = pytest.mark.parametrize(
    "javascript", [True, pytest.param(False, marks=pytest.mark.long)], ids=["script", "plain"]
)
"""What the script adds is the wider; without it, in make long, too."""


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: make ci installs it")
@appliances
async def test_axe_finds_nothing_in_either_theme(tmp_path: Path, where: dict[str, Any]):
    wrong: list[str] = []
    async with opened(tmp_path, where) as (there, watched):
        paths = await paths_of(there, where)
        assert where or len(paths) > 45
        for path in paths:
            await watched.go(path)
            for scheme in ("light", "dark"):
                await watched.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                try:
                    await watched.axe(colours_only=scheme == "dark")
                except AssertionError as error:
                    wrong.append(f"{scheme}: {error}")
    assert not wrong, "\n".join(wrong)


@appliances
@script_or_not
async def test_no_page_is_wider_than_the_screen_or_complains(
    tmp_path: Path, where: dict[str, Any], javascript: bool
):
    wide: list[str] = []
    # over plain http a browser trusts no other host as it trusts the machine that it is on
    how = {"javascript": javascript, "host": "192.168.1.20"}
    async with opened(tmp_path, where, **how) as (there, watched):
        for path in await paths_of(there, where):
            await watched.go(path)
            await watched.page.evaluate(OPEN)
            for width in WIDTHS:
                await watched.page.set_viewport_size({"width": width, "height": 800})
                try:
                    await watched.fits()
                except AssertionError as error:
                    wide.append(f"{path}: {error}")
    assert not wide, "\n".join(wide)


OPEN = "() => { for (const one of document.querySelectorAll('details')) one.open = true; }"
"""Whatever is folded away counts, too."""
