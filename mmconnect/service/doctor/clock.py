"""Is the clock right, and to within what? Receivers refuse what is signed at a wrong time."""

from __future__ import annotations

from mmconnect.desk.doctor import Check, Finding
from mmconnect.service.clock_sync import (
    DIFFERS_BY,
    MEND,
    WAITS,
    ClockState,
    Evidence,
    KernelClock,
    Standing,
    judge,
)

CLOCK = Check("clock", "Clock")


def check(
    now: int,
    kernel: KernelClock,
    *,
    trusted: bool,
    last_ran: int | None,
    standing: Standing | None = None,
) -> Finding:
    """`standing` is what the running service knows, receivers' clocks included; without it, what
    can be known from here. `now` and `last_ran` (when mmconnect last ran) are UTC ms."""
    if standing is None:
        standing = judge(
            Evidence(
                now=now,
                behind=last_ran is not None and now < last_ran - DIFFERS_BY,
                kernel=kernel.synchronised,
                dates=None,
                trusted=trusted,
                jumped=None,
            )
        )
    if standing.sentence is not None:
        found, remedy = _parted(standing.sentence)
        made = CLOCK.problem if standing.state is ClockState.WRONG else CLOCK.note
        return made(found, remedy)
    match standing.state:
        case ClockState.AGREES:
            return CLOCK.ok("It agrees with the clocks of the receivers to within a minute.")
        case ClockState.TRUSTED:
            return CLOCK.ok("You have said that it is right (`clock_trusted`); nothing says no.")
        case _:
            return CLOCK.ok(f"It is synchronised{_how_far(kernel)}.")


def _how_far(kernel: KernelClock) -> str:
    """The kernel's own bound; it grows while no time server is heard."""
    if kernel.error is None or not kernel.synchronised:
        return ""
    ms = max(1, round(kernel.error / 1000))
    return f", and right to within {ms} ms" if ms < 1000 else f", to within {ms / 1000:.1f} s"


def _parted(sentence: str) -> tuple[str, str]:
    """What is so, and what to do, of a Standing's sentence, which has both."""
    before, _, after = sentence.partition(f"{MEND}.")
    more = after.strip().removesuffix(f"{WAITS}.").strip()
    return f"{before.strip()} {WAITS}.", f"{MEND}. {more}".strip()
