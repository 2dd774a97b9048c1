"""How a phone is, in words for people, and what the pages of one phone share."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from mmconnect.admin import entrance
from mmconnect.admin.context import desk
from mmconnect.admin.render import page
from mmconnect.admin.words import ago, many
from mmconnect.desk import device_links, devices
from mmconnect.desk.device_page import Page
from mmconnect.domain import countries
from mmconnect.domain.errors import NotFound
from mmconnect.domain.models import Device

REFUSED = {
    "bad_signature": (
        "it was signed with another key, or not at all",
        "Enter this phone's signing key in the app once more, or remove the key in its settings.",
    ),
    "removed": ("the phone had been removed", "Pair it anew."),
}
"""Why a push was refused, and what to do."""


def sentence(found: Page, today: int, now: int) -> str:
    """What somebody wants to know first: when it was heard, by which way, texts today."""
    seen = found.presence
    if seen.last_heard_at is None and not today:
        return "Nothing was heard of it yet."
    texts = f"{many(today, 'text', 'texts') if today else 'no text'} today"
    if seen.last_heard_at is None:
        told = "Not heard by itself yet"
    else:
        told = f"Last heard {ago(seen.last_heard_at, now)}"
        if found.network not in (None, "none"):
            told += f" by {found.network}"
        if seen.last_address:
            told += f" at {seen.last_address}"
    return f"{told}; {texts}."


def battery(found: Page) -> str | None:
    """`80 %, charging`."""
    level, charging = found.battery, found.charging
    if level is None:
        return "charging" if charging else None
    return f"{level} %{', charging' if charging else ''}"


def country_choices(empty: str) -> list[tuple[str, str]]:
    """Countries by name for a select, after what leaving it empty means."""
    return [("", empty), *countries.NAMES.items()]


def found(request: web.Request) -> Device:
    """The phone that a page is about. Raises NotFound."""
    device = desk(request).look().devices.get(request.match_info["id"])
    if device is None or device.removed_at is not None:
        raise NotFound("There is no such phone (any more)")
    return device


def path(device: Device, *rest: str) -> str:
    """Where its page is, or one below."""
    return "/".join((f"/phones/{device.id}", *rest))


def tabs(device: Device) -> list[tuple[str, str, str]]:
    """Name, words and path of each page of a phone."""
    made = [
        ("one", "Now", path(device)),
        ("settings", "Settings", path(device, "settings")),
        ("mapping", "Mapping", path(device, "mapping")),
    ]
    if device_links.fetchable(device.app) is not None:
        made.append(("fetching", "Fetching", path(device, "fetching")))
    return made


def shown(
    request: web.Request, template: str, device: Device, tab: str = "", **values: Any
) -> web.Response:
    """A page of one phone."""
    return page(
        request,
        f"phones/{template}.html",
        area="phones",
        device=device,
        at=lambda *rest: path(device, *rest),
        tabs=tabs(device),
        tab=tab,
        **values,
    )


def note(request: web.Request, db: Any, action: str, device: Device, detail: str = "") -> None:
    """Write down who did what to a phone, in the write that does it."""
    devices.note(db, entrance.actor(request), desk(request).clock.now(), action, device, detail)
