"""The values mmconnect speaks in: devices, messages, endpoints, deliveries, attempts.

All are frozen; states are enums; times are UTC milliseconds. The words are the contract's: the
same in tables, URLs, CLI and logs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum, auto

from mmconnect.domain.values import value_type


class Kind(StrEnum):
    """What sort of text a message is."""

    SMS = "sms"
    MMS = "mms"
    DATA = "data"
    UNRECOGNISED = "unrecognised"
    """A push that could not be understood; kept as received, never delivered as it stands."""
    EVENT = "event"
    """No text: something that the appliance itself tells (`endpoint.held`, …)."""


class Numbers(StrEnum):
    """How an endpoint wants phone numbers written."""

    E164 = "e164"
    DIGITS = "digits"
    """Without the `+`, as the hosted service's webhook wrote them."""


class EndpointState(StrEnum):
    """Whether texts go out to an endpoint. Never written into its deliveries."""

    ACTIVE = "active"
    HELD = "held"
    PAUSED = "paused"


class DeliveryState(StrEnum):
    """Where one message stands on its way to one endpoint."""

    PENDING = "pending"
    IN_FLIGHT = "in_flight"
    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class Trigger(StrEnum):
    """Why a delivery exists."""

    PUSH = "push"
    REPLAY = "replay"
    SEND = "send"
    TEST = "test"
    """One attempt: never retried, queued or drained."""
    EVENT = "event"
    """The appliance itself has something to tell."""


class Match(StrEnum):
    """How a routing condition compares, always without regard to case."""

    EXACT = "exact"
    PREFIX = "prefix"
    CONTAINS = "contains"
    PATTERN = "pattern"
    """A regular expression, found anywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One thing that a sender or a text may match."""

    match: Match
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """Which messages an endpoint wants. An empty field means all; of a field any one suffices."""

    id: str | None = None
    """`rule_` + ULID, once there is anything to match."""
    devices: frozenset[str] = frozenset()
    sims: frozenset[int] = frozenset()
    senders: tuple[Condition, ...] = ()
    """Exact, prefix or pattern."""
    texts: tuple[Condition, ...] = ()
    """Contains, exact or pattern."""


EVERYTHING = Routing()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """One part of an MMS: what it is, not its contents."""

    name: str | None
    content_type: str | None
    size: int | None
    """Bytes, or None when the phone did not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A paired phone or modem."""

    id: str
    name: str
    app: str
    """`auto`, or the name of the app whose pushes it sends."""
    country: str | None
    """ISO 3166 two-letter code by which national numbers are read."""
    signing_key: str | None = field(repr=False)
    mapping: dict[str, str] = field(default_factory=dict)
    """The device's own paths for the generic mapping: field name to dotted path."""
    dedupe_window: int | None = None
    """Seconds in which the same push without id and time counts as seen; None: the app's own."""
    silent_after: int | None = None
    """Seconds after which it counts as silent; 0: never; None: as its way of pushing says."""
    push_base: str | None = None
    """`http://192.168.1.20:8481`: where it was last told to push to."""
    created_at: int
    removed_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """One signing secret of an endpoint."""

    value: str = field(repr=False)
    created_at: int
    expires_at: int | None
    """None for the current one; a previous one signs until then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A URL that receives webhooks."""

    id: str
    name: str
    url: str
    state: EndpointState
    held_class: str | None
    """Why it is held: an outcome class (`gone`, …)."""
    held_reason: str | None
    """The same in a sentence, with the remedy."""
    held_at: int | None = None
    probe_asked_at: int | None = None
    """When a person last asked to find out at once whether it works again."""
    numbers: Numbers
    events: frozenset[str]
    max_age: int
    """Seconds after which an undelivered text expires."""
    plain_headers: bool
    """Whether X-MMConnect-Signature and X-MAC-Signature are sent."""
    concurrency: int
    """How many POSTs may be in flight at once."""
    schedule: tuple[int, ...] | None = None
    """Seconds before each attempt, the first included; None: the default schedule."""
    strict_order: bool = False
    """Whether a text that fails holds the later ones of its sender."""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """The owner's own headers; their values may be secret."""
    routing: Routing = EVERYTHING
    ca: str | None = field(default=None, repr=False)
    """PEM of a private CA that is trusted for this endpoint, besides the system's."""
    plain_http: bool = False
    """The owner's consent to plain http beyond private addresses."""
    alert: bool = False
    """It stands for the alert URL of the settings, and is changed there."""
    created_at: int
    removed_at: int | None = None
    secrets: tuple[Secret, ...] = field(repr=False)
    """Newest first; the first is the current one."""


@value_type(frozen=True, slots=True, kw_only=True)
class Message:
    """One text, as mmconnect took it."""

    id: str
    kind: Kind
    sender: str | None
    """E.164 where it can be, else exactly what the phone gave."""
    sender_raw: str | None
    """What the phone gave, when that differs from `sender`."""
    recipient: str | None
    text: str
    subject: str | None = None
    attachments: tuple[Attachment, ...] | None = None
    ref: str | None = None
    sim: int | None = None
    sent_at: int | None
    received_at: int
    device_id: str | None
    """None for a test, which no phone sent."""
    device_name: str | None
    event_id: str | None = None
    test: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message for one endpoint."""

    id: str
    message_id: str
    endpoint_id: str
    state: DeliveryState
    trigger: Trigger
    sender: str
    """The message's sender: texts of one sender are never in flight to one endpoint together."""
    attempts: int
    """POSTs made so far, over all replays."""
    spent: int
    """POSTs that count against the schedule since the last replay."""
    due_at: int | None
    """When the next attempt may start, while pending."""
    started_at: int | None
    created_at: int
    renewed_at: int | None = None
    """From when its age counts, where that is not `created_at`: a replay offered it anew, or the
    clock that told when it was made has been set since."""
    finished_at: int | None = None
    note: str | None = None
    """Why it ended, where no attempt tells."""


class Place(Enum):
    """Where a new delivery goes."""

    IN_FLIGHT = auto()
    """It may start at once."""
    QUEUED = auto()
    """It waits for its turn, which may come any moment."""
    PARKED = auto()
    """It waits, as its endpoint takes nothing now."""


@value_type(frozen=True, slots=True, kw_only=True)
class Flight:
    """A delivery in flight: all that one POST of it needs."""

    delivery_id: str
    message_id: str
    endpoint_id: str
    sender: str
    number: int
    """Of this attempt, counted over all replays; 1 is the first."""
    spent: int
    """Attempts of the schedule that are used up, this one included."""
    trigger: Trigger
    probe: bool = False
    """Whether it finds out if a held endpoint works again."""
    free: bool = False
    """A probe that counts as no attempt of the schedule, unless the receiver answers."""
    was_due: int | None = None
    """Its place among those that wait: when it was due, or came (UTC ms); None for a test."""
    body: bytes = field(repr=False)


@value_type(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One POST of a delivery, and what came of it."""

    delivery_id: str
    number: int
    started_at: int
    duration_ms: int | None
    outcome: str
    """An outcome class, or `interrupted`."""
    status: int | None
    error: str | None
    """In words, with the remedy; None on success."""
    address: str | None
    """The address connected to, `ip:port`."""
    response_headers: str | None = field(default=None, repr=False)
    response_body: str | None = field(default=None, repr=False)
    probe: bool = False
    count: int = 1
    """More than one for a row of failed probes: `started_at` is the first's."""
    last_at: int | None = None
    """When the last of such a row began."""
    note: str | None = None
    """What else is worth knowing, also of a success: which secret the receiver knows, say."""
    request: str | None = field(default=None, repr=False)
    """What only this attempt knows of its request, the last one's of a row (webhook.as_sent)."""
