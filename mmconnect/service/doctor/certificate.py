"""Is the certificate for HTTPS good, for how long, and for all of this machine's addresses?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmconnect.desk.doctor import Check, Finding, Findings
from mmconnect.desk.wording import duration, local
from mmconnect.domain.errors import ConfigError
from mmconnect.service.tls import context, files
from mmconnect.service.tls.keeper import AUTHORITY_ENDS_SOON, SERVER_ENDS_SOON
from mmconnect.service.tls.names import Hosts
from mmconnect.service.tls.reading import Certificate, read

CERTIFICATE = Check("certificate", "Certificate for HTTPS")
_READ_ANEW = (
    "`sudo systemctl reload mmconnect` lets the service read it anew, as does SIGHUP where systemd"
    " does not run it."
)
_WALK = (
    "Make a new CA with `mmconnect tls create-ca --replace` while you can go to every phone: each"
    " has to install it before it pushes over HTTPS again."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Papers:
    """What there is."""

    server: Certificate | None = None
    authority: Certificate | None = None
    file: Path | None = None
    """Where the server's certificate is."""
    brought: bool = False
    """Whether somebody else makes and renews it (--tls-cert)."""
    fault: str | None = None
    """Why it cannot be used, in a sentence."""
    unread: bool = False
    """Whether that is because it may not, or cannot, be read."""
    authority_whole: bool = False
    """Whether the CA's own file is, from which a start of the service makes the others anew."""


def check(papers: Papers, hosts: Hosts, now: int, *, running: bool, can_make: bool) -> Findings:
    """Judge. `now` is UTC ms; `can_make`: whether a certificate can be made with this program."""
    if papers.fault is not None:
        yield CERTIFICATE.problem(
            f"It cannot be used: {papers.fault}.",
            _put_right(papers, running=running, can_make=can_make),
        )
        return
    server, authority = papers.server, papers.authority
    if server is None and authority is None:
        yield CERTIFICATE.ok("There is none, so phones push and pages are read over plain HTTP.")
        return
    wrong = list(_ends(papers, now, running=running, can_make=can_make))
    if server is not None and not papers.brought:
        wrong += _names(server, hosts, running=running)
    yield from wrong
    if not wrong and server is not None:
        whose = "Of your own" if papers.brought else "Renewed by itself"
        ca = "" if authority is None else f"; the CA until {_day(authority.not_after)}"
        yield CERTIFICATE.ok(f"{whose}, good until {_day(server.not_after)}{ca}.")


def _put_right(papers: Papers, *, running: bool, can_make: bool) -> str:
    if papers.brought:
        return f"Put the right files there. {_READ_ANEW}"
    if papers.unread:
        return "See what is found of the data directory and of the disk."
    if papers.authority_whole and can_make:
        again = "Start the service anew: it" if running else "The next start"
        return f"{again} makes a good one, and phones go on trusting the same CA."
    return (
        "`mmconnect tls create-ca --replace` makes new ones; every phone then has to install the"
        " new CA."
    )


def _ends(papers: Papers, now: int, *, running: bool, can_make: bool) -> Findings:
    server, authority = papers.server, papers.authority
    for what, paper in (("certificate", server), ("CA", authority)):
        if paper is not None and now < paper.not_before:
            yield CERTIFICATE.problem(
                f"The {what} is good only from {_day(paper.not_before)} on.",
                "Mostly this machine's clock is wrong: see that first.",
            )
    if server is not None and (left := server.not_after - now) < SERVER_ENDS_SOON:
        if papers.brought:
            remedy = f"Have it renewed. {_READ_ANEW}"
        elif can_make:
            remedy = "The service renews it by itself: see that it runs, and what its log says."
        else:
            remedy = "This installation lacks the Python package `cryptography` that makes them."
        yield _over(f"The certificate in {papers.file}", left, server.not_after, remedy)
    if authority is not None and (left := authority.not_after - now) < AUTHORITY_ENDS_SOON:
        yield _over("The CA that the phones trust", left, authority.not_after, _WALK)
    elif authority is not None and not can_make:
        yield CERTIFICATE.note(
            "This installation cannot renew it: the Python package `cryptography` is missing.",
            "Install it before the certificate ends.",
        )
    if server is None and authority is not None:
        yield CERTIFICATE.note(
            "There is a CA, and no certificate of the server.",
            "The service makes it: see what its log says."
            if running
            else "The next start makes it.",
        )


def _over(what: str, left: int, at: int, remedy: str) -> Finding:
    if left <= 0:
        return CERTIFICATE.problem(f"{what} ended {duration(-left / 1000)} ago.", remedy)
    return CERTIFICATE.note(f"{what} ends in {duration(left / 1000)} ({_day(at)}).", remedy)


def _names(server: Certificate, hosts: Hosts, *, running: bool) -> Findings:
    missing = [
        one
        for one in (*hosts.addresses, *hosts.names)
        if one not in server.addresses and one not in server.names
    ]
    if missing:
        yield CERTIFICATE.note(
            f"It is not for {_some(missing)}, so a phone that pushes there refuses it.",
            "The service makes a new one within a minute of an address change: see what its log"
            " says."
            if running
            else "The next start makes a new one.",
        )


def look(directory: Path, brought: Path | None, key: Path | None = None, *, in_use: bool) -> Papers:
    """Read what there is; `brought` is --tls-cert, `key` --tls-key.

    `in_use`: the service has loaded what was brought, and with which key is not known here.
    """
    file = brought or directory / files.SERVER
    at = directory / files.AUTHORITY
    try:
        authority = None if brought else _read(at)
        at = file
        server = _read(at)
        if (server is not None or brought) and not (brought and in_use):
            context.make(file, key)
    except (OSError, ValueError, ConfigError) as error:
        told = str(error) if isinstance(error, ConfigError) else f"{at}: {_reason(error)}"
        return Papers(
            file=file,
            brought=brought is not None,
            fault=told.rstrip("."),
            unread=isinstance(error, OSError),
            authority_whole=_is_whole(directory / files.AUTHORITY_KEY),
        )
    return Papers(server=server, authority=authority, file=file, brought=brought is not None)


def authority(directory: Path) -> str | None:
    """The CA's certificate (PEM) as it stands there; None when there is none to be read."""
    try:
        return (directory / files.AUTHORITY).read_text(encoding="ascii", errors="replace")
    except OSError:
        return None


def _read(path: Path) -> Certificate | None:
    try:
        return read(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _is_whole(path: Path) -> bool:
    """Whether a file has a key and a certificate that belong together."""
    try:
        context.make(path, None)
    except ConfigError:
        return False
    return True


def _day(ms: int) -> str:
    return local(ms)[:10]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
