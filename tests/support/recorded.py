"""What a process did to the files of a folder, and what it promised meanwhile: read off a record
that strace made.

`STRACE` before a command, or `[*ATTACHED, "-p", PID]` beside a process, with `-o FILE`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

WRITES = "pwrite64,write,writev,sendto,sendmsg,sendfile,copy_file_range,ftruncate,fsync,fdatasync"
NAMES = "openat,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat"
ATTACHED = [*"strace -f -qq -y -xx -s 1048576 -e".split(), f"trace={WRITES},{NAMES}"]
STRACE = [*ATTACHED, "--seccomp-bpf"]
_LINE = re.compile(r"(?P<pid>\d+) +(?P<rest>.*)", re.DOTALL)
_RESUMED = re.compile(r"<\.\.\. (?P<call>\w+) resumed>(?P<rest>.*)", re.DOTALL)
_CALL = re.compile(
    r"(?P<call>\w+)\((?P<args>.*)\) += (?P<result>-?\d+)(?:<(?P<opened>[^>]*)>)?", re.DOTALL
)
_FD = re.compile(r"(?P<fd>\d+)<(?P<path>[^>]*)>(?P<gone>\(deleted\))?")
_BYTES = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_NAME = re.compile(r'(?:<([^>]*)>, )?"((?:\\x[0-9a-f]{2})*)"')
_ANSWER = re.compile(rb'"ok":true,"id":"(msg_\w+)"')


@dataclass(slots=True, kw_only=True)
class Event:
    """Something that was done; `begun` and `done` are places in the record."""

    call: str
    """write, ftruncate, fsync, create, link, rename, unlink, mkdir; answer and said: a promise."""
    begun: int
    done: int
    path: str = ""
    to: str = ""
    """The other name."""
    data: bytes = b""
    at: int | None = None
    """Where in the file (None: behind what was written last); of a truncation, what is left."""
    ids: tuple[str, ...] = ()
    """The messages that it acknowledges."""


def read(log: Path, folder: Path) -> list[Event]:
    """The record as events, of files below `folder` and of promises, in the order of their ends."""
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
            event = _named(call) if call["call"] in NAMES.split(",") else _written(call, folder)
            if event is not None and (not event.path or _below(event.path, folder)):
                event.begun, event.done = begun, number
                events.append(event)
    return events


def _below(path: str, folder: Path) -> bool:
    return path == str(folder) or path.startswith(f"{folder}/")


def _named(call: re.Match[str]) -> Event | None:
    """What changed which files there are, and under which names."""
    name, args = call["call"], call["args"]
    # the folder stands before a name that is not absolute
    named = [os.path.join(_path(at), _path(one)) for at, one in _NAME.findall(args)]  # noqa: PTH118
    made = Event(call=name.removesuffix("2").removesuffix("at"), begun=0, done=0, path=named[0])
    match made.call:
        case "open":
            if "O_CREAT" not in args or call["opened"] is None:
                return None
            made.call, made.path = "create", _path(call["opened"])
            made.at = 0 if "O_TRUNC" in args else None
        case "rename" | "link":
            made.to = named[1]
    return made


def _written(call: re.Match[str], folder: Path) -> Event | None:
    name, args = call["call"], call["args"]
    fd = _FD.match(args)
    if fd is None:
        return None
    path = _path(fd["path"])
    if fd["gone"]:
        return None
    data = b"".join(_raw(one) for one in _BYTES.findall(args))
    if not _below(path, folder):
        if ids := tuple(found.decode() for found in _ANSWER.findall(data)):
            return Event(call="answer", begun=0, done=0, ids=ids)
        if fd["fd"] == "1":
            return Event(call="said", begun=0, done=0, data=data)
        return None
    last = args.rpartition(",")[2].strip()
    match name:
        case "pwrite64":
            data = data[: int(call["result"])]
            return Event(call="write", begun=0, done=0, path=path, data=data, at=int(last))
        case "write":
            data = data[: int(call["result"])]
            return Event(call="write", begun=0, done=0, path=path, data=data)
        case "ftruncate":
            return Event(call=name, begun=0, done=0, path=path, at=int(last))
        case "fsync" | "fdatasync":
            return Event(call="fsync", begun=0, done=0, path=path)
    raise AssertionError(f"{name} is not played: {path}")


def _path(text: str) -> str:
    return os.fsdecode(_raw(text)) if "\\x" in text else text


def _raw(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))
