"""Is mmconnect made of parts with known faults? And is it the same as the one that runs?

Only faults that can reach mmconnect are listed, with where the range comes from. A distribution may
have mended one without a new number, which nobody can see from here: so these are notes.
"""

from __future__ import annotations

import platform
import re
import sqlite3
import ssl
import struct
import sys
from dataclasses import dataclass

from mmconnect import __version__
from mmconnect.desk.doctor import Check, Findings

VERSIONS = Check("versions", "Versions")
Version = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What this program runs on."""

    python: Version
    python_final: bool
    """Whether that is a release, and no test version."""
    sqlite: Version
    openssl: Version
    tls: str
    """What that calls itself: `OpenSSL 3.0.15`."""
    bits: int
    """Of an address: 32 or 64."""
    machine: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A known fault of a part."""

    part: str
    since: Version
    mended: tuple[Version, ...]
    """The first good version of each branch, the newest branch last; all after that are good."""
    what: str

    def has(self, version: Version) -> bool:
        """Whether that version has it."""
        if version < self.since or version >= self.mended[-1]:
            return False
        return not any(version[:2] == good[:2] and version >= good for good in self.mended)


FAULTS = (
    Fault(  # sqlite.org/wal.html, "The WAL-Reset Bug"; sqlite.org/changes.html
        part="SQLite",
        since=(3, 7, 0),
        mended=((3, 44, 6), (3, 50, 7), (3, 51, 3)),
        what="may damage a database when two programs work on its log at the very same moment,"
        " which hardly ever happens. Let nothing but mmconnect open the database, and keep backups",
    ),
    Fault(  # openssl.org, vulnerabilities of 3.0: CVE-2022-3602 and CVE-2022-3786
        part="OpenSSL",
        since=(3, 0, 0),
        mended=((3, 0, 7),),
        what="can be brought down by a malicious receiver's certificate (CVE-2022-3602)",
    ),
)


def check(parts: Parts, running: str | None) -> Findings:
    """Judge; `running` is the version of the service that runs, if one does."""
    numbers = {"SQLite": parts.sqlite, "OpenSSL": parts.openssl}
    for fault in FAULTS:
        if fault.has(numbers[fault.part]):
            yield VERSIONS.note(
                f"{fault.part} {_shown(numbers[fault.part])} {fault.what}.",
                "It goes with an upgrade of the system (or of mmconnect, when it brought its own);"
                " distributions sometimes mend such a thing and keep the number.",
            )
    if not parts.python_final:
        yield VERSIONS.note(
            f"Python {_shown(parts.python)} is a test version.", "Use one that was released."
        )
    if parts.bits < 64:
        yield VERSIONS.note(
            f"This is a {parts.bits}-bit system, for which nobody tests mmconnect.",
            "Raspberry Pi OS has a 64-bit version for every Pi since the 3.",
        )
    if running is not None and running != __version__:
        yield VERSIONS.note(
            f"The service that runs is mmconnect {running}, and this is {__version__}.",
            "Start the service anew to use the installed one.",
        )
    yield VERSIONS.ok(
        f"mmconnect {__version__}, Python {_shown(parts.python)}, SQLite {_shown(parts.sqlite)},"
        f" {parts.tls}, {parts.machine}."
    )


def present() -> Parts:
    """Those of this program."""
    return Parts(
        python=tuple(sys.version_info[:3]),
        python_final=sys.version_info.releaselevel == "final",
        sqlite=sqlite3.sqlite_version_info,
        openssl=_numbers(ssl.OPENSSL_VERSION),
        tls=" ".join(ssl.OPENSSL_VERSION.split()[:2]),
        bits=struct.calcsize("P") * 8,
        machine=platform.machine(),
    )


def _numbers(text: str) -> Version:
    """`OpenSSL 3.0.15 3 Sep 2024` as numbers; of another library, none that has a fault here."""
    found = re.match(r"OpenSSL (\d+)\.(\d+)\.(\d+)", text)
    return tuple(map(int, found.groups())) if found else (0, 0, 0)


def _shown(version: Version) -> str:
    return ".".join(map(str, version))
