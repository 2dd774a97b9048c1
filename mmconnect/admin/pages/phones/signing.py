"""Signing in to a phone's own server, as a form asks for it: tried at once, with the reason if not.

The password goes to the phone and is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from mmconnect.admin.context import desk
from mmconnect.admin.forms import Form
from mmconnect.desk import device_links
from mmconnect.domain.errors import Invalid, Issue, Refused
from mmconnect.phones.clients.http import PhoneHttp
from mmconnect.phones.pulling import PORTS
from mmconnect.phones.pulling.signing_in import SignedIn, normal_url, sign_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A phone that let us in."""

    app: str
    phone: SignedIn


async def accessed(request: web.Request, form: Form, app: str) -> Access | None:
    """Try the phone that a form names by `phoneUrl`, `phoneUser` and `phonePassword`.

    None when it names none. Raises Invalid with what is wrong.
    """
    given = form.get("phoneUrl")
    if not given:
        if form.get("phonePassword"):
            raise Invalid(Issue(path="phoneUrl", message="Say where the phone's server is, too"))
        return None
    fetched = device_links.fetchable(app)
    if fetched is None:
        apps = " and ".join(PORTS)
        raise Invalid(
            Issue(path="phoneUrl", message=f"Texts can be fetched from {apps}; leave this empty")
        )
    try:
        url = normal_url(given, fetched)
    except ValueError as error:
        raise Invalid(Issue(path="phoneUrl", message=str(error))) from error
    at = desk(request)
    http = PhoneHttp(at.rule)
    user = form.get("phoneUser") or device_links.USER
    try:
        phone = await sign_in(fetched, url, user, form.get("phonePassword"), at.clock, http)
    except Refused as error:
        raise Invalid(Issue(path="phoneUrl", message=str(error))) from error
    finally:
        await http.close()
    return Access(app=fetched, phone=phone)
