"""Values held against schemas: what fits, what does not, and what is said of it."""

from __future__ import annotations

from typing import Any

import pytest

from mmconnect.api import schema
from mmconnect.api.fit import MOST_ISSUES, is_moment, issues, milliseconds

COMPONENTS = {"Name": schema.text(least=1, most=5)}


def wrong(held: dict[str, Any], value: Any) -> list[tuple[str, str]]:
    return [(issue.path, issue.message) for issue in issues(held, value, COMPONENTS)]


@pytest.mark.parametrize(
    ("held", "good", "bad"),
    [
        (schema.text(), ["", "x", "\N{GRINNING FACE}"], [1, None, [], True]),
        (schema.text(least=1, most=2), ["x", "\N{GRINNING FACE}x"], ["", "xyz"]),
        (schema.text(pattern="^[a-z$]+$"), ["ab", "a$"], ["a\n", "AB", "", "a b"]),
        (schema.integer(least=0, most=9), [0, 9], [-1, 10, True, False, 1.5, "1", None]),
        (schema.boolean(), [True, False], [0, 1, "true", None]),
        (schema.choice("a", "b"), ["a"], ["c", "", None, 1]),
        (schema.nullable(schema.choice("a")), ["a", None], ["b", 0]),
        (schema.nullable(schema.ref("Name")), ["abc", None], ["", "abcdef", 1]),
        (schema.array(schema.integer(least=0, most=9), least=1, most=2), [[1], [1, 2]],
         [[], [1, 2, 3], ["1"], {}, None, [10]]),
        (schema.array(schema.text(), uniqueItems=True), [[], ["a", "b"]], [["a", "a"]]),
        (schema.record({"a": schema.text(), "b": schema.text()}, optional=("b",)),
         [{"a": ""}, {"a": "", "b": ""}], [{}, {"b": ""}, {"a": "", "c": ""}, [], None, {"a": 1}]),
        (schema.table(schema.integer(), propertyNames=schema.choice("x"), maxProperties=1),
         [{}, {"x": 1}], [{"y": 1}, {"x": "1"}, {"x": 1, "y": 1}]),
        ({"anyOf": [schema.integer(least=60, most=90), {"type": "integer", "enum": [0]}]},
         [60, 0], [1, 91, False, None]),
        ({"type": "integer", "enum": [1]}, [1], [True, 0]),
    ],
)  # fmt: skip
def test_what_fits_and_what_does_not(held: dict[str, Any], good: list[Any], bad: list[Any]):
    schema.check(held, COMPONENTS)
    for value in good:
        assert wrong(held, value) == [], value
    for value in bad:
        assert wrong(held, value), value


def test_what_is_said():
    held = schema.record(
        {
            "name": schema.ref("Name"),
            "ages": schema.array(schema.integer(least=1, most=5)),
            "when": schema.given_moment(),
        }
    )
    assert wrong(held, {"name": "", "ages": [1, 9, "x"], "nmae": 1}) == [
        ("when", "This is missing"),
        ("name", "Write 1 to 5 characters"),
        ("ages.1", "Choose 1 to 5"),
        ("ages.2", "Write a whole number"),
        ("nmae", "There is no such field; there are name, ages, when"),
    ]
    many = wrong(schema.array(schema.integer()), ["x"] * 1000)
    assert len(many) == MOST_ISSUES


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2026-06-12T14:32:00Z", 1781274720000),
        ("2026-06-12t14:32:00z", 1781274720000),
        ("2026-06-12T14:32:00.5Z", 1781274720500),
        ("2026-06-12T14:32:00.123456789Z", 1781274720123),
        ("2026-06-12T20:17:00+05:45", 1781274720000),
        ("1970-01-01T00:00:00+05:00", 0),
        ("2999-12-31T23:59:59-23:59", 32503766339000),
    ],
)
def test_times(text: str, ms: int):
    assert wrong(schema.given_moment(), text) == []
    assert milliseconds(text) == ms


@pytest.mark.parametrize(
    "text",
    ["", "2026-06-12", "2026-06-12T14:32:00", "2026-02-30T00:00:00Z", "2026-06-12T24:00:01Z",
     "1781274720", "2h", "2026-06-12T14:32:00Z\n", "2026-06-12 14:32:00Z", "0001-01-01T00:00:00Z",
     "9999-12-31T23:59:59-01:00", "2026-W24-5T14:32:00Z", "2026-06-12T14:32:00+25:00", "٢٠٢٦"],
)  # fmt: skip
def test_what_is_no_time(text: str):
    assert wrong(schema.given_moment(), text), is_moment(text)


def test_a_schema_with_what_is_not_understood_is_a_mistake():
    unknown: list[schema.Schema] = [
        {"type": "string", "contentEncoding": "base64"},
        {"oneOf": []},
        schema.array({"not": {}}),
        schema.record({"a": {"if": {}}}),
        schema.ref("Nothing"),
    ]
    for held in unknown:
        with pytest.raises(ValueError):
            schema.check(held, COMPONENTS)
