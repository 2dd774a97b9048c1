"""The flags of `endpoint add` and `endpoint set`, and what they make of an endpoint.

Every flag that is left out changes nothing, for add as for set: add begins with the defaults. What
cannot be sent is refused here, with a sentence that says what can.
"""

from __future__ import annotations

import argparse
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mmconnect.cli import endpoint_routing, output
from mmconnect.cli import open as opening
from mmconnect.desk import shown
from mmconnect.domain.clock import parse_duration
from mmconnect.domain.errors import Refused, UsageError
from mmconnect.domain.models import Endpoint, Numbers
from mmconnect.webhook import addresses, headers, payload, schedule, signing, trust

CONCURRENCY = 64
"""POSTs in flight to one endpoint at the most, unless set otherwise."""
MOST_CONCURRENT = 256
LONGEST_AGE = 3650 * 86_400
MOST_ATTEMPTS = 50
LONGEST_WAIT = 30 * 86_400

Switch = ("on", "off")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags that add and set share; what is left out is None."""
    for flag, metavar, text in (
        ("--name", "N", "for people; the URL's host when left out"),
        ("--events", "E,…", f"what it gets (default {payload.RECEIVED})"),
        ("--max-age", "D", "how long a text is worth delivering (default 14d)"),
        ("--schedule", "S", "waits before the attempts: now,5s,5m,1h, or default"),
        ("--ca", "FILE", "certificate (PEM) of a private CA to trust for it, or off"),
    ):
        parser.add_argument(flag, metavar=metavar, help=text)
    parser.add_argument(
        "--numbers",
        choices=[n.value for n in Numbers],
        help="with + (e164, the default) or without (digits)",
    )
    parser.add_argument(
        "--concurrency", metavar="N", type=int, help=f"POSTs at once (default {CONCURRENCY})"
    )
    parser.add_argument(
        "--header",
        metavar="'K: V'",
        action="append",
        help="a header of your own (or @FILE with one on each line, or -); 'K:' takes it away",
    )
    for flag, text in (
        ("--strict-order", "whether a text that fails holds up its sender's later ones (off)"),
        ("--plain-headers", "whether the plain signature headers are sent (on)"),
        ("--plain-http", "whether http without TLS may leave your own network (off)"),
    ):
        parser.add_argument(flag, choices=Switch, help=text)
    endpoint_routing.add_flags(parser)


def changed(
    endpoint: Endpoint, args: argparse.Namespace, db: sqlite3.Connection, new_id: Callable[[], str]
) -> Endpoint:
    """The endpoint with what the flags say; `new_id` makes a routing's id.

    Raises UsageError, Refused and NotFound, with nothing changed.
    """
    changes: dict[str, Any] = {}
    for flag, read in (
        ("url", url),
        ("name", opening.name_argument),
        ("numbers", Numbers),
        ("events", _events),
        ("max_age", _max_age),
        ("schedule", _schedule),
        ("concurrency", _concurrency),
        ("strict_order", _on),
        ("plain_headers", _on),
        ("plain_http", _on),
        ("ca", _ca),
    ):
        given = getattr(args, flag, None)
        if given is not None:
            changes[flag] = read(given)
    if args.header is not None:
        changes["headers"] = _headers(endpoint.headers, args.header)
    if endpoint_routing.given(args):
        changes["routing"] = endpoint_routing.changed(endpoint.routing, args, db, new_id)
    made = replace(endpoint, **changes)
    if {"url", "plain_http"} & set(changes):
        _may_be_plain(made)
    silent = signing.standard_key(made.secrets[0].value) is None
    if silent and changes.get("plain_headers") is False:
        raise Refused(
            "The endpoint's secret is not whsec_ + base64, so there is no webhook-signature:"
            " without the plain headers nothing would sign its texts"
        )
    return made


def url(text: str) -> str:
    """A URL that webhooks can go to. Raises UsageError."""
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


def _may_be_plain(endpoint: Endpoint) -> None:
    """Refuse plain http to a public address without consent; names are judged when connecting.

    Not where nothing goes in any case.
    """
    parts = urlsplit(endpoint.url)
    if parts.scheme != "http" or endpoint.plain_http:
        return
    address = parts.hostname or ""
    try:
        may_go_plain = addresses.is_private(address) or addresses.AddressRule().refusal(address, 80)
    except ValueError:
        return
    if not may_go_plain:
        raise Refused(
            f"{address} is beyond your own network, and over plain http everybody on the way can"
            " read your texts. Use https, or consent with --plain-http on"
        )


def _events(text: str) -> frozenset[str]:
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    unknown = sorted(names - set(payload.EVENTS))
    if unknown or not names:
        raise UsageError(
            f"There is no event {', '.join(unknown) or repr(text)}; there are"
            f" {', '.join(payload.EVENTS)}"
        )
    return names


def _seconds(flag: str, text: str, most: int) -> int:
    try:
        return parse_duration(text)
    except OverflowError:
        return most + 1
    except ValueError as error:
        raise UsageError(f"{flag} {error}") from error


def _max_age(text: str) -> int:
    seconds = _seconds("--max-age", text, LONGEST_AGE)
    if not 0 < seconds <= LONGEST_AGE:
        raise UsageError(f"--max-age {text!r}: choose more than nothing and at most ten years")
    return seconds


def _schedule(text: str) -> tuple[int, ...] | None:
    if text.strip() == "default":
        return None
    words = [word.strip() for word in text.split(",")]
    waits = [0 if word == "now" else _seconds("--schedule", word, LONGEST_WAIT) for word in words]
    if waits[0] != 0:
        raise UsageError("--schedule: the first attempt is now, so write now,5s,5m")
    if len(waits) > MOST_ATTEMPTS:
        raise UsageError(f"--schedule has {len(waits)} attempts; {MOST_ATTEMPTS} are the most")
    if not all(0 < wait <= LONGEST_WAIT for wait in waits[1:]):
        raise UsageError("--schedule: after the first, each wait is from 1s to 30d")
    return tuple(waits)


def _concurrency(number: int) -> int:
    if not 1 <= number <= MOST_CONCURRENT:
        raise UsageError(f"--concurrency {number}: choose 1 to {MOST_CONCURRENT}")
    return number


def _on(text: str) -> bool:
    return text == "on"


def _switch(value: bool) -> str:
    return "on" if value else "off"


def _ca(name: str) -> str | None:
    if name == "off":
        return None
    try:
        return trust.certificates(Path(name).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--ca {name} cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # also of what is no text
        why = "it is no text" if isinstance(error, UnicodeDecodeError) else str(error)
        raise UsageError(f"--ca {name}: {why}") from error


def _headers(present: tuple[tuple[str, str], ...], given: list[str]) -> tuple[tuple[str, str], ...]:
    """The headers with those that were given added, replaced or (without a value) taken away."""
    lines = [line for text in given for line in _lines(text)]
    named: set[str] = set()
    held = {name.lower(): (name, value) for name, value in present}
    for line in lines:
        name, colon, value = line.partition(":")
        name, value = name.strip(), value.strip(" \t")
        if not colon or not name:
            raise UsageError("--header is written 'Name: value', or 'Name:' to take it away")
        if name.lower() in named:
            raise UsageError(f"--header {name} is given twice")
        named.add(name.lower())
        if value:
            held[name.lower()] = (name, value)
        elif held.pop(name.lower(), None) is None:
            raise UsageError(f"There is no header {name} to take away")
    made = tuple(held.values())
    if faults := headers.validate(made):
        raise UsageError("--header: " + ". ".join(faults))
    return made


def _lines(text: str) -> list[str]:
    """One header, or those in a file, where they stay out of the shell's history."""
    if text != "-" and not text.startswith("@"):
        return [text]
    return [line for line in opening.secret_argument(text, lines=True).splitlines() if line.strip()]


def in_words(endpoint: Endpoint, names: dict[str, str]) -> dict[str, str | None]:
    """What `endpoint show` says otherwise to people; `names` are those of the phones, by id."""
    ca = None if endpoint.ca is None else trust.authority(endpoint.ca)
    return {
        "events": ", ".join(sorted(endpoint.events)),
        "maxAge": words(endpoint.max_age),
        "schedule": schedule_words(endpoint.schedule),
        "headers": ", ".join(f"{name}: {shown.MASKED}" for name, _ in endpoint.headers) or None,
        "routing": endpoint_routing.words(endpoint.routing, names),
        "ca": None if ca is None else f"{ca.subject or 'set'}, until {output.local(ca.expires_at)}",
        "plainHeaders": _switch(endpoint.plain_headers),
        "strictOrder": _switch(endpoint.strict_order),
        "plainHttp": _switch(endpoint.plain_http),
        "alert": "on" if endpoint.alert else None,
    }


def words(seconds: int) -> str:
    """A duration as the flags take it: `5s`, `30m`, `24h`, `14d`."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % size == 0 and seconds >= (2 * size if unit == "d" else size):
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def schedule_words(waits: tuple[int, ...] | None) -> str:
    """A schedule as --schedule takes it."""
    shown = ",".join(words(wait) if wait else "now" for wait in waits or schedule.DEFAULT)
    return f"{shown} (default)" if waits is None else shown
