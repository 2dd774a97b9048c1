"""Is the machine well: memory, temperature, and a Raspberry Pi's power, as the kernel tells."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path

from mmconnect.desk.doctor import Check, Findings
from mmconnect.desk.wording import many

MACHINE = Check("machine", "Machine")
PROC, SYS = Path("/proc"), Path("/sys")
LOW_MEMORY = 64 * 2**20
"""Bytes: as much again as mmconnect takes."""
HOT = 80.0
"""°C: from here on a Raspberry Pi slows down (raspberrypi.com, config.txt, temp_limit 85)."""
_UNDER_VOLTAGE, _THROTTLED, _WAS_UNDER_VOLTAGE, _WAS_THROTTLED = 1, 4 | 8, 1 << 16, 1 << 18
"""Bits of get_throttled (raspberrypi.com, documentation of vcgencmd)."""
_POWER = "Use the power supply made for this Pi, and a short cable; take USB devices off."


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """What the kernel tells; None: it does not."""

    memory: int | None = None
    """Bytes that programs can still get."""
    of: int | None = None
    killed: int | None = None
    """Programs that were ended since the start of the machine because memory was out."""
    hottest: float | None = None
    """°C."""
    throttled: int | None = None
    """Bits of the Pi's get_throttled."""


def check(seen: Vitals) -> Findings:
    """Judge."""
    wrong = [*_memory(seen), *_power(seen)]
    if seen.hottest is not None and seen.hottest >= HOT:
        wrong.append(
            MACHINE.note(
                f"It is {seen.hottest:.0f} °C hot, and slows itself down.",
                "Give it air: out of the sun, a case with holes, a heat sink.",
            )
        )
    yield from wrong
    if not wrong:
        facts = []
        if seen.memory is not None and seen.of is not None:
            facts.append(f"{seen.memory / 2**20:,.0f} of {seen.of / 2**20:,.0f} MB memory free")
        if seen.hottest is not None:
            facts.append(f"{seen.hottest:.0f} °C")
        if seen.throttled is not None:
            facts.append("power supply good")
        if facts:
            yield MACHINE.ok(f"{', '.join(facts)}.")
        else:
            yield MACHINE.skipped("Memory and temperature cannot be seen from here.")


def _memory(seen: Vitals) -> Findings:
    if seen.memory is not None and seen.memory < LOW_MEMORY:
        yield MACHINE.problem(
            f"Only {seen.memory / 2**20:.0f} MB of memory are free.",
            "End programs that are not needed: without memory Linux ends some by itself.",
        )
    if seen.killed:
        yield MACHINE.note(
            f"Memory was out: {many(seen.killed, 'program was', 'programs were')} ended for it"
            " since the machine was started.",
            "`sudo dmesg | grep -i 'out of memory'` says which.",
        )


def _power(seen: Vitals) -> Findings:
    bits = seen.throttled or 0
    if bits & _UNDER_VOLTAGE:
        yield MACHINE.problem(
            "The power supply is too weak: the voltage is too low. That damages SD cards.",
            _POWER,
        )
    elif bits & _WAS_UNDER_VOLTAGE:
        yield MACHINE.note(
            "The voltage was too low at times since the machine started: that damages SD cards.",
            _POWER,
        )
    elif bits & (_THROTTLED | _WAS_THROTTLED):
        yield MACHINE.note(
            "It is or was too hot, and has slowed itself down.",
            "Give it air: out of the sun, a case with holes, a heat sink.",
        )


def look(proc: Path = PROC, sys: Path = SYS) -> Vitals:
    """What the kernel tells."""
    memory = dict(re.findall(r"^(\w+):\s+(\d+) kB$", _read(proc / "meminfo"), re.MULTILINE))
    killed = re.search(r"^oom_kill (\d+)$", _read(proc / "vmstat"), re.MULTILINE)
    return Vitals(
        memory=int(memory["MemAvailable"]) * 1024 if "MemAvailable" in memory else None,
        of=int(memory["MemTotal"]) * 1024 if "MemTotal" in memory else None,
        killed=int(killed[1]) if killed else None,
        hottest=max(_temperatures(sys), default=None),
        throttled=_throttled(sys),
    )


def _temperatures(sys: Path) -> list[float]:
    found = []
    for file in (sys / "class" / "thermal").glob("thermal_zone*/temp"):
        with contextlib.suppress(ValueError):
            found.append(int(_read(file)) / 1000)
    return found


def _throttled(sys: Path) -> int | None:
    """From the Pi's firmware; or, in a kernel without that, the alarm of its voltage sensor."""
    text = _read(sys / "devices/platform/soc/soc:firmware/get_throttled").strip()
    if text:
        with contextlib.suppress(ValueError):
            return int(text, 16)
    for sensor in (sys / "class" / "hwmon").glob("hwmon*"):
        if _read(sensor / "name").strip() == "rpi_volt":
            low = _read(sensor / "in0_lcrit_alarm").strip() == "1"
            return _UNDER_VOLTAGE if low else 0
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
