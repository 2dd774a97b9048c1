"""A million messages of history: is the next text as quick as on the first day?

    make scale             (SCALE_MESSAGES=1000000 SCALE_ROUNDS=3 SCALE_RETENTION=on)

Builds a database with that many messages, as many deliveries and three times as many attempts,
spread over 60 days, by SQL alone. Then an empty appliance and this one in turn: burst, trickle,
start, memory. Then retention takes half of the history away while a trickle runs
(`retention.py`). Gates: burst and trickle within 1.2 times the empty one's, start under 3 s, memory
the same (5 MB), the trickle's p99 within twice. Exit code 1 when one is missed.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.load import Sink, burst
from bench.retention import Dropped, drop_half, trickle
from bench.support import Appliance, cpu, forget_peak, median, memory, percentile, say, scratch

MESSAGES = int(os.environ.get("SCALE_MESSAGES", "1000000"))
ROUNDS = int(os.environ.get("SCALE_ROUNDS", "3"))
RETENTION = os.environ.get("SCALE_RETENTION", "on") != "off"
BURST = int(os.environ.get("SCALE_BURST", "2000"))
SECONDS = int(os.environ.get("SCALE_SECONDS", "30"))
DAYS = 60
CHUNK = 20_000
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
PAIRS = [a + b for a in ALPHABET for b in ALPHABET]


def ulid(ms: int, tail: int) -> str:
    """A ULID of that time (ms) with these 80 bits."""
    value = ms << 80 | tail
    return "".join([PAIRS[value >> shift & 1023] for shift in range(120, -1, -10)])


WORDS = "your code is parcel arrives today between call back meeting moved room please".split()


def some_words(rng: random.Random, number: int) -> str:
    """A text as short texts are: 18 words of few."""
    return " ".join(rng.choices(WORDS, k=18))


Text = Callable[[random.Random, int], str]


def build(
    path: Path,
    endpoint_id: str,
    device_id: str,
    count: int = MESSAGES,
    text: Text = some_words,
) -> float:
    """Fill a database with history; seconds it took. `text` gives each message's."""
    begun = time.monotonic()
    rng = random.Random(1)
    now = int(time.time() * 1000)
    step = DAYS * 86_400_000 // count
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("PRAGMA cache_size = -400000")
    db.execute("PRAGMA wal_autocheckpoint = 100000")
    names = _into(db)
    for first in range(0, count, CHUNK):
        numbers = range(first, min(count, first + CHUNK))
        rows = list(_rows(rng, numbers, now, step, count, text))
        db.execute("BEGIN")
        for table, sql in names.items():
            db.executemany(sql, _of(table, rows, endpoint_id, device_id))
        db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    return time.monotonic() - begun


@dataclass(frozen=True, slots=True)
class _Row:
    message: str
    delivery: str
    at: int
    number: int
    sender: str
    text: str
    payload: bytes
    raw: bytes
    keys: tuple[bytes, bytes]


def _rows(
    rng: random.Random, numbers: range, now: int, step: int, count: int, write: Text
) -> Iterator[_Row]:
    for number in numbers:
        at = now - (count - number) * step - 60_000
        sender = f"+1555{rng.randrange(10**4):07d}"
        text = write(rng, number)
        message = "msg_" + ulid(at, rng.getrandbits(79))
        payload = (
            f'{{"event":"message.received","id":"{message}","kind":"sms","from":"{sender}",'
            f'"to":null,"text":"{text}","ref":null,"sentAt":null,"receivedAt":'
            f'"2026-01-01T00:00:00.000Z","deviceId":null,"deviceName":"Phone","sim":null,'
            f'"tenantId":null,"tenantName":null,"test":false}}'
        ).encode()
        raw = f'{{"from":"{sender}","text":"{text}","id":"history-{number}"}}'.encode()
        yield _Row(
            message,
            "dlv_" + ulid(at, rng.getrandbits(79)),
            at,
            number,
            sender,
            text,
            payload,
            raw,
            (rng.randbytes(16), (at // 1000).to_bytes(5, "big") + rng.randbytes(11)),
        )


def _into(db: sqlite3.Connection) -> dict[str, str]:
    """The statements that add a row to each table, by table; attempts last."""
    columns = {
        "messages": "id, kind, sender, text, sent_at, received_at, device_id, event_id, payload,"
        " raw",
        "dedupe_keys": "key, message_id, seen_at",
        "deliveries": "id, message_id, endpoint_id, state, trigger, sender, attempts, spent,"
        " started_at, created_at, finished_at",
        "attempts": "delivery_id, number, started_at, duration_ms, outcome, status, address,"
        " response_headers, response_body",
    }
    return {
        table: f"INSERT INTO {table} ({names}) VALUES ({','.join('?' * (names.count(',') + 1))})"
        for table, names in columns.items()
    }


def _of(
    table: str, rows: list[_Row], endpoint_id: str, device_id: str
) -> Iterator[tuple[object, ...]]:
    headers = "Content-Type: text/html; charset=utf-8\nContent-Length: 2\nConnection: keep-alive"
    for row in rows:
        if table == "messages":
            yield (
                row.message, "sms", row.sender, row.text, row.at, row.at, device_id,
                f"history-{row.number}", row.payload, row.raw,
            )  # fmt: skip
        elif table == "dedupe_keys":
            yield from ((key, row.message, row.at) for key in row.keys)
        elif table == "deliveries":
            yield (
                row.delivery, row.message, endpoint_id, "delivered", "push", row.sender, 3, 3,
                row.at + 6000, row.at, row.at + 6100,
            )  # fmt: skip
        else:
            for n, status in ((1, 502), (2, 502), (3, 200)):
                yield (
                    row.delivery, n, row.at + n * 2000, 12,
                    "delivered" if status == 200 else "failing", status, "192.168.1.20:1880",
                    headers, "ok",
                )  # fmt: skip


# -- measuring -----------------------------------------------------------------------------------


@dataclass(slots=True)
class Figures:
    """What was measured of one appliance, a value for each round."""

    name: str
    acks: list[float] = field(default_factory=list)
    webhooks: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    spent: list[float] = field(default_factory=list)
    """CPU µs for a text of the burst."""
    start: list[float] = field(default_factory=list)
    rest: list[float] = field(default_factory=list)
    peak: list[float] = field(default_factory=list)


def measure(gateway: Appliance, sink: Sink, figures: Figures, first: int) -> None:
    """Start, burst, trickle, stop."""
    figures.start.append(gateway.start())
    try:
        phone, token = gateway.service.phone, gateway.token
        burst(phone, token, first, 200)
        gateway.settled()
        time.sleep(2)
        sink.take()
        figures.rest.append(memory(gateway.pid)[0])
        forget_peak(gateway.pid)
        spent = cpu(gateway.pid)
        pushes = burst(phone, token, first + 10_000, BURST)
        sink.wait(BURST)
        figures.spent.append((cpu(gateway.pid) - spent) / BURST * 1e6)
        arrivals = sink.take()
        begun = min(push.begun for push in pushes)
        assert all(push.status == 200 for push in pushes)
        figures.acks.append(BURST / (max(push.answered for push in pushes) - begun))
        figures.webhooks.append(BURST / (max(at for _, at in arrivals) - begun))
        gateway.settled()
        late = trickle(gateway, sink, first + 100_000, SECONDS)
        figures.p50.append(percentile(late, 0.5))
        figures.p99.append(percentile(late, 0.99))
        figures.peak.append(memory(gateway.pid)[2])
    finally:
        gateway.service.stop()


def main() -> None:
    """Build, measure in turn, print the table and the gates."""
    sink = Sink()
    with scratch("scale") as folder:
        (folder / "empty").mkdir()
        empty = Appliance.furnish(folder / "empty")
        endpoint_id = empty.endpoint(sink.url)
        device_id = str(empty.service.cli("device", "list")[0]["id"])
        shutil.copytree(folder / "empty", folder / "big")
        full = Appliance(service=type(empty.service)(folder / "big" / "data", folder / "big"))
        full.token = empty.token
        full.service.directory.chmod(0o700)
        for gateway in (empty, full):  # nothing is to be removed while the rounds are measured
            gateway.service.run("settings", "set", "retention_attempts", "3000d")
            gateway.service.run("settings", "set", "clock_trusted", "on")  # or nothing is pruned
        took = build(full.service.directory / "mmconnect.db", endpoint_id, device_id)
        size = full.database_bytes[0] / 2**30
        say(f"{MESSAGES:,} messages built in {took:.0f} s: {size:.2f} GiB")
        sides = (Figures("empty"), Figures("history"))
        for number in range(ROUNDS):
            pairs = [(empty, sides[0]), (full, sides[1])]
            for gateway, figures in pairs if number % 2 == 0 else reversed(pairs):
                measure(gateway, sink, figures, (number + 1) * 10**6)
        dropped = None
        if RETENTION:
            dropped = drop_half(full, sink, folder, keep_days=DAYS // 2, removed=MESSAGES * 0.499)
        sink.close()
    sys.exit(report(*sides, dropped))


def report(empty: Figures, full: Figures, dropped: Dropped | None) -> int:
    """Print the tables; 1 when a gate was missed."""
    missed = 0

    def line(
        what: str, get: Callable[[Figures], list[float]], unit: str, scale: float, gate: str
    ) -> None:
        nonlocal missed
        a, b = median(get(empty)), median(get(full))
        ratio = b / a if a else 0.0
        kind, _, told = gate.partition(" ")
        limit = float(told)
        bad = (
            (kind == "≥" and ratio < limit)
            or (kind == "≤" and ratio > limit)
            or (kind == "<" and b * scale >= limit)
            or (kind == "+" and (b - a) * scale > limit)
        )
        missed += bad
        verdict = f"{gate}{' MISSED' if bad else ''}"
        figures = f"{a * scale:,.2f} {unit} | {b * scale:,.2f} {unit}"
        say(f"| {what} | {figures} | {ratio:.2f} × | {verdict} |")

    say(
        "",
        f"{ROUNDS} rounds in turn, medians:",
        "",
        f"| what | empty | {MESSAGES:,} messages | ratio | gate |",
        "|---|---|---|---|---|",
    )
    line("burst, acks/s", lambda f: f.acks, "", 1, "≥ 0.833")
    line("burst, webhooks/s", lambda f: f.webhooks, "", 1, "≥ 0.833")
    line("burst, CPU of a text", lambda f: f.spent, "µs", 1, "≤ 1.2")
    line("trickle, phone to webhook, p50", lambda f: f.p50, "ms", 1000, "≤ 1.2")
    line("trickle, p99", lambda f: f.p99, "ms", 1000, "≤ 1.2")
    line("start until ready", lambda f: f.start, "s", 1, "< 3")
    line("memory at rest", lambda f: f.rest, "MB", 1, "+ 5")
    line("memory, peak", lambda f: f.peak, "MB", 1, "+ 5")
    if dropped is not None:
        missed += dropped.report()
    return 1 if missed else 0


if __name__ == "__main__":
    main()
