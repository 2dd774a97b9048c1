"""Our own sentences as HTML: escaped, then what is marked in them looks like what it is."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

_CODE = re.compile(r"(`[^`]+`)")


def with_code(text: str) -> Markup:
    """What is between backticks is a command or a name, and looks like one."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 (escaped)


def prose(text: str) -> Markup:
    """The same, with `*words of a screen*` and `**stressed words**` beside code."""
    parts = []
    for part in _CODE.split(text):
        if _CODE.fullmatch(part):
            parts.append(f"<code>{escape(part[1:-1])}</code>")
            continue
        words = re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", str(escape(part)))
        parts.append(re.sub(r"\*([^*]+)\*", r"<em>\1</em>", words))
    return Markup("".join(parts))  # noqa: S704 (escaped)
