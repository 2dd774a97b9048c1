"""Which deliveries the address of a page, or a form, asks for; and links that ask the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mmconnect.admin import narrowing
from mmconnect.domain.errors import Invalid, Issue
from mmconnect.domain.models import DeliveryState
from mmconnect.store.delivery_lists import ATTENTION, Wanted

NAMES = ("state", "endpoint", "message", "since", "until")
LONGEST = 100
STATES: dict[str, tuple[str, frozenset[DeliveryState]]] = {
    "": ("any", frozenset()),
    "attention": ("needs attention", ATTENTION),
    "pending": ("waiting", frozenset({DeliveryState.PENDING})),
    "in_flight": ("being sent", frozenset({DeliveryState.IN_FLIGHT})),
    "delivered": ("delivered", frozenset({DeliveryState.DELIVERED})),
    "failed": ("failed", frozenset({DeliveryState.FAILED})),
    "expired": ("expired", frozenset({DeliveryState.EXPIRED})),
    "cancelled": ("cancelled", frozenset({DeliveryState.CANCELLED})),
}
"""What can be chosen: words, and the states that it means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked for."""

    wanted: Wanted
    given: dict[str, str]
    """The same as it was written, for links and hidden fields."""


def asked(values: Mapping[str, str]) -> Asked:
    """Read it. Raises Invalid."""
    given = as_given(values)
    if given.get("state", "") not in STATES:
        raise Invalid(Issue(path="state", message="Choose one of the list"))
    wanted = Wanted(
        states=STATES[given.get("state", "")][1],
        endpoint_id=given.get("endpoint"),
        message_id=given.get("message"),
        since=narrowing.since(given),
        until=narrowing.until(given),
        tests=given.get("state") != "attention",
    )
    return Asked(wanted=wanted, given=given)


def as_given(values: Mapping[str, str]) -> dict[str, str]:
    """What was written, right or wrong."""
    return narrowing.as_given(values, NAMES, LONGEST)
