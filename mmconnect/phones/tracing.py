"""From which place of a push each thing came that was understood of it, and what else there is.

No parser tells where it found a value, and none has to: each place is changed a little, the push is
read again, and what is different then came from there. So this is true of every app, and stays so.
Pure; for one push that a person looks at, never for those that come in.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from urllib.parse import urlencode

from multidict import CIMultiDict

from mmconnect.phones.apps import read
from mmconnect.phones.apps.body import decode, is_raw
from mmconnect.phones.apps.fields import scalar
from mmconnect.phones.apps.names import FIELDS
from mmconnect.phones.apps.times import read_time
from mmconnect.phones.apps.wire import Unreadable
from mmconnect.phones.push import IncomingText, Push, Texts

MOST = 150
"""Places of a push that are tried."""
LARGEST = 64 * 2**10
"""Bytes of a push that is traced: each place costs some readings."""
BODY = "the body"
_NEAR = 3
"""Places that are offered for a field at the most."""

Steps = tuple[str | int, ...]
Found = Mapping[str, object]
"""What a place holds, by what it is called: `data.sender`, `header X-SMS-From`, `query to`."""

PARTS: Mapping[str, str] = {
    "from": "sender",
    "text": "text",
    "to": "recipient",
    "time": "time_mark",
    "sim": "sim",
    "id": "event_id",
    "subject": "subject",
}
"""By field, the attribute of IncomingText that tells whether it is another one."""


def places(push: Push) -> Found:
    """Every plain value of a push, by its place; not more than MOST."""
    found: dict[str, object] = {}
    for name, value, _ in _places(push):
        if len(found) == MOST:
            break
        found.setdefault(name, value)
    return found


def sources(app: str, push: Push, mapping: Mapping[str, str]) -> dict[str, str]:
    """By field, the place that its value came from, for the first text of a push.

    A field that is not in it was not told, or nobody can say from where.
    """
    base = _first(app, push, mapping)
    if base is None or len(push.body) > LARGEST:
        return {}
    best: dict[str, tuple[bool, int, str]] = {}
    for name, value, changed in islice(_places(push), MOST):
        for gentle, other in _others(value):
            reading = _first(app, changed(other), mapping)
            if reading is None:
                continue
            moved = [field for field, part in PARTS.items() if _differ(part, base, reading)]
            # another kind of value may be read otherwise, and what moves several things at once
            # is less to the point than what moves one
            for field in moved:
                told = (not gentle, len(moved), name)
                if field not in best or told[:2] < best[field][:2]:
                    best[field] = told
    return {field: name for field, (_, _, name) in best.items()}


def _differ(part: str, base: IncomingText, other: IncomingText) -> bool:
    before = getattr(base, part)
    return before is not None and getattr(other, part) != before


def nearest(field: str, found: Found, taken: Mapping[str, str]) -> list[str]:
    """Places whose name or value looks like a field's, likeliest first; not those `taken` already.

    Only places of the body, as own paths lead nowhere else.
    """
    from difflib import get_close_matches  # only for a person who looks at one push

    free = {
        name: value
        for name, value in found.items()
        if name not in taken.values() and not name.startswith(("header ", "query ", BODY))
    }
    # `sms_body` and `msgText` end like a usual name, or are nearly one
    usual = [name.casefold() for name in FIELDS[field]]
    scored: list[tuple[float, str]] = []
    for name, value in free.items():
        last = name.rpartition(".")[2].casefold()
        alike = bool(get_close_matches(last, usual, n=1, cutoff=0.75))
        within = any(word in last for word in usual if len(word) > 3 or word == last)
        score = 2.0 * (alike or within) + _fits(field, value)
        if score >= 1:
            scored.append((score, name))
    scored.sort(key=lambda one: -one[0])
    return [name for _, name in scored[:_NEAR]]


def _fits(field: str, value: object) -> float:
    """How much a value looks like one of that field: 0 to 1.5."""
    said = scalar(value)
    if not said:
        return -1.0
    digits = sum(c.isdigit() for c in said)
    number = digits >= 5 and all(c.isdigit() or c in "+- ()/." for c in said)
    match field:
        case "from":
            return 1.5 if number and said.startswith("+") else 0.5 * number
        case "text":
            return 1.0 if " " in said.strip() and not number else 0.0
        case "time":
            return 1.0 if read_time(value)[0] is not None else -1.0
    return 0.0


def _first(app: str, push: Push, mapping: Mapping[str, str]) -> IncomingText | None:
    reading = read(app, push, mapping)
    return reading.texts[0] if isinstance(reading, Texts) and reading.texts else None


def _others(value: object) -> Iterator[tuple[bool, object]]:
    """Values that mean something else, whatever the field; whether they are of the same kind."""
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int | float):
        yield from ((True, value + 1), (True, value + 1_000_000))
        return
    said = str(value)
    yield from ((True, f"{said}7"), (True, f"7{said}"))
    yield from ((False, "2001-02-03T04:05:06Z"), (False, "2"), (False, "SIM2_x"))


class _Changed:
    """A push with another value at one place."""

    def __init__(self, push: Push, kind: str, where: Steps, root: object = None) -> None:
        self._push, self._kind, self._where, self._root = push, kind, where, root

    def __call__(self, value: object) -> Push:
        push, name = self._push, str(self._where[0]) if self._where else ""
        match self._kind:
            case "header":
                return replace(push, headers=CIMultiDict({**push.headers, name: str(value)}))
            case "query":
                return replace(push, query={**push.query, name: str(value)})
            case "whole":
                return replace(push, body=str(value).encode())
        root = _put(self._root, self._where, value)
        if self._kind == "form":
            form = "application/x-www-form-urlencoded"
            headers = CIMultiDict({**push.headers, "Content-Type": form})
            fields = root.items() if isinstance(root, dict) else ()
            body = urlencode([(name, str(value)) for name, value in fields]).encode()
            return replace(push, body=body, content_type=form, charset="utf-8", headers=headers)
        return replace(push, body=json.dumps(root).encode(), charset="utf-8")


def _places(push: Push) -> Iterator[tuple[str, object, _Changed]]:
    """Name, value, and how to change it."""
    try:
        root = decode(push).value
    except Unreadable:
        root = None
    raw = is_raw(push) or any(name.lower().startswith("x-kannel-") for name in push.headers)
    if not raw and push.body.lstrip()[:1] in (b"{", b"["):
        for steps, value in _leaves(root, ()):
            yield ".".join(map(str, steps)), value, _Changed(push, "json", steps, root)
    elif not raw and isinstance(root, dict) and push.body and "text" not in _bare(push, root):
        for name, value in root.items():
            yield str(name), value, _Changed(push, "form", (name,), root)
    elif push.body:
        said = push.body.decode("utf-8", "replace")
        yield BODY, said, _Changed(push, "whole", ())
    for name, value in push.headers.items():
        if name.lower().startswith(("x-sms-", "x-kannel-")):
            yield f"header {name}", value, _Changed(push, "header", (name,))
    for name, value in push.query.items():
        yield f"query {name}", value, _Changed(push, "query", (name,))


def _bare(push: Push, root: Mapping[object, object]) -> Mapping[object, object]:
    """`root`, when all of the body is the one text in it; else nothing."""
    whole = push.body.decode("utf-8", "replace")
    return root if root.get("text") == whole else {}


def _leaves(value: object, steps: Steps) -> Iterator[tuple[Steps, object]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, (*steps, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _leaves(inner, (*steps, number))
    elif steps:
        yield steps, value


def _put(root: object, steps: Steps, value: object) -> object:
    """`root` with another value at one place; shares the rest."""
    if not steps:
        return value
    first, rest = steps[0], steps[1:]
    if isinstance(root, dict):
        return {**root, first: _put(root[first], rest, value)}
    every = root if isinstance(root, list) else []
    return [_put(one, rest, value) if n == first else one for n, one in enumerate(every)]
