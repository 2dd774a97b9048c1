"""Opening the ports to listen on: what stands in the way is told in a sentence."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from mmconnect.config import Listen
from mmconnect.domain.errors import ConfigError
from mmconnect.service.addresses import hosts


@contextlib.contextmanager
def opening(at: Listen, flag: str) -> Iterator[list[str]]:
    """While a listener is opened on what it is to be bound to. Raises ConfigError."""
    try:
        yield hosts(at.host)
    except OSError as error:
        raise ConfigError(
            f"{flag} {at} cannot be opened: {error.strerror or error}. Is another program using the"
            f" port? Choose another with {flag}"
        ) from error
