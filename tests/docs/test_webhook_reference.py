"""The tables of docs/webhook-reference.md say what the code does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mmconnect.delivery import sender
from mmconnect.domain.clock import parse_duration
from mmconnect.domain.models import DeliveryState
from mmconnect.webhook import schedule, signing
from mmconnect.webhook.diagnosis import HEADERS, TOLERANCE, Reason
from mmconnect.webhook.outcome import OutcomeClass, Trouble, judge_status, judge_trouble
from mmconnect.webhook.payload import EVENTS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "webhook-reference.md").read_text(encoding="utf-8")
GOLDEN = ROOT / "tests" / "golden"

TROUBLES = {
    Trouble.NO_NETWORK: "has no network",
    Trouble.NO_DNS: "no DNS server answers",
    Trouble.DNS: "does not resolve",
    Trouble.REFUSED: ", refused, ",
    Trouble.UNREACHABLE: "unreachable",
    Trouble.CONNECT_TIMEOUT: "silent while connecting",
    Trouble.CONNECT_RESET: "closed or silent while connecting",
    Trouble.TLS: "TLS failed",
    Trouble.TIMEOUT: "no complete answer",
    Trouble.RESET: "closed after the request was sent",
    Trouble.PROTOCOL: "not HTTP",
    Trouble.BAD_URL: "the URL cannot be used",
    Trouble.BAD_HEADER: "a header cannot be sent",
    Trouble.BLOCKED: "refused by the address rule",
}


def table(head: str) -> list[list[str]]:
    """The rows of the table whose first column is headed `head`."""
    lines = PAGE.split(f"\n| {head} |", 1)[1].splitlines()[2:]
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


def code(cell: str) -> str:
    """The first `word` in a cell."""
    found = re.search(r"`([^`]+)`", cell)
    assert found is not None, cell
    return found[1]


def test_every_field_is_listed_in_the_order_of_the_body():
    listed = [code(row[0]) for row in table("field")]
    mms = json.loads((GOLDEN / "webhook-mms.json").read_bytes())
    rule = json.loads((GOLDEN / "webhook-sms-rule.json").read_bytes())
    assert listed == list(dict.fromkeys([*rule, *mms]))


def test_a_field_that_may_be_null_says_when():
    nullable = {
        code(row[0]) for row in table("field") if not row[3].startswith(("never", "absent"))
    }
    seen = set()
    for path in GOLDEN.glob("webhook-*.json"):
        seen |= {k for k, v in json.loads(path.read_bytes()).items() if v is None}
    assert nullable == seen


def test_the_body_shown_is_a_real_one():
    assert (GOLDEN / "webhook-sms.json").read_text(encoding="utf-8") + "\n```" in PAGE


def test_every_header_is_listed():
    known = "\n".join(("webhook-id", "webhook-timestamp", *HEADERS, signing.ATTEMPT))
    listed = {code(row[0]) for row in table("header")}
    assert set(known.split()) | {signing.DELIVERY, "content-type", "user-agent"} == listed
    golden = (GOLDEN / "webhook-headers-rotation.txt").read_text(encoding="utf-8")
    assert {line.partition(":")[0] for line in golden.splitlines()} <= listed


def statuses(cell: str) -> set[int]:
    """`408, 500–502` as numbers."""
    found: set[int] = set()
    for part in cell.split(", "):
        low, _, high = part.partition("–")
        found |= set(range(int(low), int(high or low) + 1))
    return found


@pytest.mark.parametrize("status", range(200, 600))
def test_each_status_is_judged_by_the_first_row_that_fits(status: int):
    row = next(row for row in table("answer") if status in statuses(row[0]))
    assert judge_status(status).result.value == code(row[1])


@pytest.mark.parametrize("trouble", TROUBLES)
def test_each_trouble_is_in_the_row_of_its_class(trouble: Trouble):
    rows = [row for row in table("no answer") if TROUBLES[trouble] in row[0]]
    assert [code(row[1]) for row in rows] == [judge_trouble(trouble).result.value]


def test_no_trouble_is_left_out():
    assert set(TROUBLES) == set(Trouble) - {Trouble.INTERNAL}
    shown = {code(row[1]) for head in ("answer", "no answer") for row in table(head)}
    assert shown == set(OutcomeClass) - {OutcomeClass.INTERRUPTED}


def seconds(text: str) -> int:
    return sum(parse_duration(part) for part in text.split())


def test_the_schedule_is_the_one_in_the_code():
    rows = table("attempt")
    assert [int(row[0]) for row in rows] == list(range(1, len(schedule.DEFAULT) + 1))
    waits = [seconds(row[1]) for row in rows]
    assert tuple(waits) == schedule.DEFAULT
    assert [seconds(row[2]) for row in rows] == [sum(waits[: n + 1]) for n in range(len(waits))]


@pytest.mark.parametrize(
    "sentence",
    [
        f"±{schedule.JITTER * 100:.0f} %",
        f"up to {schedule.MAX_RETRY_AFTER // 3600} hours",
        f"maximum age ({schedule.DEFAULT_MAX_AGE // 86400}d",
        f"more than {TOLERANCE // 60} minutes off",
        f"while connecting ({sender.CONNECT_TIMEOUT:.0f} s)",
        f"no complete answer after {sender.TOTAL_TIMEOUT:.0f} s",
        f"waits {sender.TOTAL_TIMEOUT:.0f} s for the whole answer",
        f"`{DeliveryState.FAILED}`: kept",
        f"`{DeliveryState.EXPIRED}`, which",
    ],
)
def test_figures_and_states_are_those_of_the_code(sentence: str):
    assert sentence in " ".join(PAGE.split())


def test_every_event_is_listed():
    section = PAGE.split("### Events")[1].split("\n## ")[0]
    assert set(re.findall(r"`((?:message|device|endpoint|delivery|system)\.\w+)`", section)) == set(
        EVENTS
    )


def test_every_reason_of_verify_is_listed():
    assert {code(row[0]) for row in table("reason")} == set(Reason)
