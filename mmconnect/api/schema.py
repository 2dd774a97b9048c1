"""JSON Schema as far as the API uses it: how schemas are built.

The same schemas make the OpenAPI document and refuse what does not fit (`fit.py`), so the two
cannot drift. A subset of JSON Schema 2020-12 (json-schema.org/draft/2020-12), listed in KEYWORDS: a
schema with any other keyword is a mistake of ours, and found when the API is put together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]

ANNOTATIONS = frozenset({"description", "examples", "default", "title", "writeOnly"})
KEYWORDS = ANNOTATIONS | frozenset(
    {
        *("type", "enum", "const", "format", "pattern", "minLength", "maxLength"),
        *("minimum", "maximum", "properties", "required", "additionalProperties", "propertyNames"),
        *("maxProperties", "minProperties", "items", "minItems", "maxItems", "uniqueItems"),
        *("$ref", "anyOf"),
    }
)
JSON = "application/json"
REF = "#/components/schemas/"
MOMENT = r"^(19[7-9]\d|2\d{3})-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$"


def text(
    description: str = "", *, least: int | None = None, most: int | None = None, **more: Any
) -> Schema:
    """A string; `least` and `most` characters."""
    return _made("string", description, minLength=least, maxLength=most, **more)


def integer(
    description: str = "", *, least: int | None = None, most: int | None = None, **more: Any
) -> Schema:
    """A whole number."""
    return _made("integer", description, minimum=least, maximum=most, **more)


def boolean(description: str = "", **more: Any) -> Schema:
    """True or false."""
    return _made("boolean", description, **more)


def choice(*values: str, description: str = "", **more: Any) -> Schema:
    """One of some words."""
    return _made("string", description, enum=list(values), **more)


def moment(description: str = "", **more: Any) -> Schema:
    """A point in time as answers have it: UTC with milliseconds."""
    return _made("string", description, format="date-time", **more)


def given_moment(description: str = "", **more: Any) -> Schema:
    """A point in time as requests may have it: RFC 3339, from 1970 on."""
    return _made("string", description, format="date-time", pattern=MOMENT, **more)


def array(
    items: Schema, description: str = "", *, least: int | None = None, most: int | None = None,
    **more: Any,
) -> Schema:  # fmt: skip
    """A list."""
    return _made("array", description, items=items, minItems=least, maxItems=most, **more)


def record(
    properties: Mapping[str, Schema],
    description: str = "",
    *,
    optional: tuple[str, ...] = (),
    least: int | None = None,
    **more: Any,
) -> Schema:
    """An object with exactly these properties, all of them required but for `optional`."""
    return _made(
        "object",
        description,
        properties=dict(properties),
        required=[name for name in properties if name not in optional] or None,
        additionalProperties=False,
        minProperties=least,
        **more,
    )


def table(values: Schema, description: str = "", **more: Any) -> Schema:
    """An object with any names."""
    return _made("object", description, additionalProperties=values, **more)


def binary(description: str = "") -> Schema:
    """Bytes, as they are."""
    return _made("string", description, format="binary")


def ref(name: str) -> Schema:
    """A schema among the document's components."""
    return {"$ref": REF + name}


def nullable(schema: Schema) -> Schema:
    """The same, or null."""
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    made = dict(schema)
    made["type"] = [schema["type"], "null"]
    if "enum" in made:
        made["enum"] = [*made["enum"], None]
    return made


def _made(kind: str, description: str, **more: Any) -> Schema:
    made: Schema = {"type": kind}
    if description:
        made["description"] = description
    return made | {name: value for name, value in more.items() if value is not None}


def check(schema: Schema, components: Mapping[str, Schema]) -> None:
    """Raise ValueError for a schema that holds what is not understood here."""
    if unknown := schema.keys() - KEYWORDS:
        raise ValueError(f"a schema holds {', '.join(sorted(unknown))}")
    if "$ref" in schema and schema["$ref"].removeprefix(REF) not in components:
        raise ValueError(f"there is no {schema['$ref']}")
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", ())]
    for keyword in ("items", "additionalProperties", "propertyNames"):
        if isinstance(schema.get(keyword), dict):
            inner.append(schema[keyword])
    for one in inner:
        check(one, components)
