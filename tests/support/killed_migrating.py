"""Migrates a data directory again and again, killed one step later each time.

`python -m tests.support.killed_migrating SOURCE WORK`: leaves `WORK/1`, `WORK/2`, … as each kill
has left them; the last one came through. For what a step is, see tests/support/killed.py.
"""

from __future__ import annotations

import os
import shutil
import sys
from itertools import count
from pathlib import Path

from mmconnect.store import migrate
from mmconnect.store.connection import FILE, connect
from tests.support.killed import arm


def _run(source: Path, work: Path) -> None:
    for number in count(1):
        directory = work / str(number)
        shutil.copytree(source, directory)
        child = os.fork()  # nothing is open, and there is one thread
        if not child:
            arm(number)
            migrate.migrate(connect(directory / FILE), directory / FILE)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            sys.exit(os.WEXITSTATUS(status))


if __name__ == "__main__":
    _run(Path(sys.argv[1]), Path(sys.argv[2]))
