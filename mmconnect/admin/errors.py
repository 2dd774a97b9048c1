"""What went wrong, as a page: what happened, and what to do. Never with what was asked in it."""

from __future__ import annotations

import logging

from aiohttp import web
from aiohttp.typedefs import Handler

from mmconnect import paths
from mmconnect.admin.render import page
from mmconnect.domain.errors import Invalid, NotFound, Refused, StoreUnavailable

log = logging.getLogger(__name__)

_TOLD = {
    403: ("Not from there", "This request did not come from a page of mmconnect itself."),
    404: ("There is no such page", "It may have been removed, or the link has a mistake in it."),
    405: ("That cannot be done here", "Go back, and use the buttons of the page."),
    413: ("That is too much", "What was sent is larger than anything that is asked for here."),
    429: ("Too often", "Wait a minute, then try again."),
}


@web.middleware
async def told_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer an error with a page; one of ours is logged, without the request."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400 or error.content_type == "application/json":
            raise
        title, sentence = _TOLD.get(error.status, ("That did not work", error.reason))
        own = error.text or ""
        if own and not own.startswith(f"{error.status}:"):  # raised with words of its own
            sentence = own
        return _told(request, error.status, title, sentence)
    except NotFound as error:
        return _told(request, 404, "It is not there", str(error))
    except Refused as error:
        return _told(request, 409, "That cannot be done as things stand", str(error))
    except Invalid as error:
        return _told(request, 400, "That cannot be", str(error))
    except StoreUnavailable as error:
        log.warning("A page could not write: %s", error)
        return _told(
            request,
            503,
            "The database cannot be written just now",
            f"{error}. Nothing was changed. Texts that come meanwhile are refused, so that phones"
            " send them again. Free some disk space, or look at the disk, then try again.",
        )
    except Exception:
        if paths.replaced():
            raise  # web/later.py says what is going on
        log.exception("A page failed")
        return _told(
            request, 500, "Something went wrong in mmconnect", "The log says what. Texts go on."
        )


def _told(request: web.Request, status: int, title: str, sentence: str) -> web.Response:
    return page(request, "error.html", status=status, title=title, sentence=sentence)
