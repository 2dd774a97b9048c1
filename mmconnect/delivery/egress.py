"""The address rule as it stands: what the owner has set, and what mmconnect itself listens on.

Asked at every POST, so it is made anew only when a setting has changed; what was connected under an
earlier rule is not used again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from ipaddress import ip_network

from mmconnect.store.configuration import Look
from mmconnect.store.preferences import Preferences
from mmconnect.webhook.addresses import Address, AddressRule, listeners


class Egress:
    """Knows where texts may go just now."""

    def __init__(self, look: Look, local: Callable[[], Collection[Address]]) -> None:
        """`local` tells this machine's addresses whenever it is called."""
        self._look, self._local = look, local
        self._own: frozenset[tuple[Address | None, int]] = frozenset()
        self._of: Preferences | None = None
        self._rule = AddressRule(local=local)

    def listening(self, bound: Iterable[str]) -> None:
        """These are mmconnect's own listeners, `host:port`: nothing is sent there."""
        self._own, self._of = listeners(bound), None

    def rule(self) -> AddressRule:
        """The rule of this moment."""
        wanted = self._look().preferences
        if wanted is not self._of:
            self._of = wanted
            rule = AddressRule(
                allow=tuple(ip_network(text) for text in wanted.address_allow),
                deny=tuple(ip_network(text) for text in wanted.address_deny),
                own=self._own,
                local=self._local,
            )
            if rule != self._rule:
                self._rule = rule
        return self._rule
