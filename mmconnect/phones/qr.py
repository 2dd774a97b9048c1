"""QR codes as inline SVG: presentation attributes alone, so that no policy stands in their way."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=32)
def svg(text: str, title: str) -> str:
    """A QR code with its quiet zone, as markup; black on what is behind it, which has to be white.

    `title` is what it is called for those who do not see it.
    """
    import segno  # for the few who pair a phone: half a megabyte with its XML

    made = segno.make(text, error="m", micro=False)
    return str(made.svg_inline(omitsize=True, svgclass="qr", lineclass=None, title=title))
