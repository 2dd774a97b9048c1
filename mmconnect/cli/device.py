"""`mmconnect device …`: the phones and modems that push texts."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

from mmconnect import config
from mmconnect.cli import device_link, device_pair, output, shown
from mmconnect.cli import open as opening
from mmconnect.cli.device_pair import Invitation
from mmconnect.domain.errors import NotFound, UsageError
from mmconnect.domain.ids import DEVICE
from mmconnect.domain.models import Device
from mmconnect.domain.numbers import is_country
from mmconnect.phones.apps import APPS
from mmconnect.phones.apps.names import FIELDS, field_of
from mmconnect.phones.tokens import new_token
from mmconnect.phones.urls import push_url
from mmconnect.service.addresses import bases
from mmconnect.service.lock import running
from mmconnect.store import devices, links, settings

LONGEST_WINDOW = 90 * 86_400
"""Seconds that keys are certain to be remembered."""


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
    add.add_argument(
        "--signing-key",
        metavar="K",
        help="the app's key for signed pushes (or @FILE, or -); unsigned ones are then refused",
    )
    add.add_argument("--country", metavar="SG", help="two letters; how numbers without + are read")
    add.add_argument(
        "--map",
        metavar="FIELD=PATH",
        action="append",
        default=[],
        help="where a field is in what the phone sends, for example from=data.sender",
    )
    add.add_argument(
        "--dedupe-window",
        metavar="SECONDS",
        type=int,
        help="how long an identical push without id and time counts as a repetition",
    )
    device_link.add_options(add)
    add.set_defaults(run=_add)

    device_link.add_parsers(verbs, parents)
    verbs.add_parser("list", parents=parents, help="all phones").set_defaults(run=_list)
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
    if args.country is not None and not is_country(args.country.upper()):
        raise UsageError(f"{args.country!r} is not a country's two letters, like SG, DE or US")
    if args.dedupe_window is not None and not 0 <= args.dedupe_window <= LONGEST_WINDOW:
        raise UsageError(f"--dedupe-window is in seconds, from 0 to {LONGEST_WINDOW} (90 days)")
    mapping = dict(_pair(text) for text in args.map)
    key = None if args.signing_key is None else opening.secret_argument(args.signing_key)
    if key == "":
        raise UsageError("The signing key is empty")
    name = opening.name_argument(args.name)
    token = new_token()
    app, every = args.app, device_link.interval(args)
    phone = None
    if args.phone_url is not None:
        app = "smsgate" if app == "auto" else app
        phone = device_link.signed_in(args, app, args.phone_url)
    with opening.opened(args, write=True) as store:
        country = args.country or settings.value(store.db, settings.COUNTRY)
        device = Device(
            id=store.ids.new(DEVICE),
            name=name,
            app=app,
            country=country.upper() if country else None,
            signing_key=key,
            mapping=mapping,
            dedupe_window=args.dedupe_window,
            push_base=_base(args, store.directory),
            created_at=store.clock.now(),
        )
        devices.add(store.db, device, token)
        if phone is not None:
            device_link.put(store, device, phone, every)
        invitation = device_pair.invite(store.db, device.id, device.created_at)
    _show_token(args, device, token, invitation, store.directory)
    return 0


def _list(args: argparse.Namespace) -> int:
    with opening.opened(args) as store:
        found = devices.known(store.db)
        presences = devices.presences(store.db)
    if args.json:
        output.document([shown.device(d, presences.get(d.id)) for d in found])
        return 0
    rows = []
    for device in found:
        seen = presences.get(device.id)
        rows.append(
            (
                device.id,
                device.name,
                device.app,
                output.local(seen.last_heard_at) if seen else "never",
                seen.rejected if seen else 0,
            )
        )
    output.table(
        ("ID", "NAME", "APP", "LAST HEARD", "REFUSED"),
        rows,
        f'No phone yet. Add one: {output.command(args)} device add --name "My phone"',
    )
    return 0


def _remove(args: argparse.Namespace) -> int:
    with opening.opened(args, write=True) as store:
        device = _get(store, args.id)
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
        device = replace(_get(store, args.id), push_base=_base(args, store.directory))
        devices.replace_token(store.db, device.id, token, store.clock.now())
        devices.change(store.db, device)
        invitation = device_pair.invite(store.db, device.id, store.clock.now())
    _show_token(args, device, token, invitation, store.directory)
    if not args.json:
        print("The old token works until this one is used, 7 days at most.")
    return 0


def _pair_again(args: argparse.Namespace) -> int:
    with opening.opened(args, write=True) as store:
        device = _get(store, args.id)
        invitation = device_pair.invite(store.db, device.id, store.clock.now())
    base = _base(args, store.directory)
    if args.json:
        output.document({"id": device.id, **device_pair.as_json(invitation, base)})
    else:
        output.fields([("Device", device.id), ("Name", device.name), ("App", device.app)])
        device_pair.show(args, device.id, invitation, base, store.directory)
    return 0


def _show_token(
    args: argparse.Namespace,
    device: Device,
    token: str,
    invitation: Invitation,
    directory: Path,
) -> None:
    base = device.push_base or ""
    url = push_url(base, token)
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
    device_pair.show(args, device.id, invitation, base, directory)
    print("Or paste the push URL into the app by hand. Opened in a browser, it says whether the")
    print("token is good.")


def _base(args: argparse.Namespace, directory: Path) -> str:
    """Where a phone pushes to: where the service listens, or would by its options."""
    service = running(directory)
    if service is not None and service.phone:
        listening = service.phone
    else:
        file = config.read_file(opening.config_file(args))
        listening = [str(config.settle({}, os.environ, file).phone_listen)]
    return bases(listening, ()).http[0]


def _get(store: opening.Store, device_id: str) -> Device:
    device = devices.get(store.db, device_id)
    if device is None:
        raise NotFound(f"There is no device {device_id}. `mmconnect device list` shows them")
    return device


def _pair(text: str) -> tuple[str, str]:
    name, equals, path = text.partition("=")
    if not equals or not name.strip() or not path.strip():
        raise UsageError(f"--map {text!r}: write FIELD=PATH, for example from=data.sender")
    if field_of(name.strip()) is None:
        raise UsageError(
            f"--map {text!r}: there is no field {name.strip()!r}; there are {', '.join(FIELDS)}"
        )
    return name.strip(), path.strip()
