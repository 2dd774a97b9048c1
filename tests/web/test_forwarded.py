"""Who really asks: proxies are walked from the right, and nobody else is believed."""

from __future__ import annotations

import time

import pytest
from multidict import CIMultiDict

from mmconnect.web.forwarded import MOST_HOPS, Client, client, is_loopback, networks, plain

TRUSTED = networks(["10.0.0.0/8", "fd00::/8", "127.0.0.1"])


def asked(remote: str, *headers: tuple[str, str], trusted: object = TRUSTED) -> Client:
    given = CIMultiDict([("Host", "mm.local:8480"), *headers])
    return client(remote, given, secure=False, trusted=trusted)  # type: ignore[arg-type]


def for_(value: str) -> tuple[str, str]:
    return ("X-Forwarded-For", value)


def test_without_a_proxy() -> None:
    told = asked("192.0.2.7")
    assert told == Client(address="192.0.2.7", scheme="http", host="mm.local:8480")
    assert client("::ffff:192.0.2.7", {"Host": "x"}, secure=True).scheme == "https"
    assert client("::ffff:192.0.2.7", {"Host": "x"}, secure=True).address == "192.0.2.7"


@pytest.mark.parametrize(
    ("remote", "chain", "who"),
    [
        ("10.0.0.5", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.5", "198.51.100.1:4711", "198.51.100.1"),
        ("10.0.0.5", "1.1.1.1, 198.51.100.1", "198.51.100.1"),  # the left one was made up
        ("10.0.0.5", "127.0.0.1, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.5", "198.51.100.1, 10.0.0.9", "198.51.100.1"),
        ("10.0.0.5", "1.1.1.1, 198.51.100.1, 10.0.0.9, 10.0.0.8", "198.51.100.1"),
        ("10.0.0.5", "10.0.0.9", "10.0.0.9"),  # the proxy's own machine looks
        ("10.0.0.5", "unknown", "10.0.0.5"),
        ("10.0.0.5", "198.51.100.1, unknown", "10.0.0.5"),
        ("10.0.0.5", "198.51.100.1, junk, 10.0.0.9", "10.0.0.9"),
        ("10.0.0.5", "", "10.0.0.5"),
        ("10.0.0.5", " , ,", "10.0.0.5"),
        ("::ffff:10.0.0.5", "::ffff:198.51.100.1", "198.51.100.1"),
        ("fd00::5", "[2001:db8::1]:80", "2001:db8::1"),
        ("fd00::5", "2001:db8::1", "2001:db8::1"),
        ("fd00::5%eth0", "2001:db8::1", "2001:db8::1"),
    ],
)
def test_the_way_is_walked_from_the_right(remote: str, chain: str, who: str) -> None:
    assert asked(remote, for_(chain)).address == who


def test_several_headers_are_one_way_in_their_order() -> None:
    told = asked("10.0.0.5", for_("1.1.1.1"), for_("198.51.100.1"), for_("10.0.0.9"))
    assert told.address == "198.51.100.1"


@pytest.mark.parametrize(
    "header",
    [
        for_("198.51.100.1"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "evil.example"),
        ("Forwarded", "for=198.51.100.1;proto=https;host=evil.example"),
    ],
)
def test_nobody_else_is_believed_but_it_is_noticed(header: tuple[str, str]) -> None:
    for trusted in (TRUSTED, ()):
        assert asked("192.0.2.7", header, trusted=trusted) == Client(
            address="192.0.2.7", scheme="http", host="mm.local:8480", untrusted="192.0.2.7"
        )


@pytest.mark.parametrize(
    ("chain", "schemes", "scheme"),
    [
        ("198.51.100.1", "https", "https"),
        ("198.51.100.1", "HTTPS", "https"),
        ("198.51.100.1", "https, http", "http"),  # the left one was sent by the client
        ("198.51.100.1, 10.0.0.9", "https, http", "https"),  # TLS at the outer one
        ("198.51.100.1, 10.0.0.9", "https", "https"),
        ("1.1.1.1, 198.51.100.1, 10.0.0.9", "http, https, http", "https"),
        ("198.51.100.1", "gopher", "http"),
        ("198.51.100.1", "", "http"),
    ],
)
def test_the_scheme_is_what_the_outermost_trusted_proxy_saw(
    chain: str, schemes: str, scheme: str
) -> None:
    told = asked("10.0.0.5", for_(chain), ("X-Forwarded-Proto", schemes))
    assert (told.scheme, told.address) == (scheme, "198.51.100.1")


@pytest.mark.parametrize(
    ("host", "seen"),
    [
        ("mm.example.org", "mm.example.org"),
        ("mm.example.org:8443", "mm.example.org:8443"),
        ("[2001:db8::1]:8443", "[2001:db8::1]:8443"),
        ("evil.example, mm.example.org", "mm.example.org"),
        ("a b", "mm.local:8480"),
        ("user@evil.example", "mm.local:8480"),
        ("evil.example/x", "mm.local:8480"),
    ],
)
def test_the_host_is_what_the_browser_asked_the_proxy_for(host: str, seen: str) -> None:
    told = asked("10.0.0.5", for_("198.51.100.1"), ("X-Forwarded-Host", host))
    assert (told.host, told.proxied) == (seen, True)


def test_scheme_and_host_without_an_address() -> None:
    told = asked("10.0.0.5", ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "mm.example.org"))
    assert told == Client(address="10.0.0.5", scheme="https", host="mm.example.org", proxied=True)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("for=198.51.100.1;proto=https;host=mm.example.org", ("198.51.100.1", "https")),
        ('For="[2001:db8::1]:4711";Proto=https', ("2001:db8::1", "https")),
        ("for=1.1.1.1;proto=https, for=198.51.100.1;proto=http", ("198.51.100.1", "http")),
        ("for=198.51.100.1;proto=https, for=10.0.0.9", ("198.51.100.1", "https")),
        ("for=_hidden;proto=https", ("10.0.0.5", "https")),
        ('for=198.51.100.1;host="a, for=1.1.1.1"', ("198.51.100.1", "http")),
        ('for="198.51.100.1', ("10.0.0.5", "http")),
        ("nonsense", ("10.0.0.5", "http")),
    ],
)
def test_the_standard_header(header: str, expected: tuple[str, str]) -> None:
    told = asked("10.0.0.5", ("Forwarded", header))
    assert (told.address, told.scheme) == expected


def test_two_stories_have_to_agree() -> None:
    usual = for_("198.51.100.1")
    lie = ("Forwarded", "for=1.1.1.1;proto=https;host=evil.example")
    told = asked("10.0.0.5", usual, lie)
    assert told == Client(address="10.0.0.5", scheme="http", host="mm.local:8480", proxied=True)
    same = asked("10.0.0.5", usual, ("Forwarded", "for=198.51.100.1"))
    assert same.address == "198.51.100.1"


def test_a_way_without_end_is_bounded() -> None:
    long = ", ".join(["198.51.100.1", *["10.0.0.9"] * 5000])
    assert asked("10.0.0.5", for_(long)).address == "10.0.0.9"
    exactly = ", ".join(["198.51.100.1", *["10.0.0.9"] * (MOST_HOPS - 1)])
    assert asked("10.0.0.5", for_(exactly)).address == "198.51.100.1"
    begun = time.process_time()
    for nasty in ('"\\' * 4000, '"' * 8001, 'for="\\\\' * 1000, ",;" * 4000):
        asked("10.0.0.5", ("Forwarded", nasty))
    assert time.process_time() - begun < 1


def test_addresses_are_written_one_way() -> None:
    assert plain("[::1]:80") == "::1"
    assert plain("192.0.2.7:80") == "192.0.2.7"
    assert plain("::ffff:192.0.2.7") == "192.0.2.7"
    assert plain("fe80::1%eth0") == "fe80::1"
    assert is_loopback("127.8.9.1")
    assert is_loopback("::ffff:127.0.0.1")
    assert not is_loopback("192.0.2.7")
    assert not is_loopback(None)
