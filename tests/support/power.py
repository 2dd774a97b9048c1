"""What a disk may hold after the power was cut, at any moment of a run that was recorded.

Of each file what was written before the last fsync that had begun after it is on the disk; of what
came later, any of it may be, in any order, and the sectors of one write may be old or new. Which
names there are in a folder is on the disk up to that folder's last fsync, and what came later, up
to any moment. An answer that went out is a promise.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from tests.support.recorded import Event

SECTORS = (512, 4096)
Found = dict[str, bytes]
"""What every file holds, by its path."""


@dataclass(slots=True, eq=False)
class _File:
    durable: bytearray = field(default_factory=bytearray)
    pending: list[Event] = field(default_factory=list)
    end: int = 0
    """Where the next write goes that does not say where."""


@dataclass(slots=True)
class _Change:
    """Of the names in one folder, all at once."""

    begun: int
    done: int
    removed: str | None = None
    added: str | None = None
    file: _File | None = None
    """None: a folder."""


_Names = dict[str, _File | None]


@dataclass(slots=True)
class Disk:
    """Plays the record up to a moment; files as they may be found then."""

    names: _Names = field(default_factory=dict)
    """As the process sees them."""
    durable: _Names = field(default_factory=dict)
    pending: dict[str, list[_Change]] = field(default_factory=dict)
    """By folder."""
    acknowledged: set[str] = field(default_factory=set)
    said: bytes = b""

    @classmethod
    def holding(cls, folder: Path) -> Disk:
        """As it was before the record began."""
        names: _Names = {str(folder): None}
        for path in folder.rglob("*"):
            content = None if path.is_dir() else path.read_bytes()
            names[str(path)] = None if content is None else _File(bytearray(content))
        return cls(names, dict(names))

    def play(self, event: Event) -> None:
        """One more of the record's events has come to its end."""
        match event.call:
            case "answer":
                self.acknowledged.update(event.ids)
            case "said":
                self.said += event.data
            case "fsync" if event.path in self.names and self.names[event.path] is None:
                self._sync_names(event)
            case "fsync":
                if file := self._file(event.path):
                    for one in [one for one in file.pending if one.done < event.begun]:
                        _write(file.durable, one)
                    file.pending = [one for one in file.pending if one.done >= event.begun]
            case "write" | "ftruncate":
                self._write(event)
            case _:
                self._rename(event)

    def _file(self, path: str) -> _File | None:
        """Also of one that is open but has no name any more, which nobody finds again: None."""
        return self.names.get(path)

    def _write(self, event: Event) -> None:
        file = self._file(event.path)
        if file is None:
            return
        if event.call == "write":
            event.at = file.end if event.at is None else event.at
            file.end = event.at + len(event.data)
        file.pending.append(event)

    def _rename(self, event: Event) -> None:
        change = _Change(event.begun, event.done)
        match event.call:
            case "create":
                file = self.names.get(event.path)
                if file is not None:
                    if event.at == 0:
                        self._write(_truncation(event))
                        file.end = 0
                    return
                change.added, change.file = event.path, _File()
            case "mkdir":
                change.added = event.path
            case "link":
                change.added, change.file = event.to, self.names[event.path]
            case "rename":
                assert PurePath(event.path).parent == PurePath(event.to).parent, "two at once"
                change.removed, change.added = event.path, event.to
                change.file = self.names[event.path]
            case "unlink":
                change.removed = event.path
        _apply(self.names, change)
        folder = str(PurePath(change.added or event.path).parent)
        self.pending.setdefault(folder, []).append(change)

    def _sync_names(self, event: Event) -> None:
        waiting = self.pending.get(event.path, [])
        for change in [one for one in waiting if one.done < event.begun]:
            _apply(self.durable, change)
        self.pending[event.path] = [one for one in waiting if one.done >= event.begun]

    def snapshot(self) -> Found:
        """All that was written, as a copy taken at that moment has it."""
        return {
            path: _after(file, file.pending)
            for path, file in self.names.items()
            if file is not None
        }

    def cut(self, chance: random.Random) -> Found:
        """What is found when the power was cut: of the unsynced, some, in some order, some torn."""
        names = dict(self.durable)
        for changes in self.pending.values():
            for change in changes[: chance.randint(0, len(changes))]:
                _apply(names, change)
        contents: dict[_File, bytes] = {}
        for file in dict.fromkeys(one for one in names.values() if one is not None):
            contents[file] = self._cut(file, chance)
        return {
            path: contents[file]
            for path, file in names.items()
            if file is not None and str(PurePath(path).parent) in names
        }

    @staticmethod
    def _cut(file: _File, chance: random.Random) -> bytes:
        share = chance.choice((0.0, 0.3, 0.7, 1.0))
        sector = chance.choice(SECTORS)
        kept = [one for one in file.pending if chance.random() < share]
        if chance.random() < 0.5:
            chance.shuffle(kept)
        return _after(file, [piece for one in kept for piece in _torn(one, sector, chance)])


def _apply(names: _Names, change: _Change) -> None:
    if change.removed is not None:
        names.pop(change.removed, None)
    if change.added is not None:
        names[change.added] = change.file


def _truncation(event: Event) -> Event:
    return Event(call="ftruncate", begun=event.begun, done=event.done, path=event.path, at=0)


def _after(file: _File, events: list[Event]) -> bytes:
    content = bytearray(file.durable)
    for event in events:
        _write(content, event)
    return bytes(content)


def _write(content: bytearray, event: Event) -> None:
    at = event.at or 0
    if event.call == "ftruncate":
        del content[at:]
        content.extend(bytes(at - len(content)))
        return
    content.extend(bytes(max(0, at - len(content))))
    content[at : at + len(event.data)] = event.data


def _torn(event: Event, sector: int, chance: random.Random) -> list[Event]:
    """The write whole, or some of the sectors that it touches."""
    if event.call == "ftruncate" or chance.random() < 0.5:
        return [event]
    pieces, begin = [], event.at or 0
    end = begin + len(event.data)
    data = memoryview(event.data)
    while begin < end:
        until = min((begin // sector + 1) * sector, end)
        if chance.random() < 0.5:
            at = event.at or 0
            piece = bytes(data[begin - at : until - at])
            pieces.append(
                Event(call="write", begun=event.begun, done=event.done, data=piece, at=begin)
            )
        begin = until
    return pieces


def put(found: Found, folder: Path, into: Path) -> None:
    """Lay the files that were found below `folder` down in another one, which is empty."""
    for path, content in found.items():
        target = into / PurePath(path).relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
