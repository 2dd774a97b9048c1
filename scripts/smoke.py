"""Does a build work? One text goes in at its phone port and has to come out, signed.

`python3 -m scripts.smoke PROGRAM` starts PROGRAM on a data directory of its own, adds an endpoint
and a phone with its commands, pushes a text, and computes the signatures of what arrives by itself.
Nothing of mmconnect is imported, so any Python will do. `--root DIR` runs PROGRAM in another root,
as nobody: that of another machine, emulated, or one that holds hardly anything.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

PATIENCE = 120.0
"""Seconds after which what has not come counts as never coming; emulated, a start takes four."""
NOBODY = 65534
TEXT = "Hello from the smoke test: ü, 漢, 🙂"

Arrived = tuple[Mapping[str, str], bytes]


class Broken(Exception):
    """The build does not do what it should; the sentence says what."""


class Build:
    """A program in a root of its own or in this one, and its data directory."""

    def __init__(self, program: list[str], root: Path | None) -> None:
        self.root = root or Path("/")
        self.outside = Path(tempfile.mkdtemp(prefix="mmconnect-smoke-", dir=self.root / "tmp"))
        self.data = "/" + str(self.outside.relative_to(self.root))
        self.program = program
        if root is not None:
            os.chown(self.outside, NOBODY, NOBODY)
            self.program = ["chroot", f"--userspec={NOBODY}:{NOBODY}", str(root), *program]

    def words(self, *words: str) -> list[str]:
        """The command line of one of its commands."""
        return [*self.program, "--data-dir", self.data, *words]

    def asks(self, *words: str) -> Any:
        """What a command answers with --json."""
        done = subprocess.run(
            [*self.words(*words), "--json"],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env=environment(),
            check=False,
        )
        if done.returncode != 0:
            raise Broken(f"{words[0]} ended with {done.returncode}: {done.stderr or done.stdout}")
        return json.loads(done.stdout)


def environment() -> dict[str, str]:
    """Hardly any, and nothing that leads a build to a Python of this machine."""
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


def receiver(into: queue.Queue[Arrived]) -> HTTPServer:
    """A server on a free loopback port that puts what it gets `into` a queue."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            into.put((dict(self.headers), body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    return server


def check_signatures(arrived: Arrived, secret: str) -> None:
    """Raise Broken unless both signatures are what docs/webhook-reference.md says."""
    headers, body = {name.lower(): value for name, value in arrived[0].items()}, arrived[1]
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    standard = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    plain = hmac.digest(secret.encode(), body, hashlib.sha256).hex()
    for name, right in (("webhook-signature", standard), ("x-mmconnect-signature", plain)):
        if not hmac.compare_digest(headers.get(name, ""), right):
            raise Broken(f"{name} is wrong")


def told(process: subprocess.Popen[bytes], build: Build) -> None:
    """Wait until the service has written where it listens."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if process.poll() is not None:
            raise Broken(f"it ended with {process.returncode} instead of starting")
        try:
            if json.loads((build.outside / "mmconnect.lock").read_bytes())["phone"]:
                return
        except (OSError, ValueError):
            pass
        time.sleep(0.1)
    raise Broken(f"it does not listen after {PATIENCE:.0f} s")


def ended(process: subprocess.Popen[bytes]) -> int:
    """Its exit code; one that does not end is killed. Raises Broken."""
    try:
        return process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise Broken(f"it has not ended {PATIENCE:.0f} s after SIGTERM") from None


def a_text_goes_through(build: Build) -> None:
    """The round itself; raises Broken."""
    arrivals: queue.Queue[Arrived] = queue.Queue()
    server = receiver(arrivals)
    endpoint = build.asks("endpoint", "add", f"http://127.0.0.1:{server.server_port}/")
    phone = build.asks("device", "add", "--name", "Phone", "--country", "SG")
    push = urllib.request.Request(  # noqa: S310 (the build's own URL)
        phone["pushUrl"],
        data=json.dumps({"from": "81230000", "text": TEXT}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(push, timeout=PATIENCE) as answer:  # noqa: S310
        print(f"the push is answered with {answer.status}")
    try:
        arrived = arrivals.get(timeout=PATIENCE)
    except queue.Empty:
        raise Broken("nothing was delivered") from None
    check_signatures(arrived, endpoint["secret"])
    if TEXT not in json.loads(arrived[1]).values():
        raise Broken(f"another text was delivered: {arrived[1].decode()}")
    print("it is delivered, and both signatures are right")
    server.shutdown()


def main() -> int:
    """Exit code 0 when the build works."""
    parser = argparse.ArgumentParser(description="Does a build of mmconnect work?")
    parser.add_argument("--root", type=Path, help="a root to run it in (as root)")
    parser.add_argument("program", nargs="+", help="the program, and words before its command")
    args = parser.parse_args()
    build = Build(args.program, args.root and args.root.resolve())
    listen = [f"--{side}-listen=127.0.0.1:0" for side in ("phone", "admin")]
    listen += ["--phone-tls-listen=off", "--admin-tls-listen=off"]
    log = build.outside / "log"
    try:
        print(" ".join(f"{name} {value}," for name, value in build.asks("version").items()))
        with log.open("wb") as out:
            process = subprocess.Popen(
                build.words("serve", *listen), stdout=out, stderr=out, env=environment()
            )
        try:
            begun = time.monotonic()
            told(process, build)
            print(f"it listens after {time.monotonic() - begun:.1f} s")
            a_text_goes_through(build)
        finally:
            process.terminate()
            code = ended(process)
        if code != 0:
            raise Broken(f"SIGTERM: it ended with {code}")
        print("SIGTERM: it ended in order")
    except (Broken, OSError, ValueError, subprocess.TimeoutExpired) as error:
        print(f"FAILED: {error}", file=sys.stderr)
        if log.exists():
            print(log.read_text(errors="replace"), file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(build.outside, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
