"""The page about trouble: what it says that one sees is what the code says."""

from __future__ import annotations

import ast
import re
import shlex
from functools import cache

import pytest

from mmconnect.cli import parser
from mmconnect.desk import tries
from tests.docs.test_docs import ROOT, text

PAGE = text("docs/troubleshooting.md")
SEEN = [
    seen
    for line in PAGE.splitlines()
    if line.startswith("| ")
    for seen in re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)", line[2:].split(" | ")[0])
]
COMMANDS = re.findall(r"`(?:sudo )?(mmconnect [a-z-]+(?: [^`]*)?)`", PAGE)
CHECKS = {
    found
    for module in (ROOT / "mmconnect" / "service" / "doctor").glob("*.py")
    for found in re.findall(r'= Check\("(\w+)"', module.read_text(encoding="utf-8"))
}


@cache
def sentences() -> str:
    """Every text of the program; `…` stands where it puts something in."""
    others = (*(ROOT / "templates").rglob("*.html"), *(ROOT / "packaging" / "deb").iterdir())
    found = [page.read_text(encoding="utf-8") for page in others]
    for module in (ROOT / "mmconnect").rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [one.value if isinstance(one, ast.Constant) else "…" for one in node.values]
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return re.sub(r"…(?: …)+", "…", "\n".join(found))


@pytest.mark.parametrize("seen", SEEN)
def test_each_sentence_is_one_of_the_programs(seen: str):
    parts = [re.escape(part.strip()) for part in seen.split("…") if part.strip(" .")]
    assert re.search(r"[^\n]{0,80}?".join(parts), sentences()), seen


def test_there_are_sentences():
    assert len(SEEN) >= 30
    assert tries.WRONG == 10
    assert "After ten tries from one address" in PAGE


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_is_understood(line: str):
    assert parser().parse_args(shlex.split(line)[1:]).run


def test_every_check_of_the_doctor_is_named_where_it_helps():
    told = " ".join(re.findall(r"\*Doctor:\*[^|\n]*", PAGE))
    assert set(re.findall(r"`(\w+)`", told)) == CHECKS
