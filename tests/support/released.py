"""Databases as each released mmconnect has left them, killed at work (tests/released/make.py)."""

from __future__ import annotations

import json
import sqlite3
import sys
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.support.service import DB, ROOT, Service

FOLDER = ROOT / "tests" / "released"
SCHEMAS = (1, 2, 3, 4, 5, 6, 7)


def unpack(schema: int, directory: Path) -> dict[str, Any]:
    """Put one into an empty data directory; what has to be in it."""
    directory.mkdir(mode=0o700, parents=True)
    with tarfile.open(FOLDER / f"schema-{schema}.tar.xz") as tar:
        for entry in tar.getmembers():
            read = tar.extractfile(entry)
            assert read is not None
            (directory / entry.name).write_bytes(read.read())
    told = directory / "story.json"
    story: dict[str, Any] = json.loads(told.read_text(encoding="utf-8"))
    told.unlink()
    return story


def sent_to(directory: Path, url: str) -> None:
    """Whoever had an address then has this one now; phones that are fetched from, none."""
    with closing(sqlite3.connect(directory / DB)) as db, db:
        db.execute("UPDATE endpoints SET url = ?", (url,))
        if db.execute("PRAGMA user_version").fetchone()[0] >= 6:
            db.execute("UPDATE phone_links SET url = 'http://127.0.0.1:9'")


def service_of_then(directory: Path, story: dict[str, Any]) -> Service:
    """Today's mmconnect, on the day after it."""
    service = Service(directory)
    service.program = [sys.executable, "-m", "tests.support.as_of", str(story["now"] + 60_000)]
    return service
