"""Signing in to a phone's own server, as a form or a call asks for it: tried at once.

The password goes to the phone and is forgotten. What goes wrong is Invalid, by the names `phoneUrl`
and `phonePassword`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mmconnect.desk import device_links
from mmconnect.domain.clock import Clock
from mmconnect.domain.errors import Invalid, Issue, Refused
from mmconnect.phones.clients.http import PhoneHttp
from mmconnect.phones.pulling import PORTS
from mmconnect.phones.pulling.signing_in import SignedIn, normal_url, sign_in
from mmconnect.webhook.addresses import AddressRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A phone that let us in."""

    app: str
    phone: SignedIn


async def accessed(
    app: str,
    url: str,
    user: str,
    password: str,
    clock: Clock,
    rule: Callable[[], AddressRule],
) -> Access | None:
    """Try the phone at `url`; None when that is empty. Raises Invalid with what is wrong.

    `rule`: which addresses no phone can have.
    """
    if not url:
        if password:
            raise _wrong("Say where the phone's server is, too")
        return None
    fetched = device_links.fetchable(app)
    if fetched is None:
        raise _wrong(f"Texts can be fetched from {' and '.join(PORTS)}; leave this empty")
    try:
        normal = normal_url(url, fetched)
    except ValueError as error:
        raise _wrong(str(error)) from error
    http = PhoneHttp(rule)
    try:
        phone = await sign_in(fetched, normal, user or device_links.USER, password, clock, http)
    except Refused as error:
        raise _wrong(str(error)) from error
    finally:
        await http.close()
    return Access(app=fetched, phone=phone)


def _wrong(sentence: str) -> Invalid:
    return Invalid(Issue(path="phoneUrl", message=sentence))
