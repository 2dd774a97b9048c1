"""Requests made from an OpenAPI document: right ones, nearly right ones, and garbage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlencode

from hypothesis import strategies as st

URLS = ["http://127.0.0.1:9/hook", "https://127.0.0.1:9/", "http://x.invalid/", "ftp://x", ""]
"""Where nothing answers: what is fuzzed must not reach anybody."""
ADDRESSES = ("url", "alertUrl", "phoneUrl")
"""The fields that hold one."""
_WORDS = [
    *("", " ", "\0", "a\nb", "é", "\N{GRINNING FACE}", "\u202eevil", "<script>", "' OR 1=1 --"),
    *("2026-06-12T14:00:00Z", "2026-02-30T00:00:00Z", "+6581230000", "***", "null", "x" * 3000),
    "-----BEGIN CERTIFICATE-----\n\u2026\n-----END CERTIFICATE-----",
]
TEXTS = st.text(max_size=40) | st.integers(0, len(_WORDS) - 1).map(_WORDS.__getitem__)
NUMBERS = st.integers(-3, 300) | st.sampled_from([2**31, 2**63, -(2**63), 10**40])
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.floats(allow_nan=False) | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=12,
)
REF = "#/components/schemas/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One request."""

    method: str
    template: str
    path: str
    """Below the host, with the query."""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    chunks: int = 0
    which: int = 0

    def at(self, ids: Mapping[str, list[str]]) -> Shot:
        """The same for one of the ids that there are, by the name that they have in paths."""
        there = ids.get(self.template.split("/")[2], []) or ["none"]
        return replace(
            self, path=self.path.replace(f"/{_ID}", f"/{there[self.which % len(there)]}")
        )


def values(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Values that mostly fit a schema."""
    if "$ref" in schema:
        return values(schemas[schema["$ref"].removeprefix(REF)], schemas)
    if "anyOf" in schema:
        return st.one_of([values(one, schemas) for one in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kinds = schema.get("type", "any")
    made = [_of(kind, schema, schemas) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    return st.one_of(made)


def _of(kind: str, schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    match kind:
        case "null":
            return st.none()
        case "boolean":
            return st.booleans()
        case "integer":
            least = schema.get("minimum", -10)
            return st.integers(least, min(schema.get("maximum", 2**40), least + 10**6))
        case "string":
            if schema.get("format") == "date-time":
                return st.sampled_from(["2026-06-12T14:00:00Z", "1999-12-31t23:59:59.5+05:45"])
            size = {"min_size": schema.get("minLength", 0), "max_size": schema.get("maxLength", 30)}
            size["max_size"] = max(size["min_size"], min(size["max_size"], 60))
            return st.text(**size)
        case "array":
            least = schema.get("minItems", 0)
            return st.lists(values(schema["items"], schemas), min_size=least, max_size=least + 3)
        case "object":
            return _object(schema, schemas)
    return ANYTHING


def _object(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    known = {
        name: st.sampled_from(URLS[:3]) if name in ADDRESSES else values(held, schemas)
        for name, held in schema.get("properties", {}).items()
    }
    needed = set(schema.get("required", ()))
    if not known and isinstance(schema.get("additionalProperties"), dict):
        names = schema.get("propertyNames", {"type": "string", "maxLength": 12})
        return st.dictionaries(
            values(names, schemas), values(schema["additionalProperties"], schemas), max_size=3
        )
    return st.fixed_dictionaries(
        {name: known[name] for name in needed},
        optional={name: held for name, held in known.items() if name not in needed},
    )


@st.composite
def spoilt(draw: st.DrawFn, good: st.SearchStrategy[Any]) -> Any:
    """A good value with one thing wrong with it: left out, added, or of another kind."""
    value = draw(good)
    if not isinstance(value, dict) or draw(st.integers(0, 9)) == 0:
        return draw(ANYTHING)
    value = dict(value)
    how = draw(st.sampled_from(["out", "more", "other", "other"]))
    if how == "more" or not value:
        value[draw(st.text(max_size=10))] = draw(ANYTHING)
        return value
    name = draw(st.sampled_from(sorted(value)))
    if how == "out":
        del value[name]
    elif name in ADDRESSES:
        value[name] = draw(st.sampled_from(URLS) | st.none() | NUMBERS)
    else:
        value[name] = draw(ANYTHING)
    return value


_BODIES = [
    *(b"", b"{", b"[" * 5000, b'{"a":' * 5000, b"nul", b"\xff\xfe{}", b'{"a":NaN}', b'{"a":1e999}'),
    *(b'{"url":"https://x/","url":"https://y/"}', b'{"name":"\\ud800"}', b" " * 2000 + b"{}"),
    *(b'{"limit":' + b"9" * 5000 + b"}", b"{}", b"null", b"[]", b'"x"', b"\xef\xbb\xbf{}"),
]
RAW = st.binary(max_size=60) | st.integers(0, len(_BODIES) - 1).map(_BODIES.__getitem__)
_TYPES = [
    *["application/json"] * 15,
    *("application/json; charset=utf-8", "text/plain", 'a/b;c="', "multipart/form-data"),
]
_ID = "ID"
"""Stands in a path for an id that there is, which is not known before the request is made."""


@st.composite
def shots(draw: st.DrawFn, document: Mapping[str, Any]) -> Shot:
    """A request for one of the document's operations; see Shot.at()."""
    schemas = document["components"]["schemas"]
    template = draw(st.sampled_from(sorted(document["paths"])))
    method = draw(st.sampled_from(sorted(document["paths"][template])))
    one = document["paths"][template][method]
    path = template
    if "{id}" in path:
        garbage = quote(draw(st.text(min_size=1)), safe="") or "x"
        path = path.replace("{id}", garbage if draw(st.integers(0, 6)) == 0 else _ID)
    asked: list[tuple[str, str]] = []
    for parameter in one.get("parameters", ()):
        if parameter["in"] == "query" and draw(st.booleans()):
            good = values(parameter["schema"], schemas)
            value = draw(good | TEXTS)
            for part in value if isinstance(value, list) else [value]:
                told = str(part).lower() if isinstance(part, bool) else str(part)
                asked.append((parameter["name"], told))
    if draw(st.integers(0, 9)) == 0:
        asked.append((draw(st.text(max_size=5)), draw(TEXTS)))
    if asked:
        path += "?" + urlencode(asked)
    headers, body = {}, b""
    if method != "get":
        headers["Content-Type"] = draw(st.sampled_from(_TYPES))
        if "requestBody" in one:
            good = values(one["requestBody"]["content"]["application/json"]["schema"], schemas)
            value = draw(good | good | good | spoilt(good))
            body = json.dumps(value, ensure_ascii=draw(st.booleans())).encode(
                "utf-8", "surrogatepass"
            )
        if draw(st.integers(0, 11)) == 0:
            body = draw(RAW)
    return Shot(
        method=method.upper(),
        template=template,
        path=path,
        headers=headers,
        body=body,
        chunks=draw(st.sampled_from([0, 0, 0, 1, 7])),
        which=draw(st.integers(0, 19)),
    )
