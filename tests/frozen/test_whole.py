"""Every page, document and old database, asked of the build: what was forgotten answers with 500.

The pages are walked through as tests/admin/test_crawl.py does it with the source.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from pathlib import Path
from urllib.parse import urldefrag, urljoin, urlsplit

import pytest

from mmconnect.api import catalogue
from tests.admin.test_crawl import NOT_BY_LINK, RESOURCES, Reader, judged, shown_by
from tests.cli.conftest import said
from tests.frozen.conftest import ran
from tests.support import released
from tests.support.receiver import receiving
from tests.support.service import DB, Service, ask, until

pytestmark = pytest.mark.program
MORE = ["/patterns", "/docs", "/v1/openapi.json", "/healthz", "/readyz", "/metrics"]
"""What no link of the pages leads to, and needs no more than a look."""


@pytest.fixture
def used(service: Service) -> Service:
    """With something of everything."""
    with receiving() as there:
        phone = service.cli("device", "add", "--name", "Reception", "--country", "SG")
        service.cli("device", "add", "--name", "Till", "--app", "smsgate")
        service.cli("endpoint", "add", there.url, "--name", "CRM")
        away = service.cli("endpoint", "add", "http://127.0.0.1:9/", "--name", "Away")
        service.cli("endpoint", "pause", away["id"])
        service.noticed()
        for body in (b'{"from": "+6581230000", "text": "balance"}', b'{"what": "is this?"}'):
            told = ask(
                service.phone,
                "POST",
                f"/in/{phone['token']}",
                body,
                {"Content-Type": "application/json"},
            )
            assert told[0] == 200
        until(lambda: service.count("SELECT count(*) FROM attempts"), "it is delivered")
        return service


def test_every_page_answers_and_is_whole(used: Service) -> None:
    cookie = used.cookie()
    waiting, seen = ["/", *MORE], {"/", *MORE}
    wrong: dict[str, object] = {}
    loaded: set[str] = set()
    while waiting:
        path = waiting.pop()
        status, headers, body = ask(used.admin, "GET", path, headers=cookie)
        if status != 200:
            wrong[path] = status
        if not headers.get("content-type", "").startswith("text/html"):
            continue
        reader = Reader(path)
        reader.feed(body.decode())
        reader.close()
        if complaints := judged(reader.page):
            wrong[path] = complaints
        loaded |= {urljoin(path, one) for one in reader.page.loads}
        for link in reader.page.links:
            target = urljoin(path, urldefrag(link)[0])
            if not urlsplit(target).netloc and urlsplit(target).scheme != "mailto":
                if target not in seen:
                    waiting.append(target)
                seen.add(target)
        assert len(seen) < 600, "a trap of links that never ends"
    for path in loaded:
        status, _, body = ask(used.admin, "GET", path)
        if status != 200 or not body:
            wrong[path] = status
    assert wrong == {}
    reached = {shown_by(urlsplit(path).path) for path in seen}
    every = {str(r.get_info().get("path") or r.get_info()["formatter"]) for r in RESOURCES}
    assert every - reached <= NOT_BY_LINK, "as from source"
    assert len(loaded) > 3


def test_the_document_of_the_api_is_the_sources(service: Service) -> None:
    """Byte for byte, with what stands in docstrings."""
    told = ask(service.admin, "GET", "/v1/openapi.json")[2]
    assert told == catalogue._encoded("")


@pytest.mark.parametrize("schema", released.SCHEMAS)
def test_a_database_of_every_release_is_taken_over(schema: int, tmp_path: Path) -> None:
    directory = tmp_path / "data"
    released.unpack(schema, directory)
    released.sent_to(directory, "http://127.0.0.1:9/")
    with contextlib.closing(sqlite3.connect(directory / DB)) as db:
        texts = db.execute("SELECT id FROM messages ORDER BY id").fetchall()
    assert texts
    service = Service(directory).start()
    try:
        assert service.count("PRAGMA user_version") >= max(released.SCHEMAS)
        with service.looking() as db:
            assert db.execute("SELECT id FROM messages ORDER BY id").fetchall() == texts
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert "Overview" in service.page()
    finally:
        service.kill()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions_are_the_sources(shell: str) -> None:
    assert ran("completion", shell, check=True).stdout == said("completion", shell).out


def test_help_is_the_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each command: what stands there comes from docstrings, too, which a build could lose."""
    monkeypatch.setenv("COLUMNS", "80")
    found = re.findall(r"^    ([a-z][a-z-]+) ", said("--help").out, re.MULTILINE)
    assert len(found) > 15
    for words in ([], *([name] for name in found)):
        told = ran(*words, "--help", env={"COLUMNS": "80"}, check=True).stdout
        assert told == said(*words, "--help").out


def test_the_unit_for_systemd_names_the_build() -> None:
    told = ran("service", "print")
    assert "Traceback" not in told.stderr
    assert "ExecStart=" in told.stdout
