"""Help: every recipe and guide is there, whole, with this appliance's own values; and is found."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import AsyncIterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import pytest

from mmconnect import __version__
from mmconnect.admin import topics, upkeep
from mmconnect.admin.chapters import CHAPTERS
from mmconnect.admin.trouble import SYMPTOMS
from mmconnect.admin.upkeep import Installed, Way
from mmconnect.cli import parser
from mmconnect.desk import guiding, recipes, reference
from mmconnect.desk.desk import Desk
from mmconnect.domain.models import EndpointState
from mmconnect.paths import Form, Program
from mmconnect.webhook import signing
from mmconnect.webhook.outcome import OutcomeClass, Trouble
from mmconnect.webhook.payload import EVENTS
from tests.admin.test_overview import Site as Pages
from tests.support.desk import admin_of, desk_of
from tests.support.inprocess import appliance
from tests.support.service import ROOT
from tests.support.wire import ask, request

DOCS = (ROOT / "docs" / "webhook-reference.md").read_text(encoding="utf-8")


@dataclass
class Site(Pages):
    """The pages of an appliance, and the desk behind them."""

    desk: Desk


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with appliance(tmp_path, tokens=("the-phone",)) as box:
        desk = desk_of(box)
        async with admin_of(desk) as port:
            yield Site(box, port, desk)


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading of the reference in docs."""
    part = DOCS.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_the_reference_has_the_fields_and_headers_that_the_docs_have():
    told = [(row[0].strip(" `"), row[1]) for row in rows("The body")]
    assert [(name, kind) for name, kind, _ in reference.FIELDS] == told
    heads = [row[0].strip(" `") for row in rows("The headers")]
    assert [name for name, _ in reference.HEADERS] == heads


def test_the_rules_are_those_of_the_code_and_every_class_is_told():
    told = reference.rules()
    assert {rule.result for rule in told} == set(OutcomeClass) - {OutcomeClass.INTERRUPTED}
    assert sum(rule.answer == "no answer" for rule in told) == len(Trouble) - 1
    by_status = {rule.answer: str(rule.result) for rule in told}
    for status, kind, *_ in [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in DOCS.splitlines()
        if re.match(r"\| \d{3}", line)
    ]:
        for one in re.findall(r"\d{3}", status):
            if one in by_status:
                assert by_status[one] == kind.strip("`")


async def test_the_reference_shows_the_latest_text_and_signs_it_for_the_reader(here: Site):
    box = here.box
    made_up = await reference.example(here.desk)
    assert made_up.own is False
    assert json.loads(made_up.body)["text"] == reference.TEXT
    await box.text("<script>alert(1)</script> it's me")
    own = await reference.example(here.desk)
    body = json.loads(own.body)
    assert (own.own, body["text"]) == (True, "<script>alert(1)</script> it's me")
    assert body["tenantId"] == here.desk.look().tenant.id
    digest = signing.plain_signature(reference.SECRET, own.body.encode())
    assert own.headers["X-MMConnect-Signature"] == digest
    page = await here.page("/help/webhooks")
    assert "<script>alert" not in page
    assert own.body in unescape(page)
    assert body["tenantId"] in page


async def test_the_reference_lists_the_endpoints_with_their_own_values(here: Site):
    await here.box.endpoint(
        "http://127.0.0.1:9/x",
        name="Tills & more",
        schedule=(0, 60),
        max_age=300,
        state=EndpointState.PAUSED,
    )
    words = await here.words("/help/webhooks")
    assert "Tills & more" in words
    assert "now, 1m" in words
    for rule in reference.rules():
        assert rule.sentence.replace("`", "") in words
    for event in EVENTS:
        assert event in words


@pytest.mark.parametrize("name", recipes.names())
async def test_a_recipe_is_shown_whole_and_can_be_downloaded(name: str, here: Site):
    page = unescape(await here.page(f"/help/recipes/{name}"))
    recipe = recipes.recipe(name)
    for step in recipe.steps:
        assert step.code in page
    for of in recipe.files:
        text = (ROOT / "recipes" / name / of).read_text(encoding="utf-8")
        assert text.rstrip("\n") in page
        told = await ask(here.port, request(f"/help/recipes/{name}/{of}", method="GET"))
        assert told.status == 200
        assert told.body.decode() == text
        assert told.headers["content-disposition"] == f'attachment; filename="{of}"'
    assert 'href="/endpoints/new' in page
    overview = await here.page("/help/recipes")
    assert f'href="/help/recipes/{name}"' in overview


async def test_the_link_of_a_recipe_fills_in_the_endpoint(here: Site):
    page = unescape(await here.page("/help/recipes/zammad"))
    link, again = re.findall(r'href="(/endpoints/new\?[^"]+)"', page)
    assert link == again
    new = await here.page(link)
    assert 'value="http://127.0.0.1:8491/"' in new
    assert 'value="Zammad"' in new


@pytest.mark.parametrize(
    "path",
    """/help/recipes/nothing /help/recipes/zammad/recipe.toml /help/recipes/..%2fdocs
    /help/recipes/zammad/..%2f..%2fpyproject.toml /help/recipes/zammad/README.md
    /help/phones/nothing""".split(),
)
async def test_what_is_not_there_is_not_found(path: str, here: Site):
    told = await ask(here.port, request(path, method="GET"))
    assert told.status == 404


@pytest.mark.parametrize("kind", guiding.by_kind())
async def test_a_guide_has_this_machine_in_it(kind: str, here: Site):
    for guide in guiding.by_kind()[kind]:
        page = unescape(await here.page(f"/help/phones/{guide.name}"))
        mine = guiding.guide(guide.name, here.desk.around())
        assert not re.search(r"\{(url|token|base|secret|id|phone)\}", page)
        for step in mine.steps:
            for field in step.fields:
                assert field.value in page or not field.copied
            if step.block:
                assert step.block.text in page
        shown = " ".join(f.value for s in guide.steps for f in s.fields)
        if "{url}" in shown:
            assert f"http://127.0.0.1:{here.box.port}/in/TOKEN" in page


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("home assistant", "Home Assistant"),
        ("homeassistant", "Home Assistant"),
        ("SIGNATURE", "Webhook reference"),
        ("node red", "Node-RED"),
        ("iphone", "iPhone Shortcuts"),
        ("not arrive", "A text did not arrive"),
        ("helpdesk", "Zammad"),
        ("pair", "Connect a phone"),
        ("stop", "STOP list"),
        ("password", "The machine itself has a problem"),
        ("upgrade", "Updates"),
        ("usb stick", "Backup and restore"),
        ("move to another machine", "Backup and restore"),
        ("uninstall", "The machine and the service"),
        ("firewall", "The machine and the service"),
    ],
)
def test_it_is_found_by_what_people_call_it(question: str, title: str):
    titles = [topic.title for group in topics.found(question).values() for topic in group]
    assert any(title in one or one in title for one in titles), titles


async def test_a_question_without_an_answer_says_what_to_do(here: Site):
    words = await here.words("/help?q=%3Cb%3Exyzzy")
    assert "Nothing is called that" in words
    assert "All of the help" in words
    page = await here.page("/help?q=%22%3E%3Cb%3Exyzzy")
    assert "<b>xyzzy" not in page


def test_every_symptom_leads_somewhere_and_its_commands_exist():
    assert len({symptom.name for symptom in SYMPTOMS}) == len(SYMPTOMS)
    codes = [look.code for symptom in SYMPTOMS for look in symptom.looks if look.code]
    for how in EVERYWHERE.values():
        for code in codes:
            words = OURS.fullmatch(upkeep.filled(code, how))
            assert words is not None, code
            assert parser().parse_args(shlex.split(words[1])).run


def placed(
    form: Form,
    at: str,
    whose: str = "system",
    *,
    engine: str | None = None,
    managed: bool = True,
    named: bool = False,
) -> Installed:
    found = Program(form=form, words=tuple(at.split()), parts=(Path(at),))
    data = Path("/var/lib/mm data")
    return upkeep.installed(
        found, data, engine=engine, managed=managed, of_user=whose == "user", named=named
    )


EVERYWHERE = {
    "package": placed(Form.ONE_DIRECTORY, "/usr/lib/mmconnect/mmconnect"),
    "one file": placed(Form.ONE_FILE, "/usr/local/bin/mmconnect"),
    "one file of a user": placed(Form.ONE_FILE, "/home/pi/.local/bin/mmconnect", "user"),
    "one file by hand": placed(Form.ONE_FILE, "/home/pi/mmconnect", "user", managed=False),
    "folder": placed(Form.ONE_DIRECTORY, "/opt/mmconnect/mmconnect"),
    "pipx": placed(Form.INSTALLED, "/home/pi/.local/bin/mmconnect", "user"),
    "pipx by hand": placed(
        Form.INSTALLED, "/home/pi/.venv/bin/python -m mmconnect", "user", managed=False
    ),
    "checkout": placed(Form.CHECKOUT, "/srv/mm/.venv/bin/python -m mmconnect", "user"),
    "data elsewhere": placed(Form.ONE_FILE, "/home/pi/.local/bin/mmconnect", "user", named=True),
    "container": placed(Form.ONE_DIRECTORY, "/usr/lib/mmconnect/mmconnect", engine="docker"),
}


ACCOUNTS = "/user.slice/user-1000.slice/user@1000.service"
"""Below which the systemd of an account has its services."""
BY_HAND = "# end it where it runs: Ctrl-C"
OURS = re.compile(
    r"(?:(?:sudo )?(?:\S*/)?(?:python -m )?mmconnect"
    r"|docker (?:exec -it mmconnect|run --rm -v mmconnect:/data) mmconnect) (.+)"
)
"""A command of ours, with whatever stands before it."""


def test_it_is_known_how_it_was_installed():
    assert [one.way for one in EVERYWHERE.values()] == [
        *(Way.PACKAGE, Way.ONE_FILE, Way.ONE_FILE, Way.ONE_FILE, Way.FOLDER, Way.PIP),
        *(Way.PIP, Way.CHECKOUT, Way.ONE_FILE, Way.CONTAINER),
    ]
    assert placed(Form.CHECKOUT, "/src/.venv/bin/python", engine="docker").way is Way.CHECKOUT
    assert EVERYWHERE["package"].restart == "sudo systemctl restart mmconnect"
    assert EVERYWHERE["package"].mm == EVERYWHERE["one file"].mm == "sudo mmconnect"
    assert EVERYWHERE["folder"].mm == "sudo /opt/mmconnect/mmconnect", "no shell finds it"
    assert EVERYWHERE["pipx by hand"].mm == "/home/pi/.venv/bin/python -m mmconnect"
    assert EVERYWHERE["pipx"].doctor == (
        "sudo /home/pi/.local/bin/mmconnect doctor --data-dir '/var/lib/mm data'"
    ), "root's own data are elsewhere"
    assert EVERYWHERE["data elsewhere"].mm == "mmconnect --data-dir '/var/lib/mm data'"
    assert EVERYWHERE["pipx"].restart == "systemctl --user restart mmconnect"
    assert EVERYWHERE["one file"].update == "sudo ./mmconnect service install"
    assert EVERYWHERE["one file of a user"].update == "./mmconnect service install --user"
    assert "Ctrl-C" in EVERYWHERE["one file by hand"].stop
    assert EVERYWHERE["container"].restart == "docker restart mmconnect"
    run = EVERYWHERE["container"].update.splitlines()[-1].removeprefix("docker ")
    told = (ROOT / "docs" / "container.md").read_text(encoding="utf-8").replace("\\\n", "")
    assert run in " ".join(told.split())
    assert "docker stop -t 60 mmconnect\ndocker rm mmconnect\n" in EVERYWHERE["container"].update
    assert EVERYWHERE["pipx"].update.startswith("pipx install --force "), "no index has it"


@pytest.mark.parametrize("how", EVERYWHERE)
def test_each_command_of_the_chapters_is_understood_however_it_is_installed(how: str):
    """Also that data with a space in their path stay one word."""
    told = [
        words[1]
        for part in (part for chapter in CHAPTERS for part in chapter.parts)
        for line in upkeep.filled(part.code, EVERYWHERE[how]).splitlines()
        if (words := OURS.match(line)) is not None
    ]
    assert len(told) >= 4
    for line in told:
        assert parser().parse_args(shlex.split(line.removesuffix(" --help"))).run, line
    back = EVERYWHERE[how].go_back
    assert "/var/lib/mm data/backups/before-schema-N.db" in shlex.split(back, comments=True)


@pytest.mark.parametrize("chapter", [one.name for one in CHAPTERS])
async def test_a_chapter_says_where_everything_is_here(chapter: str, here: Site):
    words = await here.words(f"/help/{chapter}")
    assert str(here.box.directory) in words
    assert __version__ in words
    assert upkeep.here(here.box.directory).way.value in words
    for part in next(one for one in CHAPTERS if one.name == chapter).parts:
        assert part.title in words


async def test_commands_name_the_data_where_no_command_looks_by_itself(
    here: Site, monkeypatch: pytest.MonkeyPatch
):
    named = f"--data-dir {here.box.directory}"
    for path, command in {
        "/help/machine": "serve --help",
        "/help/backups": "restore FILE",
        "/help/doctor": "doctor",
        "/help/troubleshooting": "admin set-password",
        "/settings/backup": "backup FILE",
    }.items():
        words = await here.words(path)
        assert f"{named} {command}" in words or f"{command} {named}" in words, path
    monkeypatch.setattr(upkeep, "data_dir", lambda *_: SimpleNamespace(path=here.box.directory))
    assert named not in await here.words("/help/backups")


@pytest.mark.parametrize(
    ("cgroup", "stop"),
    [
        ("0::/system.slice/mmconnect.service", "sudo systemctl stop mmconnect"),
        (f"0::{ACCOUNTS}/app.slice/mmconnect.service", "systemctl --user stop mmconnect"),
        (
            "4:pids:/x\n1:name=systemd:/system.slice/mmconnect.service",
            "sudo systemctl stop mmconnect",
        ),
        (
            f"0::{ACCOUNTS}/app.slice/gnome-terminal-server.service",
            "# end it where it runs: Ctrl-C",
        ),
        ("0::/", BY_HAND),
    ],
)
def test_whose_service_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cgroup: str, stop: str
):
    """Whoever it runs as (`service install --run-as`), and in whatever terminal."""
    (tmp_path / "cgroup").write_text(f"{cgroup}\n", encoding="utf-8")
    monkeypatch.setenv("INVOCATION_ID", "1")
    monkeypatch.setattr(upkeep, "_CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(upkeep, "_ENGINES", {})
    assert upkeep.here(tmp_path).stop == stop


async def test_where_one_looks_a_chapter_is_linked(here: Site):
    for path, chapters in {
        "/settings": ("updates", "machine"),
        "/settings/backup": ("backups",),
        "/help": ("backups", "updates", "machine"),
        "/help/troubleshooting": ("backups", "updates", "machine"),
    }.items():
        page = await here.page(path)
        for chapter in chapters:
            assert f'href="/help/{chapter}"' in page, path
