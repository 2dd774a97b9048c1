"""The error tree. A class's docstring is its message; what a person reads says what to do next.

MmconnectError
├── UsageError            exit 2: the command or option was not understood
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


class MmconnectError(Exception):
    """Something went wrong."""

    exit_code = 1

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)


class UsageError(MmconnectError):
    """The command was not understood."""

    exit_code = 2


class ConfigError(MmconnectError):
    """An option has an invalid value."""


class DataDirError(MmconnectError):
    """The data directory cannot be used."""


class AlreadyRunning(DataDirError):
    """Another mmconnect is already running on this data directory."""


class NotFound(MmconnectError):
    """There is nothing with that id."""


class Refused(MmconnectError):
    """That cannot be done as things stand."""


class StoreError(MmconnectError):
    """The database cannot be used."""


class StoreUnavailable(StoreError):
    """The database cannot commit just now (disk full, read-only, locked or an I/O error)."""


class NewerSchema(StoreError):
    """The database was written by a newer mmconnect; install that version again."""
