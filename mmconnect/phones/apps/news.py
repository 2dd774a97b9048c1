"""What a push tells about the phone itself: few, short, plain values for the phone's page.

Guards that the words of a text never end up here: device events are kept and shown differently
from messages, and wiping a text would not reach them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from mmconnect.phones.apps.wire import Fields

_MAX_VALUES, _MAX_NAME, _MAX_VALUE = 24, 40, 200
_MAX_CARDS = 4
_PRIVATE = frozenset(
    (
        "message",
        "text",
        "body",
        "content",
        "msg",
        "sms",
        "data",
        "org_content",
        "message_body",
        "title",
        "subject",
        "secret",
        "password",
        "token",
        "phone_token",
        "sign",
        "log",
    )
)


def details(fields: Mapping[str, object]) -> dict[str, object]:
    """The plain values among `fields`, without those that may be words of a text or a secret."""
    found: dict[str, object] = {}
    for name, value in fields.items():
        if len(found) == _MAX_VALUES:
            break
        if len(name) <= _MAX_NAME and name.lower() not in _PRIVATE:
            kept = _plain(value)
            if kept is not None:
                found[name] = kept
    return found


def health(payload: Fields) -> dict[str, object]:
    """SMSGate's `health` object flat: `version`, `status`, and each check's observed value."""
    told = payload.get("health")
    if not isinstance(told, dict):
        return {}
    checks = told.get("checks")
    observed = {
        name: check.get("observedValue")
        for name, check in (checks if isinstance(checks, dict) else {}).items()
        if isinstance(check, dict)
    }
    return details(told) | details(observed)


def sim_cards(payload: Fields) -> dict[str, object]:
    """SMSGate's `simCards` without the numbers that identify the cards themselves."""
    told = payload.get("simCards")
    if not isinstance(told, list):
        return {}
    wanted = ("simNumber", "phoneNumber", "carrierName")
    cards = [card for card in told[:_MAX_CARDS] if isinstance(card, dict)]
    return {
        "simCards": [
            {name: kept for name in wanted if (kept := _plain(card.get(name))) is not None}
            for card in cards
        ]
    }


def _plain(value: object) -> object:
    if isinstance(value, str):
        return value[:_MAX_VALUE]
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else None
    return value if isinstance(value, float) and math.isfinite(value) else None
