"""`mmconnect api-key …`: keys for programs that use the REST API.

A key is printed when it is made, and by no command after. Works before there is an administrator.
"""

from __future__ import annotations

import argparse
from typing import Any

from mmconnect.cli import open as opening
from mmconnect.cli import output
from mmconnect.desk import keys
from mmconnect.desk.keys import Scope
from mmconnect.desk.shown import moment
from mmconnect.domain.clock import iso, parse_duration
from mmconnect.domain.errors import NotFound, UsageError
from mmconnect.store import api_keys, audit
from mmconnect.store.api_keys import ApiKey

_LONGEST = 3650 * 86_400
"""Seconds: ten years."""


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    parents: list[argparse.ArgumentParser],
) -> None:
    """Add the family."""
    family = commands.add_parser("api-key", parents=parents, help="keys for the REST API")
    verbs = family.add_subparsers(metavar="VERB", required=True)

    create = verbs.add_parser("create", parents=parents, help="make a key; shown this once")
    create.add_argument("--name", required=True, metavar="N", help="what it is for")
    create.add_argument(
        "--scope",
        action="append",
        choices=[str(scope) for scope in Scope],
        help="what it may do; repeat it for several (default: read and write)",
    )
    create.add_argument(
        "--expires", metavar="D", help="how long it is good: 30d, … (default: until it is revoked)"
    )
    create.set_defaults(run=_create)

    listed = verbs.add_parser("list", parents=parents, help="every key that is not revoked")
    listed.set_defaults(run=_list)

    revoke = verbs.add_parser("revoke", parents=parents, help="end a key at once")
    revoke.add_argument("id", metavar="ID")
    revoke.set_defaults(run=_revoke)


def _create(args: argparse.Namespace) -> int:
    name = opening.name_argument(args.name)
    scopes = [Scope(scope) for scope in args.scope] if args.scope else sorted(keys.DEFAULT)
    lasts = None if args.expires is None else _lasts(args.expires)
    with opening.opened(args, write=True) as store:
        now = store.clock.now()
        ends = None if lasts is None else now + lasts * 1000
        key, secret = keys.fresh(store.ids, name=name, now=now, scopes=scopes, expires_at=ends)
        api_keys.add(store.db, key)
        audit.note(
            store.db,
            at=now,
            actor=audit.CLI,
            action="key.created",
            subject=key.id,
            detail=f"{key.name} ({_scopes(key)})",
        )
    if args.json:
        output.document({"id": key.id, "key": secret})
        return 0
    output.fields(
        [
            ("Key", secret),
            ("Id", key.id),
            ("Name", key.name),
            ("May", _scopes(key)),
            ("Ends", None if ends is None else output.local(ends)),
        ]
    )
    print("\nThe key is shown this once: give it to your program, which sends it as")
    print("Authorization: Bearer sk_live_…")
    return 0


def _list(args: argparse.Namespace) -> int:
    with opening.opened(args) as store:
        found, now = api_keys.known(store.db), store.clock.now()
    if args.json:
        output.document([shown(key) for key in found])
        return 0
    output.table(
        ("ID", "NAME", "KEY", "MAY", "LAST USED", "ENDS"),
        [
            (
                key.id,
                key.name,
                f"sk_live_…{key.hint}",
                _scopes(key),
                output.local(key.last_used_at),
                output.local(key.expires_at) if key.is_good(now) else "has ended",
            )
            for key in found
        ],
        f"No keys yet. Make one: {output.command(args)} api-key create --name N",
    )
    return 0


def _revoke(args: argparse.Namespace) -> int:
    with opening.opened(args, write=True) as store:
        key = api_keys.get(store.db, args.id)
        if key is None:
            raise NotFound(f"There is no key {args.id}. `mmconnect api-key list` shows them")
        now = store.clock.now()
        if api_keys.revoke(store.db, key.id, now):
            audit.note(
                store.db,
                at=now,
                actor=audit.CLI,
                action="key.revoked",
                subject=key.id,
                detail=key.name,
            )
    if args.json:
        output.document({"id": key.id, "revoked": True})
    else:
        print(f"The key {key.name!r} opens nothing any more.")
    return 0


def shown(key: ApiKey) -> dict[str, Any]:
    """A key, without what is secret of it."""
    return {
        "id": key.id,
        "name": key.name,
        "hint": key.hint,
        "scopes": sorted(key.scopes),
        "createdAt": iso(key.created_at),
        "expiresAt": moment(key.expires_at),
        "lastUsedAt": moment(key.last_used_at),
        "lastAddress": key.last_address,
    }


def _scopes(key: ApiKey) -> str:
    return ", ".join(sorted(key.scopes))


def _lasts(text: str) -> int:
    """Seconds. Raises UsageError."""
    try:
        seconds = parse_duration(text)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"--expires {error}") from error
    if not 0 < seconds <= _LONGEST:
        raise UsageError(f"--expires {text!r}: more than nothing, and at most ten years")
    return seconds
