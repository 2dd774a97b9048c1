"""`mmconnect settings …`: what is set for the appliance as a whole."""

from __future__ import annotations

import argparse
from typing import Any

from mmconnect.cli import open as opening
from mmconnect.cli import output, reach
from mmconnect.desk import settings
from mmconnect.desk.actor import CLI
from mmconnect.desk.settings import ALERT_URL, KNOWN, Sort
from mmconnect.domain.clock import short_duration
from mmconnect.domain.errors import UsageError
from mmconnect.store.settings import COUNTRY, SITE_NAME


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    parents: list[argparse.ArgumentParser],
) -> None:
    """Add the family."""
    family = commands.add_parser(
        "settings", parents=parents, help="what is set for the appliance as a whole"
    )
    verbs = family.add_subparsers(metavar="VERB", required=True)

    listed = verbs.add_parser("list", parents=parents, help="every setting, and what it is for")
    listed.set_defaults(run=_list)

    get = verbs.add_parser("get", parents=parents, help="one setting")
    get.add_argument("name", metavar="NAME")
    get.set_defaults(run=_get)

    put = verbs.add_parser("set", parents=parents, help="set one; `settings list` has all names")
    put.add_argument("name", metavar="NAME")
    put.add_argument("value", metavar="VALUE")
    put.set_defaults(run=_set)

    unset = verbs.add_parser("unset", parents=parents, help="let one have its default again")
    unset.add_argument("name", metavar="NAME")
    unset.set_defaults(run=_unset)


def _list(args: argparse.Namespace) -> int:
    with opening.opened(args) as store:
        values = {name: settings.value(store.db, name) for name in KNOWN}
        facts = settings.everything(store.db)
    if args.json:
        output.document(facts)
    else:
        output.table(
            ("NAME", "VALUE", "WHAT FOR"),
            [(name, _written(name, value), KNOWN[name].help) for name, value in values.items()],
            "",
        )
    return 0


def _get(args: argparse.Namespace) -> int:
    name = _name(args.name)
    with opening.opened(args) as store:
        value = settings.value(store.db, name)
    return _tell(args, name, value, masked=False)


def _set(args: argparse.Namespace) -> int:
    name = _name(args.name)
    given = opening.secret_argument(args.value) if name == ALERT_URL else args.value
    try:
        value = KNOWN[name].parse(given)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{name} {given!r}: {error}") from None
    if _is_duration(name, value) and given.strip().isdigit() and value:
        raise UsageError(f"{name} {given!r}: of what? Write {given.strip()}d for days, or s, m, h")
    with opening.opened(args, write=True) as store:
        made = settings.put(store.db, name, given, ids=store.ids, now=store.clock.now(), by=CLI)
        if name == ALERT_URL and value is not None:
            reach.warn(store, value)
    return _tell(args, name, value, masked=True, secret=made.secret)


def _unset(args: argparse.Namespace) -> int:
    name = _name(args.name)
    with opening.opened(args, write=True) as store:
        settings.change(store.db, {name: None}, ids=store.ids, now=store.clock.now(), by=CLI)
    return _tell(args, name, KNOWN[name].default, masked=True)


def _name(name: str) -> str:
    if name not in KNOWN:
        raise UsageError(f"There is no setting {name!r}. There are {', '.join(KNOWN)}")
    return name


def _tell(
    args: argparse.Namespace, name: str, value: Any, *, masked: bool, secret: str | None = None
) -> int:
    """`secret` is that of an alert URL that was just made: shown this once."""
    if args.json:
        made = {} if secret is None else {"secret": secret}
        output.document({KNOWN[name].camel: settings.as_json(name, value, masked=masked)} | made)
    else:
        print(_written(name, value, masked=masked))
        if secret is not None:
            print(f"Its signing secret, shown this once: {secret}")
            print(f"It is an endpoint of its own, see {output.command(args)} endpoint list")
    return 0


_NONE = {SITE_NAME: "–", COUNTRY: "–", "backup_folder": "default"}
"""How it is written that a setting has no value, where that is not `off`."""


def _written(name: str, value: Any, *, masked: bool = True) -> str:
    """As `set` takes it."""
    match settings.as_json(name, value, masked=masked):
        case None:
            return _NONE.get(name, "off")
        case bool(switch):
            return "on" if switch else "off"
        case int(number) if _is_duration(name, number):
            return short_duration(number)
        case list(several):
            return ",".join(several) or "none"
        case other:
            return str(other)


def _is_duration(name: str, value: Any) -> bool:
    return value is not None and KNOWN[name].sort is Sort.DURATION
