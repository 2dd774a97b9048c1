"""Any sender of texts: the usual names in JSON, forms, multipart and plain text, or own paths.

Also the reader behind the apps whose users write templates of their own. Guards that nothing is
invented: a push without a text or without a sender is not understood, and the reason names the
fields that were looked for and those that were there. A device's own paths are taken at their
word: a field that has one is looked for nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from mmconnect.domain.models import Kind
from mmconnect.phones.apps.body import decode
from mmconnect.phones.apps.fields import attachments, first, id_of, sender_of, sim_of, time_of
from mmconnect.phones.apps.names import (
    FIELDS,
    ID,
    RECIPIENT,
    SENDER,
    SIM,
    SUBJECT,
    TEXT,
    TIME,
    OwnPaths,
    field_of,
    own_paths,
)
from mmconnect.phones.apps.shapes import CONTAINERS, NAME, translated
from mmconnect.phones.apps.signatures import verify_body as verify
from mmconnect.phones.apps.wire import Decoded, Fields, Unreadable, encoded, shown
from mmconnect.phones.push import DeviceEvent, IncomingText, Push, Reading, Texts

__all__ = ["NAME", "parse", "read", "recognises", "verify"]

_MAX_BATCH = 1000
_MAX_SHOWN = 20


def parse(push: Push, mapping: Mapping[str, str]) -> Reading:
    """Reads a push of any shape. Raises Unreadable."""
    return read(decode(push), mapping, charset=push.charset)


def recognises(push: Push) -> bool:
    """Takes whatever the others do not know."""
    return True


def read(
    decoded: Decoded, mapping: Mapping[str, str], *, app: str = NAME, charset: str = "utf-8"
) -> Reading:
    """The texts in a body that has been taken apart: one, or a JSON array of them.

    Raises Unreadable; an array is understood as a whole or not at all, lest one of it be lost.
    """
    root = decoded.value
    if not isinstance(root, list) or _starts_with_index(mapping):
        fields = root if isinstance(root, dict) else {}
        read = _one(fields, own_paths(root, mapping), decoded)
        return read if isinstance(read, DeviceEvent) else Texts(app=app, texts=(read,))
    if len(root) > _MAX_BATCH:
        raise Unreadable(f"the JSON array has more than {_MAX_BATCH} entries")
    if not root or not all(isinstance(item, dict) for item in root):
        raise Unreadable("the JSON array is no list of texts")
    reads = [_one(item, own_paths(item, mapping), decoded) for item in root]
    texts = tuple(
        replace(read, raw=encoded(item, charset)) if len(root) > 1 else read
        for item, read in zip(root, reads, strict=True)
        if isinstance(read, IncomingText)
    )
    events = [read for read in reads if isinstance(read, DeviceEvent)]
    return Texts(app=app, texts=texts) if texts else events[0]


def _one(fields: Fields, own: OwnPaths, decoded: Decoded) -> IncomingText | DeviceEvent:
    _check_cases(fields)
    outer = translated(fields)
    if isinstance(outer, DeviceEvent):
        return outer
    for inner in _layers(outer):
        seen = own.over(inner)
        sender = sender_of(seen, SENDER, spaced=decoded.spaced)
        text = first(seen, TEXT)
        if sender is not None and text is not None:
            return _text(sender, text, seen, own.over(outer), decoded)
    raise Unreadable(_reason(own, outer, decoded))


def _layers(outer: Fields) -> Iterator[Fields]:
    """Where sender and text may stand together: at the top, in a known object, or miswritten."""
    yield outer
    for name in CONTAINERS:
        inner = outer.get(name)
        if isinstance(inner, dict):
            _check_cases(inner)
            yield inner
    # phone keyboards write a capital first letter into what is typed by hand: "From", "Text"
    folded = {_CANONICAL.get(name.casefold(), name): value for name, value in outer.items()}
    if len(folded) == len(outer) and folded.keys() != outer.keys():
        yield folded


def _check_cases(fields: Fields) -> None:
    """Refuse `From` beside `from`: one of them may be words of a text. Raises Unreadable."""
    if len({name.casefold() for name in fields}) == len(fields):  # nearly always
        return
    seen: dict[str, str] = {}
    for name in fields:
        folded = name.casefold()
        if folded in _CANONICAL and seen.setdefault(folded, name) != name:
            raise Unreadable(
                f"the names {shown(seen[folded])} and {shown(name)} are one name, so it is"
                " uncertain which one is meant",
                twice=True,
            )


_CANONICAL = {alias.casefold(): alias for aliases in FIELDS.values() for alias in reversed(aliases)}


def _text(sender: str, text: str, seen: Fields, outer: Fields, decoded: Decoded) -> IncomingText:
    """The text found in `seen`, which is `outer` or an object in it."""
    sent_at, mark = time_of(seen, TIME)
    if mark is None and seen is not outer:
        sent_at, mark = time_of(outer, TIME)
    both = outer if seen is outer else {**outer, **seen}
    listed = decoded.files or attachments(both.get("attachments"))
    mms = bool(listed) or outer.get("message_type") == "mms"
    return IncomingText(
        kind=Kind.MMS if mms else Kind.SMS,
        sender=sender,
        text=text,
        recipient=sender_of(both, RECIPIENT, spaced=decoded.spaced),
        sent_at=sent_at,
        time_mark=mark,
        sim=sim_of(both, SIM),
        # the id of the envelope is that of the event
        event_id=id_of(outer, ID) or (None if seen is outer else id_of(seen, ID)),
        subject=first(both, SUBJECT) or None if mms else None,
        attachments=listed if mms else None,
    )


def _starts_with_index(mapping: Mapping[str, str]) -> bool:
    return any(
        path.removeprefix("$.")[:1].isdigit() for name, path in mapping.items() if field_of(name)
    )


def _reason(own: OwnPaths, outer: Fields, decoded: Decoded) -> str:
    """Which of sender and text is missing, where it was looked for, and what there was."""
    seen = own.over(outer)
    lacks = []
    for field, word, there in (
        ("from", "sender", sender_of(seen, SENDER) is not None),
        ("text", "text", first(seen, TEXT) is not None),
    ):
        if not there:
            where = own.paths.get(field) or ", ".join(FIELDS[field])
            lacks.append(f"no {word} (looked for {where})")
    return f"there is {' and '.join(lacks) or 'no text'}; {_what_there_was(outer, decoded)}"


def _what_there_was(outer: Fields, decoded: Decoded) -> str:
    if decoded.guessed:
        return "the body says neither what it is nor who sent it"
    names = list(outer)
    for name in list(outer):
        inner = outer[name]
        if isinstance(inner, dict):
            names += [f"{name}.{below}" for below in inner]
    if not names:
        return "the push has no named fields"
    more = " and more" if len(names) > _MAX_SHOWN else ""
    return f"the push has {', '.join(map(shown, names[:_MAX_SHOWN]))}{more}"
