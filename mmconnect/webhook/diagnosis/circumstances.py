"""What can be said of a signature that nothing explains, from all the rest of the request."""

from __future__ import annotations

import re

from mmconnect.webhook import signing
from mmconnect.webhook.diagnosis import mishaps
from mmconnect.webhook.diagnosis.findings import STANDARD, Fault, Reason
from mmconnect.webhook.diagnosis.recipes import Request

NO_HEADERS = (
    "Give the check every header of the request as it came. If they are not there, it is not from"
    " mmconnect, or a proxy in between took them out"
)


def absent(request: Request, header: str) -> str:
    """Why a header may not be there, as a sentence."""
    if header == signing.PREVIOUS_SIGNATURE:
        return "Absent: the endpoint's secret is not being rotated"
    if header != STANDARD:
        return "Absent: switched off for this endpoint, or lost on the way"
    if any(signing.standard_key(secret) for secret in request.secrets):
        return "Absent, although the secret could make it: lost on the way, or another secret's"
    return "Absent: only a secret that is `whsec_` + base64 makes it"


def suspected(request: Request, header: str, proof: dict[str, int]) -> Fault:
    """The likeliest reason for a signature that no recipe makes.

    `proof` names the headers that show secret and body to be right, each with its signature's place
    in its list.
    """
    if header == STANDARD and None in (request.id, request.timestamp):
        missing, reason = "webhook-id", Reason.ID
        if request.id is not None:
            missing, reason = "webhook-timestamp", Reason.TIMESTAMP
        return Fault(
            reason=reason, detail=f"{missing} is missing, and it is part of what is signed"
        )
    if proof:
        return _beside(request, header, proof)
    return _alone(request)


def _beside(request: Request, header: str, proof: dict[str, int]) -> Fault:
    """Secret and body are right, as another header proves."""
    if header == signing.PREVIOUS_SIGNATURE:
        return Fault(
            reason=Reason.OTHER_SECRET,
            detail="signed with the endpoint's previous secret, which was not given: the secret is"
            " being rotated, and this header is for receivers that do not know the new one yet",
        )
    rotated = signing.PREVIOUS_SIGNATURE in proof or proof.get(STANDARD, 0) > 0
    if header != STANDARD and rotated:
        return Fault(
            reason=Reason.PREVIOUS_SECRET,
            detail="signed with the endpoint's new secret; the one given here is the previous one,"
            " which is still good. After a 401, mmconnect repeats the request signed with it",
        )
    if header == STANDARD and not any(signing.standard_key(s) for s in request.secrets):
        return Fault(
            reason=Reason.OTHER_SECRET,
            detail="signed with the endpoint's other secret: the one given here is not `whsec_` +"
            " base64 and makes no webhook-signature",
        )
    changed = "this header"
    if header == STANDARD:
        changed = "webhook-signature, webhook-id or webhook-timestamp"
    return Fault(
        reason=Reason.HEADER,
        detail=f"secret and body are right, as {next(iter(proof))} shows: {changed} was changed on"
        " the way",
    )


def _alone(request: Request) -> Fault:
    body, length = request.body, (request.header("content-length") or "").strip()
    if not body:
        return _body("is empty: something had read it before the check")
    if length.isdecimal() and int(length) != len(body):
        return _body(f"has {len(body)} bytes, and Content-Length says {length}: it is not whole")
    if body.startswith(b"[object "):
        return _body("is JavaScript's `[object Object]`: an object was turned into text")
    if body.startswith((b"{'", b"b'", b'b"')):
        return _body("is Python's own notation of a value, not the JSON that came")
    if "\ufffd".encode() in body:
        return _body("holds U+FFFD: it was decoded with a wrong charset, which cannot be undone")
    for secret in request.secrets:
        if (wrong := _wrong_thing(secret)) is not None:
            detail = f"the secret given here {wrong}"
            return Fault(reason=Reason.SECRET, detail=detail)
    if mishaps.looks_untouched(body):
        detail = (
            "no secret given here makes this signature, and the body looks as mmconnect writes it:"
            " a different secret signed it, or its contents were changed"
        )
    else:
        detail = (
            "no secret given here makes this signature, and the body is not written as mmconnect"
            " writes it: a different secret signed it, or the body was changed beyond what can be"
            " undone"
        )
    return Fault(reason=Reason.UNEXPLAINED, detail=detail)


def _body(detail: str) -> Fault:
    return Fault(reason=Reason.BODY, detail=f"the body {detail}")


def _wrong_thing(secret: str) -> str | None:
    """What was given in the place of a secret, if that can be seen."""
    if not secret.strip():
        return "is empty"
    if re.search(r"[•…]|\*\*\*|\.\.\.", secret):
        return "is masked: it is what a page or log shows in its place"
    if secret.startswith("sk_live_"):
        return "is an API key; the signing secret starts with `whsec_`"
    if re.match(r"(dev|msg|ep|dlv|att|key|ten)_", secret):
        return "is an id; the signing secret starts with `whsec_`"
    if re.fullmatch(r"\$\{?\w+\}?|%\w+%", secret):
        return "is the name of a variable, not what it holds"
    return None
