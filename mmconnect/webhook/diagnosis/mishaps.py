"""What is known to happen to a secret or a body between signing and checking.

Lists for recipes.py to try: each variant comes with the words that say how it differs from what
was given. Pure and bounded, because a sample receiver runs this on requests from strangers: a large
body is compared only as it is.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import json
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

from mmconnect.webhook.signing import PREFIX

MAX_TRIED = 16_384
"""Bytes; mmconnect's own bodies are around half a kilobyte."""
FIELDS = (
    "event id kind from to text ref sentAt receivedAt deviceId deviceName sim"
    " tenantId tenantName test"
).split()
"""What every `message.received` carries, in mmconnect's order."""
OPTIONAL_FIELDS = ("fromRaw", "subject", "attachments", "matchedRuleId")

_INVISIBLE = "\ufeff\u200b\u200c\u200d\u2060\u00a0"
_QUOTES = "\"'`“”‘’«»"


def secret_variants(secret: str) -> dict[str, str | None]:
    """Secrets that `secret` may stand for, each with what is wrong with it (or None)."""
    found: dict[str, str | None] = {secret: None}

    def add(value: str, fault: str) -> None:
        if value:
            found.setdefault(value, fault)

    add(secret.strip(), "has a space or line end at its start or end")
    clean = secret.strip().strip(_INVISIBLE).strip()
    add(clean, "has an invisible character at its start or end")
    clean = clean.strip(_QUOTES).strip()
    add(clean, "has quotation marks around it")
    if PREFIX in clean:
        add(clean[clean.index(PREFIX) :], f"has something before `{PREFIX}`")
        clean = clean[clean.index(PREFIX) :]
        add(clean[len(PREFIX) :], f"counts with its `{PREFIX}`, but the signature was made without")
    else:
        add(PREFIX + clean, f"lacks its `{PREFIX}`")
        clean = PREFIX + clean
    padded = clean + "=" * (-len(clean.removeprefix(PREFIX)) % 4)
    add(padded, "has lost the `=` at its end")
    plus = secret.strip("\r\n").replace(" ", "+")
    add(plus, "has spaces where it should have `+` (decoded as a form field)")
    add(unquote(clean), "is percent-encoded")
    add(secret + "\n", "lacks the line end with which the sender keeps it")
    add(secret + "\r\n", "lacks the line end (CR LF) with which the sender keeps it")
    return found


def lenient_key(secret: str) -> bytes | None:
    """The base64-decoded part after `whsec_`, in either alphabet and with or without padding."""
    text = secret.removeprefix(PREFIX).rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True) or None
    except (binascii.Error, ValueError):
        return None


def body_variants(body: bytes) -> dict[bytes, str | None]:
    """What may have been sent for `body` to arrive, each with what happened to it (or None)."""
    found: dict[bytes, str | None] = {body: None}
    if 0 < len(body) <= MAX_TRIED:
        for sent, change in (*_bytewise(body), *_recoded(body), *_rewritten(body)):
            found.setdefault(sent, change)
    return found


def looks_untouched(body: bytes) -> bool:
    """Whether `body` is JSON exactly as mmconnect writes it, so that no parser has been at it."""
    try:
        return _write(json.loads(body)).encode() == body
    except (ValueError, RecursionError):
        return False


def body_id(body: bytes) -> str | None:
    """The id inside the body, which is also its `webhook-id`."""
    value = _read(body)
    found = value.get("id") if isinstance(value, dict) else None
    return found if isinstance(found, str) else None


def _bytewise(body: bytes) -> Iterator[tuple[bytes, str]]:
    bare = body.removeprefix(codecs.BOM_UTF8)
    yield bare, "a byte order mark (EF BB BF) was put in front"
    yield bare.rstrip(b"\r\n"), "a line end was added at its end"
    yield body + b"\n", "the line end at its end was removed"
    yield body + b"\r\n", "the line end (CR LF) at its end was removed"
    yield body.replace(b"\r\n", b"\n"), "its line ends were turned into CR LF"
    yield body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"), "its CR LF line ends became LF"
    yield bare.strip(), "space was added around it"
    yield codecs.BOM_UTF8 + body, "its byte order mark was removed"


def _recoded(body: bytes) -> Iterator[tuple[bytes, str]]:
    """Bodies decoded and encoded again with a charset that was not UTF-8, or normalised."""
    for charset in ("cp1252", "latin-1"):
        with suppress(UnicodeError):
            yield (
                body.decode().encode(charset),
                f"its UTF-8 was read as {charset} and encoded again",
            )
    for charset in ("cp1252", "latin-1", "utf-16", "utf-16-le", "utf-16-be"):
        with suppress(UnicodeError):
            yield body.decode(charset).encode(), f"it was encoded again as {charset}"
    with suppress(UnicodeError):
        text = body.decode()
        yield unicodedata.normalize("NFC", text).encode(), "its characters were decomposed (NFD)"
        yield unicodedata.normalize("NFD", text).encode(), "its characters were composed (NFC)"


def _read(body: bytes) -> Any:
    """`body` as JSON, whatever its charset; None when it is none."""
    for charset in ("utf-8-sig", "utf-16", "cp1252"):
        try:
            return json.loads(body.decode(charset))
        except (ValueError, RecursionError):
            continue
    return None


def _rewritten(body: bytes) -> Iterator[tuple[bytes, str]]:
    """Bodies that were parsed and written anew: what the signature may have been made over."""
    value, note = _read(body), "the JSON was parsed and written anew"
    if isinstance(value, str):
        yield value.encode(errors="replace"), "it was encoded as JSON twice: a string holding JSON"
        value, note = _read(value.encode(errors="replace")), f"{note}, inside a JSON string"
    if not isinstance(value, dict):
        return
    written = {text: style for text, style in _writings(value)}
    style = written.get(body)
    arrived = f"{note} ({style})" if style else note
    for text in written:
        yield text, arrived
    for base, change in _restored(value):
        for text, _ in _writings(base):
            yield text, f"{arrived}, {change}"


def _restored(value: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """`value` with mmconnect's order of fields, and with the nulls that a parser left out."""
    known = [*FIELDS, *OPTIONAL_FIELDS]
    rest = [name for name in value if name not in known]
    ordered = {name: value[name] for name in [*known, *rest] if name in value}
    moved = "its fields sorted" if list(value) == sorted(value) else "its fields in another order"
    if isinstance(parts := ordered.get("attachments"), list):
        keys = ("name", "contentType", "size")
        whole = all(isinstance(p, dict) and set(p) == set(keys) for p in parts)
        ordered["attachments"] = [{k: p[k] for k in keys} for p in parts] if whole else parts
    yield ordered, moved
    filled = {name: value.get(name) for name in FIELDS}
    yield filled | ordered, "fields that are null left out"


def _writings(value: dict[str, Any]) -> Iterator[tuple[bytes, str]]:
    """`value` in every notation that common JSON writers produce, named."""
    compact, ascii_, pretty = _write(value), _write(value, ascii=True), _write(value, indent=2)
    for text, name in (
        (compact, "compact"),
        (_write(value, spaced=True, ascii=True), "as Python's json.dumps: spaces, \\u escapes"),
        (_write(value, spaced=True), "with a space after each comma and colon"),
        (ascii_, "with \\u escapes for what is not ASCII"),
        (ascii_.replace("/", "\\/"), "as PHP's json_encode: \\/ and \\u escapes"),
        (compact.replace("/", "\\/"), "with slashes escaped as \\/"),
        (pretty, "pretty-printed with 2 spaces"),
        (_write(value, indent=4), "pretty-printed with 4 spaces"),
        (_write(value, indent="\t"), "pretty-printed with tabs"),
        (_write(value, indent=2, ascii=True), "pretty-printed with 2 spaces, \\u escapes"),
        (_write(value, indent=4, ascii=True), "pretty-printed with 4 spaces, \\u escapes"),
        (_escaped(compact, "<>&", "04x"), "as Go's json.Marshal: \\u003c for <"),
        (_escaped(ascii_, "<>&'+`", "04X"), "as .NET's JsonSerializer: \\u002B for +"),
    ):
        for end, added in (("", ""), ("\n", ", a line end added")):
            yield (text + end).encode(errors="replace"), name + added
    ordered = dict(sorted(value.items()))
    if list(ordered) != list(value):
        yield _write(ordered).encode(errors="replace"), "compact, its keys sorted"


def _write(
    value: Any, *, spaced: bool = False, ascii: bool = False, indent: int | str | None = None
) -> str:
    separators = (",", ": ") if indent is not None else (", ", ": ") if spaced else (",", ":")
    return json.dumps(value, ensure_ascii=ascii, separators=separators, indent=indent)


def _escaped(text: str, characters: str, form: str) -> str:
    return text.translate({ord(c): f"\\u{format(ord(c), form)}" for c in characters})
