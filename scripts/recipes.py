"""recipes/, kept in step: python -m scripts.recipes (or `make docs`)

The part that all receivers share is written in recipes/python/receive.py; this copies it into the
others, which have to be complete by themselves. tests/recipes compares what is there with it.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parents[1] / "recipes"
BEGIN, END = "# --- The same in all of these recipes", "# --- End of what is the same."


def parts(code: str) -> tuple[str, str, str]:
    """What is before the common part, that part, and what follows it."""
    before, mark, rest = code.partition(BEGIN)
    common, end, after = rest.partition(END)
    return before, mark + common + end, after


def receivers() -> dict[Path, str]:
    """Every receiver, as it should read."""
    _, common, _ = parts((FOLDER / "python" / "receive.py").read_text(encoding="utf-8"))
    made = {}
    for path in sorted(FOLDER.glob("*/receive.py")):
        before, _, after = parts(path.read_text(encoding="utf-8"))
        made[path] = before + common + after
    return made


if __name__ == "__main__":
    for path, code in receivers().items():
        path.write_text(code, encoding="utf-8")
