"""The admin listener: probes that tell the truth, and a page that tells nobody's secrets."""

from __future__ import annotations

import asyncio
import re
import shutil
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mmconnect.desk.status import LOOP_MAY_REST, PROBE_EVERY, SMALLEST_DISK, Status, Vitals
from mmconnect.store import database
from mmconnect.store.connection import FILE
from mmconnect.webhook.events import SystemWarning
from tests.support.desk import admin_of, desk_of
from tests.support.inprocess import SECRET, Appliance, FakeClock, appliance, eventually
from tests.support.receiver import answer, receiver
from tests.support.wire import Told, ask, request


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that stands still for some seconds is not what these tests are about."""
    monkeypatch.setattr("mmconnect.desk.status.PROBE_PATIENCE", 60.0)


@asynccontextmanager
async def admin(
    box: Appliance, turned: Callable[[], float] | None = None, **more: Any
) -> AsyncIterator[int]:
    """The admin listener of an appliance; its port. `turned`: when the loop last did."""
    vitals = Vitals(last_turn=turned or (lambda: box.dispatcher.last_turn), **more)
    async with admin_of(desk_of(box, vitals=vitals)) as port:
        yield port


async def get(port: int, target: str, *, method: str = "GET") -> Told:
    return await ask(port, request(target, method=method))


async def test_healthz_and_readyz_when_all_is_well(tmp_path: Path):
    async with appliance(tmp_path) as box, admin(box) as port:
        health = await get(port, "/healthz")
        assert (health.status, health.body) == (200, b"ok\n")
        ready = await get(port, "/readyz")
        assert (ready.status, ready.json) == (200, {"ready": True, "problems": {}})
        assert ready.headers["content-type"] == "application/json; charset=utf-8"
        assert (await get(port, "/")).status == 200


async def test_a_loop_that_is_stuck(tmp_path: Path):
    clock = FakeClock()
    turned = clock.monotonic()
    async with appliance(tmp_path, clock=clock) as box, admin(box, lambda: turned) as port:
        clock.advance(LOOP_MAY_REST)
        assert (await get(port, "/readyz")).status == 200
        clock.advance(1)
        ready = await get(port, "/readyz")
        assert (ready.status, ready.json["ready"]) == (503, False)
        assert ready.json["problems"] == {"loop": "The delivery loop has not turned for 91 s."}
        assert (await get(port, "/healthz")).status == 200
        turned = clock.monotonic()
        assert (await get(port, "/readyz")).status == 200


async def test_the_loop_says_when_it_turned(tmp_path: Path):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box:
        clock.advance(1000)
        box.dispatcher.wake()
        await eventually(lambda: box.dispatcher.last_turn == clock.monotonic())


async def test_a_database_that_cannot_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(database, "PATIENCE", 0.05)
    monkeypatch.setattr("mmconnect.delivery.dispatcher.AFTER_ERROR", 0.05)
    async with appliance(tmp_path) as box, admin(box) as port:
        blocker = sqlite3.connect(tmp_path / FILE, timeout=60, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        assert (await box.push({}, b"{}")).status == 503
        ready = await get(port, "/readyz")
        assert (ready.status, list(ready.json["problems"])) == (503, ["database"])
        assert "another program holds the database" in ready.json["problems"]["database"]
        page = (await get(port, "/")).body.decode()
        assert "Something is in the way" in page
        assert "another program holds the database" in page
        blocker.close()
        box.dispatcher.wake()  # the loop finds out by itself that it can commit again
        await eventually(lambda: box.database.trouble is None)
        assert (await get(port, "/readyz")).status == 200


async def test_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    free = SMALLEST_DISK
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    async with appliance(tmp_path) as box, admin(box) as port:
        assert (await get(port, "/readyz")).status == 200
        free -= 1
        ready = await get(port, "/readyz")
        assert (ready.status, list(ready.json["problems"])) == (503, ["disk"])
        assert "Only 15 MB are free" in ready.json["problems"]["disk"]


async def test_an_idle_appliance_finds_out_that_it_cannot_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Nobody pushes anything: the question itself has to find out."""
    monkeypatch.setattr(database, "PATIENCE", 0.05)
    monkeypatch.setattr("mmconnect.delivery.dispatcher.AFTER_ERROR", 0.05)
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box, admin(box, clock.monotonic) as port:
        assert (await get(port, "/readyz")).status == 200
        blocker = sqlite3.connect(tmp_path / FILE, timeout=60, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        clock.advance(PROBE_EVERY)
        ready = await get(port, "/readyz")
        assert (ready.status, list(ready.json["problems"])) == (503, ["database"])
        blocker.close()
        await eventually(lambda: box.database.trouble is None)
        assert (await get(port, "/readyz")).status == 200


async def test_asking_often_costs_the_disk_nothing(tmp_path: Path):
    clock = FakeClock()
    async with appliance(tmp_path, clock=clock) as box, admin(box, clock.monotonic) as port:
        made = []
        probe = box.database.probe

        async def counted() -> None:
            made.append(clock.monotonic())
            await probe()

        box.database.probe = counted  # type: ignore[method-assign]
        for _ in range(5):
            for told in await asyncio.gather(*(get(port, "/readyz") for _ in range(4))):
                assert told.status == 200
            clock.advance(PROBE_EVERY / 2)
        assert len(made) == 3


async def test_a_disk_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    hung = threading.Event()
    async with appliance(tmp_path) as box, admin(box) as port:
        writing = box.database.submit(lambda db: hung.wait(100), heavy=True)
        with monkeypatch.context() as patch:
            patch.setattr("mmconnect.desk.status.PROBE_PATIENCE", 0.1)
            for _ in range(2):
                ready = await get(port, "/readyz")
                assert (ready.status, list(ready.json["problems"])) == (503, ["database"])
                assert "has not committed within" in ready.json["problems"]["database"]
        hung.set()
        await writing
        assert (await get(port, "/readyz")).status == 200


async def test_what_the_parts_tell(tmp_path: Path):
    unwritten, stalled = 3, 5.1
    wrong = SystemWarning(
        code="clock", sentence="The clock & its <b>battery</b> are flat", remedy="See `date <now>`."
    )
    async with (
        appliance(tmp_path) as box,
        admin(
            box,
            unwritten=lambda: unwritten,
            stalled=lambda: stalled,
            machine=lambda: [wrong],
        ) as port,
    ):
        ready = await get(port, "/readyz")
        assert ready.status == 503
        assert list(ready.json["problems"]) == ["stall", "results"]
        assert ready.json["problems"]["results"].startswith("3 results of deliveries wait")
        assert ready.json["problems"]["stall"].startswith("mmconnect stood still for 5 s")
        unwritten, stalled = 0, 5.0
        assert (await get(port, "/readyz")).status == 200, "a warning is not in the way"
        page = (await get(port, "/")).body.decode()
        assert "The clock &amp; its &lt;b&gt;battery&lt;/b&gt; are flat" in page
        assert "See <code>date &lt;now&gt;</code>." in page


async def test_a_directory_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async with appliance(tmp_path) as box, admin(box) as port:
        monkeypatch.setattr("shutil.disk_usage", _gone)
        ready = await get(port, "/readyz")
        assert (ready.status, list(ready.json["problems"])) == (503, ["disk"])


def _gone(path: Path) -> None:
    raise FileNotFoundError(2, "No such file or directory")


class Page(HTMLParser):
    """What a browser would load, run or be styled by."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.inline: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [value or "" for name, value in attrs if name in ("href", "src")]
        self.inline += [name for name, _ in attrs if name == "style" or name.startswith("on")]
        if tag in ("style", "iframe") or (tag == "script" and "src" not in dict(attrs)):
            self.inline.append(tag)


async def test_the_page_loads_nothing_from_elsewhere_and_tells_no_secret(tmp_path: Path):
    token, text = "tok-secret-1", "pssst <i>482913</i>"
    async with (
        appliance(tmp_path, clock=FakeClock(), tokens=(token,)) as box,
        admin(box) as port,
        receiver(answer(500, text.encode())) as there,
    ):
        await box.endpoint(there.url + "?key=hook-secret", name="crm <b>")
        await box.settled(await box.text(text), "pending")
        told = await get(port, "/")
        page = told.body.decode()
        assert told.status == 200
        assert told.headers["content-type"] == "text/html; charset=utf-8"
        for secret in (token, SECRET, "hook-secret", "<i>", "crm <b>"):
            assert secret not in page
        parsed = Page(page)
        assert parsed.inline == []
        assert parsed.loads
        for link in parsed.loads:
            assert "//" not in link, "nothing is loaded from elsewhere"
            if link.startswith("/static/"):
                assert (await get(port, link)).status == 200


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/", 200),
        ("/healthz", 200),
        ("/readyz", 200),
        ("/metrics", 200),
        ("/static/style.css", 200),
        ("/static/", 403),
        ("/static/../site.py", 404),
        ("/static/%2e%2e/pyproject.toml", 404),
        ("/static/..%2f..%2fetc/passwd", 404),
        ("/static/none.css", 404),
        ("/in/token", 404),
        ("/v1/endpoints", 404),
        ("/<script>", 404),
        ("/" + "x" * 5000, 404),
    ],
)
async def test_security_headers_whatever_is_asked(tmp_path: Path, target: str, status: int):
    async with appliance(tmp_path) as box, admin(box) as port:
        told = await get(port, target)
        assert told.status == status
        assert "<script>" not in told.body.decode()
        policy = told.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert told.headers["x-content-type-options"] == "nosniff"
        assert told.headers["referrer-policy"] == "same-origin"
        asset = target == "/static/style.css"
        assert told.headers["cache-control"] == ("no-cache" if asset else "no-store")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_there_is_nothing_to_change_yet(tmp_path: Path, method: str):
    async with appliance(tmp_path) as box, admin(box) as port:
        for target in ("/", "/healthz", "/readyz", "/metrics"):
            assert (await get(port, target, method=method)).status == 405
        head = await get(port, "/", method="HEAD")
        assert (head.status, head.body) == (200, b"")


async def test_a_mistake_of_ours_is_a_500_without_its_details(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    async with appliance(tmp_path) as box, admin(box) as port:
        monkeypatch.setattr(Status, "machine", property(lambda _: 1 / 0))
        told = await get(port, "/?token=secret")
        assert told.status == 500
        assert "division" not in told.body.decode()
        assert "content-security-policy" in told.headers
        assert (await get(port, "/healthz")).status == 200
    assert "ZeroDivisionError" in caplog.text
    assert "token=secret" not in caplog.text


async def test_a_static_file_is_kept_by_the_browser_while_it_is_the_same(tmp_path: Path):
    """With its version in the link, for good; else the browser asks, and is told so in a word."""
    async with appliance(tmp_path) as box, admin(box) as port:
        page = (await get(port, "/")).body.decode()
        links = re.findall(r'"(/static/[a-z.]+\?v=[0-9a-f]{12})"', page)
        assert len(links) == 4
        for link in links:
            assert "immutable" in (await get(port, link)).headers["cache-control"]
            bare = await get(port, link.partition("?")[0])
            assert bare.headers["cache-control"] == "no-cache"
            assert bare.headers["etag"]
            other = await get(port, link[:-1] + ("0" if link[-1] != "0" else "1"))
            assert other.headers["cache-control"] == "no-cache"
        assert (await get(port, "/static/%61dmin.css")).headers["cache-control"] == "no-cache"
        assert (await get(port, "/static/none.css")).headers["cache-control"] == "no-store"
