"""Every guide does what it says: what it lets people enter is sent as the app sends it, and read.

And docs/phones is what the guides say.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from mmconnect.phones import answers
from mmconnect.phones.apps import APPS
from mmconnect.phones.guides import GUIDES, by_phone
from mmconnect.phones.guides.guide import WORDS, Field, Guide, Kept, Phone, Role, filled
from mmconnect.phones.push import IncomingText
from mmconnect.store.messages import Taken
from scripts.phone_pages import FOLDER, VALUES, pages
from tests.docs.test_phone_apps import pushed

SENDER, SENT = "+6581230000", 1_781_274_718_000
HOSTILE = 'say "hi",\n"from":"BANK" \\ & [timestamp] ü'
"""A text that breaks whatever is put together without escaping."""


def fields(guide: Guide, *roles: Role) -> list[Field]:
    return [field for step in guide.steps for field in step.fields if field.role in roles]


def value(guide: Guide, role: Role) -> str:
    (field,) = fields(guide, role)
    return field.value


def headers(guide: Guide, put: Mapping[str, str]) -> dict[str, str]:
    """The headers that the guide lets people enter."""
    found = {}
    for field in fields(guide, Role.TYPE):
        found["Content-Type"] = field.value
    for field in fields(guide, Role.HEADERS):
        found |= dict(line.split(":", 1) for line in field.value.split("\n"))
    names, values = (fields(guide, r) for r in (Role.HEADER_NAME, Role.HEADER_VALUE))
    found |= {name.value: value.value for name, value in zip(names, values, strict=True)}
    return {name: put_in(text, put) for name, text in found.items()}


def put_in(template: str, put: Mapping[str, str]) -> str:
    """A template as the app fills it in, each of its words in one place at the most."""
    for word, text in put.items():
        assert template.count(word) <= 1, word
        template = template.replace(word, text)
    return template


def escaped(text: str) -> str:
    return json.dumps(text)[1:-1]


def through(app: str, put: Mapping[str, str]) -> IncomingText:
    """What is read of a push by an app whose guide was followed."""
    guide = GUIDES[app]
    body = put_in(value(guide, Role.BODY), put)
    entered = " ".join(field.value for step in guide.steps for field in step.fields)
    unused = [word for word in put if word not in entered]
    assert not unused, "nobody would fill these in"
    return pushed(body, app, headers(guide, put))


def test_the_pages_are_what_the_guides_say():
    made = pages()
    assert {page.name for page in FOLDER.glob("*.md")} == set(made), "run: make docs"
    for name, page in made.items():
        assert (FOLDER / name).read_text(encoding="utf-8") == page, f"{name}: run: make docs"


def test_every_app_has_a_guide():
    assert set(APPS) - {"auto"} == set(GUIDES)
    assert {guide for guides in by_phone().values() for guide in map(id, guides)} == set(
        map(id, GUIDES.values())
    )


@pytest.mark.parametrize("guide", GUIDES.values(), ids=lambda guide: guide.name)
def test_a_guide_is_whole(guide: Guide):
    assert guide.steps
    assert guide.loss.why.endswith(".")
    assert bool(guide.loss.span) == (guide.loss.kept is Kept.SOME)
    assert (guide.source is None) == (guide.phone is Phone.OTHER)
    if guide.source is not None:
        assert guide.source.url.startswith(("https://", "http://smstools3."))
    written = filled(str(guide), VALUES)
    assert not [word for word in WORDS if "{" + word + "}" in written]
    assert "{url}" in str(guide) or "{id}" in str(guide), "nothing says where to"
    for field in fields(guide, Role.URL):
        assert field.value == "{url}"


def test_what_fills_a_guide_in_leaves_the_apps_own_braces_alone():
    assert filled("{url} {sms_number} {}", VALUES) == "PUSH-URL {sms_number} {}"


def test_the_labels_are_the_three_of_the_contract():
    labels = {guide.loss.label for guide in GUIDES.values()} | {
        guide.fetched.label for guide in GUIDES.values() if guide.fetched
    }
    plain = {re.sub(r"^survives \d+ (hours|days)$", "survives N", label) for label in labels}
    assert plain == {"nothing is lost", "survives N", "lost while mmconnect or Wi-Fi is away"}


def test_retries_that_people_must_raise_are_there():
    for app, name, number in (
        ("incoming_sms", "Retries", "30"),
        ("smsforwarder", "Request retries", "10"),
        ("kannel", "http-request-retry", "8640"),
    ):
        (field,) = (f for f in fields(GUIDES[app], Role.SETTING) if f.name == name)
        assert field.value == number
    # 31 POSTs, 10 s and doubled, at most 5 h apart
    waits = [min(10 * 2**n, 5 * 3600) for n in range(30)]
    assert GUIDES["incoming_sms"].loss.span == f"{sum(waits) // 86_400} days"


def test_incoming_sms():
    put = {"%from%": SENDER, "%text%": escaped(HOSTILE), "%sim%": "sim1"}
    put |= {"%sentStamp%": str(SENT), "%receivedStamp%": str(SENT + 1123)}
    got = through("incoming_sms", put)
    assert (got.sender, got.text, got.sim, got.sent_at) == (SENDER, HOSTILE, 1, SENT)


def test_smsforwarder():
    put = {"[from]": SENDER, "[org_content]": escaped("hello"), "[card_slot]": "SIM2_Work"}
    put |= {"[device_mark]": "Pixel", "[timestamp]": "1781274720123", "[sign]": ""}
    put |= {"[receive_time:yyyy-MM-dd'T'HH:mm:ssZ]": "2026-06-12T22:31:58+0800"}
    got = through("smsforwarder", put)
    assert (got.sender, got.text, got.sim, got.sent_at) == (SENDER, "hello", 2, SENT)
    answer = answers.taken([Taken(message_id="msg_1", duplicate=False)]).body
    assert isinstance(answer, bytes)
    assert value(GUIDES["smsforwarder"], Role.ANSWER).encode() in answer


def test_tasker_sends_any_text_as_it_is():
    got = through("tasker", {"%SMSRF": SENDER, "%SMSRB": HOSTILE, "%TIMES": str(SENT // 1000)})
    assert (got.sender, got.text, got.sent_at) == (SENDER, HOSTILE, SENT)


def test_macrodroid_sends_any_text_as_it_is():
    got = through("macrodroid", {"{sms_number}": SENDER, "{sms_message}": HOSTILE})
    assert (got.sender, got.text) == (SENDER, HOSTILE)


def test_automate_encodes():
    guide = GUIDES["automate"]
    formula = re.fullmatch(r"jsonEncode\((.*)\)", value(guide, Role.BODY))
    assert formula is not None
    put = {": number": f": {json.dumps(SENDER)}", ": message": f": {json.dumps(HOSTILE)}"}
    body = put_in(formula[1], put | {": timestamp": f": {SENT // 1000}"})
    got = pushed(body, "automate", headers(guide, {}))
    assert (got.sender, got.text, got.sent_at) == (SENDER, HOSTILE, SENT)
    variables = ("number", "message", "timestamp")
    assert all(f"`{name}`" in guide.steps[0].text for name in variables)


def test_shortcuts_puts_its_json_together_itself():
    named = [field.name for field in fields(GUIDES["shortcuts"], Role.JSON)]
    got = pushed(json.dumps(dict(zip(named, (SENDER, HOSTILE), strict=True))), "shortcuts")
    assert (got.sender, got.text) == (SENDER, HOSTILE)


def test_anything_else():
    put = {"FROM": SENDER, "TEXT": escaped(HOSTILE), "TIME": "2026-06-12T14:31:58Z", '"ID"': '"7"'}
    got = through("generic", put)
    assert (got.sender, got.text) == (SENDER, HOSTILE)
    assert (got.sent_at, got.event_id) == (SENT, "7")


def test_kannel_posts_the_text_with_its_own_headers():
    block = next(step.block for step in GUIDES["kannel"].steps if step.block)
    assert 'post-url = "{url}"' in block.text
    given = {"X-Kannel-From": SENDER, "X-Kannel-Time": "2026-06-12 14:31:58"}
    got = pushed(HOSTILE, "kannel", given | {"Content-Type": "text/plain"})
    assert (got.sender, got.text, got.sent_at) == (SENDER, HOSTILE, SENT)


# -- scripts, run with what they call replaced ---


def ran(app: str, here: Path, tool: str, *words: str, says: str = "") -> tuple[list[str], str, str]:
    """Run a guide's script; the arguments, the input and the push URL that `tool` was given."""
    script, kept = here / "script", here / "kept.json"
    block = next(step.block for step in GUIDES[app].steps if step.block)
    script.write_text(filled(block.text, VALUES))
    (here / tool).write_text(
        f"#!{sys.executable}\nimport json, os, sys\n"
        "given = '' if sys.stdin.isatty() else sys.stdin.read()\n"
        f"open({str(kept)!r}, 'w').write(json.dumps([sys.argv[1:], given,"
        " os.environ.get('MMCONNECT_PUSH_URL', '')]))\n"
    )
    (here / "termux-sms-list").write_text(f"#!/bin/sh\ncat <<'END'\n{says}\nEND\n")
    for file in (here / tool, here / "termux-sms-list"):
        file.chmod(0o755)
    path = {"PATH": f"{here}:{os.environ['PATH']}"}
    nothing = subprocess.DEVNULL
    subprocess.run(["sh", script, *words], env=path, check=True, timeout=60, stdin=nothing)
    given, stdin, url = json.loads(kept.read_text())
    return given, stdin, url


def test_the_termux_script_posts_what_is_understood(tmp_path: Path):
    sms = {"threadid": 1, "type": "inbox", "read": True, "sender": "Ann", "address": SENDER}
    sms |= {"number": SENDER, "received": "2026-06-12 14:31:58", "body": HOSTILE, "_id": 7}
    given, body, _ = ran("termux", tmp_path, "curl", says=json.dumps([sms]))
    named = dict(given[n + 1].split(": ", 1) for n, word in enumerate(given) if word == "-H")
    assert given[-1] == "PUSH-URL"
    assert given[given.index("--data-binary") + 1] == "@-"
    got = pushed(body, "termux", named)
    assert (got.sender, got.text, got.event_id) == (SENDER, HOSTILE, "7")
    assert (got.sent_at, got.time_mark) == (None, "2026-06-12 14:31:58")


def test_gammu_and_smstools_call_mmconnect_push_with_what_they_are_given(tmp_path: Path):
    given, _, url = ran("gammu", tmp_path, "mmconnect", "12", "13")
    assert (given, url) == (["push", "--gammu", "12", "13"], "PUSH-URL")
    given, _, url = ran("smstools", tmp_path, "mmconnect", "RECEIVED", "/var/spool/sms/GSM1.a b")
    assert given == ["push", "--smstools", "RECEIVED", "/var/spool/sms/GSM1.a b"]
    assert url == "PUSH-URL"
