"""From the push of each app to the webhook, through the real process.

Every sample push of the phone references is sent as its app sends it; each arrives once, signed,
with the right sender, text, time and SIM.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import itertools
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from standardwebhooks import Webhook

from mmconnect.cli import main
from tests.support import phones
from tests.support.phones import JSON, OWN_NUMBER, SENDER, TEXT, Wire
from tests.support.program import starts_none
from tests.support.receiver import Arrival, Receiver, receiving
from tests.support.service import Service, until
from tests.support.wire import Told, ask, request

pytestmark = pytest.mark.timeout(180)

EVE = "2025-12-31T23:59:59.000Z"
NEW_YEAR = "2026-01-01T00:00:00.000Z"
KEY = "k3y0123456789abcdef0123456789abcd"


@dataclass
class House:
    """The service, a receiver, and what was pushed so far."""

    service: Service
    there: Receiver
    secret: str
    expected: Counter[str] = field(default_factory=Counter)
    """How often each message has to arrive."""
    names: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def phone(self, *options: str) -> str:
        """Pair a phone on the command line, beside the running service; its token."""
        words = ["device", "add", "--name", f"Phone {next(self.names)}", *options]
        told = io.StringIO()
        with contextlib.redirect_stdout(told):
            assert main([*words, "--json", "--data-dir", str(self.service.directory)]) == 0
        return str(json.loads(told.getvalue())["token"])

    def push(self, token: str, push: Wire, *, chunks: int = 0, target: str = "") -> Told:
        headers, body = push
        data = request(target or f"/in/{token}", headers, body, chunks=chunks)
        told = asyncio.run(ask(self.service.phone[1], data))
        assert told.status == 200, told
        if told.json["id"] and not told.json["duplicate"]:
            self.expected[told.json["id"]] = 1
        return told

    def arrival(self, message_id: str) -> Arrival:
        """What arrived of a message: once, signed, and with the id of the answer."""
        until(lambda: self._of(message_id), f"{message_id} arrives")
        (arrival,) = self._of(message_id)
        Webhook(self.secret).verify(arrival.body, arrival.mapping)
        assert arrival.header("webhook-id") == message_id
        return arrival

    def _of(self, message_id: str) -> list[Arrival]:
        return [one for one in self.there.arrivals if one.id == message_id]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    umask = os.umask(0o077)
    service = Service(tmp_path_factory.mktemp("apps") / "data").start()
    try:
        with receiving() as there:
            endpoint = service.cli("endpoint", "add", there.url, "--name", "crm")
            assert endpoint["url"] == there.url
            made = House(service, there, endpoint["secret"])
            yield made
            assert Counter(one.id for one in there.arrivals) == made.expected
            assert service.count("SELECT count(*) FROM messages WHERE note IS NOT NULL") == 0
        assert service.stop() == 0
        assert "Traceback" not in service.log_text()
    finally:
        service.kill()
        os.umask(umask)


def said(
    text: str = TEXT,
    sender: str = SENDER,
    *,
    at: str | None = None,
    sim: int | None = None,
    to: str | None = None,
    kind: str = "sms",
    **more: Any,
) -> dict[str, Any]:
    """What a webhook has to say."""
    return {
        "from": sender,
        "text": text,
        "sentAt": at,
        "sim": sim,
        "to": to,
        "kind": kind,
        **more,
    }


def gsm(event: str, **payload: object) -> Wire:
    return phones.smsgate(
        event,
        {
            "receivedAt": "2026-01-01T05:30:00.000+05:30",
            "messageId": "1a00fdfd",
            "sender": SENDER,
            "recipient": OWN_NUMBER,
            "simNumber": 2,
            "phoneNumber": SENDER,
            **payload,
        },
        key=KEY,
    )


def js(**fields: object) -> Wire:
    return {"Content-Type": JSON}, json.dumps(fields, ensure_ascii=False).encode()


GATE = said(at=NEW_YEAR, sim=1, to=OWN_NUMBER)
ESCAPED = "Your code is 123456 & it's <ok> = \u2028 yes"
CASES: dict[str, tuple[str, Wire, dict[str, Any]]] = {
    # the app of the device, the push, the webhook
    "smsgate": ("smsgate", phones.smsgate_sms(key=KEY), GATE),
    "smsgate, Gson's escapes": (
        "smsgate",
        phones.smsgate_sms(ESCAPED, key=KEY),
        {**GATE, "text": ESCAPED},
    ),
    "smsgate, what it does not know": (
        "smsgate",
        phones.smsgate_sms(recipient=None, sim=None, key=KEY),
        said(at=NEW_YEAR),
    ),
    "smsgate before 1.54": (
        "smsgate",
        gsm("sms:received", message=TEXT, sender=None, recipient=None, simNumber=None),
        said(at=NEW_YEAR),
    ),
    "smsgate data sms": (
        "smsgate",
        gsm("sms:data-received", data=base64.b64encode(b"\x01\x02\xff").decode()),
        said("AQL/", at=NEW_YEAR, sim=2, to=OWN_NUMBER, kind="data"),
    ),
    "smsgate data sms that is text": (
        "smsgate",
        gsm("sms:data-received", data=base64.b64encode("Grüße".encode()).decode()),
        said("Grüße", at=NEW_YEAR, sim=2, to=OWN_NUMBER, kind="data"),
    ),
    "smsgate mms without an announcement": (
        "smsgate",
        gsm(
            "mms:downloaded",
            body="look",
            attachments=[
                {"partId": 57, "contentType": "image/jpeg", "name": "p.jpg", "size": 48211}
            ],
        ),
        said(
            "look",
            at=NEW_YEAR,
            sim=2,
            to=OWN_NUMBER,
            kind="mms",
            subject=None,
            attachments=[{"name": "p.jpg", "contentType": "image/jpeg", "size": 48211}],
        ),
    ),
    **{
        f"smsgate, zone {zone}": (
            "smsgate",
            phones.smsgate_sms(received_at=f"2026-01-01T{clock}:00.000{zone}", key=KEY),
            GATE,
        )
        for zone, clock in (
            ("Z", "00:00"),
            ("+0000", "00:00"),
            ("+05:45", "05:45"),
            ("+-0:00", "00:00"),
            ("+14:00", "14:00"),
        )
    },
    "smsgate of Android 6 in New York": (
        "smsgate",
        phones.smsgate_sms(received_at="2025-12-31T19:00:00.000+-5:00", key=KEY),
        GATE,
    ),
    "smsgate of Android 6 in St John's": (
        "smsgate",
        phones.smsgate_sms(received_at="2025-12-31T20:30:00.000+-3:-30", key=KEY),
        GATE,
    ),
    "incoming_sms": ("incoming_sms", phones.incoming_sms(key=KEY), said(at=EVE, sim=1)),
    "incoming_sms, times in quotes": (
        "incoming_sms",
        phones.incoming_sms(key=KEY, quoted=True, sim="undetected"),
        said(at=EVE),
    ),
    "incoming_sms, a sender that breaks its JSON": (
        "incoming_sms",
        phones.incoming_sms(sender='My "Bank"', key=KEY),
        said(sender='My "Bank"', at=EVE, sim=1),
    ),
    "incoming_sms, its own test button": (
        "incoming_sms",
        phones.incoming_sms("test message", "123456789", key=KEY),
        said("test message", "123456789", at=EVE, sim=1),
    ),
    "smsforwarder": (
        "smsforwarder",
        phones.smsforwarder_json(key=KEY),
        said(at=NEW_YEAR, sim=1),
    ),
    "smsforwarder, the default form": (
        "smsforwarder",
        phones.smsforwarder_form("Your code\nis 482913", key=KEY),
        said("Your code\nis 482913", sim=1),
    ),
    "textbee server": ("generic", phones.textbee(key=KEY), said(at=EVE)),
    "generic json, signed": (
        "generic",
        phones.generic_json(key=KEY, prefix="sha256="),
        said(),
    ),
}
UNSIGNED: dict[str, tuple[Wire, dict[str, Any]]] = {
    "json": (phones.generic_json(), said()),
    "form": (phones.generic_form(), said()),
    "multipart": (phones.generic_multipart(), said()),
    "raw text": (phones.generic_plain(to=OWN_NUMBER, sim="2"), said(at=EVE, sim=2, to=OWN_NUMBER)),
    "envaya": (phones.envaya(), said(at=EVE, to=OWN_NUMBER)),
    "smssync": (phones.smssync(), said(at=EVE, to=OWN_NUMBER)),
    "textbee app": (phones.textbee_app(), said(at=EVE)),
    "httpsms server": (phones.httpsms(), said(at="2026-01-01T00:00:00.123Z", sim=1, to=OWN_NUMBER)),
    "httpsms app": (
        phones.httpsms_app(),
        said(at="2026-01-01T00:00:00.123Z", sim=1, to=OWN_NUMBER),
    ),
    "autoforward": (js(sender=SENDER, message=TEXT), said()),
    "android-sms-hooks": (js(body=TEXT, **{"from": SENDER}, timestamp=1767225599000), said(at=EVE)),
    "sms2webhook": (
        js(
            _id=7,
            address=SENDER,
            date=1767225600123,
            date_sent=1767225599000,
            body=TEXT,
            sub_id=1,
        ),
        said(at=EVE),
    ),
    "smsforwarding.com": (
        js(
            event="sms:received",
            device={"name": "Pixel"},
            sms={"id": "1", "sender": SENDER, "message": TEXT, "received_at": EVE},
        ),
        said(at=EVE),
    ),
    "an iPhone's shortcut": (js(Text=TEXT, Sender="Alice"), said(sender="Alice")),
    "tasker": (js(sender=SENDER, content=TEXT, timestamp="1767225599"), said(at=EVE)),
    "termux": (
        js(
            threadid=1,
            type="inbox",
            read=False,
            sender="Alice",
            address=SENDER,
            received="2026-01-01 00:00:00",
            body=TEXT,
            _id=12,
        ),
        said(),
    ),
}


def check(arrival: Arrival, expected: dict[str, Any]) -> None:
    told = arrival.json
    assert {name: told.get(name) for name in expected} == expected
    assert told["event"] == "message.received"
    assert told["test"] is False
    assert told["deviceName"].startswith("Phone ")
    assert told["receivedAt"] > "2026-01-01T00:00:00.000Z"


@pytest.mark.parametrize("case", list(CASES))
def test_signed_pushes_of_each_app(house: House, case: str):
    app, push, expected = CASES[case]
    token = house.phone("--app", app, "--signing-key", KEY)
    # up to 2.3 this app sends its body in chunks
    told = house.push(token, push, chunks=64 if app == "incoming_sms" else 0)
    check(house.arrival(told.json["id"]), expected)
    forged = push[0], push[1].replace(b"sign", b"nosign").replace(b"2026", b"2027") + b" "
    data = request(f"/in/{token}", *forged)
    assert asyncio.run(ask(house.service.phone[1], data)).json["error"] == "bad_signature"


@pytest.mark.parametrize("case", [*CASES, *UNSIGNED])
def test_pushes_whose_app_is_found_by_their_shape(house: House, case: str):
    push, expected = UNSIGNED[case] if case in UNSIGNED else CASES[case][1:]
    told = house.push(house.phone(), push)
    check(house.arrival(told.json["id"]), expected)


def test_a_device_with_paths_and_a_country_of_its_own(house: House):
    token = house.phone("--country", "sg", "--map", "from=data.who", "--map", "text=data.words.0")
    told = house.push(token, js(data={"who": "8123 0000", "words": ["hello"]}))
    expected = said("hello", "+6581230000", fromRaw="8123 0000")
    check(house.arrival(told.json["id"]), expected)


GSM = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "ÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà^{}\\[~]|€"
)
TEXTS = {
    "GSM": GSM,
    "Arabic": "رمز التحقق الخاص بك هو ٤٨٢٩١٣",
    "emoji": "👩‍👩‍👧‍👦 🇸🇬 👍🏽 é e\u0301 \U0010ffff",
    "1,600 characters": "".join(chr(0x4E00 + n) for n in range(1600)),
    "control characters": "a\x00b\x01\x07\x08\x0b\x0c\x1b[31m\x1f\x7f\x80\x85c",
    "line ends": "one\ntwo\r\nthree\rfour\n\n",
    "what JSON and forms mean": '{"a":"b"} \\ \\u0041 &from=x&text=y %41 + ; = # <b>',
    "blanks": "  \t x \u00a0 \u200b\u202e ",
    "nothing": "",
}
WRITERS: dict[str, Callable[[str], Wire]] = {
    "smsgate": phones.smsgate_sms,
    "incoming_sms": phones.incoming_sms,
    "smsforwarder": phones.smsforwarder_json,
    "json": lambda text: phones.generic_json({"from": SENDER, "text": text}),
    "form": lambda text: phones.generic_form({"from": SENDER, "text": text}),
    "raw": phones.generic_plain,
}


@pytest.mark.parametrize("name", list(TEXTS))
def test_every_text_arrives_unchanged(house: House, name: str):
    token, text = house.phone(), TEXTS[name]
    ids = [house.push(token, write(text)).json["id"] for write in WRITERS.values()]
    for writer, message_id in zip(WRITERS, ids, strict=True):
        assert house.arrival(message_id).text == text, writer


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        (r"\ud83d\ude00", "😀"),
        (r"a\ud83d", "a\ufffd"),
        (r"\ude00b", "\ufffdb"),
        (r"\ude00\ud83d", "\ufffd\ufffd"),
        (r"\uD83Dx\uDE00", "\ufffdx\ufffd"),
    ],
)
def test_half_an_emoji_is_replaced(house: House, escaped: str, text: str):
    token = house.phone()
    headers, body = phones.smsgate_sms("XXX")
    told = house.push(token, (headers, body.replace(b"XXX", escaped.encode())))
    assert house.arrival(told.json["id"]).text == text


def test_the_same_push_twice_and_many_times_at_once(house: House):
    token = house.phone("--app", "smsgate")
    first = house.push(token, phones.smsgate_sms())
    again = house.push(token, phones.smsgate_sms(timestamp=1767225999))
    assert (again.json["id"], again.json["duplicate"]) == (first.json["id"], True)

    async def many() -> list[Told]:
        data = request(f"/in/{token}", *phones.smsgate_sms("at once", event_id="x"))
        return await asyncio.gather(*[ask(house.service.phone[1], data) for _ in range(40)])

    told = asyncio.run(many())
    assert {one.status for one in told} == {200}
    assert Counter(one.json["duplicate"] for one in told) == {True: 39, False: 1}
    (message_id,) = {one.json["id"] for one in told}
    house.expected[message_id] = 1
    assert house.arrival(message_id).text == "at once"


def test_two_texts_that_read_the_same_stay_two(house: House):
    token = house.phone("--app", "incoming_sms")
    one = house.push(token, phones.incoming_sms("The door is open"))
    two = house.push(token, phones.incoming_sms("The door is open", sent_ms=1767225720000))
    assert one.json["id"] != two.json["id"]
    times = [house.arrival(told.json["id"]).json["sentAt"] for told in (one, two)]
    assert times == [EVE, "2026-01-01T00:02:00.000Z"]


def test_an_mms_announced_and_downloaded(house: House):
    token = house.phone("--app", "smsgate")
    announced = gsm("mms:received", transactionId="t1", subject="Door", size=48211)
    first = house.push(token, announced).json["id"]
    part = {"partId": 1, "contentType": "image/jpeg", "name": "p.jpg", "size": 3, "data": "AAAA"}
    headers, body = gsm("mms:downloaded", body="look", subject="Door", attachments=[part])
    body = body.replace(b"Ey6ECgOkVVFjz3CL48B8C", b"another-id-altogether")
    assert house.push(token, (headers, body)).json["id"] == first
    arrival = house.arrival(first)
    expected = said("look", at=NEW_YEAR, sim=2, to=OWN_NUMBER, kind="mms", subject="Door")
    check(arrival, expected | {"ref": None})
    assert arrival.json["attachments"] == [
        {"name": "p.jpg", "contentType": "image/jpeg", "size": 3}
    ]


def test_news_of_a_phone_is_no_text(house: House):
    token = house.phone("--app", "smsgate")
    for event in ("system:ping", "app:started", "sms:sent", "sms:failed"):
        assert house.push(token, gsm(event)).json["id"] is None


def test_a_raw_text_by_its_query(house: House):
    token = house.phone()
    target = f"/in/{token}?from=%2B15550100&to=%2B15550199"
    push = {"Content-Type": "text/plain; charset=iso-8859-1"}, "Grüße".encode("latin-1")
    told = house.push(token, push, target=target)
    check(house.arrival(told.json["id"]), said("Grüße", to=OWN_NUMBER))


def test_what_is_simulated_arrives_like_a_phones(house: House):
    told = house.service.cli("message", "simulate", "--from", "+15550111", "--text", "try me 😀")
    house.expected[told["id"]] = 1
    assert house.arrival(told["id"]).text == "try me 😀"


@starts_none
def test_the_wire_is_what_the_samples_say():
    """The vectors that the references give, so that the builders cannot drift with the code."""
    headers, body = phones.incoming_sms(key="topsecret")
    assert len(body) == 134
    assert headers["X-Signature"] == (
        "9e7a0fd3a7d21287168a53180a2535ac42619154cc4b7e3b82683b6085ec132e"
    )
    assert phones.smsforwarder_sign(1767225600123, "s3cret-key") == (
        "7nnyFVjHKU9PyzCF6BK%2Bjd3rkDiUDQTTxV9Y%2FwrxSQk%3D"
    )
    assert phones.textbee(key="my-signing-secret-0001")[0]["X-Signature"] == (
        "449d33505597b37a48aca4df28073b5fcdc3ffc717679d89b6a43d4b5b2d8c82"
    )
    headers, body = phones.smsgate_sms("Your code is 123456 & it's <ok>", "+15551234567", key=KEY)
    assert rb"123456 \u0026 it\u0027s \u003cok\u003e" in body
