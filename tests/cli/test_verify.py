"""`mmconnect verify`: what it prints, and the exit code that scripts go by."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from mmconnect.cli import main
from mmconnect.webhook import signing
from tests.support.program import PROGRAM

SECRET = "whsec_bW1jb25uZWN0LWdvbGRlbi1zZWNyZXQtMzItYnl0ZXM="
PREVIOUS = "whsec_bW1jb25uZWN0LWVhcmxpZXItc2VjcmV0LTMyYnl0ZXM="
ID, AT = "msg_01JD0000000000000000000001", 1_781_274_720
BODY = f'{{"event":"message.received","id":"{ID}","text":"Grüße"}}'.encode()


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A request as somebody keeps it: body, headers and secret in files."""
    headers = signing.signature_headers([SECRET, PREVIOUS], ID, AT, BODY)
    lines = ["POST /hook HTTP/1.1", "Host: crm.local", *(f"{k}: {v}" for k, v in headers.items())]
    (tmp_path / "body.json").write_bytes(BODY)
    (tmp_path / "headers.txt").write_text("\r\n".join([*lines, "", "not a header"]))
    (tmp_path / "secret").write_text(SECRET + "\n")
    return tmp_path


def verify(kept: Path, *more: str, secret: str = SECRET) -> int:
    body, headers = f"{kept}/body.json", f"@{kept}/headers.txt"
    return main(["verify", "--secret", secret, "--body", body, "--header", headers, *more])


def test_a_genuine_request(kept: Path, capsys: pytest.CaptureFixture[str]):
    assert verify(kept, "--at", str(AT + 5)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("The request is genuine: webhook-signature")
    rows = [line.split(None, 1) for line in lines if line.startswith("  ")]
    assert [row[1].split()[0] for row in rows] == ["matches", "matches", "matches", "does"]


@pytest.mark.parametrize(
    ("secret", "at", "code", "words"),
    [
        (SECRET, AT + 300, 0, "genuine"),
        (PREVIOUS, AT, 0, "Put the endpoint's new secret in"),
        (SECRET, AT + 301, 1, "5 min 1 s behind"),
        ("whsec_" + "b3RoZXIg" * 5, AT, 1, "a different secret signed it"),
        (SECRET[6:], AT, 1, "lacks its `whsec_`"),
    ],
)
def test_the_exit_code_says_whether_a_receiver_accepts_it(
    kept: Path, capsys: pytest.CaptureFixture[str], secret: str, at: int, code: int, words: str
):
    assert verify(kept, "--at", str(at), secret=secret) == code
    assert words in capsys.readouterr().out


def test_without_a_time_it_is_checked_as_if_it_came_now(
    kept: Path, capsys: pytest.CaptureFixture[str]
):
    assert verify(kept) == 1
    assert "--at" in capsys.readouterr().out


def test_a_secret_from_a_file_and_headers_one_by_one(
    kept: Path, capsys: pytest.CaptureFixture[str]
):
    plain = f"x-mac-signature:sha256={signing.plain_signature(SECRET, BODY)}"
    words = ["verify", f"--secret=@{kept}/secret", f"--body={kept}/body.json", "--header", plain]
    assert main(words) == 0
    assert "X-MAC-Signature matches" in capsys.readouterr().out


def test_which_of_several_secrets_fits(kept: Path, capsys: pytest.CaptureFixture[str]):
    assert verify(kept, "--at", str(AT), "--secret", PREVIOUS) == 0
    out = capsys.readouterr().out
    assert "matches with secret 1 of 2" in out
    assert "matches with secret 2 of 2; the secret is the endpoint's previous one" in out


def test_json_is_one_document_and_nothing_else(kept: Path, capsys: pytest.CaptureFixture[str]):
    assert verify(kept, "--at", str(AT), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is True
    assert found["behind"] == 0
    assert found["findings"][0] == {
        "header": "webhook-signature",
        "reason": "matches",
        "detail": "Matches",
        "remedy": None,
        "secret": 0,
    }
    assert main(
        ["--json", *"verify --secret".split(), "x" * 16, "--body=/dev/null", "--header=a:b"]
    )
    assert json.loads(capsys.readouterr().out)["ok"] is False


@pytest.mark.program
def test_the_body_from_standard_input(kept: Path):
    words = ["verify", "--secret", SECRET, "--body", "-", "--at", str(AT)]
    done = subprocess.run(
        [*PROGRAM, *words, "--header", f"@{kept}/headers.txt"],
        input=BODY,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done
    done = subprocess.run(
        [*PROGRAM, *words, "--header", f"@{kept}/headers.txt"],
        input=BODY + b"\n",
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert b"a line end was added at its end" in done.stdout


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--secret", "-", "--body", "-", "--header", "a: b"], "only one of --secret and --body"),
        (["--secret", "x", "--body", "/nowhere", "--header", "a: b"], "/nowhere"),
        (["--secret", "@/nowhere", "--body", "/dev/null", "--header", "a: b"], "/nowhere"),
        (["--secret", "x", "--body", "/dev/null", "--header", "nonsense"], "is not a header"),
        (["--secret", "x", "--body", "/dev/null", "--header", "@/nowhere"], "/nowhere"),
    ],
)
def test_what_was_not_understood_is_exit_2(
    words: list[str], error: str, capsys: pytest.CaptureFixture[str]
):
    assert main(["verify", *words]) == 2
    assert error in capsys.readouterr().err


@pytest.mark.parametrize("at", ["now", "-1", "1781274720000", "1.5", "²"])
def test_a_time_that_is_not_unix_seconds_is_refused(
    kept: Path, at: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as left:
        verify(kept, f"--at={at}")
    assert left.value.code == 2
    assert "Unix seconds" in capsys.readouterr().err
