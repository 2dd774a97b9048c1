"""`mmconnect service`: units for every form and place, and an image that they are installed in.

With a systemd that runs, install and uninstall are tried by `make test-service`.
"""

from __future__ import annotations

import errno
import json
import os
import pwd
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from mmconnect import __version__, paths
from mmconnect.domain.errors import DataDirError, Refused
from mmconnect.paths import Form, Program
from mmconnect.service import installing, manager, unit
from mmconnect.service.installing import Setting
from mmconnect.service.lock import Lock, Running
from mmconnect.service.manager import Manager, closed_to
from mmconnect.service.unit import STATE, Plan
from tests.cli.conftest import said
from tests.support.service import ROOT

PACKAGED = ROOT / "packaging" / "mmconnect.service"
ONE_FILE = Program(
    form=Form.ONE_FILE,
    words=("/usr/local/bin/mmconnect",),
    parts=(Path("/usr/local/bin/mmconnect"),),
)
PIPX = Program(
    form=Form.INSTALLED,
    words=("/home/pi/.local/pipx/bin/python", "-m", "mmconnect"),
    parts=(Path("/home/pi/.local/pipx/bin/python"),),
)
CHECKOUT = Program(
    form=Form.CHECKOUT,
    words=("/opt/mmconnect/.venv/bin/python", "-m", "mmconnect"),
    parts=(Path("/opt/mmconnect/mmconnect"),),
    folder=Path("/opt/mmconnect"),
)
DISK = Path("/mnt/ssd/my texts")
PLANS = {
    "one-file": Plan(program=ONE_FILE, data=STATE),
    "noexec": Plan(program=ONE_FILE, data=STATE, unpack_in=Path("/var/cache/mmconnect")),
    "pipx": Plan(program=PIPX, data=DISK, account="pi", config=Path("/etc/my.toml")),
    "checkout": Plan(program=CHECKOUT, data=STATE),
    "user": Plan(program=PIPX, data=Path("/home/pi/.local/share/mmconnect"), user=True),
}


def values(text: str) -> dict[str, list[str]]:
    """What a unit says, by name."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line and line[0] not in "#[":
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def made(name: str) -> dict[str, list[str]]:
    return values(unit.render(PLANS[name]))


# -- the unit ---


@pytest.mark.parametrize("name", ["packaged", *PLANS])
def test_each_line_has_its_reason_above_it(name: str) -> None:
    text = PACKAGED.read_text() if name == "packaged" else unit.render(PLANS[name])
    before = ""
    for line in text.splitlines():
        if line and line[0] not in "#[":
            assert before.startswith("# "), f"{line} has no reason"
        before = line


def test_the_packaged_one() -> None:
    said = values(PACKAGED.read_text())
    assert said["Type"] == ["notify"]
    assert said["NotifyAccess"] == ["main"]
    assert said["ExecStart"] == ["/usr/bin/mmconnect serve"]
    assert said["StateDirectory"] == ["mmconnect"]
    assert said["StateDirectoryMode"] == ["0700"]
    assert said["UnsetEnvironment"] == ["STATE_DIRECTORY"], "it has precedence over the TOML file"
    assert said["Environment"] == [f"XDG_DATA_HOME={STATE.parent}"]
    assert (said["Restart"], said["StartLimitIntervalSec"]) == (["always"], ["0"])
    assert int(said["RestartSec"][0]) <= 5, "it is back within ten seconds"
    assert said["SystemCallFilter"][-1] == "adjtimex clock_adjtime", "else no clock is ever known"
    assert "ProtectClock" not in said, "it forbids to ask"


def test_of_the_one_file_build_the_second_process_speaks() -> None:
    assert made("one-file")["NotifyAccess"] == ["all"]
    assert made("one-file")["KillMode"] == ["mixed"]
    assert made("one-file")["PrivateTmp"] == ["yes"], "what a kill leaves there is cleared away"
    assert made("checkout")["NotifyAccess"] == ["main"]


def test_where_nothing_can_be_run_from_tmp_it_unpacks_elsewhere() -> None:
    said = made("noexec")
    assert said["Environment"] == ["TMPDIR=/var/cache/mmconnect"]
    assert said["CacheDirectory"] == ["mmconnect"]
    assert said["ExecStartPre"] == ['/bin/sh -c "rm -rf /var/cache/mmconnect/_MEI*"']


def test_where_no_package_is_systemd_says_where_the_data_are() -> None:
    assert made("checkout")["StateDirectory"] == ["mmconnect"]
    for name in ("checkout", "one-file", "user"):
        assert "UnsetEnvironment" not in made(name)
        assert "Environment" not in made(name)


def test_data_and_program_elsewhere() -> None:
    said = made("pipx")
    assert said["ExecStart"] == [
        "/home/pi/.local/pipx/bin/python -m mmconnect serve"
        ' --data-dir "/mnt/ssd/my texts" --config /etc/my.toml'
    ]
    assert said["ReadWritePaths"] == said["RequiresMountsFor"] == ['"/mnt/ssd/my texts"']
    assert "StateDirectory" not in said
    assert said["User"] == ["pi"]
    assert "Group" not in said, "its own, whatever that is"
    assert said["ProtectHome"] == ["read-only"], "the program is there"
    assert made("checkout")["ProtectHome"] == ["yes"]
    assert made("checkout")["WorkingDirectory"] == ["/opt/mmconnect"]


@pytest.mark.parametrize("home", ["/home/pi", "/root", "/run/user/1000"])
def test_options_at_home_are_seen(home: str) -> None:
    plan = Plan(program=ONE_FILE, data=STATE, config=Path(home) / "my.toml")
    assert values(unit.render(plan))["ProtectHome"] == ["read-only"]


def test_a_users_own_asks_for_nothing_that_only_root_can_give() -> None:
    said = made("user")
    for name in ("User", "Group", "StateDirectory", "CapabilityBoundingSet", "After"):
        assert name not in said
    assert not [name for name in said if name.startswith(("Protect", "Private"))]
    assert said["WantedBy"] == ["default.target"]
    assert said["ExecStart"][0].endswith("serve --data-dir /home/pi/.local/share/mmconnect")
    assert said["SystemCallFilter"] == made("one-file")["SystemCallFilter"]


@pytest.mark.parametrize("name", ["/a$b", "/100%", '/"x"', "/a\nb", "/it's", "/a;b", "/a\\b"])
def test_a_path_that_means_something_else_to_systemd_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot name"):
        unit.render(Plan(program=ONE_FILE, data=Path(name)))


@pytest.mark.apt
@pytest.mark.parametrize("name", ["packaged", *PLANS])
def test_systemd_understands_it(name: str, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here: apt-get install systemd")
    text = PACKAGED.read_text() if name == "packaged" else unit.render(PLANS[name])
    text = re.sub(r"^(ExecStart=)(\"[^\"]*\"|\S+)", r"\1/bin/true", text, flags=re.MULTILINE)
    text = re.sub(r"^(Documentation|WorkingDirectory)=.*\n", "", text, flags=re.MULTILINE)
    file = tmp_path / "mmconnect.service"
    file.write_text(text)
    where = ["--user"] if name == "user" else []
    done = subprocess.run(
        ["systemd-analyze", *where, "verify", str(file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    ours = [line for line in done.stderr.splitlines() if "mmconnect.service" in line]
    assert ours == []
    if name == "user":
        return
    scored = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(file)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert scored.returncode == 0, scored.stdout[-2000:]


# -- installing, in an image ---


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return tmp_path / "image"


@pytest.fixture
def download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program is the one-file build, and lies where it does not stay."""
    file = tmp_path / "Downloads" / "mmconnect"
    file.parent.mkdir()
    file.write_bytes(b"one")
    here = Program(form=Form.ONE_FILE, words=(str(file),), parts=(file,))
    monkeypatch.setattr(paths, "program", lambda: here)
    return file


def inside(image: Path) -> dict[str, str]:
    """The files of an image, and where links lead."""
    return {
        str(one.relative_to(image)): str(one.readlink()) if one.is_symlink() else one.read_text()
        for one in sorted(image.rglob("*"))
        if one.is_symlink() or one.is_file()
    }


UNIT = "etc/systemd/system/mmconnect.service"
LINK = "etc/systemd/system/multi-user.target.wants/mmconnect.service"
TOML = "etc/mmconnect/mmconnect.toml"
ACCOUNTS, DIRECTORIES = "etc/sysusers.d/mmconnect.conf", "etc/tmpfiles.d/mmconnect.conf"


def test_installed_in_an_image(image: Path) -> None:
    told = said("service", "install", "--root", str(image), "--json").json
    assert told["started"] is False
    assert set(told["written"]) == {str(image / file) for file in (UNIT, LINK, TOML, ACCOUNTS)}
    files = inside(image)
    assert set(files) == {UNIT, LINK, TOML, ACCOUNTS}
    assert files[LINK] == "/etc/systemd/system/mmconnect.service"
    assert files[UNIT] == said("service", "print", "--root", str(image)).out
    assert tomllib.loads(files[TOML]) == {"data_dir": "/var/lib/mmconnect"}
    assert files[ACCOUNTS].splitlines()[1].startswith('u mmconnect - "')
    for file in (UNIT, TOML, ACCOUNTS):
        assert stat.S_IMODE((image / file).stat().st_mode) == 0o644, "others have to read it"
    for folder in ("etc", "etc/mmconnect", "etc/systemd/system"):
        assert stat.S_IMODE((image / folder).stat().st_mode) == 0o755


def test_said_again_it_changes_nothing(image: Path) -> None:
    line = ("service", "install", "--root", str(image), "--json")
    said(*line)
    before = {file: os.stat(image / file, follow_symlinks=False) for file in inside(image)}  # noqa: PTH116
    assert said(*line).json["written"] == []
    assert before == {file: os.stat(image / file, follow_symlinks=False) for file in before}  # noqa: PTH116


def test_another_data_directory_and_options_that_stay(image: Path) -> None:
    (image / "etc/mmconnect").mkdir(parents=True)
    (image / TOML).write_text(
        '# mine\nlog_format = "json"\ndata_dir="/old"\nphone_listen = "[::]:1"\n'
    )
    told = said("service", "install", "--root", str(image), "--data-dir", "/srv/mm", "--json").json
    assert told["dataDir"] == "/srv/mm"
    files = inside(image)
    assert files[TOML] == (
        '# mine\nlog_format = "json"\ndata_dir = "/srv/mm"\nphone_listen = "[::]:1"\n'
    )
    assert files[DIRECTORIES].splitlines()[1] == 'd "/srv/mm" 0700 mmconnect - -'
    again = said("service", "install", "--root", str(image), "--json").json
    assert (again["dataDir"], again["written"]) == ("/srv/mm", []), "where they are by now"


def test_options_that_cannot_be_read_are_left_alone(image: Path) -> None:
    (image / "etc/mmconnect").mkdir(parents=True)
    (image / TOML).write_text("data_dir = nowhere")
    told = said("service", "install", "--root", str(image), "--data-dir", "/srv/mm")
    assert told.code == 1
    assert str(image / TOML) in told.err
    assert inside(image) == {TOML: "data_dir = nowhere"}
    with pytest.raises(DataDirError):
        installing._with_data(image / TOML, STATE)


@pytest.mark.parametrize(("name", "text"), [(TOML, b"# caf\xe9\n"), (UNIT, b"[Unit] # caf\xe9\n")])
def test_a_file_in_another_encoding_is_told_and_left_alone(
    image: Path, name: str, text: bytes
) -> None:
    (image / name).parent.mkdir(parents=True)
    (image / name).write_bytes(text)
    told = said("service", "install", "--root", str(image), "--data-dir", "/srv/mm")
    assert told.code == 1
    assert f"{image / name} cannot be read: it is no text in UTF-8" in told.err
    assert [one for one in image.rglob("*") if one.is_file()] == [image / name]


def test_a_program_is_not_copied_when_the_options_cannot_be_understood(
    image: Path, download: Path
) -> None:
    (image / "etc/mmconnect").mkdir(parents=True)
    (image / TOML).write_text("data_dir = nowhere")
    told = said("service", "install", "--root", str(image), "--data-dir", "/srv/mm")
    assert "so nothing was changed" in told.err
    assert inside(image) == {TOML: "data_dir = nowhere"}


@pytest.mark.parametrize("full", ["write_text", "copyfile"])
def test_what_cannot_be_written_is_named_and_leaves_nothing_behind(
    image: Path, download: Path, full: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a full disk, the kernel does not say which file it was; a copy names the wrong one."""

    def fails(file: Path | str, other: Path | str = "", **_: object) -> None:
        Path(other if full == "copyfile" else file).touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), *([str(file)] if other else []))

    monkeypatch.setattr(Path if full == "write_text" else shutil, full, fails)
    told = said("service", "install", "--root", str(image))
    file = "usr/local/bin/mmconnect" if full == "copyfile" else TOML
    assert told.code == 1
    assert f"{image / file} cannot be written: No space left on device" in told.err
    assert not list(image.rglob("*.new"))


def test_removed_again_data_and_options_stay(image: Path) -> None:
    said("service", "install", "--root", str(image), "--data-dir", "/srv/mm")
    told = said("service", "uninstall", "--root", str(image))
    assert told.code == 0
    assert "still in /srv/mm" in told.out
    assert set(inside(image)) == {TOML}
    again = said("service", "uninstall", "--root", str(image), "--json").json
    assert again == {"removed": [], "dataDir": None}


@pytest.mark.parametrize("verb", ["install", "uninstall"])
def test_what_somebody_else_has_written_is_not_touched(image: Path, verb: str) -> None:
    (image / UNIT).parent.mkdir(parents=True)
    (image / UNIT).write_text("[Service]\nExecStart=/usr/bin/mine\n")
    before = inside(image)
    told = said("service", verb, "--root", str(image))
    assert told.code == 1
    assert "was not written by `mmconnect service install`" in told.err
    assert inside(image) == before


@pytest.mark.parametrize("verb", ["install", "uninstall"])
def test_the_packages_service_is_the_packages(image: Path, verb: str) -> None:
    packaged = image / "usr/lib/systemd/system/mmconnect.service"
    packaged.parent.mkdir(parents=True)
    shutil.copy(PACKAGED, packaged)
    told = said("service", verb, "--root", str(image))
    assert told.code == 1
    assert "apt remove mmconnect" in told.err
    assert len(inside(image)) == 1


def test_what_a_package_noted_that_is_gone_does_not_stay(image: Path) -> None:
    """It has the package's program in it."""
    postinst = (ROOT / "packaging/deb/postinst").read_text(encoding="utf-8")
    assert f"$OWN.d/{installing.TAKEN_OVER.name}" in postinst
    noted = image / installing.TAKEN_OVER.relative_to("/")
    noted.parent.mkdir(parents=True)
    noted.write_text("[Service]\nExecStart=\nExecStart=/usr/bin/mmconnect serve\n")
    own = noted.with_name("override.conf")
    own.write_text("[Service]\nNice=5\n")
    told = said("service", "install", "--root", str(image), "--json").json
    assert str(noted) in told["written"]
    assert not noted.exists()
    assert own.exists(), "that is the owner's"


def test_a_path_that_cannot_be_said_is_told_before_anything_is_written(image: Path) -> None:
    told = said("service", "install", "--root", str(image), "--data-dir", "/srv/100%")
    assert told.code == 1
    assert "/srv/100%" in told.err
    assert not image.exists()


def test_the_one_file_build_is_copied_to_where_it_stays(image: Path, download: Path) -> None:
    told = said("service", "install", "--root", str(image), "--json").json
    assert told["program"] == ["/usr/local/bin/mmconnect"]
    binary = image / "usr/local/bin/mmconnect"
    assert binary.read_bytes() == b"one"
    assert stat.S_IMODE(binary.stat().st_mode) == 0o755
    assert said("service", "install", "--root", str(image), "--json").json["written"] == []
    download.write_bytes(b"two")
    told = said("service", "install", "--root", str(image), "--json").json
    assert told["written"] == [str(binary)], "an update"
    assert binary.read_bytes() == b"two"
    said("service", "uninstall", "--root", str(image))
    assert binary.exists()


def test_one_that_lies_where_it_stays_is_run_from_there(monkeypatch: pytest.MonkeyPatch) -> None:
    there = Path("/opt/mmconnect/mmconnect")
    here = Program(form=Form.ONE_FILE, words=(str(there),), parts=(there,))
    monkeypatch.setattr(paths, "program", lambda: here)
    setting = installing.settle(user=False, data=None, account=None, options=None, home=Path("/x"))
    assert (setting.copy, setting.plan.program) == (None, here)


# -- forms ---


def test_this_program_is_a_checkout_and_says_how_to_start_it() -> None:
    found = paths.program()
    assert (found.form, found.folder) == (Form.CHECKOUT, ROOT)
    done = subprocess.run(
        [*found.words, "version", "--json"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        cwd=found.folder,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert "version" in json.loads(done.stdout)


@pytest.mark.parametrize(
    ("unpacked", "form"),
    [("/tmp/_MEIabc123", Form.ONE_FILE), ("/opt/mmconnect/_internal", Form.ONE_DIRECTORY)],
)
def test_frozen_forms(monkeypatch: pytest.MonkeyPatch, unpacked: str, form: Form) -> None:
    monkeypatch.setattr(sys, "_MEIPASS", unpacked, raising=False)
    monkeypatch.setattr(sys, "executable", "/opt/mmconnect/mmconnect")
    found = paths.program()
    assert (found.form, found.words) == (form, ("/opt/mmconnect/mmconnect",))


def test_an_installed_one_is_no_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    package = ROOT / "mmconnect"
    monkeypatch.setattr(paths, "resource_root", lambda: package)
    found = paths.program()
    assert (found.form, found.folder) == (Form.INSTALLED, None)
    assert found.words == (sys.executable, "-m", "mmconnect")


# -- what is not there, or not allowed ---


def test_without_systemd_it_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manager, "BOOTED", tmp_path / "no")
    for verb in ("install", "uninstall"):
        told = said("service", verb)
        assert told.code == 1
        assert told.err.count("\n") == 1
        assert "does not run systemd" in told.err


@pytest.fixture
def booted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manager, "BOOTED", tmp_path)


def test_who_may_install_what(booted: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Refused, match="sudo, or add --user"):
        Manager.here(user=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    with pytest.raises(Refused, match="no session"):
        Manager.here(user=True)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(Refused, match="without sudo"):
        Manager.here(user=True)


@pytest.mark.parametrize("more", [["--run-as", "pi"], ["--root", "/x"]])
def test_a_users_own_goes_with_neither_account_nor_image(more: list[str]) -> None:
    assert said("service", "print", "--user", *more).code == 2


@pytest.mark.parametrize("option", ["--data-dir", "--root"])
def test_a_directory_without_a_name_is_none(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a script has it whose variable is empty: neither this system nor this directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Manager, "here", lambda *, user: pytest.fail("of the system that runs"))
    told = said("service", "install", option, "")
    assert told.code == 2
    assert f"{option} = '': name a directory" in told.err
    assert list(tmp_path.iterdir()) == []


def test_said_again_it_starts_anew_what_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the program alone did, where it lies: by pipx, or a new file in /opt."""
    started: list[bool] = []
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(Manager, "here", lambda *, user: Manager(user=user))
    monkeypatch.setattr(Manager, "start", lambda self, setting, *, anew: started.append(anew))
    monkeypatch.setattr("mmconnect.cli.service._first_visit", lambda args, setting: [])
    data = tmp_path / "data"
    line = ("service", "install", "--user", "--data-dir", str(data), "--json")
    assert said(*line).code == 0
    lock = Lock(data)
    try:
        for version in (__version__, "0.0.9"):
            lock.tell(Running(pid=os.getpid(), version=version))
            assert said(*line).json["written"] == []
    finally:
        lock.release()
    assert started == [True, False, True]


root = pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")


@root
def test_a_program_that_the_account_cannot_read_is_told(tmp_path: Path) -> None:
    """By modes and owners, as nobody is that account yet."""
    part = tmp_path / "home" / "bin" / "python"
    part.parent.mkdir(parents=True)
    part.touch(0o755)
    for one in (tmp_path, *tmp_path.parents):
        if one == Path("/tmp"):
            break
        one.chmod(0o755)
    for one in (part.parent, part.parent.parent, part):
        one.chmod(0o755)
    assert closed_to("an-account-to-be", part) is None
    part.parent.parent.chmod(0o700)
    assert closed_to("an-account-to-be", part) == part.parent.parent
    assert closed_to("root", part) is None
    entry = pwd.getpwnam("nobody")
    os.chown(part.parent.parent, entry.pw_uid, entry.pw_gid)
    assert closed_to("nobody", part) is None
    part.chmod(0o600)
    assert closed_to("nobody", part) == part
    assert closed_to("nobody", tmp_path / "gone") == tmp_path / "gone"


@root
def test_data_that_root_made_by_a_first_try_becomes_the_accounts(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "backups").mkdir(parents=True)
    for name in ("mmconnect.db", "backups/old.db"):
        (data / name).touch()
    outside = tmp_path / "outside"
    outside.touch()
    (data / "link").symlink_to(outside)
    manager._adopt(data, "nobody")
    uid = pwd.getpwnam("nobody").pw_uid
    for one in (data, *data.rglob("*")):
        assert one.lstat().st_uid == uid
    assert outside.stat().st_uid == 0, "a link leads nobody astray"
    manager._adopt(data, "nobody")


@root
def test_other_peoples_directories_are_not_taken(tmp_path: Path) -> None:
    (tmp_path / "somebody.txt").touch()
    with pytest.raises(Refused, match="belongs to root"):
        manager._adopt(tmp_path, "nobody")
    assert (tmp_path / "somebody.txt").stat().st_uid == 0
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, 12345, 12345)
    with pytest.raises(Refused, match="12345"):
        manager._adopt(theirs, "nobody")


@root
def test_data_where_the_account_may_not_go_is_told_and_stays_as_it_is(
    booted: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in /root, whose texts of a first try somebody wants to take along."""
    for one in (tmp_path, *tmp_path.parents):
        if one == Path("/tmp"):
            break
        one.chmod(0o755)
    monkeypatch.setattr(manager, "_EMPTIED", ())
    data = tmp_path / "closed" / "share" / "mmconnect"
    data.mkdir(parents=True)
    (data / "mmconnect.db").touch()
    closed = tmp_path / "closed"
    (closed / "share").chmod(0o755)
    closed.chmod(0o700)
    plan = Plan(program=ONE_FILE, data=data, account="nobody")
    setting = Setting(plan=plan, home=tmp_path, copy=Path("/x"))
    with pytest.raises(Refused, match=f"nobody may not enter {closed}, so its data cannot be"):
        Manager(user=False).fits(setting)
    assert data.stat().st_uid == 0, "nothing was changed"
    closed.chmod(0o711)
    Manager(user=False).fits(setting)
    assert data.stat().st_uid == pwd.getpwnam("nobody").pw_uid
    missing = replace(plan, data=closed / "to" / "be" / "made")
    Manager(user=False).fits(replace(setting, plan=missing))


@root
def test_what_even_root_cannot_look_at_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a home that is somebody's own FUSE mount."""
    mounted, look = tmp_path / "mounted", Path.stat

    def denied(place: Path, **how: bool) -> os.stat_result:
        if place.is_relative_to(mounted):
            raise PermissionError(errno.EACCES, "Permission denied", str(place))
        return look(place, **how)

    monkeypatch.setattr(Path, "stat", denied)
    assert closed_to("root", mounted / "python") == mounted
    assert manager._above(mounted / "texts")[-1][0] == tmp_path
    manager._adopt(mounted / "texts", "nobody")


def test_data_that_would_be_emptied_is_no_place(booted: None, tmp_path: Path) -> None:
    plan = Plan(program=ONE_FILE, data=Path("/tmp/texts"))
    setting = Setting(plan=plan, home=tmp_path, copy=Path("/x"))
    with pytest.raises(Refused, match="emptied now and then"):
        Manager(user=False).fits(setting)
