"""Which messages an endpoint wants: exact, prefix, contains, pattern, in any case and script.

The decision is compared with plain Python on invented texts; patterns with what RE2 does and does
not know, and with a text that a backtracking engine would never be done with.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmconnect.domain.models import EVERYTHING, Condition, Kind, Match, Message, Routing
from mmconnect.webhook import patterns, routing

RULE = "rule_01JD0000000000000000000000"
TEXT = Message(
    id="msg_01JD0000000000000000000001",
    kind=Kind.SMS,
    sender="+6581230000",
    sender_raw="8123 0000",
    recipient=None,
    text="Your Code is 4711",
    sim=1,
    sent_at=None,
    received_at=1_781_274_720_000,
    device_id="dev_one",
    device_name="Reception",
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def route(**fields: Any) -> Routing:
    return Routing(**{"id": RULE} | fields)


def sender(match: str, value: str) -> Routing:
    return route(senders=(Condition(match=Match(match), value=value),))


def text(match: str, value: str) -> Routing:
    return route(texts=(Condition(match=Match(match), value=value),))


def wants(wanted: Routing, **message: Any) -> bool:
    return routing.compile(wanted).wants(replace(TEXT, **message))


def test_an_endpoint_wants_everything_unless_told():
    assert wants(EVERYTHING)
    assert wants(EVERYTHING, sender=None, device_id=None, sim=None, text="")
    assert routing.compile(EVERYTHING).rule_id(TEXT) is None
    assert routing.compile(EVERYTHING) is routing.compile(EVERYTHING)


def test_phones_and_sims():
    assert wants(route(devices=frozenset({"dev_one", "dev_two"})))
    assert not wants(route(devices=frozenset({"dev_two"})))
    assert not wants(route(devices=frozenset({"dev_two"})), device_id=None)
    assert wants(route(sims=frozenset({1})))
    assert not wants(route(sims=frozenset({2})))
    assert not wants(route(sims=frozenset({1})), sim=None)


@pytest.mark.parametrize(
    ("match", "value", "given", "raw", "wanted"),
    [
        ("exact", "+6581230000", "+6581230000", None, True),
        ("exact", "+65 8123-0000", "+6581230000", None, True),
        ("exact", "6581230000", "+6581230000", None, True),
        ("exact", "8123 0000", "+6581230000", "8123 0000", True),
        ("exact", "81230000", "8123 0000", None, True),
        ("exact", "+6581230001", "+6581230000", None, False),
        ("exact", "+658123000", "+6581230000", None, False),
        ("exact", "dbs-bank", "DBS-Bank", None, True),
        ("exact", "CAFÉ", "cafe\u0301", None, True),
        ("exact", "72323", "72323", None, True),
        ("exact", "7232", "72323", None, False),
        ("prefix", "+65", "+6581230000", None, True),
        ("prefix", "+65 81", "+6581230000", None, True),
        ("prefix", "+1", "+6581230000", None, False),
        ("prefix", "65", "+6581230000", None, False),
        ("prefix", "81", "+6581230000", "8123 0000", True),
        ("prefix", "dbs", "DBS-Bank", None, True),
        ("prefix", "bank", "DBS-Bank", None, False),
        ("pattern", r"^\+65(8|9)", "+6581230000", None, True),
        ("pattern", r"^\d{5}$", "72323", None, True),
        ("pattern", r"^\d{5}$", "+6581230000", None, False),
        ("pattern", "bank$", "DBS-BANK", None, True),
    ],
)
def test_senders(match: str, value: str, given: str, raw: str | None, wanted: bool):
    assert wants(sender(match, value), sender=given, sender_raw=raw) is wanted


def test_no_sender_is_no_one():
    for match in ("exact", "prefix", "pattern"):
        assert not wants(sender(match, "a*"), sender=None, sender_raw=None)


@pytest.mark.parametrize(
    ("match", "value", "given", "wanted"),
    [
        ("contains", "code", "Your CODE is 1", True),
        ("contains", "kode", "Your CODE is 1", False),
        ("contains", " is ", "This", False),
        ("contains", "straße", "HAUPTSTRASSE 1", True),
        ("contains", "STRASSE", "Hauptstraße 1", True),
        ("contains", "strasse", "HAUPTSTRA\u1e9eE", True),
        ("contains", "istanbul", "İSTANBUL", True),
        ("contains", "İstanbul", "istanbul", True),
        ("contains", "ILIK", "ılık su", True),
        ("contains", "ΣΊΣΥΦΟΣ", "σίσυφος", True),
        ("contains", "é", "Cafe\u0301", True),
        ("contains", "привет", "ПРИВЕТ, мир", True),
        ("contains", "رصيدك", "مرحبا، رصيدك ١٢ ريال", True),
        ("contains", "👩‍👩‍👧", "ok 👩‍👩‍👧", True),
        ("contains", "a.c", "abc", False),
        ("exact", "stop", " STOP\n", True),
        ("exact", "stop", "Stop it", False),
        ("exact", "Straße", "STRASSE", True),
        ("pattern", r"code\D+(\d{4,6})\b", "Your CODE is 4711.", True),
        ("pattern", r"^code", "Your code", False),
        ("pattern", "(?m)^second$", "first\nSECOND", True),
        ("pattern", "first.second", "first\nsecond", False),
        ("pattern", "(?s)first.second", "first\nsecond", True),
        ("pattern", "straße", "HAUPTSTRA\u1e9eE", True),
        ("pattern", "hauptstrasse", "Hauptstraße", True),
        ("pattern", "^istanbul$", "İSTANBUL", True),
        ("pattern", "caf\u00e9", "CAFE\u0301", True),
        ("pattern", r"\p{Cyrillic}{3}", "привет", True),
        ("pattern", "[^a]", "ü", True),
    ],
)
def test_texts(match: str, value: str, given: str, wanted: bool):
    assert wants(text(match, value), text=given) is wanted


def test_of_a_kind_any_one_and_of_all_kinds_each():
    both = route(
        senders=(
            Condition(match=Match.EXACT, value="+6581230000"),
            Condition(match=Match.PREFIX, value="+49"),
        ),
        texts=(Condition(match=Match.CONTAINS, value="code"),),
        sims=frozenset({1}),
    )
    assert wants(both)
    assert wants(both, sender="+4930123456", sender_raw=None)
    assert not wants(both, sender="+15550100", sender_raw=None)
    assert not wants(both, text="balance")
    assert not wants(both, sim=2)


def test_the_rule_is_named_where_sender_or_text_decided():
    assert routing.compile(text("contains", "code")).rule_id(TEXT) == RULE
    assert routing.compile(sender("prefix", "+65")).rule_id(TEXT) == RULE
    assert routing.compile(text("contains", "balance")).rule_id(TEXT) is None
    only_phone = routing.compile(route(devices=frozenset({"dev_one"})))
    assert only_phone.wants(TEXT)
    assert only_phone.rule_id(TEXT) is None
    assert only_phone.rule is None


@given(part=texts, around=st.tuples(texts, texts))
def test_contains_is_whats_in_there_in_any_case(part: str, around: tuple[str, str]):
    wanted = text("contains", part)
    before, after = around
    folded = routing.fold(f"{before} {part} {after}")
    assert wants(wanted, text=f"{before} {part} {after}") is (routing.fold(part) in folded)


@given(value=texts)
def test_everything_equals_itself_in_capitals_and_small(value: str):
    wanted = text("exact", value)
    assert wants(wanted, text=value)
    for other in (value.upper(), value.lower(), value.swapcase(), value.casefold()):
        same = routing.fold(other).strip() == routing.fold(value).strip()
        assert wants(wanted, text=other) is same
        if value.isascii():
            assert same


@given(value=st.text(max_size=60), given=st.text(max_size=200), match=st.sampled_from(Match))
def test_nothing_that_anybody_writes_is_an_exception(value: str, given: str, match: Match):
    """Also lone halves of surrogate pairs, which no UTF-8 has."""
    for wanted in (sender(match.value, value), text(match.value, value)):
        assert isinstance(routing.validate(wanted), list)
        assert isinstance(wants(wanted, text=given, sender=given), bool)


# -- patterns ---


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("(?=x)", "no lookahead"),
        ("(?!x)", "no lookahead"),
        ("(?<=x)y", "no lookbehind"),
        ("(?<!x)y", "no lookbehind"),
        (r"(a)\1", "no backreferences"),
        ("(?>a)", "no atomic groups"),
        ("a*+", "no possessive repetition"),
        ("a**", "two repetitions in a row"),
        ("[a", "a [ has no ]"),
        ("(a", "a ( has no )"),
        ("a)", "a ) has no ("),
        ("*a", "nothing before a repetition"),
        ("a{1001}", "{1000} at the most"),
        ("((a{100}){100}){100}", "{1000} at the most"),
        ("[z-a]", "ends before it begins"),
        ("a\\", "escapes nothing"),
        (r"a\Z", r"write \z"),
        ("\\u20ac", r"write \x{20AC}"),
        (r"\h", "does not know this escape"),
        ("(?P<n", "no pattern that RE2 understands"),
        ("(.{0,1000}x)$", "too large"),
        (r"[a-z]{1,100}\p{L}{1,100}$", "too large"),
    ],
)
def test_what_is_wrong_with_a_pattern_is_said(pattern: str, says: str):
    (fault,) = routing.validate(text("pattern", pattern))
    assert says in fault
    assert fault.startswith("text pattern:")
    assert not wants(text("pattern", pattern)), "and it matches nothing, should it be there already"


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|a)*b", "(x+x+)+y", r"^(\w+\s?)*$", "(.*)*(.*)*!", "(a?){20}a{20}"]
)
def test_patterns_that_blow_up_elsewhere_are_linear_here(pattern: str):
    wanted = text("pattern", pattern)
    assert routing.validate(wanted) == []
    begun = time.process_time()
    for end in ("!", "b", "\n"):
        wants(wanted, text="a" * 10_000 + end)
    assert time.process_time() - begun < 10, "elsewhere longer than the world"


def test_the_worst_that_can_be_saved_is_soon_done():
    worst = "(.?){100}x$"
    assert routing.validate(text("pattern", worst)) == []
    begun = time.process_time()
    wants(text("pattern", worst), text="a" * 10_000_000)
    assert time.process_time() - begun < 10


@pytest.mark.parametrize("match", ["contains", "exact", "pattern"])
def test_a_long_run_of_marks_stops_nobody(match: str):
    begun = time.process_time()
    wants(text(match, "\u00e9clair"), text="e" + "\u0301\u0323" * 100_000)
    assert time.process_time() - begun < 10, "sorted at once, they would take half a minute"


def test_a_pattern_sees_the_beginning_of_a_long_text():
    far = "a" * patterns.SEARCHED + "needle"
    assert not wants(text("pattern", "needle"), text=far)
    assert wants(text("pattern", "needle"), text=far[6:])
    assert wants(text("contains", "needle"), text=far), "only patterns are bounded"


def test_together_patterns_have_a_bound_too():
    one = Condition(match=Match.PATTERN, value="(.?){100}x$")
    many = route(texts=tuple(replace(one, value=f"{one.value}{n}?") for n in range(20)))
    assert any("too large together" in fault for fault in routing.validate(many))


def test_the_engine_is_loaded_by_the_first_pattern_only():
    code = (
        "import sys\n"
        "from mmconnect.domain.models import *\n"
        "from mmconnect.webhook import routing\n"
        "from tests.unit.test_routing import TEXT, text\n"
        "routing.compile(text('contains', 'x')).wants(TEXT)\n"
        "print('re2' in sys.modules)\n"
        "routing.compile(text('pattern', 'x')).wants(TEXT)\n"
        "print('re2' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.split() == ["False", "True"]


def test_without_an_engine_a_pattern_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "re2", None)
    patterns.compile.cache_clear()
    (fault,) = routing.validate(text("pattern", "not-compiled-yet"))
    assert "no pattern engine for this machine" in fault
    assert not wants(text("pattern", "not-compiled-yet"), text="not-compiled-yet")
    patterns.compile.cache_clear()


# -- what may be saved ---


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (sender("contains", "x"), "a sender is compared by exact, prefix, pattern"),
        (text("prefix", "x"), "a text is compared by contains, exact, pattern"),
        (text("contains", ""), "is empty"),
        (text("exact", " \n"), "is empty"),
        (text("contains", "x" * 501), "has 501 characters; 500 are the most"),
        (route(sims=frozenset({0})), "counted from 1"),
        (route(sims=frozenset({100})), "counted from 1"),
        (
            route(texts=tuple(Condition(match=Match.EXACT, value=str(n)) for n in range(51))),
            "51 conditions on the text; 50 are the most",
        ),
    ],
)
def test_what_cannot_be_saved(wanted: Routing, says: str):
    assert [says in fault for fault in routing.validate(wanted)] == [True]


def test_every_fault_is_named():
    wanted = replace(text("pattern", "["), sims=frozenset({0}))
    assert len(routing.validate(wanted)) == 2


def test_what_can_be_saved():
    assert routing.validate(EVERYTHING) == []
    assert routing.validate(replace(sender("prefix", "+65"), sims=frozenset({1, 2}))) == []


def test_a_broken_pattern_in_the_database_is_told_once_and_without_it(
    caplog: pytest.LogCaptureFixture,
):
    broken = text("pattern", "(secret-4711")
    for _ in range(3):
        assert not wants(broken)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert RULE in caplog.text
    assert "secret" not in caplog.text
