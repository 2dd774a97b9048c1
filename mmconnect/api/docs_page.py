"""The OpenAPI document as a page to read: what there is, how it is asked for, what comes back.

Made from the document alone, so it says no more and no less. Pure but for the template.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmconnect.api.schema import REF, Schema
from mmconnect.web import templates

DEEPEST = 3
"""Levels of fields within fields that are shown in one table."""
_WORDS = {"string": "text", "integer": "number", "number": "number", "boolean": "true or false"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field or parameter, in words."""

    name: str
    type: str
    link: str | None
    """The component that it looks like."""
    required: bool
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One answer."""

    status: str
    description: str
    fields: Sequence[Field]
    link: str | None
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One operation."""

    id: str
    method: str
    path: str
    summary: str
    description: Sequence[str]
    parameters: Sequence[Field]
    body: Sequence[Field]
    body_link: str | None
    body_required: bool
    curl: str
    answers: Sequence[Told]
    errors: Sequence[tuple[str, str]]
    """Status, and its codes in words."""


def page(document: Mapping[str, Any], *, origin: str, base: str) -> str:
    """The page; `origin` is `http://HOST:PORT` as whoever reads it has asked for it."""
    entries: dict[str, list[Entry]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, one in methods.items():
            entries[one["tags"][0]].append(_entry(method.upper(), path, one, origin + base))
    components = document["components"]["schemas"]
    return (
        templates.environment()
        .get_template("api/docs.html")
        .render(
            base=base,
            version=document["info"]["version"],
            introduction=document["info"]["description"].split("\n\n"),
            entries={tag: some for tag, some in entries.items() if some},
            schemas=[
                (name, fields(held), name in sent(document)) for name, held in components.items()
            ],
            first=_curl("GET", f"{origin}{base}/v1/status", None, open_to_all=False),
        )
    )


def _entry(method: str, path: str, one: Mapping[str, Any], origin: str) -> Entry:
    body = one.get("requestBody")
    held = None if body is None else body["content"]["application/json"]
    done = {status: a for status, a in one["responses"].items() if status.startswith("2")}
    return Entry(
        id=one["operationId"],
        method=method,
        path=path,
        summary=one["summary"],
        description=one["description"].split("\n\n"),
        parameters=[
            _field(p["name"], {**p["schema"], "description": p["description"]},
                   required=p.get("required", False))
            for p in one.get("parameters", ())
        ],
        body=() if held is None else fields(held["schema"]),
        body_link=None if held is None else _link(held["schema"]),
        body_required=body is not None and body["required"],
        curl=_curl(method, origin + path, held, open_to_all=one.get("security") == []),
        answers=[
            Told(
                status=status,
                description=a["description"],
                fields=fields(content["schema"]),
                link=_link(content["schema"]),
                example=_pretty(content["example"]) if "example" in content else "",
            )
            for status, a in done.items()
            for content in a["content"].values()
        ],
        errors=[
            (status, a["description"])
            for status, a in one["responses"].items()
            if status not in done
        ],
    )  # fmt: skip


def _curl(method: str, url: str, held: Mapping[str, Any] | None, *, open_to_all: bool) -> str:
    words = ["curl" if open_to_all else 'curl -H "Authorization: Bearer $KEY"']
    if method != "GET":
        words.append(f"-X {method}")
    if held is not None:
        sent = json.dumps(held["example"], ensure_ascii=False)
        words += ['-H "Content-Type: application/json"', f"-d {shlex.quote(sent)}"]
    words.append(shlex.quote(url.replace("{id}", "ID")))
    return (" " if len(words) == 2 else " \\\n  ").join(words)


def sent(document: Mapping[str, Any]) -> set[str]:
    """The components that requests are made of."""
    bodies = (
        one["requestBody"]["content"]["application/json"]["schema"]
        for methods in document["paths"].values()
        for one in methods.values()
        if "requestBody" in one
    )
    return {link for held in bodies if (link := _link(held)) is not None}


def fields(held: Schema, before: str = "", depth: int = 0) -> list[Field]:
    """The fields of an object, those within others by their whole names; none of a component."""
    found = []
    for name, inner in held.get("properties", {}).items():
        path = f"{before}{name}"
        found.append(_field(path, inner, required=name in held.get("required", ())))
        below, mark = inner, "."
        if inner.get("type") == "array":
            below, mark = inner["items"], "[]."
        if depth < DEEPEST and "properties" in below:
            found += fields(below, path + mark, depth + 1)
    return found


def _field(name: str, held: Schema, *, required: bool) -> Field:
    return Field(
        name=name,
        type=_type(held),
        link=_link(held),
        required=required,
        description=" ".join(_described(held)),
    )


def _link(held: Schema) -> str | None:
    for one in (held, held.get("items", {}), *held.get("anyOf", ())):
        if "$ref" in one:
            return str(one["$ref"]).removeprefix(REF)
    return None


def _type(held: Schema) -> str:
    if "anyOf" in held:
        return " or ".join(_type(one) for one in held["anyOf"])
    if "$ref" in held:
        return str(held["$ref"]).removeprefix(REF)
    kinds = held.get("type", "anything")
    if isinstance(kinds, list):
        return " or ".join(_type({**held, "type": kind}) for kind in kinds)
    if kinds == "array":
        return f"list of {_type(held['items'])}"
    if kinds == "string" and held.get("format") == "date-time":
        return "time"
    return _WORDS.get(kinds, str(kinds))


def _described(held: Schema) -> Iterator[str]:
    """The description, and what a schema says beyond its type, in words."""
    if "description" in held:
        yield held["description"]
    inner = held.get("items", held)
    words = [f"`{one}`" for one in inner.get("enum", ()) if one is not None]
    if not all(word in held.get("description", "") for word in words):
        yield f"One of {', '.join(words)}."
    for least, most, unit in (
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " entries"),
    ):
        if least in held and most in held:
            yield f"{held[least]} to {held[most]}{unit}."
        elif most in held:
            yield f"At most {held[most]}{unit}."
    if "default" in held:
        yield f"Default: `{json.dumps(held['default'])}`."


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
