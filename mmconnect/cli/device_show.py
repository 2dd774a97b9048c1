"""`mmconnect device list` and `device show`: how the phones are."""

from __future__ import annotations

import argparse
import json
from typing import Any

from mmconnect.cli import open as opening
from mmconnect.cli import output, reached
from mmconnect.desk.device_page import Page, Whole, pages, whole
from mmconnect.desk.devices import find
from mmconnect.domain.clock import short_duration
from mmconnect.phones.apps import APPS
from mmconnect.phones.urls import push_url
from mmconnect.store import devices
from mmconnect.store.device_watch import DeviceNote


def listing(args: argparse.Namespace) -> int:
    """All phones."""
    with opening.opened(args) as store:
        found = pages(store.db, reached.around(args, store), devices.known(store.db))
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
            print(f"\n{page.device.name}: {note.whole}")
    return 0


def show(args: argparse.Namespace) -> int:
    """Everything that is known of one phone."""
    with opening.opened(args) as store:
        device = find(store.db, args.id)
        known = whole(store.db, reached.around(args, store), device)
        token = devices.current_token(store.db, device.id) if args.token else None
    if args.json:
        output.document(known.as_json(token))
    else:
        _print(known, token)
    return 0


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


def _print(known: Whole, token: str | None) -> None:
    page, told = known.page, known.told
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
            ("Texts today", known.today),
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
        print(f"\n{note.whole}")
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
