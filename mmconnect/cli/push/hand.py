"""From a text in hand to one that is on a disk: in the spool first, and on its way at once.

The process that delivers outlives the one that was called, and inherits nothing of it. There is
one of them for each spool, whoever starts it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING

from mmconnect.cli.push.origin import NoTarget
from mmconnect.cli.push.spool import Entry, Spool
from mmconnect.domain.clock import Clock
from mmconnect.domain.errors import Refused

if TYPE_CHECKING:
    from mmconnect.cli.push.post import Result

PATIENCE = 2.0
"""Seconds that a call gives the delivery of its text, unless told otherwise."""
_LAST_TRY = 10.0
"""Seconds for a text that could not be spooled."""
_LOOK = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What became of a text."""

    delivered: bool
    message_id: str | None = None
    duplicate: bool | None = None
    reason: str | None = None
    """Why it waits."""
    waiting: int = 0
    """Texts in the spool, itself among them."""


def hand_over(spool: Spool, entry: Entry, clock: Clock, wait: float | None) -> Done:
    """Spool a text and deliver it within `wait` seconds, or let it be delivered; None: try once.

    Raises Refused when it could neither be spooled nor delivered.
    """
    try:
        spool.prepare()
        name = spool.add(entry)
    except OSError as error:
        return _straight(entry, spool, error)
    spool.poke()
    if wait == 0:
        start_drain(spool)
        return Done(delivered=False, waiting=len(spool.names()))
    until = clock.monotonic() + (PATIENCE if wait is None else wait)
    done = _deliver(spool, name, clock, until, patient=wait is not None)
    if done.waiting:
        start_drain(spool)
    return done


def _deliver(spool: Spool, name: str, clock: Clock, until: float, *, patient: bool) -> Done:
    """Deliver what waits oneself, or watch whoever does."""
    from mmconnect.cli.push.drain import Drain

    drain = Drain(spool, clock, sleep)
    with spool.held() as ours:
        if ours:
            drain.run(until, patient=patient)
    while not ours and (spool.path / name).exists() and clock.monotonic() < until:
        sleep(_LOOK)
    names = spool.names()
    result = drain.delivered.get(name)
    who = "the time ran out before its turn" if ours else "another process is at it"
    reason = drain.reason(name) or f"{who}; {spool.logged} says how it goes"
    return Done(
        delivered=name not in names,
        message_id=None if result is None else result.message_id,
        duplicate=None if result is None else result.duplicate,
        reason=reason if name in names else None,
        waiting=len(names),
    )


def _straight(entry: Entry, spool: Spool, error: OSError) -> Done:
    """The spool cannot be written: the one chance is now."""
    from mmconnect.cli.push.post import Line, What

    what = error.strerror or str(error)
    result: Result | None = None
    try:
        line = Line(entry.origin.target())
        result = line.push(entry.sms, _LAST_TRY)
        line.close()
        reason = result.reason
    except NoTarget as problem:
        reason = str(problem)
    if result is None or result.what is not What.DELIVERED:
        raise Refused(
            f"The text could not be kept in {spool.path} ({what}), nor delivered: {reason}"
        )
    return Done(delivered=True, message_id=result.message_id, duplicate=result.duplicate)


def start_drain(spool: Spool) -> None:
    """See to it that somebody delivers what waits: whoever is at it already, or a new process."""
    with spool.held() as idle:
        pass
    if not idle:
        return
    words = ["push", "--drain", "--spool", str(spool.path)]
    if getattr(sys, "frozen", False):
        # a one-file binary unpacks itself anew, as what we have unpacked goes with us
        program, where = [sys.executable], "/"
    else:
        program, where = [sys.executable, "-m", "mmconnect"], _above_package()
    process = subprocess.Popen(  # noqa: S603 (ourselves)
        [*program, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=where,
        env={**os.environ, "PYINSTALLER_RESET_ENVIRONMENT": "1"},
        start_new_session=True,
        close_fds=True,
    )
    process.returncode = 0  # it outlives us: nobody waits for it


def _above_package() -> str:
    """From where `-m mmconnect` is this very mmconnect."""
    return str(Path(__file__).resolve().parents[3])
