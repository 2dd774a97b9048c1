"""A clock whose wall time can be set while time goes on as it does."""

from __future__ import annotations

from tests.support.inprocess import NOW, FakeClock

DAY = 86_400


class SetClock(FakeClock):
    """Stands still until it is told to move; what it says of the time can be set at will."""

    def lived(self) -> float:
        return self._monotonic

    def set_by(self, seconds: float) -> None:
        """Somebody, or NTP, sets the wall clock; no time passes."""
        self._now += round(seconds * 1000)

    def start_at(self, at: int) -> None:
        """A machine without a clock of its own is started, and takes this for the time (ms)."""
        self._now, self._monotonic = at, 5.0


__all__ = ["DAY", "NOW", "SetClock"]
