"""The admin side with its real door: an administrator, and browsers that keep their cookies.

Requests are written by hand, so that a test says itself what a browser would say of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from mmconnect.admin.secure import Secure
from mmconnect.desk import passwords, setup_codes
from mmconnect.desk.desk import Desk
from mmconnect.desk.entry import Entry
from mmconnect.store import settings
from tests.support.desk import admin_of, desk_of
from tests.support.inprocess import Appliance, appliance
from tests.support.wire import Line, Told, request

PASSWORD = "correct horse battery"


@dataclass(kw_only=True)
class Browser:
    """Keeps cookies, and says where its forms are."""

    port: int
    host: str
    headers: dict[str, str] = field(default_factory=dict)
    """Sent with every request: what a proxy adds, say."""
    cookies: dict[str, str] = field(default_factory=dict)
    set: list[str] = field(default_factory=list)
    """Every `Set-Cookie` that came."""

    async def get(self, path: str, **more: str) -> Told:
        return await self.ask(
            "GET", path, headers={k.replace("_", "-"): v for k, v in more.items()}
        )

    async def post(self, path: str, origin: str | None = "own", **form: Any) -> Told:
        """A form that is sent; `origin` as the browser tells it, None when it does not."""
        own = f"http://{self.host}"
        headers = {} if origin is None else {"Origin": own if origin == "own" else origin}
        return await self.ask("POST", path, headers, urlencode(form, doseq=True).encode())

    async def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Told:
        given = {**self.headers, **(headers or {})}
        if self.cookies:
            given["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if body:
            given.setdefault("Content-Type", "application/x-www-form-urlencoded")
        line = await Line.open(self.port)
        try:
            async with asyncio.timeout(60):
                await line.send(request(path, given, body, method=method, host=self.host))
                told, cookies = await _answer(line, head=method == "HEAD")
        finally:
            line.close()
        for one in cookies:
            self.set.append(one)
            for name, morsel in SimpleCookie(one).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
        return told

    async def log_in(self, password: str = PASSWORD, **form: str) -> Told:
        return await self.post("/login", password=password, **form)


async def _answer(line: Line, *, head: bool) -> tuple[Told, list[str]]:
    """An answer and all of its cookies, of which a dict of headers would keep one."""
    raw = await line.reader.readuntil(b"\r\n\r\n")
    lines = raw.decode("latin-1").split("\r\n")
    cookies = [text.partition(":")[2].strip() for text in lines if text.lower().startswith("set-c")]
    line.reader._buffer[:0] = raw  # type: ignore[attr-defined] # to be read once more
    return await line.answer(head=head), cookies


@dataclass(kw_only=True)
class House:
    """An appliance whose admin side has a door."""

    box: Appliance
    desk: Desk
    port: int

    def browser(self, host: str | None = None, **headers: str) -> Browser:
        """A browser that knows nothing yet."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return Browser(port=self.port, host=host or f"127.0.0.1:{self.port}", headers=given)

    async def code(self) -> str:
        """A setup code."""
        made = await self.box.database.write(
            lambda db: setup_codes.make(db, self.box.clock.now(), asked=True)
        )
        assert made is not None
        return made.shown

    async def set_up(self) -> Browser:
        """The first visit, by a browser that is in then."""
        browser = self.browser()
        told = await browser.post(
            "/setup", code=await self.code(), password=PASSWORD, again=PASSWORD
        )
        assert told.status == 303, told
        return browser

    async def setting(self, name: str, text: str) -> None:
        """As the command line sets it."""
        self.box.change(lambda db: settings.put(db, name, text))
        await self.box.watch.refresh()


@asynccontextmanager
async def house_of(
    directory: Path, *, secure: Secure | None = None, **how: Any
) -> AsyncIterator[House]:
    """An appliance, and its admin side as the service has it; passwords cost little."""
    kept = passwords.LOG_N, passwords.P
    passwords.LOG_N, passwords.P = 4, 1
    try:
        async with appliance(directory, **how) as box:
            desk = desk_of(box, entry=Entry(box.database, box.clock, box.ids))
            async with admin_of(desk, secure) as port:
                yield House(box=box, desk=desk, port=port)
    finally:
        passwords.LOG_N, passwords.P = kept
