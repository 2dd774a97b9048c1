"""What only a build can do wrong: `make test-frozen`. Without TEST_PROGRAM, nothing is here."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.program import BUILD, PROGRAM
from tests.support.service import PATIENCE, Service

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
collect_ignore_glob = [] if BUILD else ["test_*.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of them are of `make test-frozen`; several start a one-file build ten times."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.frozen)
            item.add_marker(pytest.mark.timeout(300))


def ran(
    *words: str, env: dict[str, str] | None = None, check: bool = False
) -> subprocess.CompletedProcess[str]:
    """The build, with an environment of these variables alone."""
    return subprocess.run(
        [*PROGRAM, *words],
        env=env or {},
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=check,
    )


@pytest.fixture(scope="session")
def build_python() -> str:
    """The interpreter that has PyInstaller, which can look into a build."""
    given = os.environ.get("BUILD_PYTHON", str(ROOT / ".venv-build/bin/python"))
    if not Path(given).exists():
        pytest.skip(f"{given} is not there; BUILD_PYTHON=… is the one that has PyInstaller")
    return given


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """One that is started, and killed in the end."""
    made = Service(tmp_path / "data").start()
    yield made
    made.kill()
