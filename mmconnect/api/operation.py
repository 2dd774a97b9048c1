"""One thing that the API can do, declared once: routing, checking and the document come from it.

A resource is a file of handlers and the operations that they serve. A handler gets a Call whose
query and body fit their schemas, and gives back a Reply, or raises: Invalid, NotFound, Refused,
StoreUnavailable or a Problem. It knows nothing of HTTP beyond the status.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from mmconnect.api.schema import JSON, Schema
from mmconnect.desk.actor import Actor
from mmconnect.desk.desk import Desk
from mmconnect.desk.keys import Scope
from mmconnect.store.api_keys import ApiKey


class Tag(StrEnum):
    """What an operation is about; the value is the heading on the page."""

    ENDPOINTS = "Endpoints"
    MESSAGES = "Messages"
    DELIVERIES = "Deliveries"
    DEVICES = "Devices"
    WEBHOOKS = "Webhooks"
    SETTINGS = "Settings"
    BACKUPS = "Backups"
    APPLIANCE = "Appliance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, as a handler sees it."""

    desk: Desk
    key: ApiKey | None
    """Whose request it is; None only where no key is needed."""
    address: str
    """Of whoever asks."""
    base: str
    """What stands before the API's paths: `""`, or the base path of a proxy."""
    id: str
    """What stands in the path for `{id}`; empty where there is none."""
    query: Mapping[str, Any]
    """The parameters that were given."""
    body: Any
    """As it fits the operation's schema; `{}` where nothing was sent."""

    @property
    def actor(self) -> Actor:
        """Who changes something, for the audit."""
        return Actor(name="" if self.key is None else self.key.id, address=self.address)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """A file that is handed over as it is."""

    file: Path
    name: str
    """By which it is saved."""
    over: Callable[[], Awaitable[None]]
    """Called when all of it has gone out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a handler gives back."""

    body: Any
    """A value, the bytes of one that is encoded already, or Handed where the answer has a media
    type of its own."""
    status: int = 200
    location: str | None = None
    """Of what was created, below `/v1`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What an operation takes."""

    schema: Schema
    example: Any
    required: bool = True
    """Whether something has to be sent; if not, nothing means `{}`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an operation answers with, when it is done."""

    means: str
    schema: Schema
    example: Any = None
    media: str = JSON
    """What its body is; of another than JSON there is no example."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method at one path."""

    method: str
    path: str
    """Below `/v1`; a part of it may be `{id}`."""
    name: str
    """The document's operationId."""
    tag: Tag
    summary: str
    handler: Callable[[Call], Awaitable[Reply]]
    answers: Mapping[int, Answer]
    description: str = ""
    scope: Scope | None = Scope.READ
    """What a key has to allow; None: no key is needed."""
    id_means: str = ""
    """What `{id}` is."""
    query: Mapping[str, Schema] = field(default_factory=dict)
    body: Body | None = None
    errors: tuple[str, ...] = ()
    """Codes besides those that follow from the rest."""
