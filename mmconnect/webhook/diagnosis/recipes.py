"""Every way in which a signature may have come about, so that the one that came can be looked up.

A recipe is a key, a content and what has to have gone wrong for it. HMACs of different inputs do
not collide, so a digest that is found here was made in just that way. Some ten thousand HMACs of a
body of mmconnect's size: a few hundredths of a second, and only when a signature does not match.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from mmconnect.webhook.diagnosis import mishaps
from mmconnect.webhook.diagnosis.findings import Fault, Reason
from mmconnect.webhook.diagnosis.notation import QUOTES

SEARCHED = 900
"""Seconds around now and around the header in which an altered timestamp is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a receiver has in its hands."""

    secrets: tuple[str, ...]
    body: bytes
    headers: dict[str, list[str]]
    """Lower-case names; more than one value when the header came more than once."""
    now: int
    """Unix seconds."""

    def header(self, name: str) -> str | None:
        values = self.headers.get(name.lower())
        return values[0] if values else None

    @property
    def id(self) -> str | None:
        return self.header("webhook-id")

    @property
    def timestamp(self) -> str | None:
        return self.header("webhook-timestamp")

    @property
    def seconds(self) -> int | None:
        """The timestamp as a number, when it is whole seconds as it should be."""
        text = self.timestamp or ""
        return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a digest comes about."""

    secret: int
    literal: bool
    """The key is the secret's text, not its decoded bytes."""
    standard: bool
    """The content is `id.timestamp.body`, not the body alone."""
    faults: tuple[Fault, ...]


def right(request: Request, *, standard: bool) -> Iterator[tuple[int, bytes]]:
    """The digests that a faultless signature header would carry: one per secret that has a key."""
    for index, secret in enumerate(request.secrets):
        key = mishaps.lenient_key(secret) if standard else text_key(secret)
        start = f"{request.id}.{request.timestamp}.".encode() if standard else b""
        if key and not (standard and None in (request.id, request.timestamp)):
            yield index, hmac.digest(key, start + request.body, "sha256")


def cookbook(request: Request) -> dict[bytes, Recipe]:
    """Every digest that a known mishap leads to, with its recipe."""
    found: dict[bytes, Recipe] = {}
    keys, starts = list(_keys(request.secrets)), list(_starts(request))
    for body, change in mishaps.body_variants(request.body).items():
        altered = _faults(Reason.BODY, change and f"the body was changed on the way: {change}")
        for start, astray in starts:
            content = b"" if start is None else start
            for key, (secret, literal, fault) in keys:
                found.setdefault(
                    hmac.digest(key, content + body, "sha256"),
                    Recipe(
                        secret=secret,
                        literal=literal,
                        standard=start is not None,
                        faults=(*fault, *altered, *astray),
                    ),
                )
    return found


def search_time(request: Request, wanted: Iterable[bytes]) -> tuple[bytes, Recipe] | None:
    """The digest among `wanted` that fits at another second than the header's, and its recipe."""
    if len(request.body) > mishaps.MAX_TRIED:
        return None
    digests = frozenset(wanted)
    around = {request.now, request.now if request.seconds is None else request.seconds}
    seconds = [s for middle in around for s in range(middle - SEARCHED, middle + SEARCHED + 1)]
    for index, secret in enumerate(request.secrets):
        key = mishaps.lenient_key(secret)
        for name, fault in _ids(request) if key else ():
            for second in seconds:
                content = f"{name}.{second}.".encode() + request.body
                digest = hmac.digest(key or b"", content, "sha256")
                if digest in digests:
                    astray = (*fault, _time_fault(request.timestamp, second))
                    recipe = Recipe(secret=index, literal=False, standard=True, faults=astray)
                    return digest, recipe
    return None


def text_key(secret: str) -> bytes:
    """The key of the plain headers; arguments of a command may hold bytes that are not UTF-8."""
    return secret.encode("utf-8", "surrogateescape")


def _faults(reason: Reason, detail: str | None) -> tuple[Fault, ...]:
    return (Fault(reason=reason, detail=detail),) if detail else ()


def _keys(secrets: tuple[str, ...]) -> Iterator[tuple[bytes, tuple[int, bool, tuple[Fault, ...]]]]:
    """Each key once; those of the secrets as given first."""
    found: dict[bytes, tuple[int, bool, tuple[Fault, ...]]] = {}
    variants = [list(mishaps.secret_variants(secret).items()) for secret in secrets]
    given = [(index, *each[0]) for index, each in enumerate(variants)]
    others = [(index, *one) for index, each in enumerate(variants) for one in each[1:]]
    for index, value, detail in given + others:
        fault = _faults(Reason.SECRET, detail and f"the secret given here {detail}")
        found.setdefault(text_key(value), (index, True, fault))
        if key := mishaps.lenient_key(value):
            found.setdefault(key, (index, False, fault))
    yield from found.items()


def _starts(request: Request) -> Iterator[tuple[bytes | None, tuple[Fault, ...]]]:
    """What comes before the body: nothing (None) or `id.timestamp.`."""
    yield None, ()
    for name, odd_name in _ids(request):
        for time, odd_time in _times(request.timestamp):
            yield f"{name}.{time}.".encode("utf-8", "replace"), (*odd_name, *odd_time)


def _ids(request: Request) -> Iterator[tuple[str, tuple[Fault, ...]]]:
    given, inside = request.id, mishaps.body_id(request.body)
    if given is not None:
        yield given, ()
        if (bare := given.strip(QUOTES)) != given:
            yield bare, _faults(Reason.ID, "webhook-id has quotation marks or spaces around it")
    if inside is not None and inside != given:
        how = "is missing" if given is None else f"is {given!r}, not the id in the body"
        yield inside, _faults(Reason.ID, f"webhook-id {how}")


def _times(given: str | None) -> Iterator[tuple[str, tuple[Fault, ...]]]:
    if given is None:
        return
    yield given, ()
    bare = given.strip(QUOTES)
    guesses = [bare]
    with suppress(ValueError, OverflowError):
        number = float(bare)
        guesses += [str(int(number)), str(int(number) // 1000)]
    with suppress(ValueError, OverflowError):
        guesses.append(str(int(datetime.fromisoformat(bare).timestamp())))
    for guess in dict.fromkeys(guesses):
        if guess != given:
            yield guess, (_time_fault(given, guess),)


def _time_fault(given: str | None, signed: object) -> Fault:
    how = "is missing" if given is None else f"is {given!r}"
    detail = f"webhook-timestamp {how}, and the signature was made with {signed}"
    return Fault(reason=Reason.TIMESTAMP, detail=detail)
