"""How a copy is made beside texts: half of the time, and its bytes on the disk little by little.

Whoever commits waits for the disk; a hundred megabytes that the kernel holds back and then writes
at once would be in every text's way. Called in the thread that makes the copy.
"""

from __future__ import annotations

import contextlib
import os
import threading

from mmconnect.domain.clock import Clock
from mmconnect.store.backups import Pace

SLICE = 0.02
"""Seconds of work after which it stands back for as long."""
FLUSH = 4 * 2**20
"""Bytes that may wait for the disk."""
LONGEST = 1.0
"""Seconds that it stands back at once."""


class Gentle:
    """One copy's pace; a service.backup.Manner. May be stopped from another thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End the copy at its next step: it fails."""
        self._stopped.set()

    def __call__(self, fd: int) -> Pace:
        """The pace at which the file behind a descriptor is written."""
        since, flushed = self._clock.monotonic(), 0

        def pace() -> bool:
            nonlocal since, flushed
            if self._clock.monotonic() - since < SLICE:
                return self._stopped.is_set()
            with contextlib.suppress(OSError):  # what cannot be written is found at the end
                size = os.fstat(fd).st_size
                if size - flushed >= FLUSH:
                    os.fdatasync(fd)
                    flushed = size
            worked = self._clock.monotonic() - since
            stop = self._stopped.wait(min(worked, LONGEST))
            since = self._clock.monotonic()
            return stop

        return pace
