"""Does anything stand still: endpoints that are held, texts that wait too long, odd phones?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmconnect.desk import endpoint_health
from mmconnect.desk.device_page import Page, State
from mmconnect.desk.doctor import Check, Findings
from mmconnect.desk.wording import duration, ended, many
from mmconnect.domain.models import Endpoint, EndpointState
from mmconnect.store.backlog import Backlog
from mmconnect.store.health import StoredHealth

DELIVERIES = Check("deliveries", "Deliveries")
PHONES = Check("phones", "Phones")
OVERDUE = 600_000
"""Milliseconds after which what is due and not even being tried stands still: the service looks
once a minute at the least."""
LONGEST_FLIGHT = 300_000
"""Milliseconds: an attempt takes 15 s at the most, and its result waits for the database."""
MOST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """One endpoint."""

    endpoint: Endpoint
    backlog: Backlog
    learnt: StoredHealth | None
    flying_since: int | None
    """When the oldest attempt that is under way began (UTC ms)."""


def deliveries(found: Sequence[Waits], now: int, *, running: bool) -> Findings:
    """Judge what waits, as of `now` (UTC ms)."""
    if not found:
        yield DELIVERIES.note(
            "There is no endpoint, so texts are kept and go nowhere.",
            "`mmconnect endpoint add URL` says where they go.",
        )
        return
    wrong = [told for one in found[:MOST] for told in _endpoint(one, now, running=running)]
    yield from wrong
    waiting = sum(one.backlog.waiting for one in found)
    if not wrong:
        told = many(waiting, "text waits", "texts wait") if waiting else "Nothing waits"
        yield DELIVERIES.ok(f"{told}, and nothing stands still.")


def _endpoint(one: Waits, now: int, *, running: bool) -> Findings:
    endpoint, waits = one.endpoint, _waits(one.backlog, now)
    if endpoint.state is EndpointState.HELD:
        health = endpoint_health.health(endpoint, one.learnt, tried=True)
        yield DELIVERIES.problem(
            f"{endpoint.name} is held: {ended(health.sentence)} {waits}".strip(),
            f"{health.remedy} `mmconnect endpoint show {endpoint.id}` says more.",
        )
    elif endpoint.state is EndpointState.PAUSED and waits:
        yield DELIVERIES.note(
            f"{endpoint.name} is paused. {waits}",
            f"`mmconnect endpoint resume {endpoint.id}` sends them.",
        )
    elif not running:
        if waits:
            yield DELIVERIES.note(f"{endpoint.name}: {waits}", "They go out when the service runs.")
    elif one.flying_since is not None and now - one.flying_since > LONGEST_FLIGHT:
        yield DELIVERIES.problem(
            f"An attempt for {endpoint.name} has been under way for"
            f" {duration((now - one.flying_since) / 1000)}, and should take 15 s at the most.",
            "Start the service anew: the text is tried again. Please report it.",
        )
    elif _is_overdue(one, now):
        yield DELIVERIES.problem(
            f"{endpoint.name}: {waits} It is their turn, and nothing is being sent.",
            "Look at the service's log, and start it anew: nothing is lost. Please report it.",
        )


def overdue(found: Sequence[Waits], now: int) -> bool:
    """Whether any of them has work that is due, and none under way, as of `now` (UTC ms)."""
    return any(
        one.endpoint.state is EndpointState.ACTIVE and _is_overdue(one, now) for one in found
    )


def _is_overdue(one: Waits, now: int) -> bool:
    """Whether work stands still. In strict order texts wait for each other, whatever their turn."""
    due = one.backlog.oldest_due
    return (
        due is not None
        and now - due > OVERDUE
        and one.flying_since is None
        and not one.endpoint.strict_order
    )


def _waits(backlog: Backlog, now: int) -> str:
    if not backlog.waiting:
        return ""
    more = "more than " if backlog.more else ""
    told = f"{more}{many(backlog.waiting, 'text waits', 'texts wait')}"
    if backlog.oldest is None:
        return f"{told}."
    since = duration(max(0, now - backlog.oldest) / 1000)
    return f"{told}, {'' if backlog.waiting == 1 else 'the oldest '}for {since}."


_SENTENCES: Mapping[State, tuple[str, str]] = {
    State.SILENT: (
        "has fallen silent.",
        "Is it charged, switched on, in reach, and may the app run in the background?",
    ),
    State.AWAY: ("cannot be fetched from.", "Is its app's server on, and is it in this network?"),
    State.REFUSED: (
        "pushed last with a signature that is wrong, and was refused.",
        "Compare the signing key in the app with the one that is set here.",
    ),
    State.NOT_UNDERSTOOD: (
        "has pushed what was not understood; it is kept.",
        "Mend the app or its mapping, then read it again: `mmconnect message reread`.",
    ),
}


def phones(found: Sequence[Page], left: int = 0) -> Findings:
    """Judge the phones; `left`: how many were not looked at."""
    if not found:
        yield PHONES.note(
            "No phone is connected, so nothing can come in.",
            "`mmconnect device add` connects one.",
        )
        return
    fine = 0
    for page in found:
        told = _SENTENCES.get(page.state)
        notes = [note for note in page.notes if note.sentence]
        if told is None and not notes:
            fine += 1
            continue
        name, remedy = page.device.name, f"`mmconnect device show {page.device.id}` says more."
        if told is not None:
            yield PHONES.problem(f"{name} {told[0]}", f"{told[1]} {remedy}")
        else:
            yield PHONES.note(f"{name}: {ended(notes[0].sentence)}", notes[0].remedy or remedy)
    if fine:
        more = f" ({left} more were not looked at)" if left else ""
        yield PHONES.ok(f"{many(fine, 'phone is as it', 'phones are as they')} should be{more}.")
