"""Simulated senders without an app of their own kind: macros, flows, a script, Kannel's smsbox.

Each does what its guide lets people build. Those that do not try again say so by what `receive`
returns: the status, or None when nobody answered.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from tests.support.forwarders import post_once


class MacroDroidPhone:
    """Raw mode: the sender in a header, the text as the body, and no time."""

    def __init__(self, url: str) -> None:
        self.url = url

    def receive(self, sender: str, text: str) -> int | None:
        headers = {"X-SMS-From": sender, "Content-Type": "text/plain"}
        return post_once(self.url, headers, text.encode())


class GuidedShortcut:
    """An automation of iOS Shortcuts as the guide has it: sender and text, nothing else."""

    def __init__(self, url: str) -> None:
        self.url = url

    def receive(self, sender: str, text: str) -> int | None:
        body = json.dumps({"from": sender, "text": text}).encode()
        return post_once(self.url, {"Content-Type": "application/json"}, body)


class AutomatePhone:
    """A flow: JSON with the SMSC's time. `loops`: its fail exit leads to a delay and back."""

    def __init__(self, url: str, *, loops: bool = False, delay: float = 0.1) -> None:
        self.url, self.loops = url, loops
        self._queue = Retrying(self.push, delay)

    def receive(self, sender: str, text: str) -> int | None:
        value = {"from": sender, "text": text, "sentAt": int(time.time())}
        body = json.dumps(value).encode()
        if not self.loops:
            return 200 if self.push(body) else None
        self._queue.add(body)
        return None

    def push(self, body: bytes) -> bool:
        return post_once(self.url, {"Content-Type": "application/json"}, body) == 200

    def stop(self) -> None:
        """The flow is stopped: what it was trying is forgotten."""
        self._queue.stop()


class Smsbox:
    """Kannel's `post-url` with `http-request-retry`: it keeps trying while it runs."""

    def __init__(self, url: str, *, delay: float = 0.1) -> None:
        self.url = url
        self.replies: list[bytes] = []
        """What it was answered: it would send that to the sender as an SMS."""
        self._queue = Retrying(self._push, delay)

    def receive(self, sender: str, text: str) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
        self._queue.add(json.dumps([sender, text, now]).encode())

    def _push(self, kept: bytes) -> bool:
        sender, text, now = json.loads(kept)
        headers = {
            "Content-Type": 'text/plain; charset="UTF-8"',
            "X-Kannel-From": sender,
            "X-Kannel-To": "+15550199",
            "X-Kannel-Time": now,
            "X-Kannel-Coding": "0",
        }
        status = post_once(self.url, headers, text.encode(), self.replies)
        return status is not None and 200 <= status < 300

    def stop(self) -> None:
        """What it still holds is gone."""
        self._queue.stop()


class Retrying:
    """Tries each body until it has been taken, oldest first, on a thread of its own."""

    def __init__(self, push: Callable[[bytes], bool], delay: float) -> None:
        self._push, self._delay = push, delay
        self._waiting: deque[bytes] = deque()
        self._lock = threading.Lock()
        self._generation = 0
        self._running = False

    def add(self, body: bytes) -> None:
        with self._lock:
            self._waiting.append(body)
            if not self._running:
                self._running = True
                threading.Thread(target=self._work, args=(self._generation,), daemon=True).start()

    def stop(self) -> None:
        with self._lock:
            self._generation += 1
            self._running = False
            self._waiting.clear()

    def _work(self, generation: int) -> None:
        while True:
            with self._lock:
                if generation != self._generation:
                    return
                if not self._waiting:
                    self._running = False
                    return
                body = self._waiting[0]
            taken = self._push(body)
            with self._lock:
                if generation != self._generation:
                    return
                if taken:
                    with suppress(IndexError):
                        self._waiting.popleft()
                    continue
            time.sleep(self._delay)
