"""The command line as a person uses it: words in, exit code and both outputs out."""

from __future__ import annotations

import contextlib
import io
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mmconnect.cli import main

STARTED = {"service", "running", "shapes"}
"""Fixtures of the files in here that are a process."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Most of these tests run commands in their own process; `make test-frozen` wants others."""
    for item in items:
        names = set(getattr(item, "fixturenames", ()))
        if Path(__file__).parent in item.path.parents and names & STARTED:
            item.add_marker(pytest.mark.program)


@dataclass(frozen=True)
class Said:
    """What one command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on standard output, and nothing else."""
        assert self.code == 0, self
        return json.loads(self.out)


def said(*words: str, given: str | None = None) -> Said:
    """Run one command in this process; `given` is what stands on its standard input."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", io.StringIO(given or ""))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = main(words)
            except SystemExit as end:  # argparse ends the program itself
                code = int(end.code or 0)
    return Said(code, out.getvalue(), err.getvalue())


class Desk:
    """A data directory, and commands on it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __call__(self, *words: str, given: str | None = None) -> Said:
        return said(*words, "--data-dir", str(self.directory), given=given)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "data")


@pytest.fixture(scope="session")
def hook() -> Iterator[str]:
    """The URL of a receiver that is pleased with everything."""

    class Pleased(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Pleased)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook"
    server.shutdown()
    server.server_close()
