"""The words of a diagnosis: reasons, what to do about each, and the values handed out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mmconnect.webhook import signing

STANDARD = "webhook-signature"
HEADERS = (STANDARD, signing.SIGNATURE, signing.HOSTED_SIGNATURE, signing.PREVIOUS_SIGNATURE)
TOLERANCE = 300
"""Seconds either way that the Standard Webhooks libraries allow."""


class Reason(StrEnum):
    """What is the case with one signature header."""

    MATCHES = "matches"
    ABSENT = "absent"
    PREVIOUS_SECRET = "previous_secret"  # noqa: S105 - a name, no password
    """Rotation: the secret given is the endpoint's previous one, and still good."""
    OTHER_SECRET = "other_secret"  # noqa: S105
    """Rotation: signed with the endpoint's other secret, which was not given."""
    SECRET = "secret"  # noqa: S105
    """Not the secret as it should be: quotes, a line end, no `whsec_`, masked, …"""
    KEY = "key"
    """The key is the secret's text where decoded bytes belong, or the reverse."""
    SCHEME = "scheme"
    """One scheme's signature in the other's header."""
    BODY = "body"
    """The body was changed on the way."""
    ID = "id"
    TIMESTAMP = "timestamp"
    CLOCK = "clock"
    """The signature is right, but webhook-timestamp is further from now than TOLERANCE."""
    NOTATION = "notation"
    """The right digest, written in a way that a plain comparison refuses."""
    MALFORMED = "malformed"
    HEADER = "header"
    """Another signature proves secret and body right: this header was changed."""
    UNEXPLAINED = "unexplained"


HARMLESS = frozenset({Reason.MATCHES, Reason.ABSENT, Reason.PREVIOUS_SECRET, Reason.OTHER_SECRET})
"""Reasons that make no receiver refuse the request for good."""

REMEDIES = {
    Reason.PREVIOUS_SECRET: "Put the endpoint's new secret in before the overlap ends",
    Reason.SECRET: "Copy the secret again, whole, and strip what surrounds it where it is read",
    Reason.KEY: "The plain headers are keyed by the UTF-8 bytes of the whole secret, `whsec_`"
    " included; webhook-signature by the base64-decoded part after `whsec_`",
    Reason.SCHEME: "The plain headers sign the body alone; webhook-signature signs"
    " `id.timestamp.body`",
    Reason.BODY: "Check the raw bytes of the request, before anything parses or decodes them",
    Reason.ID: "Hand the webhook-id header over as it came",
    Reason.TIMESTAMP: "Hand the webhook-timestamp header over as it came, in whole seconds",
    Reason.CLOCK: "Whichever of the two times is wrong, set that machine's clock; `timedatectl`"
    " says whether it is synchronised. For a request that was kept, give the time it came (`--at`)",
    Reason.NOTATION: "Compare with the value as mmconnect writes it: lower-case hex in the plain"
    " headers, `v1,` + padded standard base64 in webhook-signature",
    Reason.MALFORMED: "Look at what handles the headers between mmconnect and the check",
    Reason.HEADER: "Look at what handles the headers between mmconnect and the check",
    Reason.UNEXPLAINED: "Compare the secret with the endpoint's: every endpoint has its own",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong, as a clause."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is the case with one signature header."""

    header: str
    reason: Reason
    detail: str
    """A sentence without its full stop."""
    remedy: str | None = None
    secret: int | None = None
    """Which of the secrets given it was made with, counted from 0; None when with none of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """All headers of one request, and what follows for a receiver."""

    ok: bool
    """At least one header matches, and none is wrong in a way that makes a receiver refuse."""
    verdict: str
    """A sentence without its full stop."""
    remedy: str | None
    findings: tuple[Finding, ...]
    """One for each of HEADERS, in that order."""
    behind: int | None
    """Seconds from webhook-timestamp to now; negative when the sender's clock is ahead."""
