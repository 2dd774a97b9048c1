"""What an answer, or the lack of one, means: the outcome rules of the contract.

Pure: `judge()` is given what happened on the wire and says which class it is and, in words, what a
person can do about it. The sender obeys; it decides nothing.
"""

from __future__ import annotations

from enum import StrEnum

from mmconnect.domain.values import value_type


class OutcomeClass(StrEnum):
    """The classes of the contract's outcome table."""

    DELIVERED = "delivered"
    NOT_REACHED = "not_reached"
    """The receiver has not acted: retrying is free."""
    FAILING = "failing"
    """Reached but failing: the receiver may have acted."""
    REFUSED = "refused"
    GONE = "gone"
    BLOCKED = "blocked"
    INTERRUPTED = "interrupted"
    """mmconnect stopped in the middle of the POST: it may have been delivered."""


class Trouble(StrEnum):
    """What went wrong on the wire, when there was no answer."""

    NO_NETWORK = "no_network"
    """This machine has no way out: no receiver's fault."""
    NO_DNS = "no_dns"
    """No name server answers this machine."""
    DNS = "dns"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    CONNECT_TIMEOUT = "connect_timeout"
    CONNECT_RESET = "connect_reset"
    TLS = "tls"
    TIMEOUT = "timeout"
    RESET = "reset"
    PROTOCOL = "protocol"
    BAD_URL = "bad_url"
    BAD_HEADER = "bad_header"
    BLOCKED = "blocked"
    """Nothing was sent, for a reason of ours that the detail tells in a sentence."""
    INTERNAL = "internal"


@value_type(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The judgement of one attempt."""

    result: OutcomeClass
    sentence: str | None
    """What is wrong and what to do, in our own words alone, fit for a log; None when delivered."""
    detail: str = ""
    """What the other side or the system added: not for a log, where it could be a secret."""

    @property
    def error(self) -> str | None:
        """Both, for the person who looks at the attempt; None when delivered."""
        return f"{self.sentence} ({self.detail})" if self.detail else self.sentence


_NOT_REACHED = {
    Trouble.NO_NETWORK: "This machine has no network. Check its cable or Wi-Fi, and its router",
    Trouble.NO_DNS: "This machine cannot resolve names: no DNS server answers. Check its network"
    " settings, and its router",
    Trouble.DNS: "The name of the receiver could not be resolved. Check the URL's host name, and"
    " this machine's DNS",
    Trouble.REFUSED: "Nothing listens there: the connection was refused. Is the receiver running,"
    " and on this port?",
    Trouble.UNREACHABLE: "There is no route to the receiver. Is it switched on and on the network?",
    Trouble.CONNECT_TIMEOUT: "The receiver did not answer the connection within 5 s. Is it switched"
    " on, and does a firewall let this machine in?",
    Trouble.CONNECT_RESET: "The connection was closed before the request was sent",
    Trouble.TLS: "The TLS connection failed. The receiver's certificate must be valid for this host"
    " name and signed by an authority that this machine trusts",
}
LOCAL = frozenset({Trouble.NO_NETWORK, Trouble.NO_DNS})
"""Troubles of this machine rather than of a receiver."""
_FAILING = {
    Trouble.TIMEOUT: "No complete answer within 15 s. Answer 2xx as soon as the text is stored, and"
    " do the work afterwards",
    Trouble.RESET: "The connection broke before the answer was complete; the receiver may have the"
    " text",
    Trouble.PROTOCOL: "The answer was not valid HTTP",
    Trouble.INTERNAL: "An unexpected error inside mmconnect while sending; its log says more",
}
_BLOCKED = {
    Trouble.BAD_URL: "The endpoint's URL cannot be used; change it",
    Trouble.BAD_HEADER: "A header of the endpoint cannot be sent; change it",
    Trouble.BLOCKED: "The address rule does not let a text go there",
}
_REFUSED = {
    304: "The receiver says that nothing has changed (304), which answers no POST. Let it answer"
    " 200 when it has the text",
    400: "The receiver found the request wrong (400); its answer may say why",
    401: "The receiver did not accept the signature (401). Compare the secrets:"
    " `mmconnect verify` says why a signature does not match",
    403: "The receiver did not let the request in (403). Compare the secrets, and look for a"
    " firewall or login in front of it",
    404: "There is nothing at this URL (404): is the flow active?",
    405: "This URL does not take POST (405)",
    413: "The receiver finds the text too large (413)",
    415: "The receiver does not take application/json (415)",
}
_MOVED = frozenset({301, 302, 303, 307, 308})
_RETRIABLE_4XX = frozenset({408, 425, 429})
_FAILING_STATUS = {
    408: "The receiver gave up waiting for the request (408)",
    425: "The receiver is not ready to handle the request yet (425)",
    429: "The receiver asks for fewer requests (429)",
    500: "The receiver failed (500); its own log says why",
    502: "The proxy in front of the receiver got no good answer from it (502)",
    504: "The proxy in front of the receiver got no answer from it in time (504)",
}


_DELIVERED = Outcome(result=OutcomeClass.DELIVERED, sentence=None)


def judge_status(status: int, location: str | None = None) -> Outcome:
    """The outcome of an answer: its HTTP status, and Location for a redirect."""
    if 200 <= status < 300:
        return _DELIVERED
    if status in _MOVED:
        return Outcome(
            result=OutcomeClass.REFUSED,
            sentence=f"The receiver has moved ({status}). Redirects are not followed: change the"
            " endpoint's URL",
            detail=f"moved to {location}" if location else "",
        )
    if status == 410:
        return Outcome(
            result=OutcomeClass.GONE,
            sentence="The receiver says that it is gone for good (410). If it is not, let it answer"
            " 2xx, and resume the endpoint",
        )
    if status == 503:
        return Outcome(
            result=OutcomeClass.NOT_REACHED,
            sentence="The receiver is not available just now (503)",
        )
    if status in _RETRIABLE_4XX or not 300 <= status < 500:
        return Outcome(
            result=OutcomeClass.FAILING,
            sentence=_FAILING_STATUS.get(status, f"The receiver failed ({status})"),
        )
    return Outcome(
        result=OutcomeClass.REFUSED,
        sentence=_REFUSED.get(status, f"The receiver refused the request ({status})"),
    )


def judge_trouble(trouble: Trouble, detail: str = "") -> Outcome:
    """The outcome when no answer came: what went wrong, and the system's own words for it."""
    if trouble is Trouble.BLOCKED and detail:
        return Outcome(result=OutcomeClass.BLOCKED, sentence=detail)
    if trouble in _BLOCKED:
        return Outcome(result=OutcomeClass.BLOCKED, sentence=_BLOCKED[trouble], detail=detail)
    if trouble in _FAILING:
        return Outcome(result=OutcomeClass.FAILING, sentence=_FAILING[trouble], detail=detail)
    return Outcome(result=OutcomeClass.NOT_REACHED, sentence=_NOT_REACHED[trouble], detail=detail)
