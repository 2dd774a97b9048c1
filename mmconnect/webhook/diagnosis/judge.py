"""From a request to its findings: look each signature up, then judge what is left by the others."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

from mmconnect.domain.clock import iso
from mmconnect.webhook import signing
from mmconnect.webhook.diagnosis import circumstances
from mmconnect.webhook.diagnosis.findings import (
    HARMLESS,
    HEADERS,
    REMEDIES,
    STANDARD,
    TOLERANCE,
    Diagnosis,
    Fault,
    Finding,
    Reason,
)
from mmconnect.webhook.diagnosis.notation import Claim, plain_claim, standard_claims
from mmconnect.webhook.diagnosis.recipes import Recipe, Request, cookbook, right, search_time

_NOT_PROVEN = frozenset({Reason.SECRET, Reason.KEY, Reason.SCHEME, Reason.BODY})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Explained:
    """A signature whose making is known."""

    claim: Claim
    recipe: Recipe
    faults: tuple[Fault, ...]

    @property
    def proves(self) -> bool:
        """Whether it shows that secret and body are right, whatever else is odd."""
        return not _NOT_PROVEN & {fault.reason for fault in self.faults}


def diagnose(
    secrets: Sequence[str], body: bytes, headers: Iterable[tuple[str, str]], now: int
) -> Diagnosis:
    """Judge every signature header of one request.

    `secrets` are those the receiver accepts, the one in use first; `headers` come in any case, also
    as CGI names them (`HTTP_WEBHOOK_ID`); `now` is UTC ms.
    """
    request = Request(secrets=tuple(secrets), body=body, headers=_by_name(headers), now=now // 1000)
    claims = {header: _claims(request, header) for header in HEADERS}
    explained = {
        header: _Explained(claim=claim, recipe=recipe, faults=_faults(request, header, recipe))
        for header, (claim, recipe) in _recipes(request, claims).items()
    }
    findings = tuple(_finding(request, header, claims[header], explained) for header in HEADERS)
    behind = None if request.seconds is None else request.now - request.seconds
    return _concluded(findings, behind)


def _by_name(headers: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    named: dict[str, list[str]] = {}
    for name, value in headers:
        key = name.strip().lower().replace("_", "-").removeprefix("http-")
        named.setdefault(key, []).append(value)
    return named


def _claims(request: Request, header: str) -> list[Claim]:
    value = request.header(header)
    if value is None:
        return []
    if header == STANDARD:
        return standard_claims(value)
    return [plain_claim(value, "sha256=" if header == signing.HOSTED_SIGNATURE else "")]


def _recipes(request: Request, claims: dict[str, list[Claim]]) -> dict[str, tuple[Claim, Recipe]]:
    """For each header that can be explained, the claim that counts and how it was made."""
    found: dict[str, tuple[Claim, Recipe]] = {}
    for header, each in claims.items():
        standard = header == STANDARD
        correct = list(right(request, standard=standard))
        for claim, (index, digest) in product(each, correct):
            if claim.digest and hmac.compare_digest(claim.digest, digest):
                recipe = Recipe(secret=index, literal=not standard, standard=standard, faults=())
                found.setdefault(header, (claim, recipe))
    left = {header: each for header, each in claims.items() if each and header not in found}
    known = cookbook(request) if left else {}
    for header, each in left.items():
        for claim in each:
            if claim.digest in known:
                found.setdefault(header, (claim, known[claim.digest]))
    if STANDARD in left and STANDARD not in found:
        wanted = {claim.digest: claim for claim in left[STANDARD] if claim.digest}
        if (hit := search_time(request, wanted)) is not None:
            found[STANDARD] = (wanted[hit[0]], hit[1])
    return found


def _faults(request: Request, header: str, recipe: Recipe) -> tuple[Fault, ...]:
    """What had to go wrong for this recipe to be this header's, and what the clock adds."""
    standard = header == STANDARD
    faults = list(recipe.faults)
    if recipe.literal == recipe.standard:
        made, wanted = "text", "base64-decoded bytes"
        if not recipe.literal:
            made, wanted = wanted, made
        detail = (
            f"the signature was made with the secret's {made} as key, where its {wanted} belong"
        )
        faults.append(Fault(reason=Reason.KEY, detail=detail))
    if recipe.standard != standard:
        detail = (
            "it signs `id.timestamp.body`, where this header signs the body alone"
            if recipe.standard
            else "it signs the body alone, where this header signs `id.timestamp.body`"
        )
        faults.append(Fault(reason=Reason.SCHEME, detail=detail))
    if standard and not any(fault.reason is Reason.TIMESTAMP for fault in faults):
        faults += _clock(request)
    return tuple(faults)


def _clock(request: Request) -> list[Fault]:
    if request.seconds is None:
        detail = f"webhook-timestamp is {request.timestamp!r}, not whole seconds since 1970"
        return [Fault(reason=Reason.TIMESTAMP, detail=detail)]
    behind = request.now - request.seconds
    if abs(behind) <= TOLERANCE:
        return []
    detail = (
        f"webhook-timestamp says {iso(request.seconds * 1000)}, {_duration(abs(behind))}"
        f" {'behind' if behind > 0 else 'ahead of'} the time of the check"
        f" ({iso(request.now * 1000)}); Standard Webhooks libraries allow {TOLERANCE // 60} min"
    )
    halves, rest = divmod(abs(behind) + 60, 1800)
    if rest <= 120 and halves <= 28:
        detail += (
            f". Almost exactly {halves / 2:g} h: is one clock set to local time as if it were UTC?"
        )
    return [Fault(reason=Reason.CLOCK, detail=detail)]


def _duration(seconds: int) -> str:
    """`5 min 1 s`: the two largest units."""
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        number, seconds = divmod(seconds, size)
        if number:
            parts.append(f"{number} {unit}")
    return " ".join(parts[:2])


def _finding(
    request: Request, header: str, claims: list[Claim], explained: dict[str, _Explained]
) -> Finding:
    if not claims:
        detail = circumstances.absent(request, header)
        return Finding(header=header, reason=Reason.ABSENT, detail=detail)
    this = explained.get(header)
    odd = [_notation(claim) for claim in claims if claim.fault]
    if (times := len(request.headers[header.lower()])) > 1:
        odd.append(Fault(reason=Reason.MALFORMED, detail=f"the header came {times} times"))
    if this is None:
        faults = [fault for fault in odd if fault.reason is Reason.MALFORMED]
        if not faults or any(claim.digest for claim in claims):
            faults = [circumstances.suspected(request, header, _proof(explained))]
        return _told(header, faults, None)
    return _told(header, [*this.faults, *odd], this)


def _proof(explained: dict[str, _Explained]) -> dict[str, int]:
    """Headers that show secret and body to be right, each with its signature's place in it."""
    return {name: each.claim.position for name, each in explained.items() if each.proves}


def _notation(claim: Claim) -> Fault:
    reason = Reason.NOTATION if claim.digest else Reason.MALFORMED
    return Fault(reason=reason, detail=f"the header {claim.fault}")


def _told(header: str, faults: list[Fault], this: _Explained | None) -> Finding:
    """The finding that these faults amount to."""
    secret = this.recipe.secret if this else None
    if this and not faults:
        previous = this.claim.position > 0 or header == signing.PREVIOUS_SIGNATURE
        return Finding(
            header=header,
            reason=Reason.MATCHES,
            detail="Matches; the secret is the endpoint's previous one" if previous else "Matches",
            remedy=REMEDIES[Reason.PREVIOUS_SECRET] if previous else None,
            secret=secret,
        )
    text = "; ".join(dict.fromkeys(fault.detail for fault in faults))
    text = f"Secret and body are right, but {text}" if this and this.proves else text
    remedies = [REMEDIES[fault.reason] for fault in faults if fault.reason in REMEDIES]
    return Finding(
        header=header,
        reason=faults[0].reason,
        detail=text[0].upper() + text[1:],
        remedy=". ".join(dict.fromkeys(remedies)) or None,
        secret=secret,
    )


def _concluded(findings: tuple[Finding, ...], behind: int | None) -> Diagnosis:
    fitting = [f for f in findings if f.reason is Reason.MATCHES]
    wrong = [f for f in findings if f.reason not in HARMLESS]
    remedy: str | None = circumstances.NO_HEADERS
    verdict = "There is no signature header in the request"
    if fitting and not wrong:
        verdict = f"The request is genuine: {_listed(fitting)}"
        remedy = fitting[0].remedy
    elif wrong:
        same = [f for f in wrong if f.detail == wrong[0].detail]
        if fitting:
            start = f"{_listed(fitting)}, but {_names(same)} would be refused"
        else:
            start = "No signature matches" if same == wrong else f"no match in {_names(same)}"
        verdict = f"{start}: {wrong[0].detail[0].lower()}{wrong[0].detail[1:]}"
        remedy = wrong[0].remedy
    return Diagnosis(
        ok=bool(fitting) and not wrong,
        verdict=verdict,
        remedy=remedy,
        findings=findings,
        behind=behind,
    )


def _names(findings: list[Finding]) -> str:
    names = [f.header for f in findings]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _listed(findings: list[Finding]) -> str:
    return f"{_names(findings)} {'matches' if len(findings) == 1 else 'match'}"
