"""The flags of `device add` and `device set`, and what they make of a device.

A flag that is left out changes nothing. What makes no sense is refused with a sentence that says
what does.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from mmconnect.cli import open as opening
from mmconnect.desk import device_values, devices
from mmconnect.desk.actor import CLI
from mmconnect.domain.errors import UsageError
from mmconnect.domain.models import Device

T = TypeVar("T")


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
        device = replace(device, country=_read("", device_values.country_of, args.country))
    if args.dedupe_window is not None:
        window = _read("--dedupe-window is ", device_values.window_of, args.dedupe_window)
        device = replace(device, dedupe_window=window)
    if args.silent_after is not None:
        of = f"--silent-after {args.silent_after!r}: "
        silence = _read(of, device_values.silence_of, args.silent_after)
        device = replace(device, silent_after=silence)
    if args.signing_key is not None:
        device = replace(device, signing_key=_key(args.signing_key))
    if args.map:
        paths = [_read(f"--map {one!r}: ", device_values.path_of, one) for one in args.map]
        device = replace(device, mapping=device.mapping | dict(paths))
    return device


def noted(store: opening.Store, action: str, device: Device, detail: str = "") -> None:
    """Write down what was done to a device, in the write that does it."""
    devices.note(store.db, CLI, store.clock.now(), action, device, detail)


def _read(before: str, of: Callable[[str], T], text: str) -> T:
    """A value, or UsageError with the sentence that says what there can be."""
    try:
        return of(text)
    except ValueError as error:
        raise UsageError(f"{before}{error}") from None


def _key(text: str) -> str:
    key = opening.secret_argument(text)
    if key == "":
        raise UsageError("The signing key is empty")
    return key
