"""A push's bytes as named values: JSON, form, multipart or plain text, whatever its header claims.

Knows nothing of any app. Guards that nothing is guessed: a name that is in a body twice makes it
unreadable, because the text of an SMS can smuggle names into bodies that a phone does not escape.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from mmconnect.phones.apps.forms import multipart, urlencoded
from mmconnect.phones.apps.names import SENDER
from mmconnect.phones.apps.wire import Decoded, Unreadable, clean, codec, decoded_text, shown
from mmconnect.phones.push import Push

_LEADING = b"\xef\xbb\xbf \t\r\n"
_FORM_LIKE = re.compile(rb"[\w.\-\[\]%$]{1,80}=")
_RAW = ("from", "time", "to", "id", "sim")
"""What a plain text carries as `X-SMS-From` and so on."""


def decode(push: Push) -> Decoded:
    """The push's body by its content type, or by its looks where that is missing or wrong.

    A body that starts like JSON is JSON also when it is typed as a form; one that comes with
    `X-SMS-From` is a raw text, whatever it is typed as, but for multipart. Raises Unreadable.
    """
    media, body = push.content_type, push.body
    if not body or is_raw(push):
        return _plain(push)
    if media.startswith("multipart/"):
        return multipart(push)
    starts_json = body.lstrip(_LEADING)[:1] in (b"{", b"[")
    form_like = _FORM_LIKE.match(body) is not None
    if starts_json or (media.endswith("json") and not form_like):
        return Decoded(value=json_value(push))
    if media == "application/x-www-form-urlencoded":
        return urlencoded(push)
    if form_like and not _names_sender(push):
        return urlencoded(push, guessed=True)
    return _plain(push)


def is_raw(push: Push) -> bool:
    """Whether the body is somebody's words as they are, whatever they look like.

    Anybody can write a text that is a push of another sender; where this says so, no app may be
    recognised in it.
    """
    media = push.content_type
    if "x-sms-from" in push.headers:
        return not media.startswith("multipart/")
    return media == "text/plain" and _names_sender(push)


def _names_sender(push: Push) -> bool:
    return bool(push.query) and not push.query.keys().isdisjoint(SENDER)


def json_value(push: Push) -> object:
    """The body as JSON; raw newlines and control characters inside strings are let through.

    Raises Unreadable, with `twice` set when an object has a name twice.
    """
    text = _json_text(push)
    try:
        value = _DECODER.decode(text)
        # only an escape can make a lone surrogate; the decoder has already joined the pairs
        return _mended(value) if "\\ud" in text or "\\uD" in text else value
    except _Twice as twice:
        raise Unreadable(
            f"the JSON body has the name {shown(twice.name)} twice in one object, "
            "so it is uncertain which one is meant",
            twice=True,
        ) from None
    except json.JSONDecodeError as error:
        if not text.strip():
            raise Unreadable("the body is empty") from None
        what = f"the body is not valid JSON: {error.msg} (character {error.pos})"
        raise Unreadable(what) from None
    except RecursionError:
        raise Unreadable("the JSON body is nested too deeply") from None
    except ValueError:
        raise Unreadable("the JSON body has a number with thousands of digits") from None


def _json_text(push: Push) -> str:
    """As decoded_text(), and UTF-16 or UTF-32 that says nothing: JSON starts with ASCII."""
    if codec(push.charset) == "utf-8" and b"\0" in push.body[:2]:
        return push.body.decode(json.detect_encoding(push.body), "replace")
    return decoded_text(push)


def _plain(push: Push) -> Decoded:
    """The body is the text; who sent it stands in headers or in the query."""
    fields = dict(_query(push))
    for name, value in _raw_headers(push):
        fields[name] = value
    if push.body or "x-sms-from" in push.headers:
        fields["text"] = decoded_text(push)
    if not fields:
        raise Unreadable("the body is empty")
    return Decoded(value=fields, spaced=True)


def _query(push: Push) -> Iterator[tuple[str, object]]:
    """The query's names and values. Raises Unreadable for a name that is there twice."""
    seen: set[str] = set()
    for name, value in push.query.items():  # a multidict, which tells each of them
        name = clean(name)
        if name in seen:
            raise Unreadable(
                f"the query has the name {shown(name)} twice, so it is uncertain which one is"
                " meant",
                twice=True,
            )
        seen.add(name)
        yield name, clean(value)


def _raw_headers(push: Push) -> Iterator[tuple[str, object]]:
    """`X-SMS-From` and its kin. Raises Unreadable for one that is there twice and differs."""
    found: dict[str, str] = {}
    for header, value in push.headers.items():  # a multidict, too
        name = header.lower().removeprefix("x-sms-")
        if len(name) == len(header) or name not in _RAW or not value:
            continue
        # the HTTP parser keeps header bytes that are not UTF-8 as surrogates
        value = clean(value)
        if found.setdefault(name, value) != value:
            raise Unreadable(
                f"the header X-SMS-{name.title()} is there twice, so it is uncertain which one is"
                " meant",
                twice=True,
            )
    yield from found.items()


class _Twice(ValueError):
    """An object has one name twice."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            break
        seen.add(name)
    raise _Twice(name)


_DECODER = json.JSONDecoder(strict=False, object_pairs_hook=_object)


def _mended(value: object) -> object:
    """`value` with every lone surrogate in it replaced, in names too."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_mended(item) for item in value]
    if isinstance(value, dict):
        return _object([(clean(name), _mended(item)) for name, item in value.items()])
    return value
