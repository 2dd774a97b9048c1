"""The page about moving here: a customer's receiver, unchanged, and the commands as printed."""

from __future__ import annotations

import json
import re
import shlex
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mmconnect.cli import main, parser
from mmconnect.domain.models import Kind, Message, Numbers
from mmconnect.webhook import signing
from mmconnect.webhook.payload import Tenant, message_received
from tests.docs.test_snippets import DOCS, post, serving, written

PAGE = (DOCS / "moving-from-the-hosted-service.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
# What the hosted service gives out: whsec_ and something, which need not be base64.
SECRETS = ["whsec_4f9c2e7a1b8d4c6f9e0a", "whsec_bW1jb25uZWN0LWdvbGRlbi1zZWNyZXQtMzItYnl0ZXM="]
MESSAGE = Message(
    id="msg_01JD0000000000000000000001",
    kind=Kind.SMS,
    sender="+6581230000",
    sender_raw=None,
    recipient="+6591110000",
    text="Grüße",
    sent_at=None,
    received_at=1_781_274_720_000,
    device_id="dev_01JD0000000000000000000000",
    device_name="Reception",
)
TENANT = Tenant(id="ten_01JCZZZZZZZZZZZZZZZZZZZZZZ", name="Acme")


@pytest.fixture(params=SECRETS)
def secret(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def receiver(secret: str, tmp_path: Path) -> Iterator[int]:
    command = [sys.executable, "customer.py"]
    with serving(command, written(tmp_path, "customer.py"), MAC_WEBHOOK_SECRET=secret) as port:
        yield port


def test_a_customers_receiver_accepts_what_we_send_and_nothing_else(receiver: int, secret: str):
    body = message_received(MESSAGE, TENANT, Numbers.DIGITS)
    now = int(time.time())
    right = signing.signature_headers([secret], MESSAGE.id, now, body)
    assert post(receiver, body, right) == 200
    assert post(receiver, body.replace(b"65", b"66"), right) == 401
    assert post(receiver, body, {}) == 401
    foreign = signing.signature_headers(["another secret, 16+"], MESSAGE.id, now, body)
    assert post(receiver, body, foreign) == 401
    nothing = message_received(replace(MESSAGE, recipient=None, test=True), TENANT)
    signed = signing.signature_headers([secret], MESSAGE.id, now, nothing)
    assert post(receiver, nothing, signed) == 200


def test_the_fields_of_the_hosted_service_are_there():
    hosted = "event from to text ref receivedAt deviceId tenantId tenantName".split()
    named = PAGE.split("The same fields carry")[1].split(". ")[0]
    assert re.findall(r"`(\w+)`", named) == hosted
    fields = json.loads(message_received(MESSAGE, TENANT, Numbers.DIGITS))
    assert set(hosted) <= set(fields)
    assert (fields["from"], fields["to"]) == ("6581230000", "6591110000")


def test_new_fields_are_all_announced():
    hosted = set("event from to text ref receivedAt deviceId tenantId tenantName".split())
    raw = replace(MESSAGE, kind=Kind.MMS, sender_raw="8123")
    new = set(json.loads(message_received(raw, TENANT))) - hosted
    announced = set(re.findall(r"`(\w+)`", PAGE.split("**More fields.**")[1].split("\n* ")[0]))
    assert announced == new


def test_adding_and_testing_the_endpoint_as_printed(
    receiver: int,
    secret: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MMCONNECT_DATA_DIR", str(tmp_path / "data"))
    Path("hosted-secret.txt").write_text(secret + "\n")
    add, test = (words(line) for line in COMMANDS[:2])
    add[2] = f"http://127.0.0.1:{receiver}/inbound-sms"
    data = ["--json", "--data-dir", str(tmp_path / "data")]
    assert main([*add, *data]) == 0
    added = json.loads(capsys.readouterr().out)
    assert added["secret"] == secret
    assert main([*test[:-1], added["id"], *data]) == 0
    assert "delivered" in capsys.readouterr().out


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_is_understood(line: str):
    arguments = [word.replace("…", "01JD0000000000000000000000") for word in words(line)]
    assert parser().parse_args(arguments).run


def words(line: str) -> list[str]:
    program, *rest = shlex.split(line)
    assert program == "mmconnect"
    return rest
