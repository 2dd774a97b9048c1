"""Copies of everything on their way out or in, which lie in the data directory meanwhile."""

from __future__ import annotations

import secrets
from pathlib import Path

BROUGHT = "brought"
"""The folder of backups that were brought and not confirmed yet; only the last one is kept."""
_DOWNLOAD = "download-"


def download(directory: Path) -> Path:
    """Where a copy is put that somebody is about to take away."""
    return directory / f"{_DOWNLOAD}{secrets.token_hex(8)}"


def forget_leftovers(directory: Path) -> None:
    """Remove those that an end in mid-work has left; nobody asks for them any more."""
    for file in (*directory.glob(f"{_DOWNLOAD}*"), *directory.glob(f"{BROUGHT}/*")):
        file.unlink(missing_ok=True)
