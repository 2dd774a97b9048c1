"""A form as a browser sends it, and what was wrong with it, to be shown beside its fields."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientPayloadError, web
from aiohttp.http_exceptions import HttpProcessingError
from multidict import MultiDict, MultiDictProxy

from mmconnect.domain.errors import Invalid, Issue

BROKEN = (
    ValueError,
    LookupError,  # a charset that nobody knows
    RuntimeError,  # an encoding of a part that nobody knows
    HttpProcessingError,
    web.RequestPayloadError,
    ClientPayloadError,
    ConnectionError,
)
"""What reading a body raises when it is not what its headers say, or its client has left."""
PATIENCE = 30.0
"""Seconds that a form may take to arrive."""


@dataclass(frozen=True, slots=True)
class Form:
    """What was typed; names as in the page, each value as text without blanks around it."""

    values: MultiDictProxy[str] = field(default_factory=lambda: MultiDictProxy(MultiDict()))
    typed: MultiDictProxy[str] = field(
        default_factory=lambda: MultiDictProxy(MultiDict()), repr=False
    )

    def get(self, name: str, default: str = "") -> str:
        """One value."""
        return self.values.get(name, default)

    def exactly(self, name: str) -> str:
        """One value with the blanks around it, which belong to a password."""
        return self.typed.get(name, "")

    def all(self, name: str) -> list[str]:
        """Every value of that name: of checkboxes, and of rows."""
        return self.values.getall(name, [])

    def on(self, name: str) -> bool:
        """Whether a checkbox was ticked."""
        return name in self.values

    def __contains__(self, name: str) -> bool:
        return name in self.values


async def read(request: web.Request) -> Form:
    """The form that a request carries. Raises Invalid when it is none, or holds a file."""
    try:
        async with asyncio.timeout(PATIENCE):
            posted = await request.post()
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="The form took too long to arrive.") from None
    except BROKEN:
        raise Invalid(Issue(path="", message="This form could not be read")) from None
    values: MultiDict[str] = MultiDict()
    typed: MultiDict[str] = MultiDict()
    for name, value in posted.items():
        if not isinstance(value, str):
            raise Invalid(Issue(path=name, message="A file is not wanted here"))
        values.add(name, value.replace("\r\n", "\n").strip())
        typed.add(name, value)
    return Form(MultiDictProxy(values), MultiDictProxy(typed))


def wrong(error: Invalid) -> dict[str, str]:
    """By field, what is wrong with it; the macros of the templates take it as `wrong`."""
    told: dict[str, str] = {}
    for issue in error.issues:
        told[issue.path] = (
            f"{told[issue.path]} {issue.message}" if issue.path in told else issue.message
        )
    return told


def filled(**values: Any) -> Form:
    """A form as it would be with these values, to begin a page with."""
    made: MultiDict[str] = MultiDict()
    for name, value in values.items():
        if isinstance(value, (list, tuple, set, frozenset)):
            for one in value:
                made.add(name, str(one))
        elif value is True:
            made.add(name, "on")
        elif value is not None and value is not False:
            made.add(name, str(value))
    return Form(MultiDictProxy(made))
