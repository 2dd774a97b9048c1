"""Phone numbers: E.164 where a sender is one, untouched where it is not.

Short codes and alphanumeric senders are never changed. A number with `+` only needs a possible
length; one in national form must be a valid number of the device's country, because turning a
service number into somebody's E.164 would be inventing a sender.
"""

from __future__ import annotations

import re
from functools import lru_cache

import phonenumbers

_DIALLED = re.compile(r"[+＋]?[\d\s().\-/·\u00a0\u2010-\u2015]{7,}")
_E164 = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
_REGIONS = frozenset(phonenumbers.SUPPORTED_REGIONS)


def is_country(code: str) -> bool:
    """Whether `code` is a two-letter country code that has telephone numbers, such as `SG`."""
    return code in _REGIONS


def normalise(number: str, country: str | None) -> str:
    """`number` as E.164 (`+6581230000`) when it is a phone number, else exactly as given.

    `country` (ISO 3166, `SG`) is how a number without `+` is read; without it only international
    numbers are recognised.
    """
    # What the network gives is E.164 already, unless a trunk 0 follows the country code.
    if _E164.fullmatch(number) is not None and "0" not in number[2:5]:
        return number
    return _read(number, country)


@lru_cache(maxsize=4096)
def _read(number: str, country: str | None) -> str:
    if _DIALLED.fullmatch(number) is None:
        return number
    try:
        parsed = phonenumbers.parse(number, country)
    except phonenumbers.NumberParseException:
        return number
    international = number.lstrip().startswith(("+", "＋"))
    known = phonenumbers.is_possible_number if international else phonenumbers.is_valid_number
    if not known(parsed):
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def digits(number: str) -> str:
    """`number` without its `+` when it is E.164, as the hosted service wrote it."""
    return number[1:] if number.startswith("+") and number[1:].isdigit() else number
