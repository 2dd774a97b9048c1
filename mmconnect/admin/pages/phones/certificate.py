"""The certificate that an app needs whose pushes are sent over HTTPS alone: made by one button.

Asked about first, as from then on these pages are at https://, too, and browsers warn of that.
"""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from mmconnect.admin.context import desk
from mmconnect.admin.https_made import https_made
from mmconnect.admin.pages.phones import words
from mmconnect.admin.render import page


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What is missing for HTTPS, and whether a button can mend it."""

    can_make: bool
    """There is no certificate, and what makes one is installed."""


def certificate(request: web.Request) -> Certificate | None:
    """What is missing for HTTPS; None when it is there."""
    at = desk(request)
    if at.where().https:
        return None
    tls = at.machine.tls()
    return Certificate(can_make=tls.can_make and tls.authority is None and tls.server is None)


async def _ask(request: web.Request) -> web.Response:
    device = words.found(request)
    return page(
        request,
        "confirm.html",
        area="phones",
        title="Make a certificate for HTTPS?",
        sentences=[
            "mmconnect makes a CA of its own and a certificate for this machine, and opens its"
            " HTTPS ports. The phone then has to install the CA once: the pairing page says how.",
            "From then on these pages are at https://, too. Your browser does not know the CA yet,"
            " so it warns you once, and you log in again; install the CA there as well, from"
            " `/ca.crt`, and the warning is gone.",
        ],
        action=words.path(device, "certificate"),
        words="Make the certificate",
        back=words.path(device, "pair"),
        danger=False,
    )


async def _make(request: web.Request) -> web.StreamResponse:
    device, at = words.found(request), desk(request)
    await at.machine.create_authority()
    await at.change(lambda db: words.note(request, db, "tls.authority_created", device))
    return await https_made(request, words.path(device, "pair"), area="phones")


ROUTES = (
    web.get("/phones/{id}/certificate", _ask),
    web.post("/phones/{id}/certificate", _make),
)
