"""The owner's own headers: what may be saved can be sent, and nothing else may be."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmconnect.webhook import headers, signing

SECRET = "whsec_bW1jb25uZWN0LWdvbGRlbi1zZWNyZXQtMzItYnl0ZXM="


@pytest.mark.parametrize(
    "given",
    [
        ("Authorization", "Bearer abc.def=="),
        ("X-Api-Key", "k"),
        ("cookie", "a=b; c=d"),
        ("x!#$%&'*+-.^_`|~9", "any token will do"),
        ("X-Umlaut", "Zimmer Süd \xa0 ÿ"),
        ("X-Webhook-Source", "mm"),
        ("X-Long", "v" * headers.LONGEST_VALUE),
    ],
)
def test_what_may_be_saved(given: tuple[str, str]):
    assert headers.validate([given]) == []
    assert not headers.is_ours(given[0])


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("", "v", "not a header's name"),
        ("X Y", "v", "not a header's name"),
        ("X:Y", "v", "not a header's name"),
        ("X-Ü", "v", "not a header's name"),
        ("X\r\nY", "v", "not a header's name"),
        ("X" * 129, "v", "not a header's name"),
        ("X", "a\r\nY: b", "line end"),
        ("X", "a\nb", "line end"),
        ("X", "a\x00b", "control character"),
        ("X", "a\tb", "control character"),
        ("X", "a\x7fb", "control character"),
        ("X", "a\x85b", "control character"),
        ("X", "Дом", "Latin-1"),
        ("X", "🏠", "Latin-1"),
        ("X", "\ud800", "Latin-1"),
        ("X", " a", "begins or ends with a blank"),
        ("X", "a ", "begins or ends with a blank"),
        ("X", "", "has no value"),
        ("X", "v" * 4097, "has 4097 bytes; 4096 are the most"),
    ],
)
def test_what_cannot_be_sent_is_refused_without_showing_the_value(name: str, value: str, says: str):
    (fault,) = headers.validate([(name, value)])
    assert says in fault
    assert len(value) < 3 or value not in fault


def test_what_mmconnect_sends_is_its_own():
    sent = signing.signature_headers([SECRET, SECRET], "msg_1", 1, b"{}")
    ours = [*sent, signing.ATTEMPT, signing.DELIVERY, "webhook-x"]
    assert signing.PREVIOUS_SIGNATURE in sent
    for name in [*ours, "X-MMConnect-Anything"]:
        for written in (name, name.lower(), name.upper()):
            (fault,) = headers.validate([(written, "v")])
            assert "is set by mmconnect itself" in fault


@pytest.mark.parametrize(
    "name",
    [
        "Content-Type",
        "User-Agent",
        "Host",
        "content-length",
        "Transfer-Encoding",
        "Connection",
        "Expect",
        "TE",
        "Upgrade",
        "Trailer",
        "Keep-Alive",
        "Proxy-Connection",
        "Content-Encoding",
        "Accept-Encoding",
    ],
)
def test_what_is_https_own(name: str):
    (fault,) = headers.validate([(name, "v")])
    assert "belongs to HTTP itself" in fault


def test_names_are_the_same_in_any_case():
    assert "'x-a' is there twice" in headers.validate([("X-A", "1"), ("x-a", "2")])


def test_there_are_not_too_many():
    many = [(f"X-{n}", "v") for n in range(headers.MOST + 1)]
    assert headers.validate(many) == ["There are 21 headers; 20 are the most"]
    assert headers.validate(many[1:]) == []


tokens = st.text("!#$%&'*+-.^_`|~" + string.ascii_letters + string.digits, min_size=1, max_size=20)


@given(name=st.one_of(st.text(max_size=30), tokens), value=st.text(max_size=60))
def test_what_passes_makes_exactly_one_line(name: str, value: str):
    if headers.validate([(name, value)]):
        return
    line = f"{name}: {value}\r\n".encode("latin-1")
    assert line.count(b"\n") == line.count(b"\r") == 1
    assert line.index(b":") == len(name)
    assert line.isascii() or all(byte >= 0xA0 or 0x20 <= byte < 0x7F for byte in line[:-2])
