"""The overview is read in a bounded way: no statement of it walks through the history."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

from mmconnect.desk import overview as module
from mmconnect.desk.overview import CHARTED, overview
from mmconnect.domain.models import EndpointState
from mmconnect.store.endpoint_uses import LOOKED_AT
from tests.support.desk import desk_of
from tests.support.inprocess import appliance

HISTORY = ("messages", "deliveries", "attempts", "dedupe_keys", "text_hours", "endpoint_hours")
SMALL = ("deliveries_parked", "messages_unrecognised")
"""Indexes that hold what is parked (512 at the most), and what was not understood."""


async def test_no_statement_walks_through_the_history(tmp_path: Path, monkeypatch: Any) -> None:
    seen: list[str] = []
    read = module._read

    def traced(db: sqlite3.Connection, *rest: Any, **more: Any) -> module.Overview:
        db.set_trace_callback(seen.append)
        try:
            return read(db, *rest, **more)
        finally:
            db.set_trace_callback(None)

    monkeypatch.setattr(module, "_read", traced)
    async with appliance(tmp_path) as box:
        for n in range(CHARTED + 2):
            await box.endpoint(f"http://127.0.0.1:9/{n}", state=EndpointState.PAUSED)
        for n in range(3):
            await box.text(f"text {n}")
        await box.push({"Content-Type": "application/json"}, b'{"nothing": "known"}')
        found = await overview(desk_of(box))
        assert len(found.latest) == 4
        assert found.waiting == 3 * (CHARTED + 2)
        assert [len(one.trend.bars) for one in found.endpoints] == [30] * CHARTED + [0, 0]
        plans = {
            sql: [row[3] for row in box.rows(f"EXPLAIN QUERY PLAN {sql}")]
            for sql in seen
            if sql.startswith("SELECT")
        }
    assert len(plans) > 20
    walks = [
        (line, sql)
        for sql, plan in plans.items()
        for line in plan
        if re.match(rf"SCAN (m |d |a )?({'|'.join(HISTORY)})?", line)
        and any(table in line for table in HISTORY)
        and not any(index in line for index in SMALL)
        and f"LIMIT {LOOKED_AT}" not in sql  # the newest few, by the primary key
    ]
    assert walks == []
