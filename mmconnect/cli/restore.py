"""`mmconnect restore FILE`: puts a backup in the database's place; the service must not run."""

from __future__ import annotations

import argparse

from mmconnect.cli import handed, output
from mmconnect.cli import open as opening
from mmconnect.domain.clock import SystemClock
from mmconnect.domain.errors import AlreadyRunning, DataDirError, StoreError
from mmconnect.paths import expanded
from mmconnect.service.lock import running
from mmconnect.service.restoring import Restored, restore


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    parents: list[argparse.ArgumentParser],
) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "restore",
        parents=parents,
        help="put a backup in the database's place",
        description="Puts a backup in the place of the database. The service has to be stopped"
        " before, and started afterwards. The file is checked first, and the database that was"
        " there is kept, under backups/ in the data directory.",
    )
    parser.add_argument("file", metavar="FILE", help="the backup; `mmconnect backup list` has some")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Restore; the database that was there is kept."""
    chosen = opening.data_dir(args)
    if not chosen.explicit and not chosen.path.is_dir():
        raise DataDirError(
            f"There is no data directory {chosen.path} (from {chosen.source}). Name the one to"
            " restore into with --data-dir"
        )
    file = expanded(args.file).absolute()
    try:
        with handed.opened_as_root(file, chosen.path) as fd:
            directory = opening.prepare(chosen, create=chosen.explicit)
            with handed.readable(file, fd, directory) as given:
                done = restore(directory, given, SystemClock())
    except OSError as error:
        raise StoreError(f"{file} cannot be copied into {directory}: {error.strerror}") from error
    except AlreadyRunning as error:
        service = running(directory)
        if service is None:
            raise AlreadyRunning(
                f"Another command has {directory} to itself just now, or mmconnect is starting."
                " Try again when that is through"
            ) from error
        raise AlreadyRunning(
            f"mmconnect is running on {directory} (pid {service.pid}), and a restore needs it"
            " stopped: sudo systemctl stop mmconnect. Or let it restore the backup itself, in the"
            " browser: Settings, Backup"
        ) from error
    if args.json:
        output.document(
            {
                "file": str(file),
                "schema": done.contents.schema,
                "waiting": done.contents.waiting,
                "before": None if done.before is None else str(done.before),
                "authority": done.authority,
            }
        )
        return 0
    _tell(args, done)
    return 0


def _tell(args: argparse.Namespace, done: Restored) -> None:
    print("The backup is in place.")
    if done.before is not None:
        print(f"What was there before is in {done.before}.")
    if done.authority:
        print("So is its CA: phones that trusted it trust this machine now.")
    command = output.command(args)
    if count := done.contents.waiting:
        was = output.many(count, "delivery was", "deliveries were")
        print(
            f"\n{was} still waiting when the backup was made, and may have been delivered since."
            " They are sent when mmconnect starts, with the same ids as then."
        )
        print(f"To keep them back first:  {command} endpoint pause EP")
        print(f"To drop them:             {command} delivery cancel --endpoint EP")
    if done.contents.linked:
        print(
            "\nTexts that are fetched from phones now and are older than an hour wait until you"
            " say whether they are to be sent."
        )
