"""Multipart bodies as different clients write them, and broken ones."""

from __future__ import annotations

import pytest

from mmconnect.domain.models import Attachment
from mmconnect.phones.apps.body import decode
from mmconnect.phones.apps.wire import Unreadable
from mmconnect.phones.push import Push
from tests.support import phones

JSON = phones.JSON


def push(
    body: bytes, content_type: str = JSON, query: dict[str, str] | None = None, **headers: str
) -> Push:
    sent = {"Content-Type": content_type} if content_type else {}
    named = {f"X-SMS-{name.title()}": value for name, value in headers.items()}
    return phones.as_push(sent | named, body, query)


def value(body: bytes, content_type: str = JSON, **more: str) -> object:
    return decode(push(body, content_type, None, **more)).value


def reason(pushed: Push) -> str:
    with pytest.raises(Unreadable) as problem:
        decode(pushed)
    return str(problem.value)


def test_multipart() -> None:
    picture = b"\xff\xd8\r\n\r\n--x\x00" * 1000
    wire = phones.generic_multipart(
        {"from": "+1", "text": "two\r\nlines & 👋"},
        {"part0": ("p.jpg", "image/jpeg", picture), "part1": ("a b.txt", "text/plain", b"")},
    )
    got = decode(phones.as_push(*wire))
    assert got.value == {"from": "+1", "text": "two\r\nlines & 👋"}
    assert got.files == (
        Attachment(name="p.jpg", content_type="image/jpeg", size=len(picture)),
        Attachment(name="a b.txt", content_type="text/plain", size=0),
    )


@pytest.mark.parametrize(
    "part",
    [
        b'Content-Disposition: form-data; name="t"\r\n\r\nT\xc3\xbcr',
        b"content-disposition:form-data;name=t\r\nContent-Type: text/plain\r\n\r\nT\xc3\xbcr",
        b'Content-Disposition: form-data; name="t"\r\nContent-Type: text/plain; '
        b"charset=ISO-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\nT\xfcr",
        b"Content-Type : TEXT/Plain ; CHARSET=ISO-8859-1\r\nContent-Disposition:  FORM-DATA; "
        b'Name="t"\r\n\r\nT\xfcr',
        b'Content-Type: text/json\r\nContent-Disposition: form-data; name="t"\r\n\r\nT\xc3\xbcr',
    ],
)
@pytest.mark.parametrize("newline", [b"\r\n", b"\n"])
def test_parts_as_different_clients_write_them(part: bytes, newline: bytes) -> None:
    body = b"preamble\r\n--B\r\n" + part + b"\r\n--B--\r\nepilogue"
    assert value(body.replace(b"\r\n", newline), "multipart/form-data; boundary=B") == {"t": "Tür"}


def test_a_binary_part_without_a_file_name() -> None:
    part = b'--B\r\nContent-Disposition: form-data; name="pic"\r\nContent-Type: image/png\r\n\r\nx'
    got = decode(push(part + b"\r\n--B--", "multipart/form-data; boundary=B"))
    assert got.files == (Attachment(name="pic", content_type="image/png", size=1),)
    assert got.value == {}


def test_as_many_parts_as_allowed() -> None:
    names = {f"n{n}": "" for n in range(1000)}
    assert decode(phones.as_push(*phones.generic_multipart(names))).value == names


def test_a_name_twice_in_multipart_is_told() -> None:
    part = b'--B\r\nContent-Disposition: form-data; name="t"\r\n\r\nx\r\n'
    with pytest.raises(Unreadable) as problem:
        decode(push(part * 2 + b"--B--", "multipart/form-data; boundary=B"))
    assert "the name t twice" in str(problem.value)
    assert problem.value.twice


@pytest.mark.parametrize(
    ("body", "content_type", "says"),
    [
        (b"--B\r\n\r\n\r\nx\r\n--B--", "multipart/form-data", "no boundary"),
        (b'--B\r\nContent-Disposition: form-data; name="t"\r\n\r\nhel', "", "cut off"),
        (b"--C--", "", "cut off"),
        (b"--B\r\n--B--", "", "no headers"),
        (b"--B\r\n" + b"x" * 9000 + b"\r\n\r\n\r\n--B--", "", "no headers"),
        (b"--B\r\n\r\n\r\n" * 1100 + b"--B--", "", "more than 1000"),
        (2 * b"--B\r\nContent-Disposition: form-data; name=t\r\n\r\nx\r\n" + b"--B--", "", "twice"),
    ],
)
def test_broken_multipart(body: bytes, content_type: str, says: str) -> None:
    assert says in reason(push(body, content_type or "multipart/form-data; boundary=B"))
