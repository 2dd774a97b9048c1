"""Delivers what a spool holds, oldest first, for as long as it takes.

Texts for one target keep their order: while it is away or refuses, all of them wait. A text that
is refused for its own sake stands back and holds up no other. Nothing is ever dropped. A poke ends
every wait, as a new text is a good time to try again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from mmconnect.cli.push.origin import NoTarget, Origin
from mmconnect.cli.push.post import Line, Result, What
from mmconnect.cli.push.spool import Spool
from mmconnect.domain.clock import Clock

TIMEOUT = 15.0
"""Seconds that each step of a push may take."""
_TICK = 1.0
"""Seconds between two looks whether somebody has poked."""
_FIRST, _LONGEST, _UNFIT_LONGEST = 1.0, 60.0, 3600.0
"""Seconds after a first failure, after many, and after many of a text that is refused itself."""
_REFUSED_FIRST = 10.0


@dataclass(slots=True)
class _Wait:
    """What stands in the way of a target or a text."""

    due: float = 0.0
    since: float | None = None
    """When it first failed."""
    reason: str = ""


class Drain:
    """One process's work on a spool. Only whoever holds the spool's lock may run it."""

    def __init__(
        self,
        spool: Spool,
        clock: Clock,
        sleep: Callable[[float], None],
        tell: Callable[[str], None] | None = None,
    ) -> None:
        """`tell` is told, as the log is, what a person may want to know."""
        self._spool, self._clock, self._sleep, self._tell = spool, clock, sleep, tell
        self._targets: dict[Origin, _Wait] = {}
        self._texts: dict[str, _Wait] = {}
        self._origins: dict[str, Origin] = {}
        self._line: Line | None = None
        self.delivered: dict[str, Result] = {}
        """What has arrived, by name."""

    def reason(self, name: str | None = None) -> str:
        """Why a text, or the oldest that waits, is still there."""
        named = self._texts.get(name) if name is not None else None
        waits = [named] if named is not None else [*self._targets.values(), *self._texts.values()]
        return next((wait.reason for wait in waits if wait.reason), "")

    def run(self, until: float = math.inf, *, patient: bool = True) -> None:
        """Deliver until nothing waits, or until `until` (monotonic seconds).

        Not `patient`: only as far as it goes at the first try.
        """
        poked = self._spool.poked()
        self._spool.tidy()
        try:
            while names := self._spool.names():
                self._round(names, until)
                left = [name for name in names if name not in self.delivered]
                if not left and self._clock.monotonic() < until:
                    continue
                if not patient or self._clock.monotonic() >= until:
                    return
                poked = self._pause(left, until, poked)
        finally:
            self._hang_up()

    def _round(self, names: list[str], until: float) -> None:
        """One walk through what waits; who fails in it has no further turn, to keep the order."""
        failed: set[Origin] = set()
        for name in names:
            now = self._clock.monotonic()
            if now >= until:
                return
            text, known = self._texts.get(name), self._origins.get(name)
            if text is not None and text.due > now:
                continue
            if known is not None and self._blocked(known, failed):
                continue
            try:
                entry = self._spool.read(name)
            except OSError as error:
                self._set_back(name, f"it cannot be read: {error.strerror}")
                continue
            if entry is None:
                self._texts.pop(name, None)
                continue
            self._origins[name] = entry.origin
            if self._blocked(entry.origin, failed):
                continue
            try:
                line = self._line_to(entry.origin)
            except NoTarget as error:
                self._put_off(entry.origin, "", Result(what=What.REFUSED, reason=str(error)))
                failed.add(entry.origin)
                continue
            result = line.push(entry.sms, max(0.2, min(TIMEOUT, until - now)))
            if result.what is What.DELIVERED:
                self._arrived(name, entry.origin, line, result)
            elif result.what is What.UNFIT:
                self._set_back(name, f"it is refused: {result.reason}")
            else:
                self._put_off(entry.origin, line.target.shown, result)
                failed.add(entry.origin)

    def _blocked(self, origin: Origin, failed: set[Origin]) -> bool:
        """Whether nothing goes there in this round, as it waits or has failed in it."""
        wait = self._targets.get(origin)
        if wait is not None and wait.due > self._clock.monotonic():
            failed.add(origin)
        return origin in failed

    def _line_to(self, origin: Origin) -> Line:
        target = origin.target()
        if self._line is None or self._line.target != target:
            self._hang_up()
            self._line = Line(target)
        return self._line

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
        self._line = None

    def _arrived(self, name: str, origin: Origin, line: Line, result: Result) -> None:
        self._spool.remove(name)
        self.delivered[name] = result
        self._texts.pop(name, None)
        self._origins.pop(name, None)
        if self._targets.pop(origin, None) is not None:
            self._say(f"{line.target.shown} takes texts again")

    def _put_off(self, origin: Origin, where: str, result: Result) -> None:
        wait = self._targets.setdefault(origin, _Wait())
        first = _FIRST if result.what is What.AWAY else _REFUSED_FIRST
        self._later(wait, first, _LONGEST, result.retry_after)
        self._say_once(wait, f"{where}: {result.reason}" if where else result.reason, "Texts wait")

    def _set_back(self, name: str, reason: str) -> None:
        wait = self._texts.setdefault(name, _Wait())
        self._later(wait, _LONGEST, _UNFIT_LONGEST)
        self._say_once(wait, reason, f"{name} stays")

    def _later(self, wait: _Wait, first: float, longest: float, at_least: float = 0.0) -> None:
        """Waits double with the time that it has failed, however often somebody poked meanwhile."""
        now = self._clock.monotonic()
        wait.since = now if wait.since is None else wait.since
        wait.due = now + max(min(longest, max(first, now - wait.since)), at_least)

    def _say_once(self, wait: _Wait, reason: str, what: str) -> None:
        if reason != wait.reason:
            wait.reason = reason
            self._say(f"{what}: {reason}")

    def _say(self, line: str) -> None:
        self._spool.log(line)
        if self._tell is not None:
            self._tell(line)

    def _pause(self, names: list[str], until: float, poked: int) -> int:
        """Sleep until something is due, or somebody pokes; where the pokes stand then."""
        due = min(self._due(name) for name in names)
        while (left := min(due, until) - self._clock.monotonic()) > 0:
            self._hang_up()
            self._sleep(min(_TICK, left))
            now = self._spool.poked()
            if now != poked:
                self._origins.clear()  # where they go may have changed
                for wait in (*self._targets.values(), *self._texts.values()):
                    wait.due = 0.0
                return now
        return poked

    def _due(self, name: str) -> float:
        text, origin = self._texts.get(name), self._origins.get(name)
        target = None if origin is None else self._targets.get(origin)
        return max(0.0 if wait is None else wait.due for wait in (text, target))
