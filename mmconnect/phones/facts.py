"""What a phone tells of itself, in few words that mean the same whatever app told them.

Apps name and write the same things differently: flags, percents, words. Pure; what cannot be read
is left out, never guessed. Guards that only short plain values of four kinds are ever kept, so
that no word of a text and no phone number gets among them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

BEATS = frozenset({"system:ping", "device_status", "phone.heartbeat.online"})
"""Device events that come regularly while a phone is well: SMSGate, EnvayaSMS, httpSMS. SMSGate's
`app:started` is a sign of life like any push, but has no rhythm."""

BATTERY, CHARGING, NETWORK, VERSION = "battery", "charging", "network", "version"

_BATTERY = ("battery", "battery:level", "batteryLevel", "battery_level", "battery_pct")
_CHARGING = ("charging", "battery:charging", "power", "isCharging", "is_charging", "plugged")
_NETWORK = ("network", "connection:transport", "networkType", "network_type", "net_type")
_VERSION = ("version", "app_version", "appVersion")

# SMSGate's flags of `connection:transport`, as bits
_TRANSPORTS = ((4, "Wi-Fi"), (8, "Ethernet"), (2, "mobile data"))
_NETWORKS = {
    "wifi": "Wi-Fi",
    "wi-fi": "Wi-Fi",
    "wlan": "Wi-Fi",
    "mobile": "mobile data",
    "cellular": "mobile data",
    "ethernet": "Ethernet",
    "none": "none",
    "vpn": "VPN",
}
_ON = frozenset(
    ("true", "yes", "on", "charging", "full", "ac", "usb", "wireless", "plugged", "connected")
)
_OFF = frozenset(
    ("false", "no", "off", "discharging", "unplugged", "battery", "none", "not charging")
)
_WORDS = re.compile(r"[\w .+/()-]{1,30}")
_NUMBER = re.compile(r"v?\d+(\.\d+){0,4}([-+][\w.]{1,20})?")


def facts(told: Mapping[str, object]) -> dict[str, object]:
    """`battery` (percent), `charging` (bool), `network` and `version` (words), those that are told.

    `told`: names and values as an app gives them, of SMSGate's health those of `news.health()`.
    """
    found: dict[str, object] = {}
    for fact, names, read in _READ:
        for name in names:
            value = told.get(name)
            if value is not None and (known := read(value)) is not None:
                found[fact] = known
                break
    return found


def _percent(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    try:
        level = round(float(str(value).strip().removesuffix("%")))
    except (ValueError, OverflowError):
        return None
    return level if 0 <= level <= 100 else None


def _charging(value: object) -> bool | None:
    """Flags of what it is plugged into (0: nothing), or a word."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word.isascii() and word.isdecimal():
        return int(word[:9]) > 0
    return True if word in _ON else False if word in _OFF else None


def _network(value: object) -> str | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return next((name for bit, name in _TRANSPORTS if value & bit), None)
    word = str(value).strip()
    if not _WORDS.fullmatch(word) or re.search(r"\d{5}", word):
        return None
    return _NETWORKS.get(word.lower(), word)


def _version(value: object) -> str | None:
    word = str(value).strip()
    return word if _NUMBER.fullmatch(word) and len(word) <= 40 else None


_Read = Callable[[object], object]
_READ: tuple[tuple[str, tuple[str, ...], _Read], ...] = (
    (BATTERY, _BATTERY, _percent),
    (CHARGING, _CHARGING, _charging),
    (NETWORK, _NETWORK, _network),
    (VERSION, _VERSION, _version),
)
