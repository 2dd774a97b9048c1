"""Connections that wait: which are used again, how many there are, and for how long."""

from __future__ import annotations

import asyncio
import gc
import warnings
from ipaddress import ip_network

import pytest

from mmconnect.delivery import pool
from mmconnect.delivery.sender import Answer, Sender, Way
from mmconnect.domain.clock import SystemClock
from mmconnect.webhook.addresses import AddressRule
from mmconnect.webhook.outcome import Trouble
from tests.support.inprocess import eventually
from tests.support.leaping import Leap
from tests.support.receiver import Receiver, after, answer, hang, receiver, when

BODY = b'{"text":"hello"}'


async def post(sender: Sender, there: Receiver, path: str = "", *, consent: bool = False) -> Answer:
    return await sender.post(Way(url=there.url + path, plain_http=consent), {}, BODY)


def connections(there: Receiver) -> list[int]:
    return [one.connection for one in there.arrivals]


def idle(sender: Sender) -> int:
    return len(sender._pool)


async def test_two_endpoints_on_one_host_share_connections(sender: Sender):
    async with receiver() as there:
        await post(sender, there, "/one")
        await post(sender, there, "/two")
        assert connections(there) == [1, 1]


async def test_consent_is_part_of_what_is_shared(sender: Sender):
    """A connection made with the owner's consent to plain http is none for who has not given it."""
    async with receiver() as there:
        await post(sender, there, consent=True)
        await post(sender, there)
        assert connections(there) == [1, 2]


async def test_together_they_have_a_connection_each(sender: Sender):
    async with receiver(default=after(0.05, answer())) as there:
        for _ in range(2):
            await asyncio.gather(*(post(sender, there) for _ in range(5)))
        assert sorted(connections(there)[:5]) == [1, 2, 3, 4, 5]
        assert sorted(connections(there)[5:]) == [1, 2, 3, 4, 5]
        assert idle(sender) == 5


async def test_no_more_are_kept_than_the_bounds(sender: Sender, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pool, "PER_DESTINATION", 3)
    monkeypatch.setattr(pool, "OVERALL", 5)
    acts = after(0.05, answer())
    async with receiver(default=acts) as one, receiver(default=acts) as two:
        await asyncio.gather(*(post(sender, one) for _ in range(6)))
        assert idle(sender) == 3
        await asyncio.gather(*(post(sender, two) for _ in range(6)))
        assert idle(sender) == 5
        await asyncio.gather(*(post(sender, two) for _ in range(3)))
        assert len(set(connections(two))) == 6, "the newest were kept, all three of them"


async def test_an_idle_connection_is_closed_after_a_while(
    sender: Sender, leap: Leap, monkeypatch: pytest.MonkeyPatch
):
    """Since it was last used."""
    assert pool.KEEP_ALIVE == 30.0
    monkeypatch.setattr(pool, "KEEP_ALIVE", 1000.0)
    async with receiver() as there:
        await post(sender, there)
        await leap(900)
        await post(sender, there)
        assert connections(there) == [1, 1]
        await leap(900)
        assert idle(sender) == 1
        await leap(100)
        assert idle(sender) == 0
        assert await closed(there)
        await post(sender, there)
        assert connections(there) == [1, 1, 2]


async def closed(there: Receiver) -> bool:
    """Whether the sender closes the receiver's last connection."""
    return await eventually(there.exchanges[-1].writer.transport.is_closing)


async def test_a_connection_does_not_outlive_its_rule():
    rules = [AddressRule()]
    sender = Sender(SystemClock(), rule=lambda: rules[-1])
    async with receiver() as there:
        assert (await post(sender, there)).status == 200
        rules.append(AddressRule(deny=(ip_network("10.0.0.0/8"),)))
        assert (await post(sender, there)).status == 200
        rules.append(AddressRule(deny=(ip_network("10.0.0.0/8"),)))
        assert (await post(sender, there)).status == 200
        assert connections(there) == [1, 2, 2], "an equal rule is the same rule"
        rules.append(AddressRule(deny=(ip_network("127.0.0.0/8"),)))
        told = await post(sender, there)
        assert (told.trouble, told.address) == (Trouble.BLOCKED, None)
        assert "127.0.0.0/8" in told.detail
        assert len(there.arrivals) == 3
    await sender.close()


async def test_closing_leaves_nothing_open():
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        async with receiver(hang, default=answer()) as there:
            sender = Sender(SystemClock())
            waiting = asyncio.create_task(post(sender, there))
            await there.until(1)
            for _ in range(3):
                assert (await post(sender, there)).status == 200
            await sender.close()
            assert idle(sender) == 0
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert await closed(there)
        del sender, waiting
        gc.collect()


async def test_what_comes_back_after_closing_is_closed():
    gate = asyncio.Event()
    async with receiver(when(gate)) as there:
        sender = Sender(SystemClock())
        waiting = asyncio.create_task(post(sender, there))
        await there.until(1)
        await sender.close()
        gate.set()
        assert (await waiting).status == 200
        assert idle(sender) == 0
        assert await closed(there)
