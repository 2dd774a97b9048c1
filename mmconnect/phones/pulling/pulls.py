"""Looks after every phone that is fetched from: a task each, begun and ended as links come and go.

Invariant: a phone that hangs, lies or is away holds up no other, and no mistake here ends a task.
"""

from __future__ import annotations

import asyncio
import logging

from mmconnect.phones.apps import smsforwarder
from mmconnect.phones.pulling import PORTS
from mmconnect.phones.pulling.forwarder_phone import ForwarderPhone
from mmconnect.phones.pulling.provisioning import PREFIX
from mmconnect.phones.pulling.smsgate_phone import SmsGatePhone
from mmconnect.phones.pulling.tools import Phone, Tools
from mmconnect.phones.push import DeviceEvent, Reading, Texts
from mmconnect.store import links
from mmconnect.store.links import Link

log = logging.getLogger(__name__)

AFTER_A_MISTAKE = 5.0
"""Seconds after which a look that failed in a way nobody foresaw is tried again."""


class _Fetching:
    """One phone's task."""

    def __init__(self, tools: Tools, link: Link, app: str) -> None:
        self.link, self.app = link, app
        self._tools = tools
        self._woken = asyncio.Event()
        self._phone: Phone | None = None
        self.task = asyncio.create_task(self._run())

    def pushed(self, event: str | None, *, own: bool, secure: bool) -> None:
        """It has pushed something, so it is there."""
        if self._phone is not None and self._phone.pushed(event, own=own, secure=secure):
            self._woken.set()

    def look_if_away(self) -> None:
        """Something was changed, which may have been what was wrong."""
        if self._phone is not None and self._phone.away:
            self._woken.set()

    async def end(self) -> None:
        """Stop, and write down how far it has come."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        if self._phone is not None:
            try:
                await self._phone.stop()
            except Exception:
                log.exception("How far fetching has come could not be written down")

    async def _run(self) -> None:
        while True:
            try:
                wait = await self._turn()
            except Exception:
                log.exception("Fetching from a phone failed; it is tried again")
                wait = AFTER_A_MISTAKE
            try:
                async with asyncio.timeout(wait):
                    await self._woken.wait()
            except TimeoutError:
                pass
            self._woken.clear()

    async def _turn(self) -> float:
        if self._phone is None:
            device_id = self.link.device_id
            state = await self._tools.database.read(lambda db: links.state(db, device_id))
            kind = ForwarderPhone if self.app == smsforwarder.NAME else SmsGatePhone
            self._phone = kind(self._tools, self.link, state)
        return await self._phone.turn()


class Pulls:
    """All of them."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._running: dict[str, _Fetching] = {}
        self._changed = asyncio.Event()

    def look_again(self) -> None:
        """The configuration has changed."""
        self._changed.set()

    def pushed(self, device_id: str, reading: Reading, secure: bool) -> None:
        """A phone has pushed something (`listener.Pushed`)."""
        one = self._running.get(device_id)
        if one is None:
            return
        via = reading.via if isinstance(reading, Texts | DeviceEvent) else None
        event = reading.name if isinstance(reading, DeviceEvent) else None
        one.pushed(event, own=(via or "").startswith(PREFIX), secure=secure)

    async def run(self) -> None:
        """For ever: keep the tasks in step with the links."""
        try:
            while True:
                self._changed.clear()
                await self._settle()
                await self._changed.wait()
        finally:
            await asyncio.gather(*(one.end() for one in self._running.values()))
            await self._tools.http.close()

    async def _settle(self) -> None:
        now = self._tools.look()
        wanted = {
            link.device_id: (link, now.devices[link.device_id].app)
            for link in now.links.values()
            if now.devices[link.device_id].app in PORTS
        }
        for device_id, one in list(self._running.items()):
            if wanted.get(device_id) != (one.link, one.app):
                await self._running.pop(device_id).end()
        for device_id, (link, app) in wanted.items():
            if device_id in self._running:
                self._running[device_id].look_if_away()
            else:
                self._running[device_id] = _Fetching(self._tools, link, app)
