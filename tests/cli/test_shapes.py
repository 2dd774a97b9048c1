"""What `--json` prints, by name and kind, is tests/golden/cli.json: a change is a major version.

Ids, times and texts differ from run to run; names, their order and the kinds of values do not.
`GOLDEN=write` writes the file anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
import subprocess
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from mmconnect.webhook import signing
from tests.cli.conftest import Desk, said
from tests.docs.test_docs import COMMANDS
from tests.support.program import PROGRAM
from tests.support.service import Service, ask, until

pytestmark = pytest.mark.timeout(300)
GOLDEN = Path(__file__).parents[1] / "golden" / "cli.json"
KNOWN = json.loads(GOLDEN.read_text(encoding="utf-8"))
SECRET = "whsec_bW1jb25uZWN0LWdvbGRlbi1zZWNyZXQtMzItYnl0ZXM="
AN_ID = re.compile(r"(dev|msg|ep|dlv|ten|rpl|rule|key)_[0-9A-HJKMNP-TV-Z]{26}")
A_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def shape(value: Any) -> Any:
    """A JSON value with its names, and kinds in the place of values; of a list, its first."""
    match value:
        case dict():
            return {name: shape(inner) for name, inner in value.items()}
        case list():
            return [shape(inner) for inner in value[:1]]
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str() if found := AN_ID.fullmatch(value):
            return f"{found[1]}_…"
        case str() if A_TIME.fullmatch(value):
            return "time"
        case str() if value.startswith("whsec_"):
            return "whsec_…"
        case _:
            return "string"


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory, hook: str) -> dict[str, Any]:
    """One walk through all commands, on a running service, in the order of the help."""
    here = tmp_path_factory.mktemp("walk")
    service = Service(here / "data")
    some = "127.0.0.1:0"
    service.spawn("--json", "--phone-tls-listen", some, "--admin-tls-listen", some)
    try:
        until(lambda: service.out.read_text().endswith("\n"), service.log_text)
        seen = {"serve": json.loads(service.out.read_text(encoding="utf-8"))}
        _walk(service, hook, seen)
    finally:
        service.kill()
    _receive_and_verify(here, seen)
    found = {command: shape(seen[command]) for command in [*COMMANDS, "error"]}
    if os.environ.get("GOLDEN") == "write":
        written = json.dumps(found, ensure_ascii=False, indent=1) + "\n"
        GOLDEN.write_text(written, encoding="utf-8")
    return found


def _walk(service: Service, hook: str, seen: dict[str, Any]) -> None:
    desk = Desk(service.directory)

    def take(command: str, *words: str) -> Any:
        told = desk(*command.split(), *words, "--json")
        assert told.err == ""
        seen[command] = told.json
        return told.json

    def delivered() -> bool:
        return bool(desk("delivery", "list", "--state", "delivered", "--json").json)

    def under_way() -> bool:
        states = ("pending", "in_flight")
        return any(desk("delivery", "list", "--state", one, "--json").json for one in states)

    endpoint = take("endpoint add", hook, "--name", "CRM")["id"]
    added = take("device add", "--name", "Reception", "--country", "SG")
    device, token = added["id"], added["token"]
    wanted = ("--device", device, "--from", "+65*", "--text", "hello")
    take("endpoint set", endpoint, "--header", "X-Api-Key: k", *wanted)
    message = take("message simulate", "--from", "81230000", "--text", "hello")["id"]
    until(delivered, "the text is delivered")
    take("message list")
    take("message show", message)
    delivery = take("delivery list")[0]["id"]
    take("delivery show", delivery)
    take("message send", message, "--endpoint", endpoint)
    take("delivery retry", delivery)
    note = json.loads((service.directory / "mmconnect.lock").read_text(encoding="utf-8"))
    url = f"http://{note['phone'][0]}/in/{token}"
    spool = ("--spool", str(service.directory.parent / "spool"))
    take("push", "--url", url, "--from", "+6581230001", "--text", "hello", "--wait", "60", *spool)
    ask(
        service.phone, "POST", f"/in/{token}", b"[1]", {"User-Agent": "me.capcom.smsgateway/1.68.0"}
    )
    odd = desk("message", "list", "--limit", "1", "--json").json[0]["id"]
    told = desk("message", "reread", odd, "--json")
    assert (told.code, told.err) == (1, ""), "it is still not understood"
    seen["message reread"] = json.loads(told.out)
    its = ("--state", "delivered", "--endpoint", endpoint, "--since", "1h", "--until", "0s")
    until(lambda: desk("delivery", "retry", *its, "--json").json["replay"], "one is delivered")
    until(lambda: desk("delivery", "replays", "--json").json[0]["finishedAt"], "it is through")
    take("delivery replays")
    take("delivery cancel", delivery)
    until(lambda: not under_way(), "nothing is being sent")
    take("message delete", odd, "--yes")
    take("message purge", "--from", "81230000", "--yes")
    key = take("api-key create", "--name", "CRM")["id"]
    take("api-key list")
    take("api-key revoke", key)
    take("admin setup-code")
    take("admin set-password", "--password", "correct horse battery")
    take("admin reset", "--yes")
    take("settings list")
    take("settings get", "retention_messages")
    take("settings set", "retention_messages", "30d")
    take("settings unset", "retention_messages")
    take("tls create-ca")
    take("tls show")
    take("endpoint test", endpoint)
    take("endpoint list")
    take("endpoint show", endpoint)
    take("endpoint pause", endpoint)
    take("endpoint resume", endpoint)
    take("endpoint rotate-secret", endpoint)
    told = desk("endpoint", "check", endpoint, "--json")
    assert (told.code, told.err) == (1, ""), "it is pleased with everything"
    seen["endpoint check"] = json.loads(told.out)
    assert service.stop() == 0  # now it is written down when the phone was heard
    take("device set", device, "--name", "Reception", "--silent-after", "2h")
    take("device list")
    take("device show", device)
    take("device new-token", device)
    take("device pair", device)
    with contextlib.closing(sqlite3.connect(service.directory / "mmconnect.db")) as db, db:
        db.execute(
            "INSERT INTO phone_links VALUES (?, 'http://127.0.0.1:9', NULL, 'x', NULL, 0)",
            (device,),
        )
    take("device link", device, "--poll", "5s")
    take("device history", device)
    take("device unlink", device)
    take("device remove", device)
    take("endpoint remove", endpoint, "--yes")
    take("backup", str(service.directory.parent / "backup.db"))
    take("restore", str(service.directory.parent / "backup.db"))
    desk("settings", "set", "site_name", "Acme")
    take("export-config", str(service.directory.parent / "configuration.json"))
    desk("settings", "set", "site_name", "Other")
    take("import-config", str(service.directory.parent / "configuration.json"))
    image = ("--root", str(service.directory.parent / "image"))
    take("service print", *image)
    take("service install", *image)
    take("service uninstall", *image)
    seen["doctor"] = json.loads(desk("doctor", "--json").out)
    take("completion", "bash")
    take("version")
    seen["error"] = json.loads(desk("endpoint", "show", "ep_none", "--json").out)


def _receive_and_verify(here: Path, seen: dict[str, Any]) -> None:
    body = (GOLDEN.parent / "webhook-sms.json").read_bytes()
    headers = signing.signature_headers([SECRET], json.loads(body)["id"], int(time.time()), body)
    headers |= {signing.ATTEMPT: "1", signing.DELIVERY: "dlv_" + "0" * 26}
    (here / "body").write_bytes(body)
    (here / "headers").write_text("".join(f"{k}: {v}\n" for k, v in headers.items()))
    given = ("--secret", SECRET, "--body", f"{here}/body", "--header", f"@{here}/headers")
    seen["verify"] = said("verify", *given, "--json").json

    words = [*PROGRAM, "receive", "--json", "--count=1"]
    where = ["--secret", SECRET, "--host=127.0.0.1", "--port=0"]
    pipe = subprocess.PIPE
    with subprocess.Popen([*words, *where], stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "http://" in line)
        port = int(line.split("/ --secret")[0].rpartition(":")[2])
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("POST", "/", body, headers)
        assert connection.getresponse().status == 204
        connection.close()
        seen["receive"] = json.loads(process.communicate(timeout=60)[0])


@pytest.mark.parametrize("command", [*COMMANDS, "error"])
def test_names_order_and_kinds_are_as_they_were(command: str, shapes: dict[str, Any]):
    assert json.dumps(shapes[command]) == json.dumps(KNOWN[command]), "this is a major version"


def test_nothing_golden_is_forgotten():
    assert set(KNOWN) == {*COMMANDS, "error"}


def test_what_is_null_there_has_the_same_name_when_it_is_not(desk: Desk):
    endpoint = desk("endpoint", "add", "http://127.0.0.1:9/", "--json").json["id"]
    told = json.loads(desk("endpoint", "test", endpoint, "--json").out)
    assert list(told) == list(KNOWN["endpoint test"])
    assert list(told["attempt"]) == list(KNOWN["endpoint test"]["attempt"])
    assert (told["status"], shape(told["error"])) == (None, "string")


def test_what_the_contract_says_of_adding():
    assert list(KNOWN["endpoint add"]) == ["id", "url", "name", "secret"]
    assert list(KNOWN["device add"])[:5] == ["id", "name", "app", "token", "pushUrl"]
    assert list(KNOWN["device add"])[5:] == ["pairUrl", "pairCode", "pairExpiresAt"]
    for name in ("id", "messageId", "endpointId", "state", "attempts", "nextAttemptAt"):
        assert name in KNOWN["delivery show"]
