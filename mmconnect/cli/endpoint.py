"""`mmconnect endpoint …`: the URLs that receive webhooks."""

from __future__ import annotations

import argparse
import asyncio

from mmconnect.cli import endpoint_options, endpoint_secrets, endpoint_state, output, reach
from mmconnect.cli import open as opening
from mmconnect.desk import actor, endpoint_routing, shown
from mmconnect.desk import endpoint_values as values
from mmconnect.desk import endpoints as desk
from mmconnect.domain.errors import Refused, UsageError
from mmconnect.domain.models import EndpointState
from mmconnect.store import devices, endpoints, outbox, settings
from mmconnect.webhook import signing


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    parents: list[argparse.ArgumentParser],
) -> None:
    """Add the family."""
    family = commands.add_parser("endpoint", parents=parents, help="URLs that receive your texts")
    verbs = family.add_subparsers(metavar="VERB", required=True)

    add = verbs.add_parser("add", parents=parents, help="send texts to a URL")
    add.add_argument("url", metavar="URL")
    add.add_argument(
        "--secret",
        metavar="S",
        help="bring your own signing secret, of 16 bytes or more (or @FILE, or - for stdin)",
    )
    endpoint_options.add_flags(add)
    add.set_defaults(run=_add)

    change = verbs.add_parser("set", parents=parents, help="change what an endpoint gets, and how")
    change.add_argument("id", metavar="ID")
    change.add_argument("--url", metavar="URL", help="where its texts go")
    endpoint_options.add_flags(change)
    change.add_argument(
        "--routing", choices=["everything"], help="want every text again, before other flags count"
    )
    change.add_argument(
        "--preview", action="store_true", help="change nothing; only try the routing on past texts"
    )
    change.set_defaults(run=_set)

    verbs.add_parser("list", parents=parents, help="all endpoints").set_defaults(run=_list)
    for name, run, text in (
        ("show", _show, "one endpoint"),
        ("test", _test, "send a test text, once, and show the answer"),
    ):
        verb = verbs.add_parser(name, parents=parents, help=text)
        verb.add_argument("id", metavar="ID")
        verb.set_defaults(run=run)

    endpoint_state.add_verbs(verbs, parents)
    endpoint_secrets.add_verbs(verbs, parents)


def _add(args: argparse.Namespace) -> int:
    brought = None if args.secret is None else _brought(args.secret)
    endpoint_options.read("url", values.url, args.url)
    with opening.opened(args, write=True) as store, endpoint_options.in_flags():
        change = endpoint_options.change(args, None, settings.value(store.db, settings.COUNTRY))
        endpoint = desk.add(
            store.db, change, secret=brought, ids=store.ids, now=store.clock.now(), by=actor.CLI
        )
        reach.warn(store, endpoint.url)
    url, name, secret = endpoint.url, endpoint.name, endpoint.secrets[0].value
    if args.json:
        output.document({"id": endpoint.id, "url": url, "name": name, "secret": secret})
        return 0
    output.fields([("Endpoint", endpoint.id), ("Name", name), ("URL", url), ("Secret", secret)])
    print("\nThe secret is shown this once: give it to your receiver, which verifies with it.")
    if signing.standard_key(secret) is None:
        print(
            "It is not whsec_ + base64, so webhook-signature is not sent; the plain headers"
            f" {signing.SIGNATURE} and {signing.HOSTED_SIGNATURE} are."
        )
    print(f"Try it: {output.command(args)} endpoint test {endpoint.id}")
    return 0


def _set(args: argparse.Namespace) -> int:
    with opening.opened(args, write=not args.preview) as store:
        endpoint = opening.endpoint(store, args.id)
        if endpoint.alert:
            raise Refused(
                f"{endpoint.name} is the alert URL; change it with"
                " `mmconnect settings set alert_url`"
            )
        change = endpoint_options.change(args, endpoint, settings.value(store.db, settings.COUNTRY))
        with endpoint_options.in_flags():
            if args.preview:
                changed = desk.tried(store.db, endpoint, change, store.ids)
            else:
                now = store.clock.now()
                _, changed = desk.update(
                    store.db, args.id, change, ids=store.ids, now=now, by=actor.CLI
                )
        preview = endpoint_routing.preview(store.db, changed.routing)
        if not args.preview and args.url is not None:
            reach.warn(store, changed.url)
        waiting = outbox.waiting(store.db, endpoint.id)
    if args.preview:
        if args.json:
            output.document({"id": endpoint.id, "matched": preview.matched, "of": preview.of})
        else:
            print(preview.words())
        return 0
    if args.json:
        output.document(shown.endpoint(changed, waiting))
        return 0
    same = changed == endpoint
    print(f"{changed.name} {'stays as it is' if same else 'is changed, from the next attempt on'}.")
    if changed.routing != endpoint.routing:
        print(preview.words())
    if changed.state is EndpointState.HELD:
        print(f"It is held. Try again: {output.command(args)} endpoint resume {endpoint.id}")
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
                    shown.url(e),
                )
                for e, waiting in found
            ],
            f"No endpoint yet. Add one: {output.command(args)} endpoint add URL",
        )
        for e, _ in found:
            if e.state is EndpointState.HELD:
                print(f"\n{e.name} is held: {output.shortened(e.held_reason or '', 500)}")
    return 0


def _show(args: argparse.Namespace) -> int:
    with opening.opened(args) as store:
        endpoint = opening.endpoint(store, args.id)
        waiting = outbox.waiting(store.db, endpoint.id)
        names = {d.id: d.name for d in devices.known(store.db)}
    facts = shown.endpoint(endpoint, waiting)
    if args.json:
        output.document(facts)
    else:
        output.fields(list((facts | endpoint_options.in_words(endpoint, names)).items()))
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
                ("Note", attempt.note),
            ]
        )
    return 0 if attempt.error is None else 1


def _brought(text: str) -> str:
    secret = opening.secret_argument(text)
    try:
        signing.check_brought(secret)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return secret
