"""/help/recipes: complete files that hand texts on, to read, to copy and to download."""

from __future__ import annotations

import re

from aiohttp import web

from mmconnect.admin.context import url
from mmconnect.admin.render import page
from mmconnect.desk import recipes

_ADD = re.compile(r'^mmconnect endpoint add (\S+) --name "?([^"\n]+?)"?(?: --events (\S+))?$', re.M)


async def _recipes(request: web.Request) -> web.Response:
    groups: dict[str, list[recipes.Recipe]] = {}
    for name in recipes.names():
        one = recipes.recipe(name)
        groups.setdefault(one.group, []).append(one)
    return page(request, "help/recipes.html", area="help", groups=groups)


async def _recipe(request: web.Request) -> web.Response:
    one = recipes.recipe(request.match_info["name"])
    return page(
        request,
        "help/recipe.html",
        area="help",
        recipe=one,
        files=[(name, recipes.file(one.name, name)) for name in one.files],
        add=_add_link(request, one),
    )


def _add_link(request: web.Request, one: recipes.Recipe) -> str:
    """To the page that adds the endpoint, with its URL and name filled in."""
    for step in one.steps:
        if told := _ADD.search(step.code):
            return url(request, "/endpoints/new", url=told[1], name=told[2])
    return url(request, "/endpoints/new")


async def _file(request: web.Request) -> web.Response:
    """One file, to be saved as it stands."""
    name, of = request.match_info["name"], request.match_info["file"]
    return web.Response(
        text=recipes.file(name, of),
        content_type="text/plain",
        charset="utf-8",
        headers={"Content-Disposition": f'attachment; filename="{of}"'},
    )


ROUTES = (
    web.get("/help/recipes", _recipes),
    web.get("/help/recipes/{name}", _recipe),
    web.get("/help/recipes/{name}/{file}", _file),
)
