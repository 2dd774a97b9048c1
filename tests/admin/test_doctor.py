"""/help/doctor and GET /v1/doctor: looked at when asked, without JavaScript, with what to do."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import pytest

from mmconnect.admin import topics, upkeep
from mmconnect.desk.doctor import Mark, Report
from tests.admin.test_help import Site
from tests.support.desk import admin_of, desk_of
from tests.support.inprocess import appliance
from tests.support.wire import ask, request


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with appliance(tmp_path, tokens=("the-phone",)) as box:
        desk = desk_of(box)
        async with admin_of(desk) as port:
            yield Site(box, port, desk)


async def page(here: Site) -> str:
    told = await ask(here.port, request("/help/doctor", method="GET"))
    assert told.status == 200
    return unescape(told.body.decode())


async def looked(here: Site) -> Report:
    told = await here.post("/help/doctor")
    assert told.status == 303, told.body
    report = here.desk.machine.examined()
    assert report is not None
    return report


async def test_nothing_is_looked_at_before_somebody_asks(here: Site):
    shown = await page(here)
    assert "Look at everything" in shown
    assert "Looked at" not in shown
    assert here.desk.machine.examined() is None
    assert re.search(r'<form [^>]*method="post" action="/help/doctor"', shown)


async def test_what_was_found_stands_there_with_its_mark_and_remedy(here: Site):
    report = await looked(here)
    shown = re.sub(r"</?code>", "`", await page(here))
    assert report.verdict in shown
    words = {Mark.OK: "ok", Mark.NOTE: "to know", Mark.PROBLEM: "problem"}
    for one in report.findings:
        assert one.found in shown
        assert one.remedy is None or one.remedy in shown
        word = words.get(one.mark, "not looked at")
        assert f'<b>{one.title}</b> <span class="vh">({word})' in shown
    assert "Look again" in shown
    typed = upkeep.here(here.desk.directory).mm
    assert " -m mmconnect" in typed, "this is a checkout"
    assert f"where `mmconnect` is `{typed}`." in shown
    places = re.findall(r'<li class="[a-z]+" id="([a-z]+)"', shown)
    assert set(places) == {one.check for one in report.findings}, "each can be linked to"
    assert len(places) == len(set(places))
    assert {"database", "fsync", "clock", "phones"} <= {one.check for one in report.findings}


async def test_it_is_found_in_the_help():
    for question in ("doctor", "slow card", "self test", "diagnos"):
        found = [topic.path for group in topics.found(question).values() for topic in group]
        assert "/help/doctor" in found, question
