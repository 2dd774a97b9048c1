"""What the pairing page makes of what it saw: sentences, in the order in which they help."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest

from mmconnect.phones.diagnosis import Circumstances, findings, unseen
from mmconnect.phones.guides import GUIDES
from mmconnect.phones.pair_pages import base_for
from mmconnect.phones.sightings import Mistake, Sighting
from mmconnect.phones.urls import Bases

PHONE, OTHER = "192.168.1.31", "192.168.1.77"
AROUND = Circumstances(address=PHONE, on_phone=True, networks=[ip_network("192.168.1.0/24")])


def saw(mistake: Mistake, address: str = PHONE, at: float = 1.0) -> Sighting:
    return Sighting(mistake=mistake, address=address, at=at)


@pytest.mark.parametrize("mistake", Mistake)
def test_each_mistake_has_words_and_a_remedy(mistake: Mistake):
    (told,) = findings([saw(mistake)], AROUND)
    assert told.title
    assert told.fix.endswith(".")
    assert OTHER not in told.title
    (told,) = findings([saw(mistake, OTHER)], AROUND)
    assert told.title.endswith(f", from {OTHER}")
    assert "somebody else's" in told.fix


def test_the_phones_own_mistakes_go_first_and_each_is_told_once():
    seen = [
        saw(Mistake.WRONG_PATH, at=1),
        saw(Mistake.UNKNOWN_TOKEN, at=2),
        saw(Mistake.UNKNOWN_TOKEN, at=3),
        saw(Mistake.TLS_REFUSED, OTHER, at=4),
        saw(Mistake.UNKNOWN_TOKEN, OTHER, at=5),
    ]
    told = [one.title for one in findings(seen, AROUND)]
    assert told == [
        "A push came with a wrong token",
        "A push came to a wrong path",
        f"The phone does not trust mmconnect's certificate, from {OTHER}",
    ]


def test_at_most_three():
    assert len(findings([saw(mistake) for mistake in Mistake], AROUND)) == 3


def test_on_a_computer_no_address_is_the_phones():
    desk = replace(AROUND, on_phone=False)
    (told,) = findings([saw(Mistake.UNKNOWN_TOKEN)], desk)
    assert told.title.endswith(f", from {PHONE}")
    assert "somebody else's" not in told.fix


def test_https_that_is_needed_and_not_there():
    (told,) = findings([], replace(AROUND, needs_https=True))
    assert "`mmconnect tls create-ca`" in told.fix
    assert findings([], replace(AROUND, needs_https=True, has_https=True)) == []


def test_https_on_the_port_for_http_says_what_the_url_begins_with():
    (told,) = findings([saw(Mistake.HTTPS_TO_HTTP)], AROUND)
    assert "`http://`, not `https://`" in told.fix
    (told,) = findings([saw(Mistake.HTTPS_TO_HTTP)], replace(AROUND, secure=True))
    assert "ports of their own" in told.fix


@pytest.mark.parametrize(
    ("address", "elsewhere"),
    [
        (PHONE, False),
        ("10.8.0.2", True),
        ("127.0.0.1", False),
        ("fe80::1%wlan0", False),
        ("::ffff:192.168.1.9", False),
        ("::ffff:10.8.0.2", True),
        ("2001:db8::7", True),
        ("", False),
    ],
)
def test_another_network(address: str, elsewhere: bool):
    told = findings([], replace(AROUND, address=address))
    assert bool(told) == elsewhere
    assert findings([], replace(AROUND, address=address, networks=[])) == []


def test_what_cannot_be_seen_begins_with_the_likeliest():
    on_phone = [one.title for one in unseen(AROUND)]
    at_desk = [one.title for one in unseen(replace(AROUND, on_phone=False))]
    assert "asleep" in on_phone[0], "the phone reaches this page: it is no firewall"
    assert "guest Wi-Fi" in at_desk[0]
    assert set(on_phone) == set(at_desk)
    (firewall,) = (one for one in unseen(replace(AROUND, port="8489")) if "firewall" in one.title)
    assert "`sudo ufw allow 8489/tcp`" in firewall.fix


HTTP, HTTPS = ("http://192.168.1.20:8481", "http://10.0.0.5:8481"), ("https://192.168.1.20:8482",)


@pytest.mark.parametrize(
    ("app", "bases", "host", "before", "base"),
    [
        ("tasker", Bases(http=HTTP), "pi.local", None, HTTP[0]),
        ("tasker", Bases(http=HTTP), "10.0.0.5:8481", HTTP[0], HTTP[1]),
        ("tasker", Bases(http=HTTP), "pi.local", HTTP[1], HTTP[1]),
        ("tasker", Bases(http=HTTP), "pi.local", "http://10.9.9.9:8481", HTTP[0]),
        ("tasker", Bases(http=HTTP, https=HTTPS), "x", HTTPS[0], HTTP[0]),
        ("smsgate", Bases(http=HTTP, https=HTTPS), "192.168.1.20:8481", HTTP[0], HTTPS[0]),
        ("smsgate", Bases(http=HTTP), "x", None, HTTP[0]),
        ("tasker", Bases(http=(), https=HTTPS), "x", None, HTTPS[0]),
        ("tasker", Bases(http=()), "x", None, ""),
    ],
)
def test_which_push_url_is_shown(app: str, bases: Bases, host: str, before: str | None, base: str):
    assert base_for(GUIDES[app], bases, host, before) == base
