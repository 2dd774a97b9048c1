"""One POST against receivers that misbehave in every way a wire allows."""

from __future__ import annotations

import asyncio
import tracemalloc
from pathlib import Path

import pytest

from mmconnect import __version__
from mmconnect.delivery import sender as sending
from mmconnect.delivery.sender import Answer, Sender, Way
from mmconnect.domain.clock import SystemClock
from mmconnect.webhook.outcome import Trouble
from tests.delivery.limits import TOTAL
from tests.support.leaping import Leap
from tests.support.loops import by_hand
from tests.support.receiver import (
    Act,
    after,
    answer,
    drip,
    endless,
    flood,
    free_port,
    gzip_bomb,
    hang,
    receiver,
    say,
)

BODY = b'{"text":"hello"}'


async def post(sender: Sender, url: str) -> Answer:
    return await sender.post(Way(url=url), {"webhook-id": "msg_1"}, BODY)


async def test_what_is_sent(sender: Sender):
    async with receiver() as there:
        told = await post(sender, there.url + "?a=1&b=%2B%26")
        (arrival,) = there.arrivals
    assert (arrival.method, arrival.target, arrival.body) == ("POST", "/hook?a=1&b=%2B%26", BODY)
    assert {n.lower(): v for n, v in arrival.headers} == {
        "host": f"127.0.0.1:{there.port}",
        "content-type": "application/json",
        "content-length": str(len(BODY)),
        "user-agent": f"mmconnect/{__version__}",
        "webhook-id": "msg_1",
    }
    assert (told.status, told.trouble, told.body) == (200, None, "ok")
    assert told.address == f"127.0.0.1:{there.port}"
    assert told.headers == "Content-Length: 2"


async def test_a_name_and_a_password_in_the_url(sender: Sender):
    async with receiver() as there:
        told = await post(sender, f"http://me:p%40ss@127.0.0.1:{there.port}/")
        assert told.status == 200
        assert there.arrivals[0].header("authorization") == "Basic bWU6cEBzcw=="


async def test_the_environment_is_no_ones_business(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Neither a proxy nor ~/.netrc has a say in where texts go."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    sender = Sender(SystemClock())
    async with receiver() as there:
        assert (await post(sender, there.url)).status == 200
        assert there.arrivals[0].header("authorization") is None
    await sender.close()


async def test_cookies_are_not_kept(sender: Sender):
    async with receiver(default=answer(headers={"Set-Cookie": "a=1; Path=/"})) as there:
        for _ in range(2):
            await post(sender, there.url.replace("127.0.0.1", "localhost"))
        assert [one.header("cookie") for one in there.arrivals] == [None, None]


# -- bounds --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "act",
    [hang, drip(), drip(status=500), endless(), endless(b""), after(3600, answer())],
    ids=["hangs", "drips", "drips a 500", "never ends", "never begins its body", "is late"],
)
async def test_it_is_over_after_the_total_time(sender: Sender, leap: Leap, act: Act):
    async with receiver(act) as there:
        waiting = asyncio.create_task(post(sender, there.url))
        await there.until(1)
        if act is not hang:
            await asyncio.sleep(0.1)  # some of the answer is there
        await leap(TOTAL / 2)
        assert not waiting.done()
        await leap(TOTAL / 2)
        told = await waiting
        assert (told.status, told.trouble) == (None, Trouble.TIMEOUT)
        assert TOTAL * 1000 <= told.duration_ms < TOTAL * 1500
        assert told.address == f"127.0.0.1:{there.port}"
        assert len(there.arrivals) == 1
        # that connection is not used again
        assert (await post(sender, there.url)).status == 200
        assert [one.connection for one in there.arrivals] == [1, 2]


def test_the_total_time_is_15_s_and_connecting_has_5():
    assert (sending.TOTAL_TIMEOUT, sending.CONNECT_TIMEOUT, sending.EXCERPT) == (15.0, 5.0, 4096)


async def test_a_flood_is_cut_at_4_kib_at_once_and_costs_no_memory():
    sender = Sender(SystemClock())
    async with receiver(default=flood(100 * 2**20)) as there:
        await post(sender, there.url)  # what is imported and made once is not counted
        tracemalloc.start()
        told = await post(sender, there.url)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (told.status, told.trouble) == (200, None)
        assert told.body == "x" * 4096
        assert peak < 4 * 2**20
        assert there.exchanges[-1].sent < 20 * 2**20, "nobody read the rest"
    await sender.close()


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 70_000])
async def test_the_excerpt(sender: Sender, size: int):
    async with receiver(default=answer(200, b"x" * size)) as there:
        told = await post(sender, there.url)
        assert (told.status, told.body) == (200, "x" * min(size, 4096))
        assert (await post(sender, there.url)).status == 200
        if size <= 4096:
            assert [one.connection for one in there.arrivals] == [1, 1]


async def test_a_bomb_stays_packed(sender: Sender):
    async with receiver(gzip_bomb()) as there:
        tracemalloc.start()
        told = await post(sender, there.url)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (told.status, told.trouble) == (200, None)
        assert told.body is not None
        assert told.body.startswith("\x1f\ufffd"), "as it came: what gzip begins with"
        assert peak < 4 * 2**20


async def test_answers_that_are_not_utf_8(sender: Sender):
    async with receiver(answer(500, b"caf\xe9 \x00\xff", {"X-Odd": "\xe9"})) as there:
        told = await post(sender, there.url)
        assert (told.status, told.body) == (500, "caf\ufffd \x00\ufffd")
        assert told.headers is not None
        assert told.headers.startswith("X-Odd: ")


async def test_headers_without_end_are_cut(sender: Sender):
    many = {f"X-{n}": "y" * 1000 for n in range(30)}
    async with receiver(answer(200, b"ok", many)) as there:
        told = await post(sender, there.url)
        assert told.status == 200
        assert told.headers is not None
        assert len(told.headers) == 4096


async def test_a_chunked_answer(sender: Sender):
    chunked = b"HTTP/1.1 201 C\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    async with receiver(say(chunked)) as there:
        told = await post(sender, there.url)
        assert (told.status, told.body) == (201, "ok")


async def test_an_answer_before_the_whole_request_was_read(sender: Sender):
    """A receiver that answers 413 and closes while a large text is still on its way."""

    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        await reader.read()

    async with by_hand(early) as port:
        way = Way(url=f"http://127.0.0.1:{port}/")
        told = await sender.post(way, {}, b"x" * 500_000)
        assert told.status == 413
