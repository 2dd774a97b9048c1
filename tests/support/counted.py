"""`-p tests.support.counted` beside TEST_PROGRAM: that build is what ran, and how often.

A test of those that `make test-frozen` means fails when neither it nor a fixture of its started the
build: it would have passed on the source, and said nothing about what people download.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.support.program import BUILD, STARTS

NEVER = f"it never started {BUILD}, so what it says of it is nothing"


class Starts:
    """How often the build was started by this process of pytest's and its children."""

    def __init__(self) -> None:
        self._file = Path(tempfile.mkdtemp(prefix="starts-")) / "starts"
        self._file.touch()
        os.environ[STARTS] = str(self._file)
        self.everywhere = 0
        self.fixtures: set[object] = set()
        self.before = 0

    @property
    def count(self) -> int:
        return self._file.stat().st_size

    def by(self, item: pytest.Item) -> bool:
        """Whether it was started for this test."""
        info = getattr(item, "_fixtureinfo", None)
        made = [one for many in info.name2fixturedefs.values() for one in many] if info else []
        return self.count > self.before or not self.fixtures.isdisjoint(made)

    def forget(self) -> None:
        """Remove the file."""
        shutil.rmtree(self._file.parent)


starts = Starts()


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: object) -> Generator[None, object, object]:
    """Fixtures that start the build do so for every test that has them."""
    before = starts.count
    try:
        return (yield)
    finally:
        if starts.count > before:
            starts.fixtures.add(fixturedef)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """From here on it is this test's doing."""
    starts.before = starts.count
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fails what passes without the build."""
    result = yield
    if item.get_closest_marker("program") and not starts.by(item):
        pytest.fail(NEVER, pytrace=False)
    return result


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that counts, where there are several."""
    output = getattr(session.config, "workeroutput", None)
    if output is None:
        starts.everywhere += starts.count
    else:
        output["starts"] = starts.count
    starts.forget()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """One of several has ended."""
    starts.everywhere += getattr(node, "workeroutput", {}).get("starts", 0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say it at the end."""
    terminalreporter.write_line(f"{BUILD} was started {starts.everywhere} times")
