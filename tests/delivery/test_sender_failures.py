"""One POST over connections that break, and to receivers that cannot be reached."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import subprocess
from collections.abc import Callable

import pytest

from mmconnect.delivery import dial
from mmconnect.delivery import sender as sending
from mmconnect.delivery.sender import Answer, Sender, Way
from mmconnect.domain.clock import SystemClock
from mmconnect.webhook.outcome import Trouble, judge_trouble
from tests.delivery.limits import CONNECT, TOTAL
from tests.support.leaping import Leap
from tests.support.loops import by_hand
from tests.support.receiver import (
    Act,
    after,
    answer,
    free_port,
    hang,
    hang_up,
    receiver,
    reset,
    say,
)

BODY = b'{"text":"hello"}'


async def post(sender: Sender, url: str) -> Answer:
    return await sender.post(Way(url=url), {"webhook-id": "msg_1"}, BODY)


# -- broken connections --------------------------------------------------------------------------


@pytest.mark.parametrize("act", [hang_up, reset], ids=["closed", "reset"])
async def test_a_fresh_connection_that_breaks_is_not_repeated(sender: Sender, act: Act):
    """The receiver may have acted: never more POSTs than the schedule has."""
    async with receiver(act) as there:
        told = await post(sender, there.url)
        assert (told.status, told.trouble) == (None, Trouble.RESET)
        assert len(there.arrivals) == 1


@pytest.mark.parametrize(
    "act",
    [
        say(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"),
        say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsho"),
        say(b"HTTP/1.1 200 OK\r\nContent-"),
    ],
    ids=["length", "chunks", "headers"],
)
async def test_an_answer_that_breaks_off_is_a_failure(sender: Sender, act: Act):
    async with receiver(answer(), act) as there:
        assert (await post(sender, there.url)).status == 200
        told = await post(sender, there.url)
        assert told.status is None
        assert told.trouble in (Trouble.RESET, Trouble.PROTOCOL)


@pytest.mark.parametrize("act", [hang_up, reset], ids=["closed", "reset"])
async def test_a_kept_connection_that_was_closed_meanwhile_is_no_failure(sender: Sender, act: Act):
    async with receiver(answer(), act) as there:
        assert (await post(sender, there.url)).status == 200
        told = await post(sender, there.url)
        assert (told.status, told.trouble) == (200, None)
        assert [one.connection for one in there.arrivals] == [1, 1, 2]
        assert len({one.body for one in there.arrivals}) == 1


async def test_only_one_repeat(sender: Sender):
    async with receiver(answer(), hang_up, hang_up) as there:
        await post(sender, there.url)
        told = await post(sender, there.url)
        assert (told.status, told.trouble) == (None, Trouble.RESET)
        assert len(there.arrivals) == 3


async def test_a_kept_connection_that_hangs_is_not_repeated(sender: Sender, leap: Leap):
    async with receiver(answer(), hang) as there:
        await post(sender, there.url)
        waiting = asyncio.create_task(post(sender, there.url))
        await there.until(2)
        await leap(TOTAL)
        assert (await waiting).trouble is Trouble.TIMEOUT
        assert len(there.arrivals) == 2


@pytest.mark.parametrize("act", [hang_up, reset], ids=["closed", "reset"])
async def test_a_kept_connection_that_breaks_later_is_not_repeated(
    sender: Sender, act: Act, monkeypatch: pytest.MonkeyPatch
):
    """The receiver has worked on it: never more POSTs than the schedule has."""
    monkeypatch.setattr(sending, "MEANWHILE", 0.05)
    async with receiver(answer(), after(0.1, act)) as there:
        await post(sender, there.url)
        assert (await post(sender, there.url)).trouble is Trouble.RESET
        assert len(there.arrivals) == 2


async def test_the_repeat_has_only_the_time_that_is_left(sender: Sender, leap: Leap):
    async with receiver(answer(), after(CONNECT / 2, hang_up), hang) as there:
        await post(sender, there.url)
        waiting = asyncio.create_task(post(sender, there.url))
        await there.until(2)
        await leap(CONNECT / 2)
        await there.until(3)
        assert not waiting.done()
        await leap(TOTAL - CONNECT / 2)
        assert (await waiting).trouble is Trouble.TIMEOUT


async def test_a_receiver_that_closes_after_each_answer(sender: Sender):
    async with receiver(default=answer(close=True)) as there:
        for _ in range(5):
            assert (await post(sender, there.url)).status == 200
            await asyncio.sleep(0.01)
        assert len(there.arrivals) == 5


@pytest.mark.parametrize(
    "nonsense",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"<html>hello</html>\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
)
async def test_nonsense_is_a_protocol_error(sender: Sender, nonsense: bytes):
    async with receiver(default=say(nonsense)) as there:
        told = await post(sender, there.url)
        assert (told.status, told.trouble) == (None, Trouble.PROTOCOL)
        assert len(there.arrivals) == 1


# -- not reached ---------------------------------------------------------------------------------


async def test_refused(sender: Sender):
    told = await post(sender, f"http://127.0.0.1:{free_port()}/")
    assert (told.status, told.trouble, told.address) == (None, Trouble.REFUSED, None)
    assert "Is the receiver running" in words(told)


async def test_a_name_that_does_not_resolve(sender: Sender, monkeypatch: pytest.MonkeyPatch):
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    told = await post(sender, "http://homeassistant.local:8123/")
    assert told.trouble is Trouble.DNS
    assert "this machine's DNS" in words(told)
    assert "Name or service not known" in words(told)


async def test_no_route(sender: Sender, monkeypatch: pytest.MonkeyPatch):
    async def unreachable(*_: object, **__: object) -> None:
        raise OSError(113, "No route to host")

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", unreachable)
    told = await post(sender, "http://127.0.0.1:9/")
    assert told.trouble is Trouble.UNREACHABLE
    assert "Is it switched on" in words(told)


async def test_a_connection_that_is_never_accepted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dial, "CONNECT_TIMEOUT", 0.2)
    sender = Sender(SystemClock())
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        try:
            told = await post(sender, f"http://127.0.0.1:{full.getsockname()[1]}/")
        finally:
            await sender.close()
        for one in waiting:
            one.close()
    assert told.trouble is Trouble.CONNECT_TIMEOUT
    assert 150 <= told.duration_ms < 60_000, "far from what the system waits by itself"
    assert "firewall" in words(told)


async def test_https_where_there_is_only_http(sender: Sender):
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

    async with by_hand(plain) as port:
        told = await post(sender, f"https://127.0.0.1:{port}/")
    assert told.trouble is Trouble.TLS
    assert "certificate" in words(told)


@pytest.fixture(scope="module")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    folder = tmp_path_factory.mktemp("tls")
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    words += " -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 -keyout key -out cert"
    try:
        subprocess.run(words.split(), check=True, capture_output=True, cwd=folder)
    except FileNotFoundError:
        pytest.skip("there is no openssl here")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert", folder / "key")
    return context


async def test_a_certificate_that_nobody_signed(
    sender: Sender, self_signed: ssl.SSLContext, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.CRITICAL, "asyncio")
    async with receiver(tls=self_signed) as there:
        told = await post(sender, there.url)
        assert there.arrivals == [], "not a byte of a text to a stranger"
    assert told.trouble is Trouble.TLS
    assert "certificate verify failed" in words(told)
    assert "signed by an authority that this machine trusts" in words(told)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hook",
        "ftp://127.0.0.1/",
        "http://",
        "http:///hook",
        "http://127.0.0.1:99999/",
        "http://[::1/",
        "http://a b/",
        "http://xn--/",
        "http://" + "a" * 70 + ".local/",
        "http://127.0.0.1:1x/",
        "http://\udcff/",
    ],
)
async def test_urls_that_cannot_be_used_never_raise(sender: Sender, url: str):
    told = await post(sender, url)
    assert told.status is None
    assert told.trouble in (Trouble.BAD_URL, Trouble.DNS)
    assert words(told)


@pytest.mark.parametrize("value", ["a\r\nX-B: b", "\0", "Дом", "😀", "\udcff"])
async def test_a_header_that_cannot_be_sent_never_raises(sender: Sender, value: str):
    async with receiver() as there:
        told = await sender.post(Way(url=there.url), {"X-A": value}, BODY)
        assert (told.status, told.trouble) == (None, Trouble.BAD_HEADER)
        assert there.arrivals == []


async def test_cancelling_leaves_no_connection_behind(sender: Sender):
    async with receiver(hang) as there:
        task = asyncio.create_task(post(sender, there.url))
        await there.until(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await post(sender, there.url)).status == 200
        assert [one.connection for one in there.arrivals] == [1, 2]


def words(told: Answer) -> str:
    assert told.trouble is not None
    return judge_trouble(told.trouble, told.detail).error or ""


Check = Callable[[Answer], bool]
