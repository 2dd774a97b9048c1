"""What stands in a certificate: whose it is, until when, for which names and addresses.

The standard library serves certificates but does not read one's own, and the library that makes
them costs 10 MB of memory; so the little DER (ITU-T X.690) that this takes is read here. Judges
nothing: whether a certificate is any good, OpenSSL decides.
"""

from __future__ import annotations

import calendar
import hashlib
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18
_VERSION, _EXTENSIONS = 0xA0, 0xA3
"""The tagged fields of a certificate's body (RFC 5280, 4.1)."""
_DNS, _IP, _KEY_ID = 0x82, 0x87, 0x80
"""Kinds of subjectAltName, and the key in authorityKeyIdentifier (RFC 5280, 4.2.1)."""
_COMMON_NAME = b"\x55\x04\x03"
_SUBJECT_KEY, _ALT_NAMES, _AUTHORITY_KEY = b"\x55\x1d\x0e", b"\x55\x1d\x11", b"\x55\x1d\x23"

Element = tuple[int, bytes]
"""Tag and content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """The facts of one certificate."""

    subject: str
    """Its common name; empty when it has none."""
    not_before: int
    """UTC ms, as `not_after`: it is valid from the one to the other."""
    not_after: int
    names: tuple[str, ...]
    addresses: tuple[str, ...]
    key_id: bytes
    """Of its own key, and of the key it is signed with; empty when it does not say."""
    issuer_key_id: bytes
    fingerprint: str
    """SHA-256, as people compare it: `AB:CD:…`."""


def read(pem: bytes) -> Certificate:
    """The first certificate in a PEM file. Raises ValueError when there is none to be read."""
    text = pem.decode("ascii", "replace")
    begin, end = text.find(_BEGIN), text.find(_END)
    if begin < 0 or end < begin:
        raise ValueError("it holds no certificate (-----BEGIN CERTIFICATE-----)")
    try:
        der = ssl.PEM_cert_to_DER_cert(text[begin : end + len(_END)])
        return _certificate(der)
    except (ValueError, IndexError, StopIteration) as error:
        raise ValueError("the certificate in it is damaged") from error


def _certificate(der: bytes) -> Certificate:
    body = list(_inside(_inside_one(_inside_one(der))))
    fields = body[1:] if body[0][0] == _VERSION else body
    # serial number, algorithm, issuer, validity, subject, key; then what is optional
    validity, subject = list(_inside(fields[3][1])), fields[4][1]
    extensions = next((content for tag, content in fields if tag == _EXTENSIONS), None)
    known = {} if extensions is None else dict(_extensions(extensions))
    alternatives = list(_inside(_inside_one(known[_ALT_NAMES]))) if _ALT_NAMES in known else []
    authority = list(_inside(_inside_one(known[_AUTHORITY_KEY]))) if _AUTHORITY_KEY in known else []
    digest = hashlib.sha256(der).hexdigest().upper()
    return Certificate(
        subject=_common_name(subject),
        not_before=_moment(*validity[0]),
        not_after=_moment(*validity[1]),
        names=tuple(value.decode("ascii") for tag, value in alternatives if tag == _DNS),
        addresses=tuple(str(ip_address(value)) for tag, value in alternatives if tag == _IP),
        key_id=_inside_one(known[_SUBJECT_KEY]) if _SUBJECT_KEY in known else b"",
        issuer_key_id=next((value for tag, value in authority if tag == _KEY_ID), b""),
        fingerprint=":".join(digest[n : n + 2] for n in range(0, len(digest), 2)),
    )


def _extensions(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Object id and value of each."""
    for _, extension in _inside(_inside_one(content)):
        parts = list(_inside(extension))
        yield parts[0][1], parts[-1][1]  # between them, perhaps, that it is critical


def _common_name(subject: bytes) -> str:
    for _, one_or_more in _inside(subject):
        for _, attribute in _inside(one_or_more):
            (_, kind), (_, value) = _inside(attribute)
            if kind == _COMMON_NAME:
                return value.decode("utf-8", "replace")
    return ""


def _moment(tag: int, content: bytes) -> int:
    """UTC ms; two digits of a year are those of 1950 to 2049 (RFC 5280, 4.1.2.5.1)."""
    text = content.decode("ascii")
    if tag == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("no time")
    return calendar.timegm(time.strptime(text, "%Y%m%d%H%M%SZ")) * 1000


def _inside_one(data: bytes) -> bytes:
    """The content of the first element."""
    return next(_inside(data))[1]


def _inside(data: bytes) -> Iterator[Element]:
    """The elements that stand one after the other. Raises ValueError when they do not fit."""
    at = 0
    while at < len(data):
        tag, length = data[at], data[at + 1]
        at += 2
        if length >= 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(data[at : at + size], "big"), at + size
        if at + length > len(data):
            raise ValueError("an element is longer than what it stands in")
        yield tag, data[at : at + length]
        at += length
