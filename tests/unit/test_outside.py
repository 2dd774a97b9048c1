"""Programs of the system load the system's libraries, not those that a frozen build brings."""

from __future__ import annotations

import pytest

from mmconnect import paths

FROZEN = {"PATH": "/bin", "LD_LIBRARY_PATH": "/tmp/_MEIx"}


@pytest.mark.parametrize(
    ("unpacked", "environ", "outside"),
    [
        ("/tmp/_MEIx", FROZEN, {"PATH": "/bin"}),
        (
            *("/tmp/_MEIx", FROZEN | {"LD_LIBRARY_PATH_ORIG": "/opt/lib"}),
            {"PATH": "/bin", "LD_LIBRARY_PATH": "/opt/lib"},
        ),
        (None, {"LD_LIBRARY_PATH": "/opt/lib"}, {"LD_LIBRARY_PATH": "/opt/lib"}),
    ],
)
def test_the_environment_for_programs_of_the_system(
    monkeypatch: pytest.MonkeyPatch, unpacked: str | None, environ: dict, outside: dict
):
    if unpacked is not None:
        monkeypatch.setattr("sys._MEIPASS", unpacked, raising=False)
    assert paths.outside(environ) == outside
