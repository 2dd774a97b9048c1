"""`mmconnect verify`: which signature of a request matches, or exactly why none does.

Needs no service and no data directory: it judges a request that somebody kept. It exits 0 when at
least one signature header matches and none of the others would make a receiver refuse; what comes
of a rotation (a header signed with the endpoint's other secret) refuses nobody for good.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

from mmconnect.cli import output
from mmconnect.cli.open import secret_argument
from mmconnect.domain.clock import SystemClock
from mmconnect.domain.errors import UsageError
from mmconnect.webhook.diagnosis import Diagnosis, Finding, Reason, diagnose


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    parents: list[argparse.ArgumentParser],
) -> None:
    """Put `verify` among the commands."""
    parser = commands.add_parser(
        "verify",
        parents=parents,
        help="say which signature of a request matches, or exactly why none does",
        description="Says which signature of a request matches, or exactly why none does. Exit"
        " code 0: a receiver accepts it; 1: it does not; 2: the command was not understood.",
    )
    add_secret(parser)
    parser.add_argument(
        "--body", required=True, metavar="FILE", help="the raw body as it came, or - for stdin"
    )
    parser.add_argument(
        "--header",
        action="append",
        required=True,
        metavar="'K: V'",
        help="one header of the request, or @FILE with one on each line; may be repeated",
    )
    parser.add_argument(
        "--at",
        type=unix_seconds,
        metavar="UNIX",
        help="when the request came, in Unix seconds (default: now)",
    )
    parser.set_defaults(run=run)


def add_secret(parser: argparse.ArgumentParser) -> None:
    """The `--secret` of a command that checks signatures."""
    parser.add_argument(
        "--secret",
        action="append",
        required=True,
        metavar="S",
        help="the signing secret, or @FILE, or - for standard input; may be repeated",
    )


def run(args: argparse.Namespace) -> int:
    """Judge the request and print the findings."""
    if [*args.secret, args.body].count("-") > 1:
        raise UsageError("Standard input can be only one of --secret and --body")
    headers = [pair for argument in args.header for pair in read_headers(argument)]
    secrets = [secret_argument(text) for text in args.secret]
    now = SystemClock().now() if args.at is None else args.at * 1000
    found = diagnose(secrets, _contents(args.body), headers, now)
    if args.json:
        output.document(as_json(found))
    else:
        print("\n".join(report(found, len(secrets))))
    return 0 if found.ok else 1


def read_headers(argument: str) -> Iterator[tuple[str, str]]:
    """A header argument: `name: value`, or @FILE with such lines up to the first empty one."""
    if not argument.startswith("@"):
        yield _header(argument)
        return
    lines = _contents(argument[1:]).decode("utf-8", "surrogateescape").splitlines()
    for number, line in enumerate(lines):
        if not line.strip():
            return
        if number or " HTTP/" not in line:
            yield _header(line)


def unix_seconds(text: str) -> int:
    """A point in time in Unix seconds; anything else is an argument error."""
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise argparse.ArgumentTypeError(f"{text!r} is not a time in Unix seconds (`date +%s`)")
    return int(text)


def report(found: Diagnosis, secrets: int) -> list[str]:
    """The diagnosis as lines for a person."""
    lines = [f"{found.verdict}."]
    if found.remedy:
        lines.append(f"{found.remedy}.")
    width = max(len(finding.header) for finding in found.findings)
    lines.append("")
    for finding in found.findings:
        lines.append(f"  {finding.header:<{width}}  {_result(finding, found, secrets)}")
    return lines


def as_json(found: Diagnosis) -> dict[str, object]:
    """The diagnosis as `--json` prints it; `secret` counts from 0."""
    return dataclasses.asdict(found)


def _result(finding: Finding, found: Diagnosis, secrets: int) -> str:
    if finding.reason is Reason.MATCHES:
        which = "" if secrets == 1 else f" with secret {(finding.secret or 0) + 1} of {secrets}"
        return finding.detail.replace("Matches", f"matches{which}", 1)
    if finding.detail[1:] in found.verdict:
        return "does not match, see above"
    if finding.reason is Reason.ABSENT:
        return finding.detail[0].lower() + finding.detail[1:]
    return f"does not match. {finding.detail}"


def _contents(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise UsageError(f"Cannot read {name}: {error.strerror}") from None


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name.strip():
        raise UsageError(f"{line!r} is not a header: write it like 'webhook-id: msg_…'")
    return name.strip(), value.strip()
