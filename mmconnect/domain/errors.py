"""The error tree. A class's docstring is its message; what a person reads says what to do next.

MmconnectError
├── UsageError            exit 2: the command or option was not understood
├── Invalid               values that cannot be, each with its place and a sentence
├── ConfigError           an option has an invalid value
├── DataDirError          the data directory cannot be used
│   └── AlreadyRunning    another mmconnect holds it
├── NotFound              no such endpoint, device, message or delivery
├── Refused               understood, but not done, with the reason
└── StoreError
    ├── StoreUnavailable  the database cannot commit just now; try again
    └── NewerSchema       the database was written by a newer mmconnect
"""

from __future__ import annotations

from dataclasses import dataclass


class MmconnectError(Exception):
    """Something went wrong."""

    exit_code = 1

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)


class UsageError(MmconnectError):
    """The command was not understood."""

    exit_code = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """What is wrong with one value."""

    path: str
    """The value's name, camelCase as in the REST API; a part of it as `routing.texts.0`."""
    message: str
    """A sentence that says what can be."""


class Invalid(MmconnectError):
    """Values that cannot be."""

    def __init__(self, *issues: Issue) -> None:
        super().__init__(". ".join(issue.message.rstrip(".") for issue in issues))
        self.issues = issues


class ConfigError(MmconnectError):
    """An option has an invalid value."""


class DataDirError(MmconnectError):
    """The data directory cannot be used."""


class AlreadyRunning(DataDirError):
    """Another mmconnect is already running on this data directory."""


class NotFound(MmconnectError):
    """There is nothing with that id."""

    def __init__(self, message: str | None = None, *, listed_by: str | None = None) -> None:
        """`listed_by`: the command that lists what there is. Only commands are told of it."""
        super().__init__(message)
        self.listed_by = listed_by


class Refused(MmconnectError):
    """That cannot be done as things stand."""


class StoreError(MmconnectError):
    """The database cannot be used."""


class StoreUnavailable(StoreError):
    """The database cannot commit just now (disk full, read-only, locked or an I/O error)."""


class NewerSchema(StoreError):
    """The database was written by a newer mmconnect; install that version again."""
