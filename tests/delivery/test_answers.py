"""The shapes an answer can have on the wire, and what becomes of its connection."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc

import pytest

from mmconnect.delivery.sender import Answer, Sender, Way
from mmconnect.webhook.outcome import Trouble
from tests.delivery.limits import TOTAL
from tests.support.inprocess import eventually
from tests.support.leaping import Leap
from tests.support.loops import by_hand
from tests.support.receiver import (
    Act,
    Exchange,
    Receiver,
    after,
    answer,
    hang,
    receiver,
    say,
)

BODY = b'{"text":"hello"}'


async def post(sender: Sender, there: Receiver) -> Answer:
    return await sender.post(Way(url=there.url), {"webhook-id": "msg_1"}, BODY)


def wire(*parts: bytes, pause: float = 0.0) -> Act:
    """These bytes, one part after the other, and the connection stays open."""

    async def act(exchange: Exchange) -> None:
        for part in parts:
            await exchange.write(part)
            await asyncio.sleep(pause)

    return act


def connections(there: Receiver) -> list[int]:
    return [one.connection for one in there.arrivals]


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    ("data", "status", "body"),
    [
        (OK, 200, "ok"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, ""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, ""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", 304, ""),
        (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", 200, "ok"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, "ok"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" + OK, 200, "ok"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\no\r\n1\r\nk\r\n"
            b"0\r\n\r\n",
            200,
            "ok",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nT: t\r\n\r\n",
            200,
            "ok",
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200, ""),
        (
            b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
            200,
            "ok",
        ),
    ],
)
@pytest.mark.parametrize("whole", [True, False], ids=["at once", "byte by byte"])
async def test_a_complete_answer_keeps_its_connection(
    sender: Sender, data: bytes, status: int, body: str, whole: bool
):
    parts = [data] if whole else [data[n : n + 1] for n in range(len(data))]
    async with receiver(wire(*parts)) as there:
        told = await post(sender, there)
        assert (told.status, told.trouble, told.body) == (status, None, body)
        await asyncio.sleep(0.02)
        assert (await post(sender, there)).status == 200
        assert connections(there) == [1, 1]


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        OK + b"\r\n",
        OK + b"HTTP/1.1 2",
        OK + OK,
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok, and more than it said",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHT",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP",
    ],
)
async def test_an_answer_after_which_the_connection_is_of_no_use(sender: Sender, data: bytes):
    async with receiver(wire(data)) as there:
        assert (await post(sender, there)).status == 200
        assert (await post(sender, there)).body == "ok"
        assert connections(there) == [1, 2]


async def test_a_length_counted_in_characters_is_no_failure(sender: Sender):
    """Seen in many a receiver written by hand: the text is there, only its last bytes are over."""
    text = "angekommen: Grüße, schöne Ähre"
    lying = f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n\r\n".encode()
    for parts in ([lying + text.encode()], [lying, text.encode()]):
        async with receiver(wire(*parts, pause=0.02)) as there:
            told = await post(sender, there)
            assert (told.status, told.trouble) == (200, None)
            assert text.startswith((told.body or "")[:20])


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", "until the end"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", "until the end"),
        (b"HTTP/1.1 200 OK\r\n\r\n", ""),
    ],
)
async def test_a_body_that_ends_with_the_connection(sender: Sender, data: bytes, body: str):
    async with receiver(say(data)) as there:
        told = await post(sender, there)
        assert (told.status, told.trouble, told.body) == (200, None, body)


async def test_another_protocol_is_none_of_ours(sender: Sender):
    data = b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    async with receiver(wire(data)) as there:
        told = await post(sender, there)
        assert (told.status, told.trouble) == (None, Trouble.PROTOCOL)


async def test_what_is_told_of_the_headers(sender: Sender):
    date = "Mon, 23 Nov 2026 10:00:00 GMT"
    headers = {"Date": date, "retry-after": "7", "Location": "/there", "X-Two": "2"}
    async with receiver(answer(503, b"busy", headers)) as there:
        told = await post(sender, there)
        assert (told.date, told.retry_after, told.location) == (date, "7", "/there")
        assert told.headers is not None
        assert told.headers.splitlines()[:2] == [f"Date: {date}", "retry-after: 7"]


@pytest.mark.parametrize("begun", [b"H", b"HTTP/1.1 100 Continue\r\n\r\n", b"\r\n", OK[:-1]])
async def test_an_answer_that_had_begun_is_never_asked_for_again(sender: Sender, begun: bytes):
    """The receiver has acted on it: the repeat is for what nobody has read."""
    async with receiver(answer(), say(begun)) as there:
        assert (await post(sender, there)).status == 200
        told = await post(sender, there)
        assert (told.status, told.trouble) == (None, Trouble.RESET)
        assert told.address == f"127.0.0.1:{there.port}"
        assert connections(there) == [1, 1]


# -- bounds --------------------------------------------------------------------------------------


def for_ever(start: bytes, block: bytes) -> Act:
    async def act(exchange: Exchange) -> None:
        await exchange.write(start)
        while True:
            await exchange.write(block)
            await asyncio.sleep(0)

    return act


@pytest.mark.parametrize(
    "act",
    [
        for_ever(b"HTTP/1.1 200 OK\r\n", b"X-A: " + b"a" * 500 + b"\r\n"),
        for_ever(b"HTTP/1.1 200 OK\r\nX-A: ", b"a" * 8192),
        for_ever(b"HTTP/1.1 200 ", b"a" * 8192),
        for_ever(b"HTTP/1.1 200 OK\r\n", b"a: b\r\n" * 999),
        for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 999),
        for_ever(b"", b"\r\n" * 512),
        for_ever(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a" * 8192),
        for_ever(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
            b"A: " + b"a" * 999 + b"\r\n",
        ),
    ],
    ids=["headers", "header", "reason", "short ones", "100s", "nothing", "chunk", "trailers"],
)
async def test_what_never_becomes_an_answer_is_cut_off(sender: Sender, act: Act):
    async with receiver(default=act) as there:
        await post(sender, there)
        gc.collect()
        tracemalloc.start()
        told = await post(sender, there)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (told.status, told.trouble) == (None, Trouble.PROTOCOL)
        assert peak < 4 * 2**20


async def test_a_header_of_a_megabyte(sender: Sender):
    big = b"HTTP/1.1 200 OK\r\nX: " + b"y" * 2**20 + b"\r\nContent-Length: 0\r\n\r\n"
    async with receiver(say(big)) as there:
        assert (await post(sender, there)).trouble is Trouble.PROTOCOL


async def test_a_long_body_that_is_all_there_does_not_end_the_connection(sender: Sender):
    async with receiver(
        wire(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000)
    ) as there:
        told = await post(sender, there)
        assert told.body == "x" * 4096
        assert (await post(sender, there)).status == 200


# -- idle connections ----------------------------------------------------------------------------


async def test_what_comes_unasked_is_not_taken_for_the_next_answer(sender: Sender):
    later = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
    gate = asyncio.Event()

    async def unasked(exchange: Exchange) -> None:
        await exchange.write(OK)
        await gate.wait()
        await exchange.write(later)

    async with receiver(unasked) as there:
        assert (await post(sender, there)).status == 200
        ((idle,),) = sender._pool._idle.values()
        gate.set()
        await eventually(lambda: not idle.connection.usable)
        assert (await post(sender, there)).status == 200
        assert connections(there) == [1, 2]


async def test_an_early_answer_leaves_the_rest_of_the_request_unsent(sender: Sender):
    """The connection cannot be used again: its receiver still waits for the rest."""
    served = 0
    release = asyncio.Event()

    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        served += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await release.wait()

    async with by_hand(early) as port:
        way = Way(url=f"http://127.0.0.1:{port}/")
        for _ in range(2):
            assert (await sender.post(way, {}, b"x" * 20_000_000)).status == 200
        assert served == 2
        release.set()


async def test_the_second_wait_is_as_long_as_the_first(sender: Sender, leap: Leap):
    """A time limit belongs to its POST, not to the connection."""
    async with receiver(*[after(TOTAL / 2, answer())] * 3, hang) as there:
        for number in range(1, 5):
            waiting = asyncio.create_task(post(sender, there))
            await there.until(number)
            await leap(TOTAL / 2)
            if number < 4:
                assert (await waiting).status == 200
        assert not waiting.done()
        await leap(TOTAL / 2)
        assert (await waiting).trouble is Trouble.TIMEOUT
        assert connections(there) == [1, 1, 1, 1]
