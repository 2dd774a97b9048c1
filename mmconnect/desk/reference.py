"""The webhook reference as values: what is sent, and what each answer means, for the help pages.

The rules are asked of webhook/outcome.py itself, and the example is made as every webhook is. The
words about fields and headers stand in docs/webhook-reference.md as well; a test compares them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mmconnect.desk.desk import Desk
from mmconnect.domain.ids import MESSAGE
from mmconnect.domain.models import Kind, Message, Numbers
from mmconnect.store import messages
from mmconnect.webhook import payload, signing
from mmconnect.webhook.outcome import Outcome, OutcomeClass, Trouble, judge_status, judge_trouble

SECRET = "whsec_" + "c2VjcmV0IG9mIHRoZSBleGFtcGxlLCBub2JvZHkncyE="
"""What the example is signed with: nobody's."""
SENDER, TEXT = "+6581230000", "balance"
"""Of the example, when no text has come yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One webhook, as this appliance would send it."""

    body: str
    headers: dict[str, str]
    own: bool
    """Whether it is the appliance's own latest text rather than a made-up one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What an answer means."""

    answer: str
    result: OutcomeClass
    sentence: str


FIELDS = (
    ("event", "string", "`message.received`, or what mmconnect tells of itself"),
    ("id", "string", "the message's id, the same on every retry and replay: be idempotent on it"),
    ("kind", "string", "`sms`, `mms` or `data`"),
    ("from", "string", "the sender: `+6581230000` where it is a phone number, else as it came"),
    ("to", "string", "the number of the SIM that received it"),
    ("text", "string", "the text; empty for an MMS without one"),
    ("ref", "string", "the reference of the text that this one answers or completes"),
    ("sentAt", "time", "when it was sent, by the SMS centre's or the phone's clock"),
    ("receivedAt", "time", "when mmconnect took it"),
    ("deviceId", "string", "the phone that pushed it; null in a test"),
    ("deviceName", "string", "the name you gave the phone"),
    ("sim", "number", "which SIM received it, from 1"),
    ("tenantId", "string", "this mmconnect's own id"),
    ("tenantName", "string", "the site's name"),
    ("test", "boolean", "`true` for a test"),
    ("matchedRuleId", "string", "only with routing: what matched"),
    ("fromRaw", "string", "only when `from` is written differently: what the phone gave"),
    ("subject", "string", "only with `kind` `mms`"),
    ("attachments", "array", "only with `kind` `mms`: `name`, `contentType` and `size` of each"),
)
"""Name, type and meaning of what a body has; anything may be null when it is not known."""

HEADERS = (
    ("webhook-id", "the message id; the same on every retry"),
    ("webhook-timestamp", "Unix seconds of this attempt"),
    ("webhook-signature", "`v1,` + base64 HMAC-SHA256 of `id.timestamp.body`"),
    (signing.SIGNATURE, "hex HMAC-SHA256 of the body"),
    (signing.HOSTED_SIGNATURE, "`sha256=` + the same hex, for receivers of the hosted service"),
    (signing.PREVIOUS_SIGNATURE, "hex made with the previous secret; only while it is rotated"),
    (signing.ATTEMPT, "number of this attempt, from 1"),
    (signing.DELIVERY, "id of the delivery"),
    ("content-type", "`application/json`"),
    ("user-agent", "`mmconnect/` + version"),
)
"""Name and meaning of what a request has in its head."""

EVENTS = payload.EVENTS
"""Every event that an endpoint may ask for."""

_STATUSES = (200, 301, 400, 401, 403, 404, 405, 408, 410, 413, 415, 425, 429, 500, 502, 503, 504)
_TROUBLES = (*(t for t in Trouble if t not in (Trouble.INTERNAL, Trouble.BLOCKED)), Trouble.BLOCKED)


def rules() -> list[Rule]:
    """What each answer means, and each kind of no answer."""
    found = [_rule(str(status), judge_status(status)) for status in _STATUSES]
    return found + [_rule("no answer", judge_trouble(trouble)) for trouble in _TROUBLES]


def _rule(answer: str, outcome: Outcome) -> Rule:
    sentence = outcome.sentence or "Done: the text is delivered"
    return Rule(answer=answer, result=outcome.result, sentence=sentence)


async def example(desk: Desk) -> Example:
    """The latest text as a webhook; a made-up one when there is none, or its words were wiped."""
    found = await desk.database.read(lambda db: messages.recent(db, 1))
    own = bool(found) and bool(found[0].text or found[0].kind is Kind.MMS)
    now = desk.clock.now()
    message = found[0] if own else _made_up(desk, now)
    body = payload.message_received(message, desk.look().tenant, Numbers.E164)
    headers = signing.signature_headers((SECRET,), message.id, now // 1000, body)
    return Example(body=body.decode(), headers=dict(_heads(headers)), own=own)


def _heads(headers: dict[str, str]) -> Iterator[tuple[str, str]]:
    yield "content-type", "application/json"
    yield from headers.items()


def _made_up(desk: Desk, now: int) -> Message:
    phones = desk.look().phones
    return Message(
        id=desk.ids.new(MESSAGE),
        kind=Kind.SMS,
        sender=SENDER,
        sender_raw=None,
        recipient=None,
        text=TEXT,
        ref=None,
        sent_at=now - 2000,
        received_at=now,
        device_id=phones[0].id if phones else None,
        device_name=phones[0].name if phones else None,
        sim=1,
        test=False,
    )
