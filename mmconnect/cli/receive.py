"""`mmconnect receive`: a sample receiver, to see texts arrive before one's own receiver exists.

It does what the documentation asks of a receiver: checks the signature over the raw body, answers
at once, and knows a text that came twice by its id. Whatever strangers send to it is printed so
that it cannot steer the terminal, and the reasons go to the screen, never into the answer.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import ipaddress
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mmconnect.cli import output
from mmconnect.cli.arrival import Arrival, fields_of
from mmconnect.cli.open import secret_argument
from mmconnect.cli.verify import add_secret
from mmconnect.domain.clock import SystemClock
from mmconnect.domain.errors import MmconnectError, UsageError
from mmconnect.webhook.diagnosis import diagnose
from mmconnect.webhook.signing import ATTEMPT, DELIVERY

if TYPE_CHECKING:
    from aiohttp import web

DEFAULT_HOST, DEFAULT_PORT = "0.0.0.0", 8490
MAX_BODY = 10 * 1024 * 1024
_REMEMBERED = 10_000
"""Ids known at a time, for marking duplicates."""


def add_parser(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    parents: list[argparse.ArgumentParser],
) -> None:
    """Put `receive` among the commands."""
    parser = commands.add_parser(
        "receive",
        parents=parents,
        help="a sample receiver: verifies every signature and prints each text",
        description="A sample receiver: verifies every signature, prints each text, and says"
        " exactly why a signature does not match. Answers 204, or 401 when the signature is wrong.",
    )
    add_secret(parser)
    parser.add_argument("--host", default=DEFAULT_HOST, help="address to listen on (%(default)s)")
    parser.add_argument(
        "--port", type=_port, default=DEFAULT_PORT, help="port to listen on (%(default)s)"
    )
    parser.add_argument(
        "--status",
        type=_status,
        metavar="N",
        help="answer every request with this status, to watch what mmconnect does about it",
    )
    parser.add_argument(
        "--delay", type=_delay, default=0.0, metavar="S", help="seconds to wait before answering"
    )
    parser.add_argument(
        "--count",
        type=_count,
        metavar="N",
        help="stop after N requests; exit code 1 if a signature was wrong",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Receive until Ctrl-C, SIGTERM or `--count`."""
    if args.secret.count("-") > 1:
        raise UsageError("Standard input can be only one --secret")
    receiver = Receiver(
        secrets=tuple(secret_argument(text) for text in args.secret),
        status=args.status,
        delay=args.delay,
        count=args.count,
        json=args.json,
    )
    return asyncio.run(_serve(receiver, args.host, args.port))


@dataclass(slots=True, kw_only=True)
class Receiver:
    """What one run of the sample receiver knows and remembers."""

    secrets: tuple[str, ...]
    status: int | None
    delay: float
    count: int | None
    json: bool
    answered: int = 0
    wrong: int = 0
    seen: dict[str, int] = field(default_factory=dict)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, after printing what it is."""
        from aiohttp import web

        if request.method != "POST":
            return web.Response(
                status=405, headers={"Allow": "POST"}, text="Texts are taken by POST.\n"
            )
        body = await request.read()
        found = diagnose(self.secrets, body, request.headers.items(), SystemClock().now())
        fields = fields_of(body)
        times = self._times(request.headers.get("webhook-id") or fields.get("id"), found.ok)
        status = self.status or (204 if found.ok else 401)
        arrival = Arrival(
            fields=fields,
            body=body,
            found=found,
            times=times,
            status=status,
            attempt=request.headers.get(ATTEMPT),
            delivery=request.headers.get(DELIVERY),
        )
        self._show(arrival.as_json() if self.json else "\n".join(arrival.lines()))
        await asyncio.sleep(self.delay)
        refusal = None if found.ok or self.status else "The signature does not match.\n"
        response = web.Response(status=status, text=refusal)
        await response.prepare(request)
        await response.write_eof()
        self._count(found.ok)
        return response

    def _times(self, identity: object, genuine: bool) -> int:
        """How often this text has come, this time included; a forged one counts as never."""
        if not genuine or not isinstance(identity, str):
            return 1
        self.seen[identity] = self.seen.pop(identity, 0) + 1
        if len(self.seen) > _REMEMBERED:
            del self.seen[next(iter(self.seen))]
        return self.seen[identity]

    def _count(self, genuine: bool) -> None:
        self.answered += 1
        self.wrong += not genuine
        if self.answered == self.count:
            self.stop.set()

    def _show(self, text: str) -> None:
        try:
            print(text, flush=True)
        except BrokenPipeError:  # whoever read our output has left
            sys.stdout = None
            self.stop.set()


async def _serve(receiver: Receiver, host: str, port: int) -> int:
    from aiohttp import web

    from mmconnect.service import addresses

    # Only the listing goes to standard output, so that --json stays one object a line.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    app = web.Application(client_max_size=MAX_BODY)
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2)
    await runner.setup()
    try:
        for one in addresses.hosts(host):
            taken = runner.addresses[0][1] if runner.addresses else port
            await web.TCPSite(runner, one, taken).start()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, receiver.stop.set)
        actual = runner.addresses[0][1]
        print("\n".join(_greeting(host, actual)), file=sys.stderr, flush=True)
        await receiver.stop.wait()
    except OSError as error:
        raise MmconnectError(_cannot_listen(error, host, port)) from None
    finally:
        await runner.cleanup()
    return 1 if receiver.count and receiver.wrong else 0


def _greeting(host: str, port: int) -> Iterator[str]:
    yield "Waiting for texts. Register one of these, with the same secret:"
    for address in _addresses(host):
        yield f"    {output.program()} endpoint add http://{address}:{port}/ --secret …"
    yield "Ctrl-C stops it."


def _addresses(host: str) -> list[str]:
    """Under which addresses a listener on `host` is reached: the LAN's first, loopback last."""
    try:
        listening = ipaddress.ip_address(host)
    except ValueError:
        return [host]
    if not listening.is_unspecified:
        return [f"[{host}]" if listening.version == 6 else host]
    import ifaddr

    found = [ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips]
    own = [ip for ip in found if isinstance(ip, str) and not ip.startswith(("127.", "169.254."))]
    return [*dict.fromkeys(own), "127.0.0.1"]


def _cannot_listen(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is already in use: choose another with --port"
    if error.errno == errno.EACCES:
        return f"Port {port} needs root: choose one above 1023 with --port"
    return f"Cannot listen on {host} port {port}: {error.strerror or error}"


def _number(text: str, low: float, high: float, what: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not low <= number <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what} from {low:g} to {high:g}")
    return number


def _port(text: str) -> int:
    return int(_number(text, 0, 65535, "a port"))


def _status(text: str) -> int:
    return int(_number(text, 200, 599, "an HTTP status"))


def _delay(text: str) -> float:
    return _number(text, 0, 3600, "a number of seconds")


def _count(text: str) -> int:
    return int(_number(text, 1, 1e9, "a number of requests"))
