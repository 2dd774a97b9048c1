"""The address rule: what may be connected to, in every notation that leads there."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmconnect.webhook.addresses import (
    ALLOWED,
    DENIED,
    Address,
    AddressRule,
    is_private,
    listeners,
)

RULE = AddressRule()

GOOD = [
    "127.0.0.1",
    "127.8.9.10",
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.254",
    "192.168.1.10",
    "100.64.0.1",
    "100.127.255.254",
    "::1",
    "fd00::1",
    "fc00:1::2",
    "93.184.216.34",
    "100.128.0.1",
    "172.32.0.1",
    "2606:2800:220:1::1",
    "::ffff:192.168.1.10",
    "64:ff9b::5db8:d822",
    "64:ff9b:1::c0a8:101",
    "2002:5db8:d822::1",
    "192.168.1.255",
]
BAD = {
    "169.254.169.254": "credentials",
    "100.100.100.200": "credentials",
    "192.0.0.192": "credentials",
    "fd00:ec2::254": "credentials",
    "fd20:ce::254": "credentials",
    "169.254.1.1": "link-local",
    "fe80::1": "link-local",
    "fe80::1%2": "link-local",
    "febf::1": "link-local",
    "0.0.0.0": "unspecified",
    "0.1.2.3": "unspecified",
    "::": "unspecified",
    "224.0.0.1": "multicast",
    "239.255.255.250": "multicast",
    "ff02::1": "multicast",
    "255.255.255.255": "broadcast",
    "240.0.0.1": "reserved",
    # the same, carried by others
    "::ffff:169.254.169.254": "credentials",
    "::ffff:0.0.0.0": "unspecified",
    "::169.254.169.254": "credentials",
    "::ffff:0:a9fe:a9fe": "credentials",
    "64:ff9b::a9fe:a9fe": "credentials",
    "64:ff9b::e000:1": "multicast",
    "64:ff9b:1::a9fe:a9fe": "credentials",
    "64:ff9b:1:a9fe:a9:fe00::": "credentials",  # RFC 6052 with a prefix of 48 bits,
    "64:ff9b:1:42a9:fe:a9fe::": "credentials",  # of 56,
    "64:ff9b:1:42:a9:fea9:fe00:0": "credentials",  # and of 64
    "2002:a9fe:a9fe::1": "credentials",
    "2001:0:5db8:d822:0:0:5601:5601": "credentials",  # Teredo: the client's address, inverted
    "2001:0:a9fe:a9fe::5601": "credentials",
}


@pytest.mark.parametrize("ip", GOOD)
def test_what_receivers_have_is_allowed(ip: str):
    assert RULE.refusal(ip, 443) is None


@pytest.mark.parametrize(("ip", "what"), BAD.items())
def test_what_no_receiver_has_is_refused_in_words(ip: str, what: str):
    sentence = RULE.refusal(ip, 443)
    assert sentence is not None
    assert what in sentence
    assert "Change the endpoint's URL" in sentence or f"“{ALLOWED}”" in sentence


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_judged_like_the_address(ip: IPv4Address):
    for rule in (RULE, AddressRule(deny=(ip_network("10.0.0.0/8"),))):
        assert rule.refusal(str(ip), 80) == rule.refusal(f"::ffff:{ip}", 80)
    assert is_private(str(ip)) == is_private(f"::ffff:{ip}")


@given(st.ip_addresses(v=4).filter(lambda ip: RULE.refusal(str(ip), 80) is not None))
def test_no_notation_gets_round_it(ip: IPv4Address):
    number = int(ip)
    for start in ("::ffff:0:0", "::ffff:0:0:0", "64:ff9b::", "64:ff9b:1::"):
        if number >> 24 or start != "64:ff9b:1::":  # 0.x.x.x is no reading of the last
            carried = IPv6Address(int(IPv6Address(start)) | number)
            assert RULE.refusal(str(carried), 80) is not None
    assert RULE.refusal(str(IPv6Address((0x2002 << 112) | (number << 80))), 80) is not None
    teredo = (0x20010000 << 96) | (0x5DB8D822 << 64) | (number ^ 0xFFFFFFFF)
    assert RULE.refusal(str(IPv6Address(teredo)), 80) is not None


@given(st.ip_addresses(), st.integers(min_value=1, max_value=65535))
def test_any_address_is_judged(ip: IPv4Address | IPv6Address, port: int):
    sentence = RULE.refusal(str(ip), port)
    assert sentence is None or sentence.startswith(
        str(ip.ipv4_mapped or ip if ip.version == 6 else ip)
    )
    is_private(str(ip))


# -- the settings --------------------------------------------------------------------------------


def test_denied_networks_are_refused_and_the_setting_is_named():
    rule = AddressRule(deny=(ip_network("192.168.7.0/24"), ip_network("fd00::/8")))
    sentence = rule.refusal("192.168.7.9", 80)
    assert sentence is not None
    assert "192.168.7.9" in sentence
    assert "192.168.7.0/24" in sentence
    assert DENIED in sentence
    assert rule.refusal("fd00::1", 80) is not None
    assert rule.refusal("64:ff9b::c0a8:709", 80) is not None
    assert rule.refusal("192.168.8.9", 80) is None


def test_allowed_networks_come_before_denied_and_refused_ones():
    rule = AddressRule(
        allow=(ip_network("192.168.7.9/32"), ip_network("169.254.0.0/16")),
        deny=(ip_network("192.168.0.0/16"),),
    )
    assert rule.refusal("192.168.7.9", 80) is None
    assert rule.refusal("::ffff:192.168.7.9", 80) is None
    assert rule.refusal("192.168.7.8", 80) is not None
    assert rule.refusal("169.254.169.254", 80) is None
    assert rule.refusal("64:ff9b::a9fe:a9fe", 80) is not None, "only itself, not what leads there"


@pytest.mark.parametrize("ip", ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255"])
def test_nothing_allows_what_is_no_receiver(ip: str):
    everything = AddressRule(allow=(ip_network("0.0.0.0/0"), ip_network("::/0")))
    assert everything.refusal(ip, 80) is not None


HERE: tuple[Address, ...] = (ip_address("192.168.1.5"), ip_address("fd00::5"))


@pytest.mark.parametrize(
    "ip",
    ["127.0.0.1", "127.0.0.2", "::1", "192.168.1.5", "fd00::5", "::ffff:192.168.1.5"],
)
def test_mmconnect_does_not_send_to_itself(ip: str):
    rule = AddressRule(
        own=listeners(["0.0.0.0:8480", "[::]:8481"]),
        local=lambda: HERE,
        allow=(ip_network("0.0.0.0/0"), ip_network("::/0")),
    )
    for port in (8480, 8481):
        sentence = rule.refusal(ip, port)
        assert sentence is not None
        assert "mmconnect itself" in sentence
    assert rule.refusal(ip, 8482) is None
    assert rule.refusal("192.168.1.6", 8480) is None


def test_a_listener_on_one_address_is_itself_only_there():
    rule = AddressRule(own=listeners(["127.0.0.1:8480", "[::1]:8480"]), local=lambda: HERE)
    assert rule.refusal("127.0.0.1", 8480) is not None
    assert rule.refusal("::1", 8480) is not None
    assert rule.refusal("192.168.1.5", 8480) is None


def test_rules_that_allow_the_same_are_equal():
    one, other = (AddressRule(deny=(ip_network("10.0.0.0/8"),)) for _ in range(2))
    assert one == other
    assert one != RULE


@pytest.mark.parametrize(
    ("ip", "private"),
    [
        ("127.0.0.1", True),
        ("10.0.0.1", True),
        ("100.64.0.1", True),
        ("192.168.1.1", True),
        ("169.254.1.1", True),
        ("::1", True),
        ("fd00::1", True),
        ("fe80::1%2", True),
        ("::ffff:10.0.0.1", True),
        ("64:ff9b::a00:1", True),
        ("64:ff9b:1::a00:1", True),
        ("93.184.216.34", False),
        ("100.63.255.255", False),
        ("100.128.0.0", False),
        ("172.32.0.1", False),
        ("::ffff:93.184.216.34", False),
        ("64:ff9b::5db8:d822", False),
        ("2002:a00:1::", False),
        ("2606:2800:220:1::1", False),
    ],
)
def test_what_is_private(ip: str, private: bool):
    assert is_private(ip) is private
