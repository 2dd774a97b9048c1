"""`mmconnect device …`: the phones and modems that push texts."""

from __future__ import annotations

import argparse
from dataclasses import replace
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
from mmconnect.cli.device_pair import Invitation
from mmconnect.cli.device_show import find
from mmconnect.domain.ids import DEVICE
from mmconnect.domain.models import Device
from mmconnect.phones.apps import APPS
from mmconnect.phones.guides import GUIDES
from mmconnect.phones.tokens import new_token
from mmconnect.phones.urls import push_url
from mmconnect.store import devices, links, settings


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
    device = device_options.settled(
        args,
        Device(
            id="",
            name=opening.name_argument(args.name),
            app=args.app,
            country=None,
            signing_key=None,
            created_at=0,
        ),
    )
    token = new_token()
    app, every = args.app, device_link.interval(args)
    phone = None
    if args.phone_url is not None:
        app = "smsgate" if app == "auto" else app
        phone = device_link.signed_in(args, app, args.phone_url)
    with opening.opened(args, write=True) as store:
        country = settings.value(store.db, settings.COUNTRY)
        device = replace(
            device,
            id=store.ids.new(DEVICE),
            app=app,
            country=device.country or (country.upper() if country else None),
            push_base=_base(args, store.directory, app),
            created_at=store.clock.now(),
        )
        devices.add(store.db, device, token)
        if phone is not None:
            device_link.put(store, device, phone, every)
        invitation = device_pair.invite(store.db, device.id, device.created_at)
    if phone is not None and not args.json:
        print(f"{device.name} is fetched from {phone.url}{device_link.from_now_on(app)}\n")
    _show_token(args, device, token, invitation, store.directory)
    return 0


def _remove(args: argparse.Namespace) -> int:
    with opening.opened(args, write=True) as store:
        device = find(store, args.id)
        devices.remove(store.db, device.id, store.clock.now())
        links.remove(store.db, device.id)  # with the tokens that open the phone
    if args.json:
        output.document({"id": device.id, "removed": True})
    else:
        print(f"{device.name} was removed: its pushes are refused from now on.")
    return 0


def _new_token(args: argparse.Namespace) -> int:
    token = new_token()
    with opening.opened(args, write=True) as store:
        device = find(store, args.id)
        device = replace(device, push_base=_base(args, store.directory, device.app))
        devices.replace_token(store.db, device.id, token, store.clock.now())
        devices.change(store.db, device)
        invitation = device_pair.invite(store.db, device.id, store.clock.now())
    _show_token(args, device, token, invitation, store.directory)
    if not args.json:
        print("The old token works until this one is used, 7 days at most.")
    return 0


def _pair_again(args: argparse.Namespace) -> int:
    with opening.opened(args, write=True) as store:
        device = find(store, args.id)
        invitation = device_pair.invite(store.db, device.id, store.clock.now())
    base = _base(args, store.directory, "auto")
    if args.json:
        output.document({"id": device.id, **device_pair.as_json(invitation, base)})
    else:
        output.fields([("Device", device.id), ("Name", device.name), ("App", device.app)])
        device_pair.show(args, device, invitation, base, store.directory)
    return 0


def _show_token(
    args: argparse.Namespace,
    device: Device,
    token: str,
    invitation: Invitation,
    directory: Path,
) -> None:
    base = _base(args, directory, "auto")  # the page is there without a certificate
    url = push_url(device.push_base or "", token)
    if args.json:
        output.document(
            {
                "id": device.id,
                "name": device.name,
                "app": device.app,
                "token": token,
                "pushUrl": url,
                **device_pair.as_json(invitation, base),
            }
        )
        return
    output.fields(
        [("Device", device.id), ("Name", device.name), ("App", device.app), ("Push URL", url)]
    )
    device_pair.show(args, device, invitation, base, directory)
    print("Or paste the push URL into the app by hand. Opened in a browser, it says whether the")
    print("token is good.")


def _base(args: argparse.Namespace, directory: Path, app: str) -> str:
    """Where a phone with that app pushes to: where the service listens, or would by its options."""
    bases, guide = reached.where(args, directory), GUIDES.get(app)
    if guide is not None and guide.needs_https and bases.https:
        return bases.https[0]
    return bases.http[0]
