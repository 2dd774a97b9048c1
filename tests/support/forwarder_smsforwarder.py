"""A simulated phone with SmsForwarder: it pushes nearly without retries, and answers questions.

Written from the description of the app. What that leaves open is decided here: `sim_id` is the
slot counted from 0, and the answers of /config/query and /battery/query have few fields.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any, Self
from urllib.parse import quote_plus, urlsplit, urlunsplit

from aiohttp import web

from tests.support.forwarder_incoming import Post, post
from tests.support.loops import turned_away
from tests.support.phone_thread import FOREVER, LoopThread, until
from tests.support.receiver import free_port
from tests.support.smsgate_faults import Asked, Trouble
from tests.support.smsgate_rules import zone_of

PRESET = (
    '{"from":"[from]","text":"[org_content]","received":"[receive_time:yyyy-MM-dd\'T\'HH:mm:ssZ]",'
    '"sim":"[card_slot]","device":"[device_mark]","ts":"[timestamp]","sign":"[sign]"}'
)
FORM = "application/x-www-form-urlencoded"
ANSWER_SECONDS = 10.0


def sign(timestamp: int, key: str) -> str:
    """Over the time alone; percent-encoded once."""
    digest = hmac.new(key.encode(), f"{timestamp}\n{key}".encode(), hashlib.sha256).digest()
    return quote_plus(base64.b64encode(digest).decode())


@dataclass(slots=True, kw_only=True)
class Sms:
    """A row of Android's store, and how its forwarding went."""

    number: str
    content: str
    date: int
    """When it came in, ms."""
    sim: int
    """Slot, counted from 1."""
    type: int = 1
    name: str = ""
    state: str = "unseen"
    """unseen (the app was dead), waiting, sent, failed"""


@dataclass(slots=True, kw_only=True)
class Server:
    """The HTTP server of the app, as the user set it up."""

    host: str = "127.0.0.1"
    port: int = 0
    key: str | None = None
    """Without one nothing is checked."""
    tolerance: float = 600.0
    """Seconds that a request's time may be off."""
    enabled: set[str] = field(
        default_factory=lambda: {"/sms/query", "/config/query", "/battery/query", "/sms/send"}
    )


class SmsForwarderPhone:
    """The phone. `template`: PRESET, another one, or None for the form that it sends without."""

    def __init__(
        self,
        url: str,
        *,
        template: str | None = PRESET,
        key: str | None = None,
        retries: int = 0,
        keyword: str = "",
        zone: str | tzinfo = "+08:00",
        labels: Mapping[int, str] | None = None,
        device: str = "Pixel 6",
        server: Server | None = None,
        time_scale: float = 0.01,
    ) -> None:
        self.url, self.template, self.key, self.retries = url, template, key, retries
        self.keyword, self.zone, self.device = keyword, zone_of(zone), device
        self.labels = dict(labels or {1: "SIM1_Work", 2: "SIM2_Home"})
        self.server, self.time_scale = server or Server(), time_scale
        self.trouble = Trouble()
        self.requests: list[Asked] = []
        self.store: list[Sms] = []
        self.sent: list[Mapping[str, Any]] = []
        """What /sms/send was asked to send."""
        self.pushes: list[Post] = []
        self.alive = False
        self.battery = 87
        self._thread = LoopThread("smsforwarder-phone")
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner: web.ServerRunner | None = None
        self._listening: socket.socket | None = None

    @property
    def server_url(self) -> str:
        return f"http://{self.server.host}:{self.server.port}"

    def start(self) -> Self:
        self._thread.start()
        self._thread.do(self._come_up())
        return self

    def kill_app(self) -> None:
        """What it was trying is forgotten; texts only reach Android's store until start()."""
        self._thread.do(self._die())

    def stop(self) -> None:
        self.kill_app()
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
        at: float | None = None,
        sim: int = 1,
        name: str = "",
        copies: int = 1,
    ) -> Sms:
        """A text arrives. `at`: epoch seconds. `copies`: some ROMs tell the app twice."""
        ms = int((time.time() if at is None else at) * 1000)
        row = Sms(number=sender, content=text, date=ms, sim=sim, name=name)

        def arrive() -> None:
            self.store.append(row)
            for _ in range(copies if self.alive else 0):
                self._begin(row)

        self._thread.call(arrive)
        return row

    def resend(self, hours: float = 24) -> int:
        """The automatic task: what failed in the last hours once more, signed afresh."""

        def again() -> int:
            since = (time.time() - hours * 3600) * 1000
            chosen = [r for r in self.store if r.state == "failed" and r.date >= since]
            for row in chosen:
                self._begin(row)
            return len(chosen)

        return self._thread.call(again)

    @property
    def waiting(self) -> int:
        """Pushes under way."""
        return len(self._tasks)

    def settled(self, deadline: float = FOREVER) -> None:
        until(lambda: not self.waiting, deadline)

    # Pushing

    def _begin(self, row: Sms) -> None:
        row.state = "waiting"
        task = asyncio.ensure_future(self._forward(row))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _forward(self, row: Sms) -> None:
        timestamp = int(time.time() * 1000)
        headers, body = self._request(row, timestamp)
        where = urlsplit(self.url)
        user, at, host = where.netloc.rpartition("@")
        if at:
            headers["Authorization"] = "Basic " + base64.b64encode(user.encode()).decode()
        url = urlunsplit(where._replace(netloc=host))
        for attempt in range(self.retries + 1):
            made = await post(url, headers, body, limit=ANSWER_SECONDS)
            self.pushes.append(made)
            if made.status is not None or attempt == self.retries:
                break  # only what did not reach a server is tried again
            await asyncio.sleep((1 + attempt) * self.time_scale)
        good = made.status == 200 and bool(made.answer)
        row.state = "sent" if good and self.keyword.encode() in made.answer else "failed"

    def _request(self, row: Sms, timestamp: int) -> tuple[dict[str, str], bytes]:
        label = self.labels.get(row.sim, f"SIM{row.sim}_")
        local = datetime.fromtimestamp(row.date / 1000, self.zone)
        plain = local.strftime("%Y-%m-%d %H:%M:%S")
        page = f"{row.number}\n{row.content}\n{label}\nSubId：{row.sim}\n{plain}\n{self.device}"
        mark = sign(timestamp, self.key) if self.key else ""
        if self.template is None:
            fields = {"from": row.number, "content": page, "timestamp": str(timestamp)}
            if mark:
                fields["sign"] = mark
            pairs = [f"{quote_plus(k)}={quote_plus(v)}" for k, v in fields.items()]
            return {"Content-Type": FORM}, "&".join(pairs).encode()
        tags = {
            "[from]": row.number,
            "[content]": _escaped(page),
            "[msg]": _escaped(page),
            "[org_content]": _escaped(row.content),
            "[device_mark]": _escaped(self.device),
            "[app_version]": "3.5.0",
            "[title]": _escaped(label),
            "[card_slot]": _escaped(label),
            "[receive_time:yyyy-MM-dd'T'HH:mm:ssZ]": local.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "[receive_time]": plain,
            "[timestamp]": str(timestamp),
            "[sign]": mark,
        }
        body = self.template
        for tag, value in tags.items():  # one after another: tags in a text are replaced too
            body = body.replace(tag, value)
        return {"Content-Type": "application/json"}, body.encode()

    # The server on the phone

    async def _serve(self, request: web.BaseRequest) -> web.Response:
        if request.method != "POST":
            return web.Response(status=405)
        try:
            asked = json.loads(await request.read())
            data, timestamp = asked.get("data") or {}, asked.get("timestamp")
        except (ValueError, AttributeError):
            return web.Response(status=500, text="Internal Server Error")
        path = request.path
        if wrong := self._wrong(path, timestamp, asked.get("sign")):
            return self._told(500, wrong, None)
        return self._told(200, "success", self._found(path, data))

    def _wrong(self, path: str, timestamp: object, mark: object) -> str | None:
        if path not in self.server.enabled:
            return "The API is disabled"
        key = self.server.key
        if not key:
            return None
        if not isinstance(timestamp, int) or not isinstance(mark, str) or not mark:
            return "timestamp and sign are required"
        if abs(time.time() * 1000 - timestamp) > self.server.tolerance * 1000:
            return "timestamp is out of tolerance"
        return None if hmac.compare_digest(mark, sign(timestamp, key)) else "sign is wrong"

    def _found(self, path: str, data: Mapping[str, Any]) -> object:
        if path == "/sms/query":
            return self._page(data)
        if path == "/battery/query":
            return {"level": f"{self.battery}%", "scale": "100%", "status": "Discharging"}
        if path == "/sms/send":
            self.sent.append(data)
            return "success"
        return {
            "enable_api_sms_query": "/sms/query" in self.server.enabled,
            "enable_api_sms_send": "/sms/send" in self.server.enabled,
            "enable_api_battery_query": "/battery/query" in self.server.enabled,
            "extra_device_mark": self.device,
            "extra_sim1": self.labels.get(1, ""),
            "extra_sim2": self.labels.get(2, ""),
        }

    def _page(self, data: Mapping[str, Any]) -> list[dict[str, Any]]:
        kind, number = int(data.get("type", 1)), int(data.get("page_num", 1))
        size, word = int(data.get("page_size", 10)), str(data.get("keyword") or "")
        rows = [r for r in self.store if r.type == kind and word in r.content]
        rows.sort(key=lambda r: r.date, reverse=True)
        return [
            {
                "name": r.name,
                "number": r.number,
                "content": r.content,
                "date": r.date,
                "type": r.type,
                "sim_id": r.sim - 1,
                "sub_id": r.sim,
            }
            for r in rows[(number - 1) * size : number * size]
        ]

    def _told(self, code: int, message: str, data: object) -> web.Response:
        now, key = int(time.time() * 1000), self.server.key
        body = {
            "code": code,
            "msg": message,
            "data": data,
            "timestamp": now,
            "sign": sign(now, key) if key else "",
        }
        return web.json_response(body)

    async def _come_up(self) -> None:
        if self.alive:
            return
        self.alive = True

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            return await self.trouble.serve(request, self.requests, self._serve)

        self._runner = web.ServerRunner(web.Server(answer), shutdown_timeout=0.05)
        await self._runner.setup()
        self.server.port = self.server.port or free_port()  # its own while the app is dead, too
        self._listening = socket.create_server((self.server.host, self.server.port))
        await web.SockSite(self._runner, self._listening).start()

    async def _die(self) -> None:
        self.alive = False
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for row in self.store:
            row.state = "failed" if row.state == "waiting" else row.state
        runner, self._runner = self._runner, None
        if runner is not None and self._listening is not None:
            await turned_away([self._listening])
            await runner.cleanup()


def _escaped(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]
