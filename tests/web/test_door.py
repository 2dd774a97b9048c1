"""The way into a port for TLS: who it is for, who it is not, and those who only stand there."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mmconnect.web import door
from mmconnect.web.http import Misfit
from mmconnect.web.server import Server
from tests.support.https import made, server, trusting
from tests.support.inprocess import eventually
from tests.support.loops import goes_ahead, settled
from tests.support.serving import no_tls, ok
from tests.support.wire import Line, ask, request

HELLO = b"\x16\x03\x01\x02\x00\x01\x00"
"""How a TLS client begins."""


class Phones(Server):
    """A server that remembers who it was not for."""

    def __init__(self) -> None:
        self.seen: list[tuple[Misfit, str]] = []
        super().__init__(ok, saw=lambda misfit, address: self.seen.append((misfit, address)))
        self.context: ssl.SSLContext | None = None

    @property
    def door(self) -> door.Door:
        return self._doors[0]

    def current(self) -> ssl.SSLContext:
        assert self.context is not None
        return self.context


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def trust(directory: Path) -> ssl.SSLContext:
    return trusting((directory / "ca.pem").read_bytes())


@asynccontextmanager
async def phones(directory: Path, host: str = "127.0.0.1") -> AsyncIterator[tuple[Phones, int]]:
    plain, serving = Server(no_tls), Phones()
    serving.context = server(directory)
    try:
        opened = await serving.start_tls([host], 0, serving.current, plain)
        yield serving, opened[0][1]
    finally:
        await serving.close(0.5)
        await plain.close(0.5)


async def secure(port: int, trust: ssl.SSLContext, host: str = "127.0.0.1") -> Line:
    return Line(*await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname=host))


async def refused(port: int, client: ssl.SSLContext, host: str = "127.0.0.1") -> Exception:
    """How a handshake fails, by a client that says why, as apps do (asyncio's says nothing)."""

    def shake() -> Exception:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as raw:
            try:
                client.wrap_socket(raw, server_hostname=host).close()
            except OSError as error:
                return error
        raise AssertionError("it was let in")

    return await asyncio.to_thread(shake)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "reception.local", "192.168.1.20"])
async def test_by_each_name_and_address(directory: Path, trust: ssl.SSLContext, host: str):
    async with phones(directory) as (serving, port):
        line = await secure(port, trust, host)
        await line.send(request("/", close=False))
        assert (await line.answer()).body == b"ok"
        chosen = line.writer.get_extra_info("ssl_object")
        assert chosen.version() == "TLSv1.3"
        line.close()
        error = await refused(port, trust, "elsewhere.example")
        assert isinstance(error, ssl.SSLCertVerificationError)
        await eventually(lambda: serving.seen)
        assert serving.seen == [(Misfit.DISTRUST, "127.0.0.1")]


async def test_over_ipv6(directory: Path, trust: ssl.SSLContext):
    async with phones(directory, "::1") as (_, port):
        reader, writer = await asyncio.open_connection("::1", port, ssl=trust)
        writer.write(request("/"))
        assert (await reader.read()).endswith(b"ok")
        writer.close()


async def test_plain_http_is_answered_in_plain_http(directory: Path):
    async with phones(directory) as (serving, port):
        for body in (b"", b"x" * 500_000):
            told = await ask(port, request("/in/token", {}, body))
            assert (told.status, told.body) == (400, b"speak TLS")
            assert told.headers["connection"] == "close"
        assert (await ask(port, b"EHLO there\r\n\r\n")).body == b"This is no valid HTTP.\n"
        await eventually(lambda: not serving.door.waiting)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_who_does_not_trust_it_is_seen(directory: Path, version: ssl.TLSVersion):
    strangers = ssl.create_default_context()
    strangers.maximum_version = version
    async with phones(directory) as (serving, port):
        error = await refused(port, strangers)
        assert isinstance(error, ssl.SSLCertVerificationError)
        await eventually(lambda: serving.seen)
        assert serving.seen == [(Misfit.DISTRUST, "127.0.0.1")]


async def test_who_only_leaves_or_errs_is_not_taken_for_distrust(
    directory: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    async with phones(directory) as (serving, port):
        for said in (b"", b"\x16", HELLO, HELLO + b"\xff" * 600, b"\x15\x03\x01\x00\x02\x02\x28"):
            line = await Line.open(port)
            await line.send(said)
            line.close()
        await eventually(lambda: not serving.door.waiting and not serving.connections)
        assert serving.seen == []
    assert not [r for r in caplog.records if r.levelno > logging.WARNING]
    assert "Task exception" not in caplog.text


async def test_tls_on_a_port_for_plain_http_is_seen():
    serving = Phones()
    try:
        await serving.start("127.0.0.1", 0)
        port = serving.addresses[0][1]
        with pytest.raises(ssl.SSLError):
            await secure(port, ssl.create_default_context())
        await eventually(lambda: serving.seen)
        assert serving.seen == [(Misfit.TLS_TO_PLAIN, "127.0.0.1")]
        assert (await ask(port, request("/"))).status == 200
        assert (await ask(port, b"GET nonsense\r\n\r\n")).status == 400
        assert len(serving.seen) == 1
    finally:
        await serving.close(0.5)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
async def test_old_versions_are_refused(
    directory: Path, trust: ssl.SSLContext, version: ssl.TLSVersion
):
    old = trusting((directory / "ca.pem").read_bytes())
    old.minimum_version = old.maximum_version = version
    old.set_ciphers("ALL:@SECLEVEL=0")
    async with phones(directory) as (serving, port):
        assert isinstance(await refused(port, old), ssl.SSLError | ConnectionError)
        assert serving.seen == []


@pytest.mark.parametrize("ciphers", ["AES128-SHA", "ECDHE+AES:!AESGCM", "DHE+AESGCM", "RSA"])
async def test_weak_ciphers_are_refused(directory: Path, ciphers: str):
    weak = trusting((directory / "ca.pem").read_bytes())
    weak.maximum_version = ssl.TLSVersion.TLSv1_2
    weak.set_ciphers(ciphers + ":@SECLEVEL=0")
    async with phones(directory) as (_, port):
        assert isinstance(await refused(port, weak), ssl.SSLError | ConnectionError)


async def test_alpn_is_http_1_1_and_no_reason_to_refuse(directory: Path):
    for offered, chosen in ((["h2", "http/1.1"], "http/1.1"), (["h2"], None)):
        trust = trusting((directory / "ca.pem").read_bytes())
        trust.set_alpn_protocols(offered)
        async with phones(directory) as (_, port):
            line = await secure(port, trust)
            assert line.writer.get_extra_info("ssl_object").selected_alpn_protocol() == chosen
            line.close()


# -- who only stands there ---


async def test_the_silent_and_the_slow_are_sent_away(directory: Path, trust: ssl.SSLContext):
    async with phones(directory) as (serving, port):
        silent = await Line.open(port)
        slow = await Line.open(port)
        await slow.send(HELLO[:1])
        await eventually(lambda: len(serving.door._entering) == len(serving.door._silent) == 1)
        line = await secure(port, trust)
        await line.send(request("/", close=False))
        assert (await line.answer()).status == 200
        assert serving.door.waiting == 2, "nobody else waits for them"
        for byte in HELLO[1:4]:  # a byte now and then makes nobody's time longer
            goes_ahead(door.PATIENCE / 4)
            await slow.send(bytes([byte]))
        goes_ahead(door.PATIENCE / 4)
        assert await silent.at_end(30)
        assert await slow.at_end(30)
        assert serving.door.waiting == 0
        await line.send(request("/", close=False))
        assert (await line.answer()).status == 200, "who is in stays"
        for one in (silent, slow, line):
            one.close()


@pytest.mark.parametrize("said", [b"", HELLO])
async def test_a_crowd_at_the_door_is_bounded_and_lets_the_next_one_in(
    directory: Path, trust: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, said: bytes
):
    monkeypatch.setattr(door, "MOST", 20)
    monkeypatch.setattr(door, "PATIENCE", 100.0)
    async with phones(directory) as (serving, port):
        crowd = []
        for _ in range(50):
            crowd.append(await Line.open(port))
            await crowd[-1].send(said)
        await eventually(lambda: serving.door.waiting == 20)
        line = await secure(port, trust)
        await line.send(request("/", close=False))
        assert (await line.answer()).status == 200
        assert serving.door.waiting <= 20
        assert await crowd[0].at_end(), "who has waited longest"
        for one in (*crowd, line):
            one.close()
        await eventually(lambda: serving.door.waiting == 0)


@pytest.mark.parametrize("said", [HELLO, HELLO + b"\0" * 600, b"\x16\x03\x01\x00\x02no"])
async def test_a_handshake_that_failed_leaves_nothing_behind(directory: Path, said: bytes):
    """Not even until garbage is collected, which a flood of them would outrun."""

    def left() -> int:
        return sum(isinstance(one, SSLProtocol) for one in gc.get_objects())

    async with phones(directory) as (serving, port):
        gc.collect()
        gc.disable()
        try:
            before = left()
            for _ in range(20):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                await eventually(lambda: serving.door.waiting == 1)
                writer.write(said)
                await settled()
                writer.transport.abort()
                await eventually(lambda: serving.door.waiting == 0)
            await asyncio.sleep(0)
            assert left() - before <= 1
        finally:
            gc.enable()


async def test_closing_sends_everybody_away(directory: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(door, "PATIENCE", 100.0)
    async with phones(directory) as (serving, port):
        silent, begun = await Line.open(port), await Line.open(port)
        await begun.send(HELLO)
        await eventually(lambda: len(serving.door._entering) == len(serving.door._silent) == 1)
    assert serving.door.waiting == 0
    for line in (silent, begun):
        assert await line.at_end()
        line.close()
    with pytest.raises(ConnectionRefusedError):
        await Line.open(port)


async def test_a_system_without_sockets_is_told_once_and_tried_again(
    directory: Path,
    trust: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    monkeypatch.setattr(door, "AFTER_SHORTAGE", 0.02)
    taken = socket.socket.accept
    tries = 0

    def accept(self: socket.socket) -> tuple[socket.socket, object]:
        nonlocal tries
        tries += 1
        if tries < 5:
            raise OSError(24, "Too many open files")
        return taken(self)

    async with phones(directory) as (_, port):
        monkeypatch.setattr(socket.socket, "accept", accept)
        line = await secure(port, trust)
        await line.send(request("/", close=False))
        assert (await line.answer()).status == 200
        line.close()
    assert [r.getMessage() for r in caplog.records] == [
        "No connection can be taken in at present: Too many open files"
    ]


# -- a new certificate ---


async def test_a_new_certificate_is_for_new_connections_and_old_ones_go_on(
    directory: Path, trust: ssl.SSLContext, tmp_path: Path
):
    async with phones(directory) as (serving, port):
        old = await secure(port, trust)
        await old.send(request("/", close=False))
        assert (await old.answer()).status == 200
        serving.context = server(made(tmp_path))
        with pytest.raises(ssl.SSLCertVerificationError):
            await secure(port, trust)
        new = await secure(port, trusting((tmp_path / "ca.pem").read_bytes()))
        for line in (old, new):
            await line.send(request("/", close=False))
            assert (await line.answer()).status == 200
            line.close()


async def test_a_port_that_is_taken_opens_none_of_them(directory: Path):
    async with phones(directory) as (_, port):
        plain, other = Server(no_tls), Phones()
        with pytest.raises(OSError, match="in use"):
            await other.start_tls(["::1", "127.0.0.1"], port, other.current, plain)
        with socket.create_server(("::1", port), family=socket.AF_INET6):
            pass
        await other.close(0)
        await plain.close(0)
