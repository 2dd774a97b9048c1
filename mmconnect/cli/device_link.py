"""`mmconnect device link|unlink|history`: phones whose texts are fetched."""

from __future__ import annotations

import argparse
import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from mmconnect.cli import open as opening
from mmconnect.cli import output
from mmconnect.domain.clock import SystemClock, parse_duration
from mmconnect.domain.errors import NotFound, Refused, UsageError
from mmconnect.domain.ids import DELIVERY
from mmconnect.domain.models import Device, Trigger
from mmconnect.phones.fanout import plan
from mmconnect.phones.pulling import PORTS
from mmconnect.service.lock import poke
from mmconnect.store import configuration, devices, kept_back, links
from mmconnect.store.connection import transaction
from mmconnect.store.kept_back import Reason
from mmconnect.store.links import Link
from mmconnect.store.messages import Keys, StoredMessage
from mmconnect.store.outbox import NewDelivery

if TYPE_CHECKING:  # only a command that asks a phone needs a web client
    from mmconnect.phones.pulling.signing_in import SignedIn

SHORTEST, LONGEST = 1, 3600
"""Seconds between two looks at a phone."""
_BEFORE = {"smsgate": "what its inbox holds already is kept, and not sent"}


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
    parser.add_argument("--phone-user", metavar="U", default="sms", help="its user (default sms)")
    parser.add_argument(
        "--phone-password",
        metavar="P",
        help="its password, or SmsForwarder's sign secret (or @FILE, or -); used once, not kept",
    )
    parser.add_argument(
        "--poll", metavar="D", help="how often to look, 1s to 1h (default 3s; SmsForwarder 60s)"
    )


def signed_in(args: argparse.Namespace, app: str, url: str | None) -> SignedIn:
    """Try the phone that the options name. Raises UsageError, and Refused with what is wrong."""
    if app not in PORTS:
        raise UsageError(
            f"Texts can be fetched from the apps {' and '.join(PORTS)}, not from {app}: set --app"
        )
    if url is None:
        raise UsageError("Name the phone's address: --phone-url http://192.168.1.31:8080")
    given = args.phone_password
    password = "" if given is None else opening.secret_argument(given)
    from mmconnect.phones.pulling.signing_in import normal_url, sign_in

    try:
        normal = normal_url(url, app)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return asyncio.run(sign_in(app, normal, args.phone_user, password, SystemClock()))


def from_now_on(app: str) -> str:
    """What a person who has just linked a phone has to know."""
    before = _BEFORE.get(app, "what it received before stays there")
    return f": what comes from now on is sent; {before}."


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


def put(store: opening.Store, device: Device, phone: SignedIn, every: int | None) -> None:
    """Write a link with its tokens. To be called inside a write."""
    now = store.clock.now()
    before = links.known(store.db).get(device.id)
    same = before is not None and before.phone_id in (None, phone.phone_id)
    _only_once(store, device, phone)
    if before is not None and not same:
        links.remove(store.db, device.id)  # another phone: what its inbox holds is history
    links.put(
        store.db,
        Link(
            device_id=device.id,
            url=phone.url,
            interval=every if every is not None or before is None else before.interval,
            phone_id=phone.phone_id,
            secret=phone.secret,
            created_at=now,
        ),
    )
    tokens = phone.tokens
    links.update(
        store.db,
        device.id,
        access_token=tokens and tokens.access,
        refresh_token=tokens and tokens.refresh,
        token_made_at=tokens and now,
        token_ends_at=tokens and tokens.ends_at,
        trouble=None,
        trouble_at=None,
    )


def _only_once(store: opening.Store, device: Device, phone: SignedIn) -> None:
    """Raises Refused when another device is that phone: each of its texts would go out twice."""
    for other in links.known(store.db).values():
        there = (
            other.url == phone.url if phone.phone_id is None else other.phone_id == phone.phone_id
        )
        if there and other.device_id != device.id:
            named = devices.get(store.db, other.device_id)
            name = named.name if named is not None else other.device_id
            raise Refused(
                f"That phone is fetched from already, as {name} ({other.device_id}): each of its"
                " texts would go out twice. Nothing was changed. To fetch from it by another name,"
                f" first `mmconnect device unlink {other.device_id}`"
            )


def _link(args: argparse.Namespace) -> int:
    every = interval(args)
    with opening.opened(args) as store:
        device = _get(store, args.id)
        before = links.known(store.db).get(device.id)
    app = "smsgate" if device.app == "auto" else device.app
    if before is not None and args.phone_url is None and args.phone_password is None:
        if every is None:
            raise UsageError("Nothing to change: --phone-url, --phone-password or --poll")
        with opening.opened(args, write=True) as store:
            links.put(store.db, replace(before, interval=every))
        url = before.url
    else:
        phone = signed_in(args, app, args.phone_url or (before.url if before else None))
        url = phone.url
        with opening.opened(args, write=True) as store:
            if device.app == "auto":
                devices.change(store.db, replace(_get(store, device.id), app=app))
            put(store, device, phone, every)
    if args.json:
        output.document({"id": device.id, "phoneUrl": url, "poll": every and every // 1000})
    else:
        print(f"{device.name} is fetched from {url}{'.' if before else from_now_on(app)}")
    return 0


def _unlink(args: argparse.Namespace) -> int:
    with opening.opened(args, write=True) as store:
        device = _get(store, args.id)
        gone = links.remove(store.db, device.id)
    if not gone:
        raise Refused(f"{device.name} is not fetched from")
    if args.json:
        output.document({"id": device.id, "linked": False})
    else:
        print(f"{device.name} is fetched from no longer. What it pushes is taken as before.")
    return 0


def _history(args: argparse.Namespace) -> int:
    with opening.opened(args) as store:
        device = _get(store, args.id)
        counts = kept_back.counts(store.db, device.id)
    total = sum(counts.values())
    sent = made = left = 0
    if args.send:
        sent, made = _send(args, device)
    elif args.leave:
        with opening.opened(args, write=True) as store:
            left = kept_back.leave(store.db, device.id)
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
            print(f"{output.many(count, 'text', 'texts')} of {device.name}, {_WHY[reason]}.")
        command = f"{output.command(args)} device history {device.id}"
        print(f"\nSend these too:   {command} --send\nLeave them:       {command} --leave")
    return 0


_WHY = {
    Reason.HISTORY: "which its inbox held when it was added: kept, not sent",
    Reason.RESTORED: "which may have gone out after the backup that was restored: kept, not sent",
}


def _send(args: argparse.Namespace, device: Device) -> tuple[int, int]:
    """Give all of them their deliveries, some at a time: (texts, deliveries)."""
    sent = made = 0
    with opening.opened(args) as store:
        now = configuration.load(store.db)

        def deliveries(found: StoredMessage) -> list[NewDelivery]:
            planned = plan(
                found.message,
                now,
                store.ids,
                None,
                keys=Keys(),
                raw=None,
                raw_headers=None,
            )
            return [
                replace(
                    one,
                    id=store.ids.new(DELIVERY),
                    trigger=Trigger.SEND,
                    created_at=store.clock.now(),
                )
                for one in planned.new.deliveries
            ]

        while True:
            with transaction(store.db):
                some, new = kept_back.send(store.db, device.id, deliveries)
            if not some:
                poke(store.directory)
                return sent, made
            sent, made = sent + some, made + new


def _get(store: opening.Store, device_id: str) -> Device:
    device = devices.get(store.db, device_id)
    if device is None:
        raise NotFound(f"There is no device {device_id}. `mmconnect device list` shows them")
    return device
