"""The OpenAPI document, made from the operations that are served: it says what they do.

OpenAPI 3.1 (spec.openapis.org/oas/v3.1.0). What follows from an operation's nature (a key, a body,
an id in its path) is worked out here, so no operation has to repeat which errors that brings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmconnect import __version__
from mmconnect.api import problems, schema
from mmconnect.api.limits import BURST, RATE
from mmconnect.api.operation import Answer, Operation, Tag
from mmconnect.api.problems import CODES, ERROR
from mmconnect.api.schema import Schema

PREFIX = "/v1"

INTRODUCTION = "\n\n".join(
    (
        "Everything that the pages of mmconnect can do with endpoints, messages, deliveries,"
        " devices and settings.",
        "Send an API key with every request: `Authorization: Bearer sk_live_…`. Make one under"
        " Settings, or with `mmconnect api-key create --name N`. A key has scopes: `read` sees"
        " everything but secrets, `write` changes things, `backup` takes everything away.",
        "Requests and answers are JSON in UTF-8. Times are UTC with milliseconds, durations are"
        " seconds. Fields and parameters that are not documented are refused. New fields may be"
        " added to answers: ignore what you do not know.",
        "Lists come in pages: `limit` says how many, `nextCursor` of one page is the `cursor` of"
        " the next, and the last page has none. What has a time comes newest first.",
        "An error has one shape: `error` is for programs, `message` for people, and `issues` says"
        " which fields are wrong.",
        f"A key may ask {RATE:.0f} times a second, and {BURST} times at once after a rest; beyond"
        " that the answer is 429 with `Retry-After`.",
    )
)

_HEADERS: Mapping[str, tuple[str, str, Schema]] = {
    problems.UNAUTHORIZED: ("WWW-Authenticate", "How to show a key.", schema.text()),
    problems.FORBIDDEN: ("WWW-Authenticate", "Which scope is needed.", schema.text()),
    problems.RATE: ("Retry-After", "Seconds to wait.", schema.integer(least=1)),
    problems.UNAVAILABLE: ("Retry-After", "Seconds to wait.", schema.integer(least=1)),
}


def document(
    operations: Sequence[Operation], components: Mapping[str, Schema], base: str = ""
) -> dict[str, Any]:
    """The document; `base` is the path that a proxy puts before everything, or empty."""
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        paths.setdefault(PREFIX + one.path, {})[one.method.lower()] = _operation(one)
    made: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "mmconnect", "version": __version__, "description": INTRODUCTION},
        "servers": [{"url": base or "/"}],
        "tags": [{"name": tag.value} for tag in Tag],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": {**components, "Error": ERROR},
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key: `sk_live_` and 40 letters and digits.",
                }
            },
        },
    }
    return made


def errors(one: Operation) -> list[str]:
    """The codes that an operation may answer with, by status."""
    found = {problems.INVALID, problems.INTERNAL, *one.errors}
    if one.scope is not None:
        found |= {problems.UNAUTHORIZED, problems.INVALID_KEY, problems.FORBIDDEN}
        found |= {problems.RATE, problems.UNAVAILABLE}
    if "{id}" in one.path:
        found.add(problems.NOT_FOUND)
    if one.method != "GET":
        found |= {problems.SLOW, problems.LARGE, problems.MEDIA_TYPE}
    return sorted(found, key=lambda code: (CODES[code].status, list(CODES).index(code)))


def _operation(one: Operation) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": one.name,
        "tags": [one.tag.value],
        "summary": one.summary,
    }
    needs = "No key is needed." if one.scope is None else f"Scope: `{one.scope}`."
    made["description"] = f"{one.description}\n\n{needs}".strip()
    if one.scope is None:
        made["security"] = []
    if parameters := list(_parameters(one)):
        made["parameters"] = parameters
    if one.body is not None:
        made["requestBody"] = {
            "required": one.body.required,
            "content": _json(one.body.schema, one.body.example),
        }
    made["responses"] = {
        str(status): {"description": a.means, "content": _content(a)}
        | ({"headers": _location()} if status == 201 and one.method == "POST" else {})
        for status, a in one.answers.items()
    } | _refusals(one)
    return made


def _parameters(one: Operation) -> Iterator[dict[str, Any]]:
    if "{id}" in one.path:
        yield {
            "name": "id",
            "in": "path",
            "required": True,
            "description": one.id_means,
            "schema": schema.text(least=1),
        }
    for name, held in one.query.items():
        bare = {key: value for key, value in held.items() if key != "description"}
        yield {
            "name": name,
            "in": "query",
            "description": held.get("description", ""),
            "schema": bare,
        }


def _refusals(one: Operation) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for code in errors(one):
        kind = CODES[code]
        told = made.setdefault(
            str(kind.status),
            {
                "description": "",
                "content": {"application/json": {"schema": schema.ref("Error"), "examples": {}}},
            },
        )
        told["description"] = f"{told['description']} `{code}`: {kind.means}".strip()
        told["content"]["application/json"]["examples"][code] = {
            "value": {"error": code, "message": kind.means, "issues": []}
        }
        if code in _HEADERS:
            name, means, held = _HEADERS[code]
            told["headers"] = {name: {"description": means, "schema": held}}
    return made


def _location() -> dict[str, Any]:
    return {"Location": {"description": "Where it is.", "schema": schema.text()}}


def _content(answer: Answer) -> dict[str, Any]:
    if answer.media != schema.JSON:
        return {answer.media: {"schema": answer.schema}}
    return _json(answer.schema, answer.example)


def _json(held: Schema, example: Any) -> dict[str, Any]:
    return {"application/json": {"schema": held, "example": example}}
