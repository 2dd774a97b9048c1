"""Does mmconnect run, does it say that it is well, and does systemd look after it?"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from mmconnect import paths
from mmconnect.desk.doctor import Check, Findings
from mmconnect.desk.wording import ended
from mmconnect.service.doctor.asking import Answer
from mmconnect.service.lock import Running

SERVICE = Check("service", "Service")
UNIT = Check("unit", "systemd")
NAME = "mmconnect.service"
SYSTEMD = Path("/run/systemd/system")
"""There when systemd runs the machine (sd_booted(3))."""
PATIENCE = 5.0
RESTARTS = 3
"""So many can be a power cut or an upgrade."""
_ASKED = ("LoadState", "ActiveState", "SubState", "UnitFileState", "NRestarts", "WatchdogUSec")

Unit = Mapping[str, str]
"""Properties as `systemctl show` has them."""


def service(running: Running | None, *, starting: bool, ready: Answer | None) -> Findings:
    """Judge; `ready` is what /readyz of the one that runs has said, `starting`: the data directory
    is in use, but nobody says yet where to reach whom."""
    if running is None:
        if starting:
            yield SERVICE.note("It is only just starting.", "Ask again in a few seconds.")
        else:
            yield SERVICE.problem(
                "mmconnect does not run, so no text is taken in and none goes out.",
                "`sudo systemctl start mmconnect`, or without systemd `mmconnect serve`.",
            )
        return
    who = f"mmconnect {running.version} (pid {running.pid})"
    if ready is None or ready.status not in (200, 503):
        why = "" if ready is None else f" ({ready.trouble or f'it answers {ready.status}'})"
        yield SERVICE.problem(
            f"{who} runs, and does not say how it is{why}.",
            "Look at its log, and start it anew.",
        )
        return
    problems = _problems(ready.body)
    for sentence in problems:
        yield SERVICE.problem(ended(sentence), "Look at its log, and at what else is found here.")
    if not problems:
        yield SERVICE.ok(f"{who} runs, and is ready.")


def _problems(body: bytes) -> list[str]:
    try:
        found = json.loads(body)["problems"]
        return [str(sentence) for sentence in found.values()]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ["It says of itself something that cannot be read"]


def unit(found: Unit | None, *, running: bool) -> Findings:
    """Judge; None: systemd does not run this machine, or cannot be asked from here. `running`:
    whether mmconnect has the data directory, also when it is only just starting."""
    if found is None:
        yield UNIT.skipped("systemd does not run here, or cannot be asked.")
        return
    if found.get("LoadState") != "loaded":
        yield UNIT.note(
            "mmconnect is no service of this machine, so it does not start with it.",
            "`mmconnect service install` makes it one.",
        )
        return
    state = found.get("ActiveState", "")
    told = f"{NAME} is {state} ({found.get('SubState', '')})"
    fine = True
    if state == "failed" or (state != "active" and not running):
        fine = False
        yield UNIT.problem(
            f"{told}.",
            "`journalctl -u mmconnect -n 50` says why; `sudo systemctl start mmconnect` starts it.",
        )
    elif state == "inactive":
        fine = False
        yield UNIT.note(
            f"{told}, and mmconnect was started in another way: it ends with that.",
            "End that one, and `sudo systemctl start mmconnect`.",
        )
    if found.get("UnitFileState") not in ("enabled", "enabled-runtime", "static", "linked"):
        fine = False
        yield UNIT.note("It does not start with the machine.", "`sudo systemctl enable mmconnect`.")
    restarts = int(found.get("NRestarts") or 0)
    if restarts > RESTARTS:
        fine = False
        yield UNIT.note(
            f"systemd had to start it again {restarts} times.",
            "`journalctl -u mmconnect` says why; look for what stands before each start.",
        )
    if state == "active" and found.get("WatchdogUSec", "0") in ("0", "infinity", ""):
        fine = False
        yield UNIT.note(
            "systemd does not watch whether it hangs (WatchdogSec).",
            "`mmconnect service install` writes a unit that does.",
        )
    if fine:
        yield UNIT.ok(f"{told}, starts with the machine, and is watched.")


def ask() -> Unit | None:
    """Ask systemd of this machine, or of this user's own where that one knows of no mmconnect."""
    program = shutil.which("systemctl", path="/usr/bin:/bin")
    if program is None or not SYSTEMD.is_dir():
        return None
    found: Unit | None = None
    for whose in ([], ["--user"]):
        answer = _show(program, whose)
        if answer is not None and (found is None or answer.get("LoadState") == "loaded"):
            found = answer
        if found is not None and found.get("LoadState") == "loaded":
            break
    return found


def _show(program: str, whose: list[str]) -> Unit | None:
    words = [program, *whose, "show", NAME, f"--property={','.join(_ASKED)}"]
    try:
        done = subprocess.run(  # noqa: S603 (its own words alone)
            words, capture_output=True, timeout=PATIENCE, check=True, env=paths.outside()
        )
    except (OSError, subprocess.SubprocessError):
        return None
    lines = done.stdout.decode("utf-8", "replace").splitlines()
    return dict((name, value) for name, _, value in (line.partition("=") for line in lines))
