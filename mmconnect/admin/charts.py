"""The columns of charts as SVG paths: numbers alone, so that no stranger's input can be in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmconnect.desk.trends import Bar

WIDE, HIGH = 10, 60
"""Of a day, in units of the drawing."""
_GAP, _MOST = 1.5, 58.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """A path for each colour; empty where there is nothing of it."""

    width: int
    ground: str
    """A line below each day, so that days without anything are there, too."""
    fill: str
    bad: str
    """What failed, on top."""


def columns(bars: Sequence[Bar]) -> Columns:
    """Draw days, the highest as high as there is room."""
    most = max((bar.most for bar in bars), default=0)
    ground, fill, bad = [], [], []
    for n, bar in enumerate(bars):
        x = n * WIDE + _GAP
        ground.append(_box(x, 0, 1))
        whole = _MOST * bar.most / most if most else 0
        failed = _MOST * bar.failed / most if most else 0
        if whole > failed:
            fill.append(_box(x, 0, whole - failed))
        if failed:
            bad.append(_box(x, whole - failed, failed))
    return Columns(
        width=len(bars) * WIDE, ground="".join(ground), fill="".join(fill), bad="".join(bad)
    )


def _box(x: float, above: float, height: float) -> str:
    return f"M{x:g} {HIGH - above:.4g}v{-height:.4g}h{WIDE - 2 * _GAP:g}v{height:.4g}z"
