"""Times, durations, sizes and counts as the pages write them."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date
from typing import Any

from markupsafe import Markup, escape

from mmconnect.desk.wording import duration, local, many
from mmconnect.domain.clock import iso

__all__ = [
    "FILTERS",
    "ago",
    "day",
    "duration",
    "line",
    "many",
    "moment",
    "number",
    "share",
    "size",
    "time",
    "visible",
]


def moment(ms: int | None, empty: str = "never") -> str:
    """A time in this machine's zone: `2026-06-12 14:32:00`."""
    return local(ms, empty)


def time(ms: int | None, empty: str = "never") -> Markup | str:
    """The same as an element, which the script shows as `3 min ago` in the reader's zone."""
    if ms is None:
        return empty
    return Markup('<time datetime="{}">{}</time>').format(iso(ms), moment(ms))


def ago(ms: int | None, now: int) -> str:
    """How long ago, roughly: `3 min ago`; of what is to come: `in 3 min`."""
    if ms is None:
        return "never"
    seconds = (now - ms) / 1000
    if abs(seconds) < 5:
        return "just now"
    told = duration(abs(seconds))
    return f"{told} ago" if seconds > 0 else f"in {told}"


def size(count: int | None) -> str:
    """Bytes: `812 bytes`, `1.2 kB`, `3.4 MB`."""
    if count is None:
        return "–"
    if count < 1000:
        return many(count, "byte", "bytes")
    return f"{count / 1000:.1f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"


def number(count: int) -> str:
    """`12,345`."""
    return f"{count:,}"


def share(value: float) -> str:
    """A share (0 to 1): `99.2 %`, rounded down, so that 100 % means all."""
    return f"{math.floor(value * 1000 + 1e-9) / 10:.4g} %"


def day(value: date) -> str:
    """A day in a chart: `3 Jun`."""
    return f"{value.day} {_MONTHS[value.month - 1]}"


_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def line(text: str | None, most: int = 120) -> str:
    """A text on one line, shortened; what would not print is shown as such."""
    plain = " ".join(
        "".join(c if c.isprintable() or c.isspace() else "�" for c in text or "").split()
    )
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


def visible(text: str | None) -> Markup:
    """A stranger's text in a block: control characters are shown, not obeyed."""
    shown = "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text or "")
    return escape(shown)


FILTERS: dict[str, Callable[..., Any]] = {
    "time": time,
    "moment": moment,
    "duration": duration,
    "size": size,
    "number": number,
    "day": day,
    "share": share,
    "line": line,
    "visible": visible,
}
