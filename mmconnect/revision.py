"""Which commit this program was made of: what a build was given, or what a checkout stands on.

Reads a handful of small files and starts nothing. A program that pip installed, or that came
without its history, has an honest "unknown": a repository further up is somebody else's.
"""

from __future__ import annotations

import re
from pathlib import Path

from mmconnect import paths

UNKNOWN = "unknown"
BUILT = "commit.txt"
"""Beside templates/ in a frozen program; build.spec writes it."""
_DIGEST = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
"""SHA-1, or SHA-256 (git init --object-format=sha256)."""


def commit() -> str:
    """The commit in full, with `+changes` behind it if the build was made of more; or `unknown`."""
    root = paths.resource_root()
    match paths.program().form:
        case paths.Form.ONE_FILE | paths.Form.ONE_DIRECTORY:
            return _text(root / BUILT) or UNKNOWN
        case paths.Form.CHECKOUT:
            return checked_out(root)
        case paths.Form.INSTALLED:
            return UNKNOWN


def checked_out(root: Path) -> str:
    """The commit that a checkout's HEAD is at, changed or not since; `unknown` without a .git."""
    try:
        return _head(_git_dir(root / ".git"))
    except (OSError, ValueError):
        return UNKNOWN


def _git_dir(found: Path) -> Path:
    """gitrepository-layout(5): of a worktree and of a submodule, .git is a file that says where."""
    if found.is_dir():
        return found
    return found.parent / found.read_text(encoding="utf-8").removeprefix("gitdir:").strip()


def _head(git: Path) -> str:
    head = _text(git / "HEAD")
    if not head.startswith("ref:"):
        return _digest(head)
    name = head.removeprefix("ref:").strip()
    common = git / (_text(git / "commondir") or ".")  # where worktrees have their branches together
    if loose := _text(common / name):
        return _digest(loose)
    for line in _text(common / "packed-refs").splitlines():
        digest, _, packed = line.partition(" ")
        if packed == name:
            return _digest(digest)
    return UNKNOWN  # nothing committed yet


def _digest(text: str) -> str:
    return text if _DIGEST.fullmatch(text) else UNKNOWN


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
