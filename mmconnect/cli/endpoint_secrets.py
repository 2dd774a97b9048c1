"""`mmconnect endpoint rotate-secret|check`: a new secret, and what the receiver makes of it.

A secret is printed when it is made, and by no command after.
"""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING, Any

from mmconnect.cli import endpoint_options, output
from mmconnect.cli import open as opening
from mmconnect.desk import actor, shown
from mmconnect.desk import endpoints as desk
from mmconnect.domain.clock import parse_duration
from mmconnect.domain.errors import UsageError
from mmconnect.domain.models import Endpoint
from mmconnect.store import secrets
from mmconnect.webhook import signing

if TYPE_CHECKING:
    from mmconnect.delivery.checkup import Check


def add_verbs(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser],
    parents: list[argparse.ArgumentParser],
) -> None:
    """Add the verbs to the endpoint family."""
    rotate = verbs.add_parser("rotate-secret", parents=parents, help="change the signing secret")
    rotate.add_argument("id", metavar="ID")
    rotate.add_argument(
        "--overlap",
        metavar="D",
        default="24h",
        help="how long the previous secret signs as well (default 24h, 0 to 7d)",
    )
    rotate.add_argument(
        "--secret",
        metavar="S",
        help="bring your own, of 16 bytes or more (or @FILE, or - for stdin)",
    )
    rotate.set_defaults(run=_rotate)

    check = verbs.add_parser(
        "check", parents=parents, help="send test texts and say what the receiver does well"
    )
    check.add_argument("id", metavar="ID")
    check.set_defaults(run=_check)


def _rotate(args: argparse.Namespace) -> int:
    overlap = _overlap(args.overlap)
    brought = None if args.secret is None else opening.secret_argument(args.secret)
    if brought is not None:
        _usable(brought, plain=True)
    with opening.opened(args, write=True) as store, endpoint_options.in_flags():
        endpoint = opening.endpoint(store, args.id)
        done = desk.rotate(
            store.db,
            endpoint.id,
            secret=brought,
            overlap=overlap,
            now=store.clock.now(),
            by=actor.CLI,
        )
    ends = done.previous_expires_at
    if args.json:
        output.document(
            {
                "id": endpoint.id,
                "secret": done.secret,
                "previousExpiresAt": shown.moment(ends),
            }
        )
        return 0
    output.fields([("Endpoint", endpoint.id), ("Name", endpoint.name), ("Secret", done.secret)])
    print("\nThe secret is shown this once: give it to your receiver, which verifies with it.")
    if ends is None:
        print("The previous secret has ended: until the receiver has the new one, it refuses.")
    else:
        print(f"The previous one signs as well until {output.local(ends)}.")
        if done.ended:
            print(f"More than {signing.MOST} never sign together: the oldest has ended now.")
    if signing.standard_key(done.secret) is None:
        print(
            "It is not whsec_ + base64, so webhook-signature is not made with it; the plain headers"
            f" {signing.SIGNATURE} and {signing.HOSTED_SIGNATURE} are."
        )
    print(f"See which one it knows: {output.command(args)} endpoint check {endpoint.id}")
    return 0


def _check(args: argparse.Namespace) -> int:
    with opening.opened(args) as store:
        found = asyncio.run(_checks(store, opening.endpoint(store, args.id)))
    if args.json:
        output.document([_shown(one) for one in found])
    else:
        for one in found:
            mark = {True: "✓", False: "✗", None: "–"}[one.ok]
            print(f"{mark} {one.name + ':':<10} {one.says}")
            if one.remedy is not None:
                print(f"{'':<12} {one.remedy}")
    return 0 if all(one.ok is not False for one in found) else 1


async def _checks(store: opening.Store, endpoint: Endpoint) -> list[Check]:
    from mmconnect.cli.testing import trials
    from mmconnect.delivery.checkup import check_up

    async with trials(store) as made:
        return [one async for one in check_up(made, endpoint, store.clock.now())]


def _shown(check: Check) -> dict[str, Any]:
    return {
        "check": check.name,
        "ok": check.ok,
        "says": check.says,
        "remedy": check.remedy,
        "status": check.status,
        "ms": check.duration_ms,
        "deliveryId": check.delivery_id,
    }


def _usable(secret: str, *, plain: bool) -> None:
    try:
        signing.check_brought(secret, plain=plain)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _overlap(text: str) -> int:
    """Seconds. Raises UsageError."""
    try:
        seconds = parse_duration(text)
    except OverflowError:
        seconds = secrets.LONGEST_OVERLAP + 1
    except ValueError as error:
        raise UsageError(f"--overlap {error}") from error
    if seconds > secrets.LONGEST_OVERLAP:
        raise UsageError(f"--overlap {text!r}: at most 7d, or 0 to end the previous secret at once")
    return seconds
