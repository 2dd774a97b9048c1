"""Telling a phone where to push: its webhooks, the key it signs with, and a ping now and then.

By fixed ids and only where something differs, so that doing it again changes nothing and the phone
notifies its owner only of what is new. The app's standard build takes no URL but https://; what it
refuses is remembered until something changes. Whether pushes arrive is known when one does.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mmconnect.domain.models import Device
from mmconnect.phones.clients.http import Refused
from mmconnect.phones.clients.smsgate import SmsGate, version_of
from mmconnect.phones.pulling.told import PING, Told, told
from mmconnect.phones.pulling.tools import Tools
from mmconnect.phones.urls import Bases, push_url
from mmconnect.store import devices, links
from mmconnect.store.links import LinkState

log = logging.getLogger(__name__)

PREFIX = "mmconnect-"
"""What the ids of our webhooks begin with."""
EVENTS: Mapping[str, tuple[int, ...]] = {
    "sms:received": (1, 15),
    "sms:data-received": (1, 39),
    "mms:received": (1, 47),
    "mms:downloaded": (1, 56),
    "system:ping": (1, 16),
    "app:started": (1, 66),
}
"""What a phone is to push, and the first version that knows it: others refuse the whole."""
COMPLAIN_AFTER = 400_000
"""Milliseconds after which a ping should have come, so that the phone's log is asked why not."""
RETRIES = 15
"""The app's own default: 16 attempts in 45 hours. More stay."""


def hook_id(event: str) -> str:
    """The id of our webhook for an event of the app."""
    return PREFIX + event.replace(":", "-")


class Provisioner:
    """Keeps what one phone was told in step with what is."""

    def __init__(self, tools: Tools, device_id: str) -> None:
        self._tools, self._device_id = tools, device_id

    def is_due(self, state: LinkState, token: str, version: str) -> bool:
        """Whether the phone has to be told something."""
        known = told(state)
        return known is None or known.mark != self._mark(self._device(), token, version)

    async def settle(
        self, gate: SmsGate, access: str, state: LinkState, token: str, version: str
    ) -> LinkState:
        """Tell the phone what differs; the state afterwards.

        `access` is the phone's token, `token` the device's. Raises Unreachable and Refused, but
        not for a URL that the app does not take.
        """
        device = await self._with_key()
        base = _best(self._tools.where())
        if base is None:
            return state
        await self._settings(gate, access, device, told(state), version)
        refused = ""
        try:
            await self._webhooks(gate, access, push_url(base, token), version)
        except Refused as why:
            if why.status != 400:
                raise
            refused = "the app takes only https://" if "https" in str(why) else str(why)
        new = Told(
            base="" if refused else base,
            mark=self._mark(device, token, version),
            at=self._tools.clock.now(),
            refused=refused,
        )
        log.info(
            "%s %s",
            device.name,
            f"does not take a webhook: {refused}" if refused else f"was told to push to {base}",
        )
        return await self._keep(new)

    async def saw_push(self, state: LinkState) -> LinkState:
        """A push came by our webhook: it works."""
        known = told(state)
        if known is None or known.seen_at is not None:
            return state
        now = self._tools.clock.now()
        return await self._keep(replace(known, seen_at=now, complaint=""))

    async def ask_why_none_came(self, gate: SmsGate, access: str, state: LinkState) -> LinkState:
        """No push has come by now, though a ping should have: what does the phone's log say?"""
        known, now = told(state), self._tools.clock.now()
        if known is None or known.refused or known.seen_at or now < known.at + COMPLAIN_AFTER:
            return state
        said = await gate.complaints(access, known.at)
        if not said or said[-1] == known.complaint:
            return state
        device = self._tools.look().devices[self._device_id]
        log.warning("%s cannot push; its log says: %s", device.name, said[-1])
        return await self._keep(replace(known, complaint=said[-1]))

    async def _keep(self, new: Told) -> LinkState:
        packed = {name: getattr(new, name) for name in Told.__dataclass_fields__}

        def write(db: sqlite3.Connection) -> LinkState:
            if new.base:
                devices.set_push_base(db, self._device_id, new.base)
            return links.update(db, self._device_id, told=packed)

        return await self._tools.database.write(write)

    async def _with_key(self) -> Device:
        """The device, with a key that its pushes are signed with from now on."""
        device = self._device()
        if device.signing_key is not None:
            return device
        made = secrets.token_hex(32)
        await self._tools.database.write(
            lambda db: devices.set_signing_key(db, self._device_id, made)
        )
        await self._tools.refresh()  # what is not signed is refused from now on
        return self._device()

    def _device(self) -> Device:
        return self._tools.look().devices[self._device_id]

    async def _settings(
        self, gate: SmsGate, access: str, device: Device, known: Told | None, version: str
    ) -> None:
        have = await gate.settings(access)
        hooks, ping = _part(have, "webhooks"), _part(have, "ping")
        change: dict[str, Any] = {}
        if hooks.get("internet_required") is not False:
            change["internet_required"] = False
        if not isinstance(tries := hooks.get("retry_count"), int) or tries < RETRIES:
            change["retry_count"] = RETRIES
        if known is None or not known.mark.startswith(_digest(device.signing_key or "")):
            change["signing_key"] = device.signing_key  # it can be written, not read
        wanted: dict[str, Any] = {"webhooks": change} if change else {}
        if not isinstance(every := ping.get("interval_seconds"), int) or not 0 < every <= PING:
            wanted["ping"] = {"interval_seconds": PING}
        if wanted:
            await gate.change_settings(access, wanted)

    async def _webhooks(self, gate: SmsGate, access: str, url: str, version: str) -> None:
        have = await gate.webhooks(access)
        wanted = {hook_id(event): event for event in _events(version)}
        for hook, event in wanted.items():
            if have.get(hook) != (url, event):
                await gate.register(access, hook, url, event)
        for hook, (registered, event) in have.items():
            ours = hook.startswith(PREFIX) or registered == url
            if ours and hook not in wanted and event in EVENTS:
                await gate.unregister(access, hook)

    def _mark(self, device: Device, token: str, version: str) -> str:
        base = _best(self._tools.where()) or ""
        rest = "\n".join([base, token, *_events(version)])
        return _digest(device.signing_key or "") + _digest(rest)


def _best(bases: Bases) -> str | None:
    """HTTPS where there is a certificate: the app's standard build takes nothing else."""
    return next(iter((*bases.https, *bases.http)), None)


def _events(version: str) -> list[str]:
    have = version_of(version)
    return [event for event, since in EVENTS.items() if have >= since]


def _part(settings: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = settings.get(name)
    return part if isinstance(part, dict) else {}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
