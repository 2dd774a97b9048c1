"""Where a text is pushed to: URL, token and CA, from options, variables or a file.

What a file says is not kept with a text: it is read again at each try, so that mending the file
mends what waits. A text whose hook knew no address yet is kept all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from mmconnect.domain.errors import UsageError

FILE = Path("/etc/mmconnect/push.toml")
PREFIX = "MMCONNECT_PUSH_"
_KEYS = ("url", "token", "ca")
_PATH = "/in"


class NoTarget(Exception):
    """There is nowhere to push to as things stand; the message says why, for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to push."""

    host: str
    port: int
    tls: bool
    path: str
    token: str = field(repr=False)
    ca: str | None

    @property
    def shown(self) -> str:
        """For people and logs: without what is secret."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What was said of the target when a text was pushed; the file says the rest."""

    url: str | None = None
    token: str | None = field(default=None, repr=False)
    """Or `@FILE`."""
    ca: str | None = None
    config: str | None = None

    def named(self) -> dict[str, str]:
        """What of it was said."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def target(self) -> Target:
        """As things stand now. Raises NoTarget."""
        told = {**read_file(self.config), **self.named()}
        token = told.get("token")
        if token is not None and token.startswith("@"):
            try:
                token = Path(token[1:]).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise NoTarget(f"the token cannot be read: {error}") from error
        url = told.get("url")
        if not url:
            raise NoTarget("no URL is known: give it with --url, or in a file with --config")
        return parse(url, token, told.get("ca"))


def parse(url: str, token: str | None, ca: str | None) -> Target:
    """The target that a URL means: mmconnect's phone listener, or a whole push URL.

    Raises NoTarget.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise NoTarget("the URL makes no sense") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise NoTarget("the URL has to begin with http:// or https:// and a host")
    if parts.username is not None or parts.query or parts.fragment:
        raise NoTarget("the URL has to end with its path, and to have no user")
    tls = parts.scheme == "https"
    before, found, within = parts.path.rstrip("/").partition(_PATH + "/")
    if found:
        token = token or within
        path = before + _PATH
    else:
        path = before if before.endswith(_PATH) else before + _PATH
    if not token:
        raise NoTarget("no token is known: give it with --token, or in a file with --config")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise NoTarget("the token is not one that mmconnect makes")
    return Target(
        host=parts.hostname,
        port=port or (443 if tls else 80),
        tls=tls,
        path=path,
        token=token,
        ca=ca,
    )


def origin(
    environ: Mapping[str, str],
    config: str | None,
    url: str | None,
    token: str | None,
    ca: str | None,
) -> Origin:
    """What this call says: options before variables; the file is read later."""
    named = config or environ.get(PREFIX + "CONFIG")
    if token is not None and token.startswith("@"):
        token = "@" + str(Path(token[1:]).absolute())
    return Origin(
        url=url or environ.get(PREFIX + "URL") or None,
        token=token or environ.get(PREFIX + "TOKEN") or None,
        ca=None if ca is None else str(Path(ca).absolute()),
        config=str(Path(named).absolute()) if named else None,
    )


def read_file(named: str | None) -> dict[str, str]:
    """What the file says; nothing when nobody named one and there is none. Raises NoTarget."""
    path = Path(named) if named else FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        if named is None:
            return {}
        raise NoTarget(f"{path} does not exist") from error
    except OSError as error:
        if named is None:
            return {}
        raise NoTarget(f"{path} cannot be read: {error.strerror}") from error
    import tomllib

    try:
        told = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise NoTarget(f"{path} is no TOML file: {error}") from error
    for name, value in told.items():
        if name not in (*_KEYS, "spool") or not isinstance(value, str):
            raise NoTarget(f"{path}: {name!r} is not one of {', '.join(_KEYS)} and spool, as text")
    return told


def check(given: Origin) -> Target:
    """The target of a call by a person, who can mend it at once. Raises UsageError."""
    try:
        return given.target()
    except NoTarget as error:
        raise UsageError(str(error)[:1].upper() + str(error)[1:]) from error
