"""The configuration taken away and brought in the browser: shown first, then put into force."""

from __future__ import annotations

import json
import re
import secrets
from pathlib import Path

from tests.admin.test_settings_pages import Pages, opened
from tests.support.wire import Told, ask, request

PATH = "/settings/backup/configuration"


async def bring(pages: Pages, content: bytes) -> Told:
    line = secrets.token_hex(8)
    head = 'Content-Disposition: form-data; name="file"; filename="it.json"'
    body = f"--{line}\r\n{head}\r\n\r\n".encode() + content + f"\r\n--{line}--\r\n".encode()
    host = f"127.0.0.1:{pages.port}"
    headers = {
        "Origin": f"http://{host}",
        "Content-Type": f"multipart/form-data; boundary={line}",
    }
    return await ask(pages.port, request(f"{PATH}/bring", headers, body, method="POST", host=host))


async def test_it_is_taken_away_with_and_without_secrets(tmp_path: Path):
    async with opened(tmp_path) as pages:
        await pages.box.endpoint("https://crm.example/?key=k3y")
        told = await pages.post(f"{PATH}/export")
        assert told.status == 200
        assert ".json" in told.headers["content-disposition"]
        assert b"whsec_" not in told.body
        assert b"k3y" not in told.body
        whole = await pages.post(f"{PATH}/export", secrets="on")
        document = json.loads(whole.body)
        assert document["endpoints"][0]["secret"].startswith("whsec_")


async def test_one_that_is_brought_is_shown_and_then_put_into_force(tmp_path: Path):
    async with opened(tmp_path) as pages:
        document = {
            "mmconnect": "configuration",
            "format": 1,
            "settings": {"siteName": "<b>Acme</b>"},
            "endpoints": [{"name": "CRM", "url": "https://crm.example/"}],
        }
        told = await bring(pages, json.dumps(document).encode())
        page = told.body.decode()
        assert told.status == 200
        assert "CRM" in page
        assert "whsec_" not in page, "it is not made yet"
        assert pages.box.watch.look().receivers == []
        found = re.search(r'name="name" value="([0-9a-f]{16})"', page)
        assert found is not None

        done = await pages.post(f"{PATH}/import", name=found[1])
        assert done.status == 200
        assert "whsec_" in done.body.decode()
        (endpoint,) = pages.box.watch.look().receivers
        assert endpoint.name == "CRM"
        assert pages.box.watch.look().tenant.name == "<b>Acme</b>"
        assert list((tmp_path / "brought").iterdir()) == []
        again = await pages.post(f"{PATH}/import", name=found[1])
        assert again.status in (400, 409), "it is used up"
        told = await bring(pages, json.dumps(document).encode())
        assert "Everything in it is so already" in told.body.decode()


async def test_what_is_wrong_stands_beside_the_file(tmp_path: Path):
    async with opened(tmp_path) as pages:
        for content, says in (
            (b"{", "This is no JSON"),
            (b'{"mmconnect": "configuration", "format": 1, "devises": []}', "devises"),
            (b"", "Choose the file"),
        ):
            told = await bring(pages, content)
            assert told.status == 400
            assert says in told.body.decode()
        assert not any((tmp_path / "brought").iterdir())
