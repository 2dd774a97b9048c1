"""The plug is pulled: a 2xx to the phone means that the text is on the disk, not in a cache.

`kill -9` cannot show that, as the kernel still writes what it was given. Here the file system is an
image that is shut down under the running service, as file system developers test power failures:
what was not synced is gone, and the journal is recovered at the next mount. What counts was
acknowledged before: of a sync that is under way the file system may say that it succeeded, while
with the power the process goes, too.
"""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.conftest import NOT_DELIVERED, furnish
from tests.support.burst import Burst, Receiver, Text
from tests.support.service import until

SHUTDOWN = 0x8004587D
"""EXT4_IOC_SHUTDOWN, _IOR('X', 125, __u32)."""
NO_FLUSH = 2

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("mkfs.ext4"), reason="needs root and mkfs.ext4"
)


class Disk:
    """An ext4 image on a loop device, whose power can be cut."""

    def __init__(self, folder: Path) -> None:
        self.image, self.at = folder / "image", folder / "disk"
        self.at.mkdir()
        with self.image.open("wb") as file:
            file.truncate(64 * 2**20)
        subprocess.run(["mkfs.ext4", "-q", self.image], check=True, capture_output=True)

    @contextmanager
    def mounted(self) -> Iterator[Path]:
        done = subprocess.run(
            ["mount", "-o", "loop", self.image, self.at], capture_output=True, check=False
        )
        if done.returncode:
            pytest.skip(f"no loop device can be mounted: {done.stderr.decode().strip()}")
        try:
            yield self.at
        finally:
            subprocess.run(["umount", self.at], check=True)

    def cut(self) -> None:
        """From here on nothing reaches the image any more."""
        handle = os.open(self.at, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, SHUTDOWN, struct.pack("I", NO_FLUSH))
        finally:
            os.close(handle)


def test_what_was_acknowledged_survives_a_power_cut(
    tmp_path: Path, receiver: Receiver, furnished: tuple[Path, str, str, str]
) -> None:
    seed = int(os.environ.get("CRASH_SEED", random.randrange(10**6)))
    print(f"CRASH_SEED={seed}")  # shown when the test fails
    rng = random.Random(seed)
    disk = Disk(tmp_path)
    with disk.mounted() as at:
        gateway = furnish(at / "data", tmp_path, receiver, furnished)
    service = gateway.service
    acknowledged: dict[str, str] = {}
    for number in range(4):
        texts = [
            Text(f"e{number}-{n}", f"+1555{n % 30:07d}", f"round {number}, {n}") for n in range(300)
        ]
        with disk.mounted():
            service.start()
            try:
                burst = Burst(service.phone, gateway.token, texts)
                burst.wait_acked(rng.randrange(280))
                acknowledged |= {t.event_id: t.answer["id"] for t in texts if t.acked}
                disk.cut()
            finally:
                service.kill()
            burst.join()
        with disk.mounted(), service.autopsy(tmp_path / "autopsy") as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            stored = dict(db.execute("SELECT event_id, id FROM messages").fetchall())
        lost = {event for event, given in acknowledged.items() if stored.get(event) != given}
        assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged texts are lost"

    with disk.mounted():
        service.start()
        try:
            until(lambda: not service.count(NOT_DELIVERED), "everything is delivered")
            assert set(acknowledged.values()) <= set(receiver.times)
            assert service.stop() == 0
        finally:
            service.kill()
