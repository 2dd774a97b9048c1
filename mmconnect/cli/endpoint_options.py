"""The flags of `endpoint add` and `endpoint set`, and what they make of an endpoint.

Every flag that is left out changes nothing, for add as for set: add begins with the defaults. What
cannot be sent is refused here, with a sentence that says what can.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmconnect.cli import endpoint_routing, output
from mmconnect.cli import open as opening
from mmconnect.desk import endpoint_routing as wanted
from mmconnect.desk import endpoint_values as values
from mmconnect.desk import shown
from mmconnect.desk.endpoint_changes import EndpointChange
from mmconnect.domain.errors import Invalid, NotFound, Refused, UsageError
from mmconnect.domain.models import EVERYTHING, Endpoint, Numbers
from mmconnect.webhook import payload, trust

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
        "--concurrency", metavar="N", type=int, help=f"POSTs at once (default {values.CONCURRENCY})"
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


def change(
    args: argparse.Namespace, endpoint: Endpoint | None, country: str | None
) -> EndpointChange:
    """What the flags say; `endpoint` is the present one, `country` reads national numbers.

    Raises UsageError.
    """
    given: dict[str, Any] = {}
    for flag, reader in (
        ("url", values.url),
        ("name", values.name),
        ("numbers", Numbers),
        ("events", _events),
        ("max_age", values.max_age),
        ("schedule", values.schedule_of),
        ("concurrency", values.concurrency),
        ("strict_order", _on),
        ("plain_headers", _on),
        ("plain_http", _on),
        ("ca", _ca),
    ):
        text = getattr(args, flag, None)
        if text is not None:
            given[flag] = read(flag, reader, text)
    if args.header is not None:
        lines = [line for text in args.header for line in _lines(text)]
        present = () if endpoint is None else endpoint.headers
        given["headers"] = read("header", lambda all: values.header_lines(present, all), lines)
    if endpoint_routing.given(args):
        present_routing = EVERYTHING if endpoint is None else endpoint.routing
        given["routing"] = endpoint_routing.changed(present_routing, args, country)
    return EndpointChange(**given)


@contextmanager
def in_flags() -> Iterator[None]:
    """What a rule refuses, told with the flags that would do."""
    try:
        yield
    except Invalid as error:
        for issue in error.issues:
            if issue.path == "routing.devices":
                what = issue.message.replace("phone", "device")
                raise NotFound(f"{what}. `mmconnect device list` shows them") from error
        said = [
            issue.message.replace("consent to plain http", "consent with --plain-http on")
            for issue in error.issues
        ]
        raise Refused(". ".join(said)) from error


_BARE = ("url", "name", "events")
"""What says by itself what it is about."""


def read(flag: str, reader: Callable[[Any], Any], given: Any) -> Any:
    """What a flag says. Raises UsageError that names it."""
    try:
        return reader(given)
    except ValueError as error:
        raise UsageError(_flagged(flag, str(error))) from error


def _flagged(flag: str, sentence: str) -> str:
    """A sentence about a value, as one about its flag."""
    named = "--" + flag.replace("_", "-")
    if flag in _BARE or sentence.startswith("There is no header"):
        return sentence
    if sentence.startswith("It "):
        return f"{named} {sentence[3:]}"
    if flag == "header":
        return f"{named}: {sentence}"
    if sentence[0] in "'\"" or sentence[0].isdigit():
        return f"{named} {sentence}"
    return f"{named}: {sentence[0].lower()}{sentence[1:]}"


def _events(text: str) -> frozenset[str]:
    return values.events(name.strip() for name in text.split(",") if name.strip())


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
        "maxAge": values.words(endpoint.max_age),
        "schedule": _schedule(endpoint.schedule),
        "headers": ", ".join(f"{name}: {shown.MASKED}" for name, _ in endpoint.headers) or None,
        "routing": wanted.words(endpoint.routing, names),
        "ca": None if ca is None else f"{ca.subject or 'set'}, until {output.local(ca.expires_at)}",
        "plainHeaders": _switch(endpoint.plain_headers),
        "strictOrder": _switch(endpoint.strict_order),
        "plainHttp": _switch(endpoint.plain_http),
        "alert": "on" if endpoint.alert else None,
    }


def _schedule(waits: tuple[int, ...] | None) -> str:
    shown = values.schedule_words(waits)
    return f"{shown} (default)" if waits is None else shown
