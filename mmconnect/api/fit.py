"""Holding values against JSON Schema, in sentences: what is wrong, and where.

Understands the keywords of `schema.py`, which check() has found to be all there are. Numbers that
are whole are whole numbers however they were written (JSON knows no other), and true is no number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from mmconnect.api.schema import REF, Schema
from mmconnect.domain.errors import Issue

MOST_ISSUES = 20
"""What is wrong in more places is told of so many."""

_WORDS = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def issues(
    schema: Schema, value: Any, components: Mapping[str, Schema], path: str = ""
) -> list[Issue]:
    """What is wrong with a value, MOST_ISSUES at the most; empty when it fits."""
    found = []
    for issue in _issues(schema, value, components, path):
        found.append(issue)
        if len(found) == MOST_ISSUES:
            break
    return found


def _issues(
    schema: Schema, value: Any, components: Mapping[str, Schema], path: str
) -> Iterator[Issue]:
    if "$ref" in schema:
        yield from _issues(components[schema["$ref"].removeprefix(REF)], value, components, path)
        return
    if "anyOf" in schema:
        tried = [issues(one, value, components, path) for one in schema["anyOf"]]
        if all(
            tried
        ):  # the first is what is meant; the others are null or a shorter way to write it
            yield from tried[0]
        return
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(kind, value) for kind in kinds):
        yield Issue(path=path, message=f"Write {' or '.join(_WORDS[kind] for kind in kinds)}")
    elif "enum" in schema and not any(_same(value, one) for one in schema["enum"]):
        words = ", ".join("null" if one is None else str(one) for one in schema["enum"])
        yield Issue(path=path, message=f"Choose one of {words}")
    elif isinstance(value, str):
        yield from _text(schema, value, path)
    elif isinstance(value, dict):
        yield from _object(schema, value, components, path)
    elif isinstance(value, list):
        yield from _list(schema, value, components, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        least, most = schema.get("minimum"), schema.get("maximum")
        if (least is not None and value < least) or (most is not None and value > most):
            yield Issue(path=path, message=f"Choose {_between(least, most)}")


def _is(kind: str, value: Any) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case "array":
            return isinstance(value, list)
        case "object":
            return isinstance(value, dict)
    return value is None


def _same(value: Any, other: Any) -> bool:
    """JSON knows that 1 is not true; Python does not."""
    return bool(value == other) and isinstance(value, bool) == isinstance(other, bool)


def _text(schema: Schema, value: str, path: str) -> Iterator[Issue]:
    least, most = schema.get("minLength"), schema.get("maxLength")
    if (least is not None and len(value) < least) or (most is not None and len(value) > most):
        yield Issue(path=path, message=f"Write {_between(least, most)} characters")
    elif schema.get("format") == "date-time" and not is_moment(value):
        yield Issue(path=path, message="Write a time with its zone, like 2026-06-12T14:00:00Z")
    elif "pattern" in schema and _pattern(schema["pattern"]).search(value) is None:
        how = schema.get("examples") or [schema["pattern"]]
        yield Issue(path=path, message=f"Write it like {how[0]}")


def _object(
    schema: Schema, value: dict[str, Any], components: Mapping[str, Schema], path: str
) -> Iterator[Issue]:
    known, rest = schema.get("properties", {}), schema.get("additionalProperties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield Issue(path=_joined(path, name), message="This is missing")
    least, most = schema.get("minProperties", 0), schema.get("maxProperties")
    if len(value) < least or (most is not None and len(value) > most):
        one = f"at least {least} of {', '.join(known)}" if most is None else f"at most {most}"
        yield Issue(path=path, message=f"Give {one}")
    for name, held in value.items():
        at = _joined(path, name)
        if name in known:
            yield from _issues(known[name], held, components, at)
        elif rest is False:
            there = f"; there are {', '.join(known)}" if known else ", and no other"
            yield Issue(path=at, message=f"There is no such field{there}")
        else:
            if "propertyNames" in schema:
                yield from _issues(schema["propertyNames"], name, components, at)
            yield from _issues(rest, held, components, at)


def _list(
    schema: Schema, value: list[Any], components: Mapping[str, Schema], path: str
) -> Iterator[Issue]:
    least, most = schema.get("minItems"), schema.get("maxItems")
    if (least is not None and len(value) < least) or (most is not None and len(value) > most):
        yield Issue(path=path, message=f"Give {_between(least, most)} of them")
        return
    for number, held in enumerate(value):
        yield from _issues(schema.get("items", {}), held, components, _joined(path, str(number)))
    if schema.get("uniqueItems") and len({repr(held) for held in value}) < len(value):
        yield Issue(path=path, message="Name each only once")


def is_moment(value: str) -> bool:
    """Whether it is a time with its zone (RFC 3339), of a day that there is."""
    try:
        return datetime.fromisoformat(_plain(value)).tzinfo is not None
    except (ValueError, OverflowError):
        return False


def milliseconds(value: str) -> int:
    """UTC milliseconds of a time that is_moment()."""
    return max(0, round(datetime.fromisoformat(_plain(value)).timestamp() * 1000))


def moment(given: Mapping[str, Any], name: str) -> int | None:
    """UTC milliseconds of a time that may have been given; None where it was not."""
    value = given.get(name)
    return None if value is None else milliseconds(value)


def _plain(value: str) -> str:
    """As Python reads it: upper case, and no finer than it keeps."""
    return re.sub(r"(\.\d{6})\d+", r"\1", value.upper())


@lru_cache(maxsize=64)
def _pattern(pattern: str) -> re.Pattern[str]:
    end = r"\Z" if pattern.endswith("$") else ""  # in Python's, `$` also stands before a line's end
    return re.compile(pattern.removesuffix("$") + end, re.ASCII)


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _between(least: int | None, most: int | None) -> str:
    if least is None or most is None:
        return f"at most {most}" if least is None else f"at least {least}"
    return str(least) if least == most else f"{least} to {most}"
