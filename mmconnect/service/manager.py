"""The systemd that runs, asked by its own commands: load, enable, start, stop, what became of it.

Each command is one that a person could have typed; when it fails, what it said is the reason.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mmconnect import paths
from mmconnect.domain.errors import Refused
from mmconnect.service import installing
from mmconnect.service.installing import Setting
from mmconnect.service.unit import ACCOUNT, NAME, STATE
from mmconnect.store.connection import FILE

BOOTED = Path("/run/systemd/system")
"""There where systemd is process 1 (sd_booted(3))."""
_EMPTIED = tuple(map(Path, ("/tmp", "/var/tmp")))  # noqa: S108
LINGER = Path("/var/lib/systemd/linger")
PATIENCE = 660.0
"""Seconds that a start may take here; systemd itself gives up earlier, or is asked for more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manager:
    """The system's, or the user's own."""

    user: bool

    @classmethod
    def here(cls, *, user: bool) -> Manager:
        """Raises Refused with a sentence that says what is missing."""
        if not BOOTED.is_dir():
            raise Refused(
                "This machine does not run systemd, so there is no service to install or remove:"
                " let what it has instead start `mmconnect serve`, or use a container"
            )
        if not user and os.geteuid() != 0:
            raise Refused(
                "A service of the system is root's business: say it again with sudo, or add --user"
                " for one that is yours alone"
            )
        if user and os.geteuid() == 0:
            raise Refused("--user is for an account of your own: say it without sudo")
        runtime = os.environ.get("XDG_RUNTIME_DIR")
        if user and not (runtime and (Path(runtime) / "systemd").is_dir()):
            raise Refused(
                "There is no session of systemd's for your account here; su and sudo make none."
                " Log in at the machine or by ssh, and say it again"
            )
        return cls(user=user)

    def fits(self, setting: Setting) -> None:
        """Raises Refused when the account cannot read the program, or may not have the data."""
        if self.user:
            return
        plan = setting.plan
        if plan.account != ACCOUNT and _account(plan.account) is None:
            raise Refused(f"There is no account {plan.account} on this machine")
        parts = () if setting.copy else plan.program.parts
        for part in (*parts, *([plan.config] if plan.config else [])):
            if (closed := closed_to(plan.account, part)) is not None:
                raise Refused(
                    f"The account {plan.account} cannot read {closed}, which mmconnect needs: add"
                    " --run-as with an account that can, or --user for a service of your own"
                )
        if any(map(plan.data.is_relative_to, _EMPTIED)):
            raise Refused(f"{plan.data} is emptied now and then: keep texts in another directory")
        if (closed := _barred(plan.account, _above(plan.data))) is not None:
            raise Refused(
                f"The account {plan.account} may not enter {closed}, so its data cannot be in"
                f" {plan.data}: name another directory with --data-dir (what is in this one can be"
                " moved there before), or add --run-as with an account that may"
            )
        _adopt(plan.data, plan.account)

    def start(self, setting: Setting, *, anew: bool) -> None:
        """Make account and directory, and start it, or start it `anew` when it runs already.

        Raises Refused with what went wrong.
        """
        if not self.user:
            if setting.plan.account == ACCOUNT:
                _run("systemd-sysusers", str(installing.ACCOUNTS))
            if setting.plan.data != STATE:
                _run("systemd-tmpfiles", "--create", str(installing.DIRECTORIES))
        self._systemctl("daemon-reload")
        self._systemctl("enable", NAME)
        try:
            self._systemctl("restart" if anew else "start", NAME)
        except Refused as error:
            raise Refused(
                f"The service is installed, but does not start: {self._last_words() or error}."
                f" See `{self.journal}`; systemd goes on trying"
            ) from error

    def stop(self) -> None:
        """Stop it, and start it no more."""
        self._systemctl("disable", "--now", NAME)

    def reload(self) -> None:
        """Let systemd see which files there are."""
        self._systemctl("daemon-reload")

    @property
    def journal(self) -> str:
        """The command that shows its log."""
        return f"journalctl {'--user ' if self.user else ''}-u mmconnect"

    @staticmethod
    def lingers() -> bool:
        """Whether this user's services run while they are not logged in."""
        return (LINGER / pwd.getpwuid(os.geteuid()).pw_name).exists()

    def _systemctl(self, *words: str) -> None:
        _run("systemctl", *(["--user"] if self.user else []), *words)

    def _last_words(self) -> str | None:
        """The sentence with which mmconnect gave up."""
        try:
            told = _run(*self.journal.split(), "-n", "30", "-o", "cat", "--no-pager")
        except Refused:
            return None
        said = [line for line in told.splitlines() if line.startswith("mmconnect: ")]
        return said[-1].removeprefix("mmconnect: ").rstrip(".") if said else None


def closed_to(account: str, path: Path) -> Path | None:
    """What on the way to `path` keeps that account out; None when it can read it.

    Looks at owners and modes, as somebody does who is not there yet.
    """
    found = _stat(path)
    need = 0o5 if found is not None and stat.S_ISDIR(found.st_mode) else 0o4
    return _barred(account, [*((place, 0o1) for place in reversed(path.parents)), (path, need)])


def _above(data: Path) -> list[tuple[Path, int]]:
    """The directories that lead there; those that are missing are made, for everybody."""
    return [(place, 0o1) for place in reversed(data.parents) if _stat(place) is not None]


def _barred(account: str, needs: Iterable[tuple[Path, int]]) -> Path | None:
    """The first place where that account lacks a permission (of one octal digit) that it needs."""
    entry = _account(account)
    uid = -1 if entry is None else entry.pw_uid
    groups = set() if entry is None else set(os.getgrouplist(account, entry.pw_gid))
    for place, need in needs:
        if (found := _stat(place)) is None:
            return place
        shift = 6 if found.st_uid == uid else 3 if found.st_gid in groups else 0
        if uid != 0 and (found.st_mode >> shift) & need != need:
            return place
    return None


def _stat(place: Path) -> os.stat_result | None:
    """None for what is not there, or closed to root itself, as somebody's FUSE mount is."""
    try:
        return place.stat()
    except OSError:
        return None


def _adopt(data: Path, account: str) -> None:
    """Data that root has made by a first try becomes the account's. Raises Refused for others'."""
    found = _stat(data)
    if found is None or not stat.S_ISDIR(found.st_mode) or data == STATE:
        return  # systemd makes it, or gives it to the account
    owner, entry = found.st_uid, _account(account)
    if entry is not None and owner == entry.pw_uid:
        return
    inside = list(data.iterdir())
    if owner != 0 or (inside and not (data / FILE).exists()):
        raise Refused(
            f"{data} belongs to {_name(owner)} and cannot be the data directory of {account}: name"
            " a directory of mmconnect's own with --data-dir, or the account with --run-as"
        )
    if entry is None:
        _run("systemd-sysusers", "--inline", f"u {account} - - {STATE}")
        entry = pwd.getpwnam(account)
    for one in (*_below(inside), data):
        os.chown(one, entry.pw_uid, entry.pw_gid, follow_symlinks=False)


def _below(found: Iterable[Path]) -> Iterable[Path]:
    for one in found:
        if one.is_dir() and not one.is_symlink():
            yield from _below(one.iterdir())
        yield one


def _account(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"an account with the number {uid}"


def _run(*words: str) -> str:
    """What a command says. Raises Refused with its first line when it fails."""
    found = shutil.which(words[0])
    if found is None:
        raise Refused(f"There is no {words[0]} on this machine")
    try:
        done = subprocess.run(  # noqa: S603 (our own words, and checked names)
            [found, *words[1:]],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=PATIENCE,
            env=paths.outside(),
        )
    except subprocess.TimeoutExpired:
        raise Refused(f"`{' '.join(words)}` has not come back for {PATIENCE:.0f} s") from None
    if done.returncode:
        told = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise Refused(f"`{' '.join(words)}` failed: {told[0] if told else done.returncode}")
    return done.stdout
