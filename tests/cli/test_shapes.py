"""The `--json` of every command, held by tests/golden/cli.json: a change there is a major version.

Ids, times and texts differ from run to run; names, their order and the kinds of values do not.
`GOLDEN=write` writes the file anew.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from mmconnect.webhook import signing
from tests.cli.conftest import Desk, said
from tests.support.service import Service, until

GOLDEN = Path(__file__).parents[1] / "golden" / "cli.json"
SECRET = "whsec_bW1jb25uZWN0LWdvbGRlbi1zZWNyZXQtMzItYnl0ZXM="
ID, BODY = "msg_01JD0000000000000000000001", b'{"event":"message.received","text":"hi"}'


def shape(value: Any) -> Any:
    """Names, order and kinds; of a list, its first."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value[:1]]
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    return "number" if isinstance(value, int | float) else "string"


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory, hook: str) -> dict[str, Any]:
    """One walk through all commands, on a running service."""
    here = tmp_path_factory.mktemp("walk")
    desk = Desk(here / "data")
    service = Service(desk.directory).start("--json")
    seen: dict[str, Any] = {}

    def walk(command: str, *words: str) -> Any:
        told = desk(*command.split(), *words, "--json").json
        seen[command] = shape(told)
        return told

    try:
        seen["serve"] = shape(json.loads(service.out.read_text(encoding="utf-8")))
        endpoint = walk("endpoint add", hook, "--name", "CRM")["id"]
        device = walk("device add", "--name", "Reception")["id"]
        walk("endpoint list")
        walk("endpoint show", endpoint)
        walk("endpoint pause", endpoint)
        walk("endpoint resume", endpoint)
        walk("endpoint test", endpoint)
        time.sleep(1)  # the running service notices within a second
        message = walk("message simulate", "--from", "+6581230000", "--text", "hello")["id"]

        def delivered() -> bool:
            return bool(desk("delivery", "list", "--state", "delivered", "--json").json)

        until(delivered, "the text is delivered")
        walk("message list")
        walk("message show", message)
        delivery = walk("delivery list")[0]["id"]
        walk("delivery show", delivery)
        walk("delivery retry", delivery)
        walk("delivery cancel", "--endpoint", endpoint)
        walk("device list")
        walk("device new-token", device)
        walk("device remove", device)
        walk("endpoint remove", endpoint, "--yes")
        walk("version")
    finally:
        service.stop()
    seen["error"] = shape(json.loads(desk("endpoint", "show", "ep_none", "--json").out))
    seen["verify"] = shape(_verified(here))
    seen["receive"] = shape(_received())
    return seen


def _verified(here: Path) -> Any:
    headers = signing.signature_headers([SECRET], ID, int(time.time()), BODY)
    (here / "body").write_bytes(BODY)
    (here / "headers").write_text("\n".join(f"{k}: {v}" for k, v in headers.items()))
    words = ("--body", f"{here}/body", "--header", f"@{here}/headers", "--json")
    return said("verify", "--secret", SECRET, *words).json


def _received() -> Any:
    words = ["receive", "--port", "0", "--host", "127.0.0.1", "--secret", SECRET, "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "mmconnect", *words, "--count", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        line = next(line for line in process.stderr if "http://" in line)
        url = "http://" + line.partition("http://")[2].split()[0]
        headers = {
            **signing.signature_headers([SECRET], ID, int(time.time()), BODY),
            signing.ATTEMPT: "1",
            signing.DELIVERY: "dlv_01JD0000000000000000000000",
        }
        urllib.request.urlopen(urllib.request.Request(url, BODY, headers)).close()
        return json.loads(process.stdout.readline())


def test_every_shape_is_as_it_was(shapes: dict[str, Any]):
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.write_text(json.dumps(shapes, indent=1) + "\n", encoding="utf-8")
    known = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert json.dumps(shapes) == json.dumps(known), "a change here is a major version"


def test_what_the_contract_says_of_adding(shapes: dict[str, Any]):
    assert list(shapes["endpoint add"]) == ["id", "url", "name", "secret"]
    assert list(shapes["device add"]) == ["id", "name", "app", "token", "pushUrl"]
    for name in ("id", "messageId", "endpointId", "state", "attempts", "nextAttemptAt"):
        assert name in shapes["delivery show"]
