"""The request: its lines are those it is meant to have, or there is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmconnect import __version__
from mmconnect.delivery.route import Unsendable, Way, route
from mmconnect.webhook.outcome import Trouble

BODY = b'{"text":"\xc3\xa4"}'


def lines(url: str, headers: dict[str, str]) -> list[str]:
    request = route(Way(url=url)).request(headers, BODY)
    head, _, body = request.partition(b"\r\n\r\n")
    assert body == BODY
    return head.decode("latin-1").split("\r\n")


def test_the_whole_request():
    assert lines(
        "http://h.example/hook?a=1#part", {"webhook-id": "msg_1", "X-Mine": "caf\xe9"}
    ) == [
        "POST /hook?a=1 HTTP/1.1",
        "Host: h.example",
        f"User-Agent: mmconnect/{__version__}",
        "Content-Type: application/json",
        f"Content-Length: {len(BODY)}",
        "webhook-id: msg_1",
        "X-Mine: caf\xe9",
    ]
    assert len(lines("http://h.example", {})) == 5


@pytest.mark.parametrize(
    ("url", "first", "host"),
    [
        ("http://h.example", "POST / HTTP/1.1", "h.example"),
        ("http://h.example?a=b", "POST /?a=b HTTP/1.1", "h.example"),
        ("http://h.example:80/", "POST / HTTP/1.1", "h.example"),
        ("https://h.example:443/", "POST / HTTP/1.1", "h.example"),
        ("https://h.example:80/", "POST / HTTP/1.1", "h.example:80"),
        ("http://H.Example:8123/A", "POST /A HTTP/1.1", "h.example:8123"),
        ("http://[fd00::1]:8123/", "POST / HTTP/1.1", "[fd00::1]:8123"),
        ("http://[fd00::1]/", "POST / HTTP/1.1", "[fd00::1]"),
        (
            "http://bücher.example/ä b?q=ü",
            "POST /%C3%A4%20b?q=%C3%BC HTTP/1.1",
            "xn--bcher-kva.example",
        ),
        ("http://h.example/a%2Fb?c=%2B", "POST /a%2Fb?c=%2B HTTP/1.1", "h.example"),
        ("http://me:pw@h.example/", "POST / HTTP/1.1", "h.example"),
        ("http://h.example/a\r\nX-B: b", "POST /aX-B:%20b HTTP/1.1", "h.example"),
    ],
)
def test_where_it_goes(url: str, first: str, host: str):
    told = lines(url, {})
    assert told[:2] == [first, f"Host: {host}"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://me:p%40ss@h/", ["Authorization: Basic bWU6cEBzcw=="]),
        ("http://me@h/", ["Authorization: Basic bWU6"]),
        ("http://:key@h/", ["Authorization: Basic OmtleQ=="]),
        ("http://h/", []),
    ],
)
def test_a_name_and_a_password_in_the_url(url: str, expected: list[str]):
    assert lines(url, {})[5:] == expected


def test_an_authorization_of_the_owners_goes_before_the_urls():
    told = lines("http://me:pw@h/", {"authorization": "Bearer x"})
    assert [line for line in told if line.lower().startswith("authorization")] == [
        "authorization: Bearer x"
    ]


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ({"X-A": "a\r\nX-B: b"}, "X-A"),
        ({"X-A": "a\nX-B: b"}, "X-A"),
        ({"X-Ok": "1", "X-A": "a\r"}, "X-A"),
        ({"X-A": "\0"}, "X-A"),
        ({"X-A": "\u20ac"}, "X-A"),
        ({"X-A": "\U0001f600"}, "X-A"),
        ({"X-A": "\udcff"}, "X-A"),
        ({"X A": "a"}, "X A"),
        ({"X-A\r\nX-B": "a"}, "X-A"),
        ({"X-A: b": "a"}, "X-A"),
        ({"": "a"}, "''"),
        ({"X-\xe4": "a"}, "X-"),
        ({"Host": "a"}, "Host"),
        ({"content-length": "1"}, "content-length"),
        ({"Transfer-Encoding": "chunked"}, "Transfer-Encoding"),
        ({"connection": "close"}, "connection"),
        ({"Content-Type": "text/plain"}, "Content-Type"),
    ],
)
def test_a_header_that_cannot_be_sent_is_named(headers: dict[str, str], named: str):
    with pytest.raises(Unsendable) as caught:
        lines("http://h/", headers)
    assert caught.value.trouble is Trouble.BAD_HEADER
    assert named in caught.value.detail
    assert "X-B: b" not in caught.value.detail, "values may be secret"


@given(
    st.dictionaries(st.text(max_size=5) | st.sampled_from(["X-A", "X-B"]), st.text(max_size=10)),
    st.text(max_size=10),
)
def test_no_header_and_no_path_makes_another_line(headers: dict[str, str], path: str):
    try:
        told = lines(f"http://h/{path}", headers)
    except Unsendable:
        return
    assert told[5:] == [f"{name}: {value}" for name, value in headers.items()]
    assert told[0].startswith("POST /")
    assert told[0].count(" ") == 2
    assert not any(c in line for line in told for c in "\r\n\0")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hook",
        "ftp://h/",
        "http://",
        "http:///x",
        "http://h:0/",
        "https://.h/",
        "http://a b/",
        "//h/",
    ],
)
def test_urls_that_cannot_be_used(url: str):
    with pytest.raises(Unsendable) as caught:
        route(Way(url=url))
    assert caught.value.trouble is Trouble.BAD_URL
    assert caught.value.detail
