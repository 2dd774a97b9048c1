"""What verifies a signature, in the language of whoever writes the receiver: whole files.

The same files stand in docs/webhook-reference.md, where the tests run them as printed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from mmconnect import paths


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """One way to write a receiver."""

    key: str
    label: str
    files: tuple[str, ...]
    run: str
    """How it is started; `{port}` is where it listens."""
    note: str = ""


LANGUAGES = (
    Language(
        key="python",
        label="Python",
        files=("receive.py",),
        run="WEBHOOK_SECRET=whsec_… PORT={port} python3 receive.py",
        note="Needs nothing but Python itself.",
    ),
    Language(
        key="node",
        label="Node",
        files=("receive.mjs",),
        run="WEBHOOK_SECRET=whsec_… PORT={port} node receive.mjs",
        note='In Express, take the body with `express.raw({ type: "application/json" })` on this'
        " route, before any `express.json()`.",
    ),
    Language(
        key="php",
        label="PHP",
        files=("verify.php", "receive.php"),
        run="WEBHOOK_SECRET=whsec_… php -S 0.0.0.0:{port} receive.php",
    ),
    Language(
        key="go",
        label="Go",
        files=("receive.go",),
        run="WEBHOOK_SECRET=whsec_… PORT={port} go run receive.go",
    ),
    Language(
        key="ruby",
        label="Ruby",
        files=("config.ru",),
        run="WEBHOOK_SECRET=whsec_… rackup --host 0.0.0.0 --port {port}",
        note="For Rack, so for Rails and Sinatra as well.",
    ),
    Language(
        key="shell",
        label="openssl",
        files=("verify.sh",),
        run="sh verify.sh SECRET-FILE HEADERS-FILE BODY-FILE",
        note="Checks one request that you have kept: to find out why a signature does not match."
        " `mmconnect verify` does the same, and says why.",
    ),
)


def language(key: str | None) -> Language:
    """The one with that key, or the first."""
    return next((one for one in LANGUAGES if one.key == key), LANGUAGES[0])


@lru_cache(maxsize=16)
def code(name: str) -> str:
    """The text of one file."""
    return (paths.resource_root() / "templates" / "snippets" / name).read_text(encoding="utf-8")
