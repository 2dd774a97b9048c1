"""An endpoint that leads back to mmconnect is held with the reason, and gets nothing."""

from __future__ import annotations

import json
import socket

import pytest

from mmconnect.service.addresses import own_addresses
from tests.e2e.conftest import Gateway
from tests.support.burst import SECRET
from tests.support.program import starts_none
from tests.support.service import until

HELD = "SELECT count(*) FROM endpoints WHERE held_class = 'blocked'"


@pytest.mark.parametrize("listener", ["phone", "admin"])
def test_no_text_is_sent_to_mmconnect_itself(gateway: Gateway, listener: str) -> None:
    service = gateway.service
    host, port = service.phone if listener == "phone" else service.admin
    words = ("endpoint", "add", f"http://{host}:{port}/in", "--secret", SECRET)
    told = service.run(*words, "--json")
    assert "mmconnect itself" in told.stderr, "said at once"
    added = json.loads(told.stdout)
    service.noticed()
    until(lambda: gateway.text("one") == 200, "a text is taken")
    until(lambda: service.count(HELD) == 1, "the endpoint is held")
    shown = service.cli("endpoint", "show", added["id"])
    assert "mmconnect itself" in str(shown)
    until(lambda: len(gateway.receiver.times) == 1, "the other endpoint gets it all the same")


@starts_none
def test_this_machines_addresses_are_known() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # routed, never reached
        outgoing = probe.getsockname()[0]
    known = {str(address) for address in own_addresses()}
    assert {"127.0.0.1", outgoing} <= known
