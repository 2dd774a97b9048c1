"""The help in a real browser: asked, read, copied, saved; with and without JavaScript."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmconnect.desk import guiding, recipes
from mmconnect.desk.doctor import Check, Once, Report
from tests.support.admin_browser import AXE, Watched, both, browser_marks, browsing
from tests.support.desk import admin_of, desk_of, machine_of
from tests.support.inprocess import appliance
from tests.support.service import ROOT

pytestmark = browser_marks

KINDS = [
    *("/help", "/help?q=signature", "/help?q=xyzzy", "/help/webhooks", "/help/troubleshooting"),
    *("/help/phones", "/help/recipes", "/help/recipes/zammad", "/help/recipes/node-red"),
    *("/help/phones/smsgate", "/help/phones/incoming_sms"),
]
"""A page of each kind, the longest ones."""
PAGES = [
    *KINDS[:7],
    *(f"/help/recipes/{name}" for name in recipes.names()),
    *(f"/help/phones/{g.name}" for guides in guiding.by_kind().values() for g in guides),
]


@asynccontextmanager
async def opened(directory: Path, **how: Any) -> AsyncIterator[Watched]:
    async with (
        appliance(directory, tokens=("the-phone",)) as box,
        admin_of(desk_of(box)) as port,
        browsing(port, **how) as watched,
    ):
        await box.text("balance")
        await box.endpoint("http://127.0.0.1:9/x", name="CRM")
        yield watched


@both
async def test_from_a_question_to_the_endpoint_that_a_recipe_needs(
    tmp_path: Path, javascript: bool
):
    async with opened(tmp_path, javascript=javascript, width=390) as watched:
        await watched.go("/help")
        await watched.page.get_by_label("Search the help").fill("zammad")
        await watched.press("Search")
        await watched.follow("Zammad")
        await watched.says("Put each secret into a file that only root can read")
        async with watched.page.expect_download() as saving:
            await watched.page.get_by_role("link", name="Download").first.click()
        saved = await saving.value
        assert saved.suggested_filename == "receive.py"
        text = (ROOT / "recipes" / "zammad" / "receive.py").read_bytes()
        assert Path(await saved.path()).read_bytes() == text  # noqa: ASYNC240
        await watched.follow("Add the endpoint")
        assert await watched.page.get_by_label("URL").input_value() == "http://127.0.0.1:8491/"
        await watched.press("Add it")
        await watched.says("whsec_")


async def test_a_whole_file_is_copied(tmp_path: Path):
    async with opened(tmp_path, permissions=["clipboard-read", "clipboard-write"]) as watched:
        await watched.go("/help/recipes/ntfy")
        part = watched.page.locator("#file-1")
        await part.get_by_role("button", name="Copy").click()
        await part.get_by_text("Copied").wait_for()
        copied = await watched.page.evaluate("navigator.clipboard.readText()")
        text = (ROOT / "recipes" / "ntfy" / "receive.py").read_text()
        assert copied.rstrip("\n") == text.rstrip("\n")


@pytest.mark.long  # test_every_page.py has every page at every run
@pytest.mark.parametrize("width", [390, 768, 1440])
async def test_no_page_is_wider_than_the_screen(tmp_path: Path, width: int):
    async with opened(tmp_path, width=width) as watched:
        for path in PAGES if width == 390 else KINDS:
            await watched.go(path)
            await watched.fits()


@pytest.mark.long  # test_every_page.py has every page at every run
@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed")
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing(tmp_path: Path, scheme: str):
    async with opened(tmp_path, scheme=scheme, width=390) as watched:
        for path in KINDS:
            await watched.go(path)
            await watched.axe()


@both
async def test_what_the_doctor_has_found(tmp_path: Path, javascript: bool):
    """Every mark and a command that is long: on a phone and on a desk, in both themes."""
    once, check = Once(), Check("disk", "Disk")
    long = "`sudo mmconnect --data-dir /media/a-stick-with-a-long-name/mmconnect/data doctor`"
    others = (check.skipped("Not seen.", long), check.note("Odd.", long), check.ok("Fine."))
    once.last = Report(at=1_781_274_720_000, findings=(*others, check.problem("Full.", long)))
    once._ended = float("inf")  # so it is not made anew
    async with (
        appliance(tmp_path, tokens=("the-phone",)) as box,
        admin_of(desk_of(box, machine=replace(machine_of(box), _examinations=once))) as port,
        browsing(port, javascript=javascript, width=390) as watched,
    ):
        await watched.go("/help/doctor#disk")
        await watched.press("Look again")
        await watched.says("What was found")
        first = watched.page.locator("#disk")
        assert "Full." in await first.inner_text(), "what is worst is what a link leads to"
        for width in (390, 1440):
            await watched.page.set_viewport_size({"width": width, "height": 900})
            await watched.fits()
            for scheme in ("light", "dark"):
                await watched.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                if javascript and AXE.exists():
                    await watched.axe(colours_only=scheme == "dark")
