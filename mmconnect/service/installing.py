"""Making mmconnect a service of systemd's, and undoing it, where no package does: files and plan.

All files lie below a root, which is `/` or an image that somebody makes; what has to be asked of
the running system is `manager`'s. Invariants: what somebody else has written is never replaced or
removed, and data never at all.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from mmconnect import config, paths
from mmconnect.domain.errors import DataDirError, Refused
from mmconnect.paths import Form
from mmconnect.service import unit
from mmconnect.service.unit import ACCOUNT, NAME, STATE, Plan

UNITS = Path("/etc/systemd/system")
PACKAGED = tuple(Path(place) / NAME for place in ("/usr/lib/systemd/system", "/lib/systemd/system"))
ACCOUNTS = Path("/etc/sysusers.d/mmconnect.conf")
DIRECTORIES = Path("/etc/tmpfiles.d/mmconnect.conf")
TAKEN_OVER = UNITS / f"{NAME}.d" / "taken-over.conf"
"""What the Debian package has noted of a unit of ours that it found; the next unit is complete."""
WANTS = "multi-user.target.wants", "default.target.wants"
BINARY = Path("/usr/local/bin/mmconnect")
"""Where the one-file build is copied to when it lies where it does not stay, or is closed."""
CACHE = Path("/var/cache/mmconnect")
_PASSING = tuple(map(Path, ("/home", "/root", "/tmp", "/var/tmp", "/run", "/media", "/mnt")))  # noqa: S108
HERE = Path("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where it is to be installed, and for whom."""

    plan: Plan
    home: Path
    """Of whoever asks; only a user's own service is installed there."""
    root: Path = HERE
    copy: Path | None = None
    """The one-file build, when it has to be copied to where the plan has it."""

    @property
    def unit(self) -> Path:
        """Where the unit is."""
        if not self.plan.user:
            return self.root / UNITS.relative_to("/") / NAME
        base = os.environ.get("XDG_CONFIG_HOME") or self.home / ".config"
        return Path(base) / "systemd/user" / NAME

    @property
    def options(self) -> Path:
        """The TOML file of the installed service."""
        return self.root / config.INSTALLED_FILE.relative_to("/")

    @property
    def wanted(self) -> Path:
        """The link by which systemd starts it with the machine, or the session."""
        return self.unit.parent / WANTS[self.plan.user] / NAME


@dataclass(slots=True)
class Changes:
    """What was written, or removed."""

    files: list[Path] = field(default_factory=list)

    def write(self, file: Path, content: str) -> None:
        """Put a file in its place whole; one that is so already is left alone."""
        if _has(file) == content:
            return
        with _taking_its_place(file, 0o644) as fresh:
            fresh.write_text(content, encoding="utf-8")
        self.files.append(file)

    def remove(self, file: Path) -> None:
        """Remove a file or a link that may not be there."""
        if file.is_symlink() or file.exists():
            file.unlink()
            self.files.append(file)


def settle(
    *,
    user: bool,
    data: Path | None,
    account: str | None,
    options: Path | None,
    root: Path = HERE,
    home: Path,
) -> Setting:
    """What is to be installed. `data` and `options` as asked for; `account`, too."""
    program = paths.program()
    here = program.parts[0]
    if data is None:
        data = paths.data_dir(None, _session()).path if user else _named(root) or STATE
    data = paths.expanded(str(data)).absolute()
    target = home / ".local/bin/mmconnect" if user else BINARY
    passes = any(map(here.is_relative_to, _PASSING))
    copied = program.form is Form.ONE_FILE and here != target and passes
    if copied:
        program = replace(program, words=(str(target),), parts=(target,))
    plan = Plan(
        program=program,
        data=data,
        user=user,
        account=account or (_owner(root, data) if not user else None) or ACCOUNT,
        config=None if options is None else paths.expanded(str(options)).absolute(),
        unpack_in=CACHE if program.form is Form.ONE_FILE and not user and _is_noexec() else None,
    )
    return Setting(plan=plan, home=home, root=root, copy=here if copied else None)


def text(setting: Setting) -> str:
    """The unit. Raises Refused when a path cannot stand in one."""
    try:
        return unit.render(setting.plan)
    except ValueError as error:
        raise Refused(str(error)) from error


def write(setting: Setting) -> Changes:
    """Write all files; raises Refused before the first when another's is in the way."""
    content, done = text(setting), Changes()
    _keep_off(setting)
    options = None if setting.plan.user else _with_data(setting.options, setting.plan.data)
    try:
        if setting.copy is not None:
            _copy(setting.copy, setting.root / setting.plan.program.parts[0].relative_to("/"), done)
        if options is None:
            _make_folder(setting.plan.data, 0o700)
        else:
            done.write(setting.options, options)
            done.remove(setting.root / TAKEN_OVER.relative_to("/"))
            _declare(setting, done)
        done.write(setting.unit, content)
        if setting.root != HERE:
            _link(setting, done)
    except OSError as error:
        raise Refused(f"{error.filename} cannot be written: {error.strerror}") from error
    return done


def installed(setting: Setting) -> Path | None:
    """The data directory of the service that is installed there by us; None without one.

    Raises Refused for one that somebody else has installed.
    """
    _keep_off(setting)
    found = _has(setting.unit)
    return None if found is None else unit.data_of(found) or setting.plan.data


def remove(setting: Setting) -> Changes:
    """Remove what write() wrote, but options, program and data."""
    done = Changes()
    try:
        for file in (setting.wanted, setting.unit):
            done.remove(file)
        if not setting.plan.user:
            for file in (ACCOUNTS, DIRECTORIES):
                done.remove(setting.root / file.relative_to("/"))
    except OSError as error:
        raise Refused(f"{error.filename} cannot be removed: {error.strerror}") from error
    return done


def _keep_off(setting: Setting) -> None:
    """Raises Refused when there is a unit that is not ours."""
    found = _has(setting.unit)
    if found is not None and not found.startswith(unit.OURS):
        raise Refused(
            f"{setting.unit} was not written by `mmconnect service install`, so it stays as it is."
            " Move it away first"
        )
    for file in PACKAGED:
        if not setting.plan.user and (setting.root / file.relative_to("/")).exists():
            raise Refused(
                f"The package has installed the service already ({file}): start it with `sudo"
                " systemctl enable --now mmconnect`, remove it with `sudo apt remove mmconnect`"
            )


def _declare(setting: Setting, done: Changes) -> None:
    """Tell systemd of account and directory, which it makes now or when the image starts."""
    plan = setting.plan
    if plan.account == ACCOUNT:
        line = f'u {ACCOUNT} - "mmconnect, texts from phones to webhooks" {STATE}'
        done.write(setting.root / ACCOUNTS.relative_to("/"), f"{unit.OURS}.\n{line}\n")
    file = setting.root / DIRECTORIES.relative_to("/")
    if plan.data == STATE:
        done.remove(file)  # StateDirectory= does it
    else:
        line = f'd "{plan.data}" 0700 {plan.account} - -'
        done.write(file, f"{unit.OURS}.\n{line}\n")


def _with_data(file: Path, data: Path) -> str:
    """The options with this data directory, and everything else as it is.

    Raises DataDirError for a file that cannot be understood.
    """
    found = _has(file)
    line = f'data_dir = "{data}"'
    if found is None:
        return f"# Options of the installed mmconnect: see `mmconnect serve --help`.\n{line}\n"
    try:
        if tomllib.loads(found).get("data_dir") == str(data):
            return found
    except tomllib.TOMLDecodeError as error:
        told = f"{file} cannot be understood, so nothing was changed: {error}"
        raise DataDirError(told) from error
    lines = found.splitlines()
    names = [one.partition("=")[0].strip() for one in lines]
    at = names.index("data_dir") if "data_dir" in names else len(lines)
    return "\n".join([*lines[:at], line, *lines[at + 1 :]]) + "\n"


def _link(setting: Setting, done: Changes) -> None:
    """Start it with the image."""
    if not setting.wanted.is_symlink():
        _make_folder(setting.wanted.parent)
        setting.wanted.symlink_to(UNITS / NAME)
        done.files.append(setting.wanted)


def _copy(source: Path, target: Path, done: Changes) -> None:
    """The program, put in its place whole: an older one may be running from there."""
    if target.exists() and target.read_bytes() == source.read_bytes():
        return
    with _taking_its_place(target, 0o755) as fresh:
        shutil.copyfile(source, fresh)
    done.files.append(target)


@contextlib.contextmanager
def _taking_its_place(file: Path, mode: int) -> Iterator[Path]:
    """A file beside it, which goes when it did not become whole. Raises Refused."""
    _make_folder(file.parent)
    fresh = file.with_name(f".{file.name}.new")
    try:
        yield fresh
        fresh.chmod(mode)
        fresh.replace(file)
    except OSError as error:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise Refused(f"{file} cannot be written: {error.strerror}") from error


def _make_folder(folder: Path, mode: int = 0o755) -> None:
    """With those above it that are missing. mmconnect's own umask would close them to others."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for one in missing:
        one.chmod(mode)


def _is_noexec() -> bool:
    return bool(os.statvfs("/tmp").f_flag & os.ST_NOEXEC)  # noqa: S108 (it writes nothing there)


def _owner(root: Path, data: Path) -> str | None:
    """Whose data is there already; None for root's, and where there is none."""
    if root != HERE:
        return None
    try:
        owner = data.owner()
    except (OSError, KeyError):
        return None
    return None if owner == "root" else owner


def _named(root: Path) -> Path | None:
    """The data directory that the options of an installed service name. Raises ConfigError."""
    file = root / config.INSTALLED_FILE.relative_to("/")
    named = config.read_file(file).get("data_dir") if file.exists() else None
    return None if named is None else Path(named)


def _session() -> dict[str, str]:
    """The environment as the user's own programs have it."""
    others = ("STATE_DIRECTORY", "MMCONNECT_DATA_DIR")
    return {name: value for name, value in os.environ.items() if name not in others}


def _has(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise Refused(f"{file} cannot be read: {why}") from error
