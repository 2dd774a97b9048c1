"""What aiohttp's server side tells by itself: in the log nothing that a client said.

What is no valid HTTP would be quoted in the log, with the token in its path or the text that ran
over its declared length: only the kind of mistake is told.
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

from aiohttp import web, web_response
from aiohttp.http_exceptions import HttpProcessingError


class _Discreet(logging.LoggerAdapter[logging.Logger]):
    """A logger that names a mistake in HTTP instead of quoting it."""

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        error = kwargs.get("exc_info")
        if isinstance(error, HttpProcessingError | web.RequestPayloadError):
            kwargs["exc_info"] = None
            msg = f"{msg}: it was no valid HTTP ({type(error).__name__})"
        return msg, kwargs


def discreet_log() -> logging.LoggerAdapter[logging.Logger]:
    """The log for aiohttp's server side."""
    return _Discreet(logging.getLogger(__name__), {})


def say_no_version() -> None:
    """Let answers that aiohttp makes by itself not name the versions that mmconnect is made of."""
    web_response.SERVER_SOFTWARE = "mmconnect"  # type: ignore[attr-defined]
