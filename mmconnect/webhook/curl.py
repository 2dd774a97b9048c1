"""An attempt's request as a curl command that sends the same bytes once more.

Pure. Made for a person who pastes it into bash or zsh: every word is quoted so that the shell does
nothing with it, whatever a text holds, and characters that a terminal would not show are written
out. Values that are not kept (MASKED) become placeholders that name the header.
"""

from __future__ import annotations

from mmconnect.webhook.as_sent import Request
from mmconnect.webhook.headers import MASKED

_OWN_WORK = frozenset({"host", "content-length"})
"""Headers that curl makes by itself, from the URL and the body."""


def command(request: Request) -> str:
    """The command, several lines that make one."""
    words = [f"curl --silent --show-error --include --globoff {quoted(request.url)}"]
    words += [
        f"--header {quoted(f'{name}: {placeholder(name) if value == MASKED else value}')}"
        for name, value in request.headers
        if name.lower() not in _OWN_WORK
    ]
    words.append("--header 'Accept:'")  # one that curl would add
    words.append(f"--data-raw {quoted(request.body)}")
    return " \\\n  ".join(words)


def placeholder(name: str) -> str:
    """What stands for the value of a header of the owner's own."""
    return f"VALUE-OF-{name.upper()}"


def quoted(word: str | bytes) -> str:
    """A word for bash and zsh that stands for just these characters, or bytes."""
    data = word.encode() if isinstance(word, str) else word
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = ""
    if text.isprintable() and (text or not data):
        return "'" + text.replace("'", "'\\''") + "'"
    shown = data.decode("utf-8", "surrogateescape")
    return "$'" + "".join(_escaped(character) for character in shown) + "'"


def _escaped(character: str) -> str:
    """One character within $'…'."""
    if character in "\\'":
        return "\\" + character
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))
