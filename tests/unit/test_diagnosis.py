"""Each known mishap is named for what it is, and only a faultless request passes.

Every case makes a request as mmconnect does, breaks it in one way as the world does, and asks for
the reason. Bodies are rewritten here by other means than the code under test wherever they can be.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmconnect.webhook import signing
from mmconnect.webhook.diagnosis import HEADERS, Diagnosis, Finding, Reason, diagnose

SECRET = "whsec_bW1jb25uZWN0LWdvbGRlbi1zZWNyZXQtMzItYnl0ZXM="
PREVIOUS = "whsec_bW1jb25uZWN0LWVhcmxpZXItc2VjcmV0LTMyYnl0ZXM="
STRANGE = "whsec_c29tZWJvZHkgZWxzZSdzIHNlY3JldCwgMzIgYnl0ZXM="
OWN = "a secret of one's own, ü"
ID, NOW = "msg_01JD0000000000000000000001", 1_781_274_720
STANDARD, PLAIN, HOSTED, OLD = HEADERS
FIELDS = {
    "event": "message.received",
    "id": ID,
    "kind": "sms",
    "from": "+6581230000",
    "to": None,
    "text": "Grüße 😀 http://x/?a=1&b=<2>\n'`",
    "ref": None,
    "sentAt": None,
    "receivedAt": "2026-06-12T14:32:00.000Z",
    "deviceId": "dev_01JD0000000000000000000000",
    "deviceName": "Reception",
    "sim": 1,
    "tenantId": "ten_01JCZZZZZZZZZZZZZZZZZZZZZZ",
    "tenantName": "Acme",
    "test": False,
}
TEXT = json.dumps(FIELDS, ensure_ascii=False, separators=(",", ":"))
BODY = TEXT.encode()


def signed(secrets: list[str] | None = None, body: bytes = BODY, at: int = NOW) -> dict[str, str]:
    return signing.signature_headers(secrets or [SECRET], ID, at, body)


def judged(
    headers: dict[str, str],
    *,
    secrets: list[str] | None = None,
    body: bytes = BODY,
    at: int = NOW,
) -> Diagnosis:
    return diagnose(secrets or [SECRET], body, headers.items(), at * 1000)


def by_header(found: Diagnosis) -> dict[str, Finding]:
    return {finding.header: finding for finding in found.findings}


def reasons(found: Diagnosis) -> tuple[str, ...]:
    return tuple(finding.reason.value for finding in found.findings)


def test_a_faultless_request_passes():
    found = judged(signed())
    assert found.ok
    assert reasons(found) == ("matches", "matches", "matches", "absent")
    assert found.behind == 0
    assert found.remedy is None
    assert "genuine" in found.verdict


@pytest.mark.parametrize("write", [str.lower, str.upper, lambda n: "HTTP_" + n.replace("-", "_")])
def test_header_names_come_in_any_case_and_as_cgi_writes_them(write: Callable[[str], str]):
    assert judged({write(name): value for name, value in signed().items()}).ok


def test_a_request_without_signature_headers_is_not_genuine():
    found = judged({"content-type": "application/json"})
    assert not found.ok
    assert set(reasons(found)) == {"absent"}
    assert "no signature header" in found.verdict


def test_a_different_secret_is_called_one():
    found = judged(signed(), secrets=[STRANGE])
    assert reasons(found) == ("unexplained", "unexplained", "unexplained", "absent")
    assert not found.ok
    assert "a different secret" in found.verdict
    assert "as mmconnect writes it" in found.verdict


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (SECRET + "\n", "line end"),
        (" " + SECRET, "space"),
        (SECRET + "\r\n", "line end"),
        ("\ufeff" + SECRET, "invisible"),
        (SECRET + "\u200b", "invisible"),
        (f'"{SECRET}"', "quotation marks"),
        (f"'{SECRET}'\n", "quotation marks"),
        (f"“{SECRET}”", "quotation marks"),
        (f"WEBHOOK_SECRET={SECRET}", "something before"),
        (SECRET.replace("=", "%3D"), "percent-encoded"),
    ],
)
def test_a_secret_that_was_copied_badly_is_named(given: str, words: str):
    found = judged(signed(), secrets=[given])
    assert reasons(found) == ("secret", "secret", "secret", "absent")
    assert words in found.verdict
    assert not found.ok


def test_a_secret_whose_plus_became_a_space():
    secret = "whsec_" + base64.b64encode(b"\xfb\xef\xbe" * 8).decode()
    assert "+" in secret
    found = judged(signed([secret]), secrets=[secret.replace("+", " ")])
    assert "form field" in found.verdict


@pytest.mark.parametrize(
    ("given", "words"), [(SECRET[6:], "lacks its `whsec_`"), (SECRET[:-1], "lost the `=`")]
)
def test_what_the_libraries_forgive_only_the_plain_headers_show(given: str, words: str):
    found = judged(signed(), secrets=[given])
    assert reasons(found) == ("matches", "secret", "secret", "absent")
    assert words in found.verdict
    assert not found.ok


def test_a_sender_whose_secret_lacks_the_prefix_or_ends_with_a_line():
    for kept, words in ((SECRET[6:], "without"), (SECRET + "\n", "with which the sender keeps it")):
        digest = hmac.new(kept.encode(), BODY, hashlib.sha256).hexdigest()
        found = judged({PLAIN: digest})
        assert by_header(found)[PLAIN].reason is Reason.SECRET
        assert words in found.verdict


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("whsec_bW1j•••••••", "masked"),
        ("whsec_***", "masked"),
        ("sk_live_0123456789012345678901234567890123456789", "API key"),
        ("ep_01JD0000000000000000000000", "is an id"),
        ("$WEBHOOK_SECRET", "variable"),
        ("${WEBHOOK_SECRET}", "variable"),
        (" ", "empty"),
    ],
)
def test_what_is_no_secret_at_all_is_named(given: str, words: str):
    found = judged(signed(), secrets=[given])
    assert set(reasons(found)) == {"secret", "absent"}
    assert words in found.verdict


def test_the_literal_secret_as_key_of_webhook_signature():
    content = f"{ID}.{NOW}.".encode() + BODY
    digest = hmac.new(SECRET.encode(), content, hashlib.sha256).digest()
    headers = signed() | {STANDARD: "v1," + base64.b64encode(digest).decode()}
    finding = by_header(judged(headers))[STANDARD]
    assert finding.reason is Reason.KEY
    assert "secret's text as key, where its base64-decoded bytes belong" in finding.detail


def test_the_decoded_secret_as_key_of_a_plain_header():
    digest = hmac.new(base64.b64decode(SECRET[6:]), BODY, hashlib.sha256).hexdigest()
    headers = signed() | {HOSTED: "sha256=" + digest}
    found = judged(headers)
    assert by_header(found)[HOSTED].reason is Reason.KEY
    assert "base64-decoded bytes as key, where its text belong" in by_header(found)[HOSTED].detail
    assert not found.ok


def test_one_scheme_in_the_others_header():
    headers = signed()
    standard = base64.b64decode(headers[STANDARD][3:]).hex()
    plain = "v1," + base64.b64encode(bytes.fromhex(headers[PLAIN])).decode()
    finding = by_header(judged(headers | {PLAIN: standard}))[PLAIN]
    assert finding.reason is Reason.SCHEME
    finding = by_header(judged(headers | {STANDARD: plain}))[STANDARD]
    assert {finding.reason} <= {Reason.SCHEME, Reason.KEY}
    assert "signs the body alone" in finding.detail


def dotnet(text: str) -> str:
    ascii_ = json.dumps(json.loads(text), separators=(",", ":"))
    for sign, written in (("<", "003C"), (">", "003E"), ("&", "0026"), ("+", "002B")):
        ascii_ = ascii_.replace(sign, f"\\u{written}")
    return ascii_.replace("'", "\\u0027").replace("`", "\\u0060")


REWRITTEN: list[tuple[str, bytes, str]] = [
    ("python", json.dumps(FIELDS).encode(), "Python's json.dumps"),
    ("spaced", json.dumps(FIELDS, ensure_ascii=False).encode(), "a space after each comma"),
    ("ascii", json.dumps(FIELDS, separators=(",", ":")).encode(), "\\u escapes"),
    ("php", json.dumps(FIELDS, separators=(",", ":")).replace("/", "\\/").encode(), "json_encode"),
    ("slashes", TEXT.replace("/", "\\/").encode(), "slashes escaped"),
    (
        "go",
        TEXT.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026").encode(),
        "Go",
    ),
    ("dotnet", dotnet(TEXT).encode(), ".NET"),
    ("two", json.dumps(FIELDS, indent=2, ensure_ascii=False).encode(), "pretty-printed with 2"),
    ("four", json.dumps(FIELDS, indent=4, ensure_ascii=False).encode(), "pretty-printed with 4"),
    ("four-ascii", json.dumps(FIELDS, indent=4).encode(), "pretty-printed with 4"),
    ("tabs", json.dumps(FIELDS, indent="\t", ensure_ascii=False).encode(), "tabs"),
    ("jq", json.dumps(FIELDS, indent=2, ensure_ascii=False).encode() + b"\n", "line end added"),
    ("sorted", json.dumps(FIELDS, sort_keys=True).encode(), "its fields sorted"),
    ("moved", json.dumps(dict(reversed(FIELDS.items()))).encode(), "in another order"),
    ("no-nulls", json.dumps({k: v for k, v in FIELDS.items() if v is not None}).encode(), "null"),
    ("odd", TEXT.replace('","', '" , "').encode(), "parsed and written anew"),
    ("twice", json.dumps(TEXT).encode(), "JSON twice"),
    ("twice-spaced", json.dumps(json.dumps(FIELDS)).encode(), "inside a JSON string"),
    ("newline", BODY + b"\n", "a line end was added"),
    ("crlf-at-end", BODY + b"\r\n", "a line end was added"),
    ("bom", b"\xef\xbb\xbf" + BODY, "byte order mark"),
    ("space", b"  " + BODY + b" ", "space was added"),
    ("latin", TEXT.replace("😀", "").encode("latin-1"), "latin-1|cp1252"),
    ("mojibake", TEXT.replace("😀", "").encode().decode("latin-1").encode(), "latin-1|cp1252"),
    ("utf-16", TEXT.encode("utf-16"), "utf-16"),
]


@pytest.mark.parametrize(
    ("body", "words"), [c[1:] for c in REWRITTEN], ids=[c[0] for c in REWRITTEN]
)
def test_a_body_changed_on_the_way_is_named(body: bytes, words: str):
    sent = BODY if "latin" not in words else TEXT.replace("😀", "").encode()
    found = judged(signed(body=sent), body=body)
    assert reasons(found) == ("body", "body", "body", "absent")
    assert any(word in found.verdict for word in words.split("|"))
    assert "raw bytes" in str(found.remedy)
    assert not found.ok


def test_sorted_and_compact_is_found_for_an_mms_too():
    fields = FIELDS | {
        "subject": None,
        "attachments": [{"name": "a", "contentType": "b", "size": 1}],
    }
    sent = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    came = json.dumps(fields, separators=(",", ":"), sort_keys=True).encode()
    assert "its fields sorted" in judged(signed(body=sent), body=came).verdict


@pytest.mark.parametrize(
    ("sent", "came", "words"),
    [
        (BODY + b"\n", BODY, "line end at its end was removed"),
        (BODY + b"\r\n", BODY, "CR LF"),
        (b'{\n"id":1}', b'{\r\n"id":1}', "turned into CR LF"),
        (b'{\r\n"id":1}', b'{\n"id":1}', "became LF"),
        (b"\xef\xbb\xbf" + BODY, BODY, "byte order mark was removed"),
        (json.dumps(FIELDS, indent=2).encode(), BODY, "written anew (compact)"),
        ('{"text":"e\u0301"}'.encode(), '{"text":"é"}'.encode(), "NFC"),
        ('{"text":"é"}'.encode(), '{"text":"e\u0301"}'.encode(), "NFD"),
    ],
)
def test_other_senders_bodies_are_recognised_too(sent: bytes, came: bytes, words: str):
    assert words in judged(signed(body=sent), body=came).verdict


@pytest.mark.parametrize(
    ("body", "length", "words"),
    [
        (b"", None, "empty"),
        (BODY[:-9], len(BODY), "not whole"),
        (b"[object Object]", None, "[object Object]"),
        (str(FIELDS).encode(), None, "Python's own notation"),
        (str(BODY).encode(), None, "Python's own notation"),
        (TEXT.encode("ascii", "replace").replace(b"?", b"\xef\xbf\xbd"), None, "U+FFFD"),
    ],
)
def test_what_cannot_be_undone_is_still_named(body: bytes, length: int | None, words: str):
    headers = signed() | ({"Content-Length": str(length)} if length else {})
    found = judged(headers, body=body)
    assert set(reasons(found)) == {"body", "absent"}
    assert words in found.verdict


def test_the_previous_secret_during_rotation_is_still_good():
    headers = signed([SECRET, PREVIOUS])
    found = judged(headers, secrets=[PREVIOUS])
    assert reasons(found) == ("matches", "previous_secret", "previous_secret", "matches")
    assert found.ok
    assert "new secret" in str(found.remedy)
    without_plain = signing.signature_headers([SECRET, PREVIOUS], ID, NOW, BODY, plain=False)
    found = judged(without_plain, secrets=[PREVIOUS])
    assert found.ok
    assert "previous" in by_header(found)[STANDARD].detail
    assert found.remedy


def test_the_new_secret_during_rotation_needs_nothing():
    found = judged(signed([SECRET, PREVIOUS]))
    assert reasons(found) == ("matches", "matches", "matches", "other_secret")
    assert found.ok
    assert found.remedy is None


def test_both_secrets_during_rotation():
    found = judged(signed([SECRET, PREVIOUS]), secrets=[SECRET, PREVIOUS])
    assert reasons(found) == ("matches",) * 4
    assert [f.secret for f in found.findings] == [0, 0, 0, 1]
    assert found.remedy is None
    swapped = judged(signed([SECRET, PREVIOUS]), secrets=[PREVIOUS, SECRET])
    assert swapped.ok
    assert [f.secret for f in swapped.findings] == [1, 1, 1, 0]


def test_rotating_from_and_to_a_secret_of_ones_own():
    to_own, from_own = signed([OWN, SECRET]), signed([SECRET, OWN])
    assert judged(to_own, secrets=[OWN]).ok
    assert reasons(judged(to_own, secrets=[OWN]))[0] == "other_secret"
    assert judged(from_own, secrets=[OWN]).ok
    assert judged(from_own, secrets=[SECRET]).ok
    assert judged(to_own, secrets=[SECRET]).ok


def test_after_the_overlap_the_previous_secret_is_a_wrong_one():
    assert not judged(signed(), secrets=[PREVIOUS]).ok


def test_an_own_secret_has_no_webhook_signature_and_that_is_all_right():
    found = judged(signed([OWN]), secrets=[OWN])
    assert found.ok
    assert "whsec_" in by_header(found)[STANDARD].detail


@pytest.mark.parametrize(
    ("off", "ok", "words"),
    [
        (300, True, ""),
        (-300, True, ""),
        (301, False, "5 min 1 s behind"),
        (-301, False, "5 min 1 s ahead of"),
        (8000, False, "2 h 13 min behind"),
        (2 * 3600 + 3, False, "Almost exactly 2 h"),
        (-19_800 + 20, False, "Almost exactly 5.5 h"),
        (90_000, False, "1 d 1 h behind"),
    ],
)
def test_the_clock_is_told_by_how_much_and_which_way(off: int, ok: bool, words: str):
    found = judged(signed(), at=NOW + off)
    assert found.ok is ok
    assert found.behind == off
    assert reasons(found)[0] == ("matches" if ok else "clock")
    assert words in found.verdict
    if not ok:
        assert "Secret and body are right" in by_header(found)[STANDARD].detail
        assert "clock" in str(found.remedy)
    assert reasons(found)[1:3] == ("matches", "matches")


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        ({"webhook-id": None}, "id", "webhook-id is missing"),
        ({"webhook-id": "msg_other"}, "id", "not the id in the body"),
        ({"webhook-id": f'"{ID}"'}, "id", "quotation marks"),
        (
            {"webhook-timestamp": None},
            "timestamp",
            f"missing, and the signature was made with {NOW}",
        ),
        ({"webhook-timestamp": f"{NOW}000"}, "timestamp", f"was made with {NOW}"),
        ({"webhook-timestamp": f"{NOW}.0"}, "timestamp", f"was made with {NOW}"),
        ({"webhook-timestamp": f'"{NOW}"'}, "timestamp", f"was made with {NOW}"),
        ({"webhook-timestamp": "2026-06-12T14:32:00Z"}, "timestamp", f"was made with {NOW}"),
        ({"webhook-timestamp": str(NOW + 7)}, "timestamp", f"was made with {NOW}"),
        ({"webhook-timestamp": "soon"}, "timestamp", f"was made with {NOW}"),
        ({"webhook-id": None, "webhook-timestamp": None}, "id", "webhook-id is missing"),
        ({STANDARD: "v1," + base64.b64encode(bytes(32)).decode()}, "header", "was changed"),
    ],
)
def test_id_and_timestamp_changed_or_lost(change: dict[str, str | None], reason: str, words: str):
    headers = {k: v for k, v in (signed() | change).items() if v is not None}
    found = judged(headers)
    assert reasons(found) == (reason, "matches", "matches", "absent")
    assert words in by_header(found)[STANDARD].detail
    assert not found.ok


@pytest.mark.parametrize("sent", [NOW - 890, NOW + 890])
@pytest.mark.parametrize("header", [None, NOW + 7])
def test_a_changed_timestamp_is_searched_for_around_now(sent: int, header: int | None):
    headers = signed(at=sent)
    del headers["webhook-timestamp"]
    if header is not None:
        headers["webhook-timestamp"] = str(header)
    finding = by_header(judged(headers))[STANDARD]
    assert finding.reason is Reason.TIMESTAMP
    assert f"was made with {sent}" in finding.detail


def test_a_lost_id_that_the_body_does_not_hold_cannot_be_put_back():
    body = b'{"text":"x"}'
    headers = signed(body=body)
    del headers["webhook-id"]
    found = judged(headers, body=body)
    assert reasons(found)[0] == "id"


def test_a_signed_timestamp_that_is_not_whole_seconds():
    content = f"{ID}.{NOW}.5.".encode() + BODY
    digest = hmac.new(base64.b64decode(SECRET[6:]), content, hashlib.sha256).digest()
    headers = {
        "webhook-id": ID,
        "webhook-timestamp": f"{NOW}.5",
        STANDARD: "v1," + base64.b64encode(digest).decode(),
    }
    assert "not whole seconds" in judged(headers).verdict


HEX = signing.plain_signature(SECRET, BODY)
B64 = base64.b64encode(bytes.fromhex(HEX)).decode()
TOKEN = signed()[STANDARD]
URLSAFE_BODY = b'{"id":"%b","n":%d}'


@pytest.mark.parametrize(
    ("header", "value", "reason", "words"),
    [
        (PLAIN, HEX.upper(), "notation", "upper-case hex"),
        (PLAIN, "sha256=" + HEX, "notation", "as only X-MAC-Signature does"),
        (PLAIN, B64, "notation", "in base64"),
        (PLAIN, f'"{HEX}"', "notation", "quotation marks"),
        (PLAIN, f"{HEX}, {HEX}", "notation", "more than one"),
        (PLAIN, HEX[:-1], "malformed", "63 hex digits, not 64"),
        (PLAIN, "", "malformed", "is empty"),
        (PLAIN, "Bearer x", "malformed", "no signature"),
        (PLAIN, "0" * 64, "header", "was changed on the way"),
        (HOSTED, HEX, "notation", "lacks its `sha256=`"),
        (HOSTED, "sha256=", "malformed", "is empty"),
        (HOSTED, "sha1=" + HEX[:40], "malformed", "no signature"),
        (STANDARD, TOKEN[3:], "notation", "without `v1,`"),
        (STANDARD, TOKEN.replace(",", "="), "notation", "`v1=` where `v1,` belongs"),
        (STANDARD, TOKEN.replace(",", ", "), "notation", "`v1, ` where"),
        (STANDARD, TOKEN.rstrip("="), "notation", "without its `=`"),
        (STANDARD, f"{TOKEN},{TOKEN}", "notation", "comma"),
        (STANDARD, "v1," + base64.b64decode(TOKEN[3:]).hex(), "notation", "is in hex"),
        (STANDARD, f"v0=abc {TOKEN}", "matches", "Matches"),
        (STANDARD, f"v1a,abc {TOKEN}", "matches", "Matches"),
        (STANDARD, f"rubbish {TOKEN}", "malformed", "no signature"),
        (STANDARD, "v1a,abc", "malformed", "no `v1` signature"),
        (STANDARD, "", "malformed", "is empty"),
        (STANDARD, "v1,", "malformed", "no signature"),
    ],
)
def test_a_signature_written_oddly(header: str, value: str, reason: str, words: str):
    found = judged(signed() | {header: value})
    finding = by_header(found)[header]
    assert finding.reason.value == reason
    assert words in finding.detail
    assert found.ok is (reason == "matches")


def test_url_safe_base64_is_named():
    bodies = (URLSAFE_BODY % (ID.encode(), n) for n in range(100))
    body = next(b for b in bodies if {"+", "/"} & set(signed(body=b)[STANDARD]))
    headers = signed(body=body)
    headers[STANDARD] = headers[STANDARD].translate(str.maketrans("+/", "-_"))
    assert "url-safe base64" in judged(headers, body=body).verdict


def test_a_header_that_came_twice_is_noticed():
    pairs = [*signed().items(), (PLAIN, HEX)]
    found = diagnose([SECRET], BODY, pairs, NOW * 1000)
    assert not found.ok
    assert "came 2 times" in found.verdict


def test_two_mishaps_at_once_are_both_named():
    found = judged(signed(), secrets=[SECRET + "\n"], body=json.dumps(FIELDS).encode())
    assert "line end at its start or end" in found.verdict
    assert "Python's json.dumps" in found.verdict
    assert "Copy the secret" in str(found.remedy)
    assert "raw bytes" in str(found.remedy)


@given(st.data())
def test_no_change_of_the_body_ever_passes(data: st.DataObject):
    place = data.draw(st.integers(0, len(BODY) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda b: b != BODY[place]))
    found = judged(signed(), body=BODY[:place] + bytes([byte]) + BODY[place + 1 :])
    assert not found.ok
    assert not {"matches"} & set(reasons(found))


@given(
    st.lists(st.text(max_size=80), min_size=1, max_size=3),
    st.binary(max_size=200),
    st.dictionaries(
        st.sampled_from([*HEADERS, "webhook-id", "webhook-timestamp", "content-length"]),
        st.text(max_size=90),
    ),
    st.integers(0, 2**40),
)
def test_nothing_that_strangers_send_makes_it_fail(
    secrets: list[str], body: bytes, headers: dict[str, str], now: int
):
    assert not judged(headers, secrets=secrets, body=body, at=now // 1000).ok


@pytest.mark.parametrize(
    "body", [b"[" * 5_000, b"9" * 5_000, b'{"a":1e999,"id":NaN}', b'"\\ud800"']
)
def test_a_body_that_troubles_parsers_is_no_trouble(body: bytes):
    assert not judged(signed(), body=body).ok


def test_a_large_body_costs_no_more_than_its_signatures():
    body = b'{"text":"' + b"a" * 5_000_000 + b'"}'
    began = time.process_time()
    assert not judged(signed(body=body), secrets=[STRANGE], body=body).ok
    assert judged(signed(body=body), body=body).ok
    assert time.process_time() - began < 5


def test_the_words_never_hold_a_secret():
    for secrets in ([SECRET], [STRANGE], [SECRET + "\n"], ["whsec_•••"], [f"X={SECRET}"]):
        text = repr(judged(signed([SECRET, PREVIOUS]), secrets=secrets))
        assert SECRET[6:20] not in text
        assert STRANGE[6:20] not in text


def test_the_golden_request_is_judged_genuine():
    golden = Path(__file__).parents[1] / "golden"
    lines = (golden / "webhook-headers-rotation.txt").read_text(encoding="utf-8").splitlines()
    pairs = [(k, v) for k, _, v in (line.partition(": ") for line in lines)]
    body = (golden / "webhook-sms.json").read_bytes()
    assert diagnose([SECRET, PREVIOUS], body, pairs, NOW * 1000).ok
