"""Runs a command in this process and ends it by SIGKILL at its n-th step on the disk.

`python -m tests.support.killed N WORDS…`: a step is whatever renames, links, deletes, empties or
syncs a file, and every statement that SQLite is given for one.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from typing import Any

from mmconnect.cli import main


def arm(number: int) -> None:
    """From here on this process has that many steps to live, but for one."""
    left = number

    def step() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def stepping(*args: Any, **more: Any) -> Any:
            step()
            return call(*args, **more)

        return stepping

    for name in ("replace", "link", "unlink", "fsync", "ftruncate", "mkdir"):
        setattr(os, name, counted(getattr(os, name)))
    connect = sqlite3.connect

    def watched(*args: Any, **more: Any) -> sqlite3.Connection:
        db = connect(*args, **more)
        if args[0] != ":memory:":
            db.set_trace_callback(lambda statement: step())
        return db

    sqlite3.connect = watched  # type: ignore[assignment]


if __name__ == "__main__":
    arm(int(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
