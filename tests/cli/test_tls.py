"""`mmconnect tls`: makes a CA once, shows what there is, and says how to get what is missing."""

from __future__ import annotations

import io
import sqlite3
import sys
from pathlib import Path

import pytest

from mmconnect.service.tls.making import MISSING
from tests.cli.conftest import Desk
from tests.support.https import made


class Terminal(io.StringIO):
    """An output that somebody watches."""

    def isatty(self) -> bool:
        return True


def test_nothing_yet(desk: Desk):
    assert desk("tls", "show", "--json").json == {
        "ca": None,
        "server": None,
        "phoneUrls": [],
        "adminUrls": [],
        "downloadUrls": [],
    }
    told = desk("tls", "show")
    assert told.code == 0
    assert f"--data-dir {desk.directory} tls create-ca" in told.out


def test_a_ca_is_made_once(desk: Desk):
    made = desk("tls", "create-ca", "--json").json
    assert made["ca"]["subject"].startswith("mmconnect CA ")
    assert {"127.0.0.1", "::1"} < set(made["server"]["addresses"])
    assert "localhost" in made["server"]["names"]
    assert made["server"]["brought"] is False
    assert made["downloadUrls"][0].endswith(":8481/ca.crt")
    assert made["phoneUrls"][0].startswith("https://")
    assert made["phoneUrls"][0].endswith(":8482")
    assert made["adminUrls"][0].endswith(":8483")
    again = desk("tls", "create-ca")
    assert (again.code, again.out) == (1, "")
    assert "every phone has to install the new one" in again.err
    assert "--replace" in again.err
    assert desk("tls", "show", "--json").json == made
    other = desk("tls", "create-ca", "--replace", "--json").json
    assert other["ca"]["fingerprint"] != made["ca"]["fingerprint"]


def test_what_a_person_sees(desk: Desk):
    told = desk("tls", "create-ca")
    shown = desk("tls", "show")
    facts = desk("tls", "show", "--json").json
    for page in (told.out, shown.out):
        for fact in (facts["ca"]["fingerprint"], facts["downloadUrls"][0], "127.0.0.1, ::1"):
            assert fact in page
        assert "Install a certificate > CA certificate" in page
        assert "PRIVATE" not in page


def test_in_a_terminal_there_is_a_code_to_scan(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    plain = desk("tls", "create-ca").out
    monkeypatch.setattr("tests.cli.conftest.io.StringIO", Terminal)
    coded = desk("tls", "show").out
    assert coded.count("\n") > plain.count("\n") + 10
    assert "█" in coded


def test_the_name_of_the_site_is_on_the_ca(desk: Desk):
    desk("endpoint", "list")
    with sqlite3.connect(desk.directory / "mmconnect.db") as db:
        db.execute("INSERT INTO settings VALUES ('site_name', 'Praxis Dr. Ö')")
    assert desk("tls", "create-ca", "--json").json["ca"]["subject"] == "mmconnect CA Praxis Dr. Ö"


def test_without_the_library_it_says_how_to_get_it(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patch:
        for name in [n for n in sys.modules if n.partition(".")[0] == "cryptography"]:
            patch.setitem(sys.modules, name, None)
        patch.setitem(sys.modules, "cryptography", None)
        told = desk("tls", "create-ca")
        assert (told.code, told.out, told.err) == (1, "", f"mmconnect: {MISSING}\n")
        assert f"{sys.executable} -m pip install cryptography" in told.err
        assert not list(desk.directory.glob("ca.*"))
    made(desk.directory)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "cryptography", None)
        assert "reception.local" in desk("tls", "show").out, "to look at one takes no library"


def test_a_certificate_that_was_brought_is_shown(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    own = made(tmp_path / "own") / "server.pem"
    desk("tls", "create-ca")
    monkeypatch.setenv("MMCONNECT_TLS_CERT", str(own))
    facts = desk("tls", "show", "--json").json
    assert (facts["ca"], facts["downloadUrls"]) == (None, [])
    assert (facts["server"]["file"], facts["server"]["brought"]) == (str(own), True)
    assert "reception.local" in facts["server"]["names"]
    assert str(own) in desk("tls", "show").out
    own.write_text("nonsense")
    told = desk("tls", "show")
    assert (told.code, told.out) == (1, "")
    assert f"{own} cannot be used: it holds no certificate" in told.err


def test_an_odd_data_directory_is_one_sentence(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    desk("tls", "show")
    monkeypatch.setattr("mmconnect.service.tls.files.os.fsync", full)
    told = desk("tls", "create-ca")
    assert (told.code, told.err.count("\n")) == (1, 1)
    assert "No space left on device" in told.err
