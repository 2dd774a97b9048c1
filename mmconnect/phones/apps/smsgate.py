"""SMS Gateway for Android (SMSGate, `me.capcom.smsgateway`): its webhooks, versions 1.15 to 1.75.

One JSON envelope per event: `id` (the same at each retry), `event`, `payload`. Gson leaves nulls
out, so a missing field is an unknown one. `payload.messageId` is a 32-bit hash of the text, equal
for different texts in some versions: it is never taken for an id. Times are the SMS centre's; the
phone's clock is not judged. Events that are not incoming texts, unknown ones too, are news about
the phone.

A data SMS has kind `data`; its text is the data read as UTF-8 when that is readable text, else the
base64 as the phone gave it. Contents of an MMS are not kept, in no copy.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from mmconnect.domain.models import Attachment, Kind
from mmconnect.phones.apps.body import json_value
from mmconnect.phones.apps.fields import (
    attachments,
    id_of,
    scalar,
    sender_of,
    slot,
    without_contents,
)
from mmconnect.phones.apps.news import details, health, sim_cards
from mmconnect.phones.apps.signatures import matches
from mmconnect.phones.apps.times import read_time
from mmconnect.phones.apps.wire import Fields, Unreadable, encoded
from mmconnect.phones.push import (
    HEAD,
    DeviceEvent,
    IncomingText,
    NotUnderstood,
    Odd,
    Push,
    Reading,
    Texts,
)

NAME = "smsgate"
_USER_AGENT = "me.capcom.smsgateway/"
_MAX_BATCH = 1000  # the app sends at most 100
_SENDER = ("sender", "phoneNumber")  # only the latter before 1.54


def parse(push: Push, mapping: Mapping[str, str]) -> Reading:
    """Reads one envelope; the shape is fixed, so a device's own paths are not asked.

    Raises Unreadable. Of a batch, what cannot be read stands aside and holds up nothing.
    """
    envelope = json_value(push)
    event = envelope.get("event") if isinstance(envelope, dict) else None
    if not isinstance(envelope, dict) or not isinstance(event, str) or not event:
        raise Unreadable("this is no SMSGate webhook: it has no event")
    event_id = id_of(envelope, ("id",))
    payload = envelope.get("payload")
    if event in _TEXTS:
        return _single(push, envelope, event, event_id)
    single = event.replace(":batch:", ":")
    batched = single != event and single in _TEXTS
    messages = payload.get("messages") if batched and isinstance(payload, dict) else None
    if not batched or messages == []:
        return replace(_news(event, event_id, payload), via=_via(envelope))
    if not isinstance(messages, list) or len(messages) > _MAX_BATCH:
        raise Unreadable(f"{event} has no list of messages")
    return _batch(push, envelope, single, event_id, messages)


def _single(push: Push, envelope: Fields, event: str, event_id: str | None) -> Reading:
    payload = envelope.get("payload")
    slim = without_contents(payload)
    raw = None if slim is payload else encoded({**envelope, "payload": slim}, push.charset)
    try:
        text = _TEXTS[event](_object(payload, event), event_id)
    except Unreadable as problem:
        return NotUnderstood(reason=str(problem), raw=raw)
    return Texts(app=NAME, texts=(replace(text, raw=raw),), via=_via(envelope))


def _batch(
    push: Push, envelope: Fields, event: str, event_id: str | None, messages: Sequence[object]
) -> Reading:
    """Each message as a webhook of its own, with an id of its own."""
    texts: list[IncomingText] = []
    odd: list[Odd] = []
    for number, message in enumerate(messages):
        own_id = None if event_id is None else f"{event_id}/{number}"
        alone = {**envelope, "id": own_id, "event": event, "payload": without_contents(message)}
        raw = encoded(alone, push.charset)
        try:
            text = _TEXTS[event](_object(message, event), own_id)
        except Unreadable as problem:
            odd.append(Odd(reason=str(problem), raw=raw))
        else:
            texts.append(replace(text, raw=raw))
    if not texts:
        raise Unreadable(odd[0].reason)
    return Texts(app=NAME, texts=tuple(texts), odd=tuple(odd), via=_via(envelope))


def _via(envelope: Fields) -> str | None:
    return id_of(envelope, ("webhookId",))


def recognises(push: Push) -> bool:
    """By the envelope's names, or by the app's own User-Agent."""
    body = push.body
    if b'"event"' in body and b'"payload"' in body and b'"deviceId"' in body:
        return body.lstrip()[:1] == b"{"
    return push.headers.get("user-agent", "").startswith(_USER_AGENT)


def verify(push: Push, key: str) -> bool | None:
    """`X-Signature`: hex HMAC-SHA256 of the raw body directly followed by `X-Timestamp`."""
    given = push.headers.get("x-signature")
    if not given:
        return None
    stamp = push.headers.get("x-timestamp", "").encode("utf-8", "replace")
    return matches(hmac.digest(key.encode(), push.body + stamp, "sha256").hex(), given)


def _sms(payload: Fields, event_id: str | None) -> IncomingText:
    return _incoming(payload, event_id, Kind.SMS, _text(payload, "message"))


def _data(payload: Fields, event_id: str | None) -> IncomingText:
    told = _text(payload, "data")
    try:
        data = base64.b64decode(told, validate=True)
    except (binascii.Error, ValueError):
        return _incoming(payload, event_id, Kind.DATA, told)
    text = _incoming(payload, event_id, Kind.DATA, readable(data))
    return replace(text, head=data[:HEAD])


def _downloaded(payload: Fields, event_id: str | None) -> IncomingText:
    text = scalar(payload.get("body")) or ""
    parts = attachments(payload.get("attachments"))
    return _incoming(payload, event_id, Kind.MMS, text, parts)


def _announced(payload: Fields, event_id: str | None) -> IncomingText:
    return _incoming(payload, event_id, Kind.MMS, "", announcement=True)


def _incoming(
    payload: Fields,
    event_id: str | None,
    kind: Kind,
    text: str,
    parts: tuple[Attachment, ...] | None = None,
    *,
    announcement: bool = False,
) -> IncomingText:
    """What all kinds of incoming texts have in common."""
    sender = sender_of(payload, _SENDER)
    if sender is None:
        raise Unreadable("the payload names no sender: neither sender nor phoneNumber is in it")
    sent_at, mark = read_time(payload.get("receivedAt"))
    return IncomingText(
        kind=kind,
        sender=sender,
        text=text,
        recipient=scalar(payload.get("recipient")) or None,
        sent_at=sent_at,
        time_mark=mark,
        sim=slot(payload.get("simNumber")),
        event_id=event_id,
        subject=scalar(payload.get("subject")) or None,
        attachments=parts,
        announcement=announcement,
    )


_Reader = Callable[[Fields, str | None], IncomingText]
_TEXTS: dict[str, _Reader] = {
    "sms:received": _sms,
    "sms:data-received": _data,
    "mms:received": _announced,
    "mms:downloaded": _downloaded,
}
"""By event. Since 1.71 an export of the inbox has each in batches: `sms:batch:received`."""


def _object(payload: object, event: str) -> Fields:
    if not isinstance(payload, dict):
        raise Unreadable(f"{event} has no payload")
    return payload


def _text(payload: Fields, name: str) -> str:
    text = scalar(payload.get(name))
    if text is None:
        raise Unreadable(f"the payload has no {name}")
    return text


def readable(data: bytes) -> str:
    """What a data SMS says: its bytes as UTF-8 where that is readable, else as base64."""
    try:
        text = data.decode()
    except ValueError:
        text = "\0"
    if all(c.isprintable() or c in "\t\r\n" for c in text):
        return text
    return base64.b64encode(data).decode()


def _news(event: str, event_id: str | None, payload: object) -> DeviceEvent:
    told = payload if isinstance(payload, dict) else {}
    detail = details(told) | health(told) | sim_cards(told)
    return DeviceEvent(app=NAME, name=event, event_id=event_id, detail=detail)
