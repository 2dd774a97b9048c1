"""What every test shares: an environment in which no test finds this machine's own mmconnect.

A developer may run one at home. Nothing here may reach its data directory, its options or its port.
Nor is a proxy of this machine asked for what a test serves itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no bug: how long examples and their making take is pytest-timeout's business.
settings.register_profile("mmconnect", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mmconnect")

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_OURS = ("STATE_DIRECTORY", "XDG_DATA_HOME", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


@pytest.fixture(autouse=True, scope="session")
def _no_foreign_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Session-wide, so that services which a module's fixture starts are covered too."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("MMCONNECT_") or name in _OURS or name.lower() in _PROXIES:
                patch.delenv(name)
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh home for each test: what one leaves under ~ no other one sees."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(autouse=True)
def _umask_as_before() -> Iterator[None]:
    """Whoever runs a command within a test takes over its umask, which is closed to others."""
    before = os.umask(0)
    os.umask(before)
    yield
    os.umask(before)
