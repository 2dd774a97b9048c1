"""Log lines, as text for people or JSON for collectors. Never a secret, a token or a text.

A JSON line has the sentence of the text format and, beside it, the facts it was made of. In
systemd's journal each line begins with its priority, and has no time: the journal writes its own.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime

from mmconnect.domain.facts import FACTS

_PRIORITIES = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
    (logging.DEBUG, 7),
)
"""From which level on which of syslog's priorities (sd-daemon(3))."""


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, FACTS, {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class _Journal(logging.Formatter):
    """Puts `<4>` before each line of what another formatter makes: the journal takes it off."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        priority = next((p for level, p in _PRIORITIES if record.levelno >= level), 7)
        # at nothing else the journal begins a line
        lines = self._inner.format(record).rstrip("\n").split("\n")
        return "\n".join(f"<{priority}>{line}" for line in lines)


def set_up(form: str, level: str, stream: str | None = None) -> bool:
    """Send log lines to standard error; whether that is systemd's journal.

    `form` is text or json. `stream` is $JOURNAL_STREAM.
    """
    journal = _is_journal(stream)
    handler = logging.StreamHandler(sys.stderr)
    formatter: logging.Formatter = _Json()
    if form != "json":
        shown = "%(message)s" if journal else "%(asctime)s %(levelname)-7s %(message)s"
        formatter = logging.Formatter(shown)
    handler.setFormatter(_Journal(formatter) if journal else formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    return journal


def _is_journal(stream: str | None) -> bool:
    """Whether standard error is the stream that $JOURNAL_STREAM names, as DEVICE:INODE.

    It may have been sent elsewhere since, and the variable is handed down to children.
    """
    if not stream:
        return False
    try:
        here = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):  # closed, or no file at all
        return False
    return stream == f"{here.st_dev}:{here.st_ino}"
