"""What holds for every command: --json, --data-dir anywhere, exit codes, and no questions."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mmconnect.cli import main, parser
from tests.cli.conftest import Desk, Said, said
from tests.docs.test_docs import COMMANDS
from tests.support import program

ELSEWHERE = {"serve", "receive", "message simulate", "endpoint check", "doctor"}
"""These need somebody at the other end, or tell of the machine; test_running, test_receive,
test_secrets and test_doctor try them."""


@pytest.fixture
def words(desk: Desk, hook: str) -> dict[str, list[str]]:
    """What follows each command for it to succeed on this directory."""
    endpoint = desk("endpoint", "add", hook, "--json").json["id"]
    gone = desk("endpoint", "add", hook, "--json").json["id"]
    device = desk("device", "add", "--name", "Reception", "--json").json["id"]
    old = desk("device", "add", "--name", "Old", "--json").json["id"]
    test = desk("endpoint", "test", endpoint, "--json").json
    text = desk("endpoint", "test", endpoint, "--json").json
    with contextlib.closing(sqlite3.connect(desk.directory / "mmconnect.db")) as db, db:
        db.execute("UPDATE messages SET test = 0 WHERE id = ?", (text["messageId"],))
    spare = desk("endpoint", "test", endpoint, "--json").json
    linked = [desk("device", "add", "--name", name, "--json").json["id"] for name in "ab"]
    with contextlib.closing(sqlite3.connect(desk.directory / "mmconnect.db")) as db, db:
        db.executemany(
            "INSERT INTO phone_links VALUES (?, 'http://127.0.0.1:9', NULL, 'x', NULL, 0)",
            [(one,) for one in linked],
        )
    key = desk("api-key", "create", "--name", "Old", "--json").json["id"]
    old_one = str(desk.directory.parent / "old.db")
    assert desk("backup", old_one).code == 0
    configuration = str(desk.directory.parent / "old.json")
    assert desk("export-config", configuration).code == 0
    body, header = desk.directory / "body", "X-MMConnect-Signature: " + PLAIN
    body.write_bytes(b"x")
    return {
        "endpoint add": [hook],
        "endpoint set": [endpoint, "--name", "CRM"],
        "endpoint show": [endpoint],
        "endpoint pause": [endpoint],
        "endpoint resume": [endpoint],
        "endpoint test": [endpoint],
        "endpoint remove": [gone],
        "endpoint rotate-secret": [endpoint],
        "backup": [str(desk.directory.parent / "new.db"), "--force"],
        "restore": [old_one],
        "export-config": [str(desk.directory.parent / "new.json"), "--force"],
        "import-config": [configuration, "--dry-run"],
        "device add": ["--name", "New"],
        "device set": [device, "--silent-after", "off"],
        "device show": [device],
        "device remove": [old],
        "device new-token": [device],
        "device pair": [device],
        "device link": [linked[0], "--poll", "5s"],
        "device unlink": [linked[1]],
        "device history": [linked[0]],
        "message show": [test["messageId"]],
        "message send": [text["messageId"], "--endpoint", endpoint],
        "message reread": [text["messageId"]],
        "message delete": [spare["messageId"], "--yes"],
        "message purge": ["--from", "+6581230000", "--yes"],
        "api-key create": ["--name", "CRM"],
        "api-key revoke": [key],
        "admin set-password": ["--password", "correct horse battery"],
        "admin reset": ["--yes"],
        "settings get": ["retention_messages"],
        "settings set": ["retention_messages", "30d"],
        "settings unset": ["retention_messages"],
        "tls create-ca": ["--replace"],
        "delivery show": [test["id"]],
        "delivery retry": ["--state", "failed"],
        "delivery cancel": ["--endpoint", endpoint],
        "completion": ["bash"],
        "service install": ["--root", str(desk.directory.parent / "image")],
        "service uninstall": ["--root", str(desk.directory.parent / "image")],
        "push": ["--drain", "--spool", str(desk.directory / "spool")],
        "verify": ["--secret", "k" * 16, "--body", str(body), "--header", header],
    }


PLAIN = "10a2f7df9a255a3a899a327bed7e57f26d69edaa47380a065fc5f986a352fef5"


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - ELSEWHERE))
def test_it_answers_a_person_and_a_program(
    command: str, desk: Desk, words: dict[str, list[str]]
) -> None:
    line = [*command.split(), *words.get(command, [])]
    person = desk(*line)
    assert (person.code, person.err) == (0, ""), person
    assert person.out.strip()
    with pytest.raises(ValueError):
        json.loads(person.out)
    if command in (
        "endpoint remove",
        "device remove",
        "device unlink",
        "message delete",
    ):  # they are gone now
        assert desk(*line, "--json").code == 1
        return
    program = desk(*line, "--json")
    assert program.err == ""
    assert isinstance(program.json, dict | list)
    assert program.out.count("\n") == 1, "one document, on one line where nobody watches"


@pytest.mark.parametrize("command", ["endpoint list", "device list", "message list", "version"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_options_for_all_may_stand_anywhere(command: str, place: int, desk: Desk) -> None:
    desk("endpoint", "list")
    line = command.split()
    given = ["--json", "--data-dir", str(desk.directory)]
    assert said(*line[:place], *given, *line[place:]).json is not None
    joined = f"--data-dir={desk.directory}"
    assert said(*line[:place], joined, *line[place:], "--json").json is not None


def test_the_last_of_two_directories_counts(desk: Desk, tmp_path: Path) -> None:
    added = desk("endpoint", "add", "http://h.example/", "--json").json["id"]
    other = ("--data-dir", str(tmp_path / "other"))
    last = said(*other, "endpoint", "list", "--data-dir", str(desk.directory), "--json").json
    assert [endpoint["id"] for endpoint in last] == [added]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_the_options_of_all_and_explains_itself(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = {flag for action in COMMANDS[command]._actions for flag in action.option_strings}
    assert {"--data-dir", "--config", "--json", "--help"} <= flags
    with pytest.raises(SystemExit) as left:
        main([*command.split(), "--help"])
    assert left.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: mmconnect {command}")
    says = COMMANDS[command].description
    assert says, f"{command} does not say what it does"
    assert " ".join(says.split()) in " ".join(shown.split())
    for action in COMMANDS[command]._actions:
        if action.option_strings:
            assert action.help, f"{command} {action.option_strings} is not explained"


def test_flags_are_not_guessed_from_their_beginnings(desk: Desk) -> None:
    told = desk("message", "list", "--lim", "3")
    assert told.code == 2, "a shorter flag would become another one in a later version"


@pytest.mark.parametrize(
    "line",
    [
        ["endpoint", "list", "--json"],
        ["endpoint", "show", "ep_none", "--json"],
        ["message", "list", "--limit", "0", "--json"],
        ["endpoint", "remove", "ep_none"],
        ["nonsense"],
        pytest.param(["version"], marks=program.source_only),  # a build has its own
    ],
)
@pytest.mark.program
def test_a_real_process_says_the_same(line: list[str], desk: Desk) -> None:
    here = desk(*line)
    there = process(*line, "--data-dir", str(desk.directory))
    if line[0] == "nonsense":  # argparse fits its usage to the terminal
        assert (there.code, there.out) == (2, "")
        return
    assert there == here


def process(*line: str, given: bytes = b"", **environment: str) -> Said:
    """A command in a process of its own."""
    done = subprocess.run(
        [*program.PROGRAM, *line],
        input=given,
        capture_output=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )
    return Said(done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8"))


ERRORS: list[tuple[list[str], int, str]] = [
    (["endpoint", "show", "ep_none"], 1, "not_found"),
    (["endpoint", "add", "nowhere"], 2, "usage_error"),
    (["message", "simulate", "--from", "1", "--text", "x"], 1, "refused"),
    (["serve", "--log-level", "loud"], 1, "config_error"),
    (["endpoint", "list", "--config", "/nonexistent/x.toml"], 1, "config_error"),
]


@pytest.mark.parametrize(("line", "code", "kind"), ERRORS)
def test_an_error_is_a_document_and_the_same_sentence(
    line: list[str], code: int, kind: str, desk: Desk
) -> None:
    told = desk(*line, "--json")
    document: dict[str, Any] = json.loads(told.out)
    assert told.code == code
    assert document == {"error": kind, "message": told.err.removeprefix("mmconnect: ").rstrip()}
    assert told.err.count("\n") == 1


def test_a_directory_that_cannot_be_used_is_an_error_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told = said("endpoint", "list", "--json", "--data-dir", str(tmp_path / "file" / "below"))
    assert told.code == 1
    assert json.loads(told.out)["error"] == "data_dir_error"
    assert f"{tmp_path}/file/below (from --data-dir)" in told.err


# -- nobody is asked ---


def waiting(desk: Desk) -> str:
    """An endpoint with a text that waits for it."""
    endpoint = desk("endpoint", "add", "http://127.0.0.1:9/", "--json").json["id"]
    desk("endpoint", "test", endpoint)
    with sqlite3.connect(desk.directory / "mmconnect.db") as db:
        db.execute("UPDATE deliveries SET state = 'pending', due_at = 0, trigger = 'push'")
    return str(endpoint)


def test_removing_what_texts_wait_for_wants_a_yes(desk: Desk) -> None:
    endpoint = waiting(desk)
    told = desk("endpoint", "remove", endpoint, given="y\n")
    assert told.code == 1
    assert told.out == ""
    assert "1 text waits for 127.0.0.1" in told.err
    assert "--yes" in told.err
    assert desk("endpoint", "show", endpoint, "--json").json["waiting"] == 1
    done = desk("endpoint", "remove", endpoint, "--yes", "--json").json
    assert done == {"id": endpoint, "removed": True, "cancelled": 1}
    (delivery,) = desk("delivery", "list", "--json").json
    assert delivery["state"] == "cancelled"
    assert desk("delivery", "retry", "--state", "cancelled", "--json").json["retried"] == 0


def test_in_a_terminal_it_asks_and_takes_anything_else_for_no(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mmconnect.cli import open as opening

    terminal = io.StringIO("\nn\nmaybe\ny\n")  # and then its end: Ctrl-D
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    told = [opening.confirm("Remove it?", yes=False) for _ in range(5)]
    assert told == [False, False, False, True, False]
    said = capsys.readouterr()
    assert said.err.count("Remove it? [y/N] ") == 5
    assert said.out == "", "standard output is for the answer, which may be JSON"
    assert opening.confirm("Remove it?", yes=True)


# -- what cannot be written or read ---


def test_an_argument_that_is_no_text_is_one_sentence(desk: Desk) -> None:
    told = desk("endpoint", "add", "http://h.example/\udcff")
    assert (told.code, told.err) == (2, "mmconnect: an argument is not UTF-8 text\n")


def test_a_secret_that_is_no_text_is_one_sentence(desk: Desk, tmp_path: Path) -> None:
    data = ("--data-dir", str(desk.directory))
    line = ("endpoint", "add", "http://h.example/", *data, "--secret")
    told = process(*line, "-", given=b"\xff" * 20 + b"\n")
    assert (told.code, told.err) == (
        2,
        "mmconnect: What came on standard input is not UTF-8 text\n",
    )
    (tmp_path / "secret").write_bytes(b"\xff" * 20)
    told = desk(*line[:3], "--secret", f"@{tmp_path}/secret")
    assert told.code == 2
    assert f"{tmp_path}/secret cannot be read" in told.err


@program.source_only  # a build asks the language, and no variable of Python's
def test_a_narrow_terminal_gets_what_it_can_show(desk: Desk) -> None:
    name = "Дом 🏠"
    assert desk("device", "add", "--name", name).code == 0
    line = ("device", "list", "--data-dir", str(desk.directory))
    told = process(*line, PYTHONIOENCODING="latin-1")
    assert (told.code, told.err) == (0, "")
    assert r"\u0414" in told.out
    shown = process(*line, "--json", PYTHONIOENCODING="latin-1")
    assert shown.json[0]["name"] == name


@pytest.mark.program
def test_whoever_reads_may_leave(desk: Desk) -> None:
    for n in range(30):
        desk("device", "add", "--name", f"{n} {'x' * 190}")
    line = [*program.PROGRAM, "device", "list", "--data-dir", str(desk.directory)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert b"Traceback" not in running.stderr.read()


def test_a_strangers_text_does_not_steer_the_terminal(desk: Desk) -> None:
    desk("endpoint", "test", desk("endpoint", "add", "http://127.0.0.1:9/", "--json").json["id"])
    with sqlite3.connect(desk.directory / "mmconnect.db") as db:
        db.execute("UPDATE messages SET text = ?", ("a\x1b[2Jb\x07",))
    shown = desk("message", "list").out
    assert not set("\x1b\x07") & set(shown)
    assert desk("message", "list", "--json").json[0]["text"] == "a\x1b[2Jb\x07"


@pytest.mark.parametrize("name", ["", "  ", "a\x1b[2Jb", "a\nb", "a\u2028b", "x" * 201])
def test_a_name_is_a_line_of_text(desk: Desk, name: str) -> None:
    for words in (("device", "add"), ("endpoint", "add", "http://127.0.0.1:9/")):
        told = desk(*words, "--name", name)
        assert (told.code, "on one line" in told.err) == (2, True)
    assert desk("device", "add", "--name", "Büro 📱 \N{FAMILY}\u200d").code == 0


def test_the_command_line_stands_without_the_service(desk: Desk) -> None:
    """What `mmconnect` needs for a look is not the whole web server."""
    code = (
        "import sys; from mmconnect.cli import main;"
        f"main(['endpoint', 'list', '--data-dir', {str(desk.directory)!r}]);"
        "print('aiohttp' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=True)
    assert done.stderr == b"False\n"


def test_without_a_command_it_serves() -> None:
    for line in ([], ["--json"], ["--data-dir", "x"], ["--phone-listen", "[::1]:1", "--json"]):
        from mmconnect.cli import _with_command

        assert _with_command(line) == ["serve", *line]
        assert parser().parse_args(_with_command(line)).run.__module__ == "mmconnect.cli.serve"
