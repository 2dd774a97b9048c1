"""Letting SMS Gateway look in the phone's own store for texts that the app has missed.

It answers when it is through, which can take long: so it is asked in pieces, and what it does not
get through is for the next time. Knows nothing of the inbox.
Invariant: nothing here keeps what the inbox holds already from being read.
"""

from __future__ import annotations

import logging

from mmconnect.phones.clients.http import Refused, Unreachable
from mmconnect.phones.clients.smsgate import SmsGate

log = logging.getLogger(__name__)

PIECE = 3 * 86_400_000
"""Milliseconds of the phone's store that it looks through for one answer."""


class Missed:
    """Of one phone."""

    def __init__(self) -> None:
        self._left: int | None = None
        """From when on it has not got through (UTC ms); None: it has."""

    async def ask(self, gate: SmsGate, access: str, since: int, until: int, name: str) -> None:
        """Let the app look from `since` to `until` (UTC ms), and at what is left from before.

        Raises nothing: a phone that is away is noticed by who reads its inbox next.
        """
        since = since if self._left is None else min(since, self._left)
        self._left = None
        try:
            for begin in range(since, until, PIECE):
                since = begin
                await gate.read_anew(access, begin, min(begin + PIECE, until))
        except Refused as why:  # it may not read the SMS store: then it has what it has
            log.debug("%s: the inbox could not be read anew (%d)", name, why.status)
        except Unreachable as why:
            self._left = since
            log.info("%s: the app did not get through the phone's store of SMS: %s", name, why)
