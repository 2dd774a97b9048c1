"""How this appliance is looked after: what to type, in the words of how it was installed here.

Values alone: how a way of installing is recognised, and what is different with each. What is said
about it stands in admin/chapters.py.
"""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mmconnect import config
from mmconnect.domain.errors import ConfigError
from mmconnect.paths import Form, Program, data_dir, program

PACKAGED = Path("/usr/lib/mmconnect")
"""Where the Debian package has its program."""
INSTALLED = "/usr/local/bin/mmconnect"
"""Where `sudo mmconnect service install` puts a one-file build, for shells to find."""
_UNIT = "mmconnect.service"
_CGROUP = Path("/proc/self/cgroup")
_ENGINES = {"docker": Path("/.dockerenv"), "podman": Path("/run/.containerenv")}
"""What puts which file into each of its containers."""
_RUN = (
    "run -d --name mmconnect --network host --read-only --cap-drop all"
    " --security-opt no-new-privileges --stop-timeout 60 --restart always"
    " -v mmconnect:/data mmconnect"
)
"""What starts a container of it (docs/container.md)."""


class Way(StrEnum):
    """How mmconnect came here, in words for a person."""

    PACKAGE = "Debian package"
    ONE_FILE = "one file"
    FOLDER = "one directory"
    PIP = "pipx or pip"
    CHECKOUT = "a checkout"
    CONTAINER = "a container"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """This installation, as a shell on its machine meets it."""

    way: Way
    of_system: bool
    """Whether it is a service of the whole system, whoever it runs as."""
    managed: bool
    """Whether systemd runs it; else somebody has started it in a terminal."""
    program: str
    data: Path
    engine: str | None = None
    """What runs its container: `docker` or `podman`."""
    named: bool = False
    """Whether a command has to be told where the data are."""

    @property
    def mm(self) -> str:
        """What stands for `mmconnect` in a shell."""
        where = f" --data-dir {shlex.quote(str(self.data))}" if self.named else ""
        return f"{self._program}{where}"

    @property
    def _program(self) -> str:
        if self.way is Way.CONTAINER:  # -it: a password is asked for in a terminal alone
            return f"{self.engine} exec -it mmconnect mmconnect"
        if self.of_system:
            found = self.way is Way.PACKAGE or self.program == INSTALLED
            return f"sudo {'mmconnect' if found else self.program}"
        if self.way in (Way.CHECKOUT, Way.FOLDER):
            return self.program
        if self.managed:
            return "mmconnect"
        return "./mmconnect" if self.way is Way.ONE_FILE else self.program

    @property
    def doctor(self) -> str:
        """Lets the doctor look as root, who sees more than a service does."""
        if self.of_system or self.way is Way.CONTAINER:
            return f"{self.mm} doctor"
        return f"sudo {self.program} doctor --data-dir {shlex.quote(str(self.data))}"

    @property
    def stop(self) -> str:
        """Ends the service."""
        return self._service("stop", "# end it where it runs: Ctrl-C")

    @property
    def start(self) -> str:
        """Lets it run again."""
        return self._service("start", f"{self.mm} serve")

    @property
    def restart(self) -> str:
        """Lets what was installed or changed meanwhile run."""
        return self._service("restart", f"{self.stop}\n{self.start}")

    @property
    def edit(self) -> str:
        """Opens a file for one's own changes of the unit; empty without one."""
        return self._systemctl("edit") if self.managed else ""

    @property
    def state(self) -> str:
        """Says how the service is."""
        if self.way is Way.CONTAINER:
            return f"{self.engine} ps --filter name=mmconnect"
        return self._systemctl("status") if self.managed else f"{self.mm} doctor"

    @property
    def log(self) -> str:
        """Shows the end of its log; empty where that is in a terminal."""
        if self.way is Way.CONTAINER:
            return f"{self.engine} logs --tail 50 mmconnect"
        whose = "sudo journalctl" if self.of_system else "journalctl --user"
        return f"{whose} -u mmconnect -n 50" if self.managed else ""

    @property
    def options(self) -> str:
        """Where its process options stand."""
        if self.of_system:
            return "/etc/mmconnect/mmconnect.toml"
        return "environment variables MMCONNECT_…, or words after mmconnect serve"

    @property
    def restore(self) -> str:
        """Puts a backup in the place of the data, with the service ended meanwhile."""
        return self._restore("FILE" if self.engine is None else f"{self._kept}/FILE")

    @property
    def go_back(self) -> str:
        """The same with the copy from before an upgrade."""
        return self._restore(f"{self._kept}/before-schema-N.db")

    @property
    def update(self) -> str:
        """What takes a newer version that lies in the directory where it is typed."""
        match self.way:
            case Way.PACKAGE:
                return "sudo apt install ./mmconnect_*_$(dpkg --print-architecture).deb"
            case Way.CONTAINER:
                how = (
                    "build -f Containerfile" if self.engine == "docker" else "build --format docker"
                )
                ended = ("stop -t 60 mmconnect", "rm mmconnect")  # rm -f is a kill -9 in Docker
                steps = (f"{how} -t mmconnect .", *ended, _RUN)
                return "\n".join(f"{self.engine} {step}" for step in steps)
            case Way.PIP:
                wheel = '"$(ls -t ./mmconnect-*.whl | head -n 1)[tls]"'
                return f"pipx install --force {wheel}\n{self.restart}"
            case Way.CHECKOUT:
                return f"git pull && make tls\n{self.restart}"
        if not self.managed:
            return self.restart
        return f"{'sudo ' if self.of_system else ''}./mmconnect service install{self._user}"

    @property
    def remove(self) -> str:
        """What takes the program or its service away; the data stay."""
        if self.way is Way.PACKAGE:
            return "sudo apt remove mmconnect"
        if self.way is Way.CONTAINER:
            return f"{self.engine} rm -f mmconnect"
        return f"{self.mm} service uninstall{self._user}" if self.managed else self.stop

    @property
    def _kept(self) -> str:
        return f"{shlex.quote(str(self.data))}/backups"

    @property
    def _user(self) -> str:
        return "" if self.of_system else " --user"

    def _systemctl(self, verb: str) -> str:
        return f"{'sudo systemctl' if self.of_system else 'systemctl --user'} {verb} mmconnect"

    def _service(self, verb: str, by_hand: str) -> str:
        if self.way is Way.CONTAINER:
            return f"{self.engine} {verb} mmconnect"
        return self._systemctl(verb) if self.managed else by_hand

    def _restore(self, file: str) -> str:
        words = f"{self.mm} restore {file}"
        if self.way is Way.CONTAINER:  # the one that is stopped can run nothing
            words = f"{self.engine} run --rm -v mmconnect:/data mmconnect restore {file}"
        return f"{self.stop}\n{words}\n{self.start}"


def here(data: Path) -> Installed:
    """How this very process was installed."""
    where = _cgroup()
    return installed(
        program(),
        data,
        engine=next((name for name, file in _ENGINES.items() if file.exists()), None),
        managed=_UNIT in where,
        of_user=any(part.startswith("user@") for part in where),
        named=not _is_found(data),
    )


def installed(
    found: Program,
    data: Path,
    *,
    engine: str | None,
    managed: bool,
    of_user: bool = False,
    named: bool = False,
) -> Installed:
    """Judge; `managed` is whether it is a service of systemd's, `of_user` whether that is the
    systemd of an account."""
    ways = {
        Form.ONE_FILE: Way.ONE_FILE,
        Form.ONE_DIRECTORY: Way.FOLDER,
        Form.INSTALLED: Way.PIP,
        Form.CHECKOUT: Way.CHECKOUT,
    }
    way = ways[found.form]
    if way is not Way.FOLDER:
        engine = None  # somebody's own container, which is entered like a machine
    elif engine is not None:
        way = Way.CONTAINER
    elif found.parts[0].is_relative_to(PACKAGED):
        way = Way.PACKAGE
    return Installed(
        way=way,
        of_system=managed and not of_user and engine is None,
        managed=managed and engine is None,
        program=shlex.join(found.words),
        data=data,
        engine=engine,
        named=named and engine is None,
    )


def filled(command: str, here: Installed) -> str:
    """A command with `{…}` in it, as it is typed here."""
    return re.sub(r"\{(\w+)\}", lambda found: str(getattr(here, found[1])), command)


def _cgroup() -> list[str]:
    """Where systemd has put this process (cgroups(7)). Its variables say less: a terminal that is a
    service itself, as GNOME's is, hands them on to whatever is started in it."""
    try:
        lines = _CGROUP.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    found = [line.split(":", 2) for line in lines]
    return next((path.split("/") for _, of, path in found if of in ("", "name=systemd")), [])


def _is_found(data: Path) -> bool:
    """Whether a command looks there by itself, without what this process was told."""
    try:
        installed = config.read_file(None).get("data_dir")
    except ConfigError:
        installed = None
    known = {name: value for name, value in os.environ.items() if name == "XDG_DATA_HOME"}
    return data_dir(None, known, installed).path.resolve() == data.resolve()
