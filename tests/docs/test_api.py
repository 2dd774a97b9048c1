"""The page about the REST API: its tables are the code's, and its calls are made as printed."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from mmconnect.api import pages, reading
from mmconnect.api.catalogue import OPERATIONS
from mmconnect.api.limits import BURST, RATE
from mmconnect.api.problems import CODES
from mmconnect.desk.keys import Scope
from tests.docs.test_docs import lines_of, text
from tests.support.api import api_of
from tests.support.inprocess import appliance
from tests.support.wire import Told, ask, request

PAGE = text("docs/api.md")


def test_every_operation_is_listed_with_its_scope():
    rows = re.findall(r"^\| `(\w+ /v1/\S+)` \| (.+) \| (\S+) \|$", PAGE, re.MULTILINE)
    assert rows == [
        (f"{one.method} /v1{one.path}", one.summary, "–" if one.scope is None else str(one.scope))
        for one in OPERATIONS
    ]


def test_every_error_is_listed():
    rows = re.findall(r"^\| (\d{3}) \| `(\w+)` \| (.+) \|$", PAGE, re.MULTILINE)
    assert rows == [(str(code.status), name, code.means) for name, code in CODES.items()]


def test_limits_and_scopes_are_the_codes_own():
    for told in (
        f"{RATE:.0f} times a second",
        f"{BURST} times at once",
        f"`limit` (1 to {pages.MOST}, else {pages.DEFAULT})",
        f"{reading.LIMIT // 2**20} MiB",
        f"{reading.PATIENCE:.0f} s to arrive",
        *(f"`{scope.value}`" for scope in Scope),
    ):
        assert told in PAGE, told


async def test_each_call_is_answered_as_the_page_says(tmp_path: Path):
    async with appliance(tmp_path) as box, api_of(box, scopes=list(Scope)) as api:
        assert (await api.post("/backups")).status == 201

        async def call(line: str) -> Told:
            line = line.replace("$KEY", api.key or "").replace("$MM", "")
            method, headers, body, path = "GET", {}, b"", ""
            words = iter(shlex.split(line)[1:])
            for word in words:
                if word == "-X":
                    method = next(words)
                elif word == "-H":
                    name, _, value = next(words).partition(": ")
                    headers[name] = value
                elif word == "-o":
                    assert next(words) == "mmconnect.db"
                elif word == "-fsS":
                    continue
                elif word == "-d":
                    method, body = "POST" if method == "GET" else method, next(words).encode()
                else:
                    path = word
            told = await ask(api.port, request(path, headers, body, method=method))
            api.check(method, path.removeprefix("/v1").partition("?")[0], told)
            return told

        calls = [line for line in lines_of("docs/api.md") if line.startswith("curl ")]
        answers = [await call(line) for line in calls]
        assert [one.status for one in answers] == [200, 201, 200, 200, 200, 201, 200]
        assert answers[1].json["secret"].startswith("whsec_")
        assert answers[3].json == {"retried": 0, "matching": 0, "replay": None}
        assert answers[4].body.startswith(b"SQLite format 3")
        assert answers[5].json["secret"]
        assert "secret" not in answers[6].json
        found = await api.post("/messages", {"to": "+6581230000", "text": "hi"})
        assert found.status == 405


def test_the_shapes_shown_are_the_real_ones():
    shown = [json.loads(block.replace("[…]", "[]")) for block in re.findall(r"`(\{\".*?\})`", PAGE)]
    assert [list(one) for one in shown] == [["items", "nextCursor"], ["error", "message", "issues"]]
