"""Where things are: this program, its resources (from source, from a wheel, frozen), the data."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class DataDir:
    """The data directory, and how it was chosen."""

    path: Path
    source: str
    """In words, for messages: `--data-dir`, `$STATE_DIRECTORY`, …"""
    explicit: bool
    """Whether the person named it for this very command; then it may be created."""


_LIBRARIES = "LD_LIBRARY_PATH"
_ORIGINAL = "LD_LIBRARY_PATH_ORIG"


def resource_root() -> Path:
    """The folder that holds templates/, static/, recipes/ and packaging/."""
    frozen = getattr(sys, "_MEIPASS", None)
    if frozen is not None:
        return Path(frozen)
    package = Path(__file__).resolve().parent
    return package if (package / "templates").is_dir() else package.parent


class Form(StrEnum):
    """In what form this program is here."""

    ONE_FILE = "one-file"
    """Two processes: one unpacks itself, and starts the other from there."""
    ONE_DIRECTORY = "one-directory"
    INSTALLED = "installed"
    """By pip or pipx, in an environment of Python's."""
    CHECKOUT = "checkout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """This program, as something else would start it."""

    form: Form
    words: tuple[str, ...]
    """Of its command line, whole paths first."""
    parts: tuple[Path, ...]
    """Files and folders that whoever runs it has to be able to read."""
    folder: Path | None = None
    """Where it has to be started, if that matters."""


def program() -> Program:
    """How this process was started, in words that work anywhere on this machine."""
    here = Path(sys.executable)  # of a frozen program, itself
    if (unpacked := getattr(sys, "_MEIPASS", None)) is not None:
        form = Form.ONE_FILE if Path(unpacked).name.startswith("_MEI") else Form.ONE_DIRECTORY
        inside = () if form is Form.ONE_FILE else (Path(unpacked),)
        return Program(form=form, words=(str(here),), parts=(here, *inside))
    package = Path(__file__).resolve().parent
    parts = (here, here.resolve(), package)
    words = (str(here), "-m", "mmconnect")
    if resource_root() != package:
        return Program(form=Form.CHECKOUT, words=words, parts=parts, folder=package.parent)
    return Program(form=Form.INSTALLED, words=words, parts=parts)


def _mark() -> tuple[int, int] | None:
    """What changes when another version is put where this program lies; None without one."""
    frozen = getattr(sys, "_MEIPASS", None) is not None
    file = Path(sys.executable) if frozen else Path(__file__).with_name("__init__.py")
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


_STARTED = _mark()


def replaced() -> bool:
    """Whether another version lies by now where this program was started from."""
    return _mark() != _STARTED


def outside(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment for programs of the system, which are to load the system's libraries.

    A frozen program runs with LD_LIBRARY_PATH set to its own; the boot loader keeps what it was.
    """
    found = {name: value for name, value in environ.items() if name != _ORIGINAL}
    if getattr(sys, "_MEIPASS", None) is not None:
        found.pop(_LIBRARIES, None)
        if (original := environ.get(_ORIGINAL)) is not None:
            found[_LIBRARIES] = original
    return found


def let_others_read() -> None:
    """Let every user read what the one-file binary has unpacked for itself: program files, 0700.

    For root about to become another user, who could load nothing more. Root keeps them: it also
    removes them in the end, and must not walk through a tree that somebody else may change.
    """
    unpacked = Path(getattr(sys, "_MEIPASS", ""))
    if not unpacked.name.startswith("_MEI"):
        return  # from source, installed, or the one-directory build
    for path in (unpacked, *unpacked.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)


def expanded(name: str) -> Path:
    """A path as a person gives it, `~` resolved as a shell does: of nobody known, it stays."""
    return Path(os.path.expanduser(name))  # noqa: PTH111 (Path.expanduser() raises there)


def data_dir(
    flag: str | None,
    environ: Mapping[str, str],
    installed: str | None = None,
    named_by: str = "the installed service",
) -> DataDir:
    """Choose the data directory, in the order that the contract gives.

    `installed` is the `data_dir` of the TOML file; `named_by` says in words whose file that is.
    """
    if flag:
        return DataDir(path=expanded(flag), source="--data-dir", explicit=True)
    if value := environ.get("MMCONNECT_DATA_DIR"):
        path = expanded(value)
        return DataDir(path=path, source="MMCONNECT_DATA_DIR", explicit=True)
    if value := environ.get("STATE_DIRECTORY"):
        first = value.split(":")[0]
        return DataDir(path=Path(first), source="STATE_DIRECTORY", explicit=False)
    if installed:
        return DataDir(path=expanded(installed), source=named_by, explicit=False)
    if value := environ.get("XDG_DATA_HOME"):
        return DataDir(path=Path(value) / "mmconnect", source="XDG_DATA_HOME", explicit=False)
    home = expanded("~")
    return DataDir(path=home / ".local/share/mmconnect", source="the default place", explicit=False)
