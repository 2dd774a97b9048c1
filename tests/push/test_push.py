"""`mmconnect push` against the real service: a text that it took arrives once, whatever happens."""

from __future__ import annotations

import io
import json
import os
import random
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mmconnect.cli.push.origin import parse
from mmconnect.cli.push.post import Line, What
from mmconnect.cli.push.spool import Sms, default_path
from mmconnect.domain.errors import Refused
from tests.push.conftest import SENDER, Gateway, Pusher
from tests.support.lossy import lossy
from tests.support.program import BUILD, is_part_of_build, writes_nothing
from tests.support.service import ROOT, ask, until
from tests.support.tls import authority


def empty(push: Pusher) -> None:
    until(lambda: not push.waiting and not push.drains, lambda: f"all is delivered: {push.log}")


def test_it_says_what_it_did(gateway: Gateway, push: Pusher) -> None:
    told = push.text("hello", "--to", "+6591110000", "--sim", "2", "--time", "1781274718")
    assert told["state"] == "delivered"
    assert (told["duplicate"], told["reason"], told["waiting"]) == (False, None, 0)
    found = gateway.service.cli("message", "show", told["messageId"])
    assert (found["from"], found["to"], found["sim"]) == (SENDER, "+6591110000", 2)
    assert (found["text"], found["sentAt"]) == ("hello", "2026-06-12T14:31:58.000Z")
    person = push("--from", SENDER, "--text", "-5 degrees & more")
    assert person.returncode == 0
    assert person.stdout.startswith("Delivered as msg_")
    assert gateway.texts == ["hello", "-5 degrees & more"]


def test_the_same_id_is_one_message(gateway: Gateway, push: Pusher) -> None:
    first = push.text("hello", "--id", "7")
    again = push.text("hello", "--id", "7")
    assert (again["messageId"], again["duplicate"]) == (first["messageId"], True)
    push.text("hello")
    push.text("hello")
    assert gateway.texts == ["hello"] * 3


def test_texts_from_files_and_standard_input(
    gateway: Gateway, push: Pusher, tmp_path: Path
) -> None:
    (tmp_path / "text").write_text('two\nlines "quoted" ü\n')
    push.text(f"@{tmp_path}/text")
    assert push("--from", SENDER, "--text", "-", given="from a pipe\n").returncode == 0
    assert gateway.texts == ['two\nlines "quoted" ü', "from a pipe"]


@pytest.mark.timeout(300)
def test_away_and_back(gateway: Gateway, push: Pusher) -> None:
    gateway.goes()
    told = push.text("while it was away")
    assert (told["state"], told["messageId"]) == ("spooled", None)
    assert "Connection refused" in told["reason"]
    for number in range(20):
        assert push.text(f"text {number}", "--wait", "0")["state"] == "spooled"
    assert len(push.waiting) == 21
    until(lambda: len(push.drains) == 1, lambda: f"one delivers: {push.drains}")
    gateway.comes()
    gateway.has("while it was away", *[f"text {number}" for number in range(20)])
    empty(push)
    assert "while it was" not in push.log
    assert gateway.token not in push.log
    assert "takes texts again" in push.log


def test_waiting_as_long_as_told(gateway: Gateway, push: Pusher) -> None:
    gateway.goes()
    with push.start("--from", SENDER, "--text", "patience", "--wait", "90", "--json") as process:
        until(lambda: push.log, "it has tried")
        gateway.comes()
        told = json.loads(process.communicate(timeout=100)[0])
    assert told["state"] == "delivered"
    assert gateway.texts == ["patience"]


def test_many_at_once_have_one_process_that_delivers(gateway: Gateway, push: Pusher) -> None:
    gateway.goes()
    started = [push.start("--from", SENDER, "--text", f"text {n}", "--wait", "0") for n in range(8)]
    for process in started:
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
    until(lambda: len(push.drains) == 1, lambda: f"one delivers: {push.drains}")
    assert len(push.waiting) == 8
    gateway.comes()
    until(lambda: len(gateway.texts) == 8, "all arrive")
    assert sorted(gateway.texts) == [f"text {n}" for n in range(8)]
    empty(push)


@pytest.mark.parametrize("hang", [False, True])
def test_lost_answers_make_no_second_message(gateway: Gateway, push: Pusher, hang: bool) -> None:
    with lossy(gateway.service.phone) as network:
        push.url, network.lose, network.hang = network.url, 3 if not hang else 1, hang
        if hang:
            push.program = "mmconnect"
        told = push.text("once only")
        assert told["state"] == "spooled"
        gateway.has("once only")  # it arrived, and nobody heard
        empty(push)
    assert network.lost == (1 if hang else 3)
    assert gateway.texts == ["once only"]
    with gateway.service.looking() as db:
        assert db.execute("SELECT duplicates FROM messages").fetchone()[0] >= 1


@pytest.mark.timeout(300)
def test_kill_9_of_whoever_delivers(gateway: Gateway, push: Pusher) -> None:
    """At any point; every second time certainly between a POST and its answer."""
    chance = random.Random(4)
    wanted = [f"text {number}" for number in range(40)]
    killed = 0
    with lossy(gateway.service.phone) as network:
        push.url = network.url
        gateway.goes()
        for text in wanted[:25]:
            assert push.text(text, "--wait", "0")["state"] == "spooled"
        gateway.comes()
        for number, text in enumerate(wanted[25:]):
            waits, network.lost = number % 2 == 0, 0
            network.hang, network.lose = waits, 10**6 if waits else chance.randint(0, 1)
            assert push.text(text, "--wait", "0")["state"] == "spooled"
            if waits:
                until(lambda: network.lost, "its text is there, and it does not know")
                assert push.kill_drains() >= 1
                killed += 1
            else:
                time.sleep(chance.random() * 0.15)  # the point at which it dies
                killed += push.kill_drains()
        network.hang, network.lose = False, 0
        assert push("--drain").returncode == 0
    assert killed >= 8
    assert gateway.texts == wanted, "none lost, none twice, in order"
    assert push.waiting == []


@pytest.mark.timeout(300)
def test_kill_9_of_the_one_who_pushes(gateway: Gateway, push: Pusher) -> None:
    """At any point; every fourth lives. How long one takes is learned from those before."""
    chance, said, killed, longest = random.Random(9), list[str](), 0, 0.5
    for number in range(400):
        if killed == 18:
            break
        text = f"text {number}"
        with push.start("--from", SENDER, "--text", text) as process:
            try:
                process.wait(60 if number % 4 == 0 else chance.random() * longest)
                longest *= 0.9
            except subprocess.TimeoutExpired:
                process.kill()
                longest *= 1.1
            if process.wait() == 0:
                said.append(text)
            else:
                killed += 1
    push("--drain")
    empty(push)
    arrived = gateway.texts
    assert killed == 18
    assert len(said) >= 6, "every fourth"
    assert set(said) <= set(arrived), "what it said it had, it had"
    assert len(arrived) == len(set(arrived)), "none twice"
    assert [t for t in arrived if t in said] == said


def test_drain_after_a_reboot(gateway: Gateway, push: Pusher) -> None:
    assert push("--drain").stdout == "Nothing waits.\n"
    gateway.goes()
    push.text("before the reboot", "--wait", "0")
    push.kill_drains()
    before = push.log
    with push.start("--drain", "--json") as process:
        until(lambda: push.log != before, "it has tried")
        other = push("--drain")
        assert "Another process delivers" in other.stdout
        gateway.comes()
        told = json.loads(process.communicate(timeout=60)[0])
    assert told == {"delivered": 1, "waiting": 0, "reason": None}
    gateway.has("before the reboot")


# -- hooks -----------------------------------------------------------------------------------------


def open_files(pid: int) -> set[str]:
    """At this moment; what it opens for each look at its spool may come and go.

    A build has itself open, to load the rest of it.
    """
    found = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(str(link.readlink()))
    return {file for file in found if not (BUILD and is_part_of_build(file))}


CLOSED = "exec 0<&- 1>&- 2>&- 3<&- 4<&- 5<&- 6<&- 7<&- 8<&- 9<&-; "


def test_a_hook_of_gammu_with_every_file_closed_returns_at_once(
    gateway: Gateway, push: Pusher
) -> None:
    gateway.goes()
    push.environ |= {
        "SMS_MESSAGES": "2",
        "DECODED_PARTS": "1",
        "PHONE_ID": "usb0",
        "SMS_1_NUMBER": SENDER,
        "SMS_1_TEXT": "first half, ",
        "SMS_2_TEXT": "second half",
        "DECODED_1_TEXT": "first half, second half",
    }
    line = " ".join([CLOSED, "exec", *push.words("--gammu", "17", "18")])
    done = subprocess.run(["/bin/sh", "-c", line], env=push.environment(), check=False, timeout=60)
    assert done.returncode == 0, "it waited for nobody: there is nobody"
    (pid,) = push.drains
    until(lambda: push.log, "it tries")
    own = {"/dev/null", str(push.spool / "drain.lock")}
    until(lambda: open_files(pid) <= own, lambda: f"nothing else is open: {open_files(pid)}")
    assert os.getsid(pid) == pid, "it belongs to nobody's session"
    gateway.comes()
    gateway.has("first half, second half")
    with gateway.service.looking() as db:
        ((event_id,),) = db.execute("SELECT event_id FROM messages").fetchall()
    assert event_id.startswith("gammu/usb0/17 18")
    empty(push)


def test_an_event_handler_of_smstools(gateway: Gateway, push: Pusher, tmp_path: Path) -> None:
    file = tmp_path / "GSM1.aBcDeF"
    file.write_bytes(
        b"From: 6581230000\nFrom_TOA: 91 international, ISDN/telephone\nSent: 26-06-12 14:31:58\n"
        b"Modem: GSM1\nAlphabet: UCS2\n\n" + "grüße 👋".encode("utf-16-be")
    )
    assert push("--smstools", "RECEIVED", str(file)).returncode == 0
    gateway.has("grüße 👋")
    assert push("--smstools", str(file), "RECEIVED").returncode == 0
    for event in ("SENT", "FAILED", "REPORT", "CALL"):
        done = push("--smstools", event, str(file), "12", "--json")
        assert (done.returncode, json.loads(done.stdout)) == (0, {"id": None, "state": "ignored"})
    empty(push)
    assert gateway.texts == ["grüße 👋"], "the same file is the same text"


def test_a_hook_that_knows_no_address_yet_keeps_the_text(
    gateway: Gateway, push: Pusher, tmp_path: Path
) -> None:
    url, token, push.url, push.token = push.url, push.token, "", ""
    config = tmp_path / "push.toml"
    push.environ = {
        "MMCONNECT_PUSH_CONFIG": str(config),
        "SMS_MESSAGES": "1",
        "SMS_1_NUMBER": SENDER,
        "SMS_1_TEXT": "early",
    }
    assert push("--gammu", "1").returncode == 0
    until(lambda: "does not exist" in push.log, lambda: push.log)
    config.write_text(f'url = "{url}"\ntoken = "{token}"\n')
    config.chmod(0o600)
    push("--drain")
    gateway.has("early")


# -- what answers ----------------------------------------------------------------------------------


def test_a_token_that_is_unknown_is_told_and_the_text_kept_until_it_is_mended(
    gateway: Gateway, push: Pusher, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("no-such-token\n")
    file.chmod(0o600)
    push.token = f"@{file}"
    done = push("--from", SENDER, "--text", "first")
    assert done.returncode == 0
    assert "401 unknown_token" in done.stderr
    assert "Kept in" in done.stdout
    assert "no-such-token" not in done.stderr + done.stdout + push.log
    until(lambda: len(push.drains) == 1, "somebody keeps on trying")
    file.write_text(gateway.token)
    push.text("second", "--wait", "60")
    gateway.has("first", "second")
    empty(push)


def test_what_waits_can_be_told_another_address_and_token(gateway: Gateway, push: Pusher) -> None:
    url, push.url, push.token = push.url, "http://127.0.0.1:9", "old"
    push.text("moved", "--wait", "0")
    told = push("--drain", "--url", f"{url}/in/{gateway.token}", "--token", gateway.token, "--json")
    assert told.returncode == 0
    gateway.has("moved")
    empty(push)


def test_a_text_that_is_too_large_holds_up_no_other(gateway: Gateway, push: Pusher) -> None:
    large = push("--from", SENDER, "--text", "-", "--json", given="x" * (11 * 2**20))
    assert large.returncode == 0
    assert json.loads(large.stdout)["reason"].startswith("it is refused: the answer was 413")
    push.text("small", "--wait", "60")
    gateway.has("small")
    until(lambda: len(push.waiting) == 1, lambda: f"{push.waiting}: {push.log}")
    assert "413" in push.log


class _Portal(BaseHTTPRequestHandler):
    answer = b"<html>Welcome to the hotel</html>"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.answer)))
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *args: object) -> None:
        """Says nothing."""


def test_what_is_not_mmconnect_has_nothing(push: Pusher) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Portal)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    push.url = f"http://127.0.0.1:{server.server_port}"
    told = push.text("hello")
    assert told["state"] == "spooled"
    assert "what answers there is not mmconnect" in told["reason"]
    server.shutdown()
    server.server_close()


def test_https_trusts_the_ca_that_it_was_told_and_no_other(
    gateway: Gateway, push: Pusher, tmp_path: Path
) -> None:
    authority(tmp_path)
    address = gateway.service.phone

    class Forwarding(_Portal):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            _, _, self.answer = ask(address, "POST", self.path, body, dict(self.headers))
            self.rfile = io.BytesIO(body)
            super().do_POST()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Forwarding)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    push.url = f"https://127.0.0.1:{server.server_port}"
    told = push.text("secret")
    assert (told["state"], gateway.texts) == ("spooled", [])
    assert "certificate is not trusted" in told["reason"]
    push("--drain", "--ca", str(tmp_path / "ca.pem"))
    gateway.has("secret")
    server.shutdown()
    server.server_close()


# -- a spool that cannot be written ----------------------------------------------------------------


def limited(push: Pusher, *words: str) -> subprocess.CompletedProcess[str]:
    """With a limit on files that is as a full disk."""
    line = " ".join(["ulimit -f 0; exec", *push.words(*words)])
    return subprocess.run(
        ["/bin/sh", "-c", line],
        env=push.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@writes_nothing
def test_what_cannot_be_spooled_is_delivered_straight(gateway: Gateway, push: Pusher) -> None:
    done = limited(push, "--from", SENDER, "--text", "now-or-never")
    assert (done.returncode, done.stderr) == (0, "")
    assert gateway.texts == ["now-or-never"]
    gateway.goes()
    done = limited(push, "--from", SENDER, "--text", "lost")
    assert done.returncode == 1
    assert done.stderr.startswith(f"mmconnect: The text could not be kept in {push.spool} (")
    assert done.stderr.endswith("nor delivered: no answer: Connection refused\n")
    assert push.waiting == []
    assert [path.name for path in push.spool.glob(".*")] == [], "nothing half written"


@pytest.mark.timeout(300)
@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system needs root")
def test_a_full_disk(gateway: Gateway, push: Pusher) -> None:
    push.spool.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "none", str(push.spool)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        gateway.goes()
        kept = [f"text {n}" for n in range(3)]
        for text in kept:
            assert push.text(text, "--wait", "0")["state"] == "spooled"
        (push.spool / "ballast").write_bytes(b"x" * 40_000)
        codes: list[int] = []
        while len(codes) < 40 and 1 not in codes:
            kept.append(f"more {len(codes)}" + "x" * 3000)
            codes.append(push("--from", SENDER, "--text", kept[-1], "--wait", "0").returncode)
        assert codes[-1] == 1, "the disk is full"
        kept.pop()
        assert len(push.waiting) == len(kept)
        gateway.comes()
        push.text("straight", "--wait", "60")
        push("--drain")  # or whoever delivers tries at once
        until(lambda: not push.waiting, lambda: push.log)
        assert set(gateway.texts) == {*kept, "straight"}
        assert [t for t in gateway.texts if t != "straight"] == kept
    finally:
        push.kill_drains()
        subprocess.run(["umount", str(push.spool)], check=True)


# -- the command -----------------------------------------------------------------------------------


def test_it_loads_little() -> None:
    code = (
        "import sys; from mmconnect.cli import main\n"
        "code = main(['push', '--gammu', '--spool', sys.argv[1]])\n"
        "slow = {'aiohttp', 'asyncio', 'sqlite3', 'jinja2', 'ssl', 'http.client', 'phonenumbers'}\n"
        "assert code == 2; print(sorted(slow & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "/nonexistent/spool"],
        env={"PYTHONPATH": str(ROOT), "HOME": "/"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--from", SENDER], "--from and --text are needed"),
        (["--from", " ", "--text", "x"], "--from is empty"),
        (["--from", SENDER, "--text", "x", "stray"], "'stray' is not understood"),
        (["--from", SENDER, "--text", "x", "--time", "soon"], "--time 'soon'"),
        (["--from", SENDER, "--text", "x", "--wait", "ever"], "--wait 'ever'"),
        (["--from", SENDER, "--text", "x", "--url", "ftp://h/"], "http:// or https://"),
        (["--from", SENDER, "--text", "x", "--url", "http://u:p@h/"], "to have no user"),
        (["--from", SENDER, "--text", "x", "--token", "@/nonexistent"], "cannot be read"),
        (["--from", SENDER, "--text", "x", "--config", "/nonexistent"], "does not exist"),
        (["--from", SENDER, "--text", "@/nonexistent"], "cannot be read"),
        (["--gammu"], "RunOnReceive of Gammu SMSD"),
        (["--smstools", "RECEIVED"], "eventhandler of SMS Server Tools 3"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(tmp_path: Path, words: list[str], says: str) -> None:
    push = Pusher(tmp_path / "spool", "http://127.0.0.1:9", "t")
    done = push(*words)
    assert done.returncode == 2, done
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert not push.spool.exists()


def test_an_argument_that_is_no_utf_8_is_still_a_text(gateway: Gateway, push: Pusher) -> None:
    words: list[bytes | str] = [*push.words("--from", SENDER, "--text"), b"caf\xe9"]
    done = subprocess.run(words, env=push.environment(), check=False, capture_output=True)
    assert done.returncode == 0, done
    gateway.has("caf\ufffd")


def test_a_file_that_everybody_can_read_is_warned_about(push: Pusher, tmp_path: Path) -> None:
    config = tmp_path / "push.toml"
    config.write_text("")
    config.chmod(0o644)
    done = push("--from", SENDER, "--text", "x", "--config", str(config))
    assert f"everybody can read {config}" in done.stderr
    for path in (push.spool, *push.spool.iterdir()):
        assert path.stat().st_mode & 0o077 == 0, path


def test_nobody_answers_at_all(push: Pusher) -> None:
    """Connected to, and silent: the call ends when it said it would."""
    push.program = "mmconnect"
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        push.url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        took = list[float]()
        while len(took) < 3 and min(took, default=60.0) >= 8:  # a busy machine is no proof
            begun = time.monotonic()
            assert push.text("hello")["state"] == "spooled"
            took.append(time.monotonic() - begun)
    assert min(took) < 8


@pytest.mark.parametrize("there", ["a link to nowhere", "a link to a directory", "a file"])
def test_a_spool_that_somebody_else_prepared_is_refused(there: str, tmp_path: Path) -> None:
    uid = 1_000_000_000 + os.getpid()  # nobody's
    path = Path(f"/var/tmp/mmconnect-push-{uid}")
    match there:
        case "a file":
            path.touch()
        case "a link to nowhere":
            path.symlink_to(tmp_path / "nothing")
        case _:
            path.symlink_to(tmp_path)
    try:
        with pytest.raises(Refused, match="belongs to somebody else"):
            default_path({"HOME": "/"}, uid)
    finally:
        path.unlink()


def test_the_spool_of_who_has_no_home_is_made_for_its_owner_alone() -> None:
    path = Path(f"/var/tmp/mmconnect-push-{1_000_000_000 + os.getpid()}")
    uid, made_by = int(path.name.rpartition("-")[2]), os.geteuid()
    try:
        with pytest.raises(Refused):  # it is made by another user than it is for
            default_path({"HOME": "/"}, uid)
        found = path.stat()
        assert (found.st_mode & 0o777, found.st_uid) == (0o700, made_by)
    finally:
        path.rmdir()


def test_what_a_stranger_answers_steers_no_terminal_and_forges_no_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_answer_oddly, args=(listening,))
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        line = Line(parse(url, "a-token", None))
        result = line.push(Sms(id="1", sender="+1555", text="hi", time=1), 60.0)
        thread.join()
    assert result.what is What.AWAY
    assert "evil" in result.reason
    assert result.reason.isprintable()


def _answer_oddly(listening: socket.socket) -> None:
    client, _ = listening.accept()
    with client:
        got = b""
        while not got.endswith(b"}"):  # whoever leaves before the end may not be heard
            got += client.recv(65536)
        client.sendall(b"HTTP/1.1 \x1b[2Jevil\r\n\r\n")
