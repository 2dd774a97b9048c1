"""`mmconnect admin` and `mmconnect api-key`: who may come in, with or without a service."""

from __future__ import annotations

import getpass
import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from mmconnect.desk import passwords
from mmconnect.phones import codes
from mmconnect.store import accounts, audit
from mmconnect.store.configuration import digest
from mmconnect.store.connection import FILE
from tests.cli.conftest import Desk
from tests.support.service import Service, until

PASSWORD = "correct horse battery"


@contextmanager
def looking(desk: Desk) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(desk.directory / FILE)) as db:
        yield db


def actions(desk: Desk) -> list[str]:
    with looking(desk) as db:
        return [entry.action for entry in audit.newest(db, limit=50)][::-1]


def logged_in(desk: Desk) -> None:
    with looking(desk) as db, db:
        db.execute("INSERT INTO sessions VALUES ('ses_1', x'00', 9e12, 9e12, 9e12, NULL, NULL)")


def test_a_code_for_the_first_visit(desk: Desk) -> None:
    told = desk("admin", "setup-code", "--json").json
    assert len(told["code"].replace("-", "")) * 5 >= 50, "bits"
    for link in told["links"]:
        assert link.startswith("http://")
        assert link.endswith(f":8480/setup#{told['code']}")
    with looking(desk) as db:
        assert accounts.is_setup_code(db, codes.digest(codes.read(told["code"], 12) or ""))
        assert told["code"] not in str(db.execute("SELECT * FROM setup_codes").fetchall())
    second = desk("admin", "setup-code")
    assert second.code == 0
    assert told["code"] not in second.out


def test_the_link_is_below_the_base_path(desk: Desk) -> None:
    assert desk("settings", "set", "base_path", "/mm/").code == 0
    told = desk("admin", "setup-code", "--json").json
    assert told["links"][0].endswith(f"/mm/setup#{told['code']}")


def test_a_code_is_for_nobody_where_there_is_an_administrator(desk: Desk) -> None:
    desk("admin", "set-password", "--password", PASSWORD)
    told = desk("admin", "setup-code")
    assert (told.code, told.out) == (1, "")
    assert "There is an administrator already" in told.err
    assert "mmconnect admin set-password" in told.err


@pytest.mark.parametrize("how", ["plain", "file", "stdin"])
def test_setting_the_password(desk: Desk, how: str, tmp_path: Path) -> None:
    (tmp_path / "p").write_text(PASSWORD + "\n")
    word = {"plain": PASSWORD, "file": f"@{tmp_path}/p", "stdin": "-"}[how]
    told = desk("admin", "set-password", "--password", word, "--json", given=PASSWORD + "\n").json
    assert told == {"created": True, "sessionsEnded": 0}
    logged_in(desk)
    told = desk("admin", "set-password", "--password", "another password", "--json").json
    assert told == {"created": False, "sessionsEnded": 1}
    with looking(desk) as db:
        account = accounts.account(db)
        assert account is not None
        assert passwords.is_right("another password", account.password)
    assert actions(desk) == ["account.created", "account.password_changed"]


def test_a_password_that_is_too_short_changes_nothing(desk: Desk) -> None:
    told = desk("admin", "set-password", "--password", "123456789")
    assert told.code == 2
    assert "at least 10 characters" in told.err
    assert desk("admin", "setup-code").code == 0


def test_nobody_is_asked_without_a_terminal(desk: Desk) -> None:
    told = desk("admin", "set-password", given=f"{PASSWORD}\n{PASSWORD}\n")
    assert told.code == 2
    assert "--password" in told.err


def test_in_a_terminal_it_asks_twice(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([PASSWORD, "something else", PASSWORD, PASSWORD])
    monkeypatch.setattr(getpass, "getpass", lambda prompt: next(answers))
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    with monkeypatch.context() as patch:
        patch.setattr("tests.cli.conftest.io.StringIO", _Terminal)
        told = desk("admin", "set-password")
        assert (told.code, "two different passwords" in told.err) == (2, True)
        told = desk("admin", "set-password")
        assert (told.code, told.err) == (0, "")


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_resetting_wants_a_yes_and_keeps_the_keys(desk: Desk) -> None:
    desk("admin", "set-password", "--password", PASSWORD)
    desk("api-key", "create", "--name", "CRM")
    logged_in(desk)
    told = desk("admin", "reset", given="y\n")
    assert (told.code, told.out) == (1, "")
    assert "API keys" in told.err
    assert "--yes" in told.err
    done = desk("admin", "reset", "--yes", "--json").json
    assert (done["removed"], done["sessionsEnded"], done["apiKeysKept"]) == (True, 1, 1)
    with looking(desk) as db:
        assert accounts.account(db) is None
        assert db.execute("SELECT count(*) FROM sessions").fetchone() == (0,)
        assert accounts.is_setup_code(db, codes.digest(codes.read(done["code"], 12) or ""))
    told = desk("admin", "reset", "--yes")
    assert "There was no administrator." in told.out
    assert "1 API key stays good" in told.out
    assert actions(desk) == ["account.created", "key.created", "account.removed"]


def test_keys_are_shown_once_and_kept_as_hashes(desk: Desk) -> None:
    made = desk("api-key", "create", "--name", "CRM", "--json").json
    assert list(made) == ["id", "key"]
    (listed,) = desk("api-key", "list", "--json").json
    assert (listed["id"], listed["name"], listed["scopes"]) == (
        made["id"],
        "CRM",
        ["read", "write"],
    )
    assert made["key"].endswith(listed["hint"])
    assert made["key"] not in str(listed)
    assert made["key"] not in desk("api-key", "list").out
    for file in desk.directory.iterdir():
        assert made["key"].encode() not in file.read_bytes()
    with looking(desk) as db:
        (row,) = db.execute("SELECT key_hash FROM api_keys").fetchall()
    assert row == (digest(made["key"]),)


def test_a_key_for_less_and_for_a_while(desk: Desk) -> None:
    words = ("api-key", "create", "--name", "Prometheus", "--scope", "metrics", "--expires", "30d")
    assert "Ends:" in desk(*words).out
    (listed,) = desk("api-key", "list", "--json").json
    assert listed["scopes"] == ["metrics"]
    assert listed["expiresAt"] > listed["createdAt"]
    for wrong in ("0", "soon", "11000d"):
        told = desk(*words[:-1], wrong)
        assert (told.code, "--expires" in told.err) == (2, True)
    assert desk("api-key", "create", "--name", "x", "--scope", "all").code == 2


def test_revoking(desk: Desk) -> None:
    made = desk("api-key", "create", "--name", "CRM", "--json").json
    assert desk("api-key", "revoke", made["id"], "--json").json == {
        "id": made["id"],
        "revoked": True,
    }
    assert desk("api-key", "list", "--json").json == []
    assert "No keys yet" in desk("api-key", "list").out
    assert desk("api-key", "revoke", made["id"]).code == 0, "once more changes nothing"
    assert actions(desk) == ["key.created", "key.revoked"]
    told = desk("api-key", "revoke", "key_none")
    assert (told.code, "mmconnect api-key list" in told.err) == (1, True)


# -- beside a service ---


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    running = Service(tmp_path / "data")
    yield running
    running.kill()


def test_a_start_prints_and_logs_a_code_until_there_is_an_administrator(service: Service) -> None:
    service.start()
    until(lambda: "Code:" in service.out.read_text(), "the code is printed")
    first = service.cli("admin", "setup-code")
    host, port = service.admin
    assert first["links"] == [f"http://{host}:{port}/setup#{first['code']}"]
    printed = service.out.read_text().split("Code: ")[1].split()[0]
    link = f"http://{host}:{port}/setup#{printed}"
    assert link in service.out.read_text()
    until(lambda: link in service.log_text(), "it is logged")
    assert service.stop() == 0
    service.start("--json")
    until(lambda: "setupCode" in service.out.read_text(), "the code is printed")
    told = json.loads(service.out.read_text().splitlines()[-1])
    assert told["setupCode"] not in (printed, first["code"])
    assert told["setupLinks"][0].endswith(f"/setup#{told['setupCode']}")

    def good(code: str) -> bool:
        with service.looking() as db:
            return accounts.is_setup_code(db, codes.digest(codes.read(code, 12) or ""))

    assert [good(code) for code in (printed, first["code"], told["setupCode"])] == [
        False,
        True,
        True,
    ]
    service.cli("admin", "set-password", "--password", PASSWORD)
    assert service.stop() == 0
    service.start("--json")
    until(lambda: service.out.read_text().count("setupCode") == 2, "it has started again")
    told = json.loads(service.out.read_text().splitlines()[-1])
    assert (told["setupCode"], told["setupLinks"]) == (None, [])
