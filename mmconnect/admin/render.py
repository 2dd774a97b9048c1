"""Pages from templates. How to add one:

* a file in admin/pages/ with `async def …(request) -> web.StreamResponse` and `ROUTES`, which
  admin/routes.py collects; a template in templates/admin/ that extends `admin/base.html`;
* `return page(request, "endpoints/list.html", area="endpoints", endpoints=…)`. In templates:
  `url(path, **query)` for every link, macros of `admin/_macros.html` for every component (all of
  them are shown at /patterns), of `admin/_charts.html` (import it `with context`) for charts,
  filters `time`, `ago`, `duration`, `many`, `with_code`;
* a form is read with forms.read(), refused by raising or catching Invalid (`page(…, status=400,
  form=form, wrong=wrong(error))`), and obeyed with `return say(request, see(request, path), …)`;
* what changes by itself stands in an element with an id and `data-live`: the script fetches the
  page again now and then and puts these elements in the place of the old ones.

What a template shows is a stranger's input: it is always escaped, and nothing here takes that away.
"""

from __future__ import annotations

from typing import Any

import jinja2
from aiohttp import web

from mmconnect import __version__
from mmconnect.admin import assets, entrance
from mmconnect.admin.charts import columns
from mmconnect.admin.context import desk, url
from mmconnect.admin.flash import COOKIE, FLASHES
from mmconnect.admin.forms import Form
from mmconnect.admin.words import FILTERS, ago, duration, many, moment
from mmconnect.web import templates

TEMPLATES = web.AppKey("templates", jinja2.Environment)

AREAS = (
    ("overview", "Overview", "/"),
    ("messages", "Messages", "/messages"),
    ("deliveries", "Deliveries", "/deliveries"),
    ("endpoints", "Endpoints", "/endpoints"),
    ("phones", "Phones", "/phones"),
)
MORE_AREAS = (("settings", "Settings", "/settings"), ("help", "Help", "/help"))


def environment() -> jinja2.Environment:
    """The templates, with what all pages of this site may use."""
    made = templates.environment()
    made.filters |= {**FILTERS, "columns": columns}
    made.globals |= {
        "version": __version__,
        "areas": AREAS,
        "more_areas": MORE_AREAS,
        "no_form": Form(),
    }
    return made


def page(
    request: web.Request, template: str, *, area: str = "", status: int = 200, **values: Any
) -> web.Response:
    """A page; `area` is the entry of the navigation that it belongs to."""
    said = request.app[FLASHES].take(request.cookies.get(COOKIE))
    now = desk(request).clock.now()
    html = (
        request.app[TEMPLATES]
        .get_template(f"admin/{template}")
        .render(
            **{
                "area": area,
                "said": said,
                "now": now,
                "site": desk(request).look().tenant.name,
                "theme": desk(request).look().preferences.appearance,
                "inside": entrance.inside(request),
                "here": request.path_qs,
                "url": lambda path, **query: url(request, path, **query),
                "asset": lambda name: url(
                    request, f"{assets.PREFIX}{name}", v=assets.version(name)
                ),
                "ago": lambda ms: ago(ms, now),
                "moment": moment,
                "duration": duration,
                "many": many,
                "form": Form(),
                "wrong": {},
            }
            | values
        )
    )
    answer = web.Response(text=html, content_type="text/html", status=status)
    if said is not None:
        answer.del_cookie(COOKIE, path="/")
    return answer
