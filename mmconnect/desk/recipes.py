"""The recipes: complete files that hand texts on to other software, and how to set them up.

What is told of each is in recipes/NAME/recipe.toml; its files lie beside it. The help pages and
recipes/NAME/README.md (scripts/recipes.py) are made of the same values, so they cannot disagree.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mmconnect import paths
from mmconnect.domain.errors import NotFound
from mmconnect.webhook.payload import RECEIVED

GROUPS = ("Helpdesk", "CRM", "Home", "Chat and notifications", "Flows", "Sending", "Your own")
NEWS = f"{RECEIVED},device.silent,endpoint.held,delivery.failed,system.warning"
"""What a recipe that shows mmconnect's own news asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What has to be told to a recipe."""

    name: str
    what: str
    secret: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do; `code` is to be copied."""

    says: str
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One recipe."""

    name: str
    title: str
    group: str
    does: str
    threads: str
    """How texts of one sender come together."""
    repeats: str
    """What becomes of a text that comes twice."""
    notes: tuple[str, ...]
    sources: tuple[str, ...]
    """Where the other side's interface is described."""
    settings: tuple[Setting, ...]
    steps: tuple[Step, ...]
    files: tuple[str, ...]
    """Names, in the order in which they are needed."""


def names() -> tuple[str, ...]:
    """Every recipe, in the order of GROUPS."""
    found = [path.parent.name for path in _folder().glob("*/recipe.toml")]
    return tuple(sorted(found, key=lambda n: (GROUPS.index(recipe(n).group), recipe(n).title)))


@cache
def recipe(name: str) -> Recipe:
    """One recipe. Raises NotFound."""
    folder = _folder() / name
    if name != folder.name or not (folder / "recipe.toml").is_file():
        raise NotFound(f"There is no recipe {name!r}")
    told = tomllib.loads((folder / "recipe.toml").read_text(encoding="utf-8"))
    settings = tuple(Setting(**one) for one in told.get("settings", ()))
    if "steps" in told:
        steps = tuple(Step(says=one["says"], code=one.get("code", "")) for one in told["steps"])
    else:
        steps = _receiver_steps(name, told, settings)
    return Recipe(
        name=name,
        **{key: told[key] for key in ("title", "group", "does", "threads", "repeats")},
        notes=tuple(told.get("notes", ())),
        sources=tuple(told.get("sources", ())),
        settings=settings,
        steps=steps,
        files=tuple(
            sorted(
                (p.name for p in folder.iterdir() if p.suffix in _LANGUAGES),
                key=lambda file: (*_LANGUAGES,).index(Path(file).suffix),
            )
        ),
    )


def file(name: str, of: str) -> str:
    """The text of one file of a recipe. Raises NotFound."""
    if of not in recipe(name).files:
        raise NotFound(f"The recipe {name} has no file {of!r}")
    return (_folder() / name / of).read_text(encoding="utf-8")


_LANGUAGES = {".py": "python", ".json": "json", ".service": "ini", ".yaml": "yaml"}
"""Which files are shown, in this order, and what they are written in."""


def language(of: str) -> str:
    """What a file is written in, as Markdown names it."""
    return _LANGUAGES[Path(of).suffix]


def _receiver_steps(
    name: str, told: dict[str, Any], settings: tuple[Setting, ...]
) -> tuple[Step, ...]:
    unit, etc = f"mmconnect-{name}", f"/etc/mmconnect-{name}"
    wants = f" --events {NEWS}" if told.get("events") else ""
    add = f'mmconnect endpoint add http://127.0.0.1:{told["port"]}/ --name "{told["title"]}"{wants}'
    secrets = [s for s in settings if s.secret]
    paste = [f"sudo sh -c 'umask 077; cat > {etc}/{s.name.lower()}'" for s in secrets]
    plain = ", ".join(f"`{s.name}`" for s in settings if not s.secret)
    install = (
        f"sudo install -D -m 755 receive.py /opt/{unit}/receive.py\n"
        f"sudo install -m 644 {unit}.service /etc/systemd/system/"
    )
    return (
        *(Step(says=says) for says in told.get("before", ())),
        Step(says=f"Put `receive.py` and `{unit}.service` in their places.", code=install),
        Step(says="Add the endpoint; it prints the secret.", code=add),
        Step(
            says="Put each secret into a file that only root can read: paste it, press Enter, then"
            " Ctrl-D. Those that you need not have stay away, with their line in the unit.",
            code="\n".join([f"sudo install -d -m 700 {etc}", *paste]),
        ),
        Step(
            says=f"Set {plain} in the unit, and start it." if plain else "Start it.",
            code=f"sudo systemctl edit --full {unit}\nsudo systemctl enable --now {unit}",
        ),
        Step(
            says="Let mmconnect check it: it has to take what is signed and refuse what is not.",
            code="mmconnect endpoint check ENDPOINT",
        ),
    )


def _folder() -> Path:
    return paths.resource_root() / "recipes"
