"""What a year has to have been: what was promised, text by text, hour by hour, night by night.

Whatever grows has to have stopped growing: the last quarter is held against the second. That needs
a whole year; what can be told of fewer days is told of them, too.
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from bench.year.book import DAY, HOUR, growth
from bench.year.house import LISTENS_IN, NAME
from mmconnect.desk import kept_backups
from tests.support.lan import ROUTER
from tests.support.service import DB

if TYPE_CHECKING:
    from bench.year.house import Year
    from tests.support.smsgate_phone import SmsgatePhone

SIZES = {"database": 1.05, "rss": 1.10, "messages": 1.05, "attempts": 1.05}
"""By how much the largest of the last quarter may exceed that of the second."""
LOG = 4.5
"""MB that the write-ahead log may have on any day: it is cut back to 4 of them."""
COUNTS = {"files": 8, "tasks": 8, "threads": 3}
"""The same in numbers."""
LEFT = re.compile(
    r"mmconnect\.(db|lock)|mmconnect\.db-(wal|shm)|(ca|server)\.pem|ca\.key|backups"
    r"|backups/mmconnect-[0-9TZ-]+\.db"
)
"""What a data directory may hold."""
GROWS = {"text_hours", "endpoint_hours"}
"""Tables that keep more than a year."""
LONGEST_WAIT = 5.5 * HOUR + 1800
"""Within which everything from before the end of an outage arrives: where too few texts came to
hold an endpoint, each waits by its own schedule, the sixth attempt for 5 hours, a tenth more or
less."""
LATE = 4 * HOUR
"""Within which the next push shows a certificate that is new."""


def judge(year: Year, fetched: SmsgatePhone) -> None:
    """Everything that is not as it should be becomes a fault in the book."""
    book = year.book
    _each_text(year)
    _outages(year)
    with closing(sqlite3.connect(f"file:{year.data / DB}?mode=ro", uri=True)) as db:
        found = [row[0] for row in db.execute("PRAGMA integrity_check")]
        book.expect(found == ["ok"], f"integrity_check: {found[:3]}")
        _figures(year, db)
        _ages(year, db)
    _nights(year)
    _certificates(year)
    _tokens(year, fetched)
    _growth(year)
    _leftovers(year)
    _cable(year)
    book.expect(year.names.asked <= {NAME}, f"names were asked for: {year.names.asked}")


def _each_text(year: Year) -> None:
    book = year.book
    for phone in year.phones.values():
        book.expect(not phone.waiting, f"{phone.name} could not get rid of {phone.waiting} texts")
    for one in year.receivers.values():
        one.got.extend(bytes(len(book.phones) - len(one.got)))
    for number in range(len(book.phones)):
        phone_name = book.phone_of(number)
        if phone_name in year.phones:
            book.expect(book.pushed[number] == 1, f"a text of {phone_name} was not taken")
        for one in year.receivers.values():
            wanted = int(phone_name in one.wants)
            if one.got[number] != wanted:
                book.fault(f"{one.name} has texts of {phone_name} {one.got[number]} times")
    for one in year.receivers.values():
        print(
            f"{one.name}: {sum(one.got)} texts, {one.posts} requests, at the latest after"
            f" {one.longest:.0f} s, {one.drained / 60:.0f} min after an outage"
        )


def _outages(year: Year) -> None:
    """Each hold was told, and its end."""
    book, told = year.book, Counter((name, about) for _, name, about in year.book.events)
    for (name, about), count in sorted(told.items()):
        print(f"told: {name} {about} {count} times")
    for one in year.receivers:
        held, over = told["endpoint.held", one], told["endpoint.recovered", one]
        book.expect(held == over, f"{one} was held {held} times and recovered {over} times")
    book.expect(
        sum(told["endpoint.held", one] for one in year.receivers) >= len(year.held) / 2,
        "outages were not noticed",
    )
    book.expect(not any(name == "delivery.failed" for name, _ in told), "a delivery was given up")
    crm = year.receivers["crm"]  # which has so many texts that each of its outages holds it
    patience = 1800 + 3 * year.stride
    book.expect(crm.drained <= patience, f"crm waited for {crm.drained / 60:.0f} min")
    for one in year.receivers.values():
        book.expect(
            one.drained <= LONGEST_WAIT, f"{one.name} waited for {one.drained / 60:.0f} min"
        )


def _figures(year: Year, db: sqlite3.Connection) -> None:
    """Hour by hour they are what receivers counted."""
    crm = year.receivers["crm"]
    told = dict(db.execute("SELECT hour, texts FROM text_hours WHERE device_id = ''"))
    year.book.expect(told == dict(crm.hours), f"texts by hour: {_apart(told, crm.hours)}")
    for name, one in year.receivers.items():
        found = dict(
            db.execute(
                "SELECT hour, delivered FROM endpoint_hours WHERE endpoint_id = ? AND delivered",
                (year.endpoints[name],),
            )
        )
        year.book.expect(
            found == dict(one.accepted), f"{name} by hour: {_apart(found, one.accepted)}"
        )


def _apart(told: dict[int, int], counted: Counter[int]) -> str:
    differ = [
        (f"{datetime.fromtimestamp(hour / 1000, UTC):%m-%d %H}", told.get(hour, 0), counted[hour])
        for hour in sorted({*told, *counted})
        if told.get(hour, 0) != counted[hour]
    ]
    return f"{len(differ)} hours differ (hour, told, counted): {differ[:5]}"


def _ages(year: Year, db: sqlite3.Connection) -> None:
    """What is old is gone, and nothing that is not."""
    now = year.loop.now
    (oldest,) = db.execute("SELECT min(received_at) FROM messages").fetchone()
    age = 0.0 if oldest is None else (now - oldest) / 1000 / DAY
    print(f"the oldest message is {age:.2f} days old")
    year.book.expect(age <= 91, f"messages of {age:.1f} days are still there")
    year.book.expect(age >= 89.4 or year.days < 91, f"messages go after {age:.1f} days")
    before = now - round(31 * DAY * 1000)
    (found,) = db.execute(
        "SELECT count(*) FROM attempts a WHERE started_at < ? AND EXISTS (SELECT 1 FROM attempts b"
        " WHERE b.delivery_id = a.delivery_id AND b.number > a.number)",
        (before,),
    ).fetchone()  # the last of each stays as long as its message
    year.book.expect(not found, f"{found} attempts of more than 31 days are still there")
    old = db.execute("SELECT count(*) FROM attempts WHERE started_at < ?", (before,)).fetchone()[0]
    year.book.expect(old > 0 or year.days < 60, "the last attempts are gone, too")


def _nights(year: Year) -> None:
    """One backup a night, soon after three by the clock on the wall; the first at the start."""
    made = sorted(_made(name) for name in year.book.backups)
    begun = datetime.fromtimestamp(year.loop.begun / 1000).astimezone()
    late = timedelta(seconds=2 * year.stride + 120)
    wanted = [begun + timedelta(minutes=10)]
    for day in range(year.days + 1):
        night = (begun.replace(tzinfo=None) + timedelta(days=day, hours=3)).astimezone()
        wanted.append(night)
    first = wanted[1]
    if not any(first <= one < first + timedelta(hours=12) for one in made):
        wanted.remove(first)  # nothing has happened since the one after the start
    for at in wanted:
        found = [one for one in made if at <= one <= at + late]
        year.book.expect(len(found) == 1, f"{len(found)} backups at their hour")
        if len(found) != 1:
            print(f"at {at}: {found}")
    year.book.expect(len(made) == len(wanted), f"{len(made)} backups for {len(wanted)} nights")
    kept = kept_backups.scheduled(year.data / kept_backups.FOLDER)
    year.book.expect(len(kept) == min(7, len(wanted)), f"{len(kept)} backups are kept")
    for one in kept[:1]:
        with closing(sqlite3.connect(f"file:{one.path}?mode=ro&immutable=1", uri=True)) as db:
            found = db.execute("PRAGMA integrity_check").fetchone()[0]
            year.book.expect(found == "ok", f"the newest backup: {found}")


def _made(name: str) -> datetime:
    digits = re.sub(r"\D", "", name)
    return datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC)


def _certificates(year: Year) -> None:
    """A new one with each address, and when a third of its time is left; no other."""
    seen = sorted((at - year.loop.begun) / 1000 for at in year.book.certificates.values())
    print("certificates first seen on days", [round(at / DAY, 2) for at in seen])
    wanted = [0.0, *(day * DAY + 12 * HOUR for day in year.moved)]
    # Good for 397 days, of which 30 are before it was made (clocks of phones go wrong).
    renewed = wanted[-1] - 3 * HOUR * (len(wanted) > 1) + (367 - 397 / 3) * DAY
    wanted += [renewed] if renewed < (year.days - 1) * DAY else []
    good = len(seen) == len(wanted) and all(
        at - HOUR <= one <= at + LATE + 12 * HOUR for one, at in zip(seen, wanted, strict=True)
    )
    year.book.expect(good, f"certificates were new at {seen}, not at {wanted}")


def _tokens(year: Year, fetched: SmsgatePhone) -> None:
    """The phone's token is exchanged at its half-life, and nobody is bothered for it."""
    made = [
        (token.expires - token.ttl - year.loop.begun / 1000) / DAY
        for token in fetched.app.access.tokens
    ]
    print("tokens were made on days", [round(one, 2) for one in made])
    # Two at first: the command line's is from the future by a second, and renewed at once.
    made = [one for one in made if one > 0.01]
    wanted = [one for one in (182.5, 365.0) if one < year.days + 0.1]
    good = len(made) == len(wanted) and all(
        at - 0.1 <= one <= at + 0.5 for one, at in zip(made, wanted, strict=True)
    )
    year.book.expect(good, f"tokens were made on days {made}, not on {wanted}")


def _growth(year: Year) -> None:
    book, quarter = year.book, year.days // 4
    if year.days < 300:
        return
    before, after = range(quarter, 2 * quarter), range(3 * quarter, year.days)
    log = max(one.log for one in book.days)
    book.expect(log <= LOG, f"the log has {log:.1f} MB")
    for name in (*SIZES, *COUNTS):
        first, last = growth(book.days, name, before, after)
        print(f"{name}: {first:,.1f} at most in the second quarter, {last:,.1f} in the last")
        most = first * SIZES[name] if name in SIZES else first + COUNTS[name]
        book.expect(last <= most, f"{name} grows from {first:.1f} to {last:.1f}")
    for table in sorted({name for _, rows in book.rows for name in rows} - GROWS):
        first, last = (
            max(rows.get(table, 0) for day, rows in book.rows if day in part)
            for part in (before, after)
        )
        book.expect(last <= first * 1.1 + 10, f"table {table} grows from {first} to {last} rows")


def _cable(year: Year) -> None:
    """mmconnect has connected to what its owner has entered, and sent nothing elsewhere."""
    if not LISTENS_IN:
        print("there is no nft here: what went over the cable was not overheard")
        return
    heard = year.place.elsewhere.heard()
    entered = {(one.host, one.port) for one in year.receivers.values()}
    entered |= {("192.168.7.50", 8080), ("192.168.7.51", 8080)}
    known = {host for host, _ in entered} | {phone.host for phone in year.phones.values()}
    for what, allowed in (("streams", entered), ("datagrams", {(ROUTER, 53)}), ("six", set())):
        more = heard[what] - allowed
        year.book.expect(not more, f"{what} went to {sorted(more)}")
    more = {(host, what) for host, what in heard["others"] if host not in {*known, ROUTER}}
    year.book.expect(not more, f"something else went to {sorted(more)}")
    year.book.expect(entered - {("192.168.7.51", 8080)} <= heard["streams"], "not all was heard")


def _leftovers(year: Year) -> None:
    found = [str(path.relative_to(year.data)) for path in year.data.rglob("*")]
    left = sorted(name for name in found if LEFT.fullmatch(name) is None)
    year.book.expect(not left, f"files were left: {left}")
    found = sorted(path.name for path in (year.folder / "tmp").iterdir())
    year.book.expect(not found, f"files were left in TMPDIR: {found}")
    said = (year.folder / "year.log").read_text(encoding="utf-8").splitlines()
    lines = Counter(
        re.sub(r"[0-9a-fA-F.:]*\d[\w.:+-]*", "…", line.split(" ", 2)[2])
        for line in said
        if re.search(r" (WARNING|ERROR|CRITICAL) |Traceback", line)
    )
    for line, count in lines.most_common(40):
        print(f"log, {count} times: {line[:200]}")
    errors = [line for line in lines if not line.startswith("WARNING")]
    year.book.expect(not errors, f"errors in the log: {errors[:3]}")
