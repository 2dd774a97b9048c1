"""/help: what do you want to do?"""

from __future__ import annotations

from aiohttp import web

from mmconnect.admin import topics
from mmconnect.admin.forms import filled
from mmconnect.admin.render import page

LONGEST = 200
"""Letters of a question that are looked at."""


async def _index(request: web.Request) -> web.Response:
    question = request.query.get("q", "").strip()[:LONGEST]
    return page(
        request,
        "help/index.html",
        area="help",
        question=question,
        form=filled(q=question),
        groups=topics.found(question) if question else topics.beginnings(),
    )


ROUTES = (web.get("/help", _index),)
