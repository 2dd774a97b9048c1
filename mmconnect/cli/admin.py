"""`mmconnect admin setup-code|set-password|reset`: who may come in by browser.

Whoever can use the data directory is the owner, so all of it works without the old password. What a
running service knows is in the same database: it follows at once.
"""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mmconnect import config
from mmconnect.cli import open as opening
from mmconnect.cli import output
from mmconnect.desk import passwords, setup_codes
from mmconnect.desk.setup_codes import SetupCode
from mmconnect.domain.errors import Invalid, Refused, UsageError
from mmconnect.service.addresses import reachable
from mmconnect.service.lock import running
from mmconnect.store import accounts, api_keys, audit, preferences


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    parents: list[argparse.ArgumentParser],
) -> None:
    """Add the family."""
    family = commands.add_parser("admin", parents=parents, help="who may come in by browser")
    verbs = family.add_subparsers(metavar="VERB", required=True)

    code = verbs.add_parser(
        "setup-code", parents=parents, help="a code for the first visit, good for one use"
    )
    code.set_defaults(run=_setup_code)

    password = verbs.add_parser(
        "set-password", parents=parents, help="set the password; every browser has to log in again"
    )
    password.add_argument(
        "--password",
        metavar="P",
        help="the password (or @FILE, or - for stdin); without it, you are asked",
    )
    password.set_defaults(run=_set_password)

    reset = verbs.add_parser(
        "reset", parents=parents, help="remove the administrator: the next visit is a first one"
    )
    reset.add_argument("--yes", action="store_true", help="do not ask")
    reset.set_defaults(run=_reset)


def _setup_code(args: argparse.Namespace) -> int:
    with opening.opened(args, write=True) as store:
        made = setup_codes.make(store.db, store.clock.now(), asked=True)
        base_path = preferences.load(store.db).base_path or ""
    if made is None:
        raise Refused(
            "There is an administrator already: log in with the password, set another with"
            " `mmconnect admin set-password`, or begin anew with `mmconnect admin reset`"
        )
    links = links_of(made, bases(args, store.directory), base_path)
    if args.json:
        output.document({"code": made.shown, "links": links})
    else:
        show(made, links)
    return 0


def _set_password(args: argparse.Namespace) -> int:
    password = _password(args.password)
    try:
        stored = passwords.made(passwords.check_new(password))
    except Invalid as error:
        raise UsageError(str(error)) from error
    with opening.opened(args, write=True) as store:
        now, before = store.clock.now(), accounts.account(store.db)
        ended = accounts.set_password(store.db, stored, now)
        done = "account.created" if before is None else "account.password_changed"
        audit.note(store.db, at=now, actor=audit.CLI, action=done)
    if args.json:
        output.document({"created": before is None, "sessionsEnded": ended})
        return 0
    if before is None:
        print("The administrator has been set up: log in with this password.")
    else:
        print(f"The password was changed{_browsers(ended)}.")
    return 0


def _reset(args: argparse.Namespace) -> int:
    told = (
        "The administrator would be removed, and every browser logged out. API keys, phones,"
        " endpoints and texts stay"
    )
    if not opening.confirm(f"{told}. Remove?", yes=args.yes):
        raise Refused(f"{told}. Nothing was changed; add --yes to do it")
    with opening.opened(args, write=True) as store:
        now, before = store.clock.now(), accounts.account(store.db)
        ended = accounts.remove(store.db)
        if before is not None:
            audit.note(store.db, at=now, actor=audit.CLI, action="account.removed")
        made = setup_codes.fresh(store.db, now, asked=True)
        kept = sum(key.is_good(now) for key in api_keys.known(store.db))
        base_path = preferences.load(store.db).base_path or ""
    links = links_of(made, bases(args, store.directory), base_path)
    if args.json:
        output.document(
            {
                "removed": before is not None,
                "sessionsEnded": ended,
                "apiKeysKept": kept,
                "code": made.shown,
                "links": links,
            }
        )
        return 0
    if before is None:
        print("There was no administrator.")
    else:
        print(f"The administrator was removed{_browsers(ended)}.")
    if kept:
        keys = output.many(kept, "API key stays", "API keys stay")
        print(f"{keys} good: {output.command(args)} api-key list")
    show(made, links)
    return 0


def show(made: SetupCode, links: Sequence[str]) -> None:
    """A code for a person."""
    print("\nSet mmconnect up in a browser, with this one-time code:\n")
    for link in links:
        print(f"  {link}")
    print(f"\n  Code: {made.shown}")


def links_of(made: SetupCode, at: Sequence[str], base_path: str) -> list[str]:
    """The links that have the code in them, the best first; `at` as `http://HOST:PORT`."""
    return [made.link(f"{one}{base_path}") for one in at]


def bases(args: argparse.Namespace, directory: Path) -> list[str]:
    """Where the admin side is found: as the service listens, or would by its options."""
    service = running(directory)
    if service is not None and service.admin:
        return admin_bases(reachable(service.admin), reachable(service.admin_tls))
    file = config.read_file(opening.config_file(args))
    return admin_bases(reachable([str(config.settle({}, os.environ, file).admin_listen)]), ())


def admin_bases(plain: Sequence[str], tls: Sequence[str]) -> list[str]:
    """`http://HOST:PORT` of listeners; with HTTPS, those alone, as pages lead there anyway."""
    return [f"https://{at}" for at in tls] if tls else [f"http://{at}" for at in plain]


def _password(given: str | None) -> str:
    """Raises UsageError without a terminal to ask at, or for what is typed twice differently."""
    if given is not None:
        return opening.secret_argument(given)
    if not sys.stdin.isatty():
        raise UsageError("There is no terminal to ask at: use --password @FILE, or --password -")
    first = getpass.getpass("New password: ")
    if getpass.getpass("Once more: ") != first:
        raise UsageError("These were two different passwords. Nothing was changed")
    return first


def _browsers(ended: int) -> str:
    if ended == 0:
        return ""
    return f", and {output.many(ended, 'browser was', 'browsers were')} logged out"
