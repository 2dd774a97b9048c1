"""Process options: one table, which command line, environment and TOML file follow.

flag > `MMCONNECT_*` variable > TOML file > default. At most twenty; everything else lives in the
database. An unknown key or an invalid value is an error that names option, value and source.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmconnect.domain.errors import ConfigError
from mmconnect.paths import expanded

INSTALLED_FILE = Path("/etc/mmconnect/mmconnect.toml")
PREFIX = "MMCONNECT_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """An address to listen on."""

    host: str
    port: int
    """0 lets the system choose."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def _listen(text: str) -> Listen:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError("write it as HOST:PORT, for example 0.0.0.0:8481")
    return Listen(host=host.strip("[]") or "0.0.0.0", port=int(port))


def _listen_or_off(text: str) -> Listen | None:
    return None if text.lower() == "off" else _listen(text)


def _file_or_off(text: str) -> Path | None:
    if text.lower() == "off":
        return None
    path = expanded(text)
    if not path.is_absolute():
        raise ValueError("write the file's whole path, beginning with /, or off")
    return path


def _one_of(*names: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in names:
            raise ValueError(f"choose one of {', '.join(names)}")
        return text.lower()

    return parse


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One process option."""

    name: str
    """As in the TOML file; the flag has dashes, the variable is upper-case."""
    default: str | None
    parse: Callable[[str], Any]
    metavar: str
    help: str

    @property
    def flag(self) -> str:
        """As on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """As in the environment."""
        return PREFIX + self.name.upper()


OPTIONS = (
    Option(
        name="admin_listen",
        default="0.0.0.0:8480",
        parse=_listen,
        metavar="HOST:PORT",
        help="where the admin side listens",
    ),
    Option(
        name="phone_listen",
        default="0.0.0.0:8481",
        parse=_listen,
        metavar="HOST:PORT",
        help="where phones push to, plain HTTP",
    ),
    Option(
        name="phone_tls_listen",
        default="0.0.0.0:8482",
        parse=_listen_or_off,
        metavar="HOST:PORT|off",
        help="where phones push to, HTTPS (once there is a certificate)",
    ),
    Option(
        name="admin_tls_listen",
        default="0.0.0.0:8483",
        parse=_listen_or_off,
        metavar="HOST:PORT|off",
        help="where the admin side listens, HTTPS (once there is a certificate)",
    ),
    Option(
        name="tls_cert",
        default="off",
        parse=_file_or_off,
        metavar="FILE|off",
        help="a certificate of your own for HTTPS, with its chain (PEM), instead of mmconnect's",
    ),
    Option(
        name="tls_key",
        default="off",
        parse=_file_or_off,
        metavar="FILE|off",
        help="its private key (PEM); off: it is in the file of --tls-cert",
    ),
    Option(
        name="log_format",
        default="text",
        parse=_one_of("text", "json"),
        metavar="text|json",
        help="how log lines are written",
    ),
    Option(
        name="log_level",
        default="info",
        parse=_one_of("debug", "info", "warning", "error"),
        metavar="LEVEL",
        help="debug, info, warning or error",
    ),
)
_ELSEWHERE = ("data_dir", "config", "push_url", "push_token", "push_config", "push_spool")
"""Options that are not settings of the running process; the file may name data_dir."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The process options, parsed."""

    admin_listen: Listen
    phone_listen: Listen
    phone_tls_listen: Listen | None
    admin_tls_listen: Listen | None
    tls_cert: Path | None
    tls_key: Path | None
    log_format: str
    log_level: str
    unknown_variables: tuple[str, ...] = ()
    """MMCONNECT_* variables that nothing here knows; worth a warning."""


def read_file(path: Path | None) -> dict[str, str]:
    """The TOML file's options, or those of the installed service when there is no `path`.

    Raises ConfigError for a file that cannot be read and for unknown keys.
    """
    file = path or INSTALLED_FILE
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, PermissionError) as error:
        if path is None:
            return {}
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error
    known = {o.name for o in OPTIONS} | {"data_dir"}
    for name, value in content.items():
        if name not in known:
            raise ConfigError(
                f"{file}: unknown option {name!r}. Known are {', '.join(sorted(known))}"
            )
        if not isinstance(value, str):
            raise ConfigError(f"{file}: {name} = {value!r} must be text in quotes")
    return content


def settle(
    flags: Mapping[str, str | None], environ: Mapping[str, str], file: Mapping[str, str]
) -> Settings:
    """Settings from all sources. Raises ConfigError naming option, value and source."""
    values = {option.name: _value(option, flags, environ, file) for option in OPTIONS}
    if values["tls_key"] is not None and values["tls_cert"] is None:
        raise ConfigError("--tls-key is the key of a certificate: name that, too, with --tls-cert")
    known = {o.variable for o in OPTIONS} | {PREFIX + name.upper() for name in _ELSEWHERE}
    unknown = sorted(v for v in environ if v.startswith(PREFIX) and v not in known)
    return Settings(**values, unknown_variables=tuple(unknown))


def _value(
    option: Option,
    flags: Mapping[str, str | None],
    environ: Mapping[str, str],
    file: Mapping[str, str],
) -> Any:
    for source, text in (
        (option.flag, flags.get(option.name)),
        (option.variable, environ.get(option.variable)),
        ("the TOML file", file.get(option.name)),
        ("the default", option.default),
    ):
        if text is None:
            continue
        try:
            return option.parse(text)
        except ValueError as error:
            raise ConfigError(f"{option.flag} = {text!r} (from {source}): {error}") from error
    raise ConfigError(f"{option.flag} has no value")
