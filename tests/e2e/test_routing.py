"""Routing as an owner sets it up: a real service, its command line, phones with two SIMs."""

from __future__ import annotations

import json

from tests.e2e.conftest import Gateway
from tests.support.receiver import Receiver, receiving
from tests.support.service import ask, until


def push(gateway: Gateway, token: str, sender: object, text: object, sim: object) -> str:
    body = json.dumps({"from": sender, "text": text, "sim": sim}).encode()
    kind = {"Content-Type": "application/json"}
    status, _, said = ask(gateway.service.phone, "POST", f"/in/{token}", body, kind)
    assert status == 200
    return str(json.loads(said)["id"])


WORLD = [
    ("one", "+6581230000", "Your code is 4711", 1),
    ("one", "+6581230000", "lunch?", 2),
    ("one", "DBS-Bank", "Your CODE is 4712", 2),
    ("two", "+4930123456", "Dein Code: 4713", 1),
    ("two", "+4930123456", "ÖFFNE DIE TÜR", 1),
]


WANTED: list[tuple[list[str], list[int]]] = [
    (["--device", "two"], [3, 4]),
    (["--sim", "2"], [1, 2]),
    (["--from", "+65 8123 0000", "--from", "dbs-bank"], [0, 1, 2]),
    (["--from", "+49*"], [3, 4]),
    (["--text", "code"], [0, 2, 3]),
    (["--text", "exact:öffne die tür"], [4]),
    (["--text", r"pattern:code\D+\d{4}$", "--device", "one"], [0, 2]),
    (["--from", "+65*", "--text", "code", "--sim", "1"], [0]),
    (["--text", "nobody says this"], []),
]
"""What an endpoint is told to want, and which of the texts that is."""


def test_each_endpoint_gets_what_it_wants_and_nothing_else(gateway: Gateway) -> None:
    cli = gateway.service.cli
    two = cli("device", "add", "--name", "Second", "--app", "generic")
    tokens = {"one": gateway.token, "two": two["token"]}
    ids = {"one": gateway.device_id, "two": two["id"]}
    with receiving() as there:
        added = [
            cli("endpoint", "add", f"{there.url}/{n}", *[ids.get(flag, flag) for flag in flags])
            for n, (flags, _) in enumerate(WANTED)
        ]
        until(lambda: ask(gateway.service.phone, "GET", "/in/nobodys")[0] == 401, "it has looked")
        sent = [push(gateway, tokens[phone], *rest) for phone, *rest in WORLD]
        gateway.wait_delivered(len(WORLD))
        for n, (flags, wanted) in enumerate(WANTED):
            got = sorted(one.id for one in there.arrivals if one.target == f"/hook/{n}")
            assert got == sorted(sent[text] for text in wanted), flags
    for n in (0, 6, 8):
        matched = cli("endpoint", "set", added[n]["id"], "--preview")
        assert (matched["matched"], matched["of"]) == (len(WANTED[n][1]), len(WORLD))


def test_a_pattern_that_would_blow_up_elsewhere_holds_up_nobody(gateway: Gateway) -> None:
    cli = gateway.service.cli
    with receiving() as there:
        for pattern in ("(a+)+$", "(a|a)*b$", "(x+x+)+y"):
            cli("endpoint", "add", there.url, "--text", f"pattern:{pattern}")
        until(lambda: gateway.text("warm", "+15550199") == 200, "it takes texts")
        for n in range(5):
            long = "a" * 10_000 + "!"
            body = json.dumps({"from": f"+1555010{n}", "text": long, "id": f"long-{n}"}).encode()
            status, _, _ = gateway.push(body)
            assert status == 200
            assert gateway.text(f"short-{n}", f"+1555020{n}") == 200
        assert set(gateway.service.readyz()[1]) <= {"stall"}


def test_a_header_that_is_edited_while_it_runs_takes_effect(gateway: Gateway) -> None:
    cli = gateway.service.cli

    def header(there: Receiver) -> str | None:
        return there.arrivals[-1].header("X-Api-Key")

    with receiving() as there:
        added = cli("endpoint", "add", there.url, "--header", "X-Api-Key: one")["id"]
        gateway.service.noticed()
        until(lambda: gateway.text("a", "+15550100") == 200 and len(there.arrivals) == 1, "first")
        assert header(there) == "one"
        cli("endpoint", "set", added, "--header", "X-Api-Key: two")
        numbers = iter(range(1000))

        def second() -> bool:
            n = next(numbers)
            gateway.text(f"b{n}", f"+1555{n:07d}")
            return header(there) == "two"

        until(second, "the new header arrives", every=0.2)
