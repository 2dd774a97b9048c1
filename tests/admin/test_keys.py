"""The key ring: which keys are good, how that is compared, and who has to wait."""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mmconnect.desk import keys
from mmconnect.desk.keys import NOTED_EVERY, WRONG_KEYS, KeyRing, Scope
from mmconnect.domain.ids import Ids
from mmconnect.store import api_keys
from mmconnect.store.api_keys import ApiKey
from mmconnect.store.database import Database
from tests.support.inprocess import FakeClock

HERE = "192.168.1.5"


@dataclass
class House:
    database: Database
    clock: FakeClock
    ring: KeyRing

    async def key(self, **how: Any) -> tuple[ApiKey, str]:
        key, secret = keys.fresh(Ids(self.clock), name="CRM", now=self.clock.now(), **how)
        await self.database.write(lambda db: api_keys.add(db, key))
        return key, secret

    async def stored(self, key: ApiKey) -> ApiKey:
        await self.database.write(lambda db: None)  # what was queued before is done
        found = await self.database.read(lambda db: api_keys.get(db, key.id))
        assert found is not None
        return found


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    database, clock = Database.open(tmp_path), FakeClock()
    yield House(database, clock, KeyRing(database, clock))
    await database.close()


def test_what_a_key_looks_like(house: House) -> None:
    made = [keys.fresh(Ids(house.clock), name="x", now=0) for _ in range(50)]
    for key, secret in made:
        assert re.fullmatch(r"sk_live_[A-Za-z0-9]{40}", secret)
        assert key.id.startswith("key_")
        assert secret.endswith(key.hint)
        assert secret not in repr(key)
        assert key.scopes == {"read", "write"}
    assert len({secret for _, secret in made}) == 50


async def test_a_good_key_is_known_and_its_use_noted_once_a_minute(house: House) -> None:
    key, secret = await house.key(scopes=[Scope.METRICS])
    shown = await house.ring.show(secret, HERE)
    assert shown.key is not None
    assert (shown.key.id, set(shown.key.scopes), shown.wait) == (key.id, {"metrics"}, 0.0)
    assert Scope.METRICS in shown.key.scopes
    assert Scope.READ not in shown.key.scopes
    begun = house.clock.now()
    stored = await house.stored(key)
    assert (stored.last_used_at, stored.last_address) == (begun, HERE)
    house.clock.advance(NOTED_EVERY - 1)
    await house.ring.show(secret, "192.168.1.6")
    assert (await house.stored(key)).last_used_at == begun
    house.clock.advance(1)
    await house.ring.show(secret, "192.168.1.6")
    stored = await house.stored(key)
    assert (stored.last_used_at, stored.last_address) == (house.clock.now(), "192.168.1.6")


@pytest.mark.parametrize("change", [str.lower, str.upper, lambda s: s[:-1], lambda s: s + "x"])
async def test_a_key_is_exactly_that(house: House, change: Any) -> None:
    _, secret = await house.key()
    assert (await house.ring.show(change(secret), HERE)).key is None


@pytest.mark.parametrize("secret", ["", "sk_live_", "\udcff", "x" * 10_000, "' OR 1=1 --"])
async def test_what_is_no_key(house: House, secret: str) -> None:
    await house.key()
    assert (await house.ring.show(secret, HERE)).key is None


async def test_a_key_ends(house: House) -> None:
    key, secret = await house.key(expires_at=house.clock.now() + 1000)
    assert (await house.ring.show(secret, HERE)).key is not None
    house.clock.advance(1)
    assert (await house.ring.show(secret, HERE)).key is None
    key, secret = await house.key()
    await house.database.write(lambda db: api_keys.revoke(db, key.id, house.clock.now()))
    assert (await house.ring.show(secret, HERE)).key is None, "at once, and not in a minute"


async def test_bad_keys_wait_by_address_and_a_good_one_never(house: House) -> None:
    _, secret = await house.key()
    told = await asyncio.gather(
        *(house.ring.show(f"sk_live_{n:040}", HERE) for n in range(WRONG_KEYS + 10))
    )
    assert all(one.key is None for one in told)
    assert sum(one.wait > 0 for one in told) == 10
    assert (await house.ring.show(secret, HERE)).key is not None
    assert (await house.ring.show("x", "198.51.100.1")).wait == 0, "that is somebody else"
    house.clock.advance(keys.WINDOW)
    assert (await house.ring.show("x", HERE)).wait == 0


@pytest.mark.parametrize("good", [True, False])
async def test_hashes_are_compared_in_constant_time(
    house: House, good: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never the keys themselves, and also where there is nothing to compare with."""
    compared: list[tuple[bytes, bytes]] = []
    real = hmac.compare_digest

    def watched(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return real(a, b)

    _, secret = await house.key()
    monkeypatch.setattr(hmac, "compare_digest", watched)
    await house.ring.show(secret if good else "sk_live_x", HERE)
    ((a, b),) = compared
    assert len(a) == len(b) == 32
    assert (a == b) is good


def test_where_a_key_stands() -> None:
    assert keys.bearer("Bearer sk_live_x") == "sk_live_x"
    assert keys.bearer("bearer  sk_live_x ") == "sk_live_x"
    for none in (None, "", "Bearer", "Bearer ", "Basic sk_live_x", "sk_live_x"):
        assert keys.bearer(none) is None
