"""An endpoint's health in words: how it is, why, what is tried next, and what a person can do.

Pure. Says what the rules of `delivery.health` make of what is stored, and decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from mmconnect.desk.wording import ended
from mmconnect.domain.models import Endpoint, EndpointState
from mmconnect.store.health import StoredHealth
from mmconnect.webhook.outcome import OutcomeClass


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How an endpoint is."""

    kind: str
    """`good`, `warn`, `bad`, `off` or `none`: the shape and colour of the word."""
    word: str
    sentence: str
    """Why, and what it means for the texts."""
    next: str | None = None
    """What mmconnect does by itself."""
    next_at: int | None = None
    """When it tries again (UTC ms), where that is known."""
    remedy: str | None = None
    """What a person can do."""


WELL = 0.9
"""Share of the attempts of a day that deliver where all is well; a receiver that is started anew
now and then stays above it."""
_NEXT = {
    OutcomeClass.NOT_REACHED: "The oldest waiting text knocks after 5 s, then every 10 s for an"
    " hour, every minute for a day, then every 5 min. That costs it none of its attempts. As soon"
    " as the receiver answers, everything goes out, oldest first.",
    OutcomeClass.FAILING: "The next waiting text is tried after 1, 5, 15 and 30 min, then every"
    " 30 min; each try counts as one of that text's attempts. One success sends everything.",
    OutcomeClass.REFUSED: "The next waiting text is tried after 1, 5, 15 and 30 min, then every"
    " 30 min; each try counts as one of that text's attempts. One success sends everything.",
    OutcomeClass.GONE: "Nothing is tried until you say so: the receiver answered 410, which means"
    " that it is gone for good.",
    OutcomeClass.BLOCKED: "It is looked at again every 10 s for an hour, every minute for a day,"
    " then every 5 min, in case its name leads elsewhere by then.",
}
_REMEDIES = {
    OutcomeClass.NOT_REACHED: "See that the receiver runs, and that its URL is right. Then try it"
    " at once.",
    OutcomeClass.FAILING: "The receiver's own log says why it answers with an error. Mend it, then"
    " try at once.",
    OutcomeClass.REFUSED: "Mostly a secret that does not match, or a flow that is not active. The"
    " check-up tells them apart.",
    OutcomeClass.GONE: "If it is back, or has another URL, change that if need be and try it.",
    OutcomeClass.BLOCKED: "Change the URL, or the setting that the sentence names.",
}


def health(
    endpoint: Endpoint, known: StoredHealth | None, *, tried: bool, success: float | None = None
) -> Health:
    """How it is; `known` is what was learnt of it, `tried` whether anything was ever sent.

    `success` is the share of the attempts in the last 24 hours that delivered; None of none.
    """
    if endpoint.state is EndpointState.PAUSED:
        return Health(
            kind="off",
            word="paused",
            sentence="You have paused it. Its texts wait, and none of them grows older.",
            remedy="Resume it when its texts are to go on.",
        )
    if endpoint.state is EndpointState.HELD:
        held = OutcomeClass(endpoint.held_class or OutcomeClass.NOT_REACHED)
        return Health(
            kind="bad",
            word="held",
            sentence=ended(endpoint.held_reason or "It does not take its texts"),
            next=_NEXT.get(held),
            next_at=None if known is None or held is OutcomeClass.GONE else known.probe_at,
            remedy=_REMEDIES.get(held),
        )
    if known is not None and (known.failing or known.refused or known.not_reached):
        return Health(
            kind="warn",
            word="trouble",
            sentence=_trouble(known),
            next="What failed is tried again on the endpoint's schedule. Should it go on, the"
            " endpoint is held, so that nothing is thrown away.",
            remedy="Send it a test: the answer says more.",
        )
    if not tried:
        return Health(
            kind="none",
            word="not tried yet",
            sentence="Nothing was sent to it yet.",
            remedy="Send it a test, to see that it answers.",
        )
    if success is not None and success < WELL:
        return Health(
            kind="warn",
            word="some fail",
            sentence="It takes texts, but of the attempts in the last 24 hours too many failed.",
            remedy="Look at the deliveries that needed more than one: what it answered says why.",
        )
    return Health(kind="good", word="works", sentence="It takes its texts.")


def _trouble(known: StoredHealth) -> str:
    if known.not_reached:
        return "The last attempt did not reach it."
    count = len(known.failing) or len(known.refused)
    what = "failed" if known.failing else "were refused"
    if count == 1:
        what = what.replace("were", "was")
        return f"A text {what}, and none has arrived since."
    return f"{count} texts {what}, and none has arrived since."
