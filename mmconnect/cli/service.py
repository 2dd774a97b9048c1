"""`mmconnect service install|uninstall|print`: run by systemd, where no package sees to it."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from mmconnect import __version__
from mmconnect.cli import admin, output
from mmconnect.cli import open as opening
from mmconnect.desk import setup_codes
from mmconnect.domain.errors import ConfigError, MmconnectError, UsageError
from mmconnect.paths import program
from mmconnect.service import installing
from mmconnect.service.installing import HERE, Setting
from mmconnect.service.lock import running
from mmconnect.service.manager import Manager
from mmconnect.service.unit import ACCOUNT
from mmconnect.store import preferences


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    parents: list[argparse.ArgumentParser],
) -> None:
    """Add the family."""
    family = commands.add_parser(
        "service", parents=parents, help="let systemd run it, at every start of the machine"
    )
    verbs = family.add_subparsers(metavar="VERB", required=True)
    for name, run, told in (
        ("install", _install, "let systemd run it, now and whenever the machine starts"),
        ("uninstall", _uninstall, "stop it and remove the service; the data stays"),
        ("print", _print, "the unit that `install` would write"),
    ):
        verb = verbs.add_parser(name, parents=parents, help=told)
        verb.add_argument(
            "--user",
            action="store_true",
            help="a service of your own account, without root; else the system's",
        )
        verb.add_argument(
            "--root",
            metavar="DIR",
            help="work on the system image in this directory, and start nothing",
        )
        if name != "uninstall":
            verb.add_argument(
                "--run-as",
                metavar="ACCOUNT",
                help=f"whose processes they are; else the data's owner, or {ACCOUNT}",
            )
        verb.set_defaults(run=run)


def _install(args: argparse.Namespace) -> int:
    setting = _settled(args)
    manager = None if args.root else Manager.here(user=args.user)
    installing.text(setting)  # before anything is changed
    if manager is not None:
        manager.fits(setting)
    written = installing.write(setting)
    if manager is not None:
        manager.start(setting, anew=bool(written.files) or _is_another(setting.plan.data))
    links = _first_visit(args, setting) if manager is not None else []
    lingers = manager.lingers() if manager is not None and args.user else None
    if args.json:
        output.document(
            {
                **_facts(setting),
                "written": [str(file) for file in written.files],
                "started": manager is not None,
                "lingers": lingers,
                "setupLinks": links,
            }
        )
        return 0
    if manager is None:
        print(f"mmconnect is installed in {setting.root}, and starts with it.\n")
    else:
        when = "you log in" if lingers is False else "the machine starts"
        print(f"mmconnect runs, and will whenever {when}.\n")
    _tell(setting)
    if manager is not None:
        print(f"\nIts log: {manager.journal}")
    if lingers is False:
        print("\nIt ends when you log out. To have it run all the time: loginctl enable-linger")
    if args.user and not _is_found(args, setting.plan.data):
        print(
            f"\nCommands find its data only with: --data-dir {shlex.quote(str(setting.plan.data))}"
        )
    if links:
        print("\nSet mmconnect up in a browser, with this one-time code:\n")
        for link in links:
            print(f"  {link}")
    return 0


def _uninstall(args: argparse.Namespace) -> int:
    setting = _settled(args)
    manager = None if args.root else Manager.here(user=args.user)
    data = installing.installed(setting)
    if data is not None and manager is not None:
        manager.stop()
    removed = installing.remove(setting) if data is not None else installing.Changes()
    if removed.files and manager is not None:
        manager.reload()
    if args.json:
        output.document(
            {
                "removed": [str(file) for file in removed.files],
                "dataDir": None if data is None else str(data),
            }
        )
        return 0
    if data is None:
        print(f"There is no service to remove: nothing is at {setting.unit}.")
        return 0
    print(f"The service was removed. Everything that mmconnect keeps is still in {data}.")
    if setting.options.exists() and not args.user:
        print(f"Its options stay in {setting.options}, so commands go on finding the data.")
    print(f"The program stays, too: {' '.join(setting.plan.program.words)}")
    return 0


def _print(args: argparse.Namespace) -> int:
    setting = _settled(args)
    unit = installing.text(setting)
    if args.json:
        output.document({**_facts(setting), "text": unit})
    else:
        print(unit, end="")
    return 0


def _settled(args: argparse.Namespace) -> Setting:
    """What the words ask for. Raises UsageError, Refused."""
    account = getattr(args, "run_as", None)
    if args.user and (account or args.root):
        raise UsageError("--user is for your own account on this machine, without --run-as, --root")
    for option, given in (("--data-dir", args.data_dir), ("--root", args.root)):
        if given == "":
            raise UsageError(f"{option} = '': name a directory, or leave the option out")
    return installing.settle(
        user=args.user,
        data=None if args.data_dir is None else Path(args.data_dir),
        account=account,
        options=opening.config_file(args),
        root=HERE if args.root is None else Path(args.root).absolute(),
        home=Path.home(),
    )


def _is_another(data: Path) -> bool:
    """Whether what runs there is another version, put in whose place this one was."""
    there = running(data)
    return there is not None and there.version != __version__


def _first_visit(args: argparse.Namespace, setting: Setting) -> list[str]:
    """Links with a one-time code, while there is no administrator."""
    given = argparse.Namespace(data_dir=str(setting.plan.data), config=args.config)
    try:
        with opening.opened(given, write=True) as store:
            made = setup_codes.make(store.db, store.clock.now(), asked=True)
            base_path = preferences.load(store.db).base_path or ""
    except MmconnectError:  # it runs; how to come in is told by `admin setup-code`, too
        return []
    if made is None:
        return []
    return admin.links_of(made, admin.bases(given, store.directory), base_path)


def _is_found(args: argparse.Namespace, data: Path) -> bool:
    """Whether commands look there by themselves."""
    alone = argparse.Namespace(data_dir=None, config=args.config)
    try:
        return opening.data_dir(alone).path == data
    except ConfigError:
        return False


def _facts(setting: Setting) -> dict[str, Any]:
    plan = setting.plan
    return {
        "scope": "user" if plan.user else "system",
        "unit": str(setting.unit),
        "program": list(plan.program.words),
        "form": program().form.value,
        "account": None if plan.user else plan.account,
        "dataDir": str(plan.data),
        "config": None if plan.config is None else str(plan.config),
    }


def _tell(setting: Setting) -> None:
    plan = setting.plan
    output.fields(
        [
            ("Unit", setting.unit),
            ("Program", " ".join(plan.program.words)),
            ("Account", None if plan.user else plan.account),
            ("Data", plan.data),
            ("Options", plan.config or (None if plan.user else setting.options)),
        ]
    )
