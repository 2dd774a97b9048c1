"""What both sites say of HTTPS: where a page is found over it, and the certificate to trust."""

from __future__ import annotations

import re

AUTHORITY_TYPE = "application/x-x509-ca-cert"
"""What Android and browsers take for an authority's certificate."""
AUTHORITY_HEADERS = {
    "Content-Disposition": 'attachment; filename="mmconnect-ca.crt"',
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
NO_AUTHORITY = (
    "There is no certificate to install here. On the machine of mmconnect, `mmconnect tls"
    " create-ca` makes one; a certificate that was brought along needs none, or its maker's.\n"
)

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.-]{1,253})(:\d{1,5})?")
_TARGET = re.compile(r"/[!-~]{0,2000}")


def location(host: str, port: int | None, target: str) -> str | None:
    """The URL of `target` (path and query) on the same host with another port.

    None when there is no port, or when what the client sent makes no URL: `host` is its header.
    """
    name = _HOST.fullmatch(host)
    if port is None or name is None or _TARGET.fullmatch(target) is None:
        return None
    return f"https://{name[1]}:{port}{target}"
