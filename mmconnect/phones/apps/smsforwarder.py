"""SmsForwarder (`cn.ppps.forwarder`), 3.x: its webhook sender, by JSON template or default form.

`[timestamp]` is the time of the push, new at each attempt: it is never the time of the text. The
default form's `content` is not the text but a rendered page around it: the sender, the text, the
SIM's label, the subscription, the local time, the phone's name, a line each. `sign` covers only
the timestamp, not the body.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import quote

from mmconnect.phones.apps import generic
from mmconnect.phones.apps.body import decode
from mmconnect.phones.apps.fields import scalar
from mmconnect.phones.apps.names import TIME
from mmconnect.phones.apps.signatures import matches
from mmconnect.phones.apps.wire import Decoded, Fields, Unreadable
from mmconnect.phones.push import Push, Reading, Texts

NAME = "smsforwarder"
_PUSH_TIMES = ("timestamp", "ts")
_TIME_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
_SIM_LINE = re.compile(r"SIM[12](?!\d).*", re.IGNORECASE)
_SUBSCRIPTION_LINE = re.compile(r"SubId\s*[：:].*", re.IGNORECASE)  # noqa: RUF001 fullwidth colon


def parse(push: Push, mapping: Mapping[str, str]) -> Reading:
    """Reads the preset, the default form and people's own templates. Raises Unreadable."""
    decoded = decode(push)
    if isinstance(decoded.value, dict) and not mapping:
        fields = _without_push_times(decoded.value)
        content, sender = fields.get("content"), fields.get("from")
        if "org_content" in fields:
            fields["text"] = fields["org_content"]
        elif "text" not in fields and isinstance(content, str) and isinstance(sender, str):
            fields |= unwrapped(content, sender)
        decoded = Decoded(value=fields, spaced=decoded.spaced, guessed=decoded.guessed)
    reading = generic.read(decoded, mapping, app=NAME, charset=push.charset)
    if isinstance(reading, Texts):
        return replace(reading, texts=tuple(replace(text, rough=True) for text in reading.texts))
    return reading


def recognises(push: Push) -> bool:
    """The default form by its first names in their order, the preset by its names."""
    body = push.body
    if body.startswith(b"from="):
        return b"&content=" in body and b"&timestamp=" in body
    named = b'"ts"' in body and b'"received"' in body and b'"device"' in body
    return named and body.lstrip()[:1] == b"{"


def verify(push: Push, key: str) -> bool | None:
    """`sign`: base64 of HMAC-SHA256 of `<timestamp>\\n<key>`, percent-encoded up to twice."""
    try:
        fields = decode(push).value
    except Unreadable:
        return None
    if not isinstance(fields, dict):
        return None
    given = scalar(fields.get("sign"))
    if not given or given == "[sign]":  # the tag stays as it is when the phone has no secret
        return None
    stamp = next((s for name in _PUSH_TIMES if (s := scalar(fields.get(name)))), "")
    signed = f"{stamp}\n{key}".encode()
    plain = base64.b64encode(hmac.digest(key.encode(), signed, "sha256")).decode()
    once = quote(plain, safe="")
    wanted = (plain, once, quote(once, safe=""))
    # every one is compared, so that the time tells nothing
    return any([matches(one, given.replace(" ", "+")) for one in wanted])


def unwrapped(content: str, sender: str) -> dict[str, object]:
    """The text, SIM label and local time out of the default page; the whole where it is not one.

    Lines are taken away from both ends only as far as they are what the default template puts
    there; the last, the phone's name, can be anything and goes with the time before it.
    """
    lines = content.split("\n")
    if len(lines) < 2 or lines[0].strip() != sender.strip():
        return {"text": content}
    lines = lines[1:]
    found: dict[str, object] = {}
    # the last line but one, or the last where the phone has no name
    end = next((n for n in (-1, -2) if _TIME_LINE.fullmatch("".join(lines[n:][:1]).strip())), None)
    if end is not None:
        above = lines[:end]
        if above and _SUBSCRIPTION_LINE.fullmatch(above[-1].strip()):
            above = above[:-1]
        if above and _SIM_LINE.fullmatch(above[-1].strip()):
            found["sim"] = above[-1].strip()
            above = above[:-1]
        if len(above) < len(lines) + end:
            found["received"] = lines[end].strip()
            lines = above
    return found | {"text": "\n".join(lines)}


def _without_push_times(fields: Fields) -> dict[str, object]:
    """`fields` without `[timestamp]`: the only time this app gives as a number."""
    return {
        name: value
        for name, value in fields.items()
        if not (name in TIME and (scalar(value) or "").isdigit())
    }
