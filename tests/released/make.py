"""Makes a database as an earlier mmconnect leaves it behind when it is killed at work.

`python -m tests.released.make COMMIT SCHEMA`: the code of that commit is run, with phones and
receivers around it, and what is then in its directory is packed into `schema-N.tar.xz` beside this
file, with `story.json`, which says what has to be in it. Once for each schema that was released:
what is here never changes any more.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.support.burst import SECRET, Receiver, receiving
from tests.support.service import DB, ROOT, Service, ask, until
from tests.support.smsgate_phone import SmsgatePhone

HERE = Path(__file__).parent
NOWHERE = "http://127.0.0.1:9/texts"
WORDS = ("Your code is 4711", "Грüße aus Köln", "مرحبا بالعالم", "🎉 at seven?", "STOP", "x" * 900)


def make(commit: str, schema: int) -> None:
    """Run it."""
    with tempfile.TemporaryDirectory(prefix="released-") as made, receiving() as receiver:
        tree = Path(made) / "tree"
        tree.mkdir()
        packed = subprocess.run(
            ["git", "archive", commit], cwd=ROOT, check=True, capture_output=True
        )
        subprocess.run(["tar", "-x", "-C", tree], input=packed.stdout, check=True)
        os.chdir(tree)  # where `python -m mmconnect` looks first
        service = Service(Path(made) / "data").start()
        with contextlib.ExitStack() as around:
            try:
                story = _live(service, receiver, schema, around)
            finally:
                service.kill()
        story |= {"schema": schema, "now": time.time_ns() // 1_000_000}
        assert service.count("PRAGMA user_version") == schema
        _pack(service.directory, HERE / f"schema-{schema}.tar.xz", story)


def _live(
    service: Service, receiver: Receiver, schema: int, around: contextlib.ExitStack
) -> dict[str, Any]:
    """All that happens in it; what a test has to know of that."""
    good, dead, paused = (
        service.cli("endpoint", "add", url, "--name", name, "--secret", SECRET)["id"]
        for name, url in (("CRM", receiver.url), ("Dead", NOWHERE), ("Paused", NOWHERE))
    )
    service.cli("endpoint", "pause", paused)
    phone = service.cli(
        "device", "add", "--name", "Reception", "--app", "generic", "--country", "SG"
    )
    gone = service.cli("device", "add", "--name", "Old phone", "--app", "generic")
    texts: dict[str, str] = {}

    def push(text: str, token: str = phone["token"], **more: Any) -> dict[str, Any]:
        fields = {"from": f"+6581{len(texts) % 7:06d}", "text": text, "id": f"e{len(texts)}"} | more
        at = f"/in/{token}"
        status, _, said = ask(service.phone, "POST", at, json.dumps(fields).encode())
        assert status == 200, said
        answer: dict[str, Any] = json.loads(said)
        texts[answer["id"]] = text
        return answer

    push("by a phone that is gone", gone["token"])
    service.cli("device", "remove", gone["id"])
    for number in range(30):
        push(f"{WORDS[number % len(WORDS)]} ({number})")
    until(lambda: len(receiver.times) >= 31, "the first texts arrive")
    sent = "SELECT count(*) FROM deliveries WHERE endpoint_id = ? AND state = 'delivered'"
    until(lambda: service.count(sent, good) == 31, "their results are recorded")
    fields = {"from": "+6581999999", "id": "twice"}
    again = push("said twice", **fields)
    assert push("said twice", **fields) == again | {"duplicate": True}
    until(lambda: service.count(sent, good) == 32, "so is that one")
    odd, _, _ = ask(service.phone, "POST", f"/in/{phone['token']}", b'{"nobody": "knows"}')
    assert odd == 200
    story: dict[str, Any] = {}
    if schema >= 2:
        story["rotated"] = _under_fire(service, receiver, good)
        held = "SELECT count(*) FROM endpoints WHERE id = ? AND state = 'held'"
        until(lambda: service.count(held, dead), "what cannot be reached is held")
    if schema >= 6:
        story["fetched"] = _fetched(service, around, texts)
        until(lambda: service.count(sent, good) >= len(texts), "what was fetched is delivered")
    if schema >= 7:
        service.cli("admin", "set-password", "--password", "a long password")
        story["key"] = service.cli("api-key", "create", "--name", "Reports")["key"]
        service.cookie()  # a browser that is logged in
    receiver.delay = 3600.0
    for number in range(8):
        push(f"in flight {number}")
    flying = "SELECT count(*) FROM deliveries WHERE endpoint_id = ? AND state = 'in_flight'"
    until(lambda: service.count(flying, good) >= 7, "some are under way")
    return story | {
        "token": phone["token"],
        "device": phone["id"],
        "endpoints": {"good": good, "dead": dead, "paused": paused},
        "texts": texts,
    }


def _under_fire(service: Service, receiver: Receiver, good: str) -> str:
    """An endpoint with a secret that was rotated, what was cancelled and replayed, settings."""
    rotated: str = service.cli("endpoint", "add", NOWHERE, "--name", "Rotated")["id"]
    service.cli("endpoint", "pause", rotated)
    service.cli("endpoint", "rotate-secret", rotated, "--overlap", "7d")
    service.cli("settings", "set", "site_name", "Practice")
    (first, second, *_) = [
        one["id"] for one in service.cli("delivery", "list", "--endpoint", good, "--limit", "5")
    ]
    before = len(receiver.arrivals)
    service.cli("delivery", "retry", first, second)
    until(lambda: len(receiver.arrivals) >= before + 2, "what is replayed arrives")
    return rotated


def _fetched(service: Service, around: contextlib.ExitStack, texts: dict[str, str]) -> str:
    """A phone that is fetched from, and a pairing that is under way."""
    inbox = around.enter_context(SmsgatePhone())
    words = ["--app", "smsgate", "--phone-url", inbox.url, "--phone-user", "sms"]
    made = service.cli("device", "add", "--name", "Fetched", *words, "--phone-password", "pass1234")
    inbox.receive("+15550177", "lay in the inbox")
    kept = "SELECT id FROM messages WHERE text = 'lay in the inbox'"
    until(lambda: service.count(f"SELECT count(*) FROM ({kept})"), "a text is fetched", within=60)
    with service.looking() as db:
        texts[db.execute(kept).fetchone()[0]] = "lay in the inbox"
    service.cli("device", "pair", made["id"])
    device: str = made["id"]
    return device


def _pack(directory: Path, to: Path, story: dict[str, Any]) -> None:
    with tarfile.open(to, "w:xz", preset=9) as tar:
        for name in (DB, f"{DB}-wal"):
            tar.add(directory / name, name, filter=_nobody)
        told = json.dumps(story, indent=1, ensure_ascii=False).encode()
        entry = tarfile.TarInfo("story.json")
        entry.size = len(told)
        tar.addfile(entry, io.BytesIO(told))
    print(f"{to.name}: {to.stat().st_size} bytes, {len(story['texts'])} texts")


def _nobody(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o600
    return entry


if __name__ == "__main__":
    make(sys.argv[1], int(sys.argv[2]))
