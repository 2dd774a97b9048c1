"""Form bodies: urlencoded and multipart.

Multipart is split at its boundary on bytes: the standard library's parser goes through a body line
by line, and megabytes of picture would hold up the loop. Parts that are not text are named and
measured, never kept. A name that is there twice makes the body unreadable, as with JSON.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from mmconnect.domain.models import Attachment
from mmconnect.phones.apps.wire import Decoded, Unreadable, clean, codec, decoded_text, shown
from mmconnect.phones.push import Push

MAX_FIELDS = 1000
_MAX_HEAD = 8192
_BOUNDARY = re.compile(r';\s*boundary=(?:"([^"]{1,200})"|([^\s;,"]{1,200}))', re.IGNORECASE)
_PARAMETER = re.compile(r';\s*([\w*-]{1,40})\s*=\s*(?:"((?:[^"\\]|\\.)*)"?|([^;\s"]*))')


def urlencoded(push: Push, *, guessed: bool = False) -> Decoded:
    """`from=…&text=…`. `guessed`: it does not say that it is a form. Raises Unreadable."""
    try:
        pairs = parse_qsl(
            decoded_text(push),
            keep_blank_values=True,
            encoding=codec(push.charset),
            errors="replace",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError:
        raise Unreadable(f"the form has more than {MAX_FIELDS} fields") from None
    fields: dict[str, object] = {}
    for name, value in pairs:
        _add(fields, clean(name), clean(value), guessed=guessed)
    return Decoded(value=fields, spaced=True, guessed=guessed)


def multipart(push: Push) -> Decoded:
    """`multipart/form-data` (RFC 7578): text parts by name, the others as files.

    Raises Unreadable, also when the closing boundary is missing: a text may have been cut off.
    """
    match = _BOUNDARY.search(push.headers.get("content-type", ""))
    if match is None:
        raise Unreadable("the multipart body has no boundary in its Content-Type header")
    delimiter = b"--" + (match[1] or match[2]).encode("utf-8", "replace")
    start = push.body.find(delimiter) + len(delimiter)
    newline = b"\r\n" if push.body.startswith(b"\r\n", start) else b"\n"
    # what precedes the first boundary and what follows the last are no parts
    parts = (newline + push.body).split(newline + delimiter, MAX_FIELDS + 2)
    if len(parts) > MAX_FIELDS + 2:
        raise Unreadable(f"the form has more than {MAX_FIELDS} fields")
    if len(parts) < 2 or not parts[-1].startswith(b"--"):
        raise Unreadable("the multipart body is cut off: its closing boundary is missing")
    fields: dict[str, object] = {}
    files: list[Attachment] = []
    for part in parts[1:-1]:
        head, found, content = part.partition(newline * 2)
        if not found or len(head) > _MAX_HEAD:
            raise Unreadable("a part of the multipart body has no headers")
        _take(push, _headers(head), content, fields, files)
    return Decoded(value=fields, files=tuple(files))


def _take(
    push: Push,
    headers: dict[str, str],
    content: bytes,
    fields: dict[str, object],
    files: list[Attachment],
) -> None:
    """Puts one part into `fields` when it is text, into `files` when it is not."""
    about = _parameters(headers.get("content-disposition", ""))
    media = headers.get("content-type", "text/plain")
    kind = media.partition(";")[0].strip().lower()
    name = about.get("name", "")
    if "filename" in about or not (kind.startswith("text/") or kind.endswith("json")):
        file_name = about.get("filename") or name or None
        files.append(Attachment(name=file_name, content_type=kind or None, size=len(content)))
        return
    charset = _parameters(media).get("charset", push.charset).lower()
    text = Push(headers={}, body=content, content_type=kind, charset=charset)
    _add(fields, name, decoded_text(text))


def _headers(head: bytes) -> dict[str, str]:
    lines = [line.partition(":") for line in head.decode("utf-8", "replace").splitlines()]
    return {name.strip().lower(): value.strip() for name, _, value in lines}


def _parameters(header: str) -> dict[str, str]:
    """The parameters of a header, `name="text"; filename="a.jpg"`, unquoted."""
    found: dict[str, str] = {}
    for match in _PARAMETER.finditer(header):
        quoted = match[2]
        value = match[3] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        found.setdefault(match[1].lower(), value)
    return found


def _add(fields: dict[str, object], name: str, value: str, *, guessed: bool = False) -> None:
    if name in fields:
        what = "a name" if guessed else f"the name {shown(name)}"
        raise Unreadable(
            f"the form has {what} twice, so it is uncertain which one is meant", twice=True
        )
    fields[name] = value
