"""TLS to a receiver: whose certificate is trusted, and what goes wrong on the way."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from mmconnect.delivery import dial
from mmconnect.delivery.sender import Answer, Sender, Way
from mmconnect.webhook.outcome import Trouble
from tests.delivery.limits import CONNECT
from tests.support.leaping import Leap
from tests.support.loops import by_hand
from tests.support.receiver import Receiver, answer, receiver
from tests.support.tls import Authority, authority

BODY = b'{"text":"hello"}'


async def post(sender: Sender, url: str, **way: Any) -> Answer:
    return await sender.post(Way(url=url, **way), {}, BODY)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
async def over_tls(ours: Authority, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Receiver]:
    caplog.set_level(logging.CRITICAL, "asyncio")
    async with receiver(tls=ours.server) as there:
        yield there


async def test_a_private_authority_is_trusted_where_it_is_given(
    sender: Sender, over_tls: Receiver, ours: Authority
):
    for url in (over_tls.url, over_tls.url.replace("127.0.0.1", "localhost")):
        for _ in range(2):
            told = await post(sender, url, ca=ours.pem)
            assert (told.status, told.body) == (200, "ok")
    assert [one.connection for one in over_tls.arrivals] == [1, 1, 2, 2]
    told = await post(sender, over_tls.url)
    assert told.trouble is Trouble.TLS, "nor does a connection made with it serve the others"


async def test_so_is_the_receivers_own_certificate(
    sender: Sender, over_tls: Receiver, ours: Authority
):
    assert (await post(sender, over_tls.url, ca=ours.leaf)).status == 200
    elsewhere = over_tls.url.replace("127.0.0.1", "127.0.0.2")
    assert (await post(sender, elsewhere, ca=ours.leaf)).status is None, "the name counts"


async def test_the_name_is_checked(sender: Sender, over_tls: Receiver, ours: Authority):
    told = await post(sender, over_tls.url.replace("127.0.0.1", "127.0.0.2"), ca=ours.pem)
    if told.trouble is not Trouble.REFUSED:
        assert told.trouble is Trouble.TLS
    sender._dialer._resolve = lambda *_: _found(over_tls.port)  # type: ignore[method-assign]
    told = await post(sender, f"https://other.example:{over_tls.port}/", ca=ours.pem)
    assert told.trouble is Trouble.TLS
    assert "other.example" in told.detail
    assert over_tls.arrivals == []


async def _found(port: int) -> list[dial.Found]:
    return [(socket.AF_INET, ("127.0.0.1", port))]


@pytest.mark.parametrize("ca", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nx\n", "\u20ac"])
async def test_a_certificate_that_cannot_be_read_blocks(
    sender: Sender, over_tls: Receiver, ca: str
):
    told = await post(sender, over_tls.url, ca=ca)
    assert told.trouble is Trouble.BLOCKED
    assert "CA certificate" in told.detail
    assert "PEM" in told.detail


async def test_settings_are_made_once(
    sender: Sender, over_tls: Receiver, ours: Authority, monkeypatch: pytest.MonkeyPatch
):
    made = 0
    make = dial._make_context

    def count(ca: str | None) -> Any:
        nonlocal made
        made += 1
        return make(ca)

    monkeypatch.setattr(dial, "_make_context", count)
    await asyncio.gather(*(post(sender, over_tls.url, ca=ours.pem) for _ in range(5)))
    await post(sender, over_tls.url, ca=ours.pem)
    assert made == 1


async def test_a_kept_tls_connection_that_was_closed_meanwhile(
    sender: Sender, over_tls: Receiver, ours: Authority
):
    over_tls.default = answer(close=True)
    for _ in range(3):
        assert (await post(sender, over_tls.url, ca=ours.pem)).status == 200
        await asyncio.sleep(0.02)


class Mute:
    """Accepts, says nothing, and tells of the other side."""

    def __init__(self) -> None:
        self.port = 0
        self.spoke, self.gone = asyncio.Event(), asyncio.Event()
        """It has said something; it has closed."""

    async def listen(self, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while await reader.read(1000):
                self.spoke.set()
        self.gone.set()


@pytest.fixture
async def mute() -> AsyncIterator[Mute]:
    made = Mute()
    async with by_hand(made.listen) as made.port:
        yield made


async def test_a_handshake_that_is_never_answered(sender: Sender, leap: Leap, mute: Mute):
    waiting = asyncio.create_task(post(sender, f"https://127.0.0.1:{mute.port}/"))
    await mute.spoke.wait()
    await leap(CONNECT)
    assert (await waiting).trouble is Trouble.CONNECT_TIMEOUT
    await mute.gone.wait()


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_cancelling_closes_the_connection(sender: Sender, mute: Mute, scheme: str):
    """While it shakes hands, and while it waits for an answer."""
    task = asyncio.create_task(post(sender, f"{scheme}://127.0.0.1:{mute.port}/"))
    await mute.spoke.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await mute.gone.wait()
