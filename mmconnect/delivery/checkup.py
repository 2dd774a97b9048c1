"""A receiver's check-up: does it take what is signed, refuse what is not, bear a repetition?

Each part sends test texts and says in a sentence what was found and what to do about it. A wrongly
signed text carries no valid signature anywhere, and all are recorded as tests, never repeated. Pure
of terminals: the command line prints what the pages will show.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from mmconnect.delivery.signed import NOT_ACCEPTED
from mmconnect.delivery.trials import Trial, Trials
from mmconnect.domain.clock import iso
from mmconnect.domain.models import Endpoint, Secret
from mmconnect.webhook import signing
from mmconnect.webhook.outcome import OutcomeClass

SLOW = 5000
"""Milliseconds: a third of the 15 s after which an attempt has failed."""

FORGED = "This test from mmconnect is wrongly signed on purpose: answer it with 401."


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One finding."""

    name: str
    ok: bool | None
    """None when it could not be tried, or is no fault either way."""
    says: str
    remedy: str | None = None
    status: int | None = None
    duration_ms: int | None = None
    delivery_id: str | None = None
    """Where the test text is recorded."""


async def check_up(trials: Trials, endpoint: Endpoint, now: int) -> AsyncIterator[Check]:
    """Every check in turn; `now` (UTC ms) is when secrets are judged to be valid.

    When not even a signed text gets through, the others would tell nothing and are not made.
    """
    first = await trials.send(endpoint)
    yield signed(first)
    if not first.delivered:
        for name in ("repeated", "forged", "quick"):
            yield Check(name=name, ok=None, says="Not tried, as a signed text does not get through")
        return
    second = await trials.send(endpoint, again=first)
    yield repeated(second)
    wrong = await trials.send(
        _signed_by(endpoint, signing.new_secret()),
        text=FORGED,
        note="Wrongly signed on purpose, by `endpoint check`",
    )
    yield (refusal := forged(wrong))
    yield quick([t for t in (first, second) if t.delivered])
    ring = signing.valid(endpoint.secrets, now)
    if len(ring) > 1:
        for number, secret in enumerate(ring):
            if refusal.ok:
                alone = await trials.send(
                    _signed_by(endpoint, secret.value), note="Signed by one secret alone"
                )
                yield knows(alone, ring, number)
            else:
                says = "Cannot be told of a receiver that takes what is wrongly signed"
                yield Check(name=_name(number), ok=None, says=says)


def signed(trial: Trial) -> Check:
    """Whether it takes a text that is signed as all texts are."""
    if trial.delivered:
        return _check("signed", trial, True, "A signed text", remedy=trial.sent.remark)
    return _check("signed", trial, False, "A signed text", remedy=trial.attempt.error)


def repeated(trial: Trial) -> Check:
    """Whether it takes the same text a second time."""
    remedy = None
    if not trial.delivered:
        remedy = (
            "Answer 2xx to an id that you have already, and do nothing: delivery is at least once,"
            " and a refusal is tried again for days"
        )
    return _check("repeated", trial, trial.delivered, "The same id a second time", remedy)


def forged(trial: Trial) -> Check:
    """Whether it refuses a text whose signature is wrong; 401 is asked for, any refusal will do."""
    what = "A wrongly signed text"
    if trial.delivered:
        remedy = (
            "The receiver does not check signatures: whoever reaches its URL can send it texts."
            " Verify one of the headers, and answer 401 when it does not match"
        )
        return _check("forged", trial, False, what, remedy)
    refused = trial.attempt.outcome == OutcomeClass.REFUSED and (trial.attempt.status or 0) >= 400
    remedy = "Answer 401 when the signature does not match"
    if trial.attempt.status == 401:
        return _check("forged", trial, True, what)
    return _check("forged", trial, refused, what, remedy)


def quick(trials: list[Trial]) -> Check:
    """How long the answers to what was taken took."""
    slowest = max(t.attempt.duration_ms or 0 for t in trials)
    ok = slowest < SLOW
    return Check(
        name="quick",
        ok=ok,
        says=f"The slowest answer took {slowest} ms; after 15 s an attempt has failed",
        remedy=None if ok else "Answer 2xx as soon as the text is stored, and do the work after",
        duration_ms=slowest,
    )


def knows(trial: Trial, ring: list[Secret], number: int) -> Check:
    """Whether it takes what one secret alone has signed; the current one is number 0."""
    name, took = _name(number), trial.delivered
    which = "the current secret" if number == 0 else "the previous secret"
    if not took and trial.attempt.status not in NOT_ACCEPTED:
        return _check(name, trial, None, f"A text signed by {which} alone", trial.attempt.error)
    if number:
        ends = f"; it signs until {iso(ring[number].expires_at or 0)}"
        says = f"The receiver knows {which}{ends}" if took else f"It no longer takes {which}"
        return _check(name, trial, None, says, plain=True)
    last = max(s.expires_at or 0 for s in ring[1:])
    remedy = None if took else f"Give the receiver the new secret before {iso(last)}"
    says = f"The receiver knows {which}" if took else f"The receiver does not know {which}"
    return _check(name, trial, took, says, remedy, plain=True)


def _check(
    name: str,
    trial: Trial,
    ok: bool | None,
    what: str,
    remedy: str | None = None,
    *,
    plain: bool = False,
) -> Check:
    """A finding about one trial; `plain` when `what` is the whole sentence."""
    status = trial.attempt.status
    answered = "gets no answer" if status is None else f"is answered {status}"
    return Check(
        name=name,
        ok=ok,
        says=what if plain else f"{what} {answered}",
        remedy=remedy,
        status=status,
        duration_ms=trial.attempt.duration_ms,
        delivery_id=trial.delivery.id,
    )


def _name(number: int) -> str:
    return "current" if number == 0 else "previous"


def _signed_by(endpoint: Endpoint, secret: str) -> Endpoint:
    """The endpoint as if it had this secret alone."""
    alone = Secret(value=secret, created_at=0, expires_at=None)
    return replace(endpoint, secrets=(alone,))
