"""The settings as an owner sees and changes them, and the list of who changed what."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import pytest

from mmconnect.desk.machine import Tls
from mmconnect.store import audit
from tests.support.desk import admin_of, desk_of
from tests.support.inprocess import Appliance, appliance
from tests.support.wire import Told, ask, request


class Pages:
    """The settings of an appliance, asked as a browser that is in."""

    def __init__(self, box: Appliance, port: int) -> None:
        self.box, self.port = box, port

    async def get(self, path: str) -> str:
        told = await ask(self.port, request(path, method="GET"))
        assert told.status == 200, told
        return told.body.decode()

    async def post(self, path: str, **form: str) -> Told:
        host = f"127.0.0.1:{self.port}"
        headers = {
            "Origin": f"http://{host}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        body = urlencode(form).encode()
        return await ask(self.port, request(path, headers, body, method="POST", host=host))


@asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[Pages]:
    async with appliance(directory) as box, admin_of(desk_of(box)) as port:
        yield Pages(box, port)


def value(page: str, name: str) -> str:
    found = re.search(rf'<input[^>]*name="{name}"[^>]*value="([^"]*)"', page)
    assert found is not None, f"there is no field {name}"
    return unescape(found[1])


async def test_what_is_set_stands_in_the_form_and_holds_at_once(tmp_path: Path):
    async with opened(tmp_path) as pages:
        told = await pages.post(
            "/settings/privacy", retention_messages="120d", wipe_after="7d", wipe_delivered="on"
        )
        assert (told.status, told.headers["location"]) == (303, "/settings/privacy")
        now = pages.box.watch.look().preferences
        assert (now.retention_messages, now.wipe_after) == (120 * 86400, 7 * 86400)
        assert now.wipe_delivered
        page = await pages.get("/settings/privacy")
        assert (value(page, "retention_messages"), value(page, "wipe_after")) == ("120d", "7d")
        assert re.search(r'name="wipe_delivered" value="on" checked', page)
        await pages.post("/settings/privacy", retention_messages="", wipe_after="7d")
        now = pages.box.watch.look().preferences
        assert (now.retention_messages, now.wipe_delivered) == (90 * 86400, False)
        changes = await pages.get("/settings/changes")
        assert "retention_messages: 120d → default" in changes
        assert "wipe_delivered: on → default" in changes
        assert "in the browser" in changes


async def test_what_cannot_be_is_said_beside_its_field_and_nothing_is_kept(tmp_path: Path):
    async with opened(tmp_path) as pages:
        told = await pages.post(
            "/settings/network",
            trusted_proxies="10.0.0.5",
            base_path="<script>",
            address_deny="300.1.1.1",
        )
        page = told.body.decode()
        assert told.status == 400
        assert value(page, "trusted_proxies") == "10.0.0.5"
        assert value(page, "base_path") == "<script>"
        assert "<script>alert" not in page
        for name in ("base_path", "address_deny"):
            assert f'id="{name}-wrong"' in page
            assert re.search(rf'id="{name}"[^>]*aria-describedby="{name}-note {name}-wrong"', page)
        assert 'id="trusted_proxies-wrong"' not in page
        assert pages.box.watch.look().preferences.trusted_proxies == ()


async def test_the_secret_of_the_alert_url_is_shown_once(tmp_path: Path):
    async with opened(tmp_path) as pages:
        told = await pages.post("/settings", alert_url="http://127.0.0.1:9/alert?key=unguessable")
        secret = re.search(r"whsec_[A-Za-z0-9+/=]+", told.body.decode())
        assert (told.status, secret is not None) == (200, True)
        assert secret is not None
        page = await pages.get("/settings")
        assert secret[0] not in page
        assert secret[0] not in await pages.get("/settings/changes")
        assert "unguessable" not in await pages.get("/settings/changes")
        again = await pages.post("/settings", alert_url="http://127.0.0.1:9/alert?key=unguessable")
        assert again.status == 303, "nothing has changed, so no new secret"


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_the_pages_look_as_they_are_set(tmp_path: Path, theme: str):
    async with opened(tmp_path) as pages:
        assert "data-theme" not in await pages.get("/settings")
        await pages.post("/settings", appearance=theme)
        assert f'<html lang="en" data-theme="{theme}">' in await pages.get("/settings/changes")


async def test_https_is_made_with_one_button(tmp_path: Path):
    async with opened(tmp_path) as pages:
        assert "Make the CA" in await pages.get("/settings/network")
        made = await pages.post("/settings/tls")
        assert made.status == 200, "browsers let no form lead on to https"
        assert b"The certificate was made" in made.body
        page = await pages.get("/settings/network")
        assert "SHA-256 fingerprint" in page
        assert "Make the CA" not in page
        again = await pages.post("/settings/tls")
        assert again.status >= 400, "a second one would make every phone install it anew"
        assert "HTTPS: authority created" in await pages.get("/settings/changes")


async def test_without_what_makes_certificates_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        "mmconnect.service.machine.RunningMachine.tls", lambda self: Tls(can_make=False)
    )
    async with opened(tmp_path) as pages:
        assert "make tls" in await pages.get("/settings/network")
        told = await pages.post("/settings/tls")
        assert (told.status, b"cryptography" in told.body) == (409, True)


async def test_changes_speak_of_phones_as_every_page_does(tmp_path: Path):
    async with opened(tmp_path) as pages:
        pages.box.change(lambda db: audit.note(db, at=1, actor="cli", action="device.added"))
        page = await pages.get("/settings/changes")
        assert "Phone: added" in page
        assert "Device" not in page


async def test_changes_are_listed_page_by_page_and_never_obeyed(tmp_path: Path):
    async with opened(tmp_path) as pages:

        def changed(db: sqlite3.Connection) -> None:
            for number in range(120):
                told = f"<b>{number}</b>"
                audit.note(db, at=number, actor="cli", action="device.renamed", detail=told)

        pages.box.change(changed)
        page, seen = await pages.get("/settings/changes"), []
        while True:
            seen += re.findall(r"&lt;b&gt;(\d+)&lt;/b&gt;", page)
            older = re.search(r'rel="next" href="([^"]+)"', page)
            if older is None:
                break
            page = await pages.get(unescape(older[1]))
        assert seen == [str(n) for n in range(119, -1, -1)]
        assert "<b>1" not in page
        told = await ask(pages.port, request("/settings/changes?before=x", method="GET"))
        assert told.status == 400
