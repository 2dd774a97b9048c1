"""A routing as its column holds it: JSON that has what is not empty."""

from __future__ import annotations

import json
from collections.abc import Sequence

from mmconnect.domain.models import EVERYTHING, Condition, Match, Routing


def written(routing: Routing) -> str:
    """Routing as the column holds it."""
    held = {
        "id": routing.id,
        "devices": sorted(routing.devices),
        "sims": sorted(routing.sims),
        "senders": [[c.match.value, c.value] for c in routing.senders],
        "texts": [[c.match.value, c.value] for c in routing.texts],
    }
    return json.dumps({name: value for name, value in held.items() if value}, ensure_ascii=False)


def read(text: str) -> Routing:
    """The reverse of written()."""
    held = json.loads(text)
    if not held:
        return EVERYTHING
    return Routing(
        id=held.get("id"),
        devices=frozenset(held.get("devices", ())),
        sims=frozenset(held.get("sims", ())),
        senders=_conditions(held.get("senders", ())),
        texts=_conditions(held.get("texts", ())),
    )


def _conditions(pairs: Sequence[tuple[str, str]]) -> tuple[Condition, ...]:
    return tuple(Condition(match=Match(match), value=value) for match, value in pairs)
