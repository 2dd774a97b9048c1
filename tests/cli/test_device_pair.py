"""`device add`, `new-token` and `pair`: the code, its link, and what is said of them."""

from __future__ import annotations

import os
import pty
import re
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from mmconnect.phones import codes
from mmconnect.store.connection import FILE
from tests.cli.conftest import Desk
from tests.support.program import PROGRAM


def hashes(desk: Desk) -> list[bytes]:
    with closing(sqlite3.connect(desk.directory / FILE)) as db:
        return [row[0] for row in db.execute("SELECT code_hash FROM pairings")]


def test_adding_gives_a_code_and_its_link(desk: Desk):
    told = desk("device", "add", "--name", "Reception", "--json").json
    code = told["pairCode"]
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}", code)
    base = told["pushUrl"].partition("/in/")[0]
    assert told["pairUrl"] == f"{base}/pair/{code}"
    assert hashes(desk) == [codes.digest(code.replace("-", ""))]
    assert not any(
        code.replace("-", "").encode() in file.read_bytes()
        for file in desk.directory.iterdir()
        if file.is_file()
    )


def test_a_new_code_ends_the_old_one(desk: Desk):
    added = desk("device", "add", "--name", "Reception", "--json").json
    told = desk("device", "pair", added["id"], "--json").json
    assert list(told) == ["id", "pairUrl", "pairCode", "pairExpiresAt"]
    assert told["pairCode"] != added["pairCode"]
    assert hashes(desk) == [codes.digest(codes.read(told["pairCode"]) or "")]
    again = desk("device", "new-token", added["id"], "--json").json
    assert hashes(desk) == [codes.digest(codes.read(again["pairCode"]) or "")]


def test_codes_of_other_devices_stay(desk: Desk):
    desk("device", "add", "--name", "One")
    desk("device", "add", "--name", "Two")
    assert len(hashes(desk)) == 2


def test_for_a_person_it_says_how_to_go_on_and_that_the_service_must_run(desk: Desk):
    told = desk("device", "add", "--name", "Reception")
    assert told.code == 0
    link = re.search(r"http://\S+/pair/(\w{4}-\w{4})$", told.out, re.MULTILINE)
    assert link is not None
    assert f"type the code  {link[1]}" in told.out
    assert "The service is not running" in told.out
    device = re.search(r"dev_\w+", told.out)
    assert device is not None
    told = desk("device", "pair", device[0])
    assert link[1] not in told.out
    assert "/in/" not in told.out, "the token is for the page alone"


def test_a_device_that_is_not_there(desk: Desk):
    told = desk("device", "pair", "dev_none")
    assert told.code == 1
    assert "There is no device dev_none" in told.err
    device = desk("device", "add", "--name", "Reception", "--json").json["id"]
    desk("device", "remove", device)
    assert desk("device", "pair", device).code == 1


@pytest.mark.program
def test_in_a_terminal_there_is_a_qr_code_of_the_link(tmp_path: Path):
    ours, theirs = pty.openpty()
    words = [*PROGRAM, "device", "add", "--name", "Reception", "--data-dir", str(tmp_path / "d")]
    ran = subprocess.Popen(words, stdout=theirs, stdin=theirs)
    os.close(theirs)
    out = b""
    while True:
        try:
            read = os.read(ours, 4096)
        except OSError:  # the other end has closed
            break
        out += read
    os.close(ours)
    assert ran.wait(60) == 0
    shown = out.decode()
    assert sum(line.count("█") > 5 for line in shown.splitlines()) > 8


def test_a_modem_is_no_phone(desk: Desk):
    assert "Set the phone up in its browser" in desk("device", "add", "--name", "A").out
    told = desk("device", "add", "--name", "B", "--app", "gammu").out
    assert "Set it up in a browser" in told
