"""Do the listeners answer; and if the service is down, could it listen where it is to?"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from mmconnect.config import Listen, Settings
from mmconnect.desk.doctor import Check, Findings
from mmconnect.service.addresses import hosts
from mmconnect.service.doctor.asking import Answer
from mmconnect.service.doctor.sockets import Listening
from mmconnect.service.lock import Running
from mmconnect.webhook.addresses import parse

PORTS = Check("ports", "Ports")


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the four listeners."""

    name: str
    """`phones`, `admin side over HTTPS`."""
    flag: str
    at: tuple[str, ...]
    """`address:port` of each socket, or of what it is to be bound to."""
    tls: bool = False
    unknown: str | None = None
    """The name that it is to be bound to, and that is known to nobody."""

    @property
    def urls(self) -> tuple[str, ...]:
        """Where this machine itself reaches it."""
        scheme = "https" if self.tls else "http"
        return tuple(f"{scheme}://{_from_here(one)}/healthz" for one in self.at)


def sides(running: Running | None, options: Settings | None) -> list[Side]:
    """Where the running service listens, or would by its options."""

    def side(name: str, option: str, *, tls: bool = False) -> Side:
        made = Side(name=name, flag=f"--{option}-listen".replace("_", "-"), at=(), tls=tls)
        if running is not None:
            return replace(made, at=tuple(getattr(running, option)))
        wanted: Listen | None = getattr(options, f"{option}_listen") if options else None
        return made if wanted is None else _resolved(made, wanted)

    made = [
        side("phones", "phone"),
        side("admin side", "admin"),
        side("phones over HTTPS", "phone_tls", tls=True),
        side("admin side over HTTPS", "admin_tls", tls=True),
    ]
    return [one for one in made if one.at or one.unknown]


def _resolved(side: Side, wanted: Listen) -> Side:
    """With the addresses of what it is to be bound to; that may be a name, `localhost` say."""
    with contextlib.suppress(ValueError):  # a name
        parse(wanted.host)
        return replace(side, at=(str(wanted),))
    try:
        found = socket.getaddrinfo(wanted.host, wanted.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # the second of what cannot be a name at all
        return replace(side, unknown=wanted.host)
    places = [str(replace(wanted, host=str(at[0]))) for *_, at in found]
    return replace(side, at=tuple(dict.fromkeys(places)))


def answered(found: Iterable[Side], answers: Mapping[str, Answer]) -> Findings:
    """Judge what the listeners of the running service said, by URL."""
    fine = []
    for side in found:
        mute = [url for url in side.urls if answers[url].status != 200]
        for url in mute:
            answer = answers[url]
            why = answer.trouble or f"it answers {answer.status}"
            yield PORTS.problem(
                f"{side.name[0].upper()}{side.name[1:]}: {_place(url)} does not answer as it should"
                f" ({why}).",
                "Look at the service's log, and start it anew.",
            )
        if not mute:
            fine.append(f"{side.name} at {', '.join(side.at)}")
    if fine:
        yield PORTS.ok(f"These answer: {'; '.join(fine)}.")


def free(
    found: Iterable[Side], listening: Sequence[Listening], owners: Mapping[int, str]
) -> Findings:
    """Judge whether the service that is down could listen where it is to."""
    fine: list[str] = []
    for side in found:
        if side.unknown is not None:
            yield PORTS.problem(
                f"Nobody knows the name {side.unknown}, under which the service is to listen"
                f" ({side.name}).",
                f"Write an address with {side.flag}; 0.0.0.0 is all of this machine's.",
            )
            continue
        taken = [
            one
            for at in side.at
            for one in listening
            if any(one.is_in_the_way(host, _port(at)) for host in hosts(_host(at)))
        ]
        if taken and _port(side.at[0]):
            who = owners.get(taken[0].inode, "another program")
            yield PORTS.problem(
                f"Port {taken[0].port} ({side.name}) is taken by {who}.",
                f"End that program, or choose another port with {side.flag}.",
            )
        else:
            fine += side.at
    if fine:
        yield PORTS.ok(f"Nobody else has {', '.join(fine)}.")


def _host(at: str) -> str:
    return at.rpartition(":")[0].strip("[]")


def _port(at: str) -> int:
    return int(at.rpartition(":")[2])


def _from_here(at: str) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(_host(at), _host(at))
    return f"[{host}]:{_port(at)}" if ":" in host else f"{host}:{_port(at)}"


def _place(url: str) -> str:
    return url.removesuffix("/healthz")
