"""The page of one attempt: the request as it was sent, its answer, and what follows.

A receiver's answer is a stranger's input: it is shown as text, never obeyed.
"""

from __future__ import annotations

from aiohttp import web

from mmconnect.admin import marks
from mmconnect.admin.context import desk
from mmconnect.admin.pages.deliveries.one import ID
from mmconnect.admin.render import page
from mmconnect.desk import delivery_page
from mmconnect.domain.models import DeliveryState
from mmconnect.webhook import curl, signing
from mmconnect.webhook.as_sent import Request
from mmconnect.webhook.headers import MASKED


def _head(request: Request) -> str:
    """Request line and headers, a line each."""
    return "\n".join([request.line, *[f"{name}: {value}" for name, value in request.headers]])


async def _attempt(request: web.Request) -> web.Response:
    delivery_id, number = request.match_info["id"], int(request.match_info["number"])
    found = await desk(request).database.read(
        lambda db: delivery_page.attempt_story(db, delivery_id, number)
    )
    story, attempt, sent = found.story, found.attempt, found.sent
    word, rule = delivery_page.words(attempt)
    last = not story.attempts or number == story.attempts[-1].number
    endpoint = story.endpoint
    masked = () if sent is None else [n for n, v in sent.first.headers if v == MASKED]
    return page(
        request,
        "deliveries/attempt.html",
        area="deliveries",
        found=found,
        story=story,
        delivery=story.delivery,
        beside=story.beside,
        attempt=attempt,
        sent=sent,
        mark=marks.attempt(attempt),
        word=word,
        rule=rule,
        due_at=story.delivery.due_at if last else None,
        waits=story.delivery.state is DeliveryState.PENDING,
        head=None if sent is None else _head(sent.first),
        again=None if sent is None or sent.repeat is None else _head(sent.repeat),
        body=None if found.body is None else found.body.decode("utf-8", "replace"),
        size=None if found.body is None else len(found.body),
        curl=None if sent is None else curl.command(sent.first),
        masked=masked,
        plain=sent is not None and any(n == signing.SIGNATURE for n, _ in sent.first.headers),
        ca=endpoint is not None and endpoint.ca is not None,
        numbers=[one.number for one in story.attempts],
    )


ROUTES = (web.get(f"/deliveries/{ID}/attempts/{{number:[0-9]{{1,9}}}}", _attempt),)
