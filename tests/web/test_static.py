"""What browsers get as it lies in static/: whole, small, and from nowhere else."""

from __future__ import annotations

import re

import pytest

from mmconnect.paths import resource_root

STATIC = resource_root() / "static"
FILES = sorted(path.name for path in STATIC.iterdir() if path.suffix in (".css", ".js"))


def text(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FILES)
def test_it_is_whole(name: str):
    """A browser skips what it cannot read, and with it all up to the next brace."""
    content = re.sub(r"/\*.*?\*/", "", text(name), flags=re.DOTALL)
    assert not re.search(r"^(<{7}|={7}|>{7})", content, re.MULTILINE), "a merge was left open"
    if name.endswith(".css"):
        assert content.count("{") == content.count("}")
        assert not re.search(r"[{;]\s*[{;]", content)


@pytest.mark.parametrize("name", FILES)
def test_it_asks_nobody_else(name: str):
    assert not re.search(r"https?://|@import|url\(", text(name))


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".css")])
def test_no_rule_is_written_twice(name: str):
    rules = re.findall(r"^([.\w:#\[][^{}\n]*\{[^{}]*\})", text(name), re.MULTILINE)
    assert sorted(set(rules)) == sorted(rules)


def test_it_is_small():
    """One stylesheet and one script, which a phone on a slow network loads at once."""
    assert len(text("style.css")) + len(text("admin.css")) < 36_000
    assert len(text("admin.js")) < 20_000


@pytest.mark.parametrize("name", FILES)
def test_nothing_moves_for_whoever_wants_no_motion(name: str):
    wanted = r"^@media \(prefers-reduced-motion: no-preference\) \{$.*?^\}$"
    always = re.sub(wanted, "", text(name), flags=re.MULTILINE | re.DOTALL)
    assert not re.search(r"animation|animate\(|transition|behavior: *[\"']?smooth", always)
