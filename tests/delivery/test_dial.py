"""Getting a connection: names, several addresses, and the address rule."""

from __future__ import annotations

import asyncio
import errno
import socket
from ipaddress import ip_network
from typing import Any

import pytest

from mmconnect.delivery import dial
from mmconnect.delivery.sender import Answer, Sender, Way
from mmconnect.domain.clock import SystemClock
from mmconnect.webhook.addresses import AddressRule, listeners
from mmconnect.webhook.outcome import OutcomeClass, Trouble, judge_trouble
from tests.delivery.limits import CONNECT
from tests.support.inprocess import eventually
from tests.support.leaping import Leap
from tests.support.receiver import answer, free_port, receiver

BODY = b'{"text":"hello"}'
Info = tuple[Any, ...]


async def post(sender: Sender, url: str, **way: Any) -> Answer:
    return await sender.post(Way(url=url, **way), {}, BODY)


def info(ip: str, port: int) -> Info:
    if ":" in ip:
        return socket.AF_INET6, socket.SOCK_STREAM, 6, "", (ip, port, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)


class Names:
    """A resolver that knows what a test tells it."""

    def __init__(self, *ips: str, delay: float = 0.0) -> None:
        self.ips, self.delay, self.asked = ips, delay, 0
        self.then = ips
        """What it says from the second time on."""

    async def __call__(self, host: str, port: int, **_: Any) -> list[Info]:
        self.asked += 1
        ips = self.ips if self.asked == 1 else self.then
        await asyncio.sleep(self.delay)
        return [info(ip, port) for ip in ips]


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Any:
    def use(*ips: str, delay: float = 0.0) -> Names:
        names = Names(*ips, delay=delay)
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", names)
        return names

    return use


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses to which a connection was tried."""
    tried: list[str] = []
    connect = asyncio.selector_events.BaseSelectorEventLoop.sock_connect

    async def note(self: Any, sock: socket.socket, where: Any) -> None:
        tried.append(where[0])
        if where[0].startswith("127."):
            return await connect(self, sock, where)
        if where[0].startswith("10.99."):  # a hole in the network
            await asyncio.sleep(3600)
        raise OSError(113, "No route to host")

    monkeypatch.setattr(asyncio.selector_events.BaseSelectorEventLoop, "sock_connect", note)
    return tried


async def test_a_new_connection_that_closes_before_anything_was_sent(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
):
    """Nothing can have been acted upon: not reached."""
    connect = sender._dialer.connect

    async def lost(*words: Any) -> Any:
        connection = await connect(*words)
        connection.abort()
        return connection

    monkeypatch.setattr(sender._dialer, "connect", lost)
    async with receiver() as there:
        told = await post(sender, there.url)
        assert (told.status, told.trouble) == (None, Trouble.CONNECT_RESET)
        assert there.arrivals == []


# -- several addresses ---------------------------------------------------------------------------


async def test_the_addresses_are_tried_in_order(sender: Sender, resolve: Any, dialled: list[str]):
    resolve("10.1.1.1", "127.0.0.2", "127.0.0.1")
    async with receiver() as there:
        told = await post(sender, f"http://many.local:{there.port}/")
        assert (told.status, told.address) == (200, f"127.0.0.1:{there.port}")
        assert dialled == ["10.1.1.1", "127.0.0.2", "127.0.0.1"]


@pytest.mark.parametrize("order", [1, -1])
async def test_the_most_telling_trouble_is_told(
    sender: Sender, resolve: Any, dialled: list[str], order: int
):
    resolve(*["10.1.1.1", "127.0.0.1", "10.1.1.2"][::order])
    told = await post(sender, f"http://many.local:{free_port()}/")
    assert (told.trouble, told.address) == (Trouble.REFUSED, None)
    assert len(dialled) == 3


async def test_an_address_that_is_silent_leaves_time_for_the_next(
    sender: Sender, leap: Leap, resolve: Any, dialled: list[str]
):
    resolve("10.99.0.1", "127.0.0.1")
    async with receiver() as there:
        waiting = asyncio.create_task(post(sender, f"http://many.local:{there.port}/"))
        await eventually(lambda: dialled)
        await leap(CONNECT / 2)
        told = await waiting
        assert told.status == 200
        assert told.duration_ms >= CONNECT * 500


async def test_together_they_have_five_seconds(
    resolve: Any, dialled: list[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(dial, "CONNECT_TIMEOUT", 0.4)
    sender = Sender(SystemClock())
    resolve("10.99.0.1", "10.99.0.2", "10.99.0.3", "10.99.0.4")
    told = await post(sender, "http://many.local/")
    assert told.trouble is Trouble.CONNECT_TIMEOUT
    assert len(dialled) == 4
    assert 350 <= told.duration_ms < 60_000


async def test_a_name_server_that_does_not_answer(sender: Sender, leap: Leap, resolve: Any):
    """All who wait for one name share the one thread that asks."""
    names = resolve("127.0.0.1", delay=2 * CONNECT)
    waiting = [asyncio.create_task(post(sender, "http://slow.local:9/")) for _ in range(20)]
    await eventually(lambda: names.asked)
    await leap(CONNECT)
    all_told = await asyncio.gather(*waiting)
    assert {told.trouble for told in all_told} == {Trouble.DNS}
    assert "in time" in all_told[0].detail
    assert names.asked == 1
    await leap(CONNECT)
    async with receiver() as there:  # and later it is asked again
        resolve("127.0.0.1")
        assert (await post(sender, f"http://slow.local:{there.port}/")).status == 200


async def test_a_name_without_addresses(sender: Sender, resolve: Any):
    resolve()
    assert (await post(sender, "http://empty.local/")).trouble is Trouble.DNS


@pytest.mark.parametrize(
    ("host", "number", "trouble"),
    [
        ("h.example", socket.EAI_AGAIN, Trouble.NO_DNS),
        ("h.local", socket.EAI_AGAIN, Trouble.DNS),
        ("h.example", socket.EAI_NONAME, Trouble.DNS),
    ],
)
async def test_whose_trouble_a_name_is(
    sender: Sender, monkeypatch: pytest.MonkeyPatch, host: str, number: int, trouble: Trouble
):
    async def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(number, "words")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", fail)
    told = await post(sender, f"http://{host}/")
    assert (told.trouble, told.detail) == (trouble, "words")


@pytest.mark.parametrize(
    ("ips", "trouble"),
    [
        (("10.1.1.1",), Trouble.NO_NETWORK),
        (("10.1.1.1", "fd00::1"), Trouble.UNREACHABLE),
        (("fd00::1",), Trouble.UNREACHABLE),
        (("10.1.1.1", "127.0.0.1"), Trouble.REFUSED),
    ],
)
async def test_whose_trouble_a_missing_network_is(
    sender: Sender,
    resolve: Any,
    monkeypatch: pytest.MonkeyPatch,
    ips: tuple[str, ...],
    trouble: Trouble,
):
    async def fail(sock: socket.socket, where: Any) -> None:
        if where[0] == "127.0.0.1":
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", fail)
    resolve(*ips)
    assert (await post(sender, "http://h.local/")).trouble is trouble


# -- the address rule ----------------------------------------------------------------------------


CARRIED = ("::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1")
"""One refused address, as IPv6 carries it: mapped, through NAT64, through 6to4."""


async def test_a_refused_address_among_several_is_skipped(
    sender: Sender, resolve: Any, dialled: list[str]
):
    """`homeassistant.local` often resolves to fe80:: first."""
    resolve("fe80::1", "169.254.3.4", *CARRIED, "127.0.0.1")
    async with receiver() as there:
        assert (await post(sender, f"http://homeassistant.local:{there.port}/")).status == 200
        assert dialled == ["127.0.0.1"]


async def test_a_name_that_changes_from_an_allowed_to_a_refused_address(
    sender: Sender, resolve: Any, dialled: list[str]
):
    """DNS rebinding: what was judged is what is dialled, and each connection is judged anew."""
    async with receiver(default=answer(close=True)) as there:
        names = resolve("127.0.0.1")
        names.then = ("169.254.169.254",)
        url = f"http://innocent.local:{there.port}/"
        told = await post(sender, url)
        assert (told.status, names.asked) == (200, 1), "nobody asked again, after it was judged"
        told = await post(sender, url)
        assert (told.trouble, names.asked) == (Trouble.BLOCKED, 2)
        assert "169.254.169.254" in told.detail
        assert dialled == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("169.254.169.254", "169.254.169.254"),
        ("2852039166", "169.254.169.254"),
        ("0xa9.0xfe.0xa9.0xfe", "169.254.169.254"),
        ("0251.0376.0251.0376", "169.254.169.254"),
        ("[::ffff:169.254.169.254]", "169.254.169.254"),
        ("[64:ff9b::169.254.169.254]", "64:ff9b::a9fe:a9fe leads to 169.254.169.254"),
        ("[2002:a9fe:a9fe::1]", "2002:a9fe:a9fe::1 leads to 169.254.169.254"),
        ("0", "0.0.0.0"),
        ("[::]", ":: "),
        ("[fe80::1]", "fe80::1"),
        ("[ff02::1]", "ff02::1"),
    ],
)
async def test_a_refused_literal_opens_no_socket(
    sender: Sender, dialled: list[str], monkeypatch: pytest.MonkeyPatch, host: str, address: str
):
    def none(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", none)
    told = await post(sender, f"https://{host}/")
    assert (told.status, told.trouble, told.address) == (None, Trouble.BLOCKED, None)
    assert dialled == []
    judged = judge_trouble(Trouble.BLOCKED, told.detail)
    assert judged.result is OutcomeClass.BLOCKED
    assert judged.sentence is not None
    assert judged.sentence.startswith(address)


@pytest.mark.parametrize("host", ["0x7f.1", "2130706433", "127.1", "[::ffff:127.0.0.1]"])
async def test_odd_notations_of_a_good_address_work(sender: Sender, host: str):
    async with receiver() as there:
        told = await post(sender, f"http://{host}:{there.port}/")
        assert told.status == 200


async def test_names_are_judged_by_what_they_resolve_to(
    sender: Sender, resolve: Any, dialled: list[str]
):
    for ips in (("169.254.169.254", "fe80::1"), *((ip,) for ip in CARRIED)):
        resolve(*ips)
        told = await post(sender, "https://innocent.example/")
        assert told.trouble is Trouble.BLOCKED
        assert "169.254.169.254" in told.detail
    assert dialled == []


async def test_mmconnects_own_listeners_are_no_receivers():
    async with receiver() as there:
        rule = AddressRule(own=listeners([f"0.0.0.0:{there.port}"]))
        sender = Sender(SystemClock(), rule=lambda: rule)
        for host in ("127.0.0.1", "localhost", "127.0.0.5"):
            told = await post(sender, f"http://{host}:{there.port}/")
            assert told.trouble is Trouble.BLOCKED
            assert "mmconnect itself" in told.detail
        assert there.arrivals == []
        await sender.close()


async def test_the_owner_may_allow_what_is_refused(dialled: list[str]):
    rule = AddressRule(allow=(ip_network("169.254.7.7/32"),))
    sender = Sender(SystemClock(), rule=lambda: rule)
    assert (await post(sender, "http://169.254.7.7/")).trouble is Trouble.UNREACHABLE
    assert (await post(sender, "http://169.254.7.8/")).trouble is Trouble.BLOCKED
    assert dialled == ["169.254.7.7"]


async def test_plain_http_does_not_leave_home_without_consent(
    sender: Sender, resolve: Any, dialled: list[str]
):
    told = await post(sender, "http://93.184.216.34/")
    assert told.trouble is Trouble.BLOCKED
    assert "https" in told.detail
    assert dial.PLAIN_HTTP in told.detail
    assert dialled == []
    resolve("93.184.216.34", "127.0.0.1")
    async with receiver() as there:
        assert (await post(sender, f"http://both.example:{there.port}/")).status == 200
    assert dialled == ["127.0.0.1"], "the private one of the two"
    for url, way in (
        ("http://93.184.216.34/", {"plain_http": True}),
        ("https://93.184.216.34/", {}),
    ):
        assert (await post(sender, url, **way)).trouble is Trouble.UNREACHABLE
    assert dialled[1:] == ["93.184.216.34"] * 2


async def test_a_port_that_connects_to_itself_is_no_receiver(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
):
    """TCP lets it, about once in 28,000 tries of a port that the system gives out itself."""
    loop = asyncio.get_running_loop()
    connect = loop.sock_connect

    async def from_there(sock: socket.socket, where: Any) -> None:
        sock.bind(where)
        await connect(sock, where)
        assert sock.getpeername() == sock.getsockname()

    monkeypatch.setattr(loop, "sock_connect", from_there)
    told = await post(sender, f"http://127.0.0.1:{free_port()}/")
    assert told.trouble is Trouble.REFUSED
