"""The files that a frozen program was started from stay open; scripts/frozen_entry.py sees to it.

PyInstaller and zipimport open their archives anew for each module, by name. In an upgrade another
version takes that name while this one runs, and what it has not loaded yet lies elsewhere there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any


class Held:
    """An open file for readers of archives, with a place of its own: threads import, too."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._at = descriptor, 0

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *how: object) -> None:
        """Stay open: by its name there may be another file."""

    def seek(self, at: int, _whence: int = os.SEEK_SET) -> None:
        """Go to a place, counted from the beginning."""
        self._at = at

    def read(self, size: int) -> bytes:
        """That many bytes from there."""
        found = os.pread(self._descriptor, size, self._at)
        self._at += len(found)
        return found


def hold(name: str) -> Callable[..., Held]:
    """What takes the place of `open` for that file, and for nothing else. Raises OSError."""
    descriptor = os.open(name, os.O_RDONLY)
    return lambda *_: Held(descriptor)


def hold_archives(modules: dict[str, Any]) -> None:
    """Of `sys.modules` of a frozen program: hold what its modules are in. Raises OSError."""
    ours = modules["pyimod02_importers"].pyz_archive
    modules["pyimod01_archive"].open = hold(ours._filename)
    library = next((one for one in sys.path if one.endswith("base_library.zip")), None)
    if library is not None:  # the only one that is imported from
        modules["zipimport"]._io = SimpleNamespace(open_code=hold(library))
