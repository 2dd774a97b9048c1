"""How a thing is, as every page says it: the same word, shape and colour wherever it stands.

`good` is a disc, `bad` a cross (something stands still or is lost until somebody acts), `warn` a
triangle (somebody should look), `wait` a ring, `off` a bar, `none` an empty square. Knows the
states of the domain and the desk, and no page.
"""

from __future__ import annotations

from mmconnect.desk import delivery_page
from mmconnect.desk.device_page import Page, State
from mmconnect.desk.doctor import Mark as Finding
from mmconnect.domain.models import Attempt, DeliveryState
from mmconnect.store.message_query import MessageState
from mmconnect.webhook.outcome import OutcomeClass

Mark = tuple[str, str]
"""The shape with its colour, and the word."""

MESSAGES: dict[MessageState, Mark] = {
    MessageState.WAITING: ("wait", "waiting"),
    MessageState.FAILED: ("bad", "failed"),
    MessageState.DELIVERED: ("good", "delivered"),
    MessageState.UNWANTED: ("none", "nobody wanted it"),
    MessageState.UNRECOGNISED: ("warn", "not understood"),
    MessageState.KEPT_BACK: ("warn", "kept back"),
}
DELIVERIES: dict[DeliveryState, Mark] = {
    DeliveryState.PENDING: ("wait", "waiting"),
    DeliveryState.IN_FLIGHT: ("wait", "being sent"),
    DeliveryState.DELIVERED: ("good", "delivered"),
    DeliveryState.FAILED: ("bad", "failed"),
    DeliveryState.EXPIRED: ("bad", "expired"),
    DeliveryState.CANCELLED: ("off", "cancelled"),
}
PHONES: dict[State, Mark] = {
    State.FINE: ("good", "works"),
    State.SILENT: ("bad", "silent"),
    State.AWAY: ("bad", "cannot be reached"),
    State.REFUSED: ("bad", "refused"),
    State.NOT_UNDERSTOOD: ("warn", "not understood"),
    State.NEVER_HEARD: ("wait", "not heard yet"),
}
FINDINGS: dict[Finding, Mark] = {
    Finding.OK: ("good", "ok"),
    Finding.NOTE: ("warn", "to know"),
    Finding.PROBLEM: ("bad", "problem"),
    Finding.SKIPPED: ("none", "not looked at"),
}
_ATTEMPTS = {
    OutcomeClass.DELIVERED: "good",
    OutcomeClass.NOT_REACHED: "warn",
    OutcomeClass.INTERRUPTED: "warn",
}


def phone(found: Page) -> Mark:
    """As PHONES; of one that works, but of which there is something to say, that."""
    if found.state is State.FINE and found.notes:
        return "warn", "needs a look"
    return PHONES[found.state]


def came_to(made: Attempt) -> str:
    """What an attempt came to, on one line: `204 in 38 ms`, `not reached, 12 times`."""
    took = f" in {made.duration_ms:,} ms" if made.duration_ms is not None else ""
    what = str(made.status or delivery_page.words(made)[0])
    times = f", {made.count:,} times" if made.count > 1 else ""
    return f"{what}{took}{times}"


def attempt(made: Attempt) -> str:
    """The shape of an attempt, by its class; what it came to says the word."""
    return _ATTEMPTS.get(OutcomeClass(made.outcome), "bad")
