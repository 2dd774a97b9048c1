"""Bytes to text: charsets, surrogates, and the words the other parsers share.

Knows neither formats nor apps. Guards that every string that leaves the parsers can be written as
UTF-8, and that what a reason shows of a push is names, never content.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Mapping
from functools import lru_cache

from mmconnect.domain.models import Attachment
from mmconnect.domain.values import value_type
from mmconnect.phones.push import Push

Fields = Mapping[str, object]

_SURROGATE = re.compile("[\ud800-\udfff]")
_NAME = re.compile(r"[\w.\-\[\]$@:]{1,40}")
_BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_NOT_AS_DECLARED = frozenset({"ascii", "idna", "punycode", "raw-unicode-escape", "unicode-escape"})
"""ASCII, of which UTF-8 is the superset that people mean, and codecs that are no charset."""


class Unreadable(Exception):
    """The push cannot be read; the message says why, without any of its content."""

    def __init__(self, reason: str, *, twice: bool = False) -> None:
        super().__init__(reason)
        self.twice = twice
        """A name occurs twice: no other way of reading the body may be tried."""


@value_type(frozen=True, slots=True, kw_only=True)
class Decoded:
    """A body taken apart."""

    value: object
    """Any JSON value; a dict of strings for everything that is not JSON."""
    files: tuple[Attachment, ...] = ()
    """Binary parts of a multipart body: named and measured, not kept."""
    spaced: bool = False
    """An unencoded `+` may have become a space on the way (forms and queries)."""
    guessed: bool = False
    """Read as a form that does not say it is one, so its names may be somebody's words."""


def clean(text: str) -> str:
    """`text` with each lone surrogate replaced, so that it can be stored and sent on."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def shown(name: str) -> str:
    """A field's name as a reason may show it; anything but a short word may be content."""
    return name if _NAME.fullmatch(name) else "(odd name)"


def decoded_text(push: Push) -> str:
    """The body as text in the declared charset, else UTF-8; what does not fit becomes U+FFFD."""
    body, encoding = push.body, codec(push.charset)
    if encoding != "utf-8":
        text = clean(body.decode(encoding, "replace"))
    elif body.startswith(_BYTE_ORDER_MARKS):
        text = body.decode("utf-16", "replace")
    else:
        try:
            text = body.decode()
        except UnicodeDecodeError:
            text = body.decode("utf-8", "replace")
    return text[1:] if text.startswith("\ufeff") else text


def encoded(value: object, charset: str) -> bytes:
    """A part of a JSON body as a body of its own, in the charset that the push declares."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode(codec(charset), "replace")


@lru_cache(maxsize=64)
def codec(charset: str) -> str:
    """A codec that decodes with `replace` without raising: the declared one, else UTF-8."""
    try:
        name = codecs.lookup(charset).name
        if name in _NOT_AS_DECLARED:
            return "utf-8"
        # a codec that is for something else than text says so only when it is used
        b"a".decode(name, "replace")
    except (LookupError, ValueError):
        return "utf-8"
    return name
