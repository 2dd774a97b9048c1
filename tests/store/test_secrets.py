"""Secrets over time: what rotating keeps, ends and shows."""

from __future__ import annotations

import sqlite3

import pytest

from mmconnect.domain.errors import NotFound, Refused
from mmconnect.store import configuration, endpoints, secrets
from mmconnect.webhook import signing
from tests.store.conftest import House
from tests.store.making import NOW

FIRST = "whsec_c2VjcmV0IG9mIGEgdGVzdA=="
HOUR = 3_600_000


def names(*values: str) -> list[str]:
    return [signing.PREFIX + v * 24 for v in values]


A, B, C, D = names("A", "B", "C", "D")


def rotate(house: House, secret: str, *, now: int, overlap: int = 3600, trusted: bool = True):
    return secrets.rotate(
        house.db, house.endpoint.id, secret, now=now, overlap=overlap, trusted=trusted
    )


def signing_at(house: House, now: int) -> list[str]:
    endpoint = endpoints.get(house.db, house.endpoint.id)
    assert endpoint is not None
    return signing.signing_secrets(endpoint.secrets, now)


def test_the_previous_one_signs_until_its_end(house: House):
    done = rotate(house, A, now=NOW)
    assert (done.secret, done.previous_expires_at, done.ended) == (A, NOW + HOUR, 0)
    assert signing_at(house, NOW + HOUR - 1) == [A, FIRST]
    assert signing_at(house, NOW + HOUR) == [A]
    assert secrets.current(house.db, house.endpoint.id).value == A
    assert secrets.reveal(house.db, house.endpoint.id) == A


def test_without_overlap_all_before_it_end_at_once(house: House):
    rotate(house, A, now=NOW)
    done = rotate(house, B, now=NOW + 1, overlap=0)
    assert (done.previous_expires_at, done.ended) == (None, 2)
    assert signing_at(house, NOW + 1) == [B]
    assert house.db.execute("SELECT count(*) FROM secrets").fetchone() == (1,)


def test_rotated_twice_each_keeps_its_end_and_the_newest_previous_comes_first(house: House):
    rotate(house, A, now=NOW, overlap=7200)
    rotate(house, B, now=NOW + 1000, overlap=3600)
    assert signing_at(house, NOW + 2000) == [B, A, FIRST]
    assert signing_at(house, NOW + 1000 + HOUR) == [B, FIRST]
    assert signing_at(house, NOW + 2 * HOUR) == [B]


def test_more_than_three_never_sign_together(house: House):
    for n, secret in enumerate((A, B)):
        assert rotate(house, secret, now=NOW + n).ended == 0
    assert rotate(house, C, now=NOW + 2).ended == 1
    assert signing_at(house, NOW + 3) == [C, B, A]


def test_what_has_ended_goes_with_the_next_rotation(house: House):
    rotate(house, A, now=NOW)
    assert rotate(house, B, now=NOW + 2 * HOUR).ended == 0
    values = {row[0] for row in house.db.execute("SELECT value FROM secrets")}
    assert values == {A, B}


def test_while_the_clock_is_not_trusted_nothing_ends(house: House):
    rotate(house, A, now=NOW)
    later = NOW + 1000 * HOUR
    known = secrets.ring(house.db, house.endpoint.id)
    assert signing.signing_secrets(known, later, trusted=False) == [A, FIRST]
    rotate(house, B, now=later, trusted=False)
    assert {s.value for s in secrets.ring(house.db, house.endpoint.id)} == {A, B, FIRST}


def test_one_that_comes_back_into_use_does_not_end(house: House):
    rotate(house, A, now=NOW)
    done = rotate(house, FIRST, now=NOW + 1)
    assert done.ended == 0
    assert signing_at(house, NOW + 2) == [FIRST, A]
    assert signing_at(house, NOW + 2 * HOUR) == [FIRST]


def test_the_same_secret_again_is_refused(house: House):
    with pytest.raises(Refused, match="already"):
        rotate(house, FIRST, now=NOW)


@pytest.mark.parametrize("now", [NOW, NOW - 10 * HOUR])
def test_the_newest_is_current_whatever_the_clock_says(house: House, now: int):
    rotate(house, A, now=now)
    rotate(house, B, now=now)
    assert signing_at(house, now) == [B, A, FIRST]


def test_there_is_none_for_nobody(db: sqlite3.Connection):
    with pytest.raises(NotFound):
        secrets.rotate(db, "ep_none", A, now=NOW)
    with pytest.raises(NotFound):
        secrets.reveal(db, "ep_none")


def test_a_running_service_is_told(house: House):
    before = configuration.revision(house.db)
    rotate(house, A, now=NOW)
    assert configuration.revision(house.db) > before


def test_no_secret_is_in_what_is_shown_of_it(house: House):
    done = rotate(house, A, now=NOW)
    assert A not in repr(done)
    assert A not in repr(secrets.ring(house.db, house.endpoint.id))
