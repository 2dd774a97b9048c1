"""A million messages of history: is the next text as quick as on the first day?

    make scale             (SCALE_MESSAGES=1000000 SCALE_ROUNDS=3 SCALE_RETENTION=on)

Builds a database with that many messages, as many deliveries and three times as many attempts,
spread over 60 days, by SQL alone. Then an empty appliance and this one in turn: burst, trickle,
start, memory. Then retention takes half of the history away while a trickle runs. Gates: burst and
trickle within 1.2 times the empty one's, start under 3 s, memory the same (5 MB), the trickle's p99
within twice. Exit code 1 when one is missed. What the disk itself does meanwhile is told by a
process that syncs 8 KiB ten times a second: where its p99 rises as well, look at the disk first.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from bench.support import (
    Appliance,
    Sink,
    Trickle,
    burst,
    cpu,
    forget_peak,
    latencies,
    median,
    memory,
    percentile,
    say,
    scratch,
)

MESSAGES = int(os.environ.get("SCALE_MESSAGES", "1000000"))
ROUNDS = int(os.environ.get("SCALE_ROUNDS", "3"))
RETENTION = os.environ.get("SCALE_RETENTION", "on") != "off"
BURST = int(os.environ.get("SCALE_BURST", "2000"))
SECONDS = int(os.environ.get("SCALE_SECONDS", "30"))
BEFORE = int(os.environ.get("SCALE_BEFORE", "180"))
"""Seconds of trickle that retention's is compared with."""
DAYS = 60
CHUNK = 20_000
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
PAIRS = [a + b for a in ALPHABET for b in ALPHABET]


def ulid(ms: int, tail: int) -> str:
    """A ULID of that time (ms) with these 80 bits."""
    value = ms << 80 | tail
    return "".join([PAIRS[value >> shift & 1023] for shift in range(120, -1, -10)])


def build(path: Path, endpoint_id: str, device_id: str, count: int = MESSAGES) -> float:
    """Fill a database with history; seconds it took."""
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
        rows = list(_rows(rng, range(first, min(count, first + CHUNK)), now, step, count))
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


def _rows(rng: random.Random, numbers: range, now: int, step: int, count: int) -> Iterator[_Row]:
    words = "your code is parcel arrives today between call back meeting moved room please".split()
    for number in numbers:
        at = now - (count - number) * step - 60_000
        sender = f"+1555{rng.randrange(10**4):07d}"
        text = " ".join(rng.choices(words, k=18))
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


def trickle(gateway: Appliance, sink: Sink, first: int, seconds: int) -> list[float]:
    """Five texts a second; seconds from push to webhook."""
    pushes = Trickle(gateway.service.phone, gateway.token, first, seconds * 5, 5).join()
    assert all(push.status == 200 for push in pushes)
    sink.wait(len(pushes))
    return latencies(pushes, sink.take())


def probe_disk(at: Path, told: Connection) -> None:
    """Sync a little again and again; seconds that each took, to whoever asks."""
    took: list[float] = []
    with at.open("wb", buffering=0) as file:
        while True:
            file.seek(0)
            file.write(bytes(8192))
            begun = time.monotonic()
            os.fdatasync(file.fileno())
            took.append(time.monotonic() - begun)
            if told.poll(0.1):
                told.recv()
                told.send(took)
                took = []


@contextlib.contextmanager
def disk_probe(folder: Path) -> Iterator[Callable[[], list[float]]]:
    """A function that tells how long the syncs took since it was called before."""
    processes = multiprocessing.get_context("spawn")
    here, there = processes.Pipe()
    process = processes.Process(target=probe_disk, args=(folder / "probe", there), daemon=True)
    process.start()

    def tell() -> list[float]:
        here.send(None)
        return list(here.recv())

    try:
        yield tell
    finally:
        process.kill()


def drop_half(
    gateway: Appliance, sink: Sink, probe: Callable[[], list[float]]
) -> dict[str, float] | None:
    """A trickle while retention removes half of the history, and one before; None without it."""
    messages = "SELECT count(*) FROM messages"
    os.sync()  # what the building left behind is not to be written meanwhile
    gateway.start()
    try:
        probe()
        before = trickle(gateway, sink, 10**7, BEFORE)
        disk_before = probe()
        had = gateway.service.count(messages)
        told = gateway.service.run("settings", "set", "retention_messages", f"{DAYS // 2}d")
        if told.returncode:
            say(f"retention cannot be set yet: {told.stderr.strip()}")
            return None
        begun = time.monotonic()
        during: list[float] = []
        first = 2 * 10**7
        while (gone := had + len(during) - gateway.service.count(messages)) < MESSAGES * 0.499:
            during += trickle(gateway, sink, first, 10)
            first += 1000
            if time.monotonic() - begun > 3600:
                say(f"only {gone:,} were removed in an hour")
                break
        return {
            "removed": gone,
            "seconds": time.monotonic() - begun,
            "before": percentile(before, 0.99),
            "during": percentile(during, 0.99),
            "before50": percentile(before, 0.5),
            "during50": percentile(during, 0.5),
            "worst": max(during, default=0.0),
            "disk_before": percentile(disk_before, 0.99),
            "disk": percentile(probe(), 0.99),
            "log": gateway.database_bytes[1] / 2**20,
            "peak": memory(gateway.pid)[2],
        }
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
            with disk_probe(folder) as probe:
                dropped = drop_half(full, sink, probe)
        sink.close()
    sys.exit(report(*sides, dropped))


def report(empty: Figures, full: Figures, dropped: dict[str, float] | None) -> int:
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
        ratio = dropped["during"] / dropped["before"]
        bad = ratio > 2
        missed += bad
        say(
            "",
            f"Retention removed {dropped['removed']:,.0f} in {dropped['seconds']:,.0f} s, while"
            " five texts a second came:",
            "",
            "| trickle | before | meanwhile | ratio | gate |",
            "|---|---|---|---|---|",
            f"| p50 | {dropped['before50'] * 1e3:.2f} ms | {dropped['during50'] * 1e3:.2f} ms"
            f" | {dropped['during50'] / dropped['before50']:.2f} × | |",
            f"| p99 | {dropped['before'] * 1e3:.2f} ms | {dropped['during'] * 1e3:.2f} ms"
            f" | {ratio:.2f} × | ≤ 2{' MISSED' if bad else ''} |",
            f"| worst | | {dropped['worst'] * 1e3:.2f} ms | | |",
            f"| the disk's own sync, p99 | {dropped['disk_before'] * 1e3:.2f} ms"
            f" | {dropped['disk'] * 1e3:.2f} ms | | |",
            "",
            f"log {dropped['log']:.1f} MB, peak memory {dropped['peak']:.1f} MB",
        )
    return 1 if missed else 0


if __name__ == "__main__":
    main()
