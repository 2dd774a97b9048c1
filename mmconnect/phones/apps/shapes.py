"""Well-known pushes in words of their own, put into the words of the generic reader.

EnvayaSMS, SMSSync, Termux, httpSMS and textbee (app and webhook). Knows which of their events are
no incoming texts: an outgoing text taken for an incoming one would be a text that nobody sent.
"""

from __future__ import annotations

import re

from mmconnect.phones.apps.fields import first, id_of
from mmconnect.phones.apps.news import details
from mmconnect.phones.apps.wire import Fields, Unreadable
from mmconnect.phones.push import DeviceEvent

NAME = "generic"
CONTAINERS = ("sms", "data", "message", "msg")
"""Objects inside which the sender and the text may stand: smsforwarding.com, CloudEvents."""

_NOT_RECEIVED = re.compile(r"sent|deliver|fail|outgoing|outbox|draft|queued", re.IGNORECASE)


def translated(fields: Fields) -> Fields | DeviceEvent:
    """`fields` with the generic names where a known app uses others; news of the phone as such.

    Raises Unreadable for a text that is end-to-end encrypted.
    """
    if "action" in fields and ("phone_number" in fields or "phone_id" in fields):
        return _envaya(fields)
    if "webhookEvent" in fields and fields["webhookEvent"] != "MESSAGE_RECEIVED":
        return _event(fields, "webhookEvent", "idempotencyKey")
    if "specversion" in fields and fields.get("type") != "message.phone.received":
        return _event(fields, "type", "id")
    if isinstance(fields.get("sms"), dict) and _says_not_received(fields.get("event")):
        return _event(fields, "event", "id")
    if "address" in fields and "_id" in fields:
        # Android's own SMS table: Termux, sms2webhook. A `sender` beside it is a contact's name.
        if _says_not_received(fields.get("type")):
            return DeviceEvent(app=NAME, name="sms:" + str(fields["type"]).lower()[:40])
        return {**fields, "from": fields["address"]}
    inner = fields.get("data") if "specversion" in fields else fields
    if isinstance(inner, dict) and inner.get("encrypted") is True:
        raise Unreadable("the text is end-to-end encrypted: switch encryption off in the phone app")
    return fields


def _envaya(fields: Fields) -> Fields | DeviceEvent:
    """`phone_number` is our own number; anything but an incoming SMS or MMS is news."""
    if fields["action"] != "incoming":
        return _event(fields, "action", "id")
    if fields.get("message_type") == "call":
        return DeviceEvent(app=NAME, name="call", detail=details(fields))
    renamed = {name: value for name, value in fields.items() if name != "phone_number"}
    return renamed | {"to": fields.get("phone_number")}


def _event(fields: Fields, name: str, event_id: str) -> DeviceEvent:
    return DeviceEvent(
        app=NAME,
        name=(first(fields, (name,)) or "event")[:80],
        event_id=id_of(fields, (event_id,)),
        detail=details(fields),
    )


def _says_not_received(word: object) -> bool:
    return isinstance(word, str) and _NOT_RECEIVED.search(word) is not None
