"""A simulated phone with the app Incoming SMS to URL forwarder: a template, and lasting retries.

Written from the description of the app. Every text is a work item of its own, so they overtake
one another; the body of an item is made once and is the same at every attempt.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import aiohttp

from tests.support.phone_thread import FOREVER, LoopThread, until

TEMPLATE = (
    '{\n  "from":"%from%",\n  "text":"%text%",\n  "sentStamp":%sentStamp%,\n'
    '  "receivedStamp":%receivedStamp%,\n  "sim":"%sim%"\n}'
)
FIRST_WAIT, LONGEST_WAIT = 10.0, 5 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One attempt of a forwarder."""

    body: bytes
    headers: Mapping[str, str]
    status: int | None
    """None: there was no answer."""
    answer: bytes = b""
    at: float
    """Monotonic seconds, when it was over."""


async def post(
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    chunked: bool = False,
    check: bool = False,
    limit: float | None = None,
) -> Post:
    """A POST on a connection of its own. `check`: of the certificate; `limit`: seconds."""

    async def pieces():
        yield body

    status, told = None, b""
    async with aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=limit), skip_auto_headers=("User-Agent", "Content-Type")
    ) as session:
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with session.post(
                url,
                data=pieces() if chunked else body,
                headers=headers,
                ssl=check,
                allow_redirects=False,
            ) as response:
                told = await response.read()
                status = response.status
    return Post(body=body, headers=headers, status=status, answer=told, at=time.monotonic())


@dataclass(slots=True, kw_only=True)
class Item:
    """A text that is to be forwarded."""

    url: str
    body: bytes
    attempts: int = 0
    state: str = "waiting"
    """waiting, sent, failed (kept since 2.4.0), lost"""


class IncomingSmsPhone:
    """The phone. `retries` is the app's setting: one POST more than that is made."""

    def __init__(
        self,
        url: str,
        *,
        version: str = "2.3.0",
        retries: int = 10,
        key: str | None = None,
        chunked: bool = True,
        headers: Mapping[str, str] | None = None,
        template: str = TEMPLATE,
        ignore_ssl: bool = False,
        time_scale: float = 0.001,
    ) -> None:
        self.url, self.retries, self.key, self.chunked = url, retries, key, chunked
        self.newer = tuple(map(int, version.split("."))) >= (2, 4, 0)
        self.headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-agent": "SMS Forwarder App",
            **(headers or {}),
        }
        self.template, self.ignore_ssl, self.time_scale = template, ignore_ssl, time_scale
        self.items: list[Item] = []
        self.pushes: list[Post] = []
        self.alive = False
        self._thread = LoopThread("incoming-sms-phone")
        self._tasks: set[asyncio.Task[None]] = set()
        self._online = True
        self._network = asyncio.Event()

    def start(self) -> Self:
        """What was waiting is tried again: the items outlive the app."""
        self._thread.start()
        self._thread.do(self._come_up())
        return self

    def stop(self) -> None:
        """Switched off. Texts that come now are not forwarded, ever."""
        self._thread.do(self._die())
        self._thread.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def receive(
        self,
        sender: str,
        text: str,
        *,
        sent_at: float | None = None,
        received_at: float | None = None,
        sim: str = "sim1",
    ) -> Item | None:
        """A text arrives. Times in epoch seconds; `sim`: sim1, sim2, undetected."""
        if not self.alive:
            return None
        now = time.time()
        values = {
            "from": sender,
            "text": json.dumps(text, ensure_ascii=False)[1:-1],
            "sentStamp": str(int(now if sent_at is None else sent_at) * 1000),
            "receivedStamp": str(int((now if received_at is None else received_at) * 1000)),
            "sim": sim,
        }
        body = self.template
        for name, value in values.items():  # one after another, so a text can hold a placeholder
            body = body.replace(f"%{name}%", value)
        return self._add(self.url, body.encode())

    def press_test(self) -> Item | None:
        """The test button of a rule."""
        return self.receive("123456789", "test message")

    def heartbeat(self, url: str) -> Item | None:
        """To an address of its own, since 2.4.0. Its body is not known: an empty object here."""
        assert self.newer
        return self._add(url, b"{}")

    def retry_failed(self) -> None:
        """The user taps on it; since 2.4.0."""

        def again() -> None:
            for item in self.items:
                if item.state == "failed":
                    item.state, item.attempts = "waiting", 0
                    self._begin(item)

        self._thread.call(again)

    def wifi(self, on: bool) -> None:
        """While it is off nothing is tried, and nothing counted."""

        def change() -> None:
            self._online = on
            self._network.set() if on else self._network.clear()

        self._thread.call(change)

    @property
    def waiting(self) -> int:
        return sum(1 for item in list(self.items) if item.state == "waiting")

    def settled(self, deadline: float = FOREVER) -> None:
        until(lambda: not self.waiting, deadline)

    def _add(self, url: str, body: bytes) -> Item:
        item = Item(url=url, body=body)

        def begin() -> None:
            self.items.append(item)
            self._begin(item)

        self._thread.call(begin)
        return item

    def _begin(self, item: Item) -> None:
        task = asyncio.ensure_future(self._work(item))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, item: Item) -> None:
        while item.state == "waiting":
            await self._network.wait()
            if item.attempts > self.retries:
                item.state = "failed" if self.newer else "lost"
                return
            item.attempts += 1
            made = await self._post(item)
            self.pushes.append(made)
            if made.status is not None and 200 <= made.status < 300:
                item.state = "sent"
            elif item.attempts <= self.retries:
                wait = min(FIRST_WAIT * 2 ** (item.attempts - 1), LONGEST_WAIT)
                await asyncio.sleep(wait * self.time_scale)

    async def _post(self, item: Item) -> Post:
        headers = dict(self.headers)
        if self.key and self.newer:
            digest = hmac.new(self.key.encode(), item.body, hashlib.sha256)
            headers["X-Signature"] = digest.hexdigest()
        if not self.chunked and not self.newer and not item.body.isascii():
            # its Content-Length counts characters, and the phone's own HTTP stack refuses
            return Post(body=item.body, headers=headers, status=None, at=time.monotonic())
        return await post(
            item.url, headers, item.body, chunked=self.chunked, check=not self.ignore_ssl
        )

    async def _come_up(self) -> None:
        self.alive, self._network = True, asyncio.Event()
        if self._online:
            self._network.set()
        for item in self.items:
            if item.state == "waiting":
                self._begin(item)

    async def _die(self) -> None:
        self.alive = False
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
