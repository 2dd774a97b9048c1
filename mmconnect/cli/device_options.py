"""The flags of `device add` and `device set`, and what they make of a device.

A flag that is left out changes nothing. What makes no sense is refused with a sentence that says
what does.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

from mmconnect.cli import open as opening
from mmconnect.domain.clock import parse_duration
from mmconnect.domain.errors import UsageError
from mmconnect.domain.models import Device
from mmconnect.domain.numbers import is_country
from mmconnect.phones.apps.names import FIELDS, field_of

LONGEST_WINDOW = 90 * 86_400
"""Seconds that keys are certain to be remembered."""
SHORTEST_SILENCE, LONGEST_SILENCE = 60, 365 * 86_400


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags that add and set share, but for the name and the app; left out they are None."""
    parser.add_argument(
        "--signing-key",
        metavar="K",
        help="the app's key for signed pushes (or @FILE, or -); unsigned ones are then refused",
    )
    parser.add_argument(
        "--country", metavar="SG", help="two letters; how numbers without + are read"
    )
    parser.add_argument(
        "--map",
        metavar="FIELD=PATH",
        action="append",
        default=[],
        help="where a field is in what the phone sends, for example from=data.sender",
    )
    parser.add_argument(
        "--dedupe-window",
        metavar="SECONDS",
        help="how long an identical push without id and time counts as a repetition",
    )
    parser.add_argument(
        "--silent-after",
        metavar="D",
        help="how long it may be silent before you are told: 2h, off, or default",
    )


def settled(args: argparse.Namespace, device: Device) -> Device:
    """The device with what the flags say. Raises UsageError."""
    if args.country is not None:
        device = replace(device, country=_country(args.country))
    if args.dedupe_window is not None:
        device = replace(device, dedupe_window=_window(args.dedupe_window))
    if args.silent_after is not None:
        device = replace(device, silent_after=_silence(args.silent_after))
    if args.signing_key is not None:
        device = replace(device, signing_key=_key(args.signing_key))
    if args.map:
        device = replace(device, mapping=device.mapping | dict(map(_pair, args.map)))
    return device


def _country(text: str) -> str | None:
    if not is_country(text.upper()):
        raise UsageError(f"{text!r} is not a country's two letters, like SG, DE or US")
    return text.upper()


def _window(text: str) -> int | None:
    if text == "default":
        return None
    if not (text.isascii() and text.isdigit() and int(text[:10]) <= LONGEST_WINDOW):
        raise UsageError(
            f"--dedupe-window is in seconds, from 0 to {LONGEST_WINDOW} (90 days), or default"
        )
    return int(text)


def _silence(text: str) -> int | None:
    if text in ("off", "default"):
        return 0 if text == "off" else None
    try:
        seconds = parse_duration(text)
    except (ValueError, OverflowError):
        seconds = 0
    if not SHORTEST_SILENCE <= seconds <= LONGEST_SILENCE:
        raise UsageError(
            f"--silent-after {text!r}: write 2h or 3d (1m to 365d), off, or default"
        ) from None
    return seconds


def _key(text: str) -> str | None:
    key = opening.secret_argument(text)
    if key == "":
        raise UsageError("The signing key is empty")
    return key


def _pair(text: str) -> tuple[str, str]:
    name, equals, path = text.partition("=")
    if not equals or not name.strip() or not path.strip():
        raise UsageError(f"--map {text!r}: write FIELD=PATH, for example from=data.sender")
    if field_of(name.strip()) is None:
        raise UsageError(
            f"--map {text!r}: there is no field {name.strip()!r}; there are {', '.join(FIELDS)}"
        )
    return name.strip(), path.strip()
