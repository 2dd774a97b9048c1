"""`/beat/{token}`: the heartbeat of any app, with what it cares to tell of its phone.

GET as well as POST, because some apps can only open a URL. Facts may stand in the query, in a form
or in JSON; the rest is not looked at, and nothing is stored but the facts. Guards that no text
ends here: what is clearly a text is refused, so that whoever mistook the address notices.
"""

from __future__ import annotations

import logging
import re

from mmconnect.phones import answers
from mmconnect.phones.apps import read
from mmconnect.phones.apps.body import decode
from mmconnect.phones.apps.news import details, health
from mmconnect.phones.apps.wire import Unreadable
from mmconnect.phones.entrance import Entrance
from mmconnect.phones.facts import facts
from mmconnect.phones.presence import Presences
from mmconnect.phones.push import Push, Texts
from mmconnect.phones.requests import push_of
from mmconnect.store.configuration import Entry
from mmconnect.web.body import BodyReader, Broken, TooLarge, TooSlow
from mmconnect.web.http import Answer, Request

log = logging.getLogger(__name__)

BEAT = "beat"
"""The first word of its path."""
_LOOKED_AT = 64 * 2**10
"""Bytes; what is larger is no heartbeat's body, and is not taken apart."""
_A_NUMBER = re.compile(r"\+?[\d ()-]{5,20}")


class Beats:
    """Answers heartbeats."""

    def __init__(self, entrance: Entrance, bodies: BodyReader, presences: Presences) -> None:
        self._entrance, self._bodies, self._presences = entrance, bodies, presences

    async def handle(self, request: Request) -> Answer:
        """One heartbeat (a Handler)."""
        if request.method not in ("GET", "POST", "PUT", "PATCH"):
            allowed = {"Allow": "GET, POST, PUT, PATCH"}
            what = "A heartbeat is a GET or a POST."
            return answers.error(405, "method_not_allowed", what, headers=allowed)
        entry = await self._entrance.admit(request, "/" + BEAT)
        if isinstance(entry, Answer):
            return entry
        try:
            push = push_of(request, await self._bodies.read(request))
        except TooLarge:
            return answers.error(413, "too_large", "A heartbeat is small.", close=True)
        except TooSlow:
            return answers.error(408, "too_slow", "The body took longer than 30 s.", close=True)
        except Broken:
            return answers.error(400, "broken_body", "The body is incomplete.", close=True)
        return self._take(entry, push, request.remote)

    def _take(self, entry: Entry, push: Push, address: str) -> Answer:
        device = entry.device
        if _is_text(entry, push):
            log.warning("A text of %s came to /beat/, where texts are not taken", device.name)
            what = "This is the address for heartbeats. Texts go to /in/ followed by the token."
            return answers.error(400, "not_a_heartbeat", what)
        # where a device signs its pushes, a heartbeat, which is not signed, says not where it is
        at = address if device.signing_key is None else None
        self._presences.heard(device.id, at, push.headers.get("user-agent"))
        self._presences.beat(device.id, facts(_told(push)))
        return answers.noted()


def _told(push: Push) -> dict[str, object]:
    """The names and values of query and body, without what may be words of a text."""
    fields: dict[str, object] = dict(push.query)
    payload: object = None
    if push.body and len(push.body) <= _LOOKED_AT:
        try:
            value = decode(push).value
        except Unreadable:
            value = None  # it beats all the same
        if isinstance(value, dict):
            fields |= value
            payload = value.get("payload")
    return details(fields) | (health(payload) if isinstance(payload, dict) else {})


def _is_text(entry: Entry, push: Push) -> bool:
    """Whether it is an SMS that somebody sent; a heartbeat has no phone number as its sender."""
    if not push.body or len(push.body) > _LOOKED_AT:
        return False
    reading = read(entry.device.app, push, entry.device.mapping)
    return isinstance(reading, Texts) and any(
        _A_NUMBER.fullmatch(text.sender.strip()) for text in reading.texts
    )
