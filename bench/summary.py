"""The table of RESULTS.md out of the peer driver's raw rows: medians, and ratios to mmconnect.

    python bench/summary.py FOLDER          (bench/run.sh runs it, and keeps it as FOLDER/table.md)

Runs that other work on the machine spoilt (more than 60 % of it) are left out where better ones
exist, as the driver's own table does. Standard library only.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]
OURS = "mmconnect"
NOISY = 60
ORDER = (
    OURS, "kannel", "node-red", "node-red-sqlite", "celery-redis", "sqlite-floor", "sqlite-group"
)  # fmt: skip
# (title, work, (column, path, digits, whether its ratio to ours is shown))
TABLES: tuple[tuple[str, str, tuple[tuple[str, str, int, bool], ...]], ...] = (
    (
        "Burst: 2,000 texts, 32 connections, the endpoint answers at once",
        "burst",
        (
            ("acks/s", "acks_per_s", 0, True),
            ("webhooks/s", "webhooks_per_s", 0, True),
            ("p50 ms", "e2e_ms.p50", 1, False),
            ("p99 ms", "e2e_ms.p99", 1, False),
            ("CPU s", "cpu_s", 2, False),
            ("peak RSS MB", "peak_rss_mb", 0, False),
            ("lost", "lost", 0, False),
            ("twice", "duplicates", 0, False),
        ),
    ),
    (
        "The same with an endpoint that takes 50 ms",
        "burst50",
        (
            ("acks/s", "acks_per_s", 0, True),
            ("webhooks/s", "webhooks_per_s", 0, True),
            ("p50 ms", "e2e_ms.p50", 1, False),
            ("p99 ms", "e2e_ms.p99", 1, False),
            ("CPU s", "cpu_s", 2, False),
            ("lost", "lost", 0, False),
        ),
    ),
    (
        "Trickle: 5 texts a second, a new connection each, 30 s",
        "trickle",
        (
            ("p50 ms", "e2e_ms.p50", 2, True),
            ("p95 ms", "e2e_ms.p95", 2, False),
            ("p99 ms", "e2e_ms.p99", 2, False),
            ("ack p50 ms", "ack_ms.p50", 2, False),
            ("CPU %", "cpu_pct", 1, False),
            ("lost", "lost", 0, False),
        ),
    ),
    (
        "Crash: kill -9 at the 1,000th ack, the endpoint takes 50 ms",
        "crash",
        (
            ("acked", "acked", 0, False),
            ("lost", "lost", 0, False),
            ("twice", "duplicates", 0, False),
            ("restart s", "restart_s", 2, False),
            ("recovered in s", "recovered_in_s", 1, False),
        ),
    ),
    (
        "Outage: 30 s of 500, 30 s refused, 300 texts meanwhile",
        "outage",
        (
            ("acked", "acked", 0, False),
            ("lost", "lost", 0, False),
            ("twice", "duplicates", 0, False),
            ("first after s", "first_after_s", 1, False),
            ("drained in s", "drain_s", 1, False),
            ("POSTs", "attempts", 0, False),
        ),
    ),
    ("Syncs, one text at a time", "fsync", (("a text", "per_message", 2, True),)),
    (
        "Idle",
        "idle",
        (
            ("start s", "startup_s", 2, False),
            ("RSS MB", "rss_mb", 1, False),
            ("PSS MB", "pss_mb", 1, False),
            ("CPU %", "cpu_pct", 2, False),
        ),
    ),
)
# (what, work, path, other peer, at least or at most, how many times theirs)
GATES = (
    ("ahead of Kannel in acks/s", "burst", "acks_per_s", "kannel", "≥", 1.0),
    ("ahead of Kannel in webhooks/s", "burst", "webhooks_per_s", "kannel", "≥", 1.0),
    ("group-commit reference, acks/s", "burst", "acks_per_s", "sqlite-group", "≥", 0.4),
    ("group-commit reference, webhooks/s", "burst", "webhooks_per_s", "sqlite-group", "≥", 0.4),
    ("Node-RED at 50 ms, webhooks/s", "burst50", "webhooks_per_s", "node-red", "≥", 0.6),
    ("one-commit reference, trickle p50", "trickle", "e2e_ms.p50", "sqlite-floor", "≤", 1.3),
)
# (what, work, path, at most)
LIMITS = (
    ("lost in crash", "crash", "lost", 0.0),
    ("lost in outage", "outage", "lost", 0.0),
    ("syncs a text, one at a time", "fsync", "per_message", 1.7),
)


def load(folder: Path) -> dict[str, dict[str, list[Row]]]:
    """Work to peer to rows."""
    found: dict[str, dict[str, list[Row]]] = {}
    for file in sorted(folder.glob("*.*.json")):
        peer, _, work = file.stem.rpartition(".")
        rows: list[Row] = json.loads(file.read_text())
        calm = [row for row in rows if row.get("other_cpu_pct", 0) <= NOISY]
        found.setdefault(work, {})[peer] = calm or rows
    return found


def middle(rows: Sequence[Row], path: str) -> float | None:
    """The median of one figure, or None where no run has it."""
    values = []
    for row in rows:
        value: Any = row
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            values.append(float(value))
    return statistics.median(values) if values else None


def table(title: str, columns: Sequence[tuple[str, str, int, bool]], peers: dict[str, list[Row]]):  # type: ignore[no-untyped-def]
    """The lines of one table."""
    heads = [name for name, *_ in columns]
    heads += [f"mmconnect's {name}" for name, _, _, ratio in columns if ratio]
    yield from (f"## {title}", "", "| peer | runs | " + " | ".join(heads) + " |")
    yield "|---" * (len(heads) + 2) + "|"
    for peer in sorted(peers, key=lambda name: ORDER.index(name) if name in ORDER else 99):
        cells, ratios = [], []
        for _, path, digits, ratio in columns:
            value = middle(peers[peer], path)
            cells.append("–" if value is None else f"{value:,.{digits}f}")
            if ratio:
                ours = middle(peers.get(OURS, []), path)
                ratios.append(f"**{ours / value:.2f} ×**" if ours and value else "")
        ratios = ["" for _ in ratios] if peer == OURS else ratios
        name = f"**{peer}**" if peer == OURS else peer
        yield f"| {name} | {len(peers[peer])} | " + " | ".join([*cells, *ratios]) + " |"
    yield ""


def gates(found: dict[str, dict[str, list[Row]]]):  # type: ignore[no-untyped-def]
    """What was wanted, and whether it is so."""
    yield from ("## Gates", "", "| what | wanted | measured | |", "|---|---|---|---|")
    for what, work, path, other, sign, times in GATES:
        ours = middle(found.get(work, {}).get(OURS, []), path)
        theirs = middle(found.get(work, {}).get(other, []), path)
        if ours and theirs:
            ratio = ours / theirs
            fine = ratio >= times if sign == "≥" else ratio <= times
            yield f"| {what} | {sign} {times} × | {ratio:.2f} × | {'yes' if fine else 'MISSED'} |"
    if burst := found.get("burst"):
        for path, name in (("acks_per_s", "acks/s"), ("webhooks_per_s", "webhooks/s")):
            ours = middle(burst.get(OURS, []), path) or 0.0
            # the two references are not products: they do nothing but commit
            rest = {p: middle(r, path) or 0.0 for p, r in burst.items() if "sqlite-" not in p}
            best = max(rest, key=lambda p: rest[p])
            fine = "yes" if best == OURS else "MISSED"
            yield f"| ahead of every peer in {name} | first | {ours:,.0f}; first: {best} | {fine} |"
    for what, work, path, most in LIMITS:
        worst = [row[path] for row in found.get(work, {}).get(OURS, []) if path in row]
        if worst:
            fine = "yes" if max(worst) <= most else "MISSED"
            yield f"| {what} (worst run) | ≤ {most:g} | {max(worst):g} | {fine} |"
    outage = found.get("outage", {}).get(OURS, [])
    if outage:
        took = max((row["drain_s"] or 1e9) - (row["first_after_s"] or 0) for row in outage)
        fine = "yes" if took <= 5 else "MISSED"
        yield f"| outage: drained after the first answer (worst) | ≤ 5 s | {took:.1f} s | {fine} |"


def main() -> None:
    """Print every table there are rows for."""
    found = load(Path(sys.argv[1]))
    out: list[str] = []
    for title, work, columns in TABLES:
        if peers := found.get(work):
            out += table(title, columns, peers)
    sys.stdout.write("\n".join([*out, *gates(found)]) + "\n")


if __name__ == "__main__":
    main()
