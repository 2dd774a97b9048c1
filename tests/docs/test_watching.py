"""docs/watching.md: its examples are real ones, its tables the code's."""

from __future__ import annotations

import io
import json
import logging
import re
from pathlib import Path

import pytest

from mmconnect.delivery.journal import Journal
from mmconnect.desk import status
from mmconnect.domain.facts import FACTS
from mmconnect.service import warnings
from mmconnect.service.logs import set_up
from mmconnect.store.events import QUIET
from mmconnect.webhook.events import OPERATIONAL
from tests.delivery.test_journal import attempt, endpoint
from tests.docs.test_docs import GOLDEN, code, rows, section, text

PAGE = text("docs/watching.md")
EXAMPLES = re.findall(r"^```json\n(.*?)\n```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_event_shown_is_a_real_one():
    assert EXAMPLES[0] == (GOLDEN / "event-endpoint-held.json").read_text(encoding="utf-8")


def test_every_event_is_there_with_its_quiet_time():
    table = {code(row[0]): row for row in rows(section("Events", PAGE)) if "." in code(row[0])}
    assert set(table) == OPERATIONAL
    for name, row in table.items():
        said = row[2]
        if name == "system.warning":
            assert "once a day" in said
            assert warnings.AGAIN == 86_400
        else:
            minutes = 60 if "an hour" in said else int(re.findall(r"(\d+) minutes", said)[0])
            assert QUIET[name] == minutes * 60_000, name


def test_every_field_of_every_golden_event_is_explained():
    part = section("Events", PAGE)
    for path in GOLDEN.glob("event-*.json"):
        for name in json.loads(path.read_text(encoding="utf-8")):
            assert f"`{name}`" in part + section("The alert URL", PAGE)


def test_the_parts_of_readyz_and_their_numbers():
    part = section("/readyz", PAGE)
    source = Path(status.__file__).read_text(encoding="utf-8")
    parts = set(re.findall(r'problems\["(\w+)"\]', source))
    assert {code(row[0]) for row in rows(part)} - {""} == parts
    assert f"{status.LOOP_MAY_REST:.0f} s" in part
    assert f"{status.LOOP_MAY_STALL:.0f} s" in part
    assert f"last {status.STALL_COUNTS:.0f} s" in part
    assert f"every {status.PROBE_EVERY:.0f} s" in part
    assert f"{status.SMALLEST_DISK // 2**20} MB" in part


def test_the_log_line_shown_has_the_names_of_a_real_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stderr", said := io.StringIO())
    before = logging.root.handlers[:], logging.root.level
    try:
        set_up("json", "info")
        journal = Journal(later=lambda seconds, call: None)
        told = "The receiver failed (500); its own log says why"
        journal.landed(endpoint("CRM"), attempt(), told, 1_781_274_725_000)
    finally:
        logging.root.handlers[:], logging.root.level = before
        logging.captureWarnings(False)
    shown, real = json.loads(EXAMPLES[1]), json.loads(said.getvalue())
    assert list(shown) == list(real)
    for name in set(shown) - {"time", "endpoint", "delivery", "message"}:
        assert shown[name] == real[name], name
    assert FACTS not in real
