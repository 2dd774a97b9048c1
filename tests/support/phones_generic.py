"""Pushes as scripts and people's own set-ups send them: JSON, forms, multipart, plain text."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tests.support.phones_wire import FORM, JSON, SENDER, TEXT, Wire, form_body, hmac_hex


def generic_json(
    fields: Mapping[str, object] | None = None, *, key: str | None = None, prefix: str = ""
) -> Wire:
    """JSON as scripts write it. `prefix`: what stands before the signature, `sha256=`."""
    body = json.dumps(dict(fields or {"from": SENDER, "text": TEXT})).encode()
    headers = {"Content-Type": JSON}
    if key:
        headers["X-Signature"] = prefix + hmac_hex(key, body)
    return headers, body


def generic_form(fields: Mapping[str, str] | None = None) -> Wire:
    return {"Content-Type": FORM}, form_body(fields or {"from": SENDER, "text": TEXT})


def generic_multipart(
    fields: Mapping[str, str] | None = None,
    files: Mapping[str, tuple[str, str, bytes]] | None = None,
) -> Wire:
    """`files`: field name to (file name, content type, content)."""
    boundary = "----formboundary7MA4YWxk"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in (fields or {"from": SENDER, "text": TEXT}).items()
    ]
    parts += [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{file_name}"\r\n'
        f"Content-Type: {media}\r\nContent-Transfer-Encoding: binary\r\n\r\n".encode()
        + content
        + b"\r\n"
        for name, (file_name, media, content) in (files or {}).items()
    ]
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    return headers, b"".join(parts) + f"--{boundary}--\r\n".encode()


def generic_plain(
    text: str = TEXT, sender: str = SENDER, *, time: str | None = "1767225599", **more: str
) -> Wire:
    """Raw mode, for Tasker and MacroDroid; `more`: `to`, `id`, `sim`."""
    headers = {"Content-Type": "text/plain", "X-SMS-From": sender}
    if time:
        headers["X-SMS-Time"] = time
    headers |= {f"X-SMS-{name.title()}": value for name, value in more.items()}
    return headers, text.encode()
