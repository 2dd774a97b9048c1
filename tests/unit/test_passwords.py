"""The password: what one may be, how it is written, and that comparing tells nothing."""

from __future__ import annotations

import asyncio
import hashlib
import threading

import pytest

from mmconnect.desk import passwords
from mmconnect.desk.passwords import Passwords
from mmconnect.domain.errors import Invalid

GOOD = "correct horse battery"


@pytest.fixture(scope="module")
def stored() -> str:
    return passwords.made(GOOD)


@pytest.mark.parametrize("password", ["", "a" * 9, "a" * 1025])
def test_what_a_password_cannot_be(password: str) -> None:
    with pytest.raises(Invalid) as refused:
        passwords.check_new(password, "new")
    (issue,) = refused.value.issues
    assert issue.path == "new"
    assert "characters" in issue.message


@pytest.mark.parametrize("password", ["a" * 10, "ä" * 1024, "with spaces  "])
def test_what_a_password_can_be(password: str) -> None:
    assert passwords.check_new(password) == password


def test_it_says_how_it_was_made_and_is_salted(stored: str) -> None:
    assert stored.startswith("$scrypt$ln=14,r=8,p=5$")
    assert GOOD not in stored
    assert passwords.made(GOOD) != stored
    assert not passwords.is_outdated(stored)


def test_it_is_scrypt_as_everybody_knows_it(stored: str) -> None:
    _, _, _, salt, key = stored.split("$")
    known = hashlib.scrypt(
        GOOD.encode(), salt=passwords._bytes(salt), n=2**14, r=8, p=5, maxmem=2**26, dklen=32
    )
    assert passwords._bytes(key) == known


def test_right_and_wrong(stored: str) -> None:
    assert passwords.is_right(GOOD, stored)
    assert not passwords.is_right(GOOD + " ", stored)
    assert not passwords.is_right("", stored)
    assert not passwords.is_right("x" * 5000, stored)


def test_the_same_letters_from_another_keyboard() -> None:
    composed, decomposed = "p\u00e4ssw\u00f6rter", "pa\u0308sswo\u0308rter"
    assert passwords.is_right(decomposed, passwords.made(composed))


@pytest.mark.parametrize(
    "damaged",
    ["", "x", "$scrypt$ln=14,r=8,p=5$!$!", "$scrypt$ln=40,r=8,p=5$AAAA$AAAA", "$scrypt$ln=14$A$A"],
)
def test_a_damaged_hash_lets_nobody_in(damaged: str) -> None:
    assert not passwords.is_right(GOOD, damaged)


@pytest.mark.parametrize("against", [None, "", "real"])
def test_each_comparison_is_the_same_work(
    against: str | None, stored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []
    scrypt = hashlib.scrypt

    def counted(*args: object, **how: object) -> bytes:
        done.append((how["n"], how["r"], how["p"]))
        return scrypt(*args, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(hashlib, "scrypt", counted)
    passwords.is_right("wrong password", stored if against == "real" else against)
    assert done == [(2**14, 8, 5)]


def test_other_parameters_are_read_and_told_apart() -> None:
    salt, key = (
        bytes(16),
        hashlib.scrypt(GOOD.encode(), salt=bytes(16), n=2**10, r=8, p=1, dklen=32),
    )
    older = f"$scrypt$ln=10,r=8,p=1${passwords._base64(salt)}${passwords._base64(key)}"
    assert passwords.is_right(GOOD, older)
    assert passwords.is_outdated(older)


async def test_the_service_makes_one_at_a_time_and_never_in_its_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_once, most, threads = 0, 0, set()

    def slow(password: str, stored: str | None) -> bool:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        threads.add(threading.get_ident())
        threading.Event().wait(0.01)
        at_once -= 1
        return True

    monkeypatch.setattr(passwords, "is_right", slow)
    service = Passwords()
    assert all(await asyncio.gather(*(service.is_right("x", None) for _ in range(8))))
    assert most == 1
    assert threading.get_ident() not in threads
