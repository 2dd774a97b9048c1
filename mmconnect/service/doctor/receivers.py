"""Are the receivers' names resolved, and does something listen there? Connects, and sends nothing.

By the same way as texts go: the address rule, the time limits and the check of certificates are
those of delivery. No attempt is made or counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address

from mmconnect.delivery.dial import CONNECT_TIMEOUT, Dialer, NotConnected
from mmconnect.delivery.route import Unsendable, Way, route
from mmconnect.desk.doctor import Check, Finding, Findings
from mmconnect.desk.wording import ended, many
from mmconnect.domain.models import Endpoint, EndpointState
from mmconnect.webhook.addresses import AddressRule
from mmconnect.webhook.outcome import Trouble, judge_trouble

DNS = Check("dns", "Names of the receivers")
RECEIVERS = Check("receivers", "Receivers")
AT_ONCE, MOST = 16, 128
_NAMES = (Trouble.DNS, Trouble.NO_DNS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """What came of one endpoint."""

    endpoint: str
    """Its name."""
    host: str = ""
    """`host:port`; empty when the URL cannot be used."""
    named: bool = False
    """Whether that is a name, and no address."""
    paused: bool = False
    """Whether a person has paused it."""
    trouble: Trouble | None = None
    detail: str = ""


def check(found: Sequence[Reached], *, left: int = 0) -> Findings:
    """Judge; `left`: endpoints that were not looked at."""
    names = [one for one in found if one.named]
    unknown = [one for one in names if one.trouble in _NAMES]
    for one in unknown:
        yield _told(DNS, one)
    if names and not unknown:
        yield DNS.ok(f"{many(len(names), 'name was', 'names were')} resolved.")
    asked = [one for one in found if one not in unknown]
    for one in asked:
        if one.trouble is not None:
            yield _told(RECEIVERS, one)
    reached = [one for one in asked if one.trouble is None]
    if reached:
        places = ", ".join(f"{one.endpoint} ({one.host})" for one in reached[:4])
        more = f" and {len(reached) - 4} more" if len(reached) > 4 else ""
        yield RECEIVERS.ok(f"Somebody listens at {places}{more}. Nothing was sent.")
    if left:
        more = many(left, "more endpoint was", "more endpoints were")
        yield RECEIVERS.skipped(f"{more} not looked at.")


def _told(check: Check, one: Reached) -> Finding:
    detail = "" if one.detail.startswith("Connect call failed") else one.detail
    sentence = judge_trouble(one.trouble or Trouble.INTERNAL, detail).error or ""
    first, _, remedy = sentence.partition(". ")
    at = f" ({one.host})" if one.host else ""
    made = check.note if one.paused else check.problem
    paused = " It is paused." if one.paused else ""
    return made(
        f"{one.endpoint}{at}: {ended(first)}{paused}",
        ended(remedy) or "Look at the endpoint's page.",
    )


async def reach(
    endpoints: Sequence[Endpoint], rule: Callable[[], AddressRule], dialer: Dialer
) -> list[Reached]:
    """Connect to each, and close again."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(endpoint: Endpoint) -> Reached:
        async with gate:
            return await _reach(endpoint, rule(), dialer)

    return list(await asyncio.gather(*(one(endpoint) for endpoint in endpoints[:MOST])))


async def _reach(endpoint: Endpoint, rule: AddressRule, dialer: Dialer) -> Reached:
    reached = Reached(endpoint=endpoint.name, paused=endpoint.state is EndpointState.PAUSED)
    try:
        way = route(Way(url=endpoint.url, ca=endpoint.ca, plain_http=endpoint.plain_http))
    except Unsendable as error:
        return replace(reached, trouble=error.trouble, detail=error.detail)
    reached = replace(reached, host=f"{way.host}:{way.port}", named=_is_name(way.host))
    until = asyncio.get_running_loop().time() + CONNECT_TIMEOUT
    try:
        connection = await dialer.connect(way, rule, until)
    except NotConnected as error:
        return replace(reached, trouble=error.trouble, detail=error.detail)
    connection.abort()
    return reached


def _is_name(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return True
    return False
