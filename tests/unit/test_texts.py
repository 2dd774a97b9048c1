"""What no compiler reads: left-overs of merges, and a stylesheet that has lost a part."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXTS = {".css", ".html", ".js", ".json", ".md", ".py", ".sql", ".toml", ".txt", ".yml"}
LEFT_OVER = re.compile(r"^(<{7} |>{7} |={7}$)", re.MULTILINE)


def texts() -> Iterator[Path]:
    yield from (path for path in ROOT.iterdir() if path.suffix in TEXTS)
    for folder in ("mmconnect", "templates", "static", "docs", "tests", "bench", "packaging"):
        yield from (path for path in (ROOT / folder).rglob("*") if path.suffix in TEXTS)


def test_no_merge_has_left_its_marks() -> None:
    found = [
        path.relative_to(ROOT).as_posix()
        for path in texts()
        if LEFT_OVER.search(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_every_class_of_the_components_is_in_the_stylesheet() -> None:
    styles = "".join((ROOT / "static" / name).read_text() for name in ("style.css", "admin.css"))
    macros = "".join(
        (ROOT / "templates/admin" / name).read_text()
        for name in ("_macros.html", "_charts.html", "_steps.html", "base.html")
    )
    used = {
        name
        for value in re.findall(r'class="([^"]*)"', macros)
        for name in re.sub(r"\{%.*?%\}|\{\{.*?\}\}", " ", value).split()
    }
    assert len(used) > 30
    known = set(re.findall(r"\.([a-z][\w-]*)", styles))
    assert sorted(used - known) == ["raw", "what"], "these two look like anything else"
