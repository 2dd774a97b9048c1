"""Which commit a program says it is of: as git itself says, without asking git."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mmconnect import paths, revision

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git, to compare with")


def git(where: Path, *words: str) -> str:
    """What git says, with nobody's configuration and a committer of its own."""
    alone = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    alone |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    who = ["-c", "user.name=T", "-c", "user.email=t@example.org"]
    done = subprocess.run(
        ["git", "-C", str(where), *who, *words],
        env=alone,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    made = tmp_path / "checkout"
    made.mkdir()
    git(made, "init", "-q", "-b", "main")
    git(made, "commit", "-q", "--allow-empty", "-m", "one")
    return made


def test_a_branch(checkout: Path) -> None:
    assert revision.checked_out(checkout) == git(checkout, "rev-parse", "HEAD")


def test_a_branch_whose_name_has_been_packed(checkout: Path) -> None:
    git(checkout, "branch", "another")
    git(checkout, "commit", "-q", "--allow-empty", "-m", "two")
    git(checkout, "pack-refs", "--all")
    assert not (checkout / ".git" / "refs" / "heads" / "main").exists()
    assert revision.checked_out(checkout) == git(checkout, "rev-parse", "HEAD")


def test_a_commit_without_a_branch(checkout: Path) -> None:
    git(checkout, "checkout", "-q", "--detach")
    assert revision.checked_out(checkout) == git(checkout, "rev-parse", "HEAD")


def test_a_worktree(checkout: Path, tmp_path: Path) -> None:
    beside = tmp_path / "beside"
    git(checkout, "worktree", "add", "-q", "-b", "feature/x", str(beside))
    git(beside, "commit", "-q", "--allow-empty", "-m", "two")
    assert revision.checked_out(beside) == git(beside, "rev-parse", "HEAD")
    assert revision.checked_out(beside) != revision.checked_out(checkout)


@pytest.mark.parametrize("head", [None, "", "ref: refs/heads/main", "ref: refs/../../x", "#!"])
def test_what_has_no_commit_is_unknown(tmp_path: Path, head: str | None) -> None:
    if head is not None:
        (tmp_path / ".git").mkdir()
        (tmp_path / ".git" / "HEAD").write_text(head)
    assert revision.checked_out(tmp_path) == "unknown"


def test_an_installed_one_takes_no_other_repository_for_its_own(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in somebody's project, whose .venv it is in."""
    package = checkout / ".venv" / "mmconnect"
    (package / "templates").mkdir(parents=True)
    monkeypatch.setattr(paths, "__file__", str(package / "paths.py"))
    assert paths.program().form is paths.Form.INSTALLED
    assert revision.commit() == "unknown"


def test_a_checkout_says_its_own(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (checkout / "mmconnect").mkdir()
    monkeypatch.setattr(paths, "__file__", str(checkout / "mmconnect" / "paths.py"))
    assert revision.commit() == git(checkout, "rev-parse", "HEAD")


@pytest.mark.parametrize("folder", ["_MEI12345", "_internal"])
def test_a_frozen_one_says_what_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    unpacked = tmp_path / folder
    unpacked.mkdir()
    monkeypatch.setattr(sys, "_MEIPASS", str(unpacked), raising=False)
    assert revision.commit() == "unknown"
    (unpacked / "commit.txt").write_text("abc+changes\n")
    assert revision.commit() == "abc+changes"
