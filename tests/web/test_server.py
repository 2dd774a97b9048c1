"""HTTP as the phone listener speaks it: framing, order, limits, and clients that misbehave."""

from __future__ import annotations

import asyncio
import gzip
import logging
import re
import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from mmconnect.web import connection
from mmconnect.web.body import BodyReader, Broken
from mmconnect.web.connection import MAX_HEADERS, MAX_LINE, PIPELINED
from mmconnect.web.http import Answer, Request, head, media_type
from mmconnect.web.server import KEEP_ALIVE
from tests.support.inprocess import eventually
from tests.support.loops import goes_ahead, settled
from tests.support.serving import PLAIN, ok, serving
from tests.support.wire import Line, ask, chunk, request


async def echo(request: Request) -> Answer:
    """Says what it was asked, and repeats the body."""
    try:
        body = await BodyReader().read(request)
    except Broken:
        return Answer(head=head(400, "text/plain"), body=b"broken", close=True)
    return Answer(head=PLAIN, body=f"{request.method} {request.url.path} ".encode() + body)


async def refuse(_: Request) -> Answer:
    """Answers without looking at the body."""
    return Answer(head=head(401, "text/plain"), body=b"no")


async def test_the_head_of_an_answer():
    async with serving(ok) as (_, port):
        told = await ask(port, request("/", close=False))
        assert told.headers.keys() == {"content-type", "content-length", "date", "server"}
        assert told.headers["server"] == "mmconnect"
        assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", told.headers["date"])
        assert (await ask(port, request("/"))).headers["connection"] == "close"


@pytest.mark.parametrize("keep", [False, True])
async def test_http_1_0_ends_with_its_answer_unless_asked_otherwise(keep: bool):
    async with serving(ok) as (_, port):
        line = await Line.open(port)
        headers = {"Connection": "keep-alive"} if keep else {}
        await line.send(request("/", headers, version="1.0", close=False))
        raw = await line.reader.readuntil(b"\r\n\r\nok")
        assert raw.startswith(b"HTTP/1.0 200 OK\r\n")
        assert (b"\r\nConnection: keep-alive\r\n" in raw) is keep
        if keep:
            await line.send(request("/", close=False))
            assert (await line.answer()).status == 200
        else:
            assert await line.at_end()
        line.close()


async def test_answers_come_in_the_order_of_the_requests():
    async def slow_ones_first(request: Request) -> Answer:
        await asyncio.sleep(0.05 if request.url.path == "/0" else 0)
        return Answer(head=PLAIN, body=request.url.path.encode())

    async with serving(slow_ones_first) as (_, port):
        line = await Line.open(port)
        asked = range(5 * PIPELINED)
        await line.send(b"".join(request(f"/{n}", close=False) for n in asked))
        assert [(await line.answer()).body for n in asked] == [b"/%d" % n for n in asked]
        line.close()


async def test_a_request_right_behind_a_large_body():
    async with serving(echo) as (_, port):
        large = b"x" * 2**20
        packed = {"Content-Encoding": "gzip"}
        line = await Line.open(port)
        for first in (
            request("/1", {}, large, close=False),
            request("/1", {}, large, chunks=50_000, close=False),
            request("/1", packed, gzip.compress(large), close=False),
        ):
            await line.send(first + request("/2", {}, b"y", close=False))
            assert (await line.answer()).body == b"POST /1 " + large
            assert (await line.answer()).body == b"POST /2 y"
        line.close()


async def test_who_asks_without_end_and_reads_nothing_is_not_read_either():
    answered = 0

    async def large(_: Request) -> Answer:
        nonlocal answered
        answered += 1
        return Answer(head=PLAIN, body=b"x" * 10_000)

    async with serving(large) as (_, port):
        line = await Line.open(port)
        line.writer.transport.pause_reading()  # type: ignore[attr-defined]
        asked = request("/", close=False) * 1_000_000  # 60 MB, more than sockets hold
        sending = asyncio.create_task(line.send(asked))
        before = -1
        while answered != before:
            before = answered
            await asyncio.sleep(0.1)
        assert not sending.done()
        assert answered < 2000
        line.writer.transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(before + 10 * PIPELINED):  # and then it goes on
            assert (await line.answer()).status == 200
        sending.cancel()
        line.writer.transport.abort()


async def test_requests_are_taken_apart_only_a_few_ahead():
    gate = asyncio.Event()

    async def wait(_: Request) -> Answer:
        await gate.wait()
        return Answer(head=PLAIN, body=b"")

    async with serving(wait) as (server, port):
        line = await Line.open(port)
        await line.send(request("/", close=False) * 1000)
        await eventually(lambda: any(one._queue for one in server.connections))
        await asyncio.sleep(0.1)
        (one,) = server.connections
        assert len(one._queue) <= PIPELINED
        gate.set()
        for _ in range(1000):
            assert (await line.answer()).status == 200
        line.close()


async def test_who_leaves_in_mid_body_is_not_waited_for():
    async with serving(echo) as (server, port):
        line = await Line.open(port)
        await line.send(request("/", {}, b"x" * 1000, close=False)[:-1])
        await eventually(lambda: server.connections)
        line.writer.transport.abort()
        await eventually(lambda: not server.connections)


async def test_who_never_reads_is_cut_off():
    asked = asyncio.Event()

    async def large(_: Request) -> Answer:
        asked.set()
        return Answer(head=PLAIN, body=b"x" * 2**23)

    async with serving(large) as (server, port):
        for close, much in ((False, False), (True, False), (False, True), (True, True)):
            line = await Line.open(port)
            line.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await eventually(lambda: len(server.connections) == 1)
            if much:  # what the loop keeps for a client, beyond the socket's own buffers
                (one,) = server.connections
                one.transport.set_write_buffer_limits(2**30)  # type: ignore[union-attr]
            asked.clear()
            await line.send(request("/", close=close))
            await asked.wait()
            passed = 0

            def gone() -> bool:
                nonlocal passed
                goes_ahead(5)
                passed += 5
                return not server.connections

            await eventually(gone)
            assert passed >= min(connection.UNREAD_PATIENCE, KEEP_ALIVE)
            line.writer.transport.abort()


async def test_a_refused_body_is_let_in_so_that_the_answer_arrives():
    async with serving(refuse) as (_, port):
        line = await Line.open(port)
        whole = request("/", {}, b"x" * 2**22, close=False)
        await line.send(whole)
        assert (await line.answer()).status == 401
        await line.send(request("/", close=False))
        assert (await line.answer()).status == 401, "the connection is still good"
        line.close()


async def test_a_refused_body_that_does_not_come_ends_the_connection(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(connection, "LINGERING", 0.1)
    async with serving(refuse) as (_, port):
        line = await Line.open(port)
        await line.send(request("/", {}, b"x" * 1000, close=False)[:-1])
        assert (await line.answer()).status == 401
        assert await line.at_end()
        line.close()


async def test_a_head_that_drips_in_is_cut_off():
    async with serving(ok, keep_alive=240.0) as (server, port):
        line = await Line.open(port)
        await line.send(b"G")
        await eventually(lambda: any(one._begun for one in server.connections))
        for byte in b"ET /x":
            goes_ahead(connection.HEAD_PATIENCE / 3)
            await line.send(bytes([byte]))
            await settled()
        assert await line.at_end()
        line.close()


async def test_a_connection_that_says_nothing_at_all_is_closed():
    async with serving(ok) as (server, port):
        line = await Line.open(port)
        await eventually(lambda: server.connections)
        goes_ahead(KEEP_ALIVE + 1)
        assert await line.at_end()
        line.close()
        await eventually(lambda: not server.connections)


@pytest.mark.parametrize(
    "bad",
    [
        b"GET /" + b"x" * MAX_LINE + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * (MAX_LINE + 1) + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * MAX_HEADERS + b"\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 2\r\n\r\n",
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_what_is_no_http_is_400_and_the_end(bad: bytes):
    async with serving(ok) as (_, port):
        line = await Line.open(port)
        await line.send(request("/", close=False))
        assert (await line.answer()).status == 200
        await line.send(bad)
        told = await line.answer()
        assert (told.status, told.headers["connection"]) == (400, "close")
        assert await line.at_end()
        line.close()


async def test_what_is_no_http_is_answered_in_its_turn():
    begun, gate = asyncio.Event(), asyncio.Event()

    async def wait(_: Request) -> Answer:
        begun.set()
        await gate.wait()
        return Answer(head=PLAIN, body=b"first")

    async with serving(wait) as (server, port):
        line = await Line.open(port)
        await line.send(request("/", close=False))
        await begun.wait()
        (one,) = server.connections
        await line.send(b"nonsense\r\n\r\n")
        await eventually(lambda: one._refused)
        gate.set()
        assert (await line.answer()).body == b"first"
        assert (await line.answer()).status == 400
        assert await line.at_end()
        line.close()


async def test_a_body_that_breaks_off_in_the_middle_is_noticed_at_once():
    begun = asyncio.Event()

    async def reads(request: Request) -> Answer:
        begun.set()
        return await echo(request)

    async with serving(reads) as (_, port):
        line = await Line.open(port)
        start = request("/", chunks=1).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        await line.send(start + chunk(b"x"))
        await begun.wait()
        await line.send(b"zz\r\n")
        assert (await line.answer()).body == b"broken"
        assert await line.at_end()
        line.close()


async def test_a_client_that_leaves_cancels_nothing():
    begun, gate, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(_: Request) -> Answer:
        begun.set()
        await gate.wait()
        done.set()
        return Answer(head=PLAIN, body=b"")

    async with serving(slow) as (server, port):
        line = await Line.open(port)
        await line.send(request("/", close=False))
        await begun.wait()
        line.writer.transport.abort()
        await asyncio.sleep(0.05)
        assert len(server.connections) == 1, "it counts until it is finished"
        gate.set()
        await asyncio.wait_for(done.wait(), 60)
        await eventually(lambda: not server.connections)


async def test_closing_waits_for_what_is_under_way_and_for_nothing_else():
    begun, gate = asyncio.Event(), asyncio.Event()

    async def slow(_: Request) -> Answer:
        begun.set()
        await gate.wait()
        return Answer(head=PLAIN, body=b"finished")

    async with serving(slow) as (server, port):
        busy, idle = await Line.open(port), await Line.open(port)
        await busy.send(request("/", close=False) * 2)
        await begun.wait()
        await eventually(lambda: len(server.connections) == 2)
        closing = asyncio.create_task(server.close(100))
        assert await idle.at_end()
        assert not closing.done()
        gate.set()
        told = await busy.answer()
        assert (told.body, told.headers["connection"]) == (b"finished", "close")
        assert await busy.at_end(), "the second was not begun"
        await asyncio.wait_for(closing, 60)
        with pytest.raises(OSError, match="Connect call failed"):
            await Line.open(port)
        for line in (busy, idle):
            line.close()


async def test_closing_has_an_end():
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def never(_: Request) -> Answer:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        raise AssertionError

    async with serving(never) as (server, port):
        line = await Line.open(port)
        await line.send(request("/", close=False))
        await begun.wait()
        await asyncio.wait_for(server.close(0.1), 60)
        assert cancelled.is_set()
        assert await line.at_end()
        line.close()


async def test_a_handler_that_fails_is_500_and_the_log_says_why(caplog: pytest.LogCaptureFixture):
    async def fails(_: Request) -> Answer:
        raise ZeroDivisionError

    async with serving(fails) as (_, port):
        assert (await ask(port, request("/", close=False))).status == 500
    assert "ZeroDivisionError" in caplog.text


async def test_a_client_that_offers_another_protocol_gets_this_one():
    """Java's own client offers HTTP/2 with each first request, whether it has a body or not."""
    async with serving(echo) as (_, port):
        offer = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AA"}
        line = await Line.open(port)
        for _ in range(2):
            await line.send(request("/", offer, b"text", close=False))
            assert (await line.answer()).body == b"POST / text"
        line.close()
        socket = {"Connection": "Upgrade", "Upgrade": "websocket"}
        line = await Line.open(port)
        await line.send(request("/", socket, method="GET", close=False))
        assert (await line.answer()).body == b"GET / "
        assert await line.at_end()
        line.close()


async def test_a_proxy_is_what_this_is_not():
    async with serving(refuse) as (_, port):
        told = await ask(port, b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n")
        assert told.status == 401


async def test_who_asks_is_told_by_address():
    async def whose(request: Request) -> Answer:
        return Answer(head=PLAIN, body=request.remote.encode())

    async with serving(whose) as (_, port):
        assert (await ask(port, request("/"))).body == b"127.0.0.1"


async def test_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("there is no IPv6 here")
    async with serving(echo, "::1") as (server, port):
        assert server.addresses == [("::1", port)]
        line = Line(*await asyncio.open_connection("::1", port))
        await line.send(request("/", {}, b"six"))
        assert (await line.answer()).body == b"POST / six"
        line.close()


@pytest.fixture
def self_signed(tmp_path: Path) -> ssl.SSLContext:
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    try:
        subprocess.run(
            [*words.split(), "-subj", "/CN=x", "-keyout", key, "-out", certificate],
            check=True,
            capture_output=True,
        )
    except FileNotFoundError:
        pytest.skip("there is no openssl here")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


async def test_tls(self_signed: ssl.SSLContext, caplog: pytest.LogCaptureFixture):
    """The same server with a certificate; large bodies, pauses and ends included."""
    caplog.set_level(logging.WARNING)
    anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
    async with serving(echo, tls=self_signed) as (server, port):
        line = Line(*await asyncio.open_connection("127.0.0.1", port, ssl=anyone))
        for body in (b"small", b"x" * 2**22):
            asked = request("/", {}, body, close=False)
            await line.send(asked + asked)
            for _ in range(2):
                assert (await line.answer()).body == b"POST / " + body
        goes_ahead(KEEP_ALIVE + 1)
        assert await line.at_end()
        line.close()
        await eventually(lambda: not server.connections)
    assert not caplog.records


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (None, ("", "utf-8")),
        ("application/json", ("application/json", "utf-8")),
        ('Text/Plain; Charset="utf-16"', ("text/plain", "utf-16")),
        (";;; charset", ("application/octet-stream", "utf-8")),
    ],
)
def test_media_types(header: str | None, told: tuple[str, str]):
    assert media_type(header) == told
