"""Old and harmful versions of phone apps, known by the User-Agent of their pushes or their facts.

Pure. Only SMS Gateway for Android has versions worth a word; those of its release notes that lose
or double texts are harmful, the others merely lack something.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmconnect.phones.facts import VERSION

_SMSGATE = re.compile(r"me\.capcom\.smsgateway/(\d+(?:\.\d+){0,3})")
_NUMBER = re.compile(r"\d+(?:\.\d+){0,3}")
MINIMUM = "1.66.2"
"""Of SMS Gateway for Android: the first that neither loses nor confuses texts that read alike."""
RELEASES = "https://github.com/capcom6/android-sms-gateway/releases"
REMEDY = f"Update the app ({RELEASES}) to {MINIMUM} or newer."

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What is to be said of an app's version."""

    version: str
    harmful: bool
    """It loses or doubles texts, whatever mmconnect does."""
    sentence: str
    """What is wrong with it."""
    remedy: str = REMEDY


# from, to (both included), what it does
_HARMFUL: tuple[tuple[Version, Version, str], ...] = (
    ((1, 51, 1), (1, 51, 2), "pushes each text twice"),
    (
        (1, 65, 2),
        (1, 66, 1),
        "loses texts: one that reads like an earlier one of the same sender never leaves the phone",
    ),
)
# before which version, what is missing
_LACKING: tuple[tuple[Version, str], ...] = (
    ((1, 52), "forgets texts that wait when the phone is restarted"),
    ((1, 59), "has no inbox that mmconnect could fetch missed texts from"),
    ((1, 66, 2), "may confuse texts that read alike, and misses those that come while it is down"),
)


def told(user_agent: str | None, facts: Mapping[str, Any]) -> str | None:
    """The version of the app on a phone, as its pushes or its facts tell; None when nobody does."""
    by_agent = _smsgate(user_agent)
    if by_agent is not None:
        return by_agent
    version = facts.get(VERSION)
    return version if isinstance(version, str) else None


def advice(app: str, user_agent: str | None, facts: Mapping[str, Any]) -> Advice | None:
    """What is wrong with the version of a device's app; None when nothing is known to be."""
    text = _smsgate(user_agent)
    if text is None and app == "smsgate":
        text = told(user_agent, facts)
    found = None if text is None else _NUMBER.match(text)
    if found is None:
        return None
    version = tuple(int(part) for part in found[0].split("."))[:3]
    version += (0,) * (3 - len(version))
    for first, last, what in _HARMFUL:
        if first <= version <= last:
            return _advice(found[0], what, harmful=True)
    for before, what in _LACKING:
        if version < before:
            return _advice(found[0], what, harmful=False)
    return None


def _advice(version: str, what: str, *, harmful: bool) -> Advice:
    sentence = f"Version {version} of SMS Gateway for Android {what}."
    return Advice(version=version, harmful=harmful, sentence=sentence)


def _smsgate(user_agent: str | None) -> str | None:
    found = _SMSGATE.match(user_agent or "")
    return None if found is None else found[1]
