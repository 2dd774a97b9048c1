"""The apps that push texts, as an owner chooses one: what each is called, needs and promises."""

from __future__ import annotations

from mmconnect.phones.apps import APPS, smsgate
from mmconnect.phones.guides import GUIDES, by_phone
from mmconnect.phones.guides.guide import Guide

FIRST = next(iter(GUIDES))
"""The app that people should consider first."""


def label(app: str) -> str:
    """As people know it: `SMS Gateway for Android`."""
    name = APPS[app].label if app in APPS else app
    return f"{name[:1].upper()}{name[1:]}"


def guide(app: str) -> Guide | None:
    """How it is set up; None where the phone is still to say which app it is (`auto`)."""
    return GUIDES.get(app)


def needs_https(app: str) -> bool:
    """Whether its pushes are sent over https alone."""
    found = GUIDES.get(app)
    return found is not None and found.needs_https


def repeats(app: str) -> bool:
    """Whether it sends again what failed: identical pushes within two minutes are then one."""
    return app in APPS and APPS[app].retries


def fixed(app: str) -> bool:
    """Whether the shape of its pushes is fixed, so that a device's own paths count for nothing."""
    return app == smsgate.NAME


def every() -> list[tuple[str, str]]:
    """Name and label of all, as a device's app can be set."""
    return [(name, label(name)) for name in APPS]


def choices() -> list[tuple[str, list[tuple[str, str, str]]]]:
    """By kind of phone: name, label, and what to know before one chooses it."""
    return [
        (str(phone), [(one.name, one.label, _about(one)) for one in guides])
        for phone, guides in by_phone().items()
    ]


def _about(one: Guide) -> str:
    more = " Pushes need HTTPS." if one.needs_https else ""
    return f"{one.summary} {one.effort.capitalize()}; {one.best.label}.{more}"
