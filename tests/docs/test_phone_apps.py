"""What docs/phone-apps.md gives people to copy is understood, and its figures are the code's."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from mmconnect.cli import parser
from mmconnect.domain.models import Kind
from mmconnect.phones import answers
from mmconnect.phones.apps import APPS, read
from mmconnect.phones.apps.names import FIELDS
from mmconnect.phones.dedupe import RETRYING_APP_WINDOW
from mmconnect.phones.push import IncomingText, Push, Texts
from mmconnect.store import mms
from mmconnect.store.devices import TOKEN_OVERLAP
from mmconnect.store.messages import Taken
from tests.docs.test_docs import APPS_PAGE, CLI, code, rows, section
from tests.support.service import until


def titled(title: str) -> str:
    found = re.search(rf'^```\w+ title="{title}"\n(.*?)^```$', APPS_PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[1]


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


def test_the_template_of_incoming_sms_is_understood():
    body = titled("incoming_sms")
    values = {"from": "+6581230000", "text": 'hello \\"you\\"', "sim": "sim1"}
    values |= {"sentStamp": "1781274718000", "receivedStamp": "1781274719123"}
    for name, value in values.items():
        assert body.count(f"%{name}%") == 1
        body = body.replace(f"%{name}%", value)
    for app in ("incoming_sms", "auto"):
        got = pushed(body, app)
        assert (got.sender, got.text, got.sim) == ("+6581230000", 'hello "you"', 1)
        assert got.sent_at == 1_781_274_718_000


def test_the_template_of_smsforwarder_is_understood():
    body = titled("smsforwarder")
    values = {"from": "+6581230000", "org_content": "hello", "card_slot": "SIM2_Work"}
    values |= {"device_mark": "Pixel", "timestamp": "1781274720123", "sign": ""}
    values |= {"receive_time:yyyy-MM-dd'T'HH:mm:ssZ": "2026-06-12T22:31:58+0800"}
    for name, value in values.items():
        assert body.count(f"[{name}]") == 1
        body = body.replace(f"[{name}]", value)
    for app in ("smsforwarder", "auto"):
        got = pushed(body, app)
        assert (got.sender, got.text, got.sim) == ("+6581230000", "hello", 2)
        assert got.sent_at == 1_781_274_718_000
    answer = answers.taken([Taken(message_id="msg_1", duplicate=False)]).body
    keyword = next(r for r in rows(APPS_PAGE) if r[0].startswith("Success keyword"))
    assert isinstance(answer, bytes)
    assert code(keyword[1]).encode() in answer


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


@pytest.mark.parametrize("heading", ["Tasker", "MacroDroid"])
def test_the_headers_for_the_automation_apps_are_those_of_raw_mode(heading: str):
    part = section(heading, APPS_PAGE)
    assert "X-SMS-From" in part
    assert "`text/plain`" in part


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
    assert f"within {mms.PATIENCE // 60_000} minutes" in page
    assert f"{TOKEN_OVERLAP // 86_400_000} days at most" in " ".join(CLI.split())
    same = " ".join(section("What counts as the same text", APPS_PAGE).split())
    assert (
        " ".join(heading.split()[:4]).removesuffix(" for Android").removesuffix(" forwarder")
        in same
    )


def test_the_termux_script_posts_what_is_understood():
    script = titled("termux")
    assert "-t inbox" in script
    sms = {"threadid": 1, "type": "inbox", "read": True, "sender": "Ann", "address": "+6581230000"}
    sms |= {"number": "+6581230000", "received": "2026-06-12 14:31:58", "body": "hi", "_id": 7}
    got = pushed(json.dumps([sms]), "generic")
    assert (got.sender, got.text, got.event_id) == ("+6581230000", "hi", "7")
    assert (got.sent_at, got.time_mark) == (None, "2026-06-12 14:31:58")


def test_the_gammu_script_hands_over_text_sender_and_id(tmp_path: Path):
    script, curl = tmp_path / "push", tmp_path / "curl"
    script.write_text(titled("gammu"))
    kept = tmp_path / "kept.json"
    curl.write_text(
        f"#!{sys.executable}\nimport json, os, sys\n"
        f"words = json.dumps([sys.argv[1:], sys.stdin.read()])\n"
        f"open({str(kept) + '.part'!r}, 'w').write(words)\n"
        f"os.rename({str(kept) + '.part'!r}, {str(kept)!r})\n"
    )
    curl.chmod(0o755)
    told = {"SMS_MESSAGES": "2", "SMS_1_NUMBER": "+6581230000", "DECODED_PARTS": "0"}
    told |= {"SMS_1_TEXT": 'say "$HOME"\n', "SMS_2_TEXT": "`id` ü"}
    path = f"{tmp_path}:{os.environ['PATH']}"
    subprocess.run(["sh", script, "12", "13"], env={"PATH": path, **told}, check=True, timeout=20)
    until(kept.exists, "curl is called")
    words, body = json.loads(kept.read_text())
    headers = dict(words[n + 1].split(": ", 1) for n, word in enumerate(words) if word == "-H")
    assert words[-1] == "PUSH-URL"
    assert body == 'say "$HOME"\n`id` ü'
    got = pushed(body, "generic", headers)
    assert (got.sender, got.event_id, got.kind) == ("+6581230000", "12 13", Kind.SMS)


def test_the_registration_of_sms_gateway_is_json_for_every_event_we_read():
    blocks = re.findall(r"^```sh\n(.*?)^```$", APPS_PAGE, re.MULTILINE | re.DOTALL)
    script = next(block for block in blocks if block.startswith("PHONE="))
    script = f"curl() {{ printf '%s\\n' \"$*\"; }}; cat() {{ printf KEY; }}\n{script}"
    ran = subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, check=True, timeout=20
    )
    bodies = [json.loads(line.split(" -d ")[1]) for line in ran.stdout.splitlines()]
    assert bodies[0]["webhooks"]["signing_key"] == "KEY"
    assert {body["event"] for body in bodies[1:]} == {
        *("sms:received", "sms:data-received", "mms:received", "mms:downloaded"),
        *("system:ping", "app:started"),
    }
    assert len({body["id"] for body in bodies[1:]}) == len(bodies) - 1
