"""A network of one's own: code that runs where there are no interfaces but those that it makes.

Needs root on Linux and iproute2; elsewhere the tests say why they are skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from tests.support.service import ROOT


def _missing() -> str | None:
    if sys.platform != "linux" or os.geteuid() != 0:
        return "needs root on Linux"
    if shutil.which("ip") is None or shutil.which("unshare") is None:
        return "needs iproute2 and util-linux"
    tried = subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False)
    return "may not make a network namespace here" if tried.returncode else None


MISSING = _missing()
needs_netns = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))


def inside(code: str, *words: str, within: float = 90.0) -> str:
    """What Python code prints in a fresh network namespace, with `words` as its arguments."""
    done = subprocess.run(
        ["unshare", "-n", sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=within,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ip(*words: str) -> None:
    """An `ip` command that has to succeed."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"


def interface(name: str, *addresses: str, kind: str = "bridge") -> None:
    """An interface that is up, with its addresses; bridges are what every kernel can make."""
    made = ("mode", "tun") if kind == "tuntap" else ()
    if kind == "tuntap":
        ip("tuntap", "add", "dev", name, *made)
    else:
        ip("link", "add", name, "type", kind)
    for address in addresses:
        ip("addr", "add", address, "dev", name, *(["nodad"] if ":" in address else []))
    ip("link", "set", name, "up")
