"""What the pairing page is told of phones that speak the wrong thing, from real connections."""

from __future__ import annotations

import asyncio
import dataclasses
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from mmconnect.config import Listen, settle
from mmconnect.phones.sightings import Mistake
from mmconnect.service.tls.https import Https
from mmconnect.service.tls.keeper import Keeper
from tests.service.test_keeper import Told
from tests.support.https import HERE, get, made, trusting
from tests.support.inprocess import Appliance, appliance, eventually
from tests.support.service import ask

LOCAL = Listen(host="127.0.0.1", port=0)
OPTIONS = dataclasses.replace(settle({}, {}, {}), phone_tls_listen=LOCAL, admin_tls_listen=None)


@asynccontextmanager
async def both(directory: Path) -> AsyncIterator[tuple[Appliance, int, int]]:
    """An appliance, and its ports for plain HTTP and for HTTPS."""
    made(directory)
    async with appliance(directory) as box:
        phones = box.listener.server()
        runner = web.AppRunner(web.Application())
        await runner.setup()
        await phones.start("127.0.0.1", 0)
        at = [f"127.0.0.1:{phones.addresses[0][1]}"]
        keeper = Keeper(directory, None, Told(), box.clock, lambda: True, lambda: HERE)
        https = Https.of(OPTIONS, keeper, Told(), phones, at, runner, [])
        try:
            await https.start()
            yield box, phones.addresses[0][1], int(https.phone_side[0].rpartition(":")[2])
        finally:
            await https.close()
            await phones.close(0.5)
            await runner.cleanup()


@pytest.mark.parametrize(
    "mistake", [Mistake.HTTPS_TO_HTTP, Mistake.HTTP_TO_HTTPS, Mistake.TLS_REFUSED]
)
async def test_each_mistake_is_seen_with_its_address(tmp_path: Path, mistake: Mistake):
    async with both(tmp_path) as (box, plain, secure):
        begun = box.clock.monotonic()
        trust = trusting((tmp_path / "ca.pem").read_bytes())
        if mistake is Mistake.HTTP_TO_HTTPS:
            told = await asyncio.to_thread(ask, ("127.0.0.1", secure), "POST", "/in/token", b"{}")
            assert told[0] == 400
            assert f"port {plain}".encode() in told[2]
        else:
            port = plain if mistake is Mistake.HTTPS_TO_HTTP else secure
            client = trust if port == plain else ssl.create_default_context()
            with pytest.raises(ssl.SSLError):
                await asyncio.to_thread(get, ("127.0.0.1", port), "/", client)
        seen = await eventually(lambda: box.listener.sightings.since(begun))
        assert [(one.mistake, one.address) for one in seen] == [(mistake, "127.0.0.1")]


async def test_what_goes_well_is_no_mistake(tmp_path: Path):
    async with both(tmp_path) as (box, plain, secure):
        trust = trusting((tmp_path / "ca.pem").read_bytes())
        assert (await asyncio.to_thread(get, ("127.0.0.1", secure), "/healthz", trust))[0] == 200
        assert (await asyncio.to_thread(ask, ("127.0.0.1", plain), "GET", "/healthz"))[0] == 200
        assert box.listener.sightings.since(0) == []
