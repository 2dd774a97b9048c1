"""The configuration: its revision moves with every change, and tokens end when they should."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mmconnect.phones.tokens import find
from mmconnect.store import configuration, devices, endpoints, messages, settings
from mmconnect.store.configuration import Configuration
from mmconnect.store.connection import transaction
from mmconnect.store.devices import TOKEN_OVERLAP
from tests.store.conftest import House
from tests.store.making import DAY, NOW, device, endpoint, message, new_message


def changed(house: House, change: Callable[[], object]) -> bool:
    before = configuration.revision(house.db)
    with transaction(house.db):
        change()
    return configuration.revision(house.db) != before


CHANGES: dict[str, Callable[[House], object]] = {
    "device added": lambda h: devices.add(h.db, device("New"), "new"),
    "device removed": lambda h: devices.remove(h.db, h.device.id, NOW),
    "token replaced": lambda h: devices.replace_token(h.db, h.device.id, "next", NOW),
    "endpoint added": lambda h: endpoints.add(h.db, endpoint("New")),
    "endpoint paused": lambda h: endpoints.pause(h.db, h.endpoint.id, NOW),
    "endpoint held": lambda h: endpoints.hold(
        h.db, h.endpoint.id, "gone", "410", NOW, h.endpoint.url
    ),
    "endpoint removed": lambda h: endpoints.remove(h.db, h.endpoint.id, NOW),
    "setting made": lambda h: settings.put(h.db, settings.SITE_NAME, "Clinic"),
    "setting changed": lambda h: settings.put(h.db, settings.TENANT_ID, "ten_other"),
    "secret added": lambda h: h.db.execute(
        "INSERT INTO secrets VALUES (?, ?, 'whsec_b2xk', ?)", (h.endpoint.id, NOW - 1, NOW + DAY)
    ),
    "secret changed": lambda h: h.db.execute("UPDATE secrets SET expires_at = ?", (NOW,)),
    "setting gone": lambda h: h.db.execute("DELETE FROM settings"),
    "secret gone": lambda h: h.db.execute("DELETE FROM secrets"),
    "device changed": lambda h: h.db.execute("UPDATE devices SET country = 'SG'"),
    "endpoint changed": lambda h: h.db.execute("UPDATE endpoints SET concurrency = 1"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_moves_the_revision(house: House, change: str) -> None:
    assert changed(house, lambda: CHANGES[change](house))


def test_tokens_that_go_move_it_too(house: House) -> None:
    devices.replace_token(house.db, house.device.id, "next", NOW)
    assert changed(house, lambda: devices.retire_tokens(house.db, house.device.id))


def test_a_text_does_not_move_it(house: House) -> None:
    """Else every push would make the service read its configuration anew."""
    value = message(house.device.id)
    assert not changed(house, lambda: messages.take(house.db, new_message(value)))
    heard = devices.Presence(device_id=house.device.id, last_heard_at=NOW)
    assert not changed(house, lambda: devices.save_presences(house.db, [heard]))


def test_a_change_that_is_undone_moves_nothing(house: House) -> None:
    before = configuration.revision(house.db)
    house.db.execute("BEGIN")
    devices.remove(house.db, house.device.id, NOW)
    house.db.execute("ROLLBACK")
    assert configuration.revision(house.db) == before


# -- what is loaded -----------------------------------------------------------------------------


def test_a_snapshot_has_what_the_hot_path_needs(house: House) -> None:
    found = configuration.load(house.db)
    assert found.devices == {house.device.id: house.device}
    assert found.endpoints == {house.endpoint.id: house.endpoint}
    assert found.tenant.id.startswith("ten_")
    assert house.token not in repr(found)
    assert house.endpoint.secrets[0].value not in repr(found)


def test_a_removed_device_is_still_recognised_to_be_refused(house: House) -> None:
    devices.remove(house.db, house.device.id, NOW)
    entry = find(configuration.load(house.db), house.token, NOW)
    assert entry is not None
    assert entry.device.removed_at == NOW
    assert devices.get(house.db, house.device.id) is None


# -- tokens -------------------------------------------------------------------------------------


def good(house: House, token: str, now: int) -> bool:
    return find(_loaded(house), token, now) is not None


def _loaded(house: House) -> Configuration:
    return configuration.load(house.db)


def test_the_old_token_is_good_until_the_new_one_is_used(house: House) -> None:
    devices.replace_token(house.db, house.device.id, "next", NOW)
    assert good(house, house.token, NOW)
    assert good(house, "next", NOW)
    look = _loaded(house)
    old, new = find(look, house.token, NOW), find(look, "next", NOW)
    assert old is not None
    assert new is not None
    assert not old.replaces  # using the old one ends nothing
    assert new.replaces
    devices.retire_tokens(house.db, house.device.id)
    assert not good(house, house.token, NOW)
    assert good(house, "next", NOW)
    after = find(_loaded(house), "next", NOW)
    assert after is not None
    assert not after.replaces


def test_seven_days_at_most(house: House) -> None:
    assert TOKEN_OVERLAP == 7 * DAY
    devices.replace_token(house.db, house.device.id, "next", NOW)
    assert good(house, house.token, NOW + 7 * DAY - 1)
    assert not good(house, house.token, NOW + 7 * DAY)
    assert good(house, "next", NOW + 700 * DAY)


def test_replacing_twice_does_not_lengthen_the_first(house: House) -> None:
    devices.replace_token(house.db, house.device.id, "second", NOW)
    devices.replace_token(house.db, house.device.id, "third", NOW + 3 * DAY)
    assert not good(house, house.token, NOW + 7 * DAY)
    assert good(house, "second", NOW + 7 * DAY)
    assert not good(house, "second", NOW + 10 * DAY)


def test_one_devices_token_ends_no_others(house: House) -> None:
    other = device("Other")
    devices.add(house.db, other, "its")
    devices.replace_token(house.db, other.id, "its-next", NOW)
    devices.retire_tokens(house.db, other.id)
    assert good(house, house.token, NOW)
    assert not good(house, "its", NOW)


@pytest.mark.parametrize("token", ["", "a-toke", "a-token ", "A-TOKEN", "a-tokenä", "\ud800"])
def test_what_is_almost_a_token_is_none(house: House, token: str) -> None:
    assert not good(house, token, NOW)


# -- what a phone tells of itself ---------------------------------------------------------------


def test_device_events_are_bounded(house: House) -> None:
    with transaction(house.db):
        for n in range(devices.EVENTS_KEPT + 25):
            devices.add_event(house.db, house.device.id, "ping", f"e{n}", "{}", NOW + n)
    rows = house.db.execute("SELECT event_id FROM device_events ORDER BY number").fetchall()
    assert len(rows) == devices.EVENTS_KEPT
    assert rows[-1] == (f"e{devices.EVENTS_KEPT + 24}",)
