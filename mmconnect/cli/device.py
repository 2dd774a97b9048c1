"""`mmconnect device …`: the phones and modems that push texts."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmconnect.cli import (
    device_link,
    device_options,
    device_pair,
    device_set,
    device_show,
    output,
    reached,
)
from mmconnect.cli import open as opening
from mmconnect.cli.device_options import noted
from mmconnect.desk import device_links
from mmconnect.desk import devices as desk
from mmconnect.desk.around import Around
from mmconnect.phones.apps import APPS


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    parents: list[argparse.ArgumentParser],
) -> None:
    """Add the family."""
    family = commands.add_parser("device", parents=parents, help="phones that push texts")
    verbs = family.add_subparsers(metavar="VERB", required=True)

    add = verbs.add_parser("add", parents=parents, help="pair a phone; prints its push URL")
    add.add_argument("--name", required=True, help="for people: Reception, Pixel 6, …")
    add.add_argument("--app", default="auto", choices=list(APPS), help="what pushes (default auto)")
    device_options.add_flags(add)
    device_link.add_options(add)
    add.set_defaults(run=_add)

    device_link.add_parsers(verbs, parents)
    change = verbs.add_parser("set", parents=parents, help="change what is set of a phone")
    device_set.add_flags(change)
    change.set_defaults(run=device_set.run)
    listed = verbs.add_parser("list", parents=parents, help="all phones, and how they are")
    listed.set_defaults(run=device_show.listing)
    page = verbs.add_parser("show", parents=parents, help="everything that is known of a phone")
    page.add_argument("id", metavar="ID")
    page.add_argument("--token", action="store_true", help="show its token and push URL, too")
    page.set_defaults(run=device_show.show)
    for name, run, text in (
        ("remove", _remove, "refuse its pushes from now on"),
        (
            "new-token",
            _new_token,
            "a new token; the old one ends when it is used, in 7 days at most",
        ),
        ("pair", _pair_again, "a new pairing code, with the page that it opens; older ones end"),
    ):
        verb = verbs.add_parser(name, parents=parents, help=text)
        verb.add_argument("id", metavar="ID")
        verb.set_defaults(run=run)


def _add(args: argparse.Namespace) -> int:
    device = desk.fresh(opening.name_argument(args.name), args.app)
    device, every = device_options.settled(args, device), device_link.interval(args)
    phone = None
    if args.phone_url is not None:
        phone = device_link.signed_in(args, args.app, args.phone_url)
    with opening.opened(args, write=True) as store:
        around = reached.around(args, store)
        given = desk.add(store.db, around, store.ids, device, phone, every)
        noted(store, "device.added", given.device)
    if phone is not None and not args.json:
        device = given.device
        print(f"{device.name} is fetched from {phone.url}{device_links.from_now_on(device.app)}\n")
    _show_token(args, given, around, store.directory)
    return 0


def _remove(args: argparse.Namespace) -> int:
    with opening.opened(args, write=True) as store:
        device = desk.remove(store.db, args.id, store.clock.now())
        noted(store, "device.removed", device)
    if args.json:
        output.document({"id": device.id, "removed": True})
    else:
        print(f"{device.name} was removed: its pushes are refused from now on.")
    return 0


def _new_token(args: argparse.Namespace) -> int:
    with opening.opened(args, write=True) as store:
        around = reached.around(args, store)
        given = desk.renew_token(store.db, around, args.id)
        noted(store, "device.token_renewed", given.device)
    _show_token(args, given, around, store.directory)
    if not args.json:
        print("The old token works until this one is used, 7 days at most.")
    return 0


def _pair_again(args: argparse.Namespace) -> int:
    with opening.opened(args, write=True) as store:
        device, around = desk.find(store.db, args.id), reached.around(args, store)
        invitation = desk.invite(store.db, device.id, around.now)
        noted(store, "device.invited", device)
    if args.json:
        output.document({"id": device.id, **invitation.as_json(around)})
    else:
        output.fields([("Device", device.id), ("Name", device.name), ("App", device.app)])
        device_pair.show(args, device, invitation, around, store.directory)
    return 0


def _show_token(
    args: argparse.Namespace, given: desk.Given, around: Around, directory: Path
) -> None:
    if args.json:
        output.document(given.as_json(around))
        return
    device = given.device
    output.fields(
        [
            ("Device", device.id),
            ("Name", device.name),
            ("App", device.app),
            ("Push URL", given.push_url),
        ]
    )
    device_pair.show(args, device, given.invitation, around, directory)
    print("Or paste the push URL into the app by hand. Opened in a browser, it says whether the")
    print("token is good.")
