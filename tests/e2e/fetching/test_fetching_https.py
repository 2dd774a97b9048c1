"""With a certificate of our own, a phone is told to push over HTTPS, and is asked less often."""

from __future__ import annotations

import json
import re
import sqlite3
import threading
import time
from dataclasses import replace
from typing import Any

from tests.support.receiver import Receiver, free_port
from tests.support.service import Service, until
from tests.support.smsgate_phone import SmsgatePhone

SERVE = ("--phone-tls-listen", f"127.0.0.1:{free_port()}")


def link(service: Service, phone: SmsgatePhone) -> None:
    service.cli(
        *("device", "add", "--name", "R", "--app", "smsgate", "--phone-url", phone.url),
        *("--phone-password", "pass1234", "--poll", "1s"),
    )


def told(service: Service) -> dict[str, Any]:
    with service.looking() as db:
        row = db.execute("SELECT told FROM phone_link_states").fetchone()
    return {} if row is None or row[0] is None else dict(json.loads(row[0]))


def looks(phone: SmsgatePhone) -> int:
    return sum(asked.path == "/inbox" for asked in phone.requests)


def test_while_pushes_arrive_over_https_it_is_asked_every_two_minutes(
    service: Service, phone: SmsgatePhone, receiver: Receiver
) -> None:
    service.cli("tls", "create-ca")
    phone.trust((service.directory / "ca.pem").read_text())
    link(service, phone)
    until(lambda: str(told(service).get("base")).startswith("https://"), "it is told an https URL")
    phone.ping()
    phone.settled()
    until(lambda: _quiet_for(phone, 4.0), "it is asked less often")
    phone.receive("+15550100", "pushed")
    until(lambda: receiver.texts == ["pushed"], "a push is as quick as ever")
    assert told(service)["seen_at"]


def test_what_is_said_when_a_phone_is_linked(
    service: Service, phone: SmsgatePhone, receiver: Receiver
) -> None:
    service.cli("tls", "create-ca")
    until(lambda: "HTTPS is served" in service.log_text(), service.log_text)
    phone.trust((service.directory / "ca.pem").read_text())
    told = service.run(
        *("device", "add", "--name", "R", "--app", "smsgate", "--phone-url", phone.url),
        *("--phone-password", "pass1234", "--poll", "1s"),
    ).stdout
    assert f"R is fetched from {phone.url}: what comes from now on is sent" in told
    assert re.search(r"^Push URL: +https://", told, re.MULTILINE), "it takes no other"
    assert re.search(r"^Open: +http://", told, re.MULTILINE), "for that no certificate is needed"
    phone.receive("+15550100", "pushed")
    until(lambda: receiver.texts == ["pushed"], "a text comes")
    (device,) = re.findall(r"^Device: +(\S+)", told, re.MULTILINE)
    until(
        lambda: "and it pushes" in service.run("device", "show", device).stdout,
        "it is known to push",
    )


def test_a_ping_that_comes_while_the_phone_is_still_being_told_shows_that_pushes_arrive(
    service: Service, phone: SmsgatePhone
) -> None:
    """Else it would be known at the next look only, which such a ping puts off by two minutes."""
    service.cli("tls", "create-ca")
    phone.trust((service.directory / "ca.pem").read_text())
    came = threading.Event()
    phone.trouble.only = "/webhooks"
    phone.trouble.until = lambda: "mmconnect-system-ping" not in phone.app.hooks or came.is_set()
    link(service, phone)
    until(lambda: "mmconnect-system-ping" in phone.app.hooks, "it knows where pings go")
    phone.ping()
    phone.settled()
    assert not told(service), "it is still being told"
    came.set()
    until(lambda: told(service).get("seen_at"), "it is known that pushes arrive")


def test_a_phone_that_does_not_trust_us_is_asked_as_often_as_before_and_says_why(
    service: Service, phone: SmsgatePhone, receiver: Receiver
) -> None:
    service.cli("tls", "create-ca")
    link(service, phone)
    until(lambda: str(told(service).get("base")).startswith("https://"), "it is told an https URL")
    phone.receive("+15550100", "fetched")
    until(lambda: receiver.texts == ["fetched"], "it is fetched")
    seen = looks(phone)
    until(lambda: looks(phone) > seen + 3, "it is asked on")
    until(lambda: any("Webhook network error" in line for line in phone.log_lines), "it complains")
    assert not told(service)["seen_at"]
    service.stop()
    with sqlite3.connect(service.directory / "mmconnect.db") as db:  # seven minutes ago
        db.execute(
            "UPDATE phone_link_states SET told = json_set(told, '$.at', ?)",
            (int(time.time() * 1000) - 420_000,),
        )
    db.close()
    service.start()
    until(lambda: "Webhook network error" in told(service).get("complaint", ""), "it is told")


def test_once_there_is_a_certificate_the_phone_is_told_https(
    service: Service, phone: SmsgatePhone
) -> None:
    link(service, phone)
    until(lambda: str(told(service).get("base")).startswith("http://"), "it is told http")
    service.cli("tls", "create-ca")
    until(lambda: str(told(service).get("base")).startswith("https://"), "it is told https")
    assert all(hook.url.startswith("https://") for hook in phone.app.hooks.values())


def test_a_push_that_was_under_way_to_the_old_address_says_nothing_of_the_new_one(
    service: Service, phone: SmsgatePhone, receiver: Receiver
) -> None:
    """What waits in the phone's queue goes where it was to go: by http, though https is told."""
    link(service, phone)
    until(lambda: told(service).get("base"), "it is told http")
    old = phone.app.hooks["mmconnect-sms-received"]
    service.cli("tls", "create-ca")  # which it does not trust
    until(lambda: str(told(service)["base"]).startswith("https://"), "it is told https")
    new = phone.app.hooks[old.id]
    phone.app.hooks[old.id] = replace(new, url=old.url)
    phone.receive("+15550100", "under way")
    phone.app.hooks[old.id] = new
    until(lambda: receiver.texts == ["under way"], "it is taken all the same")
    until(lambda: any(push.status == 200 for push in phone.pushes), "by the push")
    seen = looks(phone)
    until(lambda: looks(phone) > seen + 3, "it is asked on")
    assert not told(service)["seen_at"]


def _quiet_for(phone: SmsgatePhone, seconds: float) -> bool:
    before = looks(phone)
    time.sleep(seconds)
    return looks(phone) == before
