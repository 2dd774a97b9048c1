"""Reading a push in two ways at once, as generic and as auto, for the tests of both."""

from __future__ import annotations

import json
from typing import Any

from mmconnect.phones.apps import read
from mmconnect.phones.push import IncomingText, NotUnderstood, Push, Reading, Texts
from tests.support import phones

NEW_YEAR = 1767225600000


def parse(pushed: Push | dict[str, Any] | list[Any], own: dict[str, str] | None = None) -> Reading:
    """Read as generic, and as auto: both must say the same, or another app the same texts."""
    if not isinstance(pushed, Push):
        pushed = phones.as_push({"Content-Type": phones.JSON}, json.dumps(pushed).encode())
    reading = read("generic", pushed, own or {})
    auto = read("auto", pushed, own or {})
    if isinstance(auto, Texts) and isinstance(reading, Texts):
        assert auto.texts == reading.texts
    else:
        assert auto == reading
    return reading


def one(pushed: Any, own: dict[str, str] | None = None) -> IncomingText:
    reading = parse(pushed, own)
    assert isinstance(reading, Texts), reading
    assert reading.app == "generic"
    (text,) = reading.texts
    return text


def reason(pushed: Any, own: dict[str, str] | None = None) -> str:
    reading = parse(pushed, own)
    assert isinstance(reading, NotUnderstood), reading
    assert "mmconnect failed" not in reading.reason
    return reading.reason


def wire(made: phones.Wire) -> Push:
    return phones.as_push(*made)
