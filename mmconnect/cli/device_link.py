"""`mmconnect device link|unlink|history`: phones whose texts are fetched."""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from mmconnect.cli import open as opening
from mmconnect.cli import output
from mmconnect.cli.device_options import noted
from mmconnect.desk import device_links
from mmconnect.desk.device_history import WHY, send_some
from mmconnect.desk.device_links import LONGEST, SHORTEST, USER
from mmconnect.desk.devices import find
from mmconnect.domain.clock import SystemClock, parse_duration
from mmconnect.domain.errors import UsageError
from mmconnect.domain.models import Device
from mmconnect.phones.pulling import PORTS
from mmconnect.service.lock import poke
from mmconnect.store import configuration, kept_back, links
from mmconnect.store.connection import transaction
from mmconnect.store.kept_back import Reason

if TYPE_CHECKING:  # only a command that asks a phone needs a web client
    from mmconnect.phones.pulling.signing_in import SignedIn


def add_parsers(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser],
    parents: list[argparse.ArgumentParser],
) -> None:
    """Add the verbs."""
    link = verbs.add_parser(
        "link", parents=parents, help="fetch a phone's texts from it, or sign in to it again"
    )
    link.add_argument("id", metavar="ID")
    add_options(link)
    link.set_defaults(run=_link)

    unlink = verbs.add_parser("unlink", parents=parents, help="fetch from a phone no longer")
    unlink.add_argument("id", metavar="ID")
    unlink.set_defaults(run=_unlink)

    history = verbs.add_parser(
        "history", parents=parents, help="texts of a phone that were kept back: send or leave them"
    )
    history.add_argument("id", metavar="ID")
    what = history.add_mutually_exclusive_group()
    what.add_argument("--send", action="store_true", help="send these too, oldest first")
    what.add_argument("--leave", action="store_true", help="leave them: they stay, unsent")
    history.set_defaults(run=_history)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Where a phone is, and as whom."""
    parser.add_argument(
        "--phone-url", metavar="URL", help="the app's server on the phone: http://192.168.1.31:8080"
    )
    parser.add_argument(
        "--phone-user", metavar="U", default=USER, help=f"its user (default {USER})"
    )
    parser.add_argument(
        "--phone-password",
        metavar="P",
        help="its password, used once and not kept; or SmsForwarder's sign secret, which is kept"
        " (@FILE or -, too)",
    )
    parser.add_argument(
        "--poll", metavar="D", help="how often to look, 1s to 1h (default 3s; SmsForwarder 60s)"
    )


def signed_in(args: argparse.Namespace, app: str, url: str | None) -> SignedIn:
    """Try the phone that the options name. Raises UsageError, and Refused with what is wrong."""
    fetched = device_links.fetchable(app)
    if fetched is None:
        raise UsageError(
            f"Texts can be fetched from the apps {' and '.join(PORTS)}, not from {app}: set --app"
        )
    if url is None:
        raise UsageError("Name the phone's address: --phone-url http://192.168.1.31:8080")
    given = args.phone_password
    password = "" if given is None else opening.secret_argument(given)
    from mmconnect.phones.pulling.signing_in import normal_url, sign_in

    try:
        normal = normal_url(url, fetched)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return asyncio.run(sign_in(fetched, normal, args.phone_user, password, SystemClock()))


def interval(args: argparse.Namespace) -> int | None:
    """`--poll` in milliseconds. Raises UsageError."""
    if args.poll is None:
        return None
    try:
        seconds = parse_duration(args.poll)
    except ValueError as error:
        raise UsageError(f"--poll: {error}") from error
    if not SHORTEST <= seconds <= LONGEST:
        raise UsageError(f"--poll {args.poll}: choose 1s to 1h")
    return seconds * 1000


def _link(args: argparse.Namespace) -> int:
    every = interval(args)
    with opening.opened(args) as store:
        device = find(store.db, args.id)
        before = links.known(store.db).get(device.id)
    app = device_links.fetchable(device.app) or device.app
    if before is not None and args.phone_url is None and args.phone_password is None:
        if every is None:
            raise UsageError("Nothing to change: --phone-url, --phone-password or --poll")
        with opening.opened(args, write=True) as store:
            links.put(store.db, replace(before, interval=every))
            noted(store, "device.changed", device, "how often it is looked at")
        url = before.url
    else:
        phone = signed_in(args, app, args.phone_url or (before.url if before else None))
        url = phone.url
        with opening.opened(args, write=True) as store:
            device = find(store.db, device.id)
            device_links.link(store.db, device, app, phone, every, store.clock.now())
            noted(store, "device.linked", device, phone.url)
    if args.json:
        output.document({"id": device.id, "phoneUrl": url, "poll": every and every // 1000})
    else:
        print(
            f"{device.name} is fetched from {url}{'.' if before else device_links.from_now_on(app)}"
        )
    return 0


def _unlink(args: argparse.Namespace) -> int:
    with opening.opened(args, write=True) as store:
        device = find(store.db, args.id)
        device_links.unlink(store.db, device)
        noted(store, "device.unlinked", device)
    if args.json:
        output.document({"id": device.id, "linked": False})
    else:
        print(f"{device.name} is fetched from no longer. What it pushes is taken as before.")
    return 0


def _history(args: argparse.Namespace) -> int:
    with opening.opened(args) as store:
        device = find(store.db, args.id)
        counts = kept_back.counts(store.db, device.id)
    total = sum(counts.values())
    sent = made = left = 0
    if args.send:
        sent, made = _send(args, device)
    elif args.leave:
        with opening.opened(args, write=True) as store:
            left = kept_back.leave(store.db, device.id)
            noted(store, "device.history_left", device, output.many(left, "text", "texts"))
    if args.json:
        output.document(
            {
                "id": device.id,
                "history": counts.get(Reason.HISTORY, 0),
                "restored": counts.get(Reason.RESTORED, 0),
                "sent": sent,
                "deliveries": made,
                "left": left,
            }
        )
    elif args.send:
        deliveries = output.many(made, "delivery", "deliveries")
        print(f"{output.many(sent, 'text is', 'texts are')} sent: {deliveries}.")
    elif args.leave:
        print(f"{output.many(left, 'text is', 'texts are')} left unsent.")
    elif not total:
        print(f"{device.name} has no texts that were kept back.")
    else:
        for reason, count in counts.items():
            print(f"{output.many(count, 'text', 'texts')} of {device.name}, {WHY[reason]}.")
        command = f"{output.command(args)} device history {device.id}"
        print(f"\nSend these too:   {command} --send\nLeave them:       {command} --leave")
    return 0


def _send(args: argparse.Namespace, device: Device) -> tuple[int, int]:
    """Give all of them their deliveries, some at a time: (texts, deliveries)."""
    sent = made = 0
    with opening.opened(args) as store:
        now = configuration.load(store.db)
        while True:
            with transaction(store.db):
                some, new = send_some(store.db, device.id, now, store.ids, store.clock.now())
            if not some:
                total = output.many(sent, "text", "texts")
                with transaction(store.db):
                    noted(store, "device.history_sent", device, total)
                poke(store.directory)
                return sent, made
            sent, made = sent + some, made + new
