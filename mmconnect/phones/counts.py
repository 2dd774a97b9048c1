"""What has come in since the start, counted for whoever asks (`/metrics`).

Plain numbers, touched in the event loop's thread only: counting a text costs it nothing.
"""

from __future__ import annotations


class Counts:
    """Tallies of the way in. They begin at 0 with each start."""

    __slots__ = ("duplicates", "received", "rejected", "unrecognised")

    def __init__(self) -> None:
        self.received = 0
        """Texts that were committed; a repeated push is none."""
        self.duplicates = 0
        """Texts that were pushed again, and merged."""
        self.unrecognised = 0
        """Pushes that were kept without being understood."""
        self.rejected: dict[str, int] = {}
        """Pushes that were refused, by reason."""

    def text_taken(self, duplicate: bool) -> None:
        """A text was committed, or was there already."""
        if duplicate:
            self.duplicates += 1
        else:
            self.received += 1

    def push_rejected(self, reason: str) -> None:
        """A push was refused; `reason` is one of a few words of our own."""
        self.rejected[reason] = self.rejected.get(reason, 0) + 1
