"""How busy each endpoint is: what may start at once, and what has to wait.

Pure bookkeeping in the event loop's thread, one lane per endpoint. Texts of one sender are never in
flight to one endpoint together, and no text starts while an earlier one waits, so a conversation
keeps its order (unless a retry, which waits for its own time, is overtaken).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from mmconnect.delivery.health import WELL, Health
from mmconnect.domain.models import Endpoint, EndpointState, Flight

QUICK = 1000
"""Milliseconds within which an answer says that the receiver could take more at once."""
SLOWED, SLOWEST = 2, 5000
"""So does a slower one of up to so many milliseconds, unless it took that many times as long as
the quickest lately: some receivers always need their seconds, others have too much to do."""
AHEAD, AHEAD_FOR = 1500, 100
"""New texts that may be in flight beyond what is under way to a receiver that answers within so
many milliseconds: they leave in a second or two, and waiting in the database costs them more."""


@dataclass(slots=True)
class Lane:
    """The traffic to one endpoint."""

    endpoint_id: str
    in_flight: int = 0
    """What is under way, and what is ready to leave."""
    ready: deque[tuple[float, Flight]] = field(default_factory=deque)
    """Born in flight and not sent yet, and since when (monotonic seconds)."""
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
    waiting: bool = True
    """Whether anything waits at all, as of the last look."""
    window: int = 1 << 30
    """POSTs at once that the receiver is trusted with; the endpoint's own limit bounds it."""
    last_ms: int | None = None
    """Milliseconds of its last answer that was a success, once there was one."""
    quickest: int = 1 << 30
    """Milliseconds of its quickest answer since it last got one POST at a time."""
    health: Health = WELL
    known_at: int | None = 0
    """The configuration's revision from which it tells the state better than `health` does; None
    while a change of health is being written."""
    writing: int = 0
    """Changes of the state that are being written."""
    probing: bool = False
    asked: bool = False
    """A person wants a probe that begins after the one in flight."""
    deep_at: float = 0.0
    """When a look may go through all that is due again (monotonic seconds)."""
    parked: bool = True
    """Whether deliveries may be parked. True until a claim has queued them."""
    new_text: bool = False
    """A text has come since the last turn: while held, it may serve as a probe."""

    def has_room(self, endpoint: Endpoint, sender: str) -> bool:
        """Whether a new text of `sender` may start at once, without overtaking any other."""
        if self.backlog or self.expected or sender in self.busy:
            return False
        room = self.limit(endpoint)
        if room == endpoint.concurrency and self.last_ms is not None and self.last_ms <= AHEAD_FOR:
            room += AHEAD
        return self.in_flight < room and not (endpoint.strict_order and self.waiting)

    def limit(self, endpoint: Endpoint) -> int:
        """How many POSTs may be under way."""
        return min(self.window, endpoint.concurrency)

    def slots(self, endpoint: Endpoint) -> int:
        """How many more may start."""
        return self.limit(endpoint) - self.in_flight

    @property
    def posting(self) -> int:
        """How many POSTs are under way."""
        return self.in_flight - len(self.ready)

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
        """A text has come to wait."""
        self.new_text = self.parked = True
        self.look_again()

    def look_again(self) -> None:
        """Something may wait that no look has seen."""
        self.arrivals += 1
        self.backlog = self.waiting = True

    def looked(self, next_due: int | None, now: int, arrivals: int) -> None:
        """A look, begun at that many `arrivals`, found when the next waiting delivery is due."""
        moved = self.arrivals != arrivals
        self.next_due = next_due
        self.waiting = moved or next_due is not None
        self.backlog = moved or (next_due is not None and next_due <= now)

    def will_be_due(self, due_at: int) -> None:
        """A delivery has been put off until then."""
        self.waiting = True
        if self.next_due is None or due_at < self.next_due:
            self.next_due = due_at

    def went_well(self, endpoint: Endpoint, duration_ms: int) -> None:
        """A delivery arrived: one more at once, so twice as many in the next round."""
        self.last_ms = duration_ms
        if self.window >= endpoint.concurrency:
            return
        alone = self.window == 1
        self.quickest = duration_ms if alone else min(self.quickest, duration_ms)
        if duration_ms <= max(QUICK, min(SLOWED * self.quickest, SLOWEST)):
            self.window += 1

    def went_wrong(self, endpoint: Endpoint) -> None:
        """One did not: half as many at once."""
        self.window = max(1, min(self.window, endpoint.concurrency) // 2)

    def released(self) -> None:
        """It works again: everything that waits is due, one at first."""
        self.window = 1
        self.look_again()

    def is_writing(self) -> None:
        """Its state has changed, and the database does not know yet."""
        self.writing += 1
        self.known_at = None

    def has_written(self, revision: int) -> None:
        """A change of its state is in the configuration from this revision on."""
        self.writing -= 1
        if not self.writing:
            self.known_at = revision

    def state(self, endpoint: Endpoint, revision: int) -> EndpointState:
        """Where the endpoint stands; `endpoint` is as of that `revision` of the configuration."""
        if endpoint.state is EndpointState.PAUSED:
            return EndpointState.PAUSED
        if self.health.local:
            return EndpointState.HELD
        if self.known_at is not None and self.known_at <= revision:
            return endpoint.state
        return EndpointState.ACTIVE if self.health.held is None else EndpointState.HELD
