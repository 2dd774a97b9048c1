"""Bytes to named values: charsets, escapes, content types that lie, and bodies that break."""

from __future__ import annotations

import contextlib
import json

import pytest

from mmconnect.phones.apps.body import decode
from mmconnect.phones.apps.wire import Unreadable
from mmconnect.phones.push import Push
from tests.support import phones

JSON, FORM = phones.JSON, phones.FORM


def push(
    body: bytes, content_type: str = JSON, query: dict[str, str] | None = None, **headers: str
) -> Push:
    sent = {"Content-Type": content_type} if content_type else {}
    named = {f"X-SMS-{name.title()}": value for name, value in headers.items()}
    return phones.as_push(sent | named, body, query)


def value(body: bytes, content_type: str = JSON, **more: str) -> object:
    return decode(push(body, content_type, None, **more)).value


def reason(pushed: Push) -> str:
    with pytest.raises(Unreadable) as problem:
        decode(pushed)
    return str(problem.value)


# JSON


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (rb"a \u0026 b \u003cok\u003e \u0027 \u003d", "a & b <ok> ' ="),
        (rb"\ud83d\udc4b", "👋"),
        (rb"\uD83D\uDC4B", "👋"),
        (rb"x\ud83dy", "x\ufffdy"),
        (rb"x\uDC4By", "x\ufffdy"),
        (rb"\udc4b\ud83d", "\ufffd\ufffd"),
        (rb"\ud83d\ud83d\udc4b", "\ufffd👋"),
        (rb"\\ud83d", "\\ud83d"),
        (b"two\nlines\tand\x00\x1f control", "two\nlines\tand\x00\x1f control"),
        (rb"\u0000\u001f\u007f", "\x00\x1f\x7f"),
        ("مرحبا 👋🏽".encode(), "مرحبا 👋🏽"),
        (b"caf\xe9", "caf\ufffd"),
        (b"\xed\xa0\xbd", "\ufffd\ufffd\ufffd"),
        (b"a" * 1600, "a" * 1600),
    ],
)
def test_strings_in_json(raw: bytes, text: str) -> None:
    got = value(b'{"t":["' + raw + b'",{"t":"' + raw + b'"}]}')
    assert got == {"t": [text, {"t": text}]}
    json.dumps(got, ensure_ascii=False).encode()


def test_lone_surrogates_in_names() -> None:
    assert value(rb'{"a\ud800":1}') == {"a\ufffd": 1}
    assert "twice" in reason(push(rb'{"a\ud800":1,"a\udfff":2}'))


def test_nan_and_friends_do_no_harm() -> None:
    got = value(b'{"a":Infinity,"b":-0,"c":1e999,"text":"x"}')
    assert isinstance(got, dict)
    assert got["text"] == "x"


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":1}',
        b'{"x":{"a":1,"b":2,"a":3}}',
        b'[{"x":[{"a":1,"a":2}]}]',
        rb'{"a":1,"\u0061":2}',
    ],
)
def test_a_name_twice_in_any_object(body: bytes) -> None:
    assert "the name a twice" in reason(push(body))
    with pytest.raises(Unreadable) as problem:
        decode(push(body))
    assert problem.value.twice


def test_many_names_and_one_of_them_twice_is_quick() -> None:
    names = ",".join(f'"n{n}":1' for n in range(200_000))
    assert "n199999 twice" in reason(push(f'{{{names},"n199999":2}}'.encode()))


def test_what_a_reason_shows_is_never_content() -> None:
    told = reason(push(b'{"your code is 1234":1,"your code is 1234":2}'))
    assert "1234" not in told
    assert "1234" not in reason(push(b'{"text":"1234"'))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "empty"),
        (b"   \n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"{", "not valid JSON"),
        (b'{"text":"a"} x', "not valid JSON"),
        (b'{"text":"a" "b"}', "not valid JSON"),
        (b"{'text':'a'}", "not valid JSON"),
        (b'{"a":' + b"[" * 100_000, "nested too deeply"),
        (b'{"a":' + b'{"a":' * 100_000, "nested too deeply"),
        (b'{"a":' + b"1" * 5000 + b"}", "thousands of digits"),
        (b"\x00\x01\x02", "not valid JSON"),
    ],
)
def test_broken_json(body: bytes, says: str) -> None:
    assert says in reason(push(body))


@pytest.mark.parametrize("depth", range(100, 1000, 25))
def test_nesting_that_parses_but_may_be_too_deep_to_mend(depth: int) -> None:
    body = b'{"t":"\\ud800","a":' + b"[" * depth + b"]" * depth + b"}"
    with contextlib.suppress(Unreadable):
        assert dict(decode(push(body)).value)["t"] == "\ufffd"  # type: ignore[call-overload]


# charsets


@pytest.mark.parametrize(
    ("charset", "codec"),
    [
        ("utf-8", "utf-8"),
        ("UTF-8", "utf-8"),
        ("us-ascii", "utf-8"),
        ("iso-8859-1", "latin-1"),
        ("windows-1252", "cp1252"),
        ("utf-16", "utf-16"),
        ("utf-16le", "utf-16-le"),
        ("nonsense", "utf-8"),
        ("hex", "utf-8"),
        ("idna", "utf-8"),
        ("punycode", "utf-8"),
        ("undefined", "utf-8"),
        ("unicode_escape", "utf-8"),
        ("é\x00", "utf-8"),
    ],
)
def test_declared_charsets(charset: str, codec: str) -> None:
    body = '{"text":"Tür"}'.encode(codec)
    assert value(body, f"{JSON}; charset={charset}") == {"text": "Tür"}
    assert value("Tür".encode(codec), f"text/plain; charset={charset}", **{"from": "1"}) == {
        "from": "1",
        "text": "Tür",
    }


def test_chinese_forms_in_their_own_charset() -> None:
    body = b"from=%2B1&text=%C4%E3%BA%C3"
    assert value(body, f"{FORM}; charset=gbk") == {"from": "+1", "text": "你好"}


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32-le"])
def test_undeclared_encodings_of_json(codec: str) -> None:
    assert value('{"text":"Tür"}'.encode(codec)) == {"text": "Tür"}


def test_utf7_cannot_bring_in_surrogates() -> None:
    got = value(b'{"t":"+2AA-"}', f"{JSON}; charset=utf-7")
    json.dumps(got, ensure_ascii=False).encode()


# content types


@pytest.mark.parametrize(
    "content_type",
    ["", JSON, "text/json", "application/cloudevents+json", "text/plain", FORM, "image/png", "x"],
)
@pytest.mark.parametrize("before", [b"", b" \r\n", b"\xef\xbb\xbf"])
def test_json_is_seen_for_what_it_is(content_type: str, before: bytes) -> None:
    assert value(before + b'{"from":"+1","text":"a=b&c"}', content_type) == {
        "from": "+1",
        "text": "a=b&c",
    }


@pytest.mark.parametrize("content_type", ["", JSON, "text/plain", FORM, "application/octet-stream"])
def test_so_are_forms(content_type: str) -> None:
    body = b"from=%2B1&text=caf%C3%A9+%26+%F0%9F%91%8B&empty="
    assert value(body, content_type) == {"from": "+1", "text": "café & 👋", "empty": ""}


def test_a_guessed_form_is_marked_as_such() -> None:
    assert decode(push(b"a=1", "")).guessed
    assert not decode(push(b"a=1", FORM)).guessed


@pytest.mark.parametrize("body", [b"a=1&b=2&a=3", b"a=1&a=1", b"a&a", b"a=1&%61=2"])
def test_a_name_twice_in_a_form(body: bytes) -> None:
    assert "the name a twice" in reason(push(body, FORM))


def test_a_form_of_too_many_fields() -> None:
    body = "&".join(f"a{n}=1" for n in range(1001)).encode()
    assert "more than 1000 fields" in reason(push(body, FORM))


# plain text


@pytest.mark.parametrize("content_type", ["text/plain", "", FORM, "application/octet-stream"])
@pytest.mark.parametrize(
    "words", ["hello", '{"from":"BANK"}', "[x]", "from=BANK&text=x", "a\x00b\n", "", " x \n"]
)
def test_raw_mode_takes_the_body_as_it_is(content_type: str, words: str) -> None:
    raw = {"from": "+15550100", "time": "1767225599", "to": "+1", "id": "7", "sim": "2"}
    assert value(words.encode(), content_type, **raw) == raw | {"text": words}


def test_raw_mode_by_query() -> None:
    for words in ("hello", "{x", "a=b"):
        got = decode(push(words.encode(), "text/plain", {"from": "+1", "id": "7"})).value
        assert got == {"from": "+1", "id": "7", "text": words}


def test_words_that_look_like_a_form_beside_a_named_sender() -> None:
    assert decode(push(b"a=b", "", {"from": "+1"})).value == {"from": "+1", "text": "a=b"}
    assert value(b"hello", "") == {"text": "hello"}


def test_the_header_of_raw_mode_beats_every_type_but_multipart() -> None:
    assert value(b'{"a":1}', JSON, **{"from": "+2"}) == {"from": "+2", "text": '{"a":1}'}
    headers, body = phones.generic_multipart({"text": "hi"})
    assert decode(phones.as_push(headers | {"X-SMS-From": "+2"}, body)).value == {"text": "hi"}


def test_a_header_wins_over_the_query() -> None:
    got = decode(push(b"x", "text/plain", {"from": "+1"}, **{"from": "+2"})).value
    assert got == {"from": "+2", "text": "x"}


def test_everything_may_stand_in_the_query() -> None:
    for content_type in ("", FORM, JSON):
        got = decode(push(b"", content_type, {"from": "+1", "text": "hi"})).value
        assert got == {"from": "+1", "text": "hi"}


def test_a_query_about_other_things_does_not_make_json_plain() -> None:
    assert decode(push(b'{"a":1}', "text/plain", {"phone": ""})).value != {"a": 1}
    assert decode(push(b'{"a":1}', "text/plain", {"v": "2"})).value == {"a": 1}


def test_header_bytes_that_are_no_utf8() -> None:
    assert value(b"x", "text/plain", **{"from": "caf\udce9"}) == {"from": "caf\ufffd", "text": "x"}
