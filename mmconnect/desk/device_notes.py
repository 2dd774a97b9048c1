"""What is to be said of a phone: what is so, and what to do about it.

What to do has two wordings: for somebody at the command line, who is told the command, and for
somebody who looks at the phone's page, where there is a button. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mmconnect.desk.wording import local, many
from mmconnect.phones.versions import Advice
from mmconnect.phones.whereabouts import Move


class About(StrEnum):
    """What a note is about; the page has a button for some."""

    MOVED = "moved"
    """It pushes to an address that this machine no longer has."""
    TROUBLE = "trouble"
    """It cannot be fetched from."""
    ELSEWHERE = "elsewhere"
    """It has another address than it had."""
    TOKEN_ENDS = "token_ends"  # noqa: S105 (a word, no secret)
    PUSH_REFUSED = "push_refused"
    """It is fetched from, and takes no webhook."""
    PUSH_FAILS = "push_fails"
    PUSH_UNSEEN = "push_unseen"
    KEPT_BACK = "kept_back"
    """Texts wait for a person's decision."""
    VERSION = "version"
    SILENT = "silent"
    UNRECOGNISED = "unrecognised"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One thing that should be done."""

    about: About
    sentence: str
    """What is so."""
    remedy: str = ""
    """What to do, at the command line."""
    here: str | None = None
    """The same for somebody who looks at the phone's page; None: as `remedy`."""

    @property
    def whole(self) -> str:
        """For the command line and `--json`."""
        return f"{self.sentence} {self.remedy}".rstrip()

    @property
    def on_page(self) -> str:
        """What to do, on the phone's page."""
        return self.remedy if self.here is None else self.here


def moved(move: Move) -> Note:
    """It has to be told where mmconnect is now."""
    return Note(
        about=About.MOVED,
        sentence=move.sentence,
        here="Set the new push URL in the app. A DHCP reservation in the router keeps it from"
        " changing again.",
    )


def version(advice: Advice) -> Note:
    """Its app is old, or harmful."""
    return Note(about=About.VERSION, sentence=advice.sentence, remedy=advice.remedy)


def silent(last_heard_at: int) -> Note:
    """It has not been heard since then (UTC ms), which is too long."""
    return Note(
        about=About.SILENT,
        sentence=f"It has not been heard since {local(last_heard_at)}.",
        remedy="Is it charged, on, and in reach?",
    )


def unrecognised(device_id: str, count: int) -> Note:
    """So many of its pushes were not understood."""
    them = "it" if count == 1 else "them"
    return Note(
        about=About.UNRECOGNISED,
        sentence=f"{many(count, 'push was', 'pushes were')} not understood and kept.",
        remedy="`mmconnect message list` shows which. When the app or the mapping is mended,"
        f" `mmconnect message reread --device {device_id}` reads {them} again.",
        here=f"Mend the app or the mapping, then read {them} again.",
    )
