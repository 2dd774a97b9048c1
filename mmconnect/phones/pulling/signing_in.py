"""The first word with a phone: is it there, is it the app, does it let us in?

The password is used here once, for a token, and kept nowhere. What goes wrong is a sentence for the
person who is adding the phone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from mmconnect.domain.clock import Clock
from mmconnect.domain.errors import Refused as NotDone
from mmconnect.phones.apps import smsforwarder
from mmconnect.phones.clients.http import PhoneHttp, Refused, Unreachable
from mmconnect.phones.clients.smsforwarder import SmsForwarder
from mmconnect.phones.clients.smsgate import SmsGate, Tokens, basic, version_of
from mmconnect.phones.pulling import PORTS

READABLE_SINCE = (1, 59)
"""The first version of SMS Gateway whose inbox can be read."""
WANTED = "1.66.2"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A phone that lets us in."""

    url: str
    phone_id: str | None = None
    model: str | None = None
    version: str | None = None
    tokens: Tokens | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)


def normal_url(text: str, app: str) -> str:
    """`192.168.1.31` and `http://192.168.1.31:8080/` as scheme, host and port.

    Raises ValueError with a sentence.
    """
    given = text.strip()
    if "://" not in given:
        given = f"http://{given}"
    parts = urlsplit(given)
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not re.fullmatch(r"[0-9A-Za-z.\-_:]+", host):
        raise ValueError(f"{text!r} is no address of a phone: write http://192.168.1.31:8080")
    if parts.username or parts.query or parts.path not in ("", "/"):
        raise ValueError(f"{text!r}: write only http://ADDRESS:PORT; user and password go apart")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}:{parts.port or PORTS[app]}"


async def sign_in(
    app: str, url: str, user: str, password: str, clock: Clock, http: PhoneHttp | None = None
) -> SignedIn:
    """Try a phone. Raises errors.Refused with what is wrong and what to do."""
    asking = http or PhoneHttp()
    try:
        if app == smsforwarder.NAME:
            await SmsForwarder(asking, url, password or None, clock).received(1)
            return SignedIn(url=url, secret=password or None)
        return await _smsgate(asking, url, user, password)
    except Unreachable as why:
        raise NotDone(
            f"{url} does not answer: {why}. Nothing was added. Is the app's local server on, is the"
            " phone in this network, and is that the address that the app shows?"
        ) from None
    except Refused as why:
        said = _reason(why)
        if app == smsforwarder.NAME and "sign" in said:
            said += ". Is the password the sign secret of the app's server?"
        raise NotDone(f"The phone at {url} did not let mmconnect in: {said}") from None
    finally:
        if http is None:
            await asking.close()


async def _smsgate(asking: PhoneHttp, url: str, user: str, password: str) -> SignedIn:
    gate = SmsGate(asking, url)
    health = await gate.health()
    if version_of(health.version) < READABLE_SINCE:
        raise NotDone(
            f"The app on the phone is {health.version}; its inbox can be read since 1.59. Update it"
            f" to {WANTED} or newer (github.com/capcom6/android-sms-gateway/releases)"
        )
    phone_id, model = await gate.phone_id(basic(user, password))
    tokens = await gate.sign_in(user, password, health.version)
    return SignedIn(
        url=url, phone_id=phone_id, model=model or None, version=health.version, tokens=tokens
    )


def _reason(why: Refused) -> str:
    if why.status == 401:
        return "user or password is wrong. Both stand on the app's home tab, under Local server"
    return f"{why}"
