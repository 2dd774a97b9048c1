"""What an owner can set of an endpoint, and the rules that hold whoever sets it.

Pure. All that cannot be is said at once, each beside its field, and nothing is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from typing import Any, Final
from urllib.parse import urlsplit

from mmconnect.desk import endpoint_routing
from mmconnect.desk import endpoint_values as values
from mmconnect.domain.errors import Invalid, Issue, Refused
from mmconnect.domain.models import Endpoint, EndpointState, Numbers, Routing, Secret
from mmconnect.webhook import addresses, payload, schedule, signing


class Unset(Enum):
    """What stands for a value that was left out, as None may be one."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointChange:
    """New values for an endpoint; what is left out stays as it is. Units as in Endpoint."""

    url: str | Unset = UNSET
    name: str | Unset = UNSET
    numbers: Numbers | Unset = UNSET
    events: Collection[str] | Unset = UNSET
    max_age: int | Unset = UNSET
    schedule: tuple[int, ...] | Unset | None = UNSET
    """None: the default."""
    concurrency: int | Unset = UNSET
    strict_order: bool | Unset = UNSET
    plain_headers: bool | Unset = UNSET
    plain_http: bool | Unset = UNSET
    headers: values.Headers | Unset = field(default=UNSET, repr=False)
    """All of them."""
    routing: Routing | Unset = UNSET
    """Its id is kept or made."""
    ca: str | Unset | None = field(default=UNSET, repr=False)

    def given(self) -> dict[str, Any]:
        """What is not left out, by name."""
        named = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in named.items() if value is not UNSET}


_PATHS = {
    "max_age": "maxAge",
    "strict_order": "strictOrder",
    "plain_headers": "plainHeaders",
    "plain_http": "plainHttp",
}
_CHECKS: dict[str, Callable[[Any], Any]] = {
    "url": values.url,
    "name": values.name,
    "events": values.events,
    "max_age": values.lasting,
    "schedule": lambda waits: None if waits is None else values.waits(waits),
    "concurrency": values.concurrency,
    "headers": values.own_headers,
    "ca": lambda pem: None if pem is None else values.certificates(pem),
}


def fresh(*, id: str, url: str, name: str, secret: str, now: int) -> Endpoint:
    """An endpoint with the defaults: every text, and nothing else; `now` is UTC ms."""
    return Endpoint(
        id=id,
        name=name,
        url=url,
        state=EndpointState.ACTIVE,
        held_class=None,
        held_reason=None,
        numbers=Numbers.E164,
        events=frozenset({payload.RECEIVED}),
        max_age=schedule.DEFAULT_MAX_AGE,
        plain_headers=True,
        concurrency=values.CONCURRENCY,
        created_at=now,
        secrets=(Secret(value=secret, created_at=now, expires_at=None),),
    )


def changed(
    endpoint: Endpoint,
    change: EndpointChange,
    *,
    devices: Collection[str],
    new_id: Callable[[], str],
) -> Endpoint:
    """The endpoint with what is given; `devices` are the phones' ids, `new_id` makes a routing's.

    Raises Invalid with every issue, and Refused for the alert URL, which the settings hold.
    """
    if endpoint.alert:
        raise Refused(f"{endpoint.name} is the alert URL; it is changed in the settings")
    given, issues = change.given(), []
    for name, check in _CHECKS.items():
        if name in given:
            try:
                given[name] = check(given[name])
            except ValueError as error:
                issues.append(Issue(path=_PATHS.get(name, name), message=str(error)))
                del given[name]
    if "routing" in given:
        wanted = replace(given["routing"], id=endpoint.routing.id)
        try:
            known = {*devices, *endpoint.routing.devices}
            given["routing"] = endpoint_routing.checked(wanted, known, new_id)
        except LookupError as error:
            message = f"There is no phone {error.args[0]}"
            issues.append(Issue(path="routing.devices", message=message))
        except ValueError as error:
            issues.append(Issue(path="routing", message=str(error)))
    made = replace(endpoint, **given)
    if {"url", "plain_http"} & set(given) and (why := needs_consent(made.url, made.plain_http)):
        issues.append(Issue(path="plainHttp", message=why))
    if given.get("plain_headers") is False and signing.standard_key(made.secrets[0].value) is None:
        issues.append(
            Issue(
                path="plainHeaders",
                message="The endpoint's secret is not whsec_ + base64, so there is no"
                " webhook-signature: without the plain headers nothing would sign its texts",
            )
        )
    if issues:
        raise Invalid(*issues)
    return made


def needs_consent(url: str, plain_http: bool) -> str | None:
    """Why plain http to this URL wants the owner's consent; None where it does not.

    Names are judged when connecting, and not where nothing goes in any case.
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or plain_http:
        return None
    address = parts.hostname or ""
    try:
        may_go_plain = addresses.is_private(address) or addresses.AddressRule().refusal(address, 80)
    except ValueError:
        return None
    return None if may_go_plain else plain_words(address)


def plain_words(address: str) -> str:
    """What plain http to an address beyond the own network means, and what to do."""
    return (
        f"{address} is beyond your own network, and over plain http everybody on the way can"
        " read your texts. Use https, or consent to plain http"
    )
