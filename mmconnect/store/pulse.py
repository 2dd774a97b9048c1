"""How long the writer has been at what it does, and how long ago the disk last answered it.

For those who have to know whether it hangs, without asking it. Invariant: a refusal is an answer; a
commit of nothing is none, as the disk was never asked.
"""

from __future__ import annotations

from collections.abc import Callable


class Pulse:
    """Told by the database, in the event loop, what its writer does."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        """`seconds` only ever move forward."""
        self._seconds = seconds
        self._begun: float | None = None
        self._changes = 0
        self._answered = seconds()

    def begins(self) -> None:
        """The writer was given something."""
        self._begun = self._seconds()

    def rests(self) -> None:
        """It has nothing to do."""
        self._begun = None

    def settles(self, changes: int, *, refused: bool) -> None:
        """A transaction came back; `changes` are the rows changed so far by all of them."""
        if refused or changes != self._changes:
            self.answers()
        self._changes = changes

    def answers(self) -> None:
        """The disk has taken a commit, or refused it."""
        self._answered = self._seconds()

    @property
    def at_it(self) -> float:
        """Seconds since the writer was given what it is at; 0 when that is nothing."""
        return 0.0 if self._begun is None else self._seconds() - self._begun

    @property
    def silent(self) -> float:
        """Seconds since the disk last answered."""
        return self._seconds() - self._answered
