"""`mmconnect push`: for modems and scripts, which have no second chance to tell of a text.

Needs no data directory: mmconnect may be on another machine. Imports little, as a modem takes no
further text while its hook runs.
"""

from __future__ import annotations

import argparse
import math
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from time import sleep

from mmconnect.cli import output
from mmconnect.cli.push import modems, origin
from mmconnect.cli.push.hand import Done, hand_over
from mmconnect.cli.push.origin import NoTarget, Origin
from mmconnect.cli.push.spool import Entry, Sms, Spool, default_path
from mmconnect.domain.clock import SystemClock, parse_duration
from mmconnect.domain.errors import Refused, UsageError

_MILLISECONDS = 10**11


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    parents: list[argparse.ArgumentParser],
) -> None:
    """Add the command."""
    push = commands.add_parser(
        "push",
        parents=parents,
        help="hand a text to mmconnect, or keep it until that works",
        description="For modems and scripts, on this machine or another: hands a text to"
        " mmconnect's phone port. It is written to the disk first, and tried again in the"
        " background until mmconnect has it. Exit code 0: it was delivered, or is kept.",
    )
    for flag, metavar, text in (
        ("--url", "U", "mmconnect's phone listener, http://192.168.1.20:8481, or a push URL"),
        ("--token", "T", "the device's token (or @FILE, or -)"),
        ("--from", "N", "who sent the text"),
        ("--text", "X", "the text (or @FILE, or -)"),
        ("--to", "N", "the number that received it"),
        ("--sim", "N", "the SIM that received it, from 1"),
        ("--time", "T", "when it was sent (default: now)"),
        ("--id", "ID", "its id, where the sender has one: the same at each call"),
        ("--ca", "FILE", "certificate of the CA to trust for https (PEM)"),
        ("--spool", "DIR", "where texts wait"),
        ("--wait", "S", "seconds to go on trying before leaving it to the background"),
    ):
        push.add_argument(flag, metavar=metavar, help=text, dest=_dest(flag))
    push.add_argument("--gammu", action="store_true", help="read a text as Gammu SMSD gives it")
    push.add_argument(
        "--smstools", action="store_true", help="read a text as SMS Server Tools 3 gives it"
    )
    push.add_argument("--drain", action="store_true", help="deliver what waits, until nothing does")
    push.add_argument("words", metavar="ARG", nargs="*", help="what the modem's program adds")
    push.set_defaults(run=run)


def _dest(flag: str) -> str:
    return {"--from": "sender"}.get(flag, flag.removeprefix("--"))


def run(args: argparse.Namespace) -> int:
    """One text, or with `--drain` all that wait."""
    clock = SystemClock()
    token = _given("-") if args.token == "-" else args.token  # noqa: S105 (standard input)
    given = origin.origin(os.environ, args.config, args.url, token, args.ca)
    wait = _seconds(args.wait)
    spool = Spool(_spool_path(args, given), clock)
    if args.drain:
        named = origin.origin({}, args.config, args.url, token, args.ca)
        return _drain(args, spool, clock, math.inf if wait is None else wait, named)
    hook = args.gammu or args.smstools
    sms = _from_hook(args, clock.now()) if hook else _from_options(args, given, clock.now())
    if sms is None:
        _tell(args, {"id": None, "state": "ignored"}, "No text has come: nothing to do.")
        return 0
    _warn_of_mode(given)
    done = hand_over(
        spool, Entry(sms=sms, origin=given), clock, 0 if hook and wait is None else wait
    )
    _report(args, sms, spool, done)
    return 0


def _from_hook(args: argparse.Namespace, now: int) -> Sms | None:
    """What a modem's program has for us; None when it is no text."""
    if args.gammu:
        return modems.from_gammu(os.environb, args.words, now)
    event, file = modems.smstools_event(args.words)
    if event != modems.RECEIVED:
        return None
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}") from error
    return modems.from_smstools(content, Path(file).name, now)


def _from_options(args: argparse.Namespace, given: Origin, now: int) -> Sms:
    """The text that the options say. Raises UsageError."""
    if args.words:
        raise UsageError(f"{args.words[0]!r} is not understood; the text is given with --text")
    if args.sender is None or args.text is None:
        raise UsageError("--from and --text are needed, or --gammu, --smstools or --drain")
    if not args.sender.strip():
        raise UsageError("--from is empty: name the sender")
    if args.id is not None and not 0 < len(args.id) <= 400:
        raise UsageError("--id has 1 to 400 characters")
    origin.check(given)
    return Sms(
        id=args.id or f"push-{os.urandom(10).hex()}",
        sender=args.sender,
        text=_given(args.text),
        time=now if args.time is None else _time(args.time, now),
        to=args.to,
        sim=args.sim,
    )


def _given(text: str) -> str:
    """As given, from `@FILE`, or all of standard input with `-`; a last line's end is not part."""
    if text != "-" and not text.startswith("@"):
        return text
    try:
        content = sys.stdin.buffer.read() if text == "-" else Path(text[1:]).read_bytes()
    except OSError as error:
        raise UsageError(f"{text[1:]} cannot be read: {error.strerror}") from error
    return content.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")


def _time(text: str, now: int) -> int:
    from mmconnect.cli.instants import instant

    if text.isascii() and text.isdigit() and int(text) >= _MILLISECONDS:
        return int(text)
    return instant("--time", text, now)


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return float(parse_duration(text))
    except (ValueError, OverflowError):
        raise UsageError(f"--wait {text!r}: write seconds, or 5m") from None


def _spool_path(args: argparse.Namespace, given: Origin) -> Path:
    named = args.spool or os.environ.get(origin.PREFIX + "SPOOL")
    if not named:
        try:
            named = origin.read_file(given.config).get("spool")
        except NoTarget:
            named = None  # it is told in its time
    return Path(named).absolute() if named else default_path(os.environ, os.geteuid())


def _warn_of_mode(given: Origin) -> None:
    """A file with a token is nobody else's business."""
    token = given.token if given.token is not None and given.token.startswith("@") else None
    for path in (given.config, token and token[1:]):
        if path is not None and Path(path).exists():
            mode = Path(path).stat().st_mode
            if stat.S_ISREG(mode) and mode & stat.S_IROTH:
                print(f"mmconnect: everybody can read {path}: chmod 600 it", file=sys.stderr)


def _drain(
    args: argparse.Namespace, spool: Spool, clock: SystemClock, wait: float, named: Origin
) -> int:
    """Deliver all that waits, in the foreground, and to what was `named`, if it was."""
    from mmconnect.cli.push.drain import Drain

    if not spool.path.is_dir():
        _tell(args, {"delivered": 0, "waiting": 0, "reason": None}, "Nothing waits.")
        return 0
    try:
        spool.prepare()
        if named.named():
            spool.redirect(named)
        spool.poke()
        drain = Drain(
            spool, clock, sleep, lambda line: print(f"mmconnect: {line}", file=sys.stderr)
        )
        until, ours = clock.monotonic() + wait, True
        while ours and spool.names() and (clock.monotonic() < until or wait == 0):
            with spool.held() as ours:
                if ours:
                    drain.run(until if wait else math.inf, patient=wait > 0)
            if wait == 0:
                break
        waiting = len(spool.names())
    except OSError as error:
        raise Refused(f"{spool.path} cannot be used: {error.strerror or error}") from error
    reason = drain.reason() if waiting and ours else None
    facts = {"delivered": len(drain.delivered), "waiting": waiting, "reason": reason}
    told = f"{output.many(len(drain.delivered), 'text', 'texts')} delivered, {waiting} waiting."
    if not ours:
        told = f"Another process delivers from {spool.path} already: {waiting} waiting."
    _tell(args, facts, told)
    return 0


def _report(args: argparse.Namespace, sms: Sms, spool: Spool, done: Done) -> None:
    facts = {
        "id": sms.id,
        "state": "delivered" if done.delivered else "spooled",
        "messageId": done.message_id,
        "duplicate": done.duplicate,
        "reason": done.reason,
        "waiting": done.waiting,
    }
    if done.delivered:
        seen = ", seen before" if done.duplicate else ""
        told = f"Delivered{f' as {done.message_id}' if done.message_id else ''}{seen}."
    else:
        told = f"Kept in {spool.path}, and delivered as soon as that works."
        if done.reason:
            print(f"mmconnect: Not delivered yet: {done.reason}", file=sys.stderr)
    _tell(args, facts, told)


def _tell(args: argparse.Namespace, facts: Mapping[str, object], sentence: str) -> None:
    if args.json:
        output.document(facts)
    else:
        print(sentence)
