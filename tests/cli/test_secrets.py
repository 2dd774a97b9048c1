"""`endpoint rotate-secret` and `endpoint check`, against receivers that do well and badly."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from mmconnect.store import outbox
from mmconnect.store.connection import FILE, connect, transaction
from mmconnect.webhook import signing
from tests.cli.conftest import Desk
from tests.support.receiver import Act, Arrival, Exchange, Receiver, after, answer, receiving

OWN = "the one from the hosted service"


def standard(secret: str, there: Arrival) -> bool:
    """Whether one of the tokens of webhook-signature fits."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    head = f"{there.header('webhook-id')}.{there.header('webhook-timestamp')}."
    digest = hmac.new(key, head.encode() + there.body, hashlib.sha256).digest()
    token = "v1," + base64.b64encode(digest).decode()
    return token in (there.header("webhook-signature") or "").split(" ")


def plain(secret: str, there: Arrival) -> bool:
    digest = hmac.new(secret.encode(), there.body, hashlib.sha256).hexdigest()
    return there.header("X-MAC-Signature") == f"sha256={digest}"


def careful(
    *secrets: str, fits: Callable[[str, Arrival], bool] = standard, ok: int = 204, no: int = 401
) -> Act:
    """Verifies, and answers accordingly."""

    async def act(exchange: Exchange) -> None:
        good = any(fits(secret, exchange.arrival) for secret in secrets)
        await answer(ok if good else no)(exchange)

    return act


@contextmanager
def endpoint(desk: Desk, *more: str) -> Iterator[tuple[str, str, Receiver]]:
    """An endpoint's id and secret, and its receiver, which verifies."""
    with receiving() as there:
        added = desk("endpoint", "add", there.url, *more, "--json").json
        there.default = careful(added["secret"])
        yield added["id"], added["secret"], there


def rotate(desk: Desk, endpoint_id: str, *more: str) -> Any:
    return desk("endpoint", "rotate-secret", endpoint_id, *more, "--json").json


def check(desk: Desk, endpoint_id: str) -> tuple[int, dict[str, dict[str, Any]]]:
    told = desk("endpoint", "check", endpoint_id, "--json")
    assert told.err == ""
    return told.code, {one["check"]: one for one in json.loads(told.out)}


def all_secrets(desk: Desk) -> set[str]:
    with sqlite3.connect(desk.directory / "mmconnect.db") as db:
        return {row[0] for row in db.execute("SELECT value FROM secrets")}


# -- rotate-secret ---------------------------------------------------------------------------------


def test_a_new_secret_is_made_and_both_sign(desk: Desk):
    with endpoint(desk) as (its, old, there):
        done = rotate(desk, its)
        assert list(done) == ["id", "secret", "previousExpiresAt"]
        assert done["id"] == its
        assert done["secret"] != old
        ends = datetime.fromisoformat(done["previousExpiresAt"])
        assert 86_000 < (ends - datetime.now(ends.tzinfo)).total_seconds() <= 86_400
        there.default = answer(200)
        assert desk("endpoint", "test", its).code == 0
        (arrival,) = there.arrivals
        assert standard(done["secret"], arrival)
        assert standard(old, arrival)


def test_without_overlap_the_previous_one_has_ended(desk: Desk):
    with endpoint(desk) as (its, old, there):
        done = rotate(desk, its, "--overlap", "0")
        assert done["previousExpiresAt"] is None
        assert all_secrets(desk) == {done["secret"]}
        told = desk("endpoint", "test", its)
        assert (told.code, len(there.arrivals)) == (1, 1)
        assert "did not accept the signature" in told.out
        assert old not in told.out


def test_one_of_their_own(desk: Desk, tmp_path: Path):
    with endpoint(desk) as (its, _, _there):
        assert rotate(desk, its, "--secret", OWN)["secret"] == OWN
        (tmp_path / "s").write_text("another one of their own\n")
        assert rotate(desk, its, "--secret", f"@{tmp_path}/s")["secret"].startswith("another")
        words = ("endpoint", "rotate-secret", its, "--secret", "-")
        told = desk(*words, given="and yet another one\n")
        assert told.code == 0
        assert "and yet another one" in told.out
        assert "webhook-signature is not made" in told.out
        assert "the oldest has ended now" in told.out


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--overlap", "8d"], "at most 7d"),
        (["--overlap", "a while"], "not a duration"),
        (["--overlap", "9" * 400 + "d"], "at most 7d"),
        (["--secret", "short"], "16 are the least"),
    ],
)
def test_usage(desk: Desk, more: list[str], says: str):
    with endpoint(desk) as (its, old, _):
        told = desk("endpoint", "rotate-secret", its, *more)
        assert (told.code, told.out) == (2, "")
        assert says in told.err
        assert all_secrets(desk) == {old}


def test_a_file_with_more_than_the_secret_is_refused(desk: Desk, tmp_path: Path):
    file = tmp_path / "secret.txt"
    file.write_text(f"{signing.new_secret()}\n\n# of the CRM\n")
    with endpoint(desk) as (its, old, _):
        for words in (("rotate-secret", its), ("add", "http://10.0.0.9/")):
            told = desk("endpoint", *words, "--secret", f"@{file}")
            assert (told.code, told.out) == (2, "")
            assert "line end" in told.err
        assert all_secrets(desk) == {old}


def test_a_secret_that_would_leave_nothing_to_sign_with_is_refused(desk: Desk):
    with endpoint(desk) as (its, old, _):
        with sqlite3.connect(desk.directory / "mmconnect.db") as db:
            db.execute("UPDATE endpoints SET plain_headers = 0")
        told = desk("endpoint", "rotate-secret", its, "--secret", OWN)
        assert (told.code, told.out) == (1, "")
        assert "nothing would be signed" in told.err
        assert all_secrets(desk) == {old}
        assert rotate(desk, its, "--secret", signing.new_secret())


def test_the_same_and_nobodys_are_refused(desk: Desk):
    with endpoint(desk) as (its, old, _):
        assert "already" in desk("endpoint", "rotate-secret", its, "--secret", old).err
    for verb in ("rotate-secret", "check"):
        told = desk("endpoint", verb, "ep_none")
        assert (told.code, told.out) == (1, "")
        assert told.err.startswith("mmconnect: There is no endpoint ep_none")


def test_no_command_prints_a_secret_again(desk: Desk):
    with endpoint(desk) as (its, old, there):
        new = rotate(desk, its)["secret"]
        there.default = careful(old, new)
        for words in (
            ("endpoint", "list"),
            ("endpoint", "show", its),
            ("endpoint", "test", its),
            ("endpoint", "check", its),
            ("delivery", "list"),
            ("message", "list"),
        ):
            for told in (desk(*words), desk(*words, "--json")):
                assert old not in told.out + told.err
                assert new not in told.out + told.err


# -- check -----------------------------------------------------------------------------------------


def test_a_good_receiver(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mmconnect.delivery.checkup.SLOW", 60_000)  # machines stall
    with endpoint(desk) as (its, _, there):
        code, found = check(desk, its)
        assert code == 0
        assert {name: one["ok"] for name, one in found.items()} == dict.fromkeys(
            ("signed", "repeated", "forged", "quick"), True
        )
        assert [one["status"] for one in found.values()] == [204, 204, 401, None]
        first, second, third = there.arrivals
        assert (first.id, first.body) == (second.id, second.body)
        assert third.id != first.id
        assert all(one.json["test"] is True for one in there.arrivals)
        listed = desk("delivery", "list", "--json").json
        assert {d["trigger"] for d in listed} == {"test"}
        assert not {d["state"] for d in listed} & {"pending", "in_flight"}
        assert {d["id"] for d in listed} == {
            one["deliveryId"] for one in found.values() if one["deliveryId"]
        }
        person = desk("endpoint", "check", its)
        assert person.code == 0
        assert "✓ signed:" in person.out
        assert "\n✓ forged:    A wrongly signed text is answered 401\n" in person.out


@pytest.mark.parametrize("rotated", [False, True])
def test_the_wrongly_signed_one_has_no_valid_signature_anywhere(desk: Desk, rotated: bool):
    with endpoint(desk) as (its, old, there):
        known = [old]
        if rotated:
            known.insert(0, rotate(desk, its)["secret"])
            there.default = careful(*known)
        check(desk, its)
        forged = there.arrivals[2]
        assert "on purpose" in forged.text
        values = [value for _, value in forged.headers]
        now = int(forged.header("webhook-timestamp") or 0)
        for secret in known:
            assert not standard(secret, forged)
            hexed = signing.plain_signature(secret, forged.body)
            assert not any(hexed in value for value in values)
        right = signing.signature_headers(known, forged.id, now, forged.body)
        signatures = {v for k, v in right.items() if "signature" in k.lower()}
        assert not signatures & set(values)
        assert "webhook-signature" in {name.lower() for name, _ in forged.headers}
        told = desk("delivery", "list", "--json").json
        notes = [
            desk("delivery", "show", d["id"], "--json").json["attemptList"][0]["note"] for d in told
        ]
        assert sum("on purpose" in (note or "") for note in notes) == 1


def test_one_that_believes_everybody(desk: Desk):
    with endpoint(desk) as (its, _, there):
        there.default = answer(200)
        rotate(desk, its)
        code, found = check(desk, its)
        assert code == 1
        assert (found["forged"]["ok"], found["signed"]["ok"]) == (False, True)
        assert "does not check signatures" in found["forged"]["remedy"]
        assert found["current"]["ok"] is found["previous"]["ok"] is None
        assert "✗ forged:" in desk("endpoint", "check", its).out


def test_one_that_bears_no_repetition(desk: Desk):
    with endpoint(desk) as (its, secret, there):
        seen: set[str] = set()

        async def act(exchange: Exchange) -> None:
            known = exchange.arrival.id in seen
            seen.add(exchange.arrival.id)
            await (answer(409) if known else careful(secret))(exchange)

        there.default = act
        code, found = check(desk, its)
        assert (code, found["repeated"]["ok"], found["repeated"]["status"]) == (1, False, 409)
        assert "Answer 2xx to an id that you have" in found["repeated"]["remedy"]


@pytest.mark.parametrize(("no", "ok"), [(403, True), (400, True), (500, False), (302, False)])
def test_how_a_wrong_signature_is_refused(desk: Desk, no: int, ok: bool):
    with endpoint(desk) as (its, secret, there):
        there.default = careful(secret, no=no)
        code, found = check(desk, its)
        assert (found["forged"]["ok"], code) == (ok, 0 if ok else 1)
        assert "Answer 401" in found["forged"]["remedy"]


def test_a_slow_one(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mmconnect.delivery.checkup.SLOW", 100)
    with endpoint(desk) as (its, secret, there):
        there.default = after(0.15, careful(secret))
        code, found = check(desk, its)
        assert (code, found["quick"]["ok"]) == (1, False)
        assert found["quick"]["ms"] >= 100


def test_nobody_there(desk: Desk):
    its = desk("endpoint", "add", "http://127.0.0.1:9/", "--json").json["id"]
    code, found = check(desk, its)
    assert code == 1
    assert [one["ok"] for one in found.values()] == [False, None, None, None]
    assert "Nothing listens there" in found["signed"]["remedy"]
    assert len(desk("delivery", "list", "--json").json) == 1


@pytest.mark.parametrize("fits", [standard, plain])
def test_during_a_rotation_it_says_which_secrets_are_known(
    desk: Desk, fits: Callable[[str, Arrival], bool]
):
    with endpoint(desk) as (its, old, there):
        new = rotate(desk, its)["secret"]
        for known, current, code in (((old,), False, 1), ((old, new), True, 0), ((new,), True, 0)):
            there.default = careful(*known, fits=fits)
            told, found = check(desk, its)
            assert (told, found["signed"]["ok"], found["current"]["ok"]) == (code, True, current)
            says = found["previous"]["says"]
            assert says.startswith("The receiver knows") is (old in known)
            assert found["previous"]["ok"] is None
            if not current:
                assert "Give the receiver the new secret before" in found["current"]["remedy"]


def test_a_paused_endpoint_is_checked_too(desk: Desk):
    with endpoint(desk) as (its, _, there):
        desk("endpoint", "pause", its)
        assert check(desk, its)[0] == 0
        assert len(there.arrivals) == 3


def test_a_check_that_is_killed_leaves_nothing_that_is_sent_later(desk: Desk):
    with endpoint(desk) as (its, _, there):

        async def killed(exchange: Exchange) -> None:
            """Keep the file as it is while the POST is under way: what a kill leaves."""
            with sqlite3.connect(desk.directory / FILE) as db:
                left = list(db.execute("SELECT state, boot_id, due_at FROM deliveries"))
            seen.append(left)
            await answer(204)(exchange)

        seen: list[list[tuple[str, str, int]]] = []
        there.default = killed
        assert desk("endpoint", "test", its).code == 0
        ((state, boot_id, due_at),) = seen[0]
        assert (state, boot_id) == ("in_flight", "trial")
        db = connect(desk.directory / FILE)
        with transaction(db):
            db.execute(
                "UPDATE deliveries SET state = ?, boot_id = ?, due_at = ?", (state, boot_id, due_at)
            )
            outbox.mark(db, "dlv_~")  # as a service that goes on beside it
            assert outbox.sweep(db, boot_id="boot_next", now=1, budgets={}, budget=10) == 1
        (after,) = db.execute("SELECT state FROM deliveries").fetchone()
        db.close()
        assert after == "failed"
