"""/help/webhooks: the webhook reference with this appliance's own values."""

from __future__ import annotations

from aiohttp import web

from mmconnect.admin.context import desk
from mmconnect.admin.render import page
from mmconnect.desk import reference, snippets
from mmconnect.desk.endpoint_values import schedule_words, words
from mmconnect.webhook import schedule


async def _webhooks(request: web.Request) -> web.Response:
    here = desk(request)
    look = here.look()
    chosen = snippets.language(request.query.get("language"))
    return page(
        request,
        "help/webhooks.html",
        area="help",
        tenant=look.tenant,
        endpoints=sorted(look.endpoints.values(), key=lambda one: one.name.casefold()),
        own=sorted(map(str, here.around().own)),
        example=await reference.example(here),
        fields=reference.FIELDS,
        headers=reference.HEADERS,
        rules=reference.rules(),
        events=reference.EVENTS,
        schedule_words=schedule_words,
        words=words,
        default_schedule=schedule_words(schedule.DEFAULT),
        default_age=words(schedule.DEFAULT_MAX_AGE),
        languages=snippets.LANGUAGES,
        language=chosen,
        files=[(name, snippets.code(name)) for name in chosen.files],
        run=chosen.run.format(port=8490),
    )


ROUTES = (web.get("/help/webhooks", _webhooks),)
