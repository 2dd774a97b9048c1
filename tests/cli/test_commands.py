"""Commands on a data directory whose service does not run: what they say, refuse and leave."""

from __future__ import annotations

import json
import re
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Desk, said
from tests.support.program import PROGRAM


def add_endpoint(desk: Desk, *more: str) -> str:
    return str(desk("endpoint", "add", "http://127.0.0.1:9/x", *more, "--json").json["id"])


def add_device(desk: Desk, *more: str) -> str:
    return str(desk("device", "add", "--name", "Pixel", *more, "--json").json["id"])


# -- where the data is ---


def test_the_directory_may_stand_before_or_after_the_words(tmp_path: Path):
    data = str(tmp_path / "data")
    added = said("--data-dir", data, "endpoint", "add", "http://h.example/", "--json").json
    assert said("endpoint", "list", "--data-dir", data, "--json").json[0]["id"] == added["id"]
    assert said("endpoint", "--data-dir", data, "--json", "list").json[0]["id"] == added["id"]


def test_only_a_named_directory_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    told = said("endpoint", "list")
    assert told.code == 1
    assert f"{tmp_path}/xdg/mmconnect (from XDG_DATA_HOME)" in told.err
    assert not (tmp_path / "xdg").exists()
    monkeypatch.setenv("MMCONNECT_DATA_DIR", str(tmp_path / "named"))
    assert said("endpoint", "list", "--json").json == []
    assert (tmp_path / "named" / "mmconnect.db").exists()


def test_flag_before_variable_before_state_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    assert "(from STATE_DIRECTORY)" in said("endpoint", "list").err
    monkeypatch.setenv("MMCONNECT_DATA_DIR", str(tmp_path / "variable"))
    flag = str(tmp_path / "flag")
    add_endpoint(Desk(tmp_path / "flag"))
    assert said("endpoint", "list", "--json").json == []
    assert len(said("endpoint", "list", "--json", "--data-dir", flag).json) == 1


def test_the_data_is_its_owners_alone(desk: Desk):
    add_endpoint(desk)
    assert stat.S_IMODE(desk.directory.stat().st_mode) == 0o700
    for file in desk.directory.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


# -- exit codes and errors ---


@pytest.mark.parametrize(
    "words",
    [
        ("bogus",),
        ("endpoint",),
        ("endpoint", "add"),
        ("endpoint", "add", "ftp://h.example/"),
        ("endpoint", "add", "http:///x"),
        ("endpoint", "add", "http://h.example/", "--secret", "short"),
        ("endpoint", "add", "http://h.example/", "--events", "message.recieved"),
        ("endpoint", "add", "http://h.example/", "--max-age", "soon"),
        ("endpoint", "add", "http://h.example/", "--numbers", "roman"),
        ("device", "add"),
        ("device", "add", "--name", ""),
        ("device", "add", "--name", "x", "--app", "pigeon"),
        ("device", "add", "--name", "x", "--country", "Atlantis"),
        ("device", "add", "--name", "x", "--map", "bogus=a.b"),
        ("message", "list", "--limit", "0"),
        ("message", "list", "--limit", "99999999999999999999"),
        ("delivery", "retry"),
        ("delivery", "retry", "dlv_x", "--state", "failed"),
        ("delivery", "retry", "--state", "failed", "--since", "yesterday"),
        ("delivery", "cancel"),
        ("delivery", "cancel", "dlv_x", "--before", "2h"),
    ],
)
def test_usage_errors_are_2_and_change_nothing(desk: Desk, words: tuple[str, ...]):
    told = desk(*words)
    assert told.code == 2
    assert told.out == ""
    assert "Traceback" not in told.err
    assert desk("endpoint", "list", "--json").json == []
    assert desk("device", "list", "--json").json == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("endpoint", "show", "ep_none"), "There is no endpoint ep_none"),
        (("endpoint", "test", "ep_none"), "There is no endpoint ep_none"),
        (("endpoint", "remove", "ep_none"), "There is no endpoint ep_none"),
        (("device", "remove", "dev_none"), "There is no device dev_none"),
        (("device", "new-token", "dev_none"), "There is no device dev_none"),
        (("message", "show", "msg_none"), "There is no message msg_none"),
        (("message", "simulate", "--from", "1", "--text", "x"), "There is no phone yet"),
        (("delivery", "show", "dlv_none"), "There is no delivery dlv_none"),
        (("delivery", "retry", "dlv_none"), "There is no delivery dlv_none"),
        (("delivery", "cancel", "--endpoint", "ep_none"), "There is no endpoint ep_none"),
    ],
)
def test_failures_are_1_with_one_clear_sentence(desk: Desk, words: tuple[str, ...], says: str):
    told = desk(*words)
    assert told.code == 1
    assert told.out == ""
    assert told.err.startswith(f"mmconnect: {says}")
    assert told.err.count("\n") == 1


def test_what_is_not_there_is_followed_by_what_lists_what_is(desk: Desk):
    """Commands alone say so: what the API and the pages answer is for others."""
    told = desk("device", "remove", "dev_none", "--json")
    said = "There is no device dev_none. `mmconnect device list` shows them"
    assert json.loads(told.out) == {"error": "not_found", "message": said}


@pytest.mark.program
@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "0<&- 1>&- 2>&-"])
def test_a_closed_stream_is_no_reason_to_fail(tmp_path: Path, closed: str):
    here = f"--data-dir {tmp_path}/data"
    run = f"exec {shlex.join(PROGRAM)}"
    add = subprocess.run(
        ["sh", "-c", f"{run} endpoint add http://10.0.0.9/ --secret - {here} --json {closed}"],
        input="a secret of some length",
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert "Traceback" not in add.stderr
    assert add.returncode == (2 if "0<&-" in closed else 0), "without standard input, no secret"


def test_an_error_in_json_is_a_document_too(desk: Desk):
    told = desk("endpoint", "show", "ep_none", "--json")
    assert (told.code, told.out[:22]) == (1, '{"error": "not_found",')


def test_simulating_needs_the_service(desk: Desk):
    add_device(desk)
    told = desk("message", "simulate", "--from", "+6581230000", "--text", "hi")
    assert told.code == 1
    assert "mmconnect is not running" in told.err


# -- what they do ---


def test_a_secret_may_stand_in_a_file_or_come_on_standard_input(desk: Desk, tmp_path: Path):
    (tmp_path / "secret").write_text("a secret of our own\n", encoding="utf-8")
    words = ("endpoint", "add", "http://h.example/", "--json", "--secret")
    assert desk(*words, f"@{tmp_path}/secret").json["secret"] == "a secret of our own"
    assert desk(*words, "-", given="another one of ours\n").json["secret"] == "another one of ours"
    assert desk(*words, f"@{tmp_path}/none").code == 2


def test_the_secret_is_shown_once(desk: Desk):
    added = desk("endpoint", "add", "http://h.example/", "--json").json
    for words in (("endpoint", "list"), ("endpoint", "show", added["id"])):
        assert added["secret"] not in desk(*words).out + desk(*words, "--json").out


def test_pause_and_resume(desk: Desk):
    endpoint = add_endpoint(desk)
    assert desk("endpoint", "pause", endpoint, "--json").json["state"] == "paused"
    assert desk("endpoint", "show", endpoint, "--json").json["state"] == "paused"
    assert desk("endpoint", "resume", endpoint, "--json").json["state"] == "active"


def test_a_test_to_nobody_fails_and_is_never_repeated(desk: Desk):
    endpoint = add_endpoint(desk)
    told = desk("endpoint", "test", endpoint)
    assert told.code == 1
    assert "Nothing listens there" in told.out
    (delivery,) = desk("delivery", "list", "--json").json
    assert (delivery["state"], delivery["trigger"], delivery["nextAttemptAt"]) == (
        "failed",
        "test",
        None,
    )
    assert desk("delivery", "retry", delivery["id"]).code == 1


def test_a_test_that_arrives(desk: Desk, hook: str):
    endpoint = desk("endpoint", "add", hook, "--json").json["id"]
    told = desk("endpoint", "test", endpoint, "--json").json
    assert (told["state"], told["status"], told["answer"]) == ("delivered", 200, "ok")
    assert desk("message", "list", "--json").json[0]["test"] is True


def test_what_is_so_or_not_is_told_in_words(desk: Desk, hook: str):
    added = desk("endpoint", "add", hook, "--json").json["id"]
    sent = desk("endpoint", "test", added, "--json").json["messageId"]
    assert re.search(r"^test: +yes$", desk("message", "show", sent).out, re.MULTILINE)


def test_removing_asks_only_where_somebody_can_answer(desk: Desk):
    endpoint = add_endpoint(desk)
    assert desk("endpoint", "remove", endpoint, "--json").json["removed"] is True
    assert desk("endpoint", "show", endpoint).code == 1
    assert "Nothing" not in desk("endpoint", "list").out


def test_a_country_is_kept_in_capitals(desk: Desk):
    device = add_device(desk, "--country", "sg", "--signing-key", "k3y0123456789")
    (shown,) = desk("device", "list", "--json").json
    assert (shown["id"], shown["country"], shown["signed"]) == (device, "SG", True)
    assert "k3y0123456789" not in desk("device", "list").out


def test_a_new_token_differs_and_a_removed_phone_is_gone(desk: Desk):
    added = desk("device", "add", "--name", "Pixel", "--json").json
    again = desk("device", "new-token", added["id"], "--json").json
    assert again["id"] == added["id"]
    assert again["token"] != added["token"]
    assert again["pushUrl"].endswith("/in/" + again["token"])
    assert desk("device", "remove", added["id"], "--json").json["removed"] is True
    assert desk("device", "list", "--json").json == []


def test_lists_for_people_say_what_to_do_when_they_are_empty(desk: Desk):
    at = f"--data-dir {desk.directory}"
    assert f"mmconnect {at} endpoint add" in desk("endpoint", "list").out
    assert f"mmconnect {at} device add" in desk("device", "list").out
    assert f"mmconnect {at} message simulate" in desk("message", "list").out


def test_what_it_says_to_type_works_from_where_one_is(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "checkout" / ".venv" / "bin" / "mmconnect"
    monkeypatch.setattr(sys, "argv", [str(program)])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    at = f"--data-dir {desk.directory}"
    assert f"checkout/.venv/bin/mmconnect {at} endpoint add" in desk("endpoint", "list").out
    (tmp_path / "mmconnect").write_text("")
    (tmp_path / "mmconnect").chmod(0o755)
    assert f"Add one: mmconnect {at} endpoint add" in desk("endpoint", "list").out


# -- options of the service ---


@pytest.mark.parametrize(
    ("words", "variables", "toml", "says"),
    [
        (("--phone-listen", "here"), {}, "", "--phone-listen = 'here' (from --phone-listen)"),
        ((), {"MMCONNECT_LOG_FORMAT": "xml"}, "", "'xml' (from MMCONNECT_LOG_FORMAT)"),
        ((), {}, 'admin_listen = "x"', "'x' (from"),
        ((), {}, 'phone_port = "1"', "unknown option 'phone_port'"),
        ((), {}, "phone_listen = 8481", "must be text in quotes"),
        ((), {}, "phone_listen", "cannot be read"),
    ],
)
def test_a_wrong_option_names_itself_its_value_and_its_source(
    desk: Desk,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    variables: dict[str, str],
    toml: str,
    says: str,
):
    (tmp_path / "mm.toml").write_text(toml, encoding="utf-8")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    told = desk("serve", "--config", str(tmp_path / "mm.toml"), *words)
    assert told.code == 1
    assert says in told.err
    assert told.err.count("\n") == 1
