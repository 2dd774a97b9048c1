"""Points in time as options give them."""

from __future__ import annotations

import pytest

from mmconnect.cli.instants import instant
from mmconnect.domain.errors import UsageError

NOW = 1_795_847_430_000


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2h", NOW - 7_200_000),
        ("90", NOW - 90_000),
        ("0s", NOW),
        ("2026-06-12T14:00:00Z", 1_781_272_800_000),
        ("1781272800", 1_781_272_800_000),
        ("999999999999d", 0),
    ],
)
def test_ago_iso_or_unix_seconds(text: str, wanted: int) -> None:
    assert instant("--since", text, NOW) == wanted


@pytest.mark.parametrize("text", ["", "yesterday", "-2h", "12:00"])
def test_anything_else_names_the_option(text: str) -> None:
    with pytest.raises(UsageError, match=r"--since"):
        instant("--since", text, NOW)
