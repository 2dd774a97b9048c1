"""How busy each endpoint is: what may start at once, and what has to wait.

Pure bookkeeping in the event loop's thread, one lane per endpoint. Texts of one sender are never in
flight to one endpoint together, and no text starts while an earlier one waits, so a conversation
keeps its order (unless a retry, which waits for its own time, is overtaken).
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Lane:
    """The traffic to one endpoint."""

    endpoint_id: str
    in_flight: int = 0
    busy: set[str] = field(default_factory=set)
    """The senders of what is in flight."""
    expected: int = 0
    """Writes under way that will leave a delivery waiting."""
    backlog: bool = True
    """Whether deliveries may be waiting that are due. True until a look has said otherwise."""
    arrivals: int = 0
    """Counts what may have come to wait; a look that saw it move has seen too little."""
    next_due: int | None = None
    """When the next waiting delivery is due (UTC ms), as of the last look."""

    def has_room(self, sender: str, limit: int) -> bool:
        """Whether a new text of `sender` may start at once, without overtaking any other."""
        return (
            not self.backlog
            and not self.expected
            and self.in_flight < limit
            and sender not in self.busy
        )

    def enter(self, sender: str) -> None:
        """A text takes off."""
        self.in_flight += 1
        self.busy.add(sender)

    def leave(self, sender: str) -> None:
        """It has landed, one way or the other."""
        self.in_flight -= 1
        self.busy.discard(sender)

    def is_due(self, now: int) -> bool:
        """Whether a look for waiting deliveries is worth its while."""
        return self.backlog or (self.next_due is not None and self.next_due <= now)

    def arrived(self) -> None:
        """Something may have come to wait."""
        self.arrivals += 1
        self.backlog = True

    def looked(self, next_due: int | None, now: int, arrivals: int) -> None:
        """A look, begun at that many `arrivals`, found when the next waiting delivery is due."""
        self.next_due = next_due
        self.backlog = self.arrivals != arrivals or (next_due is not None and next_due <= now)

    def will_be_due(self, due_at: int) -> None:
        """A delivery has been put off until then."""
        if self.next_due is None or due_at < self.next_due:
            self.next_due = due_at
