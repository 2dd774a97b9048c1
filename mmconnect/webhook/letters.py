"""Letters put together as Unicode composes them (NFC), in time proportional to the text.

Sorting a long run of combining marks takes time that grows with its square, and a stranger writes
the text: 200 KB of them would stop the event loop for a quarter of a minute. So a long text is
composed piece by piece. Pure.
"""

from __future__ import annotations

import unicodedata

PIECE = 128
"""Characters from which on a piece ends where a letter begins; it has at most twice as many. The
longest runs of marks that languages write have about ten."""


def composed(text: str) -> str:
    """The text in NFC, but for runs of more than PIECE combining marks: they may be cut."""
    if text.isascii():
        return text
    if len(text) <= PIECE:
        return unicodedata.normalize("NFC", text)
    pieces, start = [], 0
    while start < len(text):
        end = _end(text, start)
        pieces.append(unicodedata.normalize("NFC", text[start:end]))
        start = end
    return "".join(pieces)


def _end(text: str, start: int) -> int:
    last = min(start + 2 * PIECE, len(text))
    return next((at for at in range(start + PIECE, last) if _begins(text, at)), last)


def _begins(text: str, at: int) -> bool:
    """Whether a letter begins there that nothing before it becomes one with.

    What is composed of more than three (none of them a mark) does not exist.
    """
    return unicodedata.combining(text[at]) == 0 and unicodedata.is_normalized(
        "NFC", text[at - 2 : at + 1]
    )
