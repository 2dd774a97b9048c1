"""What a disk may hold after the power was cut, at any moment of a run that was recorded by strace.

Of each file what was written before the last fsync that had begun after it is on the disk; of what
came later, any of it may be, in any order, and the sectors of one write may be old or new. Names of
files are taken as the disk's at once, as SQLite syncs the directory. An answer that went out is a
promise: `acknowledged` tells which messages had been promised at a moment.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from pathlib import Path

CALLS = "pwrite64,write,writev,sendto,sendmsg,ftruncate,fsync,fdatasync,unlink,unlinkat,rename"
STRACE = ["strace", "-f", "-qq", "-y", "-xx", "-s", "1048576", "-e", f"trace={CALLS}"]
SECTORS = (512, 4096)
_LINE = re.compile(r"(?P<pid>\d+) +(?P<rest>.*)", re.DOTALL)
_RESUMED = re.compile(r"<\.\.\. (?P<call>\w+) resumed>(?P<rest>.*)", re.DOTALL)
_CALL = re.compile(r"(?P<call>\w+)\((?P<args>.*)\) += (?P<result>-?\d+)", re.DOTALL)
_FD = re.compile(r"\d+<(?P<path>[^>]*)>")
_BYTES = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_ANSWER = re.compile(rb'"ok":true,"id":"(msg_\w+)"')


@dataclass(slots=True, kw_only=True)
class Event:
    """Something that was done; `begun` and `done` are places in the record."""

    call: str
    begun: int
    done: int
    path: str = ""
    data: bytes = b""
    at: int = 0
    """Where in the file; of a truncation, what is left."""
    ids: tuple[str, ...] = ()
    """The messages that it acknowledges."""


def read(log: Path, directory: Path) -> list[Event]:
    """The record as events, of files in `directory` and of answers, in the order of their ends."""
    events: list[Event] = []
    open_calls: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(log.read_text(encoding="ascii").splitlines()):
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        pid, rest = match["pid"], match["rest"]
        if rest.endswith("<unfinished ...>"):
            open_calls[pid] = (number, rest.removesuffix("<unfinished ...>"))
            continue
        begun = number
        if resumed := _RESUMED.fullmatch(rest):
            if pid not in open_calls:
                continue
            begun, first = open_calls.pop(pid)
            rest = first.rstrip() + resumed["rest"]
        if (call := _CALL.match(rest)) and int(call["result"]) >= 0:
            event = _event(call, begun, number, directory)
            if event is not None:
                events.append(event)
    return events


def _event(call: re.Match[str], begun: int, done: int, directory: Path) -> Event | None:
    name, args = call["call"], call["args"]
    if name in ("unlink", "unlinkat", "rename"):
        return None
    fd = _FD.match(args)
    if fd is None:
        return None
    path = fd["path"]
    if "\\x" in path:
        path = bytes.fromhex(path.replace("\\x", "")).decode()
    data = b"".join(bytes.fromhex(one.replace("\\x", "")) for one in _BYTES.findall(args))
    if not path.startswith(f"{directory}/"):
        ids = tuple(found.decode() for found in _ANSWER.findall(data))
        return Event(call="answer", begun=begun, done=done, ids=ids) if ids else None
    made = Event(call=name, begun=begun, done=done, path=path, data=data)
    last = args.rpartition(",")[2].strip()
    if name in ("pwrite64", "ftruncate"):
        made.at = int(last)
        made.data = data[: int(call["result"])] if name == "pwrite64" else b""
    elif name not in ("fsync", "fdatasync"):
        return None  # the lock file: nothing that has to last
    return made


@dataclass(slots=True)
class _File:
    durable: bytearray = field(default_factory=bytearray)
    pending: list[Event] = field(default_factory=list)


@dataclass(slots=True)
class Disk:
    """Plays the record up to a moment; files as they may be found then."""

    files: dict[str, _File] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)

    @classmethod
    def holding(cls, files: dict[str, bytes]) -> Disk:
        """As it was before the record began."""
        return cls({path: _File(bytearray(content)) for path, content in files.items()})

    def play(self, event: Event) -> None:
        """One more of the record's events has come to its end."""
        if event.call == "answer":
            self.acknowledged.update(event.ids)
            return
        file = self.files.setdefault(event.path, _File())
        if event.call in ("fsync", "fdatasync"):
            for one in [one for one in file.pending if one.done < event.begun]:
                _write(file.durable, one)
            file.pending = [one for one in file.pending if one.done >= event.begun]
        else:
            file.pending.append(event)

    def snapshot(self) -> dict[str, bytes]:
        """All that was written, as a copy taken at that moment has it."""
        return {path: self._after(file, file.pending) for path, file in self.files.items()}

    def cut(self, chance: random.Random) -> dict[str, bytes]:
        """What is found when the power was cut: of the unsynced, some, in some order, some torn."""
        found = {}
        for path, file in self.files.items():
            share = chance.choice((0.0, 0.3, 0.7, 1.0))
            sector = chance.choice(SECTORS)
            kept = [one for one in file.pending if chance.random() < share]
            if chance.random() < 0.5:
                chance.shuffle(kept)
            torn = [piece for one in kept for piece in _torn(one, sector, chance)]
            found[path] = self._after(file, torn)
        return found

    @staticmethod
    def _after(file: _File, events: list[Event]) -> bytes:
        content = bytearray(file.durable)
        for event in events:
            _write(content, event)
        return bytes(content)


def _write(content: bytearray, event: Event) -> None:
    if event.call == "ftruncate":
        del content[event.at :]
        content.extend(bytes(event.at - len(content)))
        return
    end = event.at + len(event.data)
    if len(content) < event.at:
        content.extend(bytes(event.at - len(content)))
    content[event.at : end] = event.data


def _torn(event: Event, sector: int, chance: random.Random) -> list[Event]:
    """The write whole, or some of the sectors that it touches."""
    if event.call == "ftruncate" or chance.random() < 0.5:
        return [event]
    pieces, begin = [], event.at
    while begin < event.at + len(event.data):
        end = min((begin // sector + 1) * sector, event.at + len(event.data))
        if chance.random() < 0.5:
            data = event.data[begin - event.at : end - event.at]
            pieces.append(
                Event(call="pwrite64", begun=event.begun, done=event.done, data=data, at=begin)
            )
        begin = end
    return pieces
