"""`mmconnect serve`: run the service."""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import gc
import logging
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from mmconnect import __version__, cli, config
from mmconnect.cli import admin, output
from mmconnect.cli import open as opening

if TYPE_CHECKING:
    from mmconnect.service.started import Started

log = logging.getLogger(__name__)


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    parents: list[argparse.ArgumentParser],
) -> None:
    """Add the command."""
    parser = commands.add_parser("serve", parents=parents, help="run the service (the default)")
    for option in config.OPTIONS:
        told = f"{option.help} (default {option.default}; {option.variable})"
        parser.add_argument(option.flag, metavar=option.metavar, help=told)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until stopped."""
    file = config.read_file(opening.config_file(args))
    settings = config.settle(vars(args), os.environ, file)
    gc.disable()  # code is loaded to stay: looking for garbage in it takes a fifteenth of the start
    try:
        from mmconnect.service import daemon, logs
        from mmconnect.service.systemd import Systemd

        gc.freeze()
    finally:
        gc.enable()
    journal = logs.set_up(settings.log_format, settings.log_level, os.environ.get("JOURNAL_STREAM"))
    systemd = Systemd.of(os.environ)
    if systemd.listens:
        faulthandler.enable()  # where everybody stood, in the log, when the watchdog kills us
    for variable in settings.unknown_variables:
        log.warning("The variable %s is not one that mmconnect knows", variable)
    directory = opening.prepare(opening.data_dir(args), create=True)
    show: Callable[[Started], None] | None = partial(_show, output.command(args))
    if args.json:
        show = _show_programs
    elif journal:
        show = None

    def tell(started: Started) -> None:
        if show is not None:
            try:
                show(started)
                sys.stdout.flush()
            except OSError as error:  # full, or nobody reads it: no reason to turn texts away
                cli.let_go()
                log.warning("Standard output takes nothing: %s", error.strerror)
        _log(started)

    asyncio.run(daemon.serve(settings, directory, tell, systemd))
    return 0


def _show(command: str, started: Started) -> None:
    """Where everything is, for a person."""
    phone, page = started.phone[0], started.admin[0]
    print("mmconnect is running.\n")
    print(f"  Phones push to   http://{phone}/in/TOKEN")
    if started.phone_tls:
        print(f"                   https://{started.phone_tls[0]}/in/TOKEN")
    if started.admin_tls:
        print(f"  In a browser     https://{started.admin_tls[0]}{started.base_path}/")
    else:
        print(f"  In a browser     http://{page}{started.base_path}/")
    others = sorted({a.rpartition(":")[0] for a in started.phone[1:]})
    if others:
        print(f"  Also reachable   at {', '.join(others)}")
    print(f"  Data             {started.directory}")
    if started.setup is not None:
        admin.show(started.setup, links(started))
    if not (started.endpoints and started.devices):
        begin = "Next" if started.setup is None else "Or without a browser"
        print(f"\n{begin}, in another terminal:")
    if not started.endpoints:
        print(f"  {command} endpoint add URL               where your texts go")
    if not started.devices:
        print(f'  {command} device add --name "My phone"   where they come from')
    print()


def _show_programs(started: Started) -> None:
    """The same as one JSON document, as soon as phones can push."""
    output.document(
        {
            "version": __version__,
            "pid": os.getpid(),
            "phone": started.phone,
            "admin": started.admin,
            "phoneTls": started.phone_tls,
            "adminTls": started.admin_tls,
            "dataDir": str(started.directory),
            "devices": started.devices,
            "endpoints": started.endpoints,
            "setupCode": None if started.setup is None else started.setup.shown,
            "setupLinks": links(started),
        }
    )


def links(started: Started) -> list[str]:
    """What to open for the first visit, the best first; none when that was."""
    if started.setup is None:
        return []
    at = admin.admin_bases(started.admin, started.admin_tls)
    return admin.links_of(started.setup, at, started.base_path)


def _log(started: Started) -> None:
    log.info("%s", started.told)
    if started.setup is not None:
        # the one secret that is ever logged: who reads the log owns the machine, and it dies by use
        log.info("Set it up in a browser: %s", " or ".join(links(started)))
