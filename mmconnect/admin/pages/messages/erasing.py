"""Wiping, deleting, purging, and reading again: what changes a message for good asks first."""

from __future__ import annotations

from aiohttp import web

from mmconnect.admin.context import desk, see
from mmconnect.admin.entrance import actor
from mmconnect.admin.flash import say
from mmconnect.admin.forms import read
from mmconnect.admin.render import page
from mmconnect.admin.words import many
from mmconnect.desk import erasing, message_page, rereading
from mmconnect.desk.message_page import Story
from mmconnect.domain.errors import Invalid, Issue
from mmconnect.domain.models import DeliveryState
from mmconnect.store import messages
from mmconnect.store.erasure import Deleted

_READ = (rereading.Fate.UNDERSTOOD, rereading.Fate.DUPLICATE, rereading.Fate.EVENT)
_GONE = "Its bytes leave the files of this machine within minutes; backups keep what they hold."


async def _story(request: web.Request) -> Story:
    message_id = request.match_info["id"]
    return await desk(request).database.read(lambda db: message_page.story(db, message_id))


async def _ask_wipe(request: web.Request) -> web.Response:
    story = await _story(request)
    here = f"/messages/{story.stored.message.id}"
    sentences = [
        "The text goes from everywhere that it stands: the push, what was sent, what was answered."
        " When it came, from whom, and what became of it stays.",
        "It cannot be sent again, and this cannot be undone.",
        _GONE,
    ]
    return _confirm(request, "Wipe the text?", sentences, f"{here}/wipe", "Wipe it", here)


async def _wipe(request: web.Request) -> web.Response:
    message_id = request.match_info["id"]
    made = desk(request)
    await erasing.wipe(made.change, message_id, clock=made.clock, by=actor(request))
    return say(request, see(request, f"/messages/{message_id}"), "The text is wiped.")


async def _ask_delete(request: web.Request) -> web.Response:
    story = await _story(request)
    here = f"/messages/{story.stored.message.id}"
    sentences = [
        "The message goes, with its deliveries and all that is known of them."
        " The phone does not bring it back: it is still known as seen.",
        *_unsent(story.counts[DeliveryState.PENDING]),
        "This cannot be undone. " + _GONE,
    ]
    return _confirm(request, "Delete the message?", sentences, f"{here}/delete", "Delete it", here)


async def _delete(request: web.Request) -> web.Response:
    message_id = request.match_info["id"]
    made = desk(request)
    done = await erasing.delete(made.change, [message_id], clock=made.clock, by=actor(request))
    if done.in_flight:
        answer = see(request, f"/messages/{message_id}")
        return say(request, answer, _under_way(done), kind="warn")
    return say(request, see(request, "/messages"), "The message is deleted.")


async def _ask_purge(request: web.Request) -> web.Response:
    number = _number(request.query.get("number", ""))
    what = await erasing.would_purge(desk(request).database.read, number)
    if not what.ids:
        answer = see(request, "/messages", q=number)
        told = f"No message came from {number}. Write the number whole, as the messages show it."
        return say(request, answer, told, kind="warn")
    count = f"{len(what.ids):,}{' or more' if what.more else ''}"
    written = sorted(what.names)
    sentences = [
        f"{count} {'message' if count == '1' else 'messages'} came from this number, written as"
        f" {', '.join(written[:6])}. They go with all that hangs on them, as does what the phones"
        " told of the number.",
        *_unsent(what.waiting),
        "This cannot be undone. " + _GONE,
    ]
    return _confirm(
        request,
        f"Delete everything from {number}?",
        sentences,
        "/messages/purge",
        "Delete all of it",
        "/messages",
        number=number,
    )


async def _purge(request: web.Request) -> web.Response:
    number = _number((await read(request)).get("number"))
    made = desk(request)
    done = await erasing.purge(
        made.database.read, made.change, number, clock=made.clock, by=actor(request)
    )
    told = f"{many(done.deleted, 'message is', 'messages are')} deleted."
    if done.in_flight:
        told += f" {_under_way(done)}"
    kind = "warn" if done.in_flight else "good"
    return say(request, see(request, "/messages"), told, kind=kind)


async def _reread(request: web.Request) -> web.Response:
    """Read what was not understood again."""
    message_id, made = request.match_info["id"], desk(request)
    await _story(request)
    now = made.clock.now()
    done = await made.change(lambda db: rereading.turn(db, message_id, made.ids, now), heavy=True)
    if done is None:
        return say(request, see(request, "/messages"), "It is gone already.", kind="warn")
    good = done.read.fate in _READ
    there = done.read.message_ids[0] if done.read.message_ids else message_id
    still = await made.database.read(lambda db: messages.get(db, there))
    answer = see(request, "/messages" if still is None else f"/messages/{there}")
    return say(request, answer, f"Read again: {done.sentence}.", kind="good" if good else "warn")


def _number(text: str) -> str:
    number = text.strip()[:200]
    if not number:
        raise Invalid(Issue(path="number", message="Name the number whose texts are to go"))
    return number


def _unsent(waiting: int) -> list[str]:
    told = many(waiting, "delivery waits, and never goes.", "deliveries wait, and never go.")
    return [told] if waiting else []


def _under_way(done: Deleted) -> str:
    count = len(done.in_flight)
    what = "It is" if count == 1 else f"{count} are"
    return f"{what} being sent at this moment and {'stays' if count == 1 else 'stay'}: try again."


def _confirm(
    request: web.Request,
    title: str,
    sentences: list[str],
    action: str,
    words: str,
    back: str,
    **fields: str,
) -> web.Response:
    return page(
        request,
        "confirm.html",
        area="messages",
        title=title,
        sentences=sentences,
        action=action,
        words=words,
        back=back,
        fields=fields,
    )


_ID = "{id:msg_[0-9A-Za-z]+}"
ROUTES = (
    web.get("/messages/purge", _ask_purge),
    web.post("/messages/purge", _purge),
    web.get(f"/messages/{_ID}/wipe", _ask_wipe),
    web.post(f"/messages/{_ID}/wipe", _wipe),
    web.get(f"/messages/{_ID}/delete", _ask_delete),
    web.post(f"/messages/{_ID}/delete", _delete),
    web.post(f"/messages/{_ID}/reread", _reread),
)
