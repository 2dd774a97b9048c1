"""Proxies that say whom they ask for, but are not trusted: noticed, and told to the owner.

Anybody on the network can look like one, so what is remembered is bounded, and the sentence says
that it may be nobody's proxy.
"""

from __future__ import annotations

from collections import OrderedDict

from mmconnect.domain.clock import Clock
from mmconnect.store.configuration import Look
from mmconnect.web.forwarded import is_trusted, networks
from mmconnect.webhook.events import SystemWarning

REMEMBERED = 86_400.0
"""Seconds after its last request for which a proxy is told of."""
_MOST = 3


class UntrustedProxies:
    """Those that were seen lately."""

    def __init__(self, clock: Clock, look: Look) -> None:
        self._clock, self._look = clock, look
        self._seen: OrderedDict[str, float] = OrderedDict()

    def noticed(self, address: str) -> None:
        """A request came through a proxy at `address`."""
        self._seen[address] = self._clock.monotonic()
        self._seen.move_to_end(address)
        if len(self._seen) > _MOST:
            self._seen.popitem(last=False)

    def warnings(self) -> list[SystemWarning]:
        """What to do about each that is still not trusted."""
        preferences, at = self._look().preferences, self._clock.monotonic()
        trusted = networks(preferences.trusted_proxies)
        return [
            SystemWarning(
                code="proxy",
                sentence=f"Requests come through a proxy at {address} that is not trusted, so they"
                " all count as its own.",
                remedy="If it is yours, add it under Settings, Network, or with `mmconnect settings"
                f" set trusted_proxies {','.join([*preferences.trusted_proxies, address])}`. If it"
                " is not, somebody only says so, and there is nothing to do.",
            )
            for address, seen in self._seen.items()
            if at - seen < REMEMBERED and not is_trusted(address, trusted)
        ]
