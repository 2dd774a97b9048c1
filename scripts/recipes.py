"""recipes/, kept in step: python -m scripts.recipes (or `make docs`)

The part that all receivers share is written in recipes/python/receive.py; this copies it into the
others, which have to be complete by themselves. And it makes the README.md of each, and the
overview, from recipe.toml. tests/recipes compares what is there with what this makes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mmconnect.desk import recipes
from mmconnect.desk.recipes import Recipe

FOLDER = Path(__file__).parents[1] / "recipes"
BEGIN, END = "# --- The same in all of these recipes", "# --- End of what is the same."
_MADE = "<!-- Made by scripts/recipes.py from recipe.toml: change it there. -->\n"


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


def pages() -> dict[Path, str]:
    """Every README.md, as it should read."""
    made = {FOLDER / name / "README.md": _page(recipes.recipe(name)) for name in recipes.names()}
    return {FOLDER / "README.md": _overview(), **made}


def _overview() -> str:
    lines = [
        _MADE,
        "# Recipes",
        "",
        "Complete files that hand your texts on to other software. Each checks the signature,"
        " stores the text before it answers, and then translates; whatever fails is tried again."
        " So the other side may be away, and nothing is lost. The running mmconnect shows the same"
        " under Help, with your own addresses.",
        "",
        "| for | what it does | files |",
        "|---|---|---|",
    ]
    for name in recipes.names():
        one = recipes.recipe(name)
        files = ", ".join(f"[{of}]({name}/{of})" for of in one.files)
        lines.append(f"| [{one.title}]({name}/README.md) | {one.does} | {files} |")
    lines += [
        "",
        "The receivers need Python 3.9 and nothing else. Each is run by the tests as its user runs"
        " it, behind a running mmconnect and in front of a service that takes only what its"
        " documentation says (`tests/recipes/`). What a receiver has to do is in the [webhook"
        " reference](../docs/webhook-reference.md).",
        "",
    ]
    return "\n".join(lines)


def _page(recipe: Recipe) -> str:
    return "\n".join([_MADE, *_told(recipe)]) + "\n"


def _told(recipe: Recipe) -> Iterator[str]:
    yield from (f"# {recipe.title}", "", recipe.does, "")
    yield from ("## Setting it up", "")
    for number, step in enumerate(recipe.steps, 1):
        yield f"{number}. {step.says}"
        if step.code:
            yield from ("", "   ```sh")
            yield from (f"   {line}" for line in step.code.splitlines())
            yield from ("   ```", "")
    yield from ("", "| setting | what it is |", "|---|---|")
    for setting in recipe.settings:
        more = "; optional" if setting.optional else ""
        yield f"| `{setting.name}` | {setting.what}{more} |"
    yield from ("", "## What to know", "", f"* **Threads.** {recipe.threads}")
    yield f"* **Twice.** {recipe.repeats}"
    yield from (f"* {note}" for note in recipe.notes)
    yield from ("", "Read for it: " + ", ".join(f"<{source}>" for source in recipe.sources) + ".")


if __name__ == "__main__":
    for path, text in (receivers() | pages()).items():
        path.write_text(text, encoding="utf-8")
