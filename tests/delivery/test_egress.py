"""Where texts may go follows the settings and the listeners, and only they change it."""

from __future__ import annotations

from dataclasses import replace

from mmconnect.delivery.egress import Egress
from mmconnect.store.configuration import Configuration
from mmconnect.store.preferences import Preferences
from mmconnect.webhook.addresses import Address, parse
from mmconnect.webhook.payload import Tenant

HERE: tuple[Address, ...] = (parse("192.168.1.5"),)


def test_the_rule_follows_the_settings_and_the_listeners():
    nothing = Configuration(
        revision=1,
        tenant=Tenant(id="ten_1", name="here"),
        preferences=Preferences(),
        devices={},
        tokens={},
        endpoints={},
    )
    known = [nothing]
    egress = Egress(lambda: known[-1], lambda: HERE)
    first = egress.rule()
    assert first.refusal("10.1.1.1", 80) is None
    assert first.refusal("192.168.1.5", 8480) is None
    egress.listening(["0.0.0.0:8480"])
    second = egress.rule()
    assert second != first
    assert second.refusal("192.168.1.5", 8480) is not None
    assert second.refusal("127.0.0.1", 8480) is not None
    known.append(replace(nothing, revision=2, preferences=Preferences(alert_url="http://a/")))
    assert egress.rule() is second, "nothing that concerns it has changed"
    preferences = Preferences(address_allow=("169.254.7.0/24",), address_deny=("10.0.0.0/8",))
    known.append(replace(nothing, preferences=preferences))
    third = egress.rule()
    assert third not in (first, second)
    assert third.refusal("10.1.1.1", 80) is not None
    assert third.refusal("169.254.7.9", 80) is None
    assert third.refusal("192.168.1.5", 8480) is not None
