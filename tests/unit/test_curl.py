"""An attempt as a curl command: what a real shell makes of its words, whatever they hold."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from mmconnect.webhook import curl
from mmconnect.webhook.as_sent import Request
from mmconnect.webhook.headers import MASKED

WORDS = [
    "plain",
    "",
    "it's \"quoted\" and 'again'",
    "$HOME `id` $(id) !! \\ \\n %s #no & | ; * ? [a] {b,c} ~",
    "@file",
    "héllo \U0001f600 你好 עברית",
    "two\nlines\tand a tab\r",
    "\x1b[31mred\x07 \x7f \x9b",
    "\u202eright to left\u2066, \u200bnothing, \ufeff",
    "' \\' $'\\x41' \x01'",
    "-d @/etc/passwd",
]
SHELLS = [shell for shell in ("bash", "zsh") if shutil.which(shell)]


def made_of(shell: str, words: str) -> bytes:
    """What a shell passes on."""
    script = f"printf '%s\\0' {words}"
    done = subprocess.run([shell, "-c", script], capture_output=True, check=True, timeout=60)
    return done.stdout.removesuffix(b"\0")


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("word", WORDS)
def test_a_shell_does_nothing_with_a_word(shell: str, word: str):
    assert made_of(shell, curl.quoted(word)) == word.encode()


@pytest.mark.parametrize("shell", SHELLS)
def test_bytes_that_are_no_text_come_through_too(shell: str):
    data = bytes(range(1, 256))
    assert made_of(shell, curl.quoted(data)) == data


def test_the_command_can_be_read_on_a_screen():
    for word in WORDS:
        assert curl.quoted(word).isprintable()


def test_what_curl_makes_itself_is_left_out_and_what_is_not_kept_is_named():
    request = Request(
        url="http://[::1]:80/a?b={c}",
        headers=(
            ("Host", "[::1]"),
            ("Content-Length", "2"),
            ("webhook-id", "msg_1"),
            ("X-Api-Key", MASKED),
        ),
        body=b"{}",
    )
    assert curl.command(request).splitlines() == [
        "curl --silent --show-error --include --globoff 'http://[::1]:80/a?b={c}' \\",
        "  --header 'webhook-id: msg_1' \\",
        "  --header 'X-Api-Key: VALUE-OF-X-API-KEY' \\",
        "  --header 'Accept:' \\",
        "  --data-raw '{}'",
    ]
