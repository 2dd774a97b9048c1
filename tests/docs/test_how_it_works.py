"""The page for contributors: its drawings and figures are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mmconnect.delivery import dispatcher, health, takeoff
from mmconnect.delivery.http import EXCERPT
from mmconnect.delivery.sender import TOTAL_TIMEOUT
from mmconnect.domain.models import DeliveryState, EndpointState
from mmconnect.service import watch
from mmconnect.store import database, migrate
from mmconnect.store.connection import connect
from tests.docs.test_docs import ROOT, rows, section, text
from tests.unit.test_architecture import FLOORS

PAGE = text("docs/how-it-works.md")
DRAWN = dict(re.findall(r'```text title="([^"]+)"\n(.*?)```', PAGE, re.DOTALL))


def test_the_floors_drawn_are_those_that_are_held():
    drawn = [
        frozenset(re.split(r"\s{3,}", line.strip()[: line.strip().rindex("   ")].strip()))
        for line in DRAWN["Floors"].splitlines()
    ]
    assert drawn == list(reversed(FLOORS))


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"`((?:mmconnect|tests|bench|packaging|scripts)/[^`]+)`", PAGE)))
)
def test_each_file_is_there(path: str):
    assert (ROOT / path).exists()


def test_each_step_of_a_text_has_its_module():
    drawn = DRAWN["From a push to your software"]
    for room, words in {
        "phones": ("entrance", "apps", "dedupe", "fanout", "intake"),
        "delivery": ("lanes", "takeoff", "sender", "attempts"),
    }.items():
        for word in words:
            assert re.search(rf"\b{word}\b", drawn), word
            there = ROOT / "mmconnect" / room / word
            assert there.is_dir() or there.with_suffix(".py").is_file(), word


def test_every_state_is_drawn_and_no_other():
    drawn = re.findall(r"(?<!\w)(pending|in_flight|[a-z]+ed)(?!\w)", DRAWN["States"])
    assert set(drawn) - {"claimed", "tried"} == {one.value for one in DeliveryState}
    assert {EndpointState.ACTIVE, EndpointState.HELD} <= set(
        re.findall(r"\w+", DRAWN["Health of an endpoint"])
    )


def test_each_table_is_one(tmp_path: Path):
    db = connect(tmp_path / "mmconnect.db")
    try:
        migrate.migrate(db, tmp_path / "mmconnect.db")
        there = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    finally:
        db.close()
    cells = [row[1] for row in rows(section("One commit each", PAGE))[2:]]
    told = set(re.findall(r"`(\w+)`", " ".join(cells))) - {"in_flight"}
    assert len(told) == 6
    assert told <= there


def test_its_figures_are_those_of_the_code():
    assert takeoff.PATIENCE == 0.5
    for told in (
        "half a second at most",
        f"{TOTAL_TIMEOUT:.0f} s at most, {EXCERPT // 1024} KiB of the answer",
        f"{database.BATCH} at the most",
        f"When {database.QUEUE_LIMIT} wait",
        f"every {watch.INTERVAL} s",
        f"gets {dispatcher.DRAIN:.0f} s to finish",
        f"{health.NOT_REACHED_IN_A_ROW} not reached, {health.FAILING_DELIVERIES} failing or"
        f" {health.REFUSED_DELIVERIES} refused in a row",
    ):
        assert told in PAGE, told
