"""How long does the disk take to keep something? Every text waits for that before its phone hears.

Measured with a file that has no name, so that nothing is left behind however this ends, written
and synchronised as SQLite does with its log.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from mmconnect.desk.doctor import Check, Finding
from mmconnect.domain.clock import Clock

FSYNC = Check("fsync", "Speed of the disk")
TIMES, LONGEST = 20, 2.0
"""Measurements at the most, and seconds after which no other is begun. 80 KB wear out no card."""
_BLOCK = b"\0" * 4096
SLOW, TOO_SLOW = 0.1, 1.0
"""Seconds. A worn or cheap SD card takes a tenth of a second; several apps give up on an answer
after 5 s, and a text needs one or two of these, more behind others."""
STALL = 3.0
_CARD = (
    "A better card (A1 or A2), or a USB disk, helps at once. On a Pi, see that the power supply is"
    " good, and with `iotop` whether another program writes all the time."
)


def check(took: Sequence[float]) -> Finding:
    """Judge what measure() found (seconds)."""
    usual, worst = sorted(took)[len(took) // 2], max(took)
    told = f"Keeping something takes {_ms(usual)}, {_ms(worst)} at the worst"
    if usual >= TOO_SLOW:
        return FSYNC.problem(
            f"{told}: phones may give up before they hear that a text was taken.", _CARD
        )
    if usual >= SLOW:
        return FSYNC.note(f"{told}: slow, but texts get through, {_rate(usual)}.", _CARD)
    if worst >= STALL:
        return FSYNC.note(f"{told}: usually quick, but it stalls now and then.", _CARD)
    return FSYNC.ok(f"{told}: {_verdict(usual)}.")


def too_long(seconds: float) -> Finding:
    """It did not come to an end."""
    return FSYNC.problem(
        f"The disk has not kept 4 KB within {seconds:.0f} s: it hangs.",
        "`sudo dmesg` may say why. Restart the machine; replace the card or disk if it stays so.",
    )


def failed(why: str) -> Finding:
    """Nothing could be kept at all."""
    return FSYNC.problem(
        f"Nothing can be written there: {why}.",
        "Free some space, or see what `sudo dmesg` says of the disk.",
    )


def measure(directory: Path, clock: Clock) -> list[float]:
    """Seconds that each of some writes took to be on the disk. Raises OSError."""
    took: list[float] = []
    with tempfile.TemporaryFile(dir=directory, prefix=".doctor-") as file:
        begun = clock.monotonic()
        while len(took) < TIMES and clock.monotonic() - begun < LONGEST:
            os.pwrite(file.fileno(), _BLOCK, 4096 * len(took))
            start = clock.monotonic()
            os.fdatasync(file.fileno())
            took.append(clock.monotonic() - start)
    return took


def _verdict(usual: float) -> str:
    if usual < 0.005:
        return "as quick as a good SSD"
    return "good" if usual < 0.02 else "as a sound SD card does"


def _rate(usual: float) -> str:
    return f"some {max(1, round(1 / usual))} in a second that come one after the other"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 0.0995 else f"{seconds * 1000:,.0f} ms"
