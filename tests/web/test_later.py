"""A site that is made in a thread when it is asked for the first time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from mmconnect import paths
from mmconnect.web.later import LARGEST_FORM, LateRunner


class Making:
    """Makes a site when it is let, and counts."""

    def __init__(self) -> None:
        self.at_it, self.go = threading.Event(), threading.Event()
        self.begun = self.made = self.ended = 0
        self.fails = False

    def site(self) -> web.Application:
        self.begun += 1
        self.at_it.set()
        assert self.go.wait(60)
        if self.fails:
            raise OSError("the disk is gone")
        app = web.Application(client_max_size=LARGEST_FORM)
        app.router.add_get("/seen/{name}", self._seen)
        app.router.add_get("/fails", self._fail)
        app.router.add_get("/fails-half-way", self._fail_half_way)
        app.router.add_post("/form", self._form)
        app.on_cleanup.append(self._end)
        app.on_response_prepare.append(self._sign)
        return app

    def count(self) -> None:
        self.made += 1

    async def _seen(self, request: web.Request) -> web.Response:
        return web.Response(text=request.match_info["name"])

    async def _fail(self, request: web.Request) -> web.Response:
        raise KeyError("templates/of/another.html")

    async def _fail_half_way(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": "4096"})
        await answer.prepare(request)
        await answer.write(b"half of it")
        raise KeyError("templates/of/another.html")

    async def _form(self, request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.read())))

    async def _sign(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers["X-Site"] = "made"

    async def _end(self, app: web.Application) -> None:
        self.ended += 1


@asynccontextmanager
async def client(making: Making) -> AsyncIterator[aiohttp.ClientSession]:
    runner = LateRunner(making.site, making.count, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as asking:
            yield asking
    finally:
        await runner.cleanup()


async def test_it_is_made_once_for_all_who_ask_first_and_the_loop_goes_on():
    making = Making()
    async with client(making) as asking:
        assert making.begun == 0
        answers = asyncio.gather(*[asking.get(f"/seen/{n}") for n in range(5)])
        assert await asyncio.to_thread(making.at_it.wait, 60), "the loop turns meanwhile"
        assert not answers.done()
        making.go.set()
        told = [(a.status, await a.text(), a.headers["X-Site"]) for a in await answers]
        assert told == [(200, str(n), "made") for n in range(5)]
        assert (await asking.get("/seen/6")).status == 200
        assert (await asking.get("/elsewhere")).status == 404
        assert (await asking.put("/form")).status == 405
    assert (making.begun, making.made, making.ended) == (1, 1, 1)


async def test_one_that_could_not_be_made_is_tried_again():
    making = Making()
    making.go.set()
    async with client(making) as asking:
        making.fails = True
        assert (await asking.get("/seen/1")).status == 500
        making.fails = False
        assert (await asking.get("/seen/2")).status == 200
    assert (making.begun, making.made, making.ended) == (2, 1, 1)


async def test_after_another_version_was_installed_it_says_so(monkeypatch: pytest.MonkeyPatch):
    """Its pages' files may be those of the other one, which starts when the installation ends."""
    making = Making()
    making.go.set()
    async with client(making) as asking:
        assert (await asking.get("/seen/1")).status == 200
        monkeypatch.setattr(paths, "replaced", lambda: True)
        assert (await asking.get("/seen/2")).status == 200, "what is loaded goes on"
        answer = await asking.get("/fails")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "10")
        assert "Another version of mmconnect was just installed" in await answer.text()
        answer = await asking.get("/fails-half-way")
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
        monkeypatch.setattr(paths, "replaced", lambda: False)
        assert (await asking.get("/fails")).status == 500


async def test_nobody_asks_and_nothing_is_made():
    making = Making()
    async with client(making):
        pass
    assert (making.begun, making.ended) == (0, 0)


async def test_a_body_is_as_large_as_the_site_takes():
    making = Making()
    making.go.set()
    async with client(making) as asking:
        answer = await asking.post("/form", data=b"x" * (LARGEST_FORM - 1))
        assert await answer.text() == str(LARGEST_FORM - 1)
        assert (await asking.post("/form", data=b"x" * (LARGEST_FORM + 1))).status == 413


async def test_the_site_sees_the_request_as_its_own_server_would():
    """Whatever the path, and whoever waits to be told to go on."""
    making = Making()
    making.go.set()
    async with client(making) as asking:
        for path, name in (("%0A", "\n"), ("a%2Fb", "a/b"), ("%F0%9F%90%9F", "🐟")):
            answer = await asking.get(URL(f"/seen/{path}", encoded=True))
            assert (answer.status, await answer.text()) == (200, name)
        answer = await asking.post("/form", data=b"x", expect100=True)
        assert await answer.text() == "1"
        assert (await asking.post("/form", data=b"x", headers={"Expect": "tea"})).status == 417
