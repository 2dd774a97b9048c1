"""What is shipped around the program: the smoke test of builds, and the Containerfile's words.

Guards against a smoke test that would call a broken build good, and against a container that is
said to be healthy, or not to be, by a command that asks the wrong port.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mmconnect import config
from mmconnect.webhook import signing
from scripts import smoke
from tests.support.program import starts_none
from tests.support.service import Service

ROOT = Path(__file__).parents[2]
CONTAINERFILE = (ROOT / "Containerfile").read_text(encoding="utf-8")
DEFAULTS = {option.name: option.default or "" for option in config.OPTIONS}


def tried(*program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts.smoke", *program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


@starts_none
@pytest.mark.timeout(300)
def test_the_smoke_test_calls_a_program_good_that_is(tmp_path: Path):
    program = tmp_path / "mmconnect"
    program.write_text(f'#!/bin/sh\ncd {ROOT} && exec {sys.executable} -m mmconnect "$@"\n')
    program.chmod(0o755)
    done = tried(str(program))
    assert done.returncode == 0, done.stderr
    assert "both signatures are right" in done.stdout


@starts_none
def test_the_smoke_test_says_what_ended_and_why(tmp_path: Path):
    program = tmp_path / "mmconnect"
    program.write_text("#!/bin/sh\necho 'GLIBC_2.35 not found' >&2\nexit 1\n")
    program.chmod(0o755)
    done = tried(str(program))
    assert done.returncode == 1
    assert "GLIBC_2.35 not found" in done.stderr


@starts_none
@pytest.mark.parametrize("answer", ["{}", "no JSON"])
def test_the_smoke_test_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str
):
    program, pid = tmp_path / "mmconnect", tmp_path / "pid"
    program.write_text(
        f"#!/bin/sh\ncase $* in *version*) echo '{answer}'; exit ;; esac\n"
        f"echo $$ >{pid}\ntrap '' TERM\nexec sleep 600\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(smoke, "PATIENCE", 2.0)
    monkeypatch.setattr(sys, "argv", ["smoke", str(program)])
    assert smoke.main() == 1
    told = capsys.readouterr().err
    if answer == "{}":
        assert "FAILED: it has not ended 2 s after SIGTERM" in told
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid.read_text()), 0)
    else:
        assert told.startswith("FAILED: ")
        assert not pid.exists()


SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"text":"balance"}'


def arrival(secret: str = SECRET, plain_secret: str = SECRET) -> smoke.Arrived:
    """A webhook as mmconnect signs it."""
    key = signing.standard_key(secret)
    assert key is not None
    headers = {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": "1781274720",
        "Webhook-Signature": signing.standard_signature(key, "msg_1", 1781274720, BODY),
        signing.SIGNATURE: signing.plain_signature(plain_secret, BODY),
    }
    return headers, BODY


@starts_none
def test_right_signatures_are_right():
    smoke.check_signatures(arrival(), SECRET)


@starts_none
@pytest.mark.parametrize("which", ["secret", "plain_secret"])
def test_a_signature_by_another_secret_is_wrong(which: str):
    with pytest.raises(smoke.Broken, match="is wrong"):
        smoke.check_signatures(arrival(**{which: signing.new_secret()}), SECRET)


@starts_none
def test_a_body_that_was_changed_has_a_wrong_signature():
    headers, body = arrival()
    with pytest.raises(smoke.Broken, match="webhook-signature is wrong"):
        smoke.check_signatures((headers, body.replace(b"balance", b"Balance")), SECRET)


def healthcheck(port: int) -> int:
    """The exit code of the container's own command, for a service on another port."""
    found = re.search(r"^HEALTHCHECK .*? CMD (\[.*\])$", CONTAINERFILE, re.MULTILINE)
    assert found is not None
    default = DEFAULTS["phone_listen"].rpartition(":")[2]
    *words, script = json.loads(found[1])
    assert f"/127.0.0.1/{default} " in script
    script = script.replace(f"/{default} ", f"/{port} ")
    return subprocess.run([*words, script], capture_output=True, check=False).returncode


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_a_container_is_healthy_while_phones_can_push(tmp_path: Path):
    service = Service(tmp_path / "data")
    service.start()
    try:
        _, port = service.phone
        assert healthcheck(port) == 0
    finally:
        service.stop()
    assert healthcheck(port) != 0


@starts_none
def test_the_ports_of_the_container_are_those_of_the_service():
    shown = re.findall(r"^EXPOSE (.*)$", CONTAINERFILE, re.MULTILINE)
    listens = [value for name, value in DEFAULTS.items() if name.endswith("_listen")]
    assert sorted(shown[0].split()) == sorted(v.rpartition(":")[2] for v in listens)


@starts_none
@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_a_32_bit_system_is_told_so_before_anything_is_fetched(tmp_path: Path):
    getconf = tmp_path / "getconf"
    getconf.write_text("#!/bin/sh\necho 32\n")
    getconf.chmod(0o755)
    done = subprocess.run(
        ["make", "build", f"BUILD_VENV={tmp_path}/environment"],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "There is no build for 32-bit systems" in done.stdout
    assert not (tmp_path / "environment").exists()
