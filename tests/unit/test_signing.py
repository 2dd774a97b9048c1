"""Signatures against vectors that openssl made, and against the libraries that receivers use.

The vectors: `printf %s "$BODY" | openssl dgst -sha256 -hmac "$SECRET"` for the plain headers, and
`printf '%s.%s.%s' ID TIME "$BODY" | openssl dgst -sha256 -mac HMAC -macopt hexkey:… -binary` in
base64, with the decoded key, for webhook-signature.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
import standardwebhooks
import svix.webhooks
from hypothesis import given
from hypothesis import strategies as st

from mmconnect.domain.models import Secret
from mmconnect.webhook import signing

SECRET = "whsec_bW1jb25uZWN0LWdvbGRlbi1zZWNyZXQtMzItYnl0ZXM="
PREVIOUS = "whsec_bW1jb25uZWN0LWVhcmxpZXItc2VjcmV0LTMyYnl0ZXM="
OWN = "my own secret, 16+ ü"
ID, TIME = "msg_01JD0000000000000000000000", 1781274720
BODY = (
    '{"event":"message.received","id":"msg_01JD0000000000000000000000","text":"Grüße 😀"}'.encode()
)

HEX = "776132ebd3ec19068fc8ab613ce9305ddaddb3cbb746f188ba1e269e25400759"
HEX_PREVIOUS = "b771aa1353ed7e1be01adc202b8b15c6aab8991eaf019b7ca7e9e60dbd9ae776"
HEX_OWN = "a02697d931006c90df46241fdd49fabc11b03d2e5f4d3bb33d5875ee5f038d0d"
TOKEN = "v1,wPHhhgNCtawDxeGzgvGDhaZvyRNQbaCxBR8RN+Mk5vg="
TOKEN_PREVIOUS = "v1,nHirD9IC5uBTd+m/xg+s1/vt6LCn39ObbUJ1GxHHV8k="


def test_the_headers_of_one_attempt_are_what_openssl_makes():
    assert signing.signature_headers([SECRET], ID, TIME, BODY) == {
        "webhook-id": ID,
        "webhook-timestamp": str(TIME),
        "webhook-signature": TOKEN,
        "X-MMConnect-Signature": HEX,
        "X-MAC-Signature": f"sha256={HEX}",
    }


def test_rotation_adds_the_previous_secret_in_both_schemes():
    headers = signing.signature_headers([SECRET, PREVIOUS], ID, TIME, BODY)
    assert headers["webhook-signature"] == f"{TOKEN} {TOKEN_PREVIOUS}"
    assert headers["X-MMConnect-Signature"] == HEX
    assert headers["X-MAC-Signature"] == f"sha256={HEX}"
    assert headers["X-MMConnect-Signature-Previous"] == HEX_PREVIOUS


def test_without_plain_headers_only_the_standard_ones_are_left():
    headers = signing.signature_headers([SECRET, PREVIOUS], ID, TIME, BODY, plain=False)
    assert set(headers) == {"webhook-id", "webhook-timestamp", "webhook-signature"}


@pytest.mark.parametrize(
    "own",
    [
        OWN,
        "whsec_not base64 at all!",
        "whsec_",
        "whsec_YWJj\n",
        "whsec_YWJjZA",  # its padding is lost: which key was meant is not ours to guess
        "whsec_-_-_",  # the url-safe alphabet, which strict libraries refuse
        "whsec_ü",
        "WHSEC_bW1jb25uZWN0LWdvbGRlbi1zZWNyZXQtMzItYnl0ZXM=",
    ],
)
def test_an_own_secret_that_is_not_whsec_and_base64_makes_no_webhook_signature(own: str):
    headers = signing.signature_headers([own], ID, TIME, BODY)
    assert "webhook-signature" not in headers
    expected = hmac.new(own.encode(), BODY, hashlib.sha256).hexdigest()
    assert headers["X-MMConnect-Signature"] == expected
    assert headers["X-MAC-Signature"] == "sha256=" + expected


def test_an_own_secret_signs_with_its_utf8_bytes_as_openssl_does():
    assert signing.plain_signature(OWN, BODY) == HEX_OWN


def test_rotating_between_an_own_and_a_standard_secret_signs_with_what_can():
    to_standard = signing.signature_headers([SECRET, OWN], ID, TIME, BODY)
    assert to_standard["webhook-signature"] == TOKEN
    assert to_standard["X-MMConnect-Signature-Previous"] == HEX_OWN
    to_own = signing.signature_headers([OWN, SECRET], ID, TIME, BODY)
    assert to_own["webhook-signature"] == TOKEN
    assert to_own["X-MMConnect-Signature"] == HEX_OWN
    assert to_own["X-MMConnect-Signature-Previous"] == HEX


def test_expiry_is_judged_when_signing():
    current = Secret(value=SECRET, created_at=1_000, expires_at=None)
    previous = Secret(value=PREVIOUS, created_at=0, expires_at=3_600_000)
    assert signing.signing_secrets([current, previous], 3_599_999) == [SECRET, PREVIOUS]
    assert signing.signing_secrets([current, previous], 3_600_000) == [SECRET]
    assert signing.signing_secrets([current, previous], 0) == [SECRET, PREVIOUS]


def test_a_new_secret_is_32_random_bytes():
    made = {signing.new_secret() for _ in range(100)}
    assert len(made) == 100
    for secret in made:
        key = signing.standard_key(secret)
        assert key is not None
        assert len(key) == 32
        assert secret == "whsec_" + base64.b64encode(key).decode()


LIBRARIES = [standardwebhooks.Webhook, svix.webhooks.Webhook]
REFUSALS = (
    standardwebhooks.WebhookVerificationError,
    svix.webhooks.WebhookVerificationError,
)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("secret", [SECRET, PREVIOUS])
def test_the_libraries_accept_either_secret_during_rotation(library: type, secret: str):
    headers = signing.signature_headers([SECRET, PREVIOUS], ID, int(time.time()), BODY)
    library(secret).verify(BODY, headers)  # raises when it does not accept


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("wrong", ["secret", "body", "id", "old", "future"])
def test_the_libraries_refuse_what_is_wrong(library: type, wrong: str):
    at = int(time.time()) + {"old": -310, "future": 900}.get(wrong, 0)
    headers = signing.signature_headers([SECRET], ID, at, BODY)
    if wrong == "id":
        headers["webhook-id"] = ID + "1"
    body = BODY.replace(b"Gr", b"gr") if wrong == "body" else BODY
    with pytest.raises(REFUSALS):
        library(PREVIOUS if wrong == "secret" else SECRET).verify(body, headers)


@given(
    key=st.binary(min_size=1, max_size=80),
    seconds=st.integers(min_value=0, max_value=2**33),
    text=st.text(st.characters(exclude_categories=["Cs"])),
)
def test_the_library_signs_as_we_do(key: bytes, seconds: int, text: str):
    secret = "whsec_" + base64.b64encode(key).decode()
    when = datetime.fromtimestamp(seconds, UTC)
    theirs = standardwebhooks.Webhook(secret).sign(ID, when, text)
    assert signing.standard_signature(key, ID, seconds, text.encode()) == theirs


def test_why_we_do_not_sign_with_the_library():
    """It takes the clock face of a time that is not UTC for UTC. When this fails, it was mended."""
    utc = datetime.fromtimestamp(TIME, UTC)
    elsewhere = utc.astimezone(timezone(timedelta(hours=8)))
    assert utc == elsewhere
    library = standardwebhooks.Webhook(SECRET)
    assert library.sign(ID, utc, BODY.decode()) == TOKEN
    assert library.sign(ID, elsewhere, BODY.decode()) != TOKEN
