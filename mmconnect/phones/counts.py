"""What has come in since the start, counted for whoever asks (`/metrics`).

Plain numbers, touched in the event loop's thread only: counting a text costs it nothing.
"""

from __future__ import annotations

from mmconnect.domain.days import hour_of


class Counts:
    """Tallies of the way in. They begin at 0 with each start."""

    __slots__ = ("by_hour", "duplicates", "phase", "received", "rejected", "unrecognised")

    def __init__(self) -> None:
        self.received = 0
        """Texts that were committed; a repeated push is none."""
        self.duplicates = 0
        """Texts that were pushed again, and merged."""
        self.unrecognised = 0
        """Pushes that were kept without being understood."""
        self.rejected: dict[str, int] = {}
        """Pushes that were refused, by reason."""
        self.by_hour: dict[tuple[str, int], int] = {}
        """Texts by device and hour (UTC ms of its beginning), until somebody takes them away."""
        self.phase = 0
        """Where local hours begin (domain/days.py)."""

    def text_taken(self, device_id: str, at: int, *, duplicate: bool) -> None:
        """A device's text was committed at a time (UTC ms), or was there already."""
        if duplicate:
            self.duplicates += 1
            return
        self.received += 1
        key = (device_id, hour_of(at, self.phase))
        self.by_hour[key] = self.by_hour.get(key, 0) + 1

    def push_rejected(self, reason: str) -> None:
        """A push was refused; `reason` is one of a few words of our own."""
        self.rejected[reason] = self.rejected.get(reason, 0) + 1
