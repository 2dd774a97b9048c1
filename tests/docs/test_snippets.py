"""Every verification snippet in the documentation, run as printed.

A snippet is a fenced block with a title. It is written to a file of that name and asked, by a
driver that adds nothing but input and output, about requests that mmconnect.webhook.signing made.
The receivers around the functions run too, and are POSTed to.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mmconnect.webhook import signing
from tests.docs.drivers import DRIVERS
from tests.support.receiver import free_port
from tests.support.service import until

DOCS = Path(__file__).parents[2] / "docs"
TEMPLATES = DOCS.parent / "templates"
SECRET = "whsec_bW1jb25uZWN0LWdvbGRlbi1zZWNyZXQtMzItYnl0ZXM="
PREVIOUS = "whsec_bW1jb25uZWN0LWVhcmxpZXItc2VjcmV0LTMyYnl0ZXM="
ID = "msg_01JD0000000000000000000001"
TEXT = "Grüße 😀 \x00 a/b"
BODY = json.dumps(
    {"event": "message.received", "id": ID, "from": "+65", "text": TEXT}, ensure_ascii=False
).encode()

_FENCE = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)
PAGES = ("webhook-reference.md", "moving-from-the-hosted-service.md")
SNIPPETS = {
    name: code
    for page in PAGES
    for name, code in _FENCE.findall((DOCS / page).read_text(encoding="utf-8"))
}


@dataclass(frozen=True)
class Request:
    """One request, and whether each scheme should accept it."""

    name: str
    headers: dict[str, str]
    body: bytes
    standard: bool
    plain: bool
    secret: str = SECRET


def requests() -> list[Request]:
    """Made when they are used: the timestamps must be fresh."""
    now = int(time.time())

    def signed(*secrets: str, at: int = now) -> dict[str, str]:
        return signing.signature_headers(secrets or (SECRET,), ID, at, BODY)

    right, old, ahead = signed(), signed(at=now - 400), signed(at=now + 400)
    both = signed(SECRET, PREVIOUS)
    late, early = signed(at=now - 250), signed(at=now + 250)
    foreign = {k: ("v1a,AAAA " + v if k == "webhook-signature" else v) for k, v in right.items()}
    odd = right | {"webhook-signature": "ü", "X-MMConnect-Signature": "ü" * 32}
    return [
        Request("right", right, BODY, True, True),
        Request("250 s old", late, BODY, True, True),
        Request("250 s ahead", early, BODY, True, True),
        Request("another version first", foreign, BODY, True, True),
        Request("rotation, new secret", both, BODY, True, True),
        Request("rotation, previous secret", both, BODY, True, True, secret=PREVIOUS),
        Request("tampered body", right, BODY.replace(b"+65", b"+66"), False, False),
        Request("body with a line end", right, BODY + b"\n", False, False),
        Request("no body", right, b"", False, False),
        Request("wrong secret", right, BODY, False, False, secret=PREVIOUS),
        Request("other id", right | {"webhook-id": "msg_x"}, BODY, False, True),
        Request("other time", right | {"webhook-timestamp": str(now + 1)}, BODY, False, True),
        Request("no time", right | {"webhook-timestamp": ""}, BODY, False, True),
        Request("400 s old", old, BODY, False, True),
        Request("400 s ahead", ahead, BODY, False, True),
        Request("odd characters", odd, BODY, False, False),
        Request("no headers", {}, BODY, False, False),
        Request("empty headers", dict.fromkeys(right, ""), BODY, False, False),
    ]


COMMANDS = {
    "driver.py": ([sys.executable], "python"),
    "driver.mjs": (["node"], "nodejs"),
    "driver.php": (["php"], "php-cli"),
    "receive_test.go": (["./driver"], "golang-go"),
    "driver.rb": (["ruby"], "ruby"),
}
BUILD = ["go", "test", "-c", "-o", "driver", "receive.go", "receive_test.go"]


def needed(program: str, package: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed: apt install {package}")


def written(directory: Path, *names: str) -> Path:
    for name in names:
        (directory / name).write_text(SNIPPETS[name], encoding="utf-8")
    return directory


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """No network, and one build cache for all, also for those in other processes."""
    own = tmp_path_factory.getbasetemp()
    shared = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "go"
    cache = {"GOCACHE": str(shared), "GOPROXY": "off", "GOFLAGS": ""}
    return {**os.environ, **cache, "GOTOOLCHAIN": "local", "GO111MODULE": "off"}


def test_the_pages_hold_the_snippets_this_file_runs():
    run_here = {*DRIVERS, "receive.php", "verify.sh", "customer.py"}
    assert set(SNIPPETS) == run_here


def test_the_admin_pages_show_the_very_same():
    """What the page of a new endpoint shows is what was run here."""
    shown = {path.name: path.read_text("utf-8") for path in (TEMPLATES / "snippets").iterdir()}
    assert shown == {name: code for name, code in SNIPPETS.items() if name != "customer.py"}


@pytest.mark.apt
@pytest.mark.timeout(300)  # Go builds its own library, too
@pytest.mark.parametrize("name", DRIVERS)
def test_the_functions_as_printed(name: str, tmp_path: Path, environment: dict[str, str]):
    driver, source = DRIVERS[name]
    command, package = COMMANDS[driver]
    built = driver == "receive_test.go"
    needed(BUILD[0] if built else command[0], package)
    written(tmp_path, name)
    (tmp_path / driver).write_text(source, encoding="utf-8")
    if built:
        subprocess.run(BUILD, cwd=tmp_path, env=environment, check=True, capture_output=True)
    cases = requests()  # not before: building takes a while, and what they say of the time ends
    listed = [
        {"secret": c.secret, "headers": c.headers, "body": base64.b64encode(c.body).decode()}
        for c in cases
    ]
    (tmp_path / "cases.json").write_text(json.dumps(listed))
    done = subprocess.run(
        command if built else [*command, driver],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    assert len(said) == len(cases), done.stdout + done.stderr
    found = {c.name: tuple(one) for c, one in zip(cases, said, strict=True)}
    only_standard = name == "library.py"
    assert found == {c.name: (c.standard, None if only_standard else c.plain) for c in cases}


@pytest.mark.apt
def test_the_shell_as_printed(tmp_path: Path):
    needed("openssl", "openssl")
    written(tmp_path, "verify.sh")
    for case in requests():
        lines = [f"{k}: {v}\r\n" for k, v in case.headers.items()]
        (tmp_path / "headers.txt").write_text("".join(lines), encoding="utf-8", newline="")
        (tmp_path / "body").write_bytes(case.body)
        (tmp_path / "secret").write_text(case.secret + "\n")
        words = ["sh", "verify.sh", "secret", "headers.txt", "body"]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ("webhook-signature" in done.stdout) is case.standard, (case.name, done)
        assert ("X-MMConnect-Signature" in done.stdout) is case.plain, (case.name, done)
        assert done.stderr == "", case.name


@contextmanager
def serving(command: list[str], cwd: Path, **environment: str) -> Iterator[int]:
    """A receiver, started as a person would; its port, once it listens."""
    port = free_port()
    words = [word.replace("8490", str(port)) for word in command]
    env = {**os.environ, **environment, "PORT": str(port)}
    with subprocess.Popen(
        words, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            until(lambda: listens(process, port), "the receiver listens")
            yield port
        finally:
            process.kill()


def listens(process: subprocess.Popen[bytes], port: int) -> bool:
    assert process.poll() is None, process.stdout and process.stdout.read()
    try:
        socket.create_connection(("127.0.0.1", port), timeout=20).close()
    except OSError:
        return False
    return True


def post(port: int, body: bytes, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        head = {k: v.encode() for k, v in headers.items()}
        connection.request("POST", "/", body, {**head, "content-type": "application/json"})
        return connection.getresponse().status
    finally:
        connection.close()


RECEIVERS: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "python": ([sys.executable, "receive.py"], ("receive.py",)),
    "node": (["node", "receive.mjs"], ("receive.mjs",)),
    "php": (["php", "-S", "127.0.0.1:8490", "receive.php"], ("verify.php", "receive.php")),
    "go": (["./receive"], ("receive.go",)),
}
PACKAGES = {"node": "nodejs", "php": "php-cli", "go": "golang-go"}


@pytest.mark.apt
@pytest.mark.timeout(300)
@pytest.mark.parametrize("language", RECEIVERS)
def test_the_receivers_as_printed(language: str, tmp_path: Path, environment: dict[str, str]):
    if language in PACKAGES:
        needed(language, PACKAGES[language])
    command, files = RECEIVERS[language]
    written(tmp_path, *files)
    if language == "go":
        build = ["go", "build", "-o", "receive", "receive.go"]
        subprocess.run(build, cwd=tmp_path, env=environment, check=True, capture_output=True)
    for secret in (SECRET, PREVIOUS):
        with serving(command, tmp_path, WEBHOOK_SECRET=secret) as port:
            for case in (case for case in requests() if case.secret == secret):
                twice = [post(port, case.body, case.headers) for _ in range(2)]
                expected = [204, 204] if case.standard else [401, 401]
                assert twice == expected, case.name
    if language == "python":
        assert rows(tmp_path / "texts.db") == [(ID, "+65", TEXT)]
    if language == "php":
        assert [p.name for p in tmp_path.glob("text-*")] == [f"text-{ID}.json"]


def rows(database: Path) -> list[Any]:
    db = sqlite3.connect(database)
    try:
        return db.execute("SELECT id, sender, text FROM texts").fetchall()
    finally:
        db.close()
