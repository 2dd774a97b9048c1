"""The operational events: what the appliance tells of itself, and the body that says it.

Pure: who is told, how often and when is the store's business (`store/events.py`). An event names
its subject and says in a sentence what happened and what to do; never the text of an SMS, never a
phone number, and of a URL only the part that names the receiver. Field order is fixed as in
`payload.py`: tests/golden holds the bytes.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

from mmconnect.domain.clock import iso, short_duration
from mmconnect.domain.models import Device, Endpoint
from mmconnect.webhook.payload import Tenant

DEVICE_SILENT, DEVICE_RECOVERED = "device.silent", "device.recovered"
DEVICE_REJECTED, DEVICE_UNRECOGNISED = "device.rejected", "device.unrecognised"
ENDPOINT_HELD, ENDPOINT_RECOVERED = "endpoint.held", "endpoint.recovered"
DELIVERY_FAILED, SYSTEM_WARNING = "delivery.failed", "system.warning"
OPERATIONAL = frozenset(
    {
        *(DEVICE_SILENT, DEVICE_RECOVERED, DEVICE_REJECTED, DEVICE_UNRECOGNISED),
        *(ENDPOINT_HELD, ENDPOINT_RECOVERED, DELIVERY_FAILED, SYSTEM_WARNING),
    }
)
UNDOES = {
    ENDPOINT_HELD: ENDPOINT_RECOVERED,
    ENDPOINT_RECOVERED: ENDPOINT_HELD,
    DEVICE_SILENT: DEVICE_RECOVERED,
    DEVICE_RECOVERED: DEVICE_SILENT,
}
"""Of each such pair only the later one is news."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRef:
    """The endpoint that an event is about."""

    id: str
    name: str
    url: str
    """Without user, password, query and fragment, which may be secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRef:
    """The device that an event is about."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRef:
    """The delivery that an event is about."""

    id: str
    message_id: str
    endpoint_id: str
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemWarning:
    """What is wrong with the appliance or the machine it runs on."""

    code: str
    """A word for programs: `disk`, `database`, `clock`, …"""
    sentence: str
    """What is wrong."""
    remedy: str
    """What to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened, or many of the same kind, of which this is the last."""

    name: str
    one: str
    """The sentence for people when it happened once."""
    many: str = ""
    """The sentence when it happened `{count}` times; empty: the same."""
    endpoint: EndpointRef | None = None
    device: DeviceRef | None = None
    delivery: DeliveryRef | None = None
    warning: SystemWarning | None = None

    @property
    def subject(self) -> str:
        """What it is about: events of one name and subject are told together."""
        for about in (self.endpoint, self.device):
            if about is not None:
                return about.id
        return self.warning.code if self.warning is not None else ""

    def sentence(self, count: int = 1) -> str:
        """The sentence for people when it happened that often."""
        if count == 1 or not self.many:
            return self.one
        return self.many.replace("{count}", f"{count:,}")


def device_silent(device: Device, since: int) -> Event:
    """A device has not been heard for too long; `since` is when it last was (UTC ms)."""
    return Event(
        name=DEVICE_SILENT,
        one=f"{device.name} has not been heard since {iso(since)}. Is it switched on, charged and"
        " in reach of its network?",
        device=_device(device),
    )


def device_recovered(device: Device) -> Event:
    """A device that was silent has been heard again."""
    return Event(
        name=DEVICE_RECOVERED,
        one=f"{device.name} has been heard again.",
        device=_device(device),
    )


_REJECTED = {
    "bad_signature": "the signature does not match the device's signing key. Compare the key here"
    " with the one in the app",
    "removed": "the device was removed here. Remove its webhook in the app, or add it anew",
}


def device_rejected(device: Device, reason: str) -> Event:
    """Pushes with a device's own token were refused; `reason` is that of its presence."""
    why = _REJECTED.get(reason, reason)
    return Event(
        name=DEVICE_REJECTED,
        one=f"A push of {device.name} was refused: {why}.",
        many=f"{{count}} pushes of {_plain(device.name)} were refused, the last one because:"
        f" {why}.",
        device=_device(device),
    )


def device_unrecognised(device: Device, message_id: str) -> Event:
    """A push could not be understood and was kept as it came."""
    look = f"See `mmconnect message show {message_id}`"
    return Event(
        name=DEVICE_UNRECOGNISED,
        one=f"A push of {device.name} was not understood; it was kept, not delivered. {look}.",
        many=f"{{count}} pushes of {_plain(device.name)} were not understood; they were kept, not"
        f" delivered. {look} for the last one.",
        device=_device(device),
    )


def endpoint_held(endpoint: Endpoint, reason: str) -> Event:
    """An endpoint is held. `reason` is a sentence of our own, without what its answers said."""
    return Event(
        name=ENDPOINT_HELD,
        one=f"{endpoint.name} is held: {_sentence(reason)} Its deliveries wait; nothing is lost.",
        endpoint=_endpoint(endpoint),
    )


def endpoint_recovered(endpoint: Endpoint, waiting: int | None = None) -> Event:
    """An endpoint that was held takes deliveries again; `waiting` are sent now, if known."""
    more = "" if not waiting else f" {waiting:,} waiting deliveries are sent now."
    return Event(
        name=ENDPOINT_RECOVERED,
        one=f"{endpoint.name} takes deliveries again.{more}",
        endpoint=_endpoint(endpoint),
    )


def delivery_failed(
    endpoint: Endpoint, delivery_id: str, message_id: str, attempts: int, reason: str
) -> Event:
    """A delivery has used up its schedule. `reason` as in endpoint_held()."""
    replay = "`mmconnect delivery retry` sends"
    tries = f"{attempts} attempt{'' if attempts == 1 else 's'}"
    return Event(
        name=DELIVERY_FAILED,
        one=f"A delivery to {endpoint.name} has failed for good after {tries}:"
        f" {_sentence(reason)} It is kept: {replay} it again.",
        many=f"{{count}} deliveries to {_plain(endpoint.name)} have failed for good, the last one"
        f" after {tries}: {_plain(_sentence(reason))} They are kept: {replay} them"
        " again.",
        endpoint=_endpoint(endpoint),
        delivery=DeliveryRef(
            id=delivery_id, message_id=message_id, endpoint_id=endpoint.id, attempts=attempts
        ),
    )


def delivery_expired(
    endpoint: Endpoint, delivery_id: str, message_id: str, attempts: int, max_age: int
) -> Event:
    """A delivery has waited longer than the endpoint's maximum age (seconds)."""
    why = f"older than the endpoint's maximum age ({short_duration(max_age)})"
    replay = "`mmconnect delivery retry` sends"
    return Event(
        name=DELIVERY_FAILED,
        one=f"A delivery to {endpoint.name} is not sent any more: {why}. It is kept: {replay} it.",
        many=f"{{count}} deliveries to {_plain(endpoint.name)} are not sent any more: {why}. They"
        f" are kept: {replay} them.",
        endpoint=_endpoint(endpoint),
        delivery=DeliveryRef(
            id=delivery_id, message_id=message_id, endpoint_id=endpoint.id, attempts=attempts
        ),
    )


def system_warning(warning: SystemWarning) -> Event:
    """Something is wrong with the appliance itself."""
    return Event(
        name=SYSTEM_WARNING, one=f"{warning.sentence} {warning.remedy}".strip(), warning=warning
    )


def event_body(
    event: Event, event_id: str, at: int, tenant: Tenant, *, count: int = 1, chat: bool = False
) -> bytes:
    """The body of an event that happened `count` times since it was last told, the last at `at`.

    With `chat` the sentence stands there as `text` and `content`, too: what chat services show.
    """
    sentence = event.sentence(count)
    body: dict[str, object] = {
        "event": event.name,
        "id": event_id,
        "at": iso(at),
        "message": sentence,
        "count": count,
    }
    if event.endpoint is not None:
        body["endpoint"] = asdict(event.endpoint)
    if event.device is not None:
        body["device"] = asdict(event.device)
    if event.delivery is not None:
        body["delivery"] = {
            "id": event.delivery.id,
            "messageId": event.delivery.message_id,
            "endpointId": event.delivery.endpoint_id,
            "attempts": event.delivery.attempts,
        }
    if event.warning is not None:
        body["warning"] = asdict(event.warning)
    body |= {"tenantId": tenant.id, "tenantName": tenant.name}
    if chat:
        body |= {"text": sentence, "content": sentence}
    return _encode(body).encode()


def packed(event: Event) -> str:
    """An event as a column holds it until it is told."""
    return _encode({k: v for k, v in asdict(event).items() if v})


def unpacked(text: str) -> Event:
    """The reverse of packed()."""
    held = json.loads(text)
    refs = {"endpoint": EndpointRef, "device": DeviceRef, "delivery": DeliveryRef}
    for name, kind in {**refs, "warning": SystemWarning}.items():
        if name in held:
            held[name] = kind(**held[name])
    return Event(**held)


def bare_url(url: str) -> str:
    """A URL without user, password, query and fragment."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return ""
    return f"{parts.scheme}://{host}{parts.path}"


def _endpoint(endpoint: Endpoint) -> EndpointRef:
    return EndpointRef(id=endpoint.id, name=endpoint.name, url=bare_url(endpoint.url))


def _device(device: Device) -> DeviceRef:
    return DeviceRef(id=device.id, name=device.name)


def _sentence(text: str) -> str:
    """`text` with an end."""
    text = text.strip()
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _plain(text: str) -> str:
    """A part of a `many` sentence in which nothing is filled in."""
    return text.replace("{count}", "{ count }")
