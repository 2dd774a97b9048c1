"""Reads the parts of a configuration document: each value of the kind it has to be, or an issue.

Whatever is wrong is collected, with its place as `endpoints.0.url`, so that one look at the file
mends all of it. Knows nothing of the store.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from mmconnect.desk.endpoint_changes import EndpointChange
from mmconnect.domain.errors import Invalid, Issue
from mmconnect.domain.models import Condition, Match, Numbers, Routing

_ID = re.compile(r"(dev|ep|ten)_[0-9A-HJKMNP-TV-Z]{26}", re.ASCII)
_KINDS = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    list: "a list",
    dict: "an object",
}
ENDPOINT = {
    "url": ("url", str),
    "name": ("name", str),
    "events": ("events", list),
    "maxAge": ("max_age", int),
    "schedule": ("schedule", list),
    "concurrency": ("concurrency", int),
    "strictOrder": ("strict_order", bool),
    "plainHeaders": ("plain_headers", bool),
    "plainHttp": ("plain_http", bool),
    "ca": ("ca", str),
}
"""What of an endpoint is taken as it stands: name in the document -> field of the change, kind."""
_MAY_BE_NONE = ("schedule", "ca")


class Misread(Invalid):
    """What is wrong with a document: in words with each place, as it is a file to be mended."""

    def __str__(self) -> str:
        told = (f"{one.path or 'The file'}: {one.message.rstrip('.')}" for one in self.issues)
        return ". ".join(told)


class Part:
    """One object of the document, and what is wrong with it."""

    def __init__(self, value: object, path: str, issues: list[Issue]) -> None:
        self.path, self._issues = path, issues
        if not isinstance(value, dict):
            self.wrong("", f"This has to be {_KINDS[dict]}")
        self.values: Mapping[str, Any] = value if isinstance(value, dict) else {}

    def wrong(self, name: str, message: str) -> None:
        """Note what is wrong with a value of it."""
        path = ".".join(filter(None, (self.path, name)))
        self._issues.append(Issue(path=path, message=message))

    def only(self, known: Collection[str]) -> None:
        """Note every name that nobody knows: it may be misspelt, and would do nothing."""
        for name in self.values.keys() - set(known):
            self.wrong(name, f"There is no such field; there are {', '.join(known)}")

    def get(self, name: str, kind: type, *, none: bool = False) -> Any:
        """A value, or None where it is left out, null, or of another kind (which is noted)."""
        value = self.values.get(name)
        if value is None:
            if name in self.values and not none:
                self.wrong(name, f"This has to be {_KINDS[kind]}, or left out")
            return None
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self.wrong(name, f"This has to be {_KINDS[kind]}")
            return None
        return value

    def id(self, prefix: str, name: str = "id") -> str | None:
        """An id of ours, where there is one."""
        text: str | None = self.get(name, str)
        if text is not None and not (_ID.fullmatch(text) and text.startswith(prefix)):
            self.wrong(name, f"{text[:60]!r} is no id: leave it out, and one is made")
            return None
        return text

    def parts(self, name: str) -> Iterator[Part]:
        """The objects of a list."""
        several = self.get(name, list) or []
        for number, value in enumerate(several):
            yield Part(value, ".".join(filter(None, (self.path, name, str(number)))), self._issues)

    def texts(self, name: str) -> dict[str, str | None]:
        """An object of texts, of which each may be null: left out of the file."""
        found: dict[str, str | None] = {}
        for key, value in (self.get(name, dict) or {}).items():
            if value is None or isinstance(value, str):
                found[key] = value
            else:
                self.wrong(f"{name}.{key}", f"This has to be {_KINDS[str]}, or null")
        return found


def change_of(part: Part, *, routing: Routing | None) -> EndpointChange:
    """What the document says of an endpoint, as far as that stands by itself."""
    given: dict[str, Any] = {}
    for name, (field, kind) in ENDPOINT.items():
        if name not in part.values:
            continue
        value = part.get(name, kind, none=name in _MAY_BE_NONE)
        if isinstance(value, list):
            inner = int if name == "schedule" else str
            if not all(isinstance(one, inner) and not isinstance(one, bool) for one in value):
                part.wrong(name, f"Each has to be {_KINDS[inner]}")
                continue
            value = tuple(value)
        if value is not None or name in _MAY_BE_NONE:
            given[field] = value
    if (numbers := part.get("numbers", str)) is not None:
        try:
            given["numbers"] = Numbers(numbers)
        except ValueError:
            part.wrong("numbers", f"There are {', '.join(Numbers)}")
    if routing is not None:
        given["routing"] = routing
    return EndpointChange(**given)


def routing_of(part: Part, ids: Mapping[str, str]) -> Routing:
    """A routing; `ids` are those that phones of the document have here."""
    part.only(("devices", "sims", "senders", "texts"))
    named = part.get("devices", list) or []
    if not all(isinstance(one, str) for one in named):
        part.wrong("devices", f"Each has to be {_KINDS[str]}")
        named = []
    sims = part.get("sims", list) or []
    if not all(isinstance(one, int) and not isinstance(one, bool) for one in sims):
        part.wrong("sims", f"Each has to be {_KINDS[int]}")
        sims = []
    return Routing(
        devices=frozenset(ids.get(one, one) for one in named),
        sims=frozenset(sims),
        senders=tuple(_conditions(part, "senders")),
        texts=tuple(_conditions(part, "texts")),
    )


def _conditions(part: Part, name: str) -> Iterator[Condition]:
    for one in part.parts(name):
        one.only(("match", "value"))
        match, value = one.get("match", str), one.get("value", str)
        try:
            if value is None:
                raise ValueError
            yield Condition(match=Match(match), value=value)
        except ValueError:
            one.wrong("", f"A condition has match ({', '.join(Match)}) and value")
