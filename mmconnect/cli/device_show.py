"""`mmconnect device list` and `device show`: how the phones are."""

from __future__ import annotations

import argparse
import json
from datetime import datetime
from typing import Any

from mmconnect.cli import open as opening
from mmconnect.cli import output
from mmconnect.cli.device_page import Page, pages
from mmconnect.domain.clock import iso, short_duration
from mmconnect.domain.errors import NotFound
from mmconnect.domain.models import Device
from mmconnect.phones.apps import APPS
from mmconnect.phones.urls import push_url
from mmconnect.store import device_watch, devices
from mmconnect.store.device_watch import DeviceNote

EVENTS = 10
"""What a phone told of itself: so many of the last."""


def listing(args: argparse.Namespace) -> int:
    """All phones."""
    with opening.opened(args) as store:
        found = pages(store.db, args, store.directory, devices.known(store.db))
    if args.json:
        output.document([page.as_json() for page in found])
        return 0
    output.table(
        ("ID", "NAME", "APP", "VERSION", "LAST HEARD", "BATTERY", "REFUSED", "STATE"),
        [_row(page) for page in found],
        f'No phone yet. Add one: {output.command(args)} device add --name "My phone"',
    )
    for page in found:
        for note in page.notes:
            print(f"\n{page.device.name}: {note}")
    return 0


def show(args: argparse.Namespace) -> int:
    """Everything that is known of one phone."""
    with opening.opened(args) as store:
        device = find(store, args.id)
        (page,) = pages(store.db, args, store.directory, [device])
        today = device_watch.taken_since(store.db, device.id, _midnight(store.clock.now()))
        told = device_watch.last_events(store.db, device.id, EVENTS)
        token = devices.current_token(store.db, device.id) if args.token else None
    if args.json:
        output.document(_document(page, today, told, token))
        return 0
    _print(page, today, told, token)
    return 0


def find(store: opening.Store, device_id: str) -> Device:
    """A device that a command names. Raises NotFound."""
    device = devices.get(store.db, device_id)
    if device is None:
        raise NotFound(f"There is no device {device_id}. `mmconnect device list` shows them")
    return device


def _midnight(now: int) -> int:
    """When this day began where this machine stands (UTC ms)."""
    local = datetime.fromtimestamp(now / 1000).astimezone()
    begun = datetime(local.year, local.month, local.day).astimezone()  # by that moment's own zone
    return round(begun.timestamp() * 1000)


def _row(page: Page) -> tuple[Any, ...]:
    seen = page.presence
    heard = "never" if seen.last_heard_at is None else output.local(seen.last_heard_at)
    return (
        page.device.id,
        page.device.name,
        page.device.app,
        page.version,
        heard,
        _battery(page),
        seen.rejected,
        "silent" if seen.silent_at is not None else "see below" if page.notes else "ok",
    )


def _battery(page: Page) -> str | None:
    facts = page.presence.facts
    level, charging = facts.get("battery"), facts.get("charging")
    if level is None:
        return "charging" if charging else None
    return f"{level} %{', charging' if charging else ''}"


def _document(page: Page, today: int, told: list[DeviceNote], token: str | None) -> dict[str, Any]:
    made = page.as_json() | {
        "mapping": page.device.mapping,
        "textsToday": today,
        "link": None if page.link is None else page.link.as_json(),
        "events": [
            {"name": e.name, "receivedAt": iso(e.received_at), "detail": e.detail} for e in told
        ],
    }
    if token is not None:
        made |= {"token": token, "pushUrl": push_url(page.base, token)}
    return made


def _print(page: Page, today: int, told: list[DeviceNote], token: str | None) -> None:
    device, seen = page.device, page.presence
    refused = str(seen.rejected)
    if seen.rejected:
        refused += f", the last one {output.local(seen.rejected_at)}: {seen.rejected_reason}"
    beat = None
    if seen.beat_at is not None:
        every = "" if seen.beat_gap is None else f", usually every {_about(seen.beat_gap)}"
        beat = output.local(seen.beat_at) + every
    output.fields(
        [
            ("Device", device.id),
            ("Name", device.name),
            ("App", f"{APPS[device.app].label} ({device.app})" if device.app in APPS else None),
            ("Version", page.version),
            ("While away", page.loss),
            ("Push URL", push_url(page.base, token or "TOKEN")),
            ("Way", _way(page)),
            ("Signed", "yes" if device.signing_key is not None else "no"),
            ("Country", device.country),
            ("Mapping", " ".join(f"{k}={v}" for k, v in device.mapping.items()) or None),
            ("Dedupe window", device.dedupe_window),
            (
                "Last heard",
                "never" if seen.last_heard_at is None else output.local(seen.last_heard_at),
            ),
            ("From address", seen.last_address),
            ("Heartbeat", beat),
            ("Battery", _battery(page)),
            ("Network", seen.facts.get("network")),
            ("Texts today", today),
            ("Refused", refused),
            ("Not understood", page.unrecognised),
            ("Told when silent", _silence(page)),
            (
                "Silent since",
                None if seen.silent_at is None else output.local(seen.silent_at),
            ),
        ]
    )
    for note in page.notes:
        print(f"\n{note}")
    if told:
        print()
        rows = [(output.local(e.received_at), e.name, _detail(e)) for e in told]
        output.table(("WHEN", "IT TOLD", "WHAT"), rows, "")


def _way(page: Page) -> str:
    if page.link is None:
        return "it pushes"
    pushes = page.link.push is not None and page.link.push.seen_at is not None
    return f"fetched from {page.link.link.url}{', and it pushes' if pushes else ''}"


def _silence(page: Page) -> str:
    by = " (by its way of pushing)" if page.device.silent_after is None else ""
    if page.silent_after is None:
        return f"never{by}"
    return f"after {short_duration(page.silent_after)}{by}"


def _about(ms: int) -> str:
    """A duration without false precision."""
    seconds = round(ms / 1000)
    if seconds < 120:
        return f"{seconds} s"
    return f"{round(seconds / 60)} min" if seconds < 7200 else f"{round(seconds / 3600)} h"


def _detail(event: DeviceNote) -> str:
    return output.shortened(json.dumps(event.detail, ensure_ascii=False), 60)
