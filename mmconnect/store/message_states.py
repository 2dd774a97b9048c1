"""What became of messages, asked of their deliveries: as conditions for a list, and of one.

Each condition looks at a bounded number of rows by an index, and a message has exactly one state.
"""

from __future__ import annotations

import sqlite3
from collections import Counter

from mmconnect.domain.models import DeliveryState, Kind
from mmconnect.store.message_query import MessageState

ENDED = "(d.state = 'failed' OR d.state = 'expired' OR d.state = 'cancelled')"
"""As in the index `deliveries_ended`, so that it is used."""
_OF = "SELECT 1 FROM deliveries d WHERE d.message_id = m.id"
_ANY = f"EXISTS ({_OF})"
_WAITS = f"EXISTS ({_OF} AND (d.state = 'pending' OR d.state = 'in_flight'))"
_ENDED = f"EXISTS ({_OF} AND {ENDED})"
_KEPT = "EXISTS (SELECT 1 FROM kept_back k WHERE k.message_id = m.id)"

CONDITIONS = {
    MessageState.WAITING: _WAITS,
    MessageState.FAILED: f"{_ENDED} AND NOT {_WAITS}",
    MessageState.DELIVERED: f"{_ANY} AND NOT {_WAITS} AND NOT {_ENDED}",
    MessageState.UNWANTED: f"m.kind <> 'unrecognised' AND NOT {_ANY} AND NOT {_KEPT}",
    MessageState.KEPT_BACK: f"m.kind <> 'unrecognised' AND NOT {_ANY} AND {_KEPT}",
    MessageState.UNRECOGNISED: f"m.kind = 'unrecognised' AND NOT {_ANY}",
    MessageState.TEST: "m.test = 1",
}
"""Of a message `m`."""


def counts(db: sqlite3.Connection, message_id: str) -> Counter[DeliveryState]:
    """How many deliveries of a message are in which state."""
    rows = db.execute(
        "SELECT state, count(*) FROM deliveries WHERE message_id = ? GROUP BY state", (message_id,)
    )
    return Counter({DeliveryState(state): count for state, count in rows})


def state(
    db: sqlite3.Connection, message_id: str, kind: Kind, deliveries: Counter[DeliveryState]
) -> MessageState:
    """The state of a message whose deliveries were counted."""
    if deliveries[DeliveryState.PENDING] or deliveries[DeliveryState.IN_FLIGHT]:
        return MessageState.WAITING
    if deliveries.total() > deliveries[DeliveryState.DELIVERED]:
        return MessageState.FAILED
    if deliveries.total():
        return MessageState.DELIVERED
    if kind is Kind.UNRECOGNISED:
        return MessageState.UNRECOGNISED
    kept = db.execute("SELECT 1 FROM kept_back WHERE message_id = ?", (message_id,)).fetchone()
    return MessageState.UNWANTED if kept is None else MessageState.KEPT_BACK
