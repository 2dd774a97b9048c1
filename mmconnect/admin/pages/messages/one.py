"""The page of one message: what happened to it, first in a sentence, then in full.

What a push brought is a stranger's input, bytes included: it is shown escaped, shortened where it
is long, and given out whole only as a file that no browser opens.
"""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from mmconnect.admin import forms, marks
from mmconnect.admin.context import desk, see
from mmconnect.admin.entrance import actor
from mmconnect.admin.flash import say
from mmconnect.admin.render import page
from mmconnect.desk import message_page, sending
from mmconnect.desk.message_page import Story
from mmconnect.domain.errors import Invalid, Issue, NotFound, Refused
from mmconnect.domain.ids import MESSAGE
from mmconnect.domain.models import Kind
from mmconnect.store import messages

LONGEST = 20_000
"""Characters of a raw push that are shown."""
HEX = 2048
"""Bytes that are shown of what is no text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Bytes as a page shows them."""

    text: str
    size: int
    is_text: bool
    rest: int
    """Bytes or characters that are not shown."""


def shown(data: bytes) -> Shown:
    """Text where it is UTF-8, else a dump of its bytes."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        part = data[:HEX]
        lines = [
            f"{at:06x}  {part[at : at + 16].hex(' '):<47}  {_readable(part[at : at + 16])}"
            for at in range(0, len(part), 16)
        ]
        rest = len(data) - len(part)
        return Shown(text="\n".join(lines), size=len(data), is_text=False, rest=rest)
    rest = max(0, len(text) - LONGEST)
    return Shown(text=text[:LONGEST], size=len(data), is_text=True, rest=rest)


def _readable(data: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in data)


def came(story: Story) -> str:
    """By which way it came."""
    stored = story.stored
    if stored.message.kind is Kind.EVENT:
        return "made by mmconnect itself"
    if stored.message.device_id is None:
        return "made here, as a test"
    if stored.raw_headers is None:
        if stored.wiped_at is not None:
            return "from the phone; how is not known since it was wiped"
        return "fetched from the phone's inbox"
    agent = next(
        (
            value
            for name, _, value in (line.partition(": ") for line in stored.raw_headers.split("\n"))
            if name.lower() == "user-agent"
        ),
        "",
    )
    return f"pushed by the phone ({agent[:120]})" if agent else "pushed by the phone"


async def _message(request: web.Request) -> web.Response:
    message_id = request.match_info["id"]
    story = await desk(request).database.read(lambda db: message_page.story(db, message_id))
    return show(request, story)


def show(
    request: web.Request, story: Story, *, status: int = 200, wrong: dict[str, str] | None = None
) -> web.Response:
    """The page of a message."""
    stored = story.stored
    kind, words = marks.MESSAGES[story.state]
    return page(
        request,
        "messages/one.html",
        area="messages",
        status=status,
        wrong=wrong or {},
        story=story,
        stored=stored,
        message=stored.message,
        kind=kind,
        words=words,
        sentence=message_page.sentence(story),
        came=came(story),
        deliveries=marks.DELIVERIES,
        came_to=marks.came_to,
        payload=None if stored.payload is None else shown(stored.payload),
        own=[(way, shown(way.payload)) for way in story.ways if way.payload is not None],
        raw=None if stored.raw is None else shown(stored.raw),
        endpoints=[(one.id, one.name) for one in story.lacking],
    )


async def _raw(request: web.Request) -> web.Response:
    """The raw push as a file."""
    stored = await desk(request).database.read(
        lambda db: messages.get(db, request.match_info["id"])
    )
    if stored is None or stored.raw is None:
        raise NotFound("There is no raw push any more")
    return web.Response(
        body=stored.raw,
        content_type="application/octet-stream",
        headers={"Content-Disposition": f'attachment; filename="{stored.message.id}.bin"'},
    )


async def _send(request: web.Request) -> web.Response:
    """Send it to an endpoint that never got it."""
    message_id, made = request.match_info["id"], desk(request)
    form, by = await forms.read(request), actor(request)
    wanted = form.get("endpoint")
    try:
        if not wanted:
            raise Invalid(Issue(path="endpoint", message="Choose where it is to go"))
        endpoint = await made.database.read(lambda db: sending.sendable(db, [message_id], wanted))
    except Invalid as error:
        story = await made.database.read(lambda db: message_page.story(db, message_id))
        return show(request, story, status=400, wrong=forms.wrong(error))
    now = made.clock.now()
    sent = await made.change(
        lambda db: sending.some(db, [message_id], endpoint, ids=made.ids, now=now, by=by)
    )
    if (why := sending.refusal(sent)) is not None:
        raise Refused(why)
    answer = see(request, f"/messages/{message_id}")
    return say(request, answer, f"It goes to {endpoint.name}.")


_ID = f"{{id:{MESSAGE}[0-9A-Za-z]+|evt_[0-9A-Za-z]+}}"
ROUTES = (
    web.get(f"/messages/{_ID}", _message),
    web.get(f"/messages/{_ID}/raw", _raw),
    web.post(f"/messages/{_ID}/send", _send),
)
