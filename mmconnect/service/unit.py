"""The systemd unit for where program and data are: packaging/mmconnect.service, adapted.

That file is what the Debian package installs. Here lines of it are replaced, left out or added, and
each that is says why, as those of the file do. Pure: nothing is written or asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmconnect import paths
from mmconnect.paths import Form, Program

NAME = "mmconnect.service"
ACCOUNT = "mmconnect"
STATE = Path("/var/lib/mmconnect")
"""Where systemd's StateDirectory=mmconnect is."""
OURS = "# Written by `mmconnect service install`"
"""How each unit begins that may be replaced and removed."""
_DATA = "# Its data: "

_HOMES = tuple(map(Path, ("/home", "/root", "/run/user")))
_USERS = frozenset(
    """
    Description StartLimitIntervalSec Type NotifyAccess ExecStart ExecReload SyslogIdentifier
    Restart RestartSec
    RestartPreventExitStatus WatchdogSec TimeoutStartSec TimeoutStopSec KillMode LimitCORE MemoryMax
    TasksMax NoNewPrivileges RestrictAddressFamilies RestrictNamespaces RestrictRealtime
    RestrictSUIDSGID LockPersonality MemoryDenyWriteExecute SystemCallArchitectures SystemCallFilter
    SystemCallErrorNumber UMask WantedBy
    """.split()
)
"""What a user's own systemd can do everywhere. To hide files, devices and processes it would need
user namespaces, which many systems keep from users: the service would not start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to run, and where."""

    program: Program
    data: Path
    user: bool = False
    """A service of the user's own, rather than the system's."""
    account: str = ACCOUNT
    """Whose processes they are; a user's own service is that user's."""
    config: Path | None = None
    """A TOML file with options, where that is not the installed service's."""
    unpack_in: Path | None = None
    """Where the one-file build unpacks itself when /tmp is of no use for that (noexec)."""


@dataclass(frozen=True, slots=True)
class Line:
    """One setting, and why it is there."""

    section: str
    why: tuple[str, ...]
    name: str
    value: str


def render(plan: Plan) -> str:
    """The unit. Raises ValueError for a path that no unit can name."""
    lines = _read(_template())
    for change in (_whose, _where, _what):
        lines = change(lines, plan)
    how = "systemctl --user edit" if plan.user else "sudo systemctl edit"
    told = [
        f"{OURS}, which writes it anew and keeps no change of yours:",
        f"# those belong into a drop-in, `{how} mmconnect`.",
        _DATA + str(plan.data),
    ]
    section = ""
    for line in lines:
        if line.section != section:
            section = line.section
            told += ["", f"[{section}]"]
        told += [*(f"# {why}" for why in line.why), f"{line.name}={line.value}"]
    return "\n".join(told) + "\n"


def data_of(unit: str) -> Path | None:
    """The data directory of a unit that was made here."""
    for line in unit.splitlines():
        if line.startswith(_DATA):
            return Path(line.removeprefix(_DATA))
    return None


def _is_at_home(path: Path) -> bool:
    """Whether ProtectHome=yes would hide it."""
    return any(path.is_relative_to(home) for home in _HOMES)


def _template() -> str:
    file = paths.resource_root() / "packaging" / NAME
    return file.read_text(encoding="utf-8")


def _read(unit: str) -> list[Line]:
    """Each setting with the comment right above it; others are for readers of the file."""
    found: list[Line] = []
    section = ""
    why: list[str] = []
    for text in unit.splitlines():
        if text.startswith("#"):
            why.append(text.removeprefix("#").strip())
        elif text.startswith("["):
            section = text.strip("[]")
        elif text:
            name, _, value = text.partition("=")
            found.append(Line(section, tuple(why), name, value))
        if not text.startswith("#"):
            why = []
    return found


def _whose(lines: list[Line], plan: Plan) -> list[Line]:
    """A user's own, the account's, or another account's."""
    lines = _without(lines, "Documentation")  # the manual page comes with the package
    if plan.user:
        lines = [line for line in lines if line.name in _USERS]
        return _replaced(lines, "WantedBy", "default.target", "Started with your session.")
    if plan.account == ACCOUNT:
        return lines
    why = "The account that program and data belong to."
    return _replaced(_without(lines, "Group"), "User", plan.account, why)


def _where(lines: list[Line], plan: Plan) -> list[Line]:
    """The data, and what has to be seen of people's homes."""
    if plan.user:
        return lines
    # said on its command line, or by systemd: a file of options that is named may say otherwise
    lines = _without(lines, "UnsetEnvironment", "Environment")
    if plan.data != STATE:
        lines = _without(lines, "StateDirectory", "StateDirectoryMode")
        why = "Not before the disk that holds the data is there."
        lines = _after(lines, "After", "RequiresMountsFor", _word(plan.data), why)
        why = "But for the data."
        lines = _after(lines, "ProtectSystem", "ReadWritePaths", _word(plan.data), why)
        lines = _replaced(lines, "ProtectSystem", "strict", "All files are read-only …")
    named = (plan.data, *plan.program.parts, *([plan.config] if plan.config else []))
    if any(map(_is_at_home, named)):
        why = "Program, data or options are in somebody's home: homes are read-only, not invisible."
        lines = _replaced(lines, "ProtectHome", "read-only", why)
    return lines


def _what(lines: list[Line], plan: Plan) -> list[Line]:
    """The program, and what its form asks for."""
    words: list[str | Path] = [*plan.program.words, "serve"]
    if plan.user or plan.data != STATE:
        words += ["--data-dir", plan.data]
    if plan.config is not None:
        words += ["--config", plan.config]
    why = "What is not said here stands in the TOML file of options, or in the database."
    lines = _replaced(lines, "ExecStart", " ".join(map(_word, words)), why)
    if plan.program.folder is not None:
        folder = _checked(plan.program.folder)  # the rest of the line, so without quotes
        why = "Where Python finds it: it runs from a checkout."
        lines = _after(lines, "ExecStart", "WorkingDirectory", folder, why)
    if plan.program.form is Form.ONE_FILE:
        why = "The one-file build is two processes, and the second one knows when it is ready."
        lines = _replaced(lines, "NotifyAccess", "all", why)
    if (cache := plan.unpack_in) is not None:
        why = "It unpacks itself there at each start, as nothing can be run from /tmp."
        lines = _after(lines, "ExecStart", "Environment", f"TMPDIR={_word(cache)}", why)
        clean = f'/bin/sh -c "rm -rf {_checked(cache)}/_MEI*"'
        why = "What a start that was killed has left there goes first."
        lines = _after(lines, "ExecStart", "ExecStartPre", clean, why)
        why = "Made for it when it is missing."
        lines = _after(lines, "ExecStart", "CacheDirectory", cache.name, why)
    return lines


def _without(lines: list[Line], *names: str) -> list[Line]:
    return [line for line in lines if line.name not in names]


def _replaced(lines: list[Line], name: str, value: str, why: str) -> list[Line]:
    return [
        Line(line.section, (why,), name, value) if line.name == name else line for line in lines
    ]


def _after(lines: list[Line], anchor: str, name: str, value: str, why: str) -> list[Line]:
    at = next(n for n, line in enumerate(lines) if line.name == anchor)
    new = Line(lines[at].section, (why,), name, value)
    return [*lines[: at + 1], new, *lines[at + 1 :]]


def _word(word: str | Path) -> str:
    """One word of a list or a command line."""
    checked = _checked(word)
    return f'"{checked}"' if " " in checked else checked


def _checked(path: str | Path) -> str:
    """Raises ValueError for what means something else to systemd, or to a shell."""
    text = str(path)
    if not text.isprintable() or any(c in "$%\\\"'`;*?[]" for c in text):
        raise ValueError(
            f"A systemd unit cannot name {text}: choose a path of letters, digits, spaces, dots,"
            " dashes and slashes"
        )
    return text
