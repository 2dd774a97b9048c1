"""`mmconnect settings …`: what is set for the appliance as a whole."""

from __future__ import annotations

import argparse
import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mmconnect.cli import open as opening
from mmconnect.cli import output, reach
from mmconnect.desk import shown
from mmconnect.domain.errors import UsageError
from mmconnect.domain.numbers import is_country
from mmconnect.store import alerts, preferences, settings

_MOST = 200
"""Characters of a site's name."""


def _country(text: str) -> str:
    code = text.strip().upper()
    if not is_country(code):
        raise ValueError("write a country's two letters, like SG, DE or US")
    return code


def _site_name(text: str) -> str:
    name = text.strip()
    if not 0 < len(name) <= _MOST or any(0xD800 <= ord(c) < 0xE000 for c in name):
        raise ValueError(f"a name has 1 to {_MOST} characters of text")
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """One setting: how its text is read, what stands without one, and what it is for."""

    parse: Callable[[str], Any]
    default: Any
    help: str


_DEFAULTS = preferences.Preferences()
KNOWN = {
    settings.SITE_NAME: _Known(
        parse=_site_name, default=None, help="tenantName in webhooks (default: the host's name)"
    ),
    settings.COUNTRY: _Known(
        parse=_country, default=None, help="how new phones read numbers without +: SG, DE, …"
    ),
} | {
    s.name: _Known(parse=s.parse, default=getattr(_DEFAULTS, s.name), help=s.help)
    for s in preferences.SETTINGS
}
"""By name, in the order in which they are listed."""


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

    put = verbs.add_parser("set", parents=parents, help="set one")
    put.add_argument("name", metavar="NAME")
    put.add_argument("value", metavar="VALUE")
    put.set_defaults(run=_set)

    unset = verbs.add_parser("unset", parents=parents, help="let one have its default again")
    unset.add_argument("name", metavar="NAME")
    unset.set_defaults(run=_unset)


def _list(args: argparse.Namespace) -> int:
    with opening.opened(args) as store:
        values = {name: _value(store.db, name) for name in KNOWN}
    if args.json:
        output.document({_camel(name): _json(name, value) for name, value in values.items()})
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
        value = _value(store.db, name)
    return _tell(args, name, value, masked=False)


def _set(args: argparse.Namespace) -> int:
    name = _name(args.name)
    given = opening.secret_argument(args.value) if name == "alert_url" else args.value
    try:
        value = KNOWN[name].parse(given)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{name} {given!r}: {error}") from None
    if _is_duration(name, value) and given.strip().isdigit() and value:
        raise UsageError(f"{name} {given!r}: of what? Write {given.strip()}d for days, or s, m, h")
    with opening.opened(args, write=True) as store:
        text = value if name in (settings.SITE_NAME, settings.COUNTRY) else given.strip()
        settings.put(store.db, name, text)
        secret = alerts.sync(store.db, store.ids, store.clock.now())
        if name == "alert_url" and value is not None:
            reach.warn(store, value)
    return _tell(args, name, value, masked=True, secret=secret)


def _unset(args: argparse.Namespace) -> int:
    name = _name(args.name)
    with opening.opened(args, write=True) as store:
        settings.remove(store.db, name)
        alerts.sync(store.db, store.ids, store.clock.now())
    return _tell(args, name, KNOWN[name].default, masked=True)


def _name(name: str) -> str:
    if name not in KNOWN:
        raise UsageError(f"There is no setting {name!r}. There are {', '.join(KNOWN)}")
    return name


def _value(db: sqlite3.Connection, name: str) -> Any:
    text = settings.value(db, name)
    if text is None:
        return KNOWN[name].default
    try:
        return KNOWN[name].parse(text)
    except (ValueError, OverflowError):  # an older version's: counts as not set
        return KNOWN[name].default


def _tell(
    args: argparse.Namespace, name: str, value: Any, *, masked: bool, secret: str | None = None
) -> int:
    """`secret` is that of an alert URL that was just made: shown this once."""
    if args.json:
        made = {} if secret is None else {"secret": secret}
        output.document({_camel(name): _json(name, value, masked=masked)} | made)
    else:
        print(_written(name, value, masked=masked))
        if secret is not None:
            print(f"Its signing secret, shown this once: {secret}")
            print(f"It is an endpoint of its own, see {output.command(args)} endpoint list")
    return 0


def _camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda found: found[1].upper(), name)


def _json(name: str, value: Any, *, masked: bool = True) -> Any:
    if name == "alert_url" and value is not None and masked:
        return shown.without_secrets(value)
    return list(value) if isinstance(value, tuple) else value


def _written(name: str, value: Any, *, masked: bool = True) -> str:
    """As `set` takes it."""
    match _json(name, value, masked=masked):
        case None:
            return "–" if name in (settings.SITE_NAME, settings.COUNTRY) else "off"
        case bool(switch):
            return "on" if switch else "off"
        case int(number) if _is_duration(name, number):
            return _duration(number)
        case list(several):
            return ",".join(several) or "none"
        case other:
            return str(other)


def _is_duration(name: str, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and name != "replay_rate"


def _duration(seconds: int) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
