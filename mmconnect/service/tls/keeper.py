"""The certificate in use: loaded, renewed in time and when the machine's addresses change.

Its own is looked at often and cheaply, so that one made by the command line is served within a
second; one that was brought along is read at start and on SIGHUP. Whatever goes wrong, the last
good certificate goes on being served, and a warning says what to do. A clock that is not to be
believed renews nothing by its time.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mmconnect.config import Settings
from mmconnect.domain.clock import Clock, iso
from mmconnect.domain.errors import ConfigError, MmconnectError
from mmconnect.service.tls import context, files, names
from mmconnect.service.tls.names import Hosts
from mmconnect.service.tls.reading import Certificate, read

log = logging.getLogger(__name__)

CODE = "certificate"
"""Of `system.warning`."""
LOOK_AT_HOSTS = 15.0
"""Seconds between two looks at the machine's addresses and the certificate's time."""
DAY = 86_400_000
SERVER_ENDS_SOON, AUTHORITY_ENDS_SOON = 14 * DAY, 90 * DAY
"""How long before its end there is a warning (ms): a new authority takes a walk to every phone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """A certificate that somebody else makes and renews."""

    certificate: Path
    key: Path | None
    """None when it is in the same file."""


def brought(options: Settings) -> Brought | None:
    """What --tls-cert and --tls-key name, if anything."""
    if options.tls_cert is None:
        return None
    return Brought(certificate=options.tls_cert, key=options.tls_key)


class Warn(Protocol):
    """Who is told what is wrong (service.warnings)."""

    def begin(self, code: str, sentence: str, remedy: str) -> None:
        """Something is wrong."""
        ...

    def end(self, code: str) -> None:
        """It is over."""
        ...


class Keeper:
    """Has the certificate of this moment."""

    def __init__(
        self,
        directory: Path,
        brought: Brought | None,
        warn: Warn,
        clock: Clock,
        trusted: Callable[[], bool],
        present: Callable[[], Hosts] = names.present,
    ) -> None:
        """`trusted`: whether nothing speaks against the clock. Raises ConfigError when the
        certificate that was brought is no good."""
        self._directory, self._brought, self._warn = directory, brought, warn
        self._clock, self._trusted, self._present = clock, trusted, present
        self.context: ssl.SSLContext | None = None
        """What new connections are made with; None while there is no certificate."""
        self.server: Certificate | None = None
        self.authority: bytes | None = None
        """The certificate (PEM) that phones are to trust; None when it is not ours to give."""
        self._authority: Certificate | None = None
        self._stamp: files.Stamp = ()
        self._looked_at: float | None = None
        self._unusable: str | None = None
        """Why a certificate could not be loaded, in a sentence."""
        self._unrenewed: str | None = None
        """Why none could be made."""
        if brought is not None:
            self._use(brought.certificate, brought.key)
        else:
            self._load()

    @property
    def brought(self) -> bool:
        """Whether the certificate was brought along."""
        return self._brought is not None

    async def look(self) -> None:
        """See whether anything has to be done."""
        at = self._clock.monotonic()
        changed = self._brought is None and files.stamp(self._directory) != self._stamp
        if changed:
            self._load()
            if self._half_made():
                self._looked_at = None
                return
        elif self._looked_at is not None and at - self._looked_at < LOOK_AT_HOSTS:
            return
        self._looked_at = at
        if self._brought is None and self._authority is not None:
            await self._renew_if_due(self._authority)
        self._tell()

    def reload(self) -> None:
        """Read the files again (SIGHUP). A new one that is no good leaves the old one in use."""
        self._looked_at = None
        if self._brought is None:
            self._load()
            return
        try:
            self._use(self._brought.certificate, self._brought.key)
        except ConfigError as error:
            self._unusable = f"The new certificate is not used: {error}."
            log.error("%s The one before stays in use", self._unusable)
        else:
            self._unusable = None
            log.info("The certificate was read again: %s", _told(self.server))

    # -- loading ----------------------------------------------------------------------------------

    def _use(self, path: Path, key: Path | None) -> None:
        """Serve what is in these files from now on. Raises ConfigError."""
        fresh = context.make(path, key)
        try:
            server = read(path.read_bytes())
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path} cannot be used: {error}") from error
        self.context, self.server = fresh, server

    def _load(self) -> None:
        """Our own files, as they are now."""
        self._stamp = files.stamp(self._directory)
        self._unusable = None
        try:
            pem = files.authority(self._directory)
            self._authority = None if pem is None else read(pem)
            self.authority = pem
            if files.server(self._directory) is not None:
                self._use(self._directory / files.SERVER, None)
        except (OSError, ValueError, ConfigError) as error:
            self._unusable = f"The certificate in {self._directory} cannot be used: {error}."
            log.error("%s", self._unusable)

    def _half_made(self) -> bool:
        """Whether the server's certificate is not the authority's: another process may be in the
        midst of writing them, so what is wrong by the next look is mended then."""
        if self._authority is None:
            return False
        return self.server is None or self.server.issuer_key_id != self._authority.key_id

    # -- renewing ---------------------------------------------------------------------------------

    async def _renew_if_due(self, authority: Certificate) -> None:
        hosts = self._present()
        why = self._why_renew(authority, hosts)
        if why is None:
            self._unrenewed = None
            return
        try:
            await asyncio.to_thread(files.renew, self._directory, hosts, self._clock.now())
        except (MmconnectError, OSError, ValueError) as error:
            self._unrenewed = f"The certificate for HTTPS cannot be renewed ({why}): {error}."
            return
        self._unrenewed = None
        self._load()
        log.info("A new certificate for HTTPS, as %s: %s", why, _told(self.server))

    def _why_renew(self, authority: Certificate, hosts: Hosts) -> str | None:
        now, has = self._clock.now(), self.server
        if has is None or not (self._directory / files.SERVER).exists():
            return "there was none"
        if has.issuer_key_id != authority.key_id:
            return "the CA is another one"
        new = {*hosts.names, *hosts.addresses} - {*has.names, *has.addresses}
        if new:
            return f"this machine is now also {', '.join(sorted(new))}"
        if not self._trusted():
            return None
        if authority.not_before <= now < has.not_before:
            return "the last one was made while the clock was ahead"
        left = has.not_after - now
        if left * 3 < has.not_after - has.not_before and has.not_after < authority.not_after:
            return "the last one ends soon"
        return None

    # -- warning ----------------------------------------------------------------------------------

    def _tell(self) -> None:
        found = self._what_is_wrong()
        if found is None:
            self._warn.end(CODE)
        else:
            self._warn.begin(CODE, *found)

    def _what_is_wrong(self) -> tuple[str, str] | None:
        """Sentence and remedy."""
        ours = self._brought is None
        if self._unusable is not None and not ours:
            return (
                self._unusable,
                "Mend the files of --tls-cert and --tls-key, then send SIGHUP again.",
            )
        if (trouble := self._unusable or self._unrenewed) is not None:
            return trouble, "Until then HTTPS is served with the last one, while it is valid."
        if self.server is None or not self._trusted():
            return None
        now = self._clock.now()
        if now >= self.server.not_after - SERVER_ENDS_SOON:
            verb = "ended" if now >= self.server.not_after else "ends"
            return (
                f"The certificate for HTTPS {verb} on {iso(self.server.not_after)[:10]}.",
                "`mmconnect tls create-ca --replace` makes a new CA, which every phone has to"
                " install."
                if ours
                else "Renew it, then send SIGHUP: phones refuse it once it has ended.",
            )
        if self._authority is not None and now < self._authority.not_before:
            return (
                "mmconnect's CA was made while the clock of this machine was ahead, so phones do"
                " not take it yet.",
                "`mmconnect tls create-ca --replace` makes a new one; then every phone has to"
                " install it.",
            )
        if self._authority is not None and now >= self._authority.not_after - AUTHORITY_ENDS_SOON:
            return (
                f"mmconnect's CA ends on {iso(self._authority.not_after)[:10]}.",
                "`mmconnect tls create-ca --replace` makes a new one; then every phone has to"
                " install it.",
            )
        return None


def _told(certificate: Certificate | None) -> str:
    """For a log line."""
    if certificate is None:
        return "none"
    told = ", ".join([*certificate.addresses, *certificate.names]) or certificate.subject
    return f"{told}; valid until {iso(certificate.not_after)[:10]}"
