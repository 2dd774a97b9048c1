"""The apps that push texts: how to tell their pushes apart, read them and check their signatures.

`read` is the one door: pure, and it never raises. What cannot be read is NotUnderstood with a
reason for the person who set the phone up; it is kept as received and can be read again later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from mmconnect.phones.apps import generic, incoming_sms, smsforwarder, smsgate
from mmconnect.phones.apps.body import is_raw
from mmconnect.phones.apps.presets import PRESETS
from mmconnect.phones.apps.wire import Unreadable
from mmconnect.phones.push import NotUnderstood, Push, Reading

Parse = Callable[[Push, Mapping[str, str]], Reading]
Verify = Callable[[Push, str], bool | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """One app on a phone. None of its functions raises."""

    name: str
    label: str
    """As people know it."""
    parse: Parse
    """The push, and the device's own paths by field."""
    recognises: Callable[[Push], bool]
    """Whether a push looks like this app's; cheap, without parsing."""
    verify: Verify
    """Whether the push is signed with the key; None when it carries no signature at all."""
    retries: bool
    """Whether it repeats a push that failed: identical ones within two minutes are then one."""
    mute: bool = False
    """Whether its answer has to be empty, as it would send it to somebody."""


def read(app: str, push: Push, mapping: Mapping[str, str]) -> Reading:
    """What a device whose app is `app` has pushed. `mapping`: the device's own paths, by field."""
    chosen = APPS.get(app, APPS["auto"])
    reading = chosen.parse(push, mapping)
    if isinstance(reading, NotUnderstood) and chosen.name != "auto":
        other = _shape_of(push)
        if other is not None and other is not chosen:
            hint = f"it looks like a push of {other.label}: set this device's app to {other.name}"
            return replace(reading, reason=f"{reading.reason}; {hint} or to auto")
    return reading


def _shape_of(push: Push) -> App | None:
    """The app whose shape a push has; a raw text has none, however it reads."""
    if is_raw(push):
        return None
    return next((app for app in _SHAPED if app.recognises(push)), None)


def _auto(push: Push, mapping: Mapping[str, str]) -> Reading:
    """Own paths first, for somebody wrote them; then the shape; then the usual names."""
    if mapping:
        reading = _GENERIC.parse(push, mapping)
        if not isinstance(reading, NotUnderstood):
            return reading
    app = _shape_of(push)
    if app is None:
        return _GENERIC.parse(push, mapping)
    reading = app.parse(push, {})
    if isinstance(reading, NotUnderstood):
        other = _GENERIC.parse(push, mapping)
        return reading if isinstance(other, NotUnderstood) else other
    return reading


def _auto_verify(push: Push, key: str) -> bool | None:
    """By the shape; else, or where that finds no signature, the usual one over the body."""
    app = _shape_of(push)
    told = None if app is None else app.verify(push, key)
    return _GENERIC.verify(push, key) if told is None else told


class _Parser(Protocol):
    """What each app's module has."""

    @property
    def NAME(self) -> str: ...

    def parse(self, push: Push, mapping: Mapping[str, str], /) -> Reading: ...

    def recognises(self, push: Push, /) -> bool: ...

    def verify(self, push: Push, key: str, /) -> bool | None: ...


def _app(module: _Parser, label: str, *, retries: bool, mute: bool = False) -> App:
    return App(
        name=module.NAME,
        label=label,
        parse=_never_raising(module.parse),
        recognises=module.recognises,
        verify=_never_passing(module.verify),
        retries=retries,
        mute=mute,
    )


def _never_raising(parse: Parse) -> Parse:
    def guarded(push: Push, mapping: Mapping[str, str]) -> Reading:
        try:
            return parse(push, mapping)
        except Unreadable as problem:
            return NotUnderstood(reason=str(problem))
        except Exception as error:
            # a text must be kept whatever we did wrong; only the kind of mistake is told
            return NotUnderstood(reason=f"mmconnect failed to read it ({type(error).__name__})")

    return guarded


def _never_passing(verify: Verify) -> Verify:
    def guarded(push: Push, key: str) -> bool | None:
        try:
            return verify(push, key)
        except Exception:
            return False

    return guarded


_GENERIC = _app(generic, "anything else", retries=False)
# in the order in which they are tried
_SHAPED = (
    _app(smsgate, "SMS Gateway for Android", retries=True),
    _app(incoming_sms, "Incoming SMS to URL forwarder", retries=True),
    _app(smsforwarder, "SmsForwarder", retries=True),
)
_AUTO = App(
    name="auto",
    label="any of these",
    parse=_auto,
    recognises=generic.recognises,
    verify=_auto_verify,
    retries=False,
)

_PRESET = [_app(p, p.label, retries=p.retries, mute=p.NAME == "kannel") for p in PRESETS]

APPS: Mapping[str, App] = {app.name: app for app in (_AUTO, *_SHAPED, *_PRESET, _GENERIC)}
"""Every app by its name, as a device's `app` has it."""
