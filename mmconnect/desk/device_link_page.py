"""What is known of a phone that is fetched from: how far that has come, and whether it can push."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

from mmconnect.desk import shown
from mmconnect.desk.device_notes import About, Note
from mmconnect.desk.wording import local, many
from mmconnect.domain.clock import iso
from mmconnect.phones.pulling.told import PING, Told, told
from mmconnect.store import kept_back, links
from mmconnect.store.kept_back import Reason
from mmconnect.store.links import Link, LinkState

DAY = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPage:
    """One phone's link, with what is to be said of it."""

    link: Link
    state: LinkState
    kept: dict[Reason, int]
    """How many texts wait for a person's decision."""

    @property
    def push(self) -> Told | None:
        """What the phone was told of where to push."""
        return told(self.state) if self.link.secret is None else None

    def notes(self, now: int) -> list[Note]:
        """What should be done, at `now` (UTC ms)."""
        found = []
        if self.state.trouble is not None:
            found.append(Note(about=About.TROUBLE, sentence=self.state.trouble))
        if self.state.moved_from is not None:
            found.append(
                Note(
                    about=About.ELSEWHERE,
                    sentence=f"It is no longer at {self.state.moved_from} but at {self.link.url},"
                    " and is fetched from there.",
                    remedy="A DHCP reservation in the router gives it a fixed address.",
                )
            )
        if (until := self._unrenewed(now)) is not None:
            found.append(
                Note(
                    about=About.TOKEN_ENDS,
                    sentence=f"The token for fetching ends on {local(until)}, and the phone does"
                    " not renew it.",
                    remedy="Sign in again: `mmconnect device link"
                    f" {self.link.device_id} --phone-password …`",
                    here="Sign in again, with user and password.",
                )
            )
        if (push := self.push) is not None and (note := _of_push(push, now)) is not None:
            found.append(note)
        if total := sum(self.kept.values()):
            found.append(
                Note(
                    about=About.KEPT_BACK,
                    sentence=f"{many(total, 'text was', 'texts were')} kept without being sent, as"
                    " the phone held them before.",
                    remedy=f"`mmconnect device history {self.link.device_id}` shows them, sends"
                    " these too, or leaves them.",
                    here="Send these too, or leave them.",
                )
            )
        return found

    def _unrenewed(self, now: int) -> int | None:
        """When the token ends (UTC ms), if it should have been renewed a day ago or earlier."""
        made, ends = self.state.token_made_at, self.state.token_ends_at
        if made is None or ends is None or now < made + (ends - made) // 2 + DAY:
            return None
        return ends

    def as_json(self) -> dict[str, Any]:
        """As `device show` gives it."""
        push = self.push
        return {
            "url": self.link.url,
            "readTo": shown.moment(self.state.read_to),
            "listedAt": shown.moment(self.state.listed_at),
            "trouble": self.state.trouble,
            "troubleSince": shown.moment(self.state.trouble_at),
            "movedFrom": self.state.moved_from,
            "history": self.kept.get(Reason.HISTORY, 0),
            "restored": self.kept.get(Reason.RESTORED, 0),
            "push": None
            if push is None
            else {
                "base": push.base or None,
                "refused": push.refused or None,
                "toldAt": iso(push.at),
                "seenAt": shown.moment(push.seen_at),
                "complaint": push.complaint or None,
            },
        }


def page(db: sqlite3.Connection, device_id: str) -> LinkPage | None:
    """The link of a phone, or None when it is not fetched from."""
    link = links.known(db).get(device_id)
    if link is None:
        return None
    return LinkPage(
        link=link, state=links.state(db, device_id), kept=kept_back.counts(db, device_id)
    )


def _of_push(push: Told, now: int) -> Note | None:
    if push.refused:
        return Note(
            about=About.PUSH_REFUSED,
            sentence=f"It is fetched from, but does not push: {push.refused}.",
            remedy="With `mmconnect tls create-ca` and the certificate on the phone its texts come"
            " within a second.",
            here="With a certificate of mmconnect's on the phone its texts come within a second.",
        )
    if push.complaint:
        fails = f"It cannot push to {push.base}; its own log says: {push.complaint}."
        return Note(
            about=About.PUSH_FAILS,
            sentence=fails,
            remedy="Is the certificate of `mmconnect tls show` installed on the phone, and can it"
            f" open {push.base}/healthz?",
            here="Is mmconnect's certificate installed on the phone, and can its browser open"
            f" {push.base}/healthz?",
        )
    if push.seen_at is None and now > push.at + PING * 1000:
        return Note(
            about=About.PUSH_UNSEEN,
            sentence=f"It was told to push to {push.base}, and nothing has come that way yet.",
            remedy="Its ping begins when the app is started anew: tap Online, so that it says"
            " Offline, and again.",
        )
    return None
