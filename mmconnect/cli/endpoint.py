"""`mmconnect endpoint …`: the URLs that receive webhooks."""

from __future__ import annotations

import argparse
import asyncio
from urllib.parse import urlsplit

from mmconnect.cli import endpoint_state, output, shown
from mmconnect.cli import open as opening
from mmconnect.domain.clock import parse_duration
from mmconnect.domain.errors import UsageError
from mmconnect.domain.ids import ENDPOINT
from mmconnect.domain.models import Endpoint, EndpointState, Numbers, Secret
from mmconnect.store import endpoints, outbox
from mmconnect.webhook import payload, schedule, signing

CONCURRENCY = 64
"""POSTs in flight to one endpoint at the most, unless set otherwise."""

LONGEST_AGE = 3650 * 86_400


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    parents: list[argparse.ArgumentParser],
) -> None:
    """Add the family."""
    family = commands.add_parser("endpoint", parents=parents, help="URLs that receive your texts")
    verbs = family.add_subparsers(metavar="VERB", required=True)

    add = verbs.add_parser("add", parents=parents, help="send texts to a URL")
    add.add_argument("url", metavar="URL")
    add.add_argument("--name", help="for people; the URL's host when left out")
    add.add_argument(
        "--secret",
        metavar="S",
        help="bring your own signing secret, of 16 bytes or more (or @FILE, or - for stdin)",
    )
    add.add_argument(
        "--numbers",
        choices=[n.value for n in Numbers],
        default="e164",
        help="with + (e164, the default) or without (digits)",
    )
    add.add_argument("--events", metavar="E,…", help=f"what it gets (default {payload.RECEIVED})")
    add.add_argument(
        "--max-age", metavar="D", help="how long a text is worth delivering (default 14d)"
    )
    add.set_defaults(run=_add)

    verbs.add_parser("list", parents=parents, help="all endpoints").set_defaults(run=_list)
    for name, run, text in (
        ("show", _show, "one endpoint"),
        ("test", _test, "send a test text, once, and show the answer"),
    ):
        verb = verbs.add_parser(name, parents=parents, help=text)
        verb.add_argument("id", metavar="ID")
        verb.set_defaults(run=run)

    endpoint_state.add_verbs(verbs, parents)


def _add(args: argparse.Namespace) -> int:
    secret = _secret(args.secret)
    url = _url(args.url)
    name = opening.name_argument(args.name or urlsplit(url).hostname or url)
    events = _events(args.events)
    max_age = _max_age(args.max_age)
    with opening.opened(args, write=True) as store:
        now = store.clock.now()
        endpoint = Endpoint(
            id=store.ids.new(ENDPOINT),
            name=name,
            url=url,
            state=EndpointState.ACTIVE,
            held_class=None,
            held_reason=None,
            numbers=Numbers(args.numbers),
            events=events,
            max_age=max_age,
            plain_headers=True,
            concurrency=CONCURRENCY,
            created_at=now,
            secrets=(Secret(value=secret, created_at=now, expires_at=None),),
        )
        endpoints.add(store.db, endpoint)
    if args.json:
        output.document({"id": endpoint.id, "url": url, "name": endpoint.name, "secret": secret})
        return 0
    output.fields(
        [("Endpoint", endpoint.id), ("Name", endpoint.name), ("URL", url), ("Secret", secret)]
    )
    print("\nThe secret is shown this once: give it to your receiver, which verifies with it.")
    if signing.standard_key(secret) is None:
        print(
            "It is not whsec_ + base64, so webhook-signature is not sent; the plain headers"
            f" {signing.SIGNATURE} and {signing.HOSTED_SIGNATURE} are."
        )
    print(f"Try it: {output.program()} endpoint test {endpoint.id}")
    return 0


def _list(args: argparse.Namespace) -> int:
    with opening.opened(args) as store:
        found = [(e, outbox.waiting(store.db, e.id)) for e in endpoints.known(store.db)]
    if args.json:
        output.document([shown.endpoint(e, waiting) for e, waiting in found])
    else:
        output.table(
            ("ID", "NAME", "STATE", "WAITING", "URL"),
            [
                (
                    e.id,
                    f"{e.name} (alert URL)" if e.alert else e.name,
                    e.state.value,
                    waiting,
                    e.url,
                )
                for e, waiting in found
            ],
            f"No endpoint yet. Add one: {output.program()} endpoint add URL",
        )
    return 0


def _show(args: argparse.Namespace) -> int:
    with opening.opened(args) as store:
        endpoint = opening.endpoint(store, args.id)
        waiting = outbox.waiting(store.db, endpoint.id)
    facts = shown.endpoint(endpoint, waiting)
    if args.json:
        output.document(facts)
    else:
        facts["events"] = ", ".join(facts["events"])
        output.fields(list(facts.items()))
    return 0


def _test(args: argparse.Namespace) -> int:
    from mmconnect.cli.testing import send_test

    with opening.opened(args) as store:
        endpoint = opening.endpoint(store, args.id)
        delivery, attempt = asyncio.run(send_test(store, endpoint))
    if args.json:
        told = {
            "status": attempt.status,
            "ms": attempt.duration_ms,
            "answer": attempt.response_body,
            "error": attempt.error,
        }
        output.document({**shown.delivery(delivery), **told, "attempt": shown.attempt(attempt)})
    else:
        output.fields(
            [
                ("Delivery", delivery.id),
                ("State", delivery.state.value),
                ("Status", attempt.status),
                ("Took", f"{attempt.duration_ms} ms"),
                ("Address", attempt.address),
                ("Answer", output.shortened(attempt.response_body or "", 200) or None),
                ("Why", attempt.error),
            ]
        )
    return 0 if attempt.error is None else 1


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(c.isspace() for c in text):
        raise UsageError(
            f"{text!r} is not a URL that webhooks can go to: write http://HOST/… or https://HOST/…"
        )
    return text


def _secret(text: str | None) -> str:
    if text is None:
        return signing.new_secret()
    secret = opening.secret_argument(text)
    if len(secret.encode()) < signing.MIN_SECRET_BYTES:
        raise UsageError(
            f"The secret has {len(secret.encode())} bytes; {signing.MIN_SECRET_BYTES} are the least"
        )
    return secret


def _events(text: str | None) -> frozenset[str]:
    if text is None:
        return frozenset({payload.RECEIVED})
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    unknown = sorted(names - set(payload.EVENTS))
    if unknown or not names:
        raise UsageError(
            f"There is no event {', '.join(unknown) or repr(text)}; there are"
            f" {', '.join(payload.EVENTS)}"
        )
    return names


def _max_age(text: str | None) -> int:
    if text is None:
        return schedule.DEFAULT_MAX_AGE
    try:
        seconds = parse_duration(text)
    except OverflowError:
        seconds = LONGEST_AGE + 1
    except ValueError as error:
        raise UsageError(f"--max-age {error}") from error
    if not 0 < seconds <= LONGEST_AGE:
        raise UsageError(f"--max-age {text!r}: choose more than nothing and at most ten years")
    return seconds
