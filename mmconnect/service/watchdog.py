"""When systemd's watchdog is fed, and so when mmconnect is killed and started again.

Fed by the event loop, so a loop that stands still feeds nothing; and only as long as a restart
would mend nothing. A disk that is full, read-only or broken answers: commits are refused, phones
are asked to come again, and a new process would fare no better. What does not answer at all is
what a restart is for: a writer that never comes back, a delivery loop that never comes round.

Commits of real work count as proof. Only when there was none for PROVE_EVERY a tiny one is made: 96
a day at the most, a few KiB each, where one at each feeding would be 5,760, and wear a card out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from mmconnect.service.systemd import Systemd
from mmconnect.store.database import Database, unwatched

log = logging.getLogger(__name__)

WRITER_MAY_TAKE = 180.0
"""Seconds for one piece of work, all of which are short; a memory card stalls for some of them."""
DELIVERIES_MAY_REST = 300.0
"""Seconds since the delivery loop came round: it rests 60, and may wait for the writer."""
PROVE_EVERY = 900.0
"""Seconds without a commit after which one is made to see whether the disk can be written."""
FEEDINGS = 4
"""In each of systemd's intervals: one that comes late, or is lost, kills nobody."""
INTERVAL = 15.0
"""Seconds between two looks where systemd has no watchdog, but listens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What there is to judge by; the event loop turns, or nobody would look."""

    writer_at_it: float = 0.0
    """Seconds since the writer was given what it is at; 0 when it has nothing to do."""
    writer_silent: float = 0.0
    """Seconds since it last came back from the disk, with a commit or a refusal."""
    deliveries_rested: float = 0.0
    """Seconds since the delivery loop came round."""
    refused: str | None = None
    """Why the last commit was refused; None when it was not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What to do."""

    feed: bool
    why: str | None = None
    """What is wrong, in a sentence; also while it is fed."""
    prove: bool = False
    """Whether a commit is due, to see that one can be made."""


def judge(signs: Signs) -> Verdict:
    """Whether the watchdog is fed.

    | state | fed |
    |---|---|
    | all is well; somebody writes; a commit takes its time | yes |
    | no commit for a long time, as there was nothing to write | yes, and one is made |
    | each commit is refused: disk full, read-only, I/O error, locked, damaged | yes |
    | the writer does not come back for WRITER_MAY_TAKE | no |
    | the delivery loop does not come round for DELIVERIES_MAY_REST | no |
    | nothing comes from the writer, although it was asked to prove itself | no |
    """
    if signs.writer_at_it > WRITER_MAY_TAKE:
        return Verdict(
            feed=False, why=f"The disk has not answered a write for {signs.writer_at_it:.0f} s."
        )
    if signs.deliveries_rested > DELIVERIES_MAY_REST:
        return Verdict(
            feed=False,
            why=f"The delivery loop has not turned for {signs.deliveries_rested:.0f} s.",
        )
    if signs.writer_silent > PROVE_EVERY + WRITER_MAY_TAKE:
        return Verdict(feed=False, why=f"Nothing could be written for {signs.writer_silent:.0f} s.")
    if signs.refused is not None:
        return Verdict(feed=True, why=f"No text can be taken in: {signs.refused}.")
    prove = signs.writer_silent > PROVE_EVERY and not signs.writer_at_it
    return Verdict(feed=True, prove=prove)


class Watchdog:
    """Looks, feeds, and says in `systemctl status` how it is."""

    def __init__(
        self,
        systemd: Systemd,
        database: Database,
        rested: Callable[[], float],
        troubles: Callable[[], list[str]],
        well: str,
    ) -> None:
        """`rested`: how long ago the delivery loop came round (seconds). `troubles`: what else is
        wrong, in sentences; `well`: what is told when nothing is."""
        self._systemd, self._database = systemd, database
        self._rested, self._troubles, self._well = rested, troubles, well
        self._fed = True
        self._proof: asyncio.Future[None] | None = None

    async def run(self) -> None:
        """Look for ever; at once an end where no systemd listens."""
        interval = self._systemd.watchdog
        every = INTERVAL if interval is None else min(INTERVAL, interval / FEEDINGS)
        while self._systemd.listens:
            try:
                self.turn()
            except Exception:
                log.exception("It could not be looked whether mmconnect is well")
            await asyncio.sleep(every)

    def turn(self) -> Verdict:
        """Look, and do what follows."""
        pulse = self._database.pulse
        verdict = judge(
            Signs(
                writer_at_it=pulse.at_it,
                writer_silent=pulse.silent,
                deliveries_rested=self._rested(),
                refused=self._database.trouble,
            )
        )
        if verdict.prove:
            self._proof = asyncio.ensure_future(self._database.probe())
            self._proof.add_done_callback(unwatched)
        if verdict.feed:
            self._systemd.feed()
        self._say(verdict)
        return verdict

    def _say(self, verdict: Verdict) -> None:
        troubles = self._troubles() if verdict.why is None else [verdict.why]
        self._systemd.status(" ".join(troubles) or self._well)
        if verdict.feed is not self._fed and not verdict.feed:
            log.critical("%s systemd is left to start mmconnect again.", verdict.why)
        elif verdict.feed is not self._fed:
            log.warning("That is over: mmconnect goes on.")
        self._fed = verdict.feed
