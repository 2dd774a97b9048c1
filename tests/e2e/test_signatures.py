"""Signatures of real deliveries, checked as receivers check them.

Two libraries, openssl, and the hosted service's guide; never with mmconnect's own code, but for
its `verify` command.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import standardwebhooks
import svix.webhooks

from tests.support.phones import generic_json
from tests.support.receiver import Arrival, Receiver, answer, receiving
from tests.support.service import Service, ask, until

OWN_SECRET = "the one from the hosted service, no base64"
TEXTS = ["balance", "Grüße 😀 مرحبا", "a\x00b\r\n\tc", "", '{"quoted":"\\"}', "x" * 1600]
needs_openssl = pytest.mark.timeout(120) if shutil.which("openssl") else pytest.mark.apt


@dataclass
class Endpoint:
    """What a receiver knows."""

    id: str
    secret: str
    there: Receiver

    def arrivals(self, texts: list[str]) -> list[Arrival]:
        """One delivery of each of the texts."""
        until(lambda: set(texts) <= {one.text for one in self.there.arrivals}, "all texts arrive")
        found = {one.text: one for one in self.there.arrivals}
        return [found[text] for text in texts]


@dataclass
class House:
    service: Service
    standard: Endpoint
    own: Endpoint
    token: str

    def push(self, text: str, sender: str = "+15550100") -> str:
        headers, body = generic_json({"from": sender, "text": text})
        path = f"/in/{self.token}"
        status, _, told = ask(self.service.phone, "POST", path, body, headers)
        assert status == 200, told
        return str(json.loads(told)["id"])


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    service = Service(tmp_path_factory.mktemp("signatures") / "data").start()
    try:
        with receiving() as one, receiving() as two:
            made = service.cli("endpoint", "add", one.url)
            brought = service.cli("endpoint", "add", two.url, "--secret", OWN_SECRET)
            phone = service.cli("device", "add", "--name", "Phone", "--app", "generic")
            assert brought["secret"] == OWN_SECRET
            yield House(
                service,
                Endpoint(made["id"], made["secret"], one),
                Endpoint(brought["id"], OWN_SECRET, two),
                phone["token"],
            )
        service.stop()
    finally:
        service.kill()


@pytest.fixture(scope="module")
def arrivals(house: House) -> list[Arrival]:
    """At the endpoint with a secret of mmconnect's own."""
    for n, text in enumerate(TEXTS):
        house.push(text, f"+1555010{n}")
    return house.standard.arrivals(TEXTS)


@pytest.fixture(scope="module")
def hosted_arrivals(house: House, arrivals: list[Arrival]) -> list[Arrival]:
    """At the endpoint with the secret that somebody brought along."""
    return house.own.arrivals(TEXTS)


def openssl(secret: str, body: bytes) -> str:
    """As the docs have it: `openssl dgst -sha256 -hmac "$SECRET" < body`."""
    done = subprocess.run(
        ["openssl", "dgst", "-sha256", "-hmac", secret],
        input=body,
        capture_output=True,
        check=True,
    )
    return done.stdout.decode().rpartition("= ")[2].strip()


def hosted_check(secret: str, arrival: Arrival) -> bool:
    """The hosted service's guide: a hex digest over the raw body, compared in constant time."""
    given = arrival.header("X-MAC-Signature") or ""
    wanted = "sha256=" + hmac.new(secret.encode(), arrival.body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(given, wanted)


def test_the_secret_is_what_is_promised(house: House):
    prefix, _, rest = house.standard.secret.partition("_")
    assert prefix == "whsec"
    assert len(base64.b64decode(rest, validate=True)) == 32


def test_standardwebhooks(house: House, arrivals: list[Arrival]):
    checker = standardwebhooks.Webhook(house.standard.secret)
    for arrival, text in zip(arrivals, TEXTS, strict=True):
        assert checker.verify(arrival.body, arrival.mapping)["text"] == text
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            checker.verify(arrival.body + b" ", arrival.mapping)
        for name, value in (("webhook-id", "msg_x"), ("webhook-timestamp", str(int(time.time())))):
            other = {**arrival.mapping, name: value}
            if other != arrival.mapping:
                with pytest.raises(standardwebhooks.WebhookVerificationError):
                    checker.verify(arrival.body, other)


def test_svix(house: House, arrivals: list[Arrival]):
    checker = svix.webhooks.Webhook(house.standard.secret)
    for arrival in arrivals:
        checker.verify(arrival.body, arrival.mapping)
        with pytest.raises(svix.webhooks.WebhookVerificationError):
            checker.verify(arrival.body.replace(b"msg_", b"msG_"), arrival.mapping)


@needs_openssl
def test_openssl(house: House, arrivals: list[Arrival], hosted_arrivals: list[Arrival]):
    for endpoint, came in ((house.standard, arrivals), (house.own, hosted_arrivals)):
        for arrival in came:
            digest = openssl(endpoint.secret, arrival.body)
            assert len(digest) == 64
            assert arrival.header("X-MMConnect-Signature") == digest
            assert arrival.header("X-MAC-Signature") == "sha256=" + digest
            assert arrival.header("X-MMConnect-Signature-Previous") is None


def test_the_hosted_guide(house: House, arrivals: list[Arrival], hosted_arrivals: list[Arrival]):
    for endpoint, came in ((house.standard, arrivals), (house.own, hosted_arrivals)):
        for arrival in came:
            assert hosted_check(endpoint.secret, arrival)
            assert not hosted_check(endpoint.secret + "x", arrival)
    for arrival in hosted_arrivals:
        assert arrival.header("webhook-signature") is None, "that secret is no whsec_ + base64"
        assert arrival.header("webhook-id") == arrival.id


def test_the_header_set(arrivals: list[Arrival]):
    for arrival in arrivals:
        names = [name.lower() for name, _ in arrival.headers]
        assert len(names) == len(set(names))
        assert set(names) == {
            *("host", "user-agent", "content-type", "content-length"),
            *("webhook-id", "webhook-timestamp", "webhook-signature"),
            *("x-mmconnect-signature", "x-mac-signature"),
            *("x-mmconnect-attempt", "x-mmconnect-delivery"),
        }
        # one token of the standard's own and no other: some libraries fall over a foreign one
        assert re.fullmatch(r"v1,[\w+/]{43}=", arrival.header("webhook-signature") or "")
        came = time.time() - (time.monotonic() - arrival.at)
        assert abs(int(arrival.header("webhook-timestamp") or 0) - came) < 60


def test_the_verify_command(house: House, arrivals: list[Arrival], tmp_path: Path):
    body, headers = tmp_path / "body", tmp_path / "headers"
    body.write_bytes(arrivals[1].body)
    headers.write_text("".join(f"{n}: {v}\n" for n, v in arrivals[1].headers))
    words = ["verify", "--body", str(body), "--header", f"@{headers}", "--secret"]
    assert house.service.run(*words, house.standard.secret).returncode == 0
    assert house.service.run(*words, house.own.secret).returncode == 1
    body.write_bytes(arrivals[1].body + b"\n")
    assert house.service.run(*words, house.standard.secret).returncode == 1


def test_a_test_is_signed_like_a_text(house: House):
    told = house.service.cli("endpoint", "test", house.standard.id)
    assert (told["state"], told["attempt"]["status"]) == ("delivered", 200)
    (arrival,) = [one for one in house.standard.there.arrivals if one.json["test"]]
    standardwebhooks.Webhook(house.standard.secret).verify(arrival.body, arrival.mapping)
    assert hosted_check(house.standard.secret, arrival)


def test_each_attempt_is_signed_anew(house: House):
    there = house.standard.there
    there.then(answer(500))
    message_id = house.push("again", "+15550177")
    until(lambda: len([a for a in there.arrivals if a.id == message_id]) == 2, "two attempts")
    first, second = (a for a in there.arrivals if a.id == message_id)
    checker = standardwebhooks.Webhook(house.standard.secret)
    for arrival in (first, second):
        checker.verify(arrival.body, arrival.mapping)
    assert first.body == second.body
    assert first.header("webhook-signature") != second.header("webhook-signature")
    assert first.header("X-MAC-Signature") == second.header("X-MAC-Signature")
    assert [a.header("X-MMConnect-Attempt") for a in (first, second)] == ["1", "2"]
    gap = int(second.header("webhook-timestamp") or 0) - int(first.header("webhook-timestamp") or 0)
    assert 4 <= gap <= 30, "the second attempt is due after 5 s"


def test_during_a_rotation_both_secrets_are_good(house: House):
    """The previous secret until it expires, and not a moment longer."""
    new = "whsec_" + base64.b64encode(bytes(range(32))).decode()
    old = house.standard.secret
    expires = int(time.time() * 1000) + 3_600_000

    def write(sql: str, *values: object) -> None:
        house.service.write(sql, *values)
        house.service.noticed()

    endpoint_id = house.standard.id
    write("UPDATE secrets SET expires_at = ? WHERE endpoint_id = ?", expires, endpoint_id)
    write("INSERT INTO secrets VALUES (?, ?, ?, NULL)", endpoint_id, expires, new)
    house.push("rotating", "+15550178")
    (arrival,) = house.standard.arrivals(["rotating"])
    assert len((arrival.header("webhook-signature") or "").split(" ")) == 2
    for secret in (old, new):
        standardwebhooks.Webhook(secret).verify(arrival.body, arrival.mapping)
        svix.webhooks.Webhook(secret).verify(arrival.body, arrival.mapping)
    assert hosted_check(new, arrival)
    assert not hosted_check(old, arrival)
    previous = hmac.new(old.encode(), arrival.body, hashlib.sha256).hexdigest()
    assert arrival.header("X-MMConnect-Signature-Previous") == previous

    write("UPDATE secrets SET expires_at = 1 WHERE value = ?", old)
    house.push("rotated", "+15550178")
    (arrival,) = house.standard.arrivals(["rotated"])
    assert arrival.header("X-MMConnect-Signature-Previous") is None
    standardwebhooks.Webhook(new).verify(arrival.body, arrival.mapping)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(old).verify(arrival.body, arrival.mapping)
