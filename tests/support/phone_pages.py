"""The phones' pages of an appliance in the test's own loop, for a browser without JavaScript."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from mmconnect.admin.site import make_site
from mmconnect.desk.desk import Desk, Listeners
from mmconnect.phones.pairing import Pairings
from tests.support.desk import desk_of, scraped
from tests.support.inprocess import Appliance, FakeClock, appliance
from tests.support.phones import generic_json

VOID = {"input", "meta", "link", "br", "hr", "img", "path", "rect", "svg"}


class Parsed(HTMLParser):
    """What of a page a test asks for."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.fields: dict[str, str] = {}
        self.headings: list[str] = []
        self._in: list[str] = []
        self._area: str | None = None
        self._select: str | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append((tag, values))
        name = values.get("name")
        if (
            tag == "input"
            and name
            and (values.get("type") not in ("radio", "checkbox") or "checked" in values)
        ):
            self.fields[name] = values.get("value") or ""
        if tag == "textarea" and name:
            self._area, self.fields[name] = name, ""
        if tag == "select" and name:
            self._select, self.fields[name] = name, ""
        if tag == "option" and "selected" in values and self._select is not None:
            self.fields[self._select] = values.get("value") or ""
        if tag not in VOID:
            self._in.append(tag)
        if tag == "h1":
            self.headings.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._in:
            while self._in.pop() != tag:
                pass
        if tag == "textarea":
            self._area = None
        if tag == "select":
            self._select = None

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            begun = self.fields[self._area]
            self.fields[self._area] = begun + (data if begun else data.removeprefix("\n"))
        if "script" in self._in:
            return
        self.words.append(data)
        if "h1" in self._in:
            self.headings[-1] += data


@dataclass
class Shown:
    """A page."""

    status: int
    path: str
    html: str
    parsed: Parsed = field(init=False)

    def __post_init__(self) -> None:
        self.parsed = Parsed(self.html)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.parsed.words).split())

    @property
    def title(self) -> str:
        return " ".join(self.parsed.headings)

    @property
    def fields(self) -> Mapping[str, str]:
        return self.parsed.fields

    @property
    def actions(self) -> list[str]:
        """Where its forms and links lead."""
        return [
            str(a.get("action") or a.get("href"))
            for tag, a in self.parsed.tags
            if tag in ("form", "a")
        ]

    def leads(self, end: str) -> bool:
        return any(to.partition("?")[0].endswith(end) for to in self.actions)


class Pages:
    """A browser, and the appliance behind it."""

    def __init__(self, box: Appliance, desk: Desk, client: TestClient[Any, Any]) -> None:
        self.box, self.desk, self._client = box, desk, client

    @property
    def device_id(self) -> str:
        return next(iter(self.box.tokens))

    def at(self, *rest: str, device: str | None = None) -> str:
        return "/".join(("/phones", device or self.device_id, *rest))

    async def get(self, path: str) -> Shown:
        told = await self._client.get(path)
        return Shown(told.status, str(told.url.path), await told.text())

    async def post(self, path: str, **form: str) -> Shown:
        """Send a form as this page's own, and follow where it leads."""
        origin = str(self._client.make_url("/")).rstrip("/")
        named = {name.replace("__", "-"): value for name, value in form.items()}
        told = await self._client.post(path, data=named, headers={"Origin": origin})
        return Shown(told.status, str(told.url.path), await told.text())

    async def push(self, wire: tuple[Mapping[str, str], bytes] | None = None) -> dict[str, Any]:
        """A push of the first phone."""
        told = await self.box.push(*(wire or generic_json()))
        return dict(told.json) if told.status == 200 else {"status": told.status}

    def audit(self) -> list[tuple[str, str]]:
        """Who changed what, newest last: action and detail."""
        return [
            (a, d) for a, d in self.box.rows("SELECT action, detail FROM audit ORDER BY number")
        ]


@asynccontextmanager
async def phone_pages(
    directory: Path, *, device: dict[str, Any] | None = None, **more: Any
) -> AsyncIterator[Pages]:
    """An appliance with one phone (none with `device=None` left out), and its pages."""
    async with appliance(directory, clock=FakeClock(), tokens=()) as box:
        if device is not None:
            await box.device(**({"token": "token-of-the-first-phone"} | device))
        pairings = Pairings(box.database, box.clock, box.listener.sightings)
        box.intake.on_heard = pairings.heard
        parts: dict[str, Any] = {
            "pairings": pairings,
            "listeners": lambda: Listeners(phone=(f"127.0.0.1:{box.port}",)),
        }
        desk = desk_of(box, **(parts | more))
        async with TestClient(TestServer(make_site(desk, scraped))) as client:
            yield Pages(box, desk, client)


def write(pages: Pages, sql: str, *values: object) -> None:
    """Change the database as nobody should, for what takes long to come about."""

    def run(db: sqlite3.Connection) -> None:
        db.execute(sql, values)

    pages.box.change(run)
