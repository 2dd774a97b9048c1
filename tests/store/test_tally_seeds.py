"""What came before there were figures is counted once, however often counting is interrupted."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

from mmconnect.domain.days import DAY, HOUR
from mmconnect.domain.ids import DELIVERY, MESSAGE, first_at
from mmconnect.domain.models import Kind, Trigger
from mmconnect.store import migrate, outbox, tally_seeds
from mmconnect.store.connection import FILE, connect, transaction
from mmconnect.store.messages import take
from tests.store.conftest import House
from tests.store.making import NOW, attempt, delivery, ids, message, new_message

THIS = NOW - NOW % HOUR


def hour_of(at: int) -> int:
    return at - at % HOUR


def text(
    house: House,
    at: int,
    *,
    state: str = "delivered",
    trigger: Trigger = Trigger.PUSH,
    received_at: int | None = None,
) -> str:
    """A text of that time with a delivery and an attempt; the delivery's id."""
    value = message(house.device.id, received_at=received_at or at)
    value = replace(value, id=first_at(MESSAGE, at)[:-8] + ids.new(MESSAGE)[-8:])
    out = delivery(value, house.endpoint.id, trigger=trigger)
    out = replace(out, id=first_at(DELIVERY, at)[:-8] + out.id[-8:])
    take(house.db, new_message(value, [out]))
    good, came = state == "delivered", received_at or at
    outbox.record(
        house.db,
        attempt(
            out.id,
            started_at=came + 5,
            outcome="delivered" if good else "failing",
            status=200,
        ),
    )
    house.db.execute(
        "UPDATE deliveries SET state = ?, finished_at = ? WHERE id = ?",
        (state, came + 9, out.id),
    )
    return out.id


def begin(db: sqlite3.Connection) -> None:
    """As the migration does on a database that holds something."""
    sql = next(sql for _, name, sql in migrate.migrations() if name == "admin")
    for statement in sql.split(";"):
        if "INSERT INTO tally_seeds" in statement:
            db.execute(statement.replace("unixepoch() * 1000", str(NOW)))


def run(db: sqlite3.Connection, *, interrupted: bool = False) -> None:
    for what in (tally_seeds.TEXTS, tally_seeds.ATTEMPTS):
        while (found := tally_seeds.step(db, what, NOW - 90 * DAY, 2, hour_of)) is not None:
            if interrupted:  # what was read is lost, and read again
                interrupted = False
                continue
            with transaction(db):
                tally_seeds.keep(db, found)


def test_old_texts_and_attempts_are_counted_once(house: House):
    with transaction(house.db):
        for at in (THIS - DAY, THIS - DAY + 1, THIS - 2 * HOUR, THIS - HOUR, THIS - 200 * DAY):
            text(house, at)
        text(house, THIS - HOUR + 7, state="failed")
        text(house, THIS - HOUR + 8, state="failed", trigger=Trigger.TEST)
        take(house.db, new_message(message(None, received_at=THIS - HOUR + 9, test=True)))
        odd = message(house.device.id, received_at=THIS - HOUR + 9, kind=Kind.UNRECOGNISED)
        take(house.db, new_message(odd))
        text(house, THIS - HOUR + 10, received_at=NOW + 5)  # its clock was behind when it came
        begin(house.db)
        text(house, NOW + 5)  # came after: it was counted when it came
    run(house.db, interrupted=True)
    rows = "SELECT hour, texts FROM text_hours WHERE device_id = ? ORDER BY hour"
    for device_id in ("", house.device.id):
        assert house.db.execute(rows, (device_id,)).fetchall() == [
            (THIS - DAY, 2),
            (THIS - 2 * HOUR, 1),
            (THIS - HOUR, 3),
        ]
    assert house.db.execute(
        "SELECT hour, delivered, failed, given_up FROM endpoint_hours ORDER BY hour"
    ).fetchall() == [
        (THIS - DAY, 2, 0, 0),
        (THIS - 2 * HOUR, 1, 0, 0),
        (THIS - HOUR, 1, 1, 1),
    ]
    run(house.db)
    assert house.db.execute("SELECT sum(texts) FROM text_hours").fetchone() == (12,)
    assert house.db.execute("SELECT count(*) FROM tally_seeds").fetchone() == (0,)


def test_attempts_made_after_the_figures_began_are_not_counted_again(house: House):
    with transaction(house.db):
        waits = text(house, THIS - HOUR, state="pending")
        begin(house.db)
        outbox.record(house.db, attempt(waits, 2, started_at=NOW + 1))
    run(house.db)
    assert house.db.execute(
        "SELECT sum(delivered), sum(failed) FROM endpoint_hours"
    ).fetchone() == (0, 1)


def test_a_fresh_database_has_nothing_to_count(db: sqlite3.Connection):
    assert db.execute("SELECT count(*) FROM tally_seeds").fetchone() == (0,)
    assert tally_seeds.step(db, tally_seeds.TEXTS, 0, 10, hour_of) is None


def test_the_migration_begins_it(house: House, tmp_path):
    with transaction(house.db):
        text(house, THIS - HOUR)
    house.db.execute("DROP TABLE tally_seeds")
    for table in ("text_hours", "endpoint_hours", "audit", "api_keys", "sessions", "setup_codes"):
        house.db.execute(f"DROP TABLE {table}")
    seen = connect(tmp_path / FILE)
    sql = next(sql for _, name, sql in migrate.migrations() if name == "admin")
    part = sql[sql.index("CREATE TABLE tally_seeds") : sql.index("-- What was sent is in")]
    seen.executescript(part)
    assert {row[0] for row in seen.execute("SELECT what FROM tally_seeds")} == {
        "texts",
        "attempts",
    }
    seen.close()
