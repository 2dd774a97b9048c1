"""Addresses that people are shown, on real interfaces in network namespaces of their own."""

from __future__ import annotations

import json

import pytest

from mmconnect.service.addresses import bases, own_addresses, reachable
from tests.support.netns import inside, needs_netns

_CODE = """
import json, sys
from mmconnect.service.addresses import own_addresses, reachable
from tests.support.netns import interface, ip
ip("link", "set", "lo", "up")
for words in json.loads(sys.argv[1]):
    interface(words[0], *words[1:-1], kind=words[-1])
for words in json.loads(sys.argv[2]):
    ip(*words)
print(json.dumps([reachable(["[::]:1", "0.0.0.0:1"]), reachable(["0.0.0.0:1"]),
                  [str(a) for a in own_addresses()]]))
"""

LAN = ("wlan0", "192.168.1.20/24", "bridge")
DOCKER = ("docker0", "172.17.0.1/16", "bridge")
COMPOSE = ("br-0a1b2c3d4e5f", "10.0.0.1/24", "bridge")
TUNNEL = ("tun0", "10.8.0.2/24", "tuntap")
DEFAULT = ("route", "add", "default", "via")


def seen(interfaces: list[tuple[str, ...]], routes: list[tuple[str, ...]]) -> list[list[str]]:
    told: list[list[str]] = json.loads(inside(_CODE, json.dumps(interfaces), json.dumps(routes)))
    return told


@needs_netns
@pytest.mark.parametrize(
    ("interfaces", "routes", "wanted"),
    [
        ([DOCKER, COMPOSE, LAN], [(*DEFAULT, "192.168.1.1")], ["192.168.1.20"]),
        ([DOCKER, COMPOSE, LAN], [], ["192.168.1.20"]),
        ([DOCKER, TUNNEL, LAN], [("route", "add", "default", "dev", "tun0")], ["192.168.1.20"]),
        (
            [("eth0", "192.168.1.20/24", "bridge"), ("eth1", "10.1.2.3/24", "bridge"), DOCKER],
            [(*DEFAULT, "10.1.2.1")],
            ["10.1.2.3", "192.168.1.20"],
        ),
        (
            [("eth0", "51.15.0.9/24", "bridge"), ("eth1", "192.168.1.20/24", "bridge")],
            [],
            ["192.168.1.20", "51.15.0.9"],
        ),
        ([("br-lan", "192.168.1.1/24", "bridge"), DOCKER], [], ["192.168.1.1"]),
        ([("wlan0", "169.254.3.4/16", "bridge"), DOCKER], [], ["172.17.0.1"]),
    ],
)
def test_a_phone_can_reach_what_is_shown_first(
    interfaces: list[tuple[str, ...]], routes: list[tuple[str, ...]], wanted: list[str]
):
    both, four, own = seen(interfaces, routes)
    assert four[: len(wanted)] == [f"{address}:1" for address in wanted]
    assert both[: len(wanted)] == four[: len(wanted)], "IPv4 first"
    assert not any(one.startswith(("0.0.0.0", "127.", "169.254.", "[fe80")) for one in both)
    assert set(wanted) <= set(own)


@needs_netns
def test_only_ipv6():
    both, four, _ = seen([("eth0", "2a01:4f8::5/64", "fd12::5/64", "bridge")], [])
    assert both == ["[fd12::5]:1", "[2a01:4f8::5]:1"]
    assert four == ["127.0.0.1:1"], "nothing listens on IPv6"


@needs_netns
def test_no_network():
    both, four, _ = seen([], [])
    assert both == ["127.0.0.1:1", "[::1]:1"]
    assert four == ["127.0.0.1:1"]


def test_an_address_that_was_chosen_is_shown_as_it_is():
    chosen = ["192.168.9.9:8481", "10.0.0.9:8481", "[fd00::9]:8481"]
    assert reachable(chosen) == chosen
    assert reachable(chosen[::-1])[-1] == "[fd00::9]:8481"
    made = bases(["127.0.0.1:1"], ["127.0.0.1:2"])
    assert made.every == ("http://127.0.0.1:1", "https://127.0.0.1:2")
    assert own_addresses()


_LINKS = """
import time
from mmconnect.service.addresses import unplugged
from tests.support.netns import ip

def until(wanted):
    begun = time.monotonic()  # the kernel takes its time, a second mostly
    while (found := unplugged()) != wanted:
        assert time.monotonic() - begun < 60, found
        time.sleep(0.05)

cut = {"192.168.1.20": "eth0"}
ip("link", "set", "lo", "up")
ip("link", "add", "eth0", "type", "veth", "peer", "name", "switch0")
ip("addr", "add", "192.168.1.20/24", "dev", "eth0")
until(cut)
ip("link", "set", "eth0", "up")
for state, wanted in (("up", {}), ("down", cut), ("up", {})):
    ip("link", "set", "switch0", state)
    until(wanted)
"""


@needs_netns
def test_an_address_without_a_link_is_known():
    """The cable is pulled at the other end, and put in again; the address stays all the while."""
    inside(_LINKS, within=300)
