"""Where a build has to work: without Python, read-only, as nobody, with no environment at all."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.frozen.conftest import ROOT, ran
from tests.support.program import ONE_FILE, PROGRAM
from tests.support.service import PATIENCE, Service, ask, until

pytestmark = pytest.mark.program
NOBODY = 65534
ALONE = """
set -eu
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
mount -t tmpfs -o mode=1777"$2" tmpfs "$1/tmp"
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
shift 2
exec "$@"
"""
"""A root that nothing can be written to but /tmp, of which $2 says more."""
NOEXEC = """
set -eu
mount -t tmpfs -o noexec,mode=1777 tmpfs "$1"
shift
exec env -i TMPDIR="$TMPDIR" "$@"
"""
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change roots and users")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with a C library, zlib and the build, and nothing else."""
    if shutil.which("dpkg-query") is None:
        pytest.skip("what belongs to the C library is asked of dpkg")
    root = tmp_path_factory.mktemp("bare")
    for folder in root.parents:
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o011)  # pytest keeps its folders to itself
    root.chmod(0o755)
    for name in ("bin", "lib", "lib64", "sbin"):
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(f"usr/{name}")
    for name in ("dev", "etc", "opt", "proc", "tmp"):
        (root / name).mkdir()
    asked = ["dpkg-query", "--listfiles", "libc6", "zlib1g"]
    listed = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        file, there = Path(line), root / line.lstrip("/")
        if ".so" in file.name and file.exists() and not file.is_dir():
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, there)
    program = Path(PROGRAM[0])
    if ONE_FILE:
        shutil.copy(program, root / "opt/mmconnect")
    else:
        shutil.copytree(program.parent, root / "opt/mmconnect-onedir", symlinks=True)
    return root


@root_only
@pytest.mark.parametrize("tmp", ["", ",noexec"])
def test_a_text_goes_through_where_there_is_no_python_and_nothing_can_be_written(
    bare: Path, tmp: str
) -> None:
    if ONE_FILE and tmp:
        pytest.skip("has to unpack itself; what it says then is the next test's")
    files = [file for file in bare.rglob("*") if file.is_file()]
    outside = [file.name for file in files if not file.is_relative_to(bare / "opt")]
    assert [name for name in outside if ".so" not in name] == [], "a C library, and nothing else"
    inside = "/opt/mmconnect" if ONE_FILE else "/opt/mmconnect-onedir/mmconnect"
    assert (bare / inside.lstrip("/")).is_file(), PROGRAM
    smoke = [sys.executable, "-m", "scripts.smoke", "--root", str(bare), inside]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", ALONE, PROGRAM[0], str(bare), tmp, *smoke],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "both signatures are right" in done.stdout
    assert "it ended in order" in done.stdout


@root_only
def test_a_temporary_folder_that_may_hold_no_programs(tmp_path: Path) -> None:
    """The one file says so in the loader's words, which docs/troubleshooting.md explains."""
    closed, open_ = tmp_path / "closed", tmp_path / "open"
    closed.mkdir()
    open_.mkdir()

    def there(folder: Path) -> subprocess.CompletedProcess[str]:
        words = ["unshare", "--mount", "sh", "-c", NOEXEC, "sh", str(closed), *PROGRAM]
        return subprocess.run(
            [*words, "version"],
            env={"PATH": os.environ["PATH"], "TMPDIR": str(folder)},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    refused = there(closed)
    if not ONE_FILE:
        assert refused.returncode == 0, refused.stderr
        return
    assert refused.returncode != 0
    sentence = "failed to map segment from shared object"
    assert sentence in refused.stderr
    assert sentence in (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    assert there(open_).returncode == 0
    assert list(open_.iterdir()) == [], "it cleans up what it has unpacked"


def test_without_any_environment(tmp_path: Path) -> None:
    """Not even HOME, PATH and a language: as some init systems and cron start programs."""
    where = ("--data-dir", str(tmp_path / "data"))
    name = "Büro 📱"
    ran("device", "add", "--name", name, *where, check=True)
    told = ran("device", "list", *where, check=True)
    assert name in told.stdout
    assert json.loads(ran("device", "list", "--json", *where, check=True).stdout)[0]["name"] == name


def test_without_a_home(tmp_path: Path) -> None:
    """The data directory is then where the user's own entry in the list of users says."""
    lost = ran("device", "list", env={"PATH": "/usr/bin:/bin"})
    assert "Traceback" not in lost.stderr
    found = ran("device", "list", env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)})
    assert found.returncode == 1
    assert f"{tmp_path}/.local/share/mmconnect (from the default place)" in found.stderr


@root_only
def test_as_a_user_who_may_do_nothing(tmp_path: Path) -> None:
    """From a folder that is root's, to a data directory that is the user's own."""
    for folder in tmp_path.parents:
        if folder.stat().st_uid == 0 and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    tmp_path.chmod(0o755)
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    os.chown(data, NOBODY, NOBODY)
    program = Path(PROGRAM[0])
    if ONE_FILE:
        there = Path(shutil.copy(program, tmp_path / "mmconnect"))
    else:
        there = shutil.copytree(program.parent, tmp_path / "program", symlinks=True) / program.name
    service = Service(data, tmp_path)
    ids = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs"]
    log = (tmp_path / "log").open("wb")
    listen = ["--admin-listen=127.0.0.1:0", "--phone-listen=127.0.0.1:0"]
    off = ["--admin-tls-listen=off", "--phone-tls-listen=off"]
    process = subprocess.Popen(
        ["setpriv", *ids, str(there), "serve", "--data-dir", str(data), *listen, *off],
        stdout=log,
        stderr=log,
        env={},
    )
    try:
        lock = data / "mmconnect.lock"

        def listening() -> bool:
            assert process.poll() is None, (tmp_path / "log").read_text()
            try:
                return bool(json.loads(lock.read_bytes())["phone"])
            except (OSError, ValueError):
                return False

        until(listening, "it listens")
        made = service.cli("device", "add", "--name", "Phone")
        host, _, port = json.loads(lock.read_bytes())["phone"][0].rpartition(":")
        told = ask((host, int(port)), "GET", f"/in/{made['token']}")
        assert told[0] == 200
        assert (data / "mmconnect.db").stat().st_uid == NOBODY
    finally:
        process.terminate()
        assert process.wait(PATIENCE) == 0
        log.close()
