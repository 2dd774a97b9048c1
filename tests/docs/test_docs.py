"""The docs say what is there: commands, flags, options, routes, links, events, examples.

Both ways: what exists is written down, and what is written down exists.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mmconnect import config
from mmconnect.admin.routes import ROUTES
from mmconnect.api.catalogue import OPERATIONS
from mmconnect.cli import parser
from mmconnect.domain import errors
from mmconnect.phones.apps import APPS
from mmconnect.webhook import schedule, signing
from mmconnect.webhook.outcome import OutcomeClass
from mmconnect.webhook.payload import EVENTS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
GOLDEN = ROOT / "tests" / "golden"
PAGES = {
    page.relative_to(ROOT).as_posix(): page
    for page in sorted((ROOT / "README.md", *DOCS.rglob("*.md")))
}
PHONES = [page for page in PAGES if page.startswith("docs/phones/")]
OURS = [
    "README.md",
    "docs/install.md",
    "docs/container.md",
    "docs/getting-started.md",
    "docs/phone-apps.md",
    "docs/https.md",
    "docs/reverse-proxy.md",
    "docs/security.md",
    "docs/troubleshooting.md",
    "docs/backup.md",
    "docs/updates.md",
    "docs/building.md",
    "docs/watching.md",
    "docs/api.md",
    "docs/moving-from-the-hosted-service.md",
    "docs/browser.md",
    "docs/how-it-works.md",
    "docs/cli.md",
    *PHONES,
]
"""Whose commands are all tried against the command line."""


def text(page: str) -> str:
    return PAGES[page].read_text(encoding="utf-8")


CLI = text("docs/cli.md")
APPS_PAGE = text("docs/phone-apps.md")


def commands(
    within: argparse.ArgumentParser | None = None, words: tuple[str, ...] = ()
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command that can be run, with its parser."""
    within = within or parser()
    below = [a for a in within._actions if isinstance(a, argparse._SubParsersAction)]
    if not below:
        yield " ".join(words), within
    for action in below:
        for name, sub in action.choices.items():
            yield from commands(sub, (*words, name))


COMMANDS = dict(commands())
COMMON = {"--data-dir", "--config", "--json", "--help", "-h"}


def flags(of: argparse.ArgumentParser) -> set[str]:
    """The flags of one command, without those that every command has."""
    return {flag for action in of._actions for flag in action.option_strings} - COMMON


def section(heading: str, page: str = CLI) -> str:
    """The text under a heading, up to the next one of any level."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", page, re.MULTILINE | re.DOTALL)
    assert found is not None, f"there is no section {heading!r}"
    return found[1]


def rows(part: str) -> list[list[str]]:
    """The cells of every table row in a text, heads included."""
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def code(cell: str) -> str:
    found = re.search(r"`([^`]+)`", cell)
    return found[1] if found else ""


# -- the command line ---


def test_every_command_has_its_section_and_no_other_has_one():
    headed = re.findall(r"^### `mmconnect ([^`]+)`$", CLI, re.MULTILINE)
    assert headed == list(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_of_a_command_is_in_its_section_and_nothing_else_is(command: str):
    if command == "serve":
        return  # its flags are the options, in a table of their own
    part = section(f"`mmconnect {command}`")
    listed = {code(row[0]) for row in rows(part)}
    assert {flag for flag in listed if flag.startswith("--")} == flags(COMMANDS[command]) - {
        "--yes"  # told in the sentence about waiting texts
    }
    written = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", part))
    assert flags(COMMANDS[command]) <= written
    known = flags(COMMANDS[command]) | COMMON
    assert written <= known, "flags that this command does not have"


OTHERS = re.compile(
    r"(?:\b(?:curl|termux|systemctl|journalctl|firewall-cmd|sha256sum|debootstrap|dpkg|docker|podman)"
    r"|du\b|pip\b|pipx\b|install -|scripts/)[^`]*"
)
"""Commands of others, to the end of the line or of the code."""
ENGINES = ("docs/container.md", "docs/building.md")
"""Pages on which flags by themselves are those of Podman, Docker and PyInstaller."""


def test_no_page_names_a_flag_that_does_not_exist():
    known = COMMON.union(*map(flags, COMMANDS.values()))
    for page in OURS:
        for line in text(page).splitlines():
            if line.startswith("  "):
                continue
            own = OTHERS.sub("", re.sub(r"`--[^`]*`", "", line) if page in ENGINES else line)
            wrong = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", own)) - known
            assert not wrong, f"{page}: {wrong} in {line!r}"


def test_every_option_is_in_the_table_with_its_names_and_default():
    table = [row for row in rows(section("Options of the service")) if row[0].startswith("`--")]
    wanted = [[o.flag, o.variable, o.name, o.default or ""] for o in config.OPTIONS]
    assert [[code(cell) for cell in row[:4]] for row in table] == wanted
    assert flags(COMMANDS["serve"]) == {o.flag for o in config.OPTIONS}


def test_the_toml_file_shown_is_read_as_it_stands(tmp_path: Path):
    shown = re.search(r"^```toml\n(.*?)^```$", CLI, re.MULTILINE | re.DOTALL)
    assert shown is not None
    file = tmp_path / "mmconnect.toml"
    file.write_text(shown[1])
    values = config.read_file(file)
    assert values["data_dir"] == "/srv/mmconnect"
    assert config.settle({}, {}, values).log_format == "json"


def test_the_variables_named_are_read_and_the_others_only_warned_about():
    others = set(re.findall(r"MMCONNECT_[A-Z_]+", CLI)) - {o.variable for o in config.OPTIONS}
    others.discard("MMCONNECT_")
    for_push = {f"MMCONNECT_PUSH_{name}" for name in ("URL", "TOKEN", "CONFIG", "SPOOL")}
    assert others == {"MMCONNECT_DATA_DIR", "MMCONNECT_CONFIG"} | for_push
    settings = config.settle({}, dict.fromkeys(others, "x") | {"MMCONNECT_LOG_LVL": "x"}, {})
    assert settings.unknown_variables == ("MMCONNECT_LOG_LVL",)


def test_every_kind_of_error_is_listed():
    names = {
        re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.MmconnectError)
    } - {"mmconnect_error"}
    sentence = CLI.split("`error` is one of")[1].split(". ")[0]
    assert set(re.findall(r"`(\w+)`", sentence)) == names


def test_the_states_and_apps_are_those_of_the_code():
    states = next(r for r in rows(section("`mmconnect delivery list`")) if "--state" in r[0])
    choices = next(a for a in COMMANDS["delivery list"]._actions if a.dest == "state").choices
    assert re.findall(r"`(\w+)`", states[1]) == list(choices or ())
    app = next(r for r in rows(section("`mmconnect device add`")) if "--app" in r[0])
    assert re.findall(r"`(\w+)`", app[1]) == list(APPS)


def agree(shown: Any, real: Any, where: str) -> None:
    """Same names in the same order, same kinds of values; null and [] agree with anything."""
    if isinstance(shown, dict) and isinstance(real, dict):
        assert list(shown) == list(real), where
        for name in shown:
            agree(shown[name], real[name], f"{where}.{name}")
    elif isinstance(shown, list) and isinstance(real, list):
        if shown and real:
            agree(shown[0], real[0], f"{where}[0]")
    elif shown is not None and real is not None:
        assert type(shown) is type(real), where


EXAMPLES = dict(re.findall(r'^```json title="([^"]+)"\n(.*?)^```$', CLI, re.MULTILINE | re.DOTALL))
SHAPES = json.loads((GOLDEN / "cli.json").read_text(encoding="utf-8"))
SAME = {  # told in words: "as `show`"
    "endpoint set": "endpoint show",
    "endpoint list": "endpoint show",
    "endpoint pause": "endpoint show",
    "device set": "device list",
    "device new-token": "device add",
    "tls show": "tls create-ca",
    "message list": "message show",
    "delivery list": "delivery show",
}


def test_every_command_shows_its_json():
    assert set(EXAMPLES) | set(SAME) == set(COMMANDS) | {"error"}
    assert not set(EXAMPLES) & set(SAME)


def blank(shape: Any) -> Any:
    """A value of the golden shape: `"number"` becomes 0, `"null"` None, and so on."""
    if isinstance(shape, dict):
        return {name: blank(inner) for name, inner in shape.items()}
    if isinstance(shape, list):
        return [blank(inner) for inner in shape]
    return {"number": 0, "boolean": True, "null": None}.get(shape, "")


@pytest.mark.parametrize("command", EXAMPLES)
def test_the_json_shown_has_the_names_of_the_real_one(command: str):
    shown = json.loads(EXAMPLES[command])
    real = blank(SHAPES[command])
    if command == "receive":  # the body is cut short
        shown["message"] = real["message"]
    agree(shown, real, command)


@pytest.mark.parametrize(("command", "like"), SAME.items())
def test_what_is_said_to_look_like_another_does(command: str, like: str):
    one, other = blank(SHAPES[command]), blank(SHAPES[like])
    one = one[0] if isinstance(one, list) else one
    other = other[0] if isinstance(other, list) else other
    if command == "message list":
        assert list(other)[-4:] == ["raw", "rawHeaders", "payload", "deliveries"]
        other = {name: other[name] for name in list(other)[:-4]}
    if command == "delivery list":
        other.pop("attemptList")
    agree(one, other, command)


# -- commands in the text ---


def lines_of(page: str) -> Iterator[str]:
    """The commands in the `sh` blocks of a page, with continued lines joined."""
    for block in re.findall(r"^```sh[^\n]*\n(.*?)^```$", text(page), re.MULTILINE | re.DOTALL):
        yield from (line for line in block.replace("\\\n", " ").splitlines() if line.strip())


PROGRAM = r"(?:\./|\.venv/bin/|~/\.local/bin/)?mmconnect"
MENTIONED = [
    (page, line)
    for page in OURS
    for line in lines_of(page)
    if re.match(rf"(?:sudo )?{PROGRAM} ", line)
]
"""With whatever stands before mmconnect, as it may have been installed in any way."""


@pytest.mark.parametrize(("page", "line"), MENTIONED)
def test_each_command_in_a_block_is_understood(page: str, line: str):
    words = shlex.split(re.split(r" > | \|\| ", line)[0], comments=True)
    assert parser().parse_args(words[words.index("sudo") + 2 if "sudo" in words else 1 :]).run, page


def test_each_command_in_a_sentence_exists():
    families = {command.partition(" ")[0] for command in COMMANDS}
    for page in PAGES:
        for family, verb in re.findall(
            rf"`(?:sudo )?{PROGRAM} (?!is )([a-z-]+)(?: ([a-z-]+))?", text(page)
        ):
            words = f"{family} {verb}".strip()
            known = words in COMMANDS or family in COMMANDS or (not verb and family in families)
            assert known, f"{page}: mmconnect {words}"


def test_make_words_exist():
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in (*OURS, "CONTRIBUTING.md", "tests/README.md", "bench/README.md"):
        told = (ROOT / page).read_text(encoding="utf-8")
        for word in re.findall(r"(?:`|^)(?:sudo )?make ([a-z0-9-]+)", told, re.MULTILINE):
            assert word in targets, f"{page}: make {word}"


# -- links, routes, events ---


def anchors(page: Path) -> set[str]:
    """What GitHub makes of a page's headings."""
    content = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    heads = re.findall(r"^#+ (.*)$", content, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


LINKING = sorted(
    page.relative_to(ROOT).as_posix()
    for place in (".", "docs", "docs/phones", "docs/screenshots", "recipes", "bench", "tests")
    for page in (*(ROOT / place).glob("*.md"), *(ROOT / "recipes").glob("*/*.md"))
)


@pytest.mark.parametrize("page", dict.fromkeys(LINKING))
def test_internal_links_resolve(page: str):
    path = ROOT / page
    prose = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"https?:", target):
            continue
        name, _, anchor = target.partition("#")
        there = (path.parent / name).resolve() if name else path
        assert there.exists(), f"{page}: {target}"
        if anchor:
            assert anchor in anchors(there), f"{page}: {target}"


def test_every_page_is_in_the_index():
    index = text("docs/README.md")
    for page in DOCS.glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in index, page.name
    below = text("docs/phones/README.md")
    for page in (DOCS / "phones").glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in below, page.name


def routes() -> set[str]:
    """The paths that the two listeners answer, from the code that answers them."""
    found = {route.path for route in ROUTES} | {"/static"}
    listener = (ROOT / "mmconnect/phones/listener.py").read_text(encoding="utf-8")
    found |= set(re.findall(r'path == "(/\w+)"', listener))
    ours = {"/in", "/in/TOKEN", "/in/", "/pair", "/beat", "/beat/TOKEN", "/v1", "/docs"}
    found |= {f"/v1{one.path}" for one in OPERATIONS}
    return found | ours


def test_every_route_mentioned_exists():
    for page in OURS:
        for route in re.findall(r"`(/[a-zA-Z/{}]*)`", text(page)):
            place = re.match(r"/(?:data|etc|media|mnt|proc|run|srv|tmp|usr|var)\b", route)
            assert place or route in routes(), f"{page}: {route}"
    serve = section("`mmconnect serve`")
    assert {"/in", "/healthz", "/readyz", "/"} <= set(re.findall(r"`(/[a-zA-Z/]*)`", serve))


def test_every_event_and_outcome_is_in_the_webhook_reference():
    page = text("docs/webhook-reference.md")
    for event in EVENTS:
        assert f"`{event}`" in page
    for outcome in set(OutcomeClass) - {OutcomeClass.INTERRUPTED}:
        assert f"`{outcome.value}`" in page
    assert f"`{OutcomeClass.INTERRUPTED.value}`" in section("`mmconnect delivery show`")


# -- the README ---


def test_the_webhook_in_the_readme_is_a_real_one():
    block = re.search(r"^```http\n(.*?)^```$", text("README.md"), re.MULTILINE | re.DOTALL)
    assert block is not None
    head, _, body = block[1].rstrip("\n").partition("\n\n")
    assert body == (GOLDEN / "webhook-sms.json").read_text(encoding="utf-8").rstrip("\n")
    shown = dict(line.split(": ", 1) for line in head.splitlines()[1:])
    secret = "whsec_bW1jb25uZWN0LWdvbGRlbi1zZWNyZXQtMzItYnl0ZXM="
    signed = signing.signature_headers(
        [secret], shown["webhook-id"], int(shown["webhook-timestamp"]), body.encode()
    )
    assert {name: shown[name] for name in signed} == signed
    assert set(shown) == {*signed, "content-type", "user-agent", signing.ATTEMPT, signing.DELIVERY}
    assert len(schedule.DEFAULT) == 10
    assert "ten attempts over three days" in " ".join(text("README.md").split())
