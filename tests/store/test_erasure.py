"""Wiping and deleting: every column, nothing that waits, and not one byte of it in the files."""

from __future__ import annotations

import json
import random
import re
import sqlite3
from pathlib import Path
from urllib.parse import quote_plus

import pytest

from mmconnect.domain.models import Attachment, Kind
from mmconnect.store import deliveries, devices, erasure, messages, mms, outbox, remains, settings
from mmconnect.store.connection import FILE, connect, transaction
from mmconnect.store.erasure import Deleted
from mmconnect.store.messages import Keys, NewMessage, take
from tests.store.conftest import House
from tests.store.making import DAY, NOW, attempt, delivery, device, message, new_message

MARK = "Grüße-Marker-7f3a-🙂"
FORMS = (
    MARK.encode(),
    json.dumps(MARK)[1:-1].encode(),
    quote_plus(MARK).encode(),
    MARK.encode("utf-16-le"),
)


def marked(house: House, state: str = "delivered", mark: str = MARK, more: str = "") -> str:
    """A text that quotes `mark` wherever one can, with an attempt that quotes it too; its id."""
    value = message(
        house.device.id,
        mark + more,
        kind=Kind.MMS,
        subject=mark,
        attachments=(Attachment(name=mark, content_type="image/jpeg", size=7),),
    )
    out = delivery(value, house.endpoint.id, payload=json.dumps({"text": mark + more}).encode())
    new = NewMessage(
        message=value,
        payload=json.dumps({"text": mark + more}, ensure_ascii=False).encode(),
        keys=Keys(event=value.id.encode()[-16:]),
        raw=f"from=x&text={quote_plus(mark + more)}".encode(),
        raw_headers=f"X-Text: {quote_plus(mark)}",
        note=mark,
        deliveries=[out],
    )
    with transaction(house.db):
        take(house.db, new)
        house.db.execute("UPDATE deliveries SET state = ? WHERE id = ?", (state, out.id))
        outbox.record(
            house.db,
            attempt(
                out.id,
                status=302,
                error=f"moved to http://there/?q={quote_plus(mark)}",
                response_headers=f"Location: /?q={quote_plus(mark)}",
                response_body=f"you said {mark}{more}",
            ),
        )
        house.db.execute(
            "INSERT INTO mms_notices VALUES (?, ?, ?, ?, 'alone', NULL, ?, ?, ?)",
            (value.id, house.device.id, "+6581230000", NOW, mark, mark.encode(), mark),
        )
    return value.id


def bytes_of(directory: Path) -> dict[str, bytes]:
    """Every file of a data directory."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def holding(directory: Path, forms: tuple[bytes, ...] = FORMS) -> list[str]:
    """The files that hold one of these."""
    return [name for name, data in bytes_of(directory).items() if any(f in data for f in forms)]


def clean(db: sqlite3.Connection, path: Path) -> None:
    assert remains.truncate_log(db)
    assert remains.clear(path, list(remains.middles(path)))
    assert remains.truncate_log(db)


# -- wiping ---------------------------------------------------------------------------------------


def test_wiping_covers_every_column_and_keeps_what_is_no_text(house: House, tmp_path: Path):
    wiped, other = marked(house), marked(house, mark="something else")
    assert holding(tmp_path) != []
    with transaction(house.db):
        assert erasure.wipe(house.db, [wiped, "msg_none"], NOW + 5) == 1
    clean(house.db, tmp_path / FILE)
    assert holding(tmp_path) == []

    kept = messages.get(house.db, wiped)
    assert kept is not None
    assert (kept.wiped_at, kept.raw, kept.raw_headers, kept.payload) == (NOW + 5, None, None, None)
    assert (kept.message.text, kept.message.subject, kept.note) == ("", None, None)
    assert kept.message.attachments == (Attachment(name=None, content_type="image/jpeg", size=7),)
    assert (kept.message.sender, kept.message.received_at) == ("+6581230000", NOW)
    (out,) = deliveries.of_message(house.db, wiped)
    (tried,) = deliveries.attempts(house.db, out.id)
    assert (out.state, tried.status, tried.error) == ("delivered", 302, erasure.REDIRECTED)
    spared = messages.get(house.db, other)
    assert spared is not None
    assert (spared.wiped_at, spared.message.text) == (None, "something else")
    assert [r[0] for r in house.db.execute("PRAGMA integrity_check")] == ["ok"]


@pytest.mark.parametrize("state", ["pending", "in_flight"])
def test_what_waits_is_not_wiped(house: House, state: str):
    one = marked(house, state)
    with transaction(house.db):
        assert erasure.wipe(house.db, [one], NOW) == 0
    kept = messages.get(house.db, one)
    assert kept is not None
    assert kept.wiped_at is None
    assert erasure.to_wipe(house.db, NOW + DAY, "", 10).old == []


def test_what_is_old_enough_is_found_once(house: House):
    one = marked(house, "failed")
    assert erasure.to_wipe(house.db, NOW, "", 10).old == []
    assert erasure.to_wipe(house.db, NOW + 1, "", 10).old == [one]
    with transaction(house.db):
        assert erasure.wipe(house.db, [one], NOW) == 1
        assert erasure.wipe(house.db, [one], NOW) == 0
    assert erasure.to_wipe(house.db, NOW + 1, "", 10).old == []


def test_a_wiped_text_is_not_sent_again(house: House):
    one = marked(house, "failed")
    (out,) = deliveries.of_message(house.db, one)
    with transaction(house.db):
        erasure.wipe(house.db, [one], NOW)
        assert deliveries.retry(house.db, [out.id], NOW) == 0
    assert deliveries.of_message(house.db, one)[0].state == "failed"


def test_delivered_everywhere_means_every_delivery(house: House):
    one, two = marked(house), marked(house, "pending")
    with transaction(house.db):
        nowhere = take(house.db, new_message(message(house.device.id))).message_id
    look = erasure.arrived(house.db, "", 10)
    assert (look.delivered, look.others, look.last) == ([one], [two, nowhere], nowhere)
    with transaction(house.db):
        house.db.execute("UPDATE deliveries SET state = 'delivered'")
        house.db.execute("DELETE FROM messages WHERE id = ?", (nowhere,))
    again = erasure.still_open(house.db, [two, nowhere])
    assert (again.delivered, again.others) == ([two], [])


# -- deleting -------------------------------------------------------------------------------------


def test_deleting_leaves_no_byte_in_any_file(house: House, tmp_path: Path):
    one, other = marked(house, more="x" * 9000), marked(house, mark="something else")
    with transaction(house.db):
        assert erasure.delete(house.db, [one, "msg_none"]) == Deleted(deleted=1)
    clean(house.db, tmp_path / FILE)
    assert holding(tmp_path) == []
    assert [r[0] for r in house.db.execute("SELECT message_id FROM deliveries")] == [other]
    assert house.db.execute("SELECT count(*) FROM dedupe_keys").fetchone() == (2,)
    with transaction(house.db):
        again = take(house.db, new_message(message(None), keys=Keys(event=one.encode()[-16:])))
    assert again.duplicate, "a phone that pushes it again does not bring it back"


def test_what_waits_goes_with_it_and_what_is_in_flight_stays(house: House):
    waits, flies = marked(house, "pending"), marked(house, "in_flight")
    assert erasure.waiting(house.db, [waits, flies]) == 1
    with transaction(house.db):
        done = erasure.delete(house.db, [waits, flies])
    assert done == Deleted(deleted=1, cancelled=1, in_flight=(flies,))
    assert [r[0] for r in house.db.execute("SELECT id FROM messages")] == [flies]


def test_a_number_is_found_however_it_was_written(house: House):
    with transaction(house.db):
        settings.put(house.db, settings.COUNTRY, "SG")
        devices.add(house.db, device("German", country="DE"), "other-token")
        found = [
            take(house.db, new_message(message(house.device.id, **fields))).message_id
            for fields in (
                {"sender": "+6581230000"},
                {"sender": "+6581230000", "sender_raw": "8123 0000"},
                {"sender": "81230000"},
            )
        ]
        take(house.db, new_message(message(house.device.id, sender="+6581230001")))
        german = take(house.db, new_message(message(None, sender="+4915112345678"))).message_id
        bank = take(house.db, new_message(message(None, sender="MyBank"))).message_id
    for number in ("+6581230000", "6581230000", "8123 0000", "81230000", "+65 8123 0000"):
        names = erasure.written(house.db, number)
        assert erasure.from_number(house.db, names) == found, number
    assert erasure.from_number(house.db, erasure.written(house.db, "0151 12345678")) == [german]
    assert erasure.from_number(house.db, erasure.written(house.db, "MyBank")) == [bank]
    assert erasure.from_number(house.db, erasure.written(house.db, "+6581239999")) == []


def test_what_else_is_known_of_a_number_goes_too(house: House):
    announced = message(house.device.id, MARK, kind=Kind.MMS)
    with transaction(house.db):
        mms.announce(house.db, new_message(announced, keys=Keys()))
        for number in ("+6581230000", "+65812300001"):
            detail = json.dumps({"number": number})
            devices.add_event(house.db, house.device.id, "call", None, detail, NOW)
        names = erasure.written(house.db, "+6581230000")
        assert erasure.forget_number(house.db, names) == 2
    assert house.db.execute("SELECT count(*) FROM mms_notices").fetchone() == (0,)


def test_what_a_phone_told_of_a_number_goes_however_that_is_written(house: House):
    detail = json.dumps({"number": "+6581230000", "note": ""})
    for number in ("+6581230000", "6581230000", "8123 0000"):
        with transaction(house.db):
            settings.put(house.db, settings.COUNTRY, "SG")
            devices.add_event(house.db, house.device.id, "call", None, detail, NOW)
            names = erasure.written(house.db, number)
            assert erasure.forget_number(house.db, names) == 1, number


def test_an_erasure_is_open_until_it_is_proven(house: House):
    known = erasure.erasures(house.db)
    assert known.begun == known.proven
    with transaction(house.db):
        first, second = erasure.begin(house.db, NOW), erasure.begin(house.db, NOW + 1)
        erasure.prove(house.db, first)
    known = erasure.erasures(house.db)
    assert (known.begun, known.proven, known.at) == (second, first, NOW + 1)


# -- between the rows ---------------------------------------------------------------------------


def mark(n: int) -> bytes:
    return f"MARK{n:06d}MARK".encode()


def marks(data: bytes) -> set[int]:
    """The marks that are anywhere in there, found in one walk."""
    return {int(n) for n in re.findall(rb"(?=MARK(\d{6})MARK)", data)}


def worn(house: House, rounds: int, seed: int = 1) -> dict[int, str]:
    """A database that was written all over: texts of every length, retries that land in between."""
    chance, db = random.Random(seed), house.db
    made: dict[int, tuple[str, str]] = {}
    db.execute("PRAGMA synchronous = OFF")  # thousands of commits are not to wait for the disk
    for n in range(rounds):
        text = mark(n).decode() + "x" * chance.choice([5, 30, 100, 200, 1500, 6000])
        value = message(house.device.id, text)
        out = delivery(value, house.endpoint.id)
        with transaction(db):
            take(db, new_message(value, [out], keys=Keys()))
            db.execute("UPDATE deliveries SET state = 'delivered'")
            outbox.record(db, attempt(out.id, response_body=text[:500]))
            made[n] = (value.id, out.id)
            if chance.random() < 0.3:
                other = chance.randrange(n + 1)
                body = mark(other).decode() + "y" * chance.randrange(900)
                number = chance.randrange(1, 6)
                outbox.record(db, attempt(made[other][1], number, response_body=body))
    return {n: message_id for n, (message_id, _) in made.items()}


def test_what_sqlite_leaves_between_rows_is_zeroed(house: House, tmp_path: Path):
    """secure_delete is not enough: this finds bytes of deleted texts, then none."""
    made, path, chance = worn(house, 1500), tmp_path / FILE, random.Random(2)
    order = list(made)
    chance.shuffle(order)
    gone = order[:1000]
    for at in range(0, 1000, 2):
        with transaction(house.db):
            erasure.delete(house.db, [made[gone[at]]])
        with transaction(house.db):
            erasure.wipe(house.db, [made[gone[at + 1]]], NOW)
        if at % 200 == 0:  # pages move while what they held between rows moves along
            house.db.execute("PRAGMA incremental_vacuum(20)").fetchall()
    assert remains.truncate_log(house.db)
    assert marks(path.read_bytes()) & {*gone}, "then this module is not needed any more"

    second = connect(path)  # another connection that has read pages, as the service's has
    second.execute("SELECT sum(length(text)) FROM messages").fetchone()
    clean(house.db, path)
    assert list(remains.middles(path)) == []
    assert marks(path.read_bytes()) == {*order[1000:]}
    for n in order[1000:1200]:
        with transaction(second):
            erasure.delete(second, [made[n]])
    assert [r[0] for r in second.execute("PRAGMA integrity_check")] == ["ok"]
    second.close()
    clean(house.db, path)
    assert marks(path.read_bytes()) == {*order[1200:]}
    assert [r[0] for r in house.db.execute("PRAGMA integrity_check")] == ["ok"]


def test_nothing_is_zeroed_while_the_log_holds_newer_pages(house: House, tmp_path: Path):
    path = tmp_path / FILE
    worn(house, 50)
    assert remains.truncate_log(house.db)
    found = list(remains.middles(path))
    with transaction(house.db):
        settings.put(house.db, "x", "y")
    assert remains.log_size(path) > 0
    assert not remains.clear(path, found)


def test_a_reader_keeps_the_log_from_being_emptied(house: House, tmp_path: Path):
    marked(house)
    reader = connect(tmp_path / FILE, readonly=True)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM messages").fetchone()
    house.db.execute("PRAGMA busy_timeout = 0")
    with transaction(house.db):
        erasure.delete(house.db, [r[0] for r in house.db.execute("SELECT id FROM messages")])
    assert not remains.truncate_log(house.db)
    reader.close()
    assert remains.truncate_log(house.db)


def test_a_file_that_is_not_laid_out_as_ours_is_left_alone(tmp_path: Path):
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE t (x)")
    other.commit()
    other.close()
    with pytest.raises(Exception, match="not laid out"):
        list(remains.middles(tmp_path / "other.db"))
