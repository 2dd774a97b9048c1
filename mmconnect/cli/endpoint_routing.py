"""The flags that say which texts an endpoint wants, and how that reads."""

from __future__ import annotations

import argparse
import sqlite3
from collections.abc import Callable
from dataclasses import replace

from mmconnect.domain.errors import NotFound, UsageError
from mmconnect.domain.models import EVERYTHING, Condition, Match, Message, Routing
from mmconnect.domain.numbers import normalise
from mmconnect.store import devices, messages, settings
from mmconnect.webhook import routing

PREVIEWED = 50
"""Texts on which a changed routing is tried."""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """--device, --sim, --from, --text: each may be repeated, and any one of a kind suffices."""
    for flag, dest, metavar, text in (
        ("--device", "devices", "ID", "only texts of this phone"),
        ("--sim", "sims", "N", "only texts to this SIM, from 1"),
        ("--from", "senders", "X", "only from this sender: a number, +65*, or pattern:…"),
        ("--text", "texts", "X", "only texts that contain this; or exact:…, pattern:…"),
    ):
        parser.add_argument(
            flag, dest=dest, metavar=metavar, action="append", help=f"{text}; may be repeated"
        )


def given(args: argparse.Namespace) -> bool:
    """Whether any of the flags is there."""
    kinds = (args.devices, args.sims, args.senders, args.texts, getattr(args, "routing", None))
    return any(kind is not None for kind in kinds)


def changed(
    present: Routing, args: argparse.Namespace, db: sqlite3.Connection, new_id: Callable[[], str]
) -> Routing:
    """The routing with what the flags say; a kind that is given replaces all of that kind."""
    made = EVERYTHING if getattr(args, "routing", None) else present
    if args.devices is not None:
        made = replace(made, devices=frozenset(_device(db, one) for one in _some(args.devices)))
    if args.sims is not None:
        made = replace(made, sims=frozenset(_sim(one) for one in _some(args.sims)))
    if args.senders is not None:
        country = settings.value(db, settings.COUNTRY)
        made = replace(made, senders=tuple(_sender(x, country) for x in _some(args.senders)))
    if args.texts is not None:
        made = replace(made, texts=tuple(_text(one) for one in _some(args.texts)))
    if replace(made, id=None) == EVERYTHING:
        return EVERYTHING
    if faults := routing.validate(made):
        raise UsageError(". ".join(faults))
    return made if made.id is not None else replace(made, id=new_id())


def preview(db: sqlite3.Connection, wanted: Routing) -> tuple[int, int]:
    """(how many of the last texts it would have matched, of how many)."""
    found: list[Message] = messages.recent(db, PREVIEWED)
    return routing.would_match(wanted, found), len(found)


def preview_words(matched: int, of: int) -> str:
    """What preview() found, as a sentence."""
    if not of:
        return "There is no text yet to try it on."
    return f"It would have matched {matched} of the last {of} texts."


def words(wanted: Routing, names: dict[str, str]) -> str:
    """A routing for a person; `names` are those of the phones, by id."""
    parts = []
    if wanted.devices:
        parts.append("phone " + " or ".join(sorted(names.get(d, d) for d in wanted.devices)))
    if wanted.sims:
        parts.append("SIM " + " or ".join(str(sim) for sim in sorted(wanted.sims)))
    for what, conditions in (("sender", wanted.senders), ("text", wanted.texts)):
        if conditions:
            parts.append(f"{what} " + " or ".join(f"{c.match.value}:{c.value}" for c in conditions))
    return "; ".join(parts) or "everything"


def _some(values: list[str]) -> list[str]:
    """What was given, each once; a single empty value means none, which is all."""
    return [] if values == [""] else list(dict.fromkeys(values))


def _device(db: sqlite3.Connection, device_id: str) -> str:
    if devices.get(db, device_id) is None:
        raise NotFound(f"There is no device {device_id}. `mmconnect device list` shows them")
    return device_id


def _sim(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 4):
        raise UsageError(f"--sim {text!r}: SIMs are counted from 1")
    return int(text)


def _sender(text: str, country: str | None) -> Condition:
    """A condition as written; numbers lose their blanks, and `country` reads national ones."""
    match, value = _parted(text, routing.SENDER_MATCHES, Match.EXACT)
    if match is Match.EXACT and value.endswith("*") and not text.startswith("exact:"):
        match, value = Match.PREFIX, value[:-1]
    if match is Match.EXACT:
        value = normalise(value.strip(), country)
    if match is not Match.PATTERN:
        value = routing.compact(value)
    return Condition(match=match, value=value)


def _text(text: str) -> Condition:
    match, value = _parted(text, routing.TEXT_MATCHES, Match.CONTAINS)
    return Condition(match=match, value=value)


def _parted(text: str, matches: tuple[Match, ...], default: Match) -> tuple[Match, str]:
    """`pattern:x` is a pattern, `x` the default."""
    kind, colon, value = text.partition(":")
    if colon and kind in {match.value for match in matches}:
        return Match(kind), value
    return default, text
