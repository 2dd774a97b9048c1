"""What the API says when it does not do something: one shape, one table of codes.

Every code that is ever answered stands in CODES, from which the document takes what it says of
errors. The codes of the hosted service keep their meaning. Knows nothing of who asked for what.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from mmconnect.api import schema
from mmconnect.domain.errors import Issue

UNAUTHORIZED, INVALID_KEY, FORBIDDEN = "unauthorized", "invalid_api_key", "forbidden"
INVALID, NOT_FOUND, NO_WEBHOOK = "validation_error", "not_found", "no_webhook_config"
METHOD, SLOW, CONFLICT = "method_not_allowed", "request_timeout", "conflict"
LARGE, MEDIA_TYPE, RATE = "payload_too_large", "unsupported_media_type", "rate_limited"
INTERNAL, UNAVAILABLE = "internal_error", "unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One kind of error."""

    status: int
    means: str
    """What to do, in a sentence, where the error itself does not say more."""


CODES: Mapping[str, Code] = {
    INVALID: Code(status=400, means="The request is not as documented; `issues` says where."),
    UNAUTHORIZED: Code(
        status=401, means="Send an API key: `Authorization: Bearer sk_live_…`."
    ),
    INVALID_KEY: Code(
        status=401, means="This API key is not known here, has expired or was revoked."
    ),
    FORBIDDEN: Code(status=403, means="This API key may not do that: it lacks the scope."),
    NOT_FOUND: Code(status=404, means="There is nothing here."),
    NO_WEBHOOK: Code(status=404, means="No webhook is set yet: set one with `PUT /v1/webhooks`."),
    METHOD: Code(status=405, means="This cannot be done here; `Allow` says what can."),
    SLOW: Code(status=408, means="The body did not arrive in time."),
    CONFLICT: Code(status=409, means="That cannot be done as things stand; `message` says why."),
    LARGE: Code(status=413, means="The body is larger than 1 MiB."),
    MEDIA_TYPE: Code(status=415, means="Send JSON, as `Content-Type: application/json`."),
    RATE: Code(status=429, means="Too many requests: wait as long as `Retry-After` says."),
    INTERNAL: Code(status=500, means="Something went wrong; the log says what."),
    UNAVAILABLE: Code(
        status=503, means="The database cannot commit just now; nothing was changed. Try again."
    ),
}  # fmt: skip

ERROR = schema.record(
    {
        "error": schema.choice(*CODES, description="What kind of error; for programs."),
        "message": schema.text("What happened and what to do; for people."),
        "issues": schema.array(
            schema.record(
                {
                    "path": schema.text(
                        "Which field or parameter, a part of it as `routing.texts.0`; empty: the"
                        " whole."
                    ),
                    "message": schema.text("What it can be."),
                }
            ),
            "Where the request is not as documented; empty for other errors.",
        ),
    },
    examples=[
        {
            "error": INVALID,
            "message": "url: This is missing.",
            "issues": [{"path": "url", "message": "This is missing"}],
        }
    ],
)


class Problem(Exception):
    """A request that is answered with an error."""

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        issues: Sequence[Issue] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.code, self.issues, self.headers = code, tuple(issues), dict(headers or {})
        self.message = message or CODES[code].means

    def response(self) -> web.Response:
        """As it is sent."""
        told = [{"path": issue.path, "message": issue.message} for issue in self.issues]
        return answer(
            CODES[self.code].status,
            {"error": self.code, "message": self.message, "issues": told},
            self.headers,
        )


def invalid(*issues: Issue) -> Problem:
    """A request that is not as documented."""
    told = ". ".join(
        f"{issue.path}: {issue.message}" if issue.path else issue.message for issue in issues
    )
    return Problem(INVALID, f"{told.rstrip('.')}.", issues=issues)


def lacks(scope: str) -> Problem:
    """A key that may not do what it asks for."""
    challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
    return Problem(
        FORBIDDEN,
        f"This API key may not do that: it lacks the scope `{scope}`.",
        headers={"WWW-Authenticate": challenge},
    )


def encoded(body: Any) -> bytes:
    """A value as answers have it; what a request held may be no text, and is told all the same."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")


def answer(status: int, body: Any, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON answer of a value, or of bytes that are encoded(); nobody between may keep it."""
    return web.Response(
        status=status,
        body=body if isinstance(body, bytes) else encoded(body),
        content_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )
