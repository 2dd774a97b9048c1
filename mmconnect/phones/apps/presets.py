"""Apps and modem programs without a format of their own: what people build is read generically.

The presets use the raw mode, text as the body and the rest in headers, as none of these escapes
what it puts into JSON. Where `X-SMS-From` stands, nothing in the body is ever taken for a field.
Kannel names its headers itself (`post-url` with `send-sender = true`), gives times in UTC, and
sends whatever it is answered back as an SMS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mmconnect.domain.models import Kind
from mmconnect.phones.apps import generic
from mmconnect.phones.apps.body import decode
from mmconnect.phones.apps.smsgate import readable
from mmconnect.phones.apps.times import read_time
from mmconnect.phones.apps.wire import clean, decoded_text
from mmconnect.phones.push import IncomingText, Push, Reading, Texts

_BINARY, _UCS2 = "1", "2"
"""`X-Kannel-Coding`; 0 is text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One of them."""

    NAME: str
    label: str
    retries: bool
    """Whether it repeats a push that failed."""

    def parse(self, push: Push, mapping: Mapping[str, str]) -> Reading:
        """Reads what was built by the preset, or otherwise. Raises Unreadable."""
        return generic.read(decode(push), mapping, app=self.NAME, charset=push.charset)

    def recognises(self, push: Push) -> bool:
        """Never: it has no shape of its own."""
        return False

    def verify(self, push: Push, key: str) -> bool | None:
        """As everybody's."""
        return generic.verify(push, key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kannel(Preset):
    """Kannel's smsbox (1.4 and 1.5), `post-url` of an `sms-service`."""

    def parse(self, push: Push, mapping: Mapping[str, str]) -> Reading:
        """Its own headers, else as the others. Raises Unreadable."""
        sender = clean(push.headers.get("x-kannel-from", ""))
        if not sender or sender.isspace():
            return generic.read(decode(push), mapping, app=self.NAME, charset=push.charset)
        coding = push.headers.get("x-kannel-coding", "")
        kind = Kind.SMS
        if coding == _BINARY:
            kind, text = Kind.DATA, readable(push.body)
        elif coding == _UCS2 and not push.content_type.startswith("text/"):  # before 1.4.2
            text = clean(push.body.decode("utf-16-be", "replace"))
        else:
            text = decoded_text(push)
        sent_at, mark = read_time(push.headers.get("x-kannel-time", "") + "Z")
        found = IncomingText(
            kind=kind,
            sender=sender,
            text=text,
            recipient=clean(push.headers.get("x-kannel-to", "")) or None,
            sent_at=sent_at,
            time_mark=mark,
            event_id=push.headers.get("x-kannel-id") or None,
        )
        return Texts(app=self.NAME, texts=(found,))


PRESETS: tuple[Preset, ...] = (
    Preset(NAME="tasker", label="Tasker", retries=False),
    Preset(NAME="macrodroid", label="MacroDroid", retries=False),
    Preset(NAME="automate", label="Automate", retries=False),
    Preset(NAME="shortcuts", label="Shortcuts on an iPhone", retries=False),
    Preset(NAME="termux", label="a script in Termux", retries=True),
    Preset(NAME="gammu", label="Gammu SMSD", retries=True),
    Preset(NAME="smstools", label="SMS Server Tools 3", retries=True),
    Kannel(NAME="kannel", label="Kannel", retries=True),
)
