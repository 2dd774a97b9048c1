"""The index of what texts hold, built at once as the service builds it bit by bit."""

from __future__ import annotations

import sqlite3

from mmconnect.store import segment_building as building
from mmconnect.store import segments
from mmconnect.store.connection import transaction


def build(db: sqlite3.Connection, wanted: building.Range) -> bool:
    """One segment; whether it stands."""
    with transaction(db):
        draft = building.begin(db, wanted)
    if draft is None:
        return False
    while building.read(db, draft, 100):
        pass
    with transaction(db):
        return building.write(db, draft, list(draft.postings())) and building.finish(db, draft)


def build_all(db: sqlite3.Connection) -> int:
    """Everything that the service would build; how many segments."""
    built = 0
    with transaction(db):
        while segments.clear(db, 1000):
            pass
    for one in building.dropped(db):
        built += build(db, one.range)
    while (wanted := building.next_range(db)) is not None:
        built += build(db, wanted)
    return built
