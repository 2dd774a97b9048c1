"""A backup taken away and brought back in the browser, at the real process, which starts anew."""

from __future__ import annotations

import http.client
import json
import re
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import pytest

from mmconnect.store import migrate
from tests.support.program import PROGRAM
from tests.support.service import PATIENCE, ROOT, Service, until

PASSWORD = "correct horse battery"
FORM = "application/x-www-form-urlencoded"


class Browser:
    """Keeps its cookies, and comes from our own pages."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.cookies: dict[str, str] = {}

    def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        kind: str = "application/x-www-form-urlencoded",
    ) -> tuple[int, bytes, str]:
        host, port = self.service.admin
        line = http.client.HTTPConnection(host, port, timeout=PATIENCE)
        headers = {
            "Origin": f"http://{host}:{port}",
            "Content-Type": kind,
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
        }
        line.request(method, path, body, headers)
        answer = line.getresponse()
        told = answer.read()
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0]
        line.close()
        return answer.status, told, answer.headers.get("Location", "")

    def post(self, path: str, **form: str) -> tuple[int, bytes, str]:
        return self.ask("POST", path, urlencode(form).encode())

    def bring(self, file: bytes) -> tuple[int, str]:
        line = b"------x"
        head = b'Content-Disposition: form-data; name="file"; filename="it.db"\r\n\r\n'
        body = line + b"\r\n" + head + file + b"\r\n" + line + b"--\r\n"
        kind = "multipart/form-data; boundary=----x"
        status, told, _ = self.ask("POST", "/settings/backup/bring", body, kind)
        return status, told.decode()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path / "data")
    made.directory.mkdir(mode=0o700)
    yield made
    made.kill()


def command(service: Service, *words: str) -> str:
    done = subprocess.run(
        [*PROGRAM, *words, "--data-dir", str(service.directory)],
        capture_output=True,
        cwd=ROOT,
        check=True,
        text=True,
        timeout=60,
    )
    return done.stdout


def set_up(service: Service) -> Browser:
    browser = Browser(service)
    code = json.loads(command(service, "admin", "setup-code", "--json"))["code"]
    status, _, where = browser.post("/setup", code=code, password=PASSWORD, again=PASSWORD)
    assert (status, where) == (303, "/")
    return browser


def names(service: Service) -> list[str]:
    """None while a command cannot have the database, as another takes its place just then."""
    try:
        listed = command(service, "endpoint", "list", "--json")
    except subprocess.CalledProcessError as error:
        told = f"{error.stdout}{error.stderr}"
        assert "Traceback" not in told, told
        return []
    return [one["name"] for one in json.loads(listed)]


def test_a_backup_is_taken_away_and_brought_back(service: Service) -> None:
    service.start()
    process = service.process
    command(service, "endpoint", "add", "http://127.0.0.1:9/a", "--name", "before")
    browser = set_up(service)
    status, copy, _ = browser.post("/settings/backup")
    assert status == 200
    assert copy.startswith(b"SQLite format 3\0")
    said = b"The last one to be kept in another place was made"
    until(lambda: said in browser.ask("GET", "/settings/backup")[1], "it is remembered")
    assert not list(service.directory.glob("download-*")), "nothing stays behind"

    command(service, "endpoint", "add", "http://127.0.0.1:9/b", "--name", "after")
    assert names(service) == ["before", "after"]
    status, told = browser.bring(copy)
    assert status == 200
    assert "Restore this backup?" in told
    assert names(service) == ["before", "after"], "nothing has happened yet"
    found = re.search(r'name="name" value="([0-9a-f]{16})"', told)
    assert found is not None
    status, body, _ = browser.post("/settings/backup/restore", name=found[1])
    assert (status, b"is being restored" in body) == (200, True)
    until(lambda: "A backup was restored" in service.log_text(), "it is restored")
    until(lambda: names(service) == ["before"], "it has what the backup holds")
    until(lambda: _answers(service), "it answers again")
    assert service.process is process
    assert process is not None
    assert process.poll() is None
    assert list((service.directory / "backups").glob("before-restore-*.db"))
    assert not list((service.directory / "brought").iterdir())
    assert browser.ask("GET", "/settings")[0] == 303, "whoever was in is out: they log in anew"
    assert browser.post("/login", password=PASSWORD)[0] == 303
    assert browser.ask("GET", "/settings")[0] == 200
    assert service.stop() == 0, "and it still ends when it is told to"


def test_one_that_is_kept_here_is_restored_and_stays(service: Service) -> None:
    service.start()
    command(service, "endpoint", "add", "http://127.0.0.1:9/a", "--name", "before")
    command(service, "tls", "create-ca")
    authority = (service.directory / "ca.key").read_bytes()
    browser = set_up(service)
    assert browser.post("/settings/backup/make")[0] == 303
    (kept,) = (service.directory / "backups").iterdir()
    command(service, "endpoint", "add", "http://127.0.0.1:9/b", "--name", "after")
    command(service, "tls", "create-ca", "--replace")
    status, told, _ = browser.ask("GET", f"/settings/backup/kept/{kept.name}/restore")
    assert (status, b"Restore this backup?" in told) == (200, True)
    assert browser.post(f"/settings/backup/kept/{kept.name}/restore")[0] == 200
    until(lambda: "A backup was restored" in service.log_text(), "it is restored", 90)
    until(lambda: names(service) == ["before"], "it has what the backup holds", 90)
    assert kept.exists()
    assert (service.directory / "ca.key").read_bytes() == authority
    (before,) = (service.directory / "backups").glob("before-restore-*.db")
    until(lambda: _answers(service), "it answers again", 90)
    assert browser.post("/login", password=PASSWORD)[0] == 303

    assert browser.post(f"/settings/backup/kept/{before.name}/restore")[0] == 200
    until(lambda: sorted(names(service)) == ["after", "before"], "it is as it was", 90)
    changed = (service.directory / "ca.key").read_bytes
    until(lambda: changed() != authority, "with the CA that was set aside beside it", 90)


def _answers(service: Service) -> bool:
    try:
        return Browser(service).ask("GET", "/healthz")[0] == 200
    except (OSError, IndexError, KeyError):
        return False


def test_the_figures_of_the_last_minute_are_in_the_copy(service: Service, tmp_path: Path) -> None:
    service.start()
    command(service, "device", "add", "--name", "Reception")
    browser = set_up(service)
    command(service, "message", "simulate", "--from", "+6581230000", "--text", "counted")
    (tmp_path / "copy.db").write_bytes(browser.post("/settings/backup")[1])
    db = sqlite3.connect(tmp_path / "copy.db")
    assert [texts for _, _, texts in db.execute("SELECT * FROM text_hours")] == [1, 1], (
        "its own, all"
    )
    db.close()
    assert service.stop() == 0


def test_what_is_no_backup_is_refused_and_changes_nothing(service: Service, tmp_path: Path) -> None:
    service.start()
    browser = set_up(service)
    status, told = browser.bring(b"not a database at all" * 100)
    assert status == 400
    assert "This file" in told
    assert "brought" not in told, "where it lay meanwhile is nobody's business"
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as db, db:
        db.execute("CREATE TABLE t (x)")
    assert browser.bring(other.read_bytes())[0] == 400
    newer = browser.post("/settings/backup")[1]
    (tmp_path / "newer.db").write_bytes(newer)
    db = sqlite3.connect(tmp_path / "newer.db")
    db.execute(f"PRAGMA user_version = {migrate.migrations()[-1][0] + 1}")
    db.commit()
    db.close()
    status, told = browser.bring((tmp_path / "newer.db").read_bytes())
    assert (status, "was made by a newer mmconnect" in told) == (400, True)
    assert browser.bring(b"")[0] == 400
    assert browser.post("/settings/backup/restore", name="../mmconnect")[0] == 409
    assert browser.post("/settings/backup/restore", name="0" * 16)[0] == 409
    assert list((service.directory / "brought").iterdir()) == []
    assert service.stop() == 0
