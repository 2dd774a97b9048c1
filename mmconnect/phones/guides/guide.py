"""What a guide is: everything a person has to know and to enter to make one app push its texts.

Data alone: the pairing page and the pages in docs/ are made from it. Words between backticks are
to be entered or looked for as they stand; `{url}`, `{token}`, `{base}`, `{secret}`, `{id}`
and `{phone}`, its address, are the device's own. Knows neither HTML nor Markdown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

WORDS = ("url", "token", "base", "secret", "id", "phone")
"""What stands for the device's own values."""


class Phone(StrEnum):
    """What kind of thing pushes; the value is what people call it."""

    ANDROID = "Android phone"
    IPHONE = "iPhone"
    MODEM = "USB modem"
    SERVER = "SMS server"
    OTHER = "Anything else"


class Effort(StrEnum):
    """How much there is to do."""

    SMALL = "a few fields"
    MEDIUM = "some settings"
    MORE = "you build it"


class Kept(StrEnum):
    """What becomes of a text that comes while mmconnect cannot be reached."""

    ALL = "nothing is lost"
    SOME = "survives"
    NONE = "lost while mmconnect or Wi-Fi is away"


class Role(StrEnum):
    """What a field is for, so that a test can do what the app does with it."""

    URL = "url"
    TYPE = "type"
    HEADERS = "headers"
    """Lines of `Name:value`."""
    HEADER_NAME = "header name"
    HEADER_VALUE = "header value"
    BODY = "body"
    JSON = "json"
    """A name in a JSON body that the app itself puts together."""
    ANSWER = "answer"
    """What the app looks for in the answer."""
    SETTING = "setting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What is lost while mmconnect is away: the label that stays on the phone's page, and why."""

    kept: Kept
    span: str = ""
    """With Kept.SOME, for how long: `4 days`."""
    why: str

    @property
    def label(self) -> str:
        """In a few words."""
        return f"{self.kept} {self.span}" if self.kept is Kept.SOME else str(self.kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the app really comes from."""

    label: str
    url: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One thing to enter or to set."""

    name: str
    """As the app calls it."""
    value: str
    role: Role = Role.SETTING
    copied: bool = True
    """Whether it is typed or pasted; else it is chosen: a switch, a menu."""
    keyed: bool = False
    """Whether it is only there for a device with a signing key."""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Lines to copy whole: a script, a part of a configuration file."""

    title: str
    language: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step, in the order in which they are done."""

    title: str
    text: str = ""
    fields: tuple[Field, ...] = ()
    block: Block | None = None
    after: str = ""
    """What to say when the fields are filled in."""
    keyed: bool = False
    """Whether it is only there for a device with a signing key."""
    certificate: bool = False
    """Whether this is where the phone is to trust mmconnect's certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guide:
    """How to set up one app."""

    name: str
    """As a device's `app` has it."""
    label: str
    phone: Phone
    source: Source | None
    """None where there is nothing to install."""
    minimum: str
    """The oldest version that this works with, in words; empty where any does."""
    effort: Effort
    needs_https: bool = False
    """Whether its pushes are sent over https alone."""
    loss: Loss
    """With pushes alone."""
    fetched: Loss | None = None
    """Instead of `loss`, where mmconnect also fetches what the phone holds (`device link`)."""
    summary: str
    """For whoever chooses: one sentence."""
    steps: tuple[Step, ...]
    warnings: tuple[str, ...] = ()
    """What goes wrong when nobody says it."""
    notes: tuple[str, ...] = ()

    @property
    def best(self) -> Loss:
        """What is lost when all its steps are done."""
        return self.fetched or self.loss


def filled(text: str, values: Mapping[str, str]) -> str:
    """`text` with the device's own values; what other braces hold is the app's and stays."""
    for word in WORDS:
        text = text.replace("{" + word + "}", values[word])
    return text
