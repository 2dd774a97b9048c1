"""What docs/phone-apps.md gives people to copy is understood, and its figures are the code's."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Mapping
from types import MappingProxyType

import pytest

from mmconnect.cli import parser
from mmconnect.phones import answers
from mmconnect.phones.apps import APPS, read
from mmconnect.phones.apps.names import FIELDS
from mmconnect.phones.dedupe import RETRYING_APP_WINDOW
from mmconnect.phones.push import IncomingText, Push, Texts
from mmconnect.store import mms
from mmconnect.store.devices import TOKEN_OVERLAP
from mmconnect.store.messages import Taken
from tests.docs.test_docs import APPS_PAGE, CLI, code, rows, section, text


def pushed(
    body: str,
    app: str,
    headers: Mapping[str, str] = MappingProxyType({}),
    mapping: Mapping[str, str] = MappingProxyType({}),
) -> IncomingText:
    """The one text that a push of these bytes is read as."""
    given = {name.lower(): value for name, value in headers.items()}
    media = given.get("content-type", "application/json").partition(";")[0]
    push = Push(headers=given, body=body.encode(), content_type=media, charset="utf-8")
    reading = read(app, push, mapping)
    assert isinstance(reading, Texts), reading
    assert len(reading.texts) == 1
    return reading.texts[0]


def test_the_answer_shown_is_the_one_given():
    answer = answers.taken([Taken(message_id="msg_01JD0000000000000000000001", duplicate=False)])
    assert isinstance(answer.body, bytes)
    assert answer.body.decode() in APPS_PAGE


def test_raw_mode_headers_are_read():
    part = section("Anything else", APPS_PAGE)
    named = [code(row[0]) for row in rows(part) if "X-SMS-" in row[0]]
    values = dict(zip(named, ("+6581230000", "1781274718", "7", "+6591110000", "1"), strict=True))
    got = pushed('{"say": "you"}', "generic", values | {"Content-Type": "text/plain"})
    assert (got.sender, got.text) == ("+6581230000", '{"say": "you"}')
    assert (got.sent_at, got.event_id) == (1_781_274_718_000, "7")
    assert (got.recipient, got.sim) == ("+6591110000", 1)


def test_the_names_of_the_fields_are_all_listed_in_their_order():
    part = section("Anything else", APPS_PAGE)
    listed = {code(r[0]): re.findall(r"`(\w+)`", r[1]) for r in rows(part) if len(r) == 3}
    assert {name: listed[name] for name in FIELDS} == {n: list(v) for n, v in FIELDS.items()}


def test_own_field_names_as_shown():
    part = section("Own field names", APPS_PAGE)
    line = next(words for words in part.splitlines() if words.startswith("mmconnect device add"))
    args = parser().parse_args(shlex.split(line)[1:])
    mapping = dict(pair.split("=", 1) for pair in args.map)
    example = re.search(r"reads\s+`(\{.*\})`", part)
    assert example is not None
    got = pushed(example[1], args.app, mapping=mapping)
    assert (got.sender, got.text, got.sent_at) == ("+6581230000", "hello", 1_781_274_718_000)


@pytest.mark.parametrize("heading", [a.label for a in APPS.values() if a.retries])
def test_figures_on_the_page_are_those_of_the_code(heading: str):
    page = " ".join(APPS_PAGE.split())
    assert f"{RETRYING_APP_WINDOW // 60} minutes for apps that retry" in page
    smsgate = " ".join(text("docs/phones/smsgate.md").split())
    assert f"within {mms.PATIENCE // 60_000} minutes" in smsgate
    assert f"{TOKEN_OVERLAP // 86_400_000} days at most" in " ".join(CLI.split())
    same = " ".join(section("What counts as the same text", APPS_PAGE).split())
    assert (
        " ".join(heading.split()[:4]).removesuffix(" for Android").removesuffix(" forwarder")
        in same
    )


def test_the_registration_of_sms_gateway_is_json_for_every_event_we_read():
    blocks = re.findall(r"^```sh\n(.*?)^```$", APPS_PAGE, re.MULTILINE | re.DOTALL)
    script = next(block for block in blocks if block.startswith("PHONE="))
    script = f"curl() {{ printf '%s\\n' \"$*\"; }}; cat() {{ printf KEY; }}\n{script}"
    ran = subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    bodies = [json.loads(line.split(" -d ")[1]) for line in ran.stdout.splitlines()]
    assert bodies[0]["webhooks"]["signing_key"] == "KEY"
    assert {body["event"] for body in bodies[1:]} == {
        *("sms:received", "sms:data-received", "mms:received", "mms:downloaded"),
        *("system:ping", "app:started"),
    }
    assert len({body["id"] for body in bodies[1:]}) == len(bodies) - 1
