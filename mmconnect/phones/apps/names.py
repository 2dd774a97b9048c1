"""The usual names of things in pushes, best first, and a device's own paths to them.

The contract's names come first; the rest are those of every app whose default shape is known. For
the time of a text, the names that can only mean the SMS centre's time come before those that some
apps use for the phone's. `sub_id` and the like are no SIM slots and are not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mmconnect.phones.apps.wire import Fields

SENDER = (
    "from",
    "sender",
    "phoneNumber",
    "number",
    "msisdn",
    "address",
    "phone",
    "phone_number",
    "sms_sender",
    "contact",
    "originator",
    "source",
)
TEXT = ("text", "message", "body", "org_content", "content", "msg", "sms", "message_body")
TIME = (
    "sentStamp",
    "sent_timestamp",
    "sentAt",
    "date_sent",
    "receivedAt",
    "timestamp",
    "date",
    "receivedStamp",
    "received_at",
    "receivedAtInMillis",
    "received",
    "time",
    "ts",
)
ID = (
    "id",
    "messageId",
    "message_id",
    "_id",
    "sms_id",
    "smsId",
    "uuid",
    "fingerprint",
    "idempotencyKey",
)
SIM = ("sim", "simNumber", "sim_slot", "simSlot", "card_slot", "slot")
RECIPIENT = ("to", "recipient", "owner", "sent_to", "receiver")
SUBJECT = ("subject", "mmsSubject")

FIELDS = {
    "from": SENDER,
    "text": TEXT,
    "time": TIME,
    "id": ID,
    "sim": SIM,
    "to": RECIPIENT,
    "subject": SUBJECT,
}
"""What a device's own paths can say, and the usual names of it."""

_FIELD_OF = {alias: name for name, aliases in FIELDS.items() for alias in (name, *aliases)}


def field_of(name: str) -> str | None:
    """The field that somebody means by `name`: `from` for `sender`; None when there is no such."""
    return _FIELD_OF.get(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPaths:
    """What a device's own paths found in one push."""

    found: Mapping[str, object] = field(default_factory=dict)
    paths: Mapping[str, str] = field(default_factory=dict)
    """By field, for reasons."""

    def over(self, fields: Fields) -> Fields:
        """`fields` as these paths want them seen: a field with a path has no usual names."""
        if not self.paths:
            return fields
        hidden = {alias for name in self.paths for alias in FIELDS[name]}
        left = {name: value for name, value in fields.items() if name not in hidden}
        return left | dict(self.found)


def own_paths(root: object, mapping: Mapping[str, str]) -> OwnPaths:
    """Follows a device's own paths (`{"from": "data.sender"}`) through a push."""
    if not mapping:
        return _NONE
    paths = {known: path for name, path in mapping.items() if (known := field_of(name))}
    values = {name: at(root, path) for name, path in paths.items()}
    found = {FIELDS[name][0]: value for name, value in values.items() if value is not None}
    return OwnPaths(found=found, paths=paths)


_NONE = OwnPaths()


def at(root: object, path: str) -> object:
    """The value at a dotted path, `data.messages.0.text`; `a|b` takes the first that is there."""
    for one in path.split("|"):
        value = _at(root, one.strip().removeprefix("$."))
        if value is not None:
            return value
    return None


def _at(value: object, path: str) -> object:
    if isinstance(value, dict) and path in value:
        return value[path]  # a name with dots in it, or the last step
    step, dot, rest = path.partition(".")
    if isinstance(value, dict):
        value = value.get(step)
    elif isinstance(value, list) and step.isascii() and step.isdigit() and len(step) < 6:
        value = value[int(step)] if int(step) < len(value) else None
    else:
        return None
    return _at(value, rest) if dot else value
