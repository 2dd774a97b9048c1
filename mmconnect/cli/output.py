"""What commands print: one JSON document, or lines for a person."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmconnect.desk.wording import local, many
from mmconnect.domain.errors import UsageError

__all__ = [
    "command",
    "document",
    "fields",
    "limit",
    "local",
    "many",
    "program",
    "shortened",
    "table",
]

MOST = 100_000
"""Rows that one listing may have."""


def document(value: object) -> None:
    """One JSON document on standard output, and nothing else."""
    plain = (sys.stdout.encoding or "").lower() not in ("utf-8", "utf8")
    json.dump(value, sys.stdout, ensure_ascii=plain, indent=2 if sys.stdout.isatty() else None)
    sys.stdout.write("\n")


def program() -> str:
    """How this program is called from here: by its name, where a shell finds it."""
    called = Path(sys.argv[0])
    if shutil.which("mmconnect") or called.name != "mmconnect":
        return "mmconnect"
    return os.path.relpath(called)


def command(args: argparse.Namespace) -> str:
    """How a further command for the same data directory begins."""
    named = getattr(args, "data_dir", None)
    return f"{program()} --data-dir {shlex.quote(named)}" if named else program()


def limit(asked: int) -> int:
    """`--limit` as given. Raises UsageError when that is no sensible number of rows."""
    if not 1 <= asked <= MOST:
        raise UsageError(f"--limit {asked}: choose 1 to {MOST}")
    return asked


def table(heads: Sequence[str], rows: Sequence[Sequence[Any]], empty: str) -> None:
    """Aligned columns, or one sentence when there are no rows."""
    if not rows:
        print(empty)
        return
    cells = [[_cell(c) for c in row] for row in rows]
    widths = [max(len(r[i]) for r in [list(heads), *cells]) for i in range(len(heads))]
    for row in [list(heads), *cells]:
        print("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip())


def fields(pairs: Sequence[tuple[str, Any]]) -> None:
    """One `name: value` a line, aligned; without those that are None."""
    shown = [(name, _cell(value)) for name, value in pairs if value is not None]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        print(f"{name + ':':<{width + 1}}  {value}")


def shortened(text: str, width: int = 48) -> str:
    """A text on one line."""
    line = " ".join(printable(text).split())
    return line if len(line) <= width else line[: width - 1] + "…"


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else printable(str(value))


def printable(text: str) -> str:
    """Without what would drive a terminal: a text is a stranger's input."""
    return "".join(c if c.isprintable() or c in "\n\t " else "\ufffd" for c in text)
