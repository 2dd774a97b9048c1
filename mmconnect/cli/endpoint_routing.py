"""The flags that say which texts an endpoint wants, and how that reads."""

from __future__ import annotations

import argparse
from dataclasses import replace

from mmconnect.desk import endpoint_routing as wanted
from mmconnect.desk.endpoint_values import some
from mmconnect.domain.errors import UsageError
from mmconnect.domain.models import EVERYTHING, Routing
from mmconnect.webhook import routing


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


def changed(present: Routing, args: argparse.Namespace, country: str | None) -> Routing:
    """The routing with what the flags say; a kind that is given replaces all of that kind.

    `country` reads national numbers. Raises UsageError.
    """
    fresh = getattr(args, "routing", None) is not None
    made = EVERYTHING if fresh else present
    if args.devices is not None:
        made = replace(made, devices=frozenset(some(args.devices)))
    if args.sims is not None:
        made = replace(made, sims=frozenset(_sim(one) for one in some(args.sims)))
    if args.senders is not None:
        senders = tuple(wanted.sender(one, country) for one in some(args.senders))
        made = replace(made, senders=senders)
    if args.texts is not None:
        made = replace(made, texts=tuple(wanted.text(one) for one in some(args.texts)))
    if faults := routing.validate(made):
        raise UsageError(". ".join(faults))
    return made


def _sim(text: str) -> int:
    try:
        return wanted.sim(text)
    except ValueError as error:
        raise UsageError(f"--sim {error}") from error
