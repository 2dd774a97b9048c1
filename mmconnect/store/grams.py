"""What a text is found by: its folded form, and the buckets that its pieces fall into. Pure.

Folded, `Überweisung` and `uberweisung` are the same. A piece is three characters in a row; of
scripts that are written without spaces (and of pictures) each character, and two in a row. A bucket
is a short hash of a piece: it says "perhaps here", never what the text was.
"""

from __future__ import annotations

import unicodedata
from zlib import crc32

BUCKETS = 1 << 16
"""A few thousand texts have some 10,000 different pieces, so few of them share a bucket."""
_DENSE = "\u2e80"
"""From here on (CJK, Hangul, emoji) one character says as much as three letters do."""
_PIECE = 3

# Marks that people leave out or cannot see: soft hyphens, joiners, directions.
_UNSEEN = dict.fromkeys(
    [0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF]
)
_ACCENTS = range(0x300, 0x370)


def fold(text: str) -> str:
    """`text` without case, accents, unseen marks, and with single spaces."""
    if not text.isascii():
        plain = unicodedata.normalize("NFKD", text.translate(_UNSEEN))
        plain = "".join([c for c in plain if ord(c) not in _ACCENTS])
        text = unicodedata.normalize("NFKC", plain.casefold())
    return " ".join(text.lower().split())


def digits(text: str) -> str:
    """The digits of a number, however it is written."""
    return "".join([c for c in text if "0" <= c <= "9"])


def pieces(folded: str) -> set[str]:
    """The pieces of a folded text; none of one that is too short to have any."""
    if folded.isascii():
        return {folded[i : i + _PIECE] for i in range(len(folded) - _PIECE + 1)}
    found = set()
    for i, character in enumerate(folded):
        if character >= _DENSE:
            found.add(character)
            found.add(folded[i : i + 2])
        elif i + _PIECE <= len(folded):
            found.add(folded[i : i + _PIECE])
    return found


def bucket(piece: str) -> int:
    """Which bucket a piece or a mark() falls into."""
    return crc32(piece.encode("utf-8", "surrogatepass")) % BUCKETS


def mark(name: str, value: str) -> str:
    """A piece that no text has: a fact about a message, such as its device."""
    return f"\0{name}\0{value}"


def of_sender(*written: str | None) -> set[str]:
    """The pieces by which a sender is found, in any of the ways it is written."""
    found: set[str] = set()
    for one in written:
        if one:
            found |= pieces(fold(one)) | pieces(digits(one))
    return found
