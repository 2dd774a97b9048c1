"""The pairing pages as HTML: guides filled in with a device's own values, and what was seen.

Imported with the first page that somebody asks for. Everything that comes from a person or a phone
is escaped; knows neither sockets nor the database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup

from mmconnect.domain.models import Device
from mmconnect.phones import qr
from mmconnect.phones.diagnosis import UNSEEN_AFTER, Circumstances, findings, unseen
from mmconnect.phones.guides import GUIDES, by_phone
from mmconnect.phones.guides.guide import Field, Guide, Phone, filled
from mmconnect.phones.pair_files import address_of
from mmconnect.phones.sightings import Sighting
from mmconnect.phones.urls import Bases, push_url
from mmconnect.web import templates

_LONG = 70
"""Letters of a value beyond which it gets lines of its own."""
_ROWS = 9
_NARROWEST = 17
"""Letters in a line beside a button, 360 px wide."""
PHONE = "192.168.1.31"
"""Stands for a phone's address where that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A field or a block as the page shows it."""

    id: str
    name: str = ""
    value: str = ""
    note: str = ""
    copied: bool = True
    tall: bool = False
    """Lines of its own, as they are."""
    wrapped: bool = False
    """One line, which is broken to fit."""
    title: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a device needs to know, for the app that it has."""

    device: Device
    guide: Guide
    token: str
    base: str
    """Of the push URL; empty while phones can reach this machine nowhere."""
    phone: str = PHONE
    """The phone's address as a URL has it, or an example."""

    @property
    def url(self) -> str:
        """The push URL."""
        return push_url(self.base, self.token)

    @property
    def secure(self) -> bool:
        """Whether that is an https one."""
        return self.base.startswith("https:")

    @property
    def values(self) -> Mapping[str, str]:
        """What stands for itself in a guide."""
        secret = self.device.signing_key or ""
        named = {"url": self.url, "token": self.token, "base": self.base}
        return {**named, "secret": secret, "id": self.device.id, "phone": self.phone}


def phone_address(around: Circumstances, guide: Guide) -> str:
    """The address of the phone that is set up: the browser's, when that is a phone on a network of
    this machine; else an example."""
    if not around.on_phone or guide.phone is not Phone.ANDROID:
        return PHONE
    try:
        address = ip_address(around.address)
    except ValueError:
        return PHONE
    if address.is_loopback or not any(address in network for network in around.networks):
        return PHONE  # behind a router, a proxy or a forwarded port it would be theirs
    return f"[{address}]" if address.version == 6 else str(address)


def guide_of(device: Device) -> Guide | None:
    """The guide for a device's app; None where the app is still to be chosen."""
    return GUIDES.get(device.app)


def base_for(guide: Guide, bases: Bases, host: str, before: str | None) -> str:
    """The base of the push URL to show.

    Of those that the app can use: the one by which the browser came (that is known to work), else
    the one that was told `before`, else the best.
    """
    fit = bases.https if guide.needs_https and bases.https else bases.http or bases.https
    asked = urlsplit(f"//{host}").hostname
    same = [base for base in fit if urlsplit(base).hostname == asked]
    if same:
        return same[0]
    if before in fit:
        return str(before)
    return fit[0] if fit else ""


def status(
    setup: Setup, seen: Sequence[Sighting], waited: float, around: Circumstances
) -> dict[str, Any]:
    """What the person who waits is told; the script gets the same as JSON."""
    port = str(urlsplit(setup.base).port or "")
    needs = setup.guide.needs_https
    around = replace(around, needs_https=needs, secure=setup.secure, port=port)
    found = findings(seen, around)
    headline = "Waiting for the first text…" if waited < UNSEEN_AFTER else "Nothing has come yet"
    if found:
        headline = "Not right yet"
    hints = unseen(around) if waited >= UNSEEN_AFTER and not found else []
    return {
        "state": "waiting",
        "title": found[0].title if found else headline,
        "headline": headline,
        "lead": "Send a text to this phone, or press the app's test button. This page notices by"
        " itself.",
        "findings": [{"title": one.title, "fix": one.fix} for one in found],
        "hints": [{"title": one.title, "fix": one.fix} for one in hints],
    }


def groups(agent: str) -> list[tuple[Phone, list[Guide]]]:
    """The guides by kind of phone; first the kind that this browser seems to be."""
    kinds = list(by_phone().items())
    if "iPhone" in agent:
        kinds.sort(key=lambda kind: kind[0] is not Phone.IPHONE)
    return kinds


class Pages:
    """Renders them."""

    def __init__(self) -> None:
        self._templates = templates.environment()
        self._templates.filters["sentence"] = lambda text: text[:1].upper() + text[1:]
        self._templates.globals |= {"static": address_of, "rows": _rows, "narrowest": _NARROWEST}

    def page(self, name: str, **values: Any) -> bytes:
        """One page, as bytes."""
        return self._templates.get_template(f"pair/{name}.html").render(values).encode()

    def steps(self, setup: Setup, told: Mapping[str, Any], **values: Any) -> bytes:
        """What to do on the phone, step by step."""
        guide, keyed = setup.guide, setup.device.signing_key is not None
        source = guide.source
        return self.page(
            "steps",
            guide=guide,
            device=setup.device.name,
            url=setup.url,
            token=setup.token,
            secure=setup.secure,
            steps=_steps(setup, keyed=keyed),
            source_qr=source and Markup(qr.svg(source.url, source.label)),  # noqa: S704 (segno's)
            status=told,
            **values,
        )


def _steps(setup: Setup, *, keyed: bool) -> list[dict[str, Any]]:
    made = []
    for number, step in enumerate(setup.guide.steps, start=1):
        if step.keyed and not keyed:
            continue
        fields = [
            _field(field, f"field-{number}-{n}", setup.values)
            for n, field in enumerate(step.fields, start=1)
            if keyed or not field.keyed
        ]
        block = step.block and Shown(
            id=f"block-{number}",
            title=step.block.title,
            text=filled(step.block.text, setup.values).rstrip("\n"),
            wrapped=step.block.text.count("\n") <= 1,
        )
        texts = {"text": filled(step.text, setup.values), "after": filled(step.after, setup.values)}
        more = {"title": step.title, "certificate": step.certificate}
        made.append({"fields": fields, "block": block, **more, **texts})
    return made


def _rows(value: str, width: int) -> int:
    """Lines of a text area that shows a value; `width`: where it is broken, 0 for nowhere."""
    lines = value.split("\n")
    count = sum(-(-max(1, len(line)) // width) for line in lines) if width else len(lines)
    return min(count, _ROWS)


def _field(field: Field, element: str, values: Mapping[str, str]) -> Shown:
    value = filled(field.value, values)
    address = "{url}" in field.value
    return Shown(
        id=element,
        name=field.name,
        value=value,
        note=field.note,
        copied=field.copied,
        tall="\n" in value or (len(value) > _LONG and not address),
        wrapped="\n" not in value and len(value) > _LONG and not address,
    )
