"""A plot of samples over time as SVG, by hand: a panel for each quantity, nothing but the standard
library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

WIDTH, PANEL, LEFT, RIGHT, TOP, GAP = 900, 150, 80, 20, 40, 36


def plot(
    title: str, minutes: Sequence[float], panels: Mapping[str, Mapping[str, Sequence[float]]]
) -> str:
    """An SVG document; `panels`: what a panel shows and, by name, its lines."""
    height = TOP + len(panels) * (PANEL + GAP) + 10
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
        f' viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="20" font-size="14">{escape(title)}</text>',
    ]
    span = max(minutes[-1] - minutes[0], 1e-9) if minutes else 1.0
    for number, (name, lines) in enumerate(panels.items()):
        out += _panel(TOP + number * (PANEL + GAP), name, lines, minutes, span)
    return "\n".join([*out, "</svg>\n"])


COLOURS = ("#1f5fa8", "#c0562b", "#3a8a4d", "#7a4fa0")


def _panel(
    top: float,
    name: str,
    lines: Mapping[str, Sequence[float]],
    minutes: Sequence[float],
    span: float,
) -> list[str]:
    wide = WIDTH - LEFT - RIGHT
    highest = max((max(values, default=0.0) for values in lines.values()), default=0.0) or 1.0
    bottom = top + PANEL
    out = [
        f'<text x="{LEFT}" y="{top - 5}" fill="#333">{escape(name)}</text>',
        f'<rect x="{LEFT}" y="{top}" width="{wide}" height="{PANEL}" fill="none" stroke="#bbb"/>',
    ]
    for share in (0.0, 0.5, 1.0):
        y = bottom - share * PANEL * 0.95
        out.append(
            f'<text x="{LEFT - 6}" y="{y + 4:.0f}" text-anchor="end">{highest * share:,.0f}</text>'
            f'<line x1="{LEFT}" x2="{LEFT + wide}" y1="{y:.0f}" y2="{y:.0f}" stroke="#eee"/>'
        )
    for tick in range(7):
        x = LEFT + wide * tick / 6
        minute = minutes[0] + span * tick / 6 if minutes else 0.0
        out.append(
            f'<text x="{x:.0f}" y="{bottom + 14}" text-anchor="middle">{minute:.0f} min</text>'
        )
    for n, (label, values) in enumerate(lines.items()):
        points = " ".join(
            f"{LEFT + (m - minutes[0]) / span * wide:.1f},{bottom - v / highest * PANEL * 0.95:.1f}"
            for m, v in zip(minutes, values, strict=True)
        )
        colour = COLOURS[n % len(COLOURS)]
        out.append(f'<polyline points="{points}" fill="none" stroke="{colour}"/>')
        out.append(
            f'<text x="{LEFT + wide - 4}" y="{top + 14 + 14 * n}" text-anchor="end"'
            f' fill="{colour}">{escape(label)}</text>'
        )
    return out
