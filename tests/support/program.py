"""The mmconnect that the tests run: the source, or the build that TEST_PROGRAM names.

`TEST_PROGRAM=dist/mmconnect pytest …` runs whatever starts a process of mmconnect's against that
build. A test that needs to look into the program, or to change it, is skipped then.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest

BUILD = os.environ.get("TEST_PROGRAM")
PROGRAM = [str(Path(BUILD).resolve())] if BUILD else [sys.executable, "-m", "mmconnect"]
"""Its command line."""
ONE_FILE = BUILD is not None and not (Path(BUILD).resolve().parent / "_internal").is_dir()
"""Whether it is the build that unpacks itself, and is two processes."""
WHY = "changes the program or looks into it, so it needs the source, and TEST_PROGRAM is a build"
source_only = pytest.mark.skipif(BUILD is not None, reason=WHY)
starts_none = pytest.mark.skipif(
    BUILD is not None, reason="starts no mmconnect, so no build either"
)
writes_nothing = pytest.mark.skipif(ONE_FILE, reason="may write no file, and unpacking itself does")

STARTS = "TEST_STARTS"
"""The variable that names a file, which grows by a byte with each start of the build."""


def _heard(event: str, args: tuple[Any, ...]) -> None:
    """An audit hook. The build may also be what another program is to start."""
    if event == "subprocess.Popen" and (file := os.environ.get(STARTS)):
        words = args[1] if isinstance(args[1], str) else " ".join(map(os.fsdecode, args[1]))
        if PROGRAM[0] in words:
            with Path(file).open("ab") as counter:
                counter.write(b".")


if BUILD is not None:
    sys.addaudithook(_heard)


def is_part_of_build(file: str) -> bool:
    """Whether it is the build, or lies in the folder of its one-directory form."""
    place = Path(PROGRAM[0])
    return Path(file) == place or (not ONE_FILE and Path(file).is_relative_to(place.parent))


def start(words: Sequence[str], **how: Any) -> subprocess.Popen[Any]:
    """Start a process of mmconnect's. What is signalled, and whose pid it has, is Python's own.

    The one-file build is two processes: one unpacks itself and waits for the other, Python. Tests
    mean that one when they kill, stop and measure, and it is the one that writes its pid down.
    """
    process = subprocess.Popen(words, **how)
    if not ONE_FILE or words[0] != PROGRAM[0]:
        return process
    return cast("subprocess.Popen[Any]", _OneFile(process))


class _OneFile:
    """Both processes of the one-file build, as one."""

    def __init__(self, process: subprocess.Popen[Any]) -> None:
        self._first = process
        self._second: int | None = None

    def __getattr__(self, name: str) -> Any:
        """Its streams, and what is done with them."""
        return getattr(self._first, name)

    def __enter__(self) -> _OneFile:
        return self

    def __exit__(self, *error: object) -> None:
        self._first.__exit__(None, None, None)

    @property
    def pid(self) -> int:
        """Python's, once it is there."""
        if self._second is None and self._first.poll() is None:
            self._second = _child(self._first.pid)
        return self._second or self._first.pid

    @property
    def returncode(self) -> int | None:
        """As of one process only: 128 + N is how the first tells that signal N did it."""
        code = self._first.returncode
        return 128 - code if code is not None and code > 128 else code

    def poll(self) -> int | None:
        self._first.poll()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int | None:
        self._first.wait(timeout)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Python is killed, upon which the other removes what it unpacked, and ends."""
        if self._first.poll() is not None:
            return
        if self.pid == self._first.pid:  # maybe it is about to start the other
            self._first.send_signal(signal.SIGSTOP)
            if self.pid == self._first.pid:
                self._first.kill()
                return
            self._first.send_signal(signal.SIGCONT)
        self.send_signal(signal.SIGKILL)


def without_loaders(pids: Sequence[int]) -> list[int]:
    """Of processes of mmconnect's, those that are Python: not the one that waits for another."""
    return [pid for pid in pids if _child(pid) not in pids]


def _child(pid: int) -> int | None:
    """The one that a boot loader has started; it starts no other."""
    with suppress(OSError):
        for one in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
            return int(one)
    return None
