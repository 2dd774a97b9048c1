"""The page about security: its figures are the code's, and its commands are understood."""

from __future__ import annotations

import math
import re
import shlex

import pytest

from mmconnect.cli import parser
from mmconnect.delivery.http import EXCERPT
from mmconnect.delivery.sender import TOTAL_TIMEOUT
from mmconnect.desk import keys, passwords
from mmconnect.desk.keys import Scope
from mmconnect.phones import codes
from mmconnect.store import preferences
from mmconnect.web import body
from tests.docs.test_docs import ROOT, rows, section, text

PAGE = text("docs/security.md")
LEAKS = rows(section("Who has what can do what", PAGE))[2:]
COMMANDS = re.findall(r"`(mmconnect [a-z-]+ [a-z][^`]*)`", PAGE)


def test_its_figures_are_those_of_the_code():
    for told in (
        f"{body.LIMIT // 2**20} MiB at most per request",
        f"{EXCERPT // 1024} KiB of an answer are read",
        f"{TOTAL_TIMEOUT:.0f} s at most",
        f"lives for {codes.LIFE // 60_000} minutes",
        f"as a hash, for {codes.LIFE // 60_000} minutes",
        f"{math.floor(keys.LENGTH * math.log2(62))} random bits",
    ):
        assert told in PAGE, told


def test_scopes_and_hashes_are_those_of_the_code():
    (key,) = [row for row in LEAKS if row[0] == "an API key"]
    assert set(re.findall(r"`(\w+)`", key[1])) <= set(Scope)
    (password,) = [row for row in LEAKS if row[0] == "the password"]
    assert "by scrypt" in password[2]
    assert passwords.LOG_N


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_is_understood(line: str):
    assert parser().parse_args(shlex.split(line)[1:]).run


def test_each_setting_that_it_sets_is_one_and_takes_the_value():
    told = re.findall(r"`mmconnect settings set (\w+) (\S+)`", PAGE)
    assert len(told) == 2
    known = {one.name: one for one in preferences.SETTINGS}
    for name, value in told:
        known[name].parse(value)


def test_every_way_to_leak_has_a_remedy():
    assert len(LEAKS) == 9
    assert all(len(row) == 4 and all(row) for row in LEAKS)


def test_the_page_for_reporters_leads_here():
    assert "(docs/security.md)" in (ROOT / "SECURITY.md").read_text(encoding="utf-8")
