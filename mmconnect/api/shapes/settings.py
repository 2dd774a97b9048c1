"""The settings, made from the list that the desk has of them."""

from __future__ import annotations

from typing import Any

from mmconnect.api import schema
from mmconnect.api.schema import Schema
from mmconnect.desk.settings import KNOWN, Known, Sort, as_json

LONGEST = 2000
"""Characters of a text."""
MOST = 200
"""Entries of a list."""


_TEXTS = {
    "country": schema.text(pattern="^[A-Za-z]{2}$", examples=["SG"]),
    "alertUrl": schema.text(
        most=LONGEST, pattern="^https?://", examples=["https://HOST/…"], writeOnly=True
    ),
    "appearance": schema.choice("system", "light", "dark"),
    "backupSchedule": schema.choice("daily", "weekly", "off"),
    "backupFolder": schema.text(
        most=1000, pattern="^(/|default$)", examples=["/media/usb1/mmconnect"]
    ),
}


def _shown(known: Known) -> Schema:
    match known.sort:
        case Sort.SWITCH:
            made = schema.boolean(known.help)
        case Sort.NUMBER | Sort.DURATION:
            unit = " In seconds." if known.sort is Sort.DURATION else ""
            made = schema.integer(known.help + unit)
        case Sort.SEVERAL:
            made = schema.array(schema.text(), known.help)
        case Sort.TEXT:
            made = schema.text(known.help)
    return schema.nullable(made) if known.default is None else made


def _given(known: Known) -> Schema:
    match known.sort:
        case Sort.NUMBER | Sort.DURATION:
            made = schema.integer(least=1, most=2**31)
        case Sort.SEVERAL:
            made = schema.array(schema.text(least=1, most=LONGEST), most=MOST)
        case Sort.TEXT:
            made = _TEXTS.get(known.camel, schema.text(least=1, most=LONGEST))
        case _:
            made = schema.boolean()
    return schema.nullable(made)


SETTINGS = schema.record({known.camel: _shown(known) for known in KNOWN.values()})
CHANGED = schema.record(
    {known.camel: _given(known) for known in KNOWN.values()},
    "What is left out stays as it is; null lets one have its default again.",
    optional=tuple(known.camel for known in KNOWN.values()),
    least=1,
)
AFTER = schema.record(
    {
        **SETTINGS["properties"],
        "alertSecret": schema.text(
            "The signing secret of an alert URL that was just made; shown this once."
        ),
    },
    optional=("alertSecret",),
)
EXAMPLE: dict[str, Any] = {
    known.camel: as_json(known.name, known.default) for known in KNOWN.values()
} | {"siteName": "Acme", "country": "SG"}
