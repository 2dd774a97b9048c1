"""Do the listeners answer; and if the service is down, could it listen where it is to?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mmconnect.config import Listen, Settings
from mmconnect.desk.doctor import Check, Findings
from mmconnect.service.addresses import hosts
from mmconnect.service.doctor.asking import Answer
from mmconnect.service.doctor.sockets import Listening
from mmconnect.service.lock import Running

PORTS = Check("ports", "Ports")


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the four listeners."""

    name: str
    """`phones`, `admin side over HTTPS`."""
    flag: str
    at: tuple[str, ...]
    """`host:port` of each socket, or of what it is to be bound to."""
    tls: bool = False

    @property
    def urls(self) -> tuple[str, ...]:
        """Where this machine itself reaches it."""
        scheme = "https" if self.tls else "http"
        return tuple(f"{scheme}://{_from_here(one)}/healthz" for one in self.at)


def sides(running: Running | None, options: Settings | None) -> list[Side]:
    """Where the running service listens, or would by its options."""

    def bound(actual: Sequence[str], wanted: Listen | None) -> tuple[str, ...]:
        if running is not None:
            return tuple(actual)
        return () if wanted is None else (str(wanted),)

    on, want = running, options
    if on is None and want is None:
        return []
    made = [
        Side(
            name="phones",
            flag="--phone-listen",
            at=bound(on.phone if on else (), want.phone_listen if want else None),
        ),
        Side(
            name="admin side",
            flag="--admin-listen",
            at=bound(on.admin if on else (), want.admin_listen if want else None),
        ),
        Side(
            name="phones over HTTPS",
            flag="--phone-tls-listen",
            at=bound(on.phone_tls if on else (), want.phone_tls_listen if want else None),
            tls=True,
        ),
        Side(
            name="admin side over HTTPS",
            flag="--admin-tls-listen",
            at=bound(on.admin_tls if on else (), want.admin_tls_listen if want else None),
            tls=True,
        ),
    ]
    return [one for one in made if one.at]


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
    fine = []
    for side in found:
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
            fine.append(side.at[0])
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
