"""One signed POST of a flight, and a second one for a receiver that knows only the previous secret.

Builds an attempt's headers: signatures by every secret that is valid at this very moment, the
attempt's number and id, and the owner's own headers, which never stand in for ours. Knows nothing
of schedules or of what follows from the answer. Whether a previous secret still signs is judged
here, from the instant that is stored with it, never by a job.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import lru_cache
from typing import Literal

from mmconnect import __version__
from mmconnect.delivery.route import Unsendable, route
from mmconnect.delivery.sender import Answer, Sender, Way
from mmconnect.domain.clock import iso
from mmconnect.domain.models import Endpoint, Flight
from mmconnect.domain.values import value_type
from mmconnect.webhook import as_sent, signing
from mmconnect.webhook.headers import is_ours

log = logging.getLogger(__name__)

NOT_ACCEPTED = frozenset({401, 403})
"""What a receiver answers when it finds that a signature does not fit."""


@value_type(frozen=True, slots=True, kw_only=True)
class Sent:
    """What came of one attempt."""

    answer: Answer
    """The one that counts; its duration is that of both POSTs where there were two."""
    known: Literal["previous"] | None = None
    """Which secret the receiver has shown to know. A 2xx at once shows nothing: it may check the
    new signature, the old one, or none (`endpoint check` finds out)."""
    remark: str | None = None
    """For the attempt's record and the log, whatever came of it."""
    request: str | None = None
    """What only this attempt knows of its request (webhook.as_sent); None: nothing can be sent."""


async def send_signed(
    sender: Sender, endpoint: Endpoint, flight: Flight, now: int, *, trusted: bool = True
) -> Sent:
    """POST a flight to its endpoint, signed as of `now` (UTC ms).

    While a previous secret is valid and the plain headers are on, a 401 or 403 is answered at once
    by the same request with the plain headers signed by the previous secret: part of the same
    attempt, which spends nothing of the schedule. `trusted` is whether nothing speaks against
    the clock; else no secret ends.
    """
    headers = sign(endpoint, flight, now, trusted=trusted)
    place = _place(endpoint.url, endpoint.headers)
    request = None if place is None else as_sent.note(headers, place)
    answer = await _post(sender, endpoint, headers, flight.body)
    previous = headers.get(signing.PREVIOUS_SIGNATURE)
    if answer.status not in NOT_ACCEPTED or previous is None:
        return Sent(answer=answer, request=request)
    if request is not None:
        request = as_sent.repeated(request)
    headers[signing.SIGNATURE] = previous
    headers[signing.HOSTED_SIGNATURE] = "sha256=" + previous
    second = await _post(sender, endpoint, headers, flight.body)
    took = answer.duration_ms + second.duration_ms
    if second.status in NOT_ACCEPTED:
        return Sent(
            answer=replace(answer, duration_ms=took),
            remark="The receiver accepts neither the current secret nor the previous one",
            request=request,
        )
    if second.status is None or not 200 <= second.status < 300:
        remark = f"It answered {answer.status} to the current secret, and this to the previous one"
        return Sent(answer=replace(second, duration_ms=took), remark=remark, request=request)
    ends = signing.valid(endpoint.secrets, now, trusted=trusted)[1].expires_at
    remark = (
        f"The receiver knows only the previous secret, which ends at {iso(ends or now)}: give it"
        " the new one"
    )
    if _told.get(endpoint.id) != ends:  # once a rotation, not with every text
        _told[endpoint.id] = ends
        log.warning("Endpoint %s: %s", endpoint.name, remark)
    return Sent(
        answer=replace(second, duration_ms=took), known="previous", remark=remark, request=request
    )


_told: dict[str, int | None] = {}
"""For which rotation of each endpoint the log has been told: a number for each, and no more."""


def sign(endpoint: Endpoint, flight: Flight, now: int, *, trusted: bool = True) -> dict[str, str]:
    """The headers of one attempt at `now` (UTC ms), signatures included."""
    headers = signing.signature_headers(
        signing.signing_secrets(endpoint.secrets, now, trusted=trusted),
        flight.message_id,
        now // 1000,
        flight.body,
        plain=endpoint.plain_headers,
    )
    headers[signing.ATTEMPT] = str(flight.number)
    headers[signing.DELIVERY] = flight.delivery_id
    if endpoint.headers:
        headers.update(_owners(endpoint.headers))
    return headers


@lru_cache(maxsize=256)
def _owners(headers: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """The owner's own headers, without any that is ours."""
    return {name: value for name, value in headers if not is_ours(name)}


@lru_cache(maxsize=256)
def _place(url: str, headers: tuple[tuple[str, str], ...]) -> str | None:
    """What an endpoint's requests have in common, for the record; None for an unusable URL."""
    try:
        there = route(Way(url=url))
    except Unsendable:
        return None
    own = list(_owners(headers))
    if there.authorization is not None and "authorization" not in {n.lower() for n in own}:
        own.append("Authorization")
    return as_sent.place(__version__, there.url, own)


async def _post(sender: Sender, endpoint: Endpoint, headers: dict[str, str], body: bytes) -> Answer:
    """The one place from which webhooks are posted."""
    way = Way(url=endpoint.url, ca=endpoint.ca, plain_http=endpoint.plain_http)
    return await sender.post(way, headers, body)
