"""Comparing signatures without telling by the time it takes how much of one was right.

What is signed differs by app and stands in each app's file; here is the comparison, and the check
that several share: hex HMAC-SHA256 of the raw body.
"""

from __future__ import annotations

import hmac

from mmconnect.phones.push import Push

_HEADERS = ("x-signature", "x-hub-signature-256", "x-signature-256", "x-mac-signature")


def matches(expected: str, given: str) -> bool:
    """Whether `given`, as a phone wrote it, is `expected`; constant time."""
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))


def verify_body(push: Push, key: str) -> bool | None:
    """Hex HMAC-SHA256 of the raw body in `X-Signature` or one of its kin; `sha256=` may precede it.

    None when there is no such header.
    """
    given = next((value for name in _HEADERS if (value := push.headers.get(name))), None)
    if given is None:
        return None
    digest = hmac.digest(key.encode(), push.body, "sha256").hex()
    return matches(digest, given.strip().lower().removeprefix("sha256="))
