"""`mmconnect device set`: changes what is set of a phone; the running service notices at once."""

from __future__ import annotations

import argparse
from dataclasses import replace

from mmconnect.cli import device_options, output, reached
from mmconnect.cli import open as opening
from mmconnect.desk import devices as desk
from mmconnect.desk.device_page import pages
from mmconnect.domain.errors import UsageError
from mmconnect.phones.apps import APPS
from mmconnect.store import devices


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Everything that can be set."""
    parser.add_argument("id", metavar="ID")
    parser.add_argument("--name", metavar="N", help="for people")
    parser.add_argument("--app", choices=list(APPS), help="what pushes")
    device_options.add_flags(parser)
    parser.add_argument(
        "--no-map", action="store_true", help="forget all of --map before the others count"
    )
    parser.add_argument(
        "--told",
        action="store_true",
        help="the phone has been given the address that mmconnect has now",
    )


def run(args: argparse.Namespace) -> int:
    """Change what is given, and nothing else."""
    given = (args.name, args.app, args.signing_key, args.country, args.dedupe_window)
    rest = (args.silent_after, args.map, args.no_map, args.told)
    if all(value is None for value in given) and not any(rest):
        raise UsageError("Nothing to change: name an option. `mmconnect device set --help`")
    clears_key, args.signing_key = args.signing_key == "none", _none(args.signing_key)
    clears_country, args.country = args.country == "none", _none(args.country)
    with opening.opened(args, write=True) as store:
        device, around = desk.find(store.db, args.id), reached.around(args, store)
        if args.name is not None:
            device = replace(device, name=opening.name_argument(args.name))
        if args.app is not None:
            device = replace(device, app=args.app)
        if args.no_map:
            device = replace(device, mapping={})
        device = device_options.settled(args, device)
        if clears_key:
            device = replace(device, signing_key=None)
        if clears_country:
            device = replace(device, country=None)
        if args.told:
            device = replace(device, push_base=around.pages)
        devices.change(store.db, device)
        device_options.noted(store, "device.changed", device)
        (page,) = pages(store.db, around, [device])
    if args.json:
        output.document(page.as_json())
    else:
        print(f"{device.name} was changed. `{output.command(args)} device show {device.id}`")
    return 0


def _none(text: str | None) -> str | None:
    return None if text == "none" else text
