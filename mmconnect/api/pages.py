"""Lists in pages: `limit`, an opaque `cursor`, and `{"items", "nextCursor"}` as answers have them.

What the store lists by cursors of its own comes with them. Short lists that are in memory are cut
here: a page goes on behind the last item of the one before, also when that was removed meanwhile.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from mmconnect.api import schema
from mmconnect.api.schema import Schema
from mmconnect.domain.errors import Invalid, Issue

T = TypeVar("T")

DEFAULT, MOST = 50, 200

PARAMETERS: Mapping[str, Schema] = {
    "limit": schema.integer("How many at the most.", least=1, most=MOST, default=DEFAULT),
    "cursor": schema.text(
        "`nextCursor` of the page before; the first page without.",
        least=1,
        most=200,
        pattern="^[A-Za-z0-9_-]+$",
        examples=["WzAsImRsdl8iXQ"],
    ),
}


def page(items: Sequence[Any], cursor: str | None) -> dict[str, Any]:
    """A list as it is answered; without `nextCursor` on the last page."""
    return {"items": list(items)} | ({} if cursor is None else {"nextCursor": cursor})


def of(item: Schema) -> Schema:
    """The schema of such a list."""
    return schema.record(
        {
            "items": schema.array(item),
            "nextCursor": schema.text("Where the next page begins; not there on the last page."),
        },
        optional=("nextCursor",),
    )


def cut(
    items: Sequence[T], query: Mapping[str, Any], name: Callable[[T], str]
) -> tuple[Sequence[T], str | None]:
    """The page of a list that `query` asks for, and the next page's cursor; `name` gives ids.

    Raises Invalid for a cursor that is none.
    """
    start = 0
    if "cursor" in query:
        place, last = _read(query["cursor"])
        found = next((at for at, item in enumerate(items) if name(item) == last), None)
        start = place if found is None else found + 1  # what followed has moved to its place
    end = start + query.get("limit", DEFAULT)
    more = end < len(items)
    return items[start:end], _written(end - 1, name(items[end - 1])) if more else None


def behind(last: str) -> str:
    """The cursor of what lies behind an id in a list that is ordered by ids."""
    return _written(0, last)


def place(query: Mapping[str, Any], prefix: str) -> str | None:
    """The id that a cursor of behind() stands for; None for the first page. Raises Invalid."""
    if "cursor" not in query:
        return None
    _, last = _read(query["cursor"])
    if not re.fullmatch(prefix + "[0-9A-Z]{26}", last):
        raise _unknown()
    return last


def after(number: int) -> str:
    """The cursor of what lies behind a number in a list that counts down."""
    return _written(number, "")


def number(query: Mapping[str, Any]) -> int | None:
    """The number that a cursor of after() stands for; None for the first page. Raises Invalid."""
    return _read(query["cursor"])[0] if "cursor" in query else None


def _written(place: int, last: str) -> str:
    text = json.dumps([place, last], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read(cursor: str) -> tuple[int, str]:
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        place, last = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise _unknown() from None
    if type(place) is not int or not 0 <= place < 2**31 or not isinstance(last, str):
        raise _unknown()
    return place, last


def _unknown() -> Invalid:
    return Invalid(Issue(path="cursor", message="This is no cursor of this list"))
