"""An appliance as it is after a month: phones, endpoints that work and that do not, texts, figures.

For pictures of the pages and for tests that look at all of them. What is of today went the whole
way (push, commit, webhook) by a clock that is set back and comes up to now; the days before are
figures only. At the end the endpoints get addresses as people have them.
"""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiohttp import web

from mmconnect.admin.site import make_site
from mmconnect.desk import kept_backups
from mmconnect.desk.around import Around
from mmconnect.desk.doctor import Once
from mmconnect.desk.entry import Entry
from mmconnect.domain.clock import SystemClock, iso
from mmconnect.domain.days import DAY, HOUR
from mmconnect.domain.ids import KEY
from mmconnect.phones import codes
from mmconnect.phones.urls import Bases
from mmconnect.service.admin_side import with_api
from mmconnect.store import accounts, api_keys, audit, backups, pairings, settings, tallies
from mmconnect.store.accounts import Session
from mmconnect.store.api_keys import ApiKey
from mmconnect.store.endpoints import ask_probe
from mmconnect.store.tallies import Tally
from tests.support.browser import AGENT
from tests.support.desk import backups_of, desk_of, machine_of, scraped
from tests.support.inprocess import Appliance, appliance, eventually
from tests.support.loops import on_loopback
from tests.support.phones import generic_json, incoming_sms, smsgate_sms
from tests.support.receiver import answer, receiver

BASES = Bases(http=("http://192.168.1.20:8481",), https=("https://192.168.1.20:8482",))
TODAY = (
    (5.2, 0, "+6581234567", "Hi, can I move my appointment from Tuesday to Thursday morning?"),
    (4.9, 1, "DBS", "Your OTP is 482 913. Do not share it with anyone. Expires in 5 minutes."),
    (4.1, 0, "+6591112233", "Thanks, see you at 3 pm"),
    (3.6, 0, "+447911123456", "Is the clinic open on the public holiday?"),
    (3.2, 1, "SingPost", "Parcel RR481516234SG is out for delivery today, 2pm to 6pm."),
    (2.4, 0, "+6581234567", "Thursday 10:30 is perfect.\nDo I need to bring the X-rays again?"),
    (1.7, 0, "+6596668888", "STOP"),
    (0.9, 1, "+6587654321", "您好，请问明天下午还有空位吗？"),
    (0.3, 0, "+6590001122", "Running 10 minutes late, sorry! Traffic on the PIE."),
)
"""Hours ago, which phone, sender, text."""
URLS = {
    "Practice CRM": "https://crm.acme-dental.example/api/v2/integrations/sms/incoming",
    "Helpdesk": "https://desk.example.com/hooks/mmconnect",
}
UNDER_WAY = "SELECT count(*) FROM deliveries WHERE state = 'in_flight'"
MADE = "SELECT sum(attempts) FROM deliveries"
DESKTOP = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0"
    " Safari/537.36"
)


class LateClock(SystemClock):
    """The system's clock, set back; it goes as fast, and comes up when it is told to."""

    def __init__(self, back: int) -> None:
        self.back = back
        """Milliseconds behind."""

    def now(self) -> int:
        return super().now() - self.back

    def monotonic(self) -> float:
        return super().monotonic() - self.back / 1000


@dataclass(frozen=True, kw_only=True)
class Filled:
    """The appliance and what a walk begins with."""

    box: Appliance
    port: int
    """Of the admin site, with the API on it; everybody is in."""
    code: str
    """That opens the pairing page."""
    phones: dict[str, str]
    endpoints: dict[str, str]
    """Ids by name."""
    doctor: Once
    """What it has found: nothing yet."""


@asynccontextmanager
async def filled(
    directory: Path, *, bare: bool = False, locked: bool = False
) -> AsyncIterator[Filled]:
    """A dental practice's appliance; `bare`: with nothing in it yet; `locked`: with its door."""
    clock = LateClock(round(6 * HOUR))
    async with AsyncExitStack() as stack:
        well = await stack.enter_async_context(receiver(default=answer(200, b'{"ok":true}')))
        no_team = answer(422, b'{"error":"no such team: front-desk"}')
        picky = await stack.enter_async_context(receiver(answer(), answer(), no_team))
        no_good = answer(401, b'{"error":"bad signature"}')
        wrong = await stack.enter_async_context(receiver(answer(), default=no_good))
        box = await stack.enter_async_context(appliance(directory, clock=clock, tokens=()))
        box.change(lambda db: settings.put(db, settings.SITE_NAME, "Acme Dental"))
        code, phones, endpoints = "", {}, {}
        if bare:
            clock.back = 0
        else:
            names = ("Reception", "Front desk, upstairs", "Spare phone", "Night line")
            apps = ("smsgate", "incoming_sms", "generic", "smsforwarder")
            for name, app in zip(names, apps, strict=True):
                token = f"token-of-{name.split()[0].lower()}"
                await box.device(name=name, app=app, country="SG", token=token)
            phones = {box.watch.look().devices[id].name: id for id in box.tokens}
            endpoints["Practice CRM"] = await box.endpoint(well.url, name="Practice CRM")
            endpoints["Helpdesk"] = await box.endpoint(picky.url, name="Helpdesk", schedule=(0,))
            endpoints["Booking system"] = await box.endpoint(
                f"http://localhost:{wrong.port}/sms", name="Booking system"
            )
            await _texts(box, clock, phones, endpoints["Booking system"])
            code = _history(box, phones, endpoints)
        door: dict[str, Any] = {"entry": Entry(box.database, box.clock, box.ids)} if locked else {}
        doctor = Once()
        desk = desk_of(
            box,
            **door,
            machine=replace(machine_of(box), _examinations=doctor),
            where=lambda: BASES,
            around=lambda: Around(
                bases=BASES,
                real=BASES,
                own={ip_address("192.168.1.20")},
                now=box.clock.now(),
                presence=box.presences.of,
            ),
        )
        site = make_site(desk, scraped, None, more=lambda site: with_api(site, desk))
        runner = web.AppRunner(site, access_log=None, shutdown_timeout=0.5)
        port = await stack.enter_async_context(on_loopback(runner))
        await box.watch.refresh()
        if not bare:
            await _nights(box)
        yield Filled(
            box=box, port=port, code=code, phones=phones, endpoints=endpoints, doctor=doctor
        )


async def _texts(box: Appliance, clock: LateClock, phones: dict[str, str], held: str) -> None:
    night, unread = phones["Night line"], generic_json({"event": "sms", "payload": "?"})
    clock.back = 2 * DAY
    box.presences.heard(night, "192.168.1.34", None)
    box.presences.beat(night, {"battery": 4, "charging": False, "network": "Wi-Fi"})
    box.presences.silent(night, clock.now())
    await box.push(*unread, token=box.tokens[phones["Spare phone"]])
    for n, (ago, which, sender, text) in enumerate(TODAY):
        clock.back = round(ago * HOUR)
        box.dispatcher.wake()
        name = ("Reception", "Front desk, upstairs")[which]
        token, now = box.tokens[phones[name]], clock.now()
        wire = (
            incoming_sms(text, sender, sent_ms=now - 3000, received_ms=now - 1000)
            if which
            else smsgate_sms(
                text,
                sender,
                message_id=f"1a00fd{n:02}",
                event_id=f"Ey{n:02}",
                recipient="+6561234567",
                received_at=iso(now - 2000),
            )
        )
        told = await box.push(*wire, token=token)
        assert told.status == 200, told
        await eventually(lambda: not box.one(UNDER_WAY), 40)
    made, clock.back = box.one(MADE), 0
    # whether a probe is due by now is chance: one is made, and done before the URL changes
    box.change(lambda db: ask_probe(db, held, clock.now()))
    box.dispatcher.wake()
    await eventually(lambda: box.one(MADE) > made and not box.one(UNDER_WAY), 40)


def _history(box: Appliance, phones: dict[str, str], endpoints: dict[str, str]) -> str:
    """The month before, names and addresses as people have them; the code of an invitation."""
    now, dice = box.clock.now(), random.Random(7)
    midnight = now - now % DAY
    texts: dict[tuple[str, int], int] = {}
    attempts: dict[tuple[str, int], Tally] = {}
    for day in range(1, 36):
        weekday = ((midnight // DAY - day) + 3) % 7
        for hour in range(8, 20):
            at = midnight - day * DAY + hour * HOUR
            busy = 1 if weekday >= 5 else 6 if hour in (9, 10, 14, 15) else 3
            for phone, part in (("Reception", 2), ("Front desk, upstairs", 1)):
                count = dice.randint(0, busy * part)
                if count:
                    texts[phones[phone], at] = count
                for name in ("Practice CRM", "Helpdesk"):
                    tally = attempts.setdefault((endpoints[name], at), Tally())
                    for _ in range(count):
                        good = name == "Practice CRM" or dice.random() > 0.08
                        took = round(dice.lognormvariate(4.6, 0.5))
                        tally.attempt(delivered=good, probe=False, answered_in=took)
    code = codes.new_code()

    def write(db: sqlite3.Connection) -> None:
        tallies.add(db, texts, attempts)
        for name, url in URLS.items():
            old = box.watch.look().endpoints[endpoints[name]].url
            db.execute("UPDATE endpoints SET url = ? WHERE id = ?", (url, endpoints[name]))
            db.execute("UPDATE attempts SET request = replace(request, ?, ?)", (old, url))
        db.execute("UPDATE attempts SET address = '203.0.113.20'")
        db.execute("UPDATE devices SET created_at = ?", (now - 34 * DAY,))
        db.execute("UPDATE endpoints SET created_at = ?", (now - 33 * DAY,))
        pairings.add(db, codes.digest(code), phones["Spare phone"], now, now + codes.LIFE)
        backups.note_made(db, now - 4 * DAY)
        _kept(db, box, now, endpoints)

    box.change(write)
    for name, address in (("Reception", "192.168.1.31"), ("Front desk, upstairs", "192.168.1.32")):
        box.presences.heard(phones[name], address, None)
    box.presences.told(phones["Reception"], {"battery": 82, "charging": True, "network": "Wi-Fi"})
    return codes.shown(code)


async def _nights(box: Appliance) -> None:
    """A backup of each of the last nights, and one from before an upgrade."""
    made = await backups_of(box).make()
    night = made.made_at - made.made_at % DAY - 5 * HOUR
    for n in range(4):
        name = kept_backups.name_at(night - n * DAY + n * 1000)
        made.path.with_name(name).hardlink_to(made.path)
    before = made.path.rename(made.path.with_name("before-schema-6.db"))
    os.utime(before, (0, (night - 20 * DAY) / 1000))


def _kept(db: sqlite3.Connection, box: Appliance, now: int, endpoints: dict[str, str]) -> None:
    """Keys, browsers that are logged in, and who changed what."""
    for n, (name, scopes, used) in enumerate(
        (
            ("Reporting script", {"read"}, now - 3 * HOUR),
            ("Prometheus", {"metrics"}, now - 20_000),
            ("Old CRM importer", {"read", "write"}, None),
        )
    ):
        key = ApiKey(
            id=box.ids.new(KEY),
            name=name,
            hint=("k3Fq", "Zx81", "b0aT")[n],
            scopes=frozenset(scopes),
            created_at=now - (20 - n) * DAY,
            expires_at=now + 60 * DAY if n == 2 else None,
            last_used_at=used,
            last_address=None if used is None else "192.168.1.40",
            digest=bytes([n]) * 32,
        )
        api_keys.add(db, key)
    for n, agent in enumerate((AGENT, DESKTOP)):
        session = Session(
            id="ses_test" if n == 1 else "ses_other",
            created_at=now - 9 * DAY,
            seen_at=now - n * HOUR,
            confirmed_at=now - 9 * DAY,
            address=f"192.168.1.{50 + n}",
            user_agent=agent,
        )
        accounts.add_session(db, bytes([n]) * 32, session)
    for n, (actor, action, subject, detail) in enumerate(
        (
            ("cli", "admin.set_up", None, ""),
            ("admin", "device.added", None, "Reception"),
            ("admin", "endpoint.added", endpoints["Practice CRM"], "Practice CRM"),
            ("admin", "endpoint.added", endpoints["Booking system"], "Booking system"),
            ("admin", "endpoint.rotated", endpoints["Practice CRM"], "Practice CRM"),
        )
    ):
        where = None if actor == "cli" else "192.168.1.51"
        at = now - (30 - 5 * n) * DAY
        audit.note(
            db, at=at, actor=actor, action=action, subject=subject, detail=detail, address=where
        )


__all__ = ["Filled", "LateClock", "filled"]
