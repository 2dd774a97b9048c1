"""Runs mmconnect by a clock that stood at a given time when the process was started.

`python -m tests.support.as_of MS WORDS…`: UTC ms; from then on it runs as the machine's does. For
data that were made on a certain day, which are older at each run.
"""

from __future__ import annotations

import sys
import time

from mmconnect.cli import main
from mmconnect.domain.clock import SystemClock


def _run(then: int, words: list[str]) -> int:
    offset = then - time.time_ns() // 1_000_000
    SystemClock.now = lambda self: time.time_ns() // 1_000_000 + offset  # type: ignore[method-assign]
    return main(words)


if __name__ == "__main__":
    sys.exit(_run(int(sys.argv[1]), sys.argv[2:]))
