"""Which names are this machine's, which requests come from another site, and who has to wait."""

from __future__ import annotations

import pytest

from mmconnect.web.hosts import from_elsewhere, is_local
from mmconnect.web.markup import prose, with_code
from mmconnect.web.throttle import Throttle


@pytest.mark.parametrize(
    "host",
    [
        *("192.168.1.20", "192.168.1.20:8481", "[::1]:8481", "[fd00::1]", "::1"),
        *("localhost", "localhost:1", "pi", "my_pi-4", "pi.local", "PI.LOCAL.", "pi.lan:80"),
        *("pi.home.arpa", "pi.fritz.box", "a.b.local"),
    ],
)
def test_addresses_and_local_names(host: str):
    assert is_local(host) == (host != "::1")  # an address of six has brackets


@pytest.mark.parametrize(
    "host",
    [
        *(None, "", ":80", "evil.example", "local.evil.example", "192.168.1.20.evil.example"),
        *("evil.example.", "pi.local.evil", "pi:80@evil.example", "pi/evil", "pi.local:x", "[::1"),
        *("[evil]", "[::1]x", "ℙi", "x..local", "fritz.box.evil.example", "a b"),
    ],
)
def test_names_from_the_internet_and_nonsense(host: str | None):
    assert not is_local(host)


@pytest.mark.parametrize(
    ("headers", "elsewhere"),
    [
        ({}, False),
        ({"Origin": "http://pi:8481"}, False),
        ({"Origin": "https://PI:8481"}, False),
        ({"Origin": "http://pi"}, True),
        ({"Origin": "http://pi:8482"}, True),
        ({"Origin": "null"}, True),
        ({"Origin": ""}, True),
        ({"Origin": "file://pi:8481"}, True),
        ({"Sec-Fetch-Site": "same-origin"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, True),
        ({"Origin": "http://pi:8481", "Sec-Fetch-Site": "Cross-Site"}, True),
    ],
)
def test_what_another_sites_page_has_sent(headers: dict[str, str], elsewhere: bool):
    assert from_elsewhere({"Host": "pi:8481", **headers}) == elsewhere


def test_sentences_are_escaped_and_then_marked():
    told = prose("<b> `a*b*<i>` *press* **now** & `c`")
    assert told == (
        "&lt;b&gt; <code>a*b*&lt;i&gt;</code> <em>press</em> <strong>now</strong> &amp;"
        " <code>c</code>"
    )
    assert with_code("<b> `<i>` *x*") == "&lt;b&gt; <code>&lt;i&gt;</code> *x*"


def test_asking_how_long_to_wait_counts_nothing():
    throttle = Throttle(most=2, window=60.0)
    for _ in range(5):
        assert throttle.wait("a", 0.0) == 0.0
    throttle.fail("a", 0.0)
    assert throttle.wait("a", 1.0) == 0.0
    throttle.fail("a", 1.0)
    assert throttle.wait("a", 10.0) == 50.0
    assert throttle.wait("b", 10.0) == 0.0
    assert throttle.wait("a", 60.0) == 0.0
