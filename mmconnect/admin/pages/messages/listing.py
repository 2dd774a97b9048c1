"""The list of messages, and finding some: by number, words, phone, state, kind and time.

The question that people come with is "did it come, and did it get there?": so the newest are there
at once, each with its state, and one box takes a number or words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiohttp import web

from mmconnect.admin import forms, marks, narrowing
from mmconnect.admin.context import desk, url
from mmconnect.admin.render import page
from mmconnect.domain.errors import Invalid, Issue
from mmconnect.domain.models import Kind
from mmconnect.store import message_list
from mmconnect.store.message_query import MessageQuery, MessageState
from mmconnect.store.search_terms import is_number

PAGE = 50
NEWS = 100
"""New ones that are counted."""

STATES = (
    ("", "any"),
    (MessageState.WAITING, "waiting"),
    (MessageState.FAILED, "failed"),
    (MessageState.DELIVERED, "delivered"),
    (MessageState.UNWANTED, "nobody wanted it"),
    (MessageState.UNRECOGNISED, "not understood"),
    (MessageState.KEPT_BACK, "kept back"),
    (MessageState.TEST, "tests"),
)
KINDS = (
    ("", "any"),
    (Kind.SMS, "SMS"),
    (Kind.MMS, "MMS"),
    (Kind.DATA, "data SMS"),
    (Kind.UNRECOGNISED, "not understood"),
)
NAMES = ("q", "phone", "state", "kind", "since", "until")
LONGEST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the address of the page asks for."""

    query: MessageQuery
    given: dict[str, str]
    """The same as it was written, for links; without the place in the list."""
    cursor: str | None


def asked(request: web.Request) -> Asked:
    """Read it. Raises Invalid."""
    given = narrowing.as_given(request.query, NAMES, LONGEST)
    query = MessageQuery(
        search=given.get("q"),
        device_id=given.get("phone"),
        state=_one_of(MessageState, "state", given),
        kind=_one_of(Kind, "kind", given),
        since=narrowing.since(given),
        until=narrowing.until(given),
    )
    return Asked(query=query, given=given, cursor=request.query.get("cursor") or None)


def _one_of(kind: type[Any], name: str, given: dict[str, str]) -> Any:
    if name not in given:
        return None
    try:
        return kind(given[name])
    except ValueError:
        raise Invalid(Issue(path=name, message="Choose one of the list")) from None


async def _messages(request: web.Request) -> web.Response:
    wrong: dict[str, str] = {}
    found, top = message_list.Page(items=(), older=None, newer=None), ""
    try:
        what = asked(request)
        found, top = await desk(request).database.read(
            lambda db: (
                message_list.find(db, what.query, cursor=what.cursor, limit=PAGE),
                message_list.top(db, what.query),
            )
        )
    except Invalid as error:
        if any(issue.path == "cursor" for issue in error.issues):
            raise
        wrong = forms.wrong(error)
        given = narrowing.as_given(request.query, NAMES, LONGEST)
        what = Asked(query=MessageQuery(), given=given, cursor=None)

    def at(cursor: str | None) -> str:
        return url(request, "/messages", **what.given, cursor=cursor)

    newest = at(None)
    return page(
        request,
        "messages/list.html",
        area="messages",
        status=400 if wrong else 200,
        form=forms.filled(**what.given),
        wrong=wrong,
        given=what.given,
        chosen=_chosen(request, what.given),
        number=what.given.get("q", "") if is_number(what.given.get("q", "")) else "",
        phones=_phones(request),
        states=STATES,
        kinds=KINDS,
        shown=marks.MESSAGES,
        found=found,
        # only who looks at the newest is told of newer ones
        news=""
        if what.cursor or wrong
        else url(request, "/messages/news", **what.given, cursor=top),
        older=at(found.older) if found.older else "",
        newer="" if what.cursor is None else (at(found.newer) if found.newer else newest),
        at_top=what.cursor is None,
    )


def _chosen(request: web.Request, given: dict[str, str]) -> list[str]:
    """The filters that are set, in words."""
    lists = {"phone": _phones(request), "state": STATES, "kind": KINDS}
    words = [dict(options).get(given[name], "") for name, options in lists.items() if name in given]
    times = {"since": "from", "until": "to"}
    words += [
        f"{word} {given[name].replace('T', ' ')}" for name, word in times.items() if name in given
    ]
    return [word for word in words if word]


def _phones(request: web.Request) -> list[tuple[str, str]]:
    """The phones to choose from; those that were removed have texts, too."""
    known = desk(request).look().devices.values()
    there = sorted(known, key=lambda one: (one.removed_at is not None, one.name.casefold()))
    named = [
        (one.id, one.name if one.removed_at is None else f"{one.name} (removed)") for one in there
    ]
    return [("", "any"), *named]


async def _news(request: web.Request) -> web.Response:
    """How many have come since a page was made: asked by the script, again and again."""
    what = asked(request)
    come = await desk(request).database.read(
        lambda db: message_list.find(db, what.query, cursor=what.cursor, limit=NEWS)
    )
    return page(
        request,
        "messages/news.html",
        area="messages",
        count=len(come.items),
        most=NEWS,
        newest=url(request, "/messages", **what.given),
        news=request.path_qs,
    )


ROUTES = (web.get("/messages", _messages), web.get("/messages/news", _news))
