"""Is everything well? What is not, worst first, each in a sentence with the one thing to do.

Pure: what the overview has found becomes words and links. A phone's or an endpoint's name is a
stranger's input like any other, and is escaped where it is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mmconnect.admin import marks
from mmconnect.admin.words import ago, duration, many
from mmconnect.desk.device_notes import About, Note
from mmconnect.desk.device_page import State
from mmconnect.desk.doctor import Mark, Report
from mmconnect.desk.overview import EndpointGlance, Overview, PhoneGlance
from mmconnect.domain.days import DAY
from mmconnect.domain.models import EndpointState

SHOWN = 6
"""Concerns that are shown; of more it is said how many."""
BACKUP_OLD = 30 * DAY
FIRST_BACKUP = 3 * DAY
"""Milliseconds after the last backup, and after the first text, at which one is asked for."""
_SET_THERE = ("proxy", "clock", "certificate", "https")
"""Warnings about what is set under Settings, Network."""
_LOOKED_AT = ("disk", "database")
"""Warnings that the doctor's check of the same name looks into."""
EXAMINED_LATELY = DAY
"""Milliseconds for which what the doctor has found is told on the overview."""
_QUIET = (About.SILENT, About.UNRECOGNISED)
"""Notes that a phone's state tells already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """One thing that is not well."""

    kind: str
    """`bad`: texts stand still; `warn`: somebody should look; `wait`: good to know."""
    title: str
    sentence: str
    do: tuple[str, str] | None = None
    """The one thing to do: words of the button, and its path."""


def concerns(found: Overview) -> list[Concern]:
    """Everything, worst first."""
    told = [*_machine(found), *_endpoints(found), *_phones(found), *_lesser(found)]
    order = {"bad": 0, "warn": 1, "wait": 2}
    return sorted(told, key=lambda one: order[one.kind])


def all_is_well(found: Overview) -> str:
    """What is said when there is no concern."""
    last = found.latest[0].stored.message if found.latest else None
    if last is None:
        return "mmconnect is ready: the next text is taken in and delivered."
    whom = f" from {last.device_name}" if last.device_name else ""
    when = ago(last.received_at, found.now)
    return f"Texts are taken in and delivered. The last one came {when}{whom}."


def doctors_word(found: Overview) -> str:
    """The same as the doctor sees it; empty when it has not looked lately."""
    report = _lately(found)
    if report is None:
        return ""
    verdict = report.verdict[:1].lower() + report.verdict[1:]
    return f"The doctor looked {ago(report.at, found.now)}: {verdict}"


def _machine(found: Overview) -> Iterator[Concern]:
    for problem in found.problems:
        yield Concern(
            kind="bad",
            title="Something is in the way",
            sentence=f"{problem} Phones that are turned away send their texts again.",
            do=_DOCTOR,
        )
    if found.offline:
        yield Concern(
            kind="bad",
            title="This machine has no network",
            sentence="No endpoint is reached. Texts wait, and go out when the network is back."
            " Check its cable or Wi-Fi, its router, and its DNS server.",
            do=_DOCTOR,
        )
    for warning in found.machine:
        first, _, rest = warning.sentence.partition(". ")
        sentence = f"{_whole(rest)} {_whole(warning.remedy)}".strip()
        do = ("Open the settings", "/settings/network") if warning.code in _SET_THERE else None
        if warning.code == "backup":
            do = ("Look at the backups", "/settings/backup")
        if warning.code in _LOOKED_AT:
            do = (_DOCTOR[0], f"{_DOCTOR[1]}#{warning.code}")
        yield Concern(kind="warn", title=first.rstrip("."), sentence=sentence, do=do)
    report = _lately(found)
    if report is not None and (count := report.count(Mark.PROBLEM)):
        named = dict.fromkeys(one.title for one in report.findings if one.mark is Mark.PROBLEM)
        yield Concern(
            kind="warn",
            title=f"The doctor has found {many(count, 'problem', 'problems')}",
            sentence=f"About: {', '.join(named)}. It looked {ago(report.at, found.now)}; when that"
            " is mended, let it look again.",
            do=("What to do", _DOCTOR[1]),
        )


_DOCTOR = ("Let the doctor look", "/help/doctor")


def _lately(found: Overview) -> Report | None:
    report = found.examined
    return report if report is not None and found.now - report.at < EXAMINED_LATELY else None


def _endpoints(found: Overview) -> Iterator[Concern]:
    for one in found.endpoints:
        name, look = one.endpoint.name, ("Look at it", f"/endpoints/{one.endpoint.id}")
        if one.endpoint.state is EndpointState.HELD and not found.offline:
            yield Concern(
                kind="bad",
                title=f"{name} does not take texts",
                sentence=" ".join(
                    filter(None, (_whole(one.endpoint.held_reason), _waits(one, found.now)))
                ),
                do=look,
            )
        elif one.endpoint.state is EndpointState.PAUSED:
            yield Concern(
                kind="wait",
                title=f"{name} is paused",
                sentence=f"{_waits(one, found.now) or 'Nothing waits for it.'} Resume it when it is"
                " to get texts again.",
                do=("Resume it", f"/endpoints/{one.endpoint.id}"),
            )
        elif one.trend.given_up and one.active:
            yield Concern(
                kind="warn",
                title=f"{many(one.trend.given_up, 'delivery', 'deliveries')} to {name} failed for"
                " good in the last 24 hours",
                sentence="They are kept: look at what the receiver said, mend it, and send them"
                " again.",
                do=("See which", f"/deliveries?state=failed&endpoint={one.endpoint.id}"),
            )


def _whole(sentence: str | None) -> str:
    """With its full stop, so that another sentence can follow."""
    return sentence or "" if not sentence or sentence[-1] in ".!?" else f"{sentence}."


def _waits(one: EndpointGlance, now: int) -> str:
    if not one.waits.waiting or one.waits.oldest is None:
        return ""
    since = duration(max(0, now - one.waits.oldest) / 1000)
    told = many(one.waits.waiting, "text waits", "texts wait")
    return f"{told}, {'' if one.waits.waiting == 1 else 'the oldest '}for {since}; nothing is lost."


def _phones(found: Overview) -> Iterator[Concern]:
    for one in found.phones:
        if not one.well:
            yield _phone(one)


def _phone(one: PhoneGlance) -> Concern:
    page, name = one.page, one.page.device.name
    notes = [note for note in page.notes if note.about not in _QUIET]
    titles = {
        State.SILENT: f"{name} has fallen silent",
        State.AWAY: f"{name} cannot be fetched from",
        State.REFUSED: f"A push of {name} was refused",
        State.NOT_UNDERSTOOD: f"{many(page.unrecognised, 'push', 'pushes')} of {name}"
        f" {'was' if page.unrecognised == 1 else 'were'} not understood",
    }
    sentences = {
        State.SILENT: "Is it charged, switched on, and in reach?",
        State.REFUSED: "Its signature is wrong: compare the signing key in the app with the one"
        " that is set here.",
        State.NOT_UNDERSTOOD: "They are kept: mend the app or its mapping, then read them again."
        if page.unrecognised > 1
        else "It is kept: mend the app or its mapping, then read it again.",
    }
    return Concern(
        kind=marks.phone(page)[0],
        title=titles.get(page.state, f"{name} needs a look"),
        sentence=" ".join([*filter(None, [sentences.get(page.state)]), *_told(notes)]),
        do=("Look at it", f"/phones/{page.device.id}"),
    )


def _told(notes: Sequence[Note]) -> Iterator[str]:
    for note in notes[:2]:
        yield f"{_whole(note.sentence)} {_whole(note.on_page)}".strip()


def _lesser(found: Overview) -> Iterator[Concern]:
    if found.phone_count and not found.endpoints and found.checklist.away:
        yield Concern(
            kind="warn",
            title="Texts go nowhere",
            sentence="They are taken in and kept, but there is no endpoint to send them to.",
            do=("Add an endpoint", "/endpoints/new"),
        )
    if not found.phone_count and found.checklist.away:
        yield Concern(
            kind="warn",
            title="No phone is connected",
            sentence="Nothing can come in.",
            do=("Connect a phone", "/phones/new"),
        )
    if found.texts.quiet and found.texts.usual is not None:
        yield Concern(
            kind="wait",
            title="Today is unusually quiet",
            sentence=f"{many(found.texts.today, 'text has', 'texts have')} come; on this weekday it"
            f" is about {found.texts.usual:,} by now. Are the phones in reach?",
            do=("Look at the phones", "/phones"),
        )
    if (since := _backup_since(found)) is not None:
        yield Concern(
            kind="wait",
            title="A backup is due",
            sentence=since,
            do=("Download a backup", "/settings/backup"),
        )


def _backup_since(found: Overview) -> str | None:
    if found.backup_at is not None and found.now - found.backup_at > BACKUP_OLD:
        return f"The last one was made {ago(found.backup_at, found.now)}."
    first = found.first_text_at
    if found.backup_at is not None or not found.checklist.away or first is None:
        return None
    if found.now - first < FIRST_BACKUP:
        return None
    return "There is none yet: what is on this machine's disk is all there is."
