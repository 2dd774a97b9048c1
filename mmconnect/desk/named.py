"""What somebody has named by ids, looked up before anything is done with it.

None is passed over in silence: one that is not there refuses all.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from mmconnect.domain.errors import NotFound
from mmconnect.store import sends


def messages(db: sqlite3.Connection, message_ids: Sequence[str]) -> None:
    """Raises NotFound unless all of these messages are there."""
    if missing := sends.unknown(db, message_ids):
        told = f"{', '.join(missing[:3])}{' …' if missing[3:] else ''}"
        raise NotFound(f"There is no message {told}", listed_by="message list")
