"""packaging/deb/postinst, prerm and postrm in an image of a system, without dpkg, systemd, or root.

What belongs to others (adduser, systemd's helpers) is replaced by commands that only note that they
were called. The whole package, under a systemd that runs, is tried by `make test-takeover`.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mmconnect.paths import Form, Program
from mmconnect.service import unit
from mmconnect.service.unit import STATE, Plan

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "packaging" / "deb"
OPTIONS = Path("etc/mmconnect/mmconnect.toml")
OWN = Path("etc/systemd/system/mmconnect.service")
DROP_IN = OWN.parent / "mmconnect.service.d/taken-over.conf"
WANTED = OWN.parent / "multi-user.target.wants/mmconnect.service"
NOTED = ("adduser", "deluser", "deb-systemd-helper", "deb-systemd-invoke", "systemctl")


class Image:
    """The root of a system in which the package has been unpacked."""

    def __init__(self, folder: Path) -> None:
        self.root, self._commands, self._calls = folder / "root", folder / "bin", folder / "calls"
        self._commands.mkdir()
        for name in NOTED:
            self.command(name, f'echo "{name} $*" >>{self._calls}')
        self.write("usr/share/mmconnect/mmconnect.toml", 'data_dir = "/var/lib/mmconnect"\n')
        (self.root / "var/lib/mmconnect").mkdir(parents=True)

    def command(self, name: str, script: str) -> None:
        """What stands in for one of others' commands."""
        file = self._commands / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def write(self, name: Path | str, text: str) -> None:
        """A file, as text."""
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def read(self, name: Path) -> str:
        """What stands in a file."""
        return (self.root / name).read_text(encoding="utf-8")

    def run(self, script: str, *words: str) -> str:
        """What a script prints."""
        self._calls.write_text("")
        done = subprocess.run(
            ["sh", str(SCRIPTS / script), *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={"PATH": f"{self._commands}:/usr/bin:/bin", "DPKG_ROOT": str(self.root)},
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    @property
    def calls(self) -> list[str]:
        """What of others' was called."""
        return self._calls.read_text().splitlines()

    def service_install(self, plan: Plan) -> None:
        """As it leaves a system."""
        self.write(OWN, unit.render(plan))
        wanted = self.root / WANTED
        wanted.parent.mkdir()
        wanted.symlink_to(f"/{OWN}")
        self.write(OPTIONS, f'# mine\ndata_dir = "{plan.data}"\nlog_level = "debug"\n')
        for name in ("etc/sysusers.d/mmconnect.conf", "etc/tmpfiles.d/mmconnect.conf"):
            self.write(name, f"{unit.OURS}.\n")


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return Image(tmp_path)


PROGRAM = Program(
    form=Form.ONE_FILE,
    words=("/usr/local/bin/mmconnect",),
    parts=(Path("/usr/local/bin/mmconnect"),),
)
DISK = Path("/mnt/ssd/my texts")


def test_the_options_are_the_owners_from_the_first_installation_on(image: Image) -> None:
    assert "no systemd running here" in image.run("postinst", "configure", "")
    assert image.read(OPTIONS) == 'data_dir = "/var/lib/mmconnect"\n'
    assert any(call.startswith("adduser") for call in image.calls)
    image.write(OPTIONS, "# mine\n")
    image.run("postinst", "configure", "0.1.0")
    image.run("postinst", "configure", "")
    assert image.read(OPTIONS) == "# mine\n"
    (image.root / OPTIONS).unlink()
    image.run("postinst", "configure", "0.1.0")
    assert not (image.root / OPTIONS).exists(), "removing them is a change of theirs, too"


def test_its_own_kind_of_unit_is_taken_over(image: Image) -> None:
    image.service_install(Plan(program=PROGRAM, data=STATE))
    told = image.run("postinst", "configure", "")
    assert "has taken over the service" in told
    assert str(STATE) in told
    for gone in (OWN, WANTED, DROP_IN, "etc/sysusers.d/mmconnect.conf"):
        assert not os.path.lexists(image.root / gone)
    assert not (image.root / "etc/tmpfiles.d/mmconnect.conf").exists()
    assert image.read(OPTIONS).startswith("# mine\n")
    assert "taken over" not in image.run("postinst", "configure", "0.1.0")


def test_data_elsewhere_stay_where_they_are(image: Image) -> None:
    image.service_install(Plan(program=PROGRAM, data=DISK))
    image.write(OPTIONS, f'data_dir = "{DISK}"  # "the SSD"\n')
    assert f"stay in {DISK}" in image.run("postinst", "configure", "")
    assert image.read(DROP_IN).splitlines()[1:] == [
        "[Unit]",
        f'RequiresMountsFor="{DISK}"',
        "[Service]",
        f'ReadWritePaths="{DISK}"',
    ]


def test_account_and_options_of_its_own_go_on(image: Image) -> None:
    data = Path("/home/pi/mm")
    image.service_install(
        Plan(program=PROGRAM, data=data, account="pi", config=Path("/etc/my own.toml"))
    )
    image.run("postinst", "configure", "")
    assert image.read(DROP_IN).splitlines()[1:] == [
        "[Unit]",
        f"RequiresMountsFor={data}",
        "[Service]",
        "User=pi",
        "Group=",
        "ExecStart=",
        f'ExecStart=/usr/bin/mmconnect serve --data-dir "{data}" --config "/etc/my own.toml"',
        f"ReadWritePaths={data}",
        "ProtectHome=read-only",
    ]


@pytest.mark.parametrize("name", ["/home/pi/mm.toml", "/root/my own.toml"])
def test_options_at_home_are_seen_by_the_packages_service_too(image: Image, name: str) -> None:
    image.service_install(Plan(program=PROGRAM, data=STATE, config=Path(name)))
    image.run("postinst", "configure", "")
    assert image.read(DROP_IN).splitlines()[-1] == "ProtectHome=read-only"


def test_a_removal_says_where_the_texts_stay(image: Image) -> None:
    image.run("postinst", "configure", "")
    told = image.run("prerm", "remove")
    assert f"stay in {STATE}:" in told
    assert "sudo apt-get purge mmconnect" in told
    image.write(OPTIONS, f"data_dir = '{DISK}'  # 'the SSD'\n")
    told = image.run("prerm", "remove")
    assert f"stay in {DISK}:" in told
    assert "A purge leaves them there, too" in told
    image.write(OPTIONS, 'data_dir = "/srv/it\'s here"\n')
    assert "stay in /srv/it's here:" in image.run("prerm", "remove")
    image.write(OPTIONS, f'data_dir = "{STATE}/texts"\n')
    assert "sudo apt-get purge mmconnect" in image.run("prerm", "remove"), "a purge takes all of it"
    assert image.calls == [], "nothing runs there that could be ended"
    (image.root / "run/systemd/system").mkdir(parents=True)
    image.run("prerm", "upgrade", "0.2.0")
    assert image.calls == [], "texts come in while the new one is being unpacked"
    image.run("prerm", "remove")
    assert image.calls == ["deb-systemd-invoke stop mmconnect.service"]


def test_it_is_the_data_that_the_service_had_whatever_the_options_say_by_now(image: Image) -> None:
    image.service_install(Plan(program=PROGRAM, data=STATE))
    image.write(OPTIONS, "data_dir = '/srv/other'\n")
    image.run("postinst", "configure", "")
    assert f'ExecStart=/usr/bin/mmconnect serve --data-dir "{STATE}"' in image.read(DROP_IN)


def test_a_unit_that_somebody_wrote_is_left_alone(image: Image) -> None:
    image.write(OWN, "[Service]\nExecStart=/opt/mine\n")
    told = image.run("postinst", "configure", "")
    assert "taken over" not in told
    assert image.read(OWN) == "[Service]\nExecStart=/opt/mine\n"
    assert not (image.root / DROP_IN).exists()


def test_others_of_a_user_and_in_the_path_are_told_of(image: Image) -> None:
    assert "another mmconnect" not in image.run("postinst", "configure", "")
    image.write("home/pi/.config/systemd/user/mmconnect.service", f"{unit.OURS}\n")
    assert "service uninstall --user" in image.run("postinst", "configure", "")
    image.write("usr/local/bin/mmconnect", "")
    assert "sudo rm /usr/local/bin/mmconnect" in image.run("postinst", "configure", "")


def test_what_keeps_it_from_running_is_told(image: Image) -> None:
    (image.root / "run/systemd/system").mkdir(parents=True)
    image.command("systemctl", 'case "$*" in *is-active*) exit 3 ;; esac')
    told = image.run("postinst", "configure", "")
    assert "does not run yet. What keeps it from that:\n    sudo systemctl status" in told
    words = "printf 'Stopping\\nmmconnect: Something else has the port\\nFailed with 1\\n'"
    image.command("journalctl", words)
    told = image.run("postinst", "configure", "")
    assert "keeps it from that:\n    Something else has the port\n    sudo systemctl" in told
    assert "deb-systemd-invoke start mmconnect.service" in image.calls
    image.run("postinst", "configure", "0.1.0")
    assert "deb-systemd-invoke restart mmconnect.service" in image.calls


def test_a_purge_says_what_it_has_deleted(image: Image) -> None:
    image.run("postinst", "configure", "")
    assert image.run("postrm", "remove") == ""
    assert "texts and settings of mmconnect are deleted" in image.run("postrm", "purge")


def test_a_removal_keeps_and_a_purge_deletes(image: Image) -> None:
    image.service_install(Plan(program=PROGRAM, data=DISK))
    image.run("postinst", "configure", "")
    image.write("var/lib/mmconnect/backups/one.db", "")
    image.run("postrm", "remove")
    assert (image.root / "var/lib/mmconnect/backups/one.db").exists()
    assert (image.root / OPTIONS).exists()
    assert (image.root / DROP_IN).exists(), "installed again it is as it was"
    image.write(DROP_IN.with_name("override.conf"), "[Service]\nNice=5\n")
    (image.root / str(DISK)[1:]).mkdir(parents=True)
    image.write(OPTIONS, f'data_dir = "{DISK}"  # "the SSD"\n')
    told = image.run("postrm", "purge")
    assert f"sudo rm -r '{DISK}'" in told
    assert "are deleted" not in told
    assert not (image.root / "var/lib/mmconnect").exists()
    assert not (image.root / OPTIONS.parent).exists()
    assert not (image.root / DROP_IN).exists()
    assert (image.root / str(DISK)[1:]).exists()
    assert (image.root / DROP_IN.with_name("override.conf")).exists(), "that is the owner's"
