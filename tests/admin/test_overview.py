"""The overview: is everything well, and what is there to do; the checklist, which ticks itself."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from mmconnect.desk.doctor import Check, Finding, Once, Report
from mmconnect.desk.status import Vitals
from mmconnect.domain.days import DAY, HOUR
from mmconnect.domain.models import EndpointState
from mmconnect.store import backups, tallies
from mmconnect.webhook.events import SystemWarning
from tests.support.desk import admin_of, desk_of, machine_of
from tests.support.inprocess import Appliance, FakeClock, appliance, eventually
from tests.support.receiver import answer, receiver
from tests.support.wire import Told, ask, request

PHONE = ("a-token-of-the-phone",)


@dataclass
class Site:
    """The pages of an appliance."""

    box: Appliance
    port: int
    doctor: Once = field(default_factory=Once, kw_only=True)
    """What was found, where a test says so."""

    async def page(self, path: str = "/") -> str:
        told = await ask(self.port, request(path, method="GET"))
        assert told.status == 200, told.body.decode()
        return told.body.decode()

    async def words(self, path: str = "/") -> str:
        """What a reader finds on the page, without markup and spaces that nobody sees."""
        page = (await self.page(path)).partition("<main")[2]
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())

    async def post(self, path: str, **fields: str) -> Told:
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Sec-Fetch-Site": "same-origin",
        }
        body = urlencode(fields).encode()
        return await ask(self.port, request(path, headers, body, method="POST"))


@asynccontextmanager
async def site(directory: Path, tokens: tuple[str, ...] = (), **vitals: Any) -> AsyncIterator[Site]:
    async with appliance(directory, clock=FakeClock(), tokens=tokens) as box:
        told = Vitals(last_turn=lambda: box.dispatcher.last_turn, **vitals)
        doctor = Once()
        machine = replace(machine_of(box), _examinations=doctor)
        async with admin_of(desk_of(box, vitals=told, machine=machine)) as port:
            yield Site(box, port, doctor=doctor)


# -- the first steps ----------------------------------------------------------------------------


async def test_a_fresh_appliance_has_the_first_steps_and_nothing_in_their_way(tmp_path: Path):
    warning = SystemWarning(code="clock", sentence="It is late.", remedy="")
    async with site(tmp_path, machine=lambda: [warning]) as here:
        words = await here.words()
        assert words.startswith('id="main"') or "Welcome" in words
        steps = [
            words.index(step)
            for step in (
                "Connect a phone",
                "Send yourself a text",
                "Add an endpoint",
                "See it delivered",
                "Download a backup",
                "It is late",
            )
        ]
        assert steps == sorted(steps)
        assert "Texts today" not in words
        assert "All is well" not in words


def ticked(page: str) -> list[str]:
    """The steps that are done."""
    return re.findall(r'<li class="done">.*?<h3>([^<]+)', page, re.DOTALL)


async def test_the_steps_tick_themselves(tmp_path: Path):
    async with receiver(answer(200)) as there, site(tmp_path) as here:
        box = here.box
        assert ticked(await here.page()) == []
        await box.device(token="the-phone", name="Reception")
        page = await here.page()
        assert ticked(page) == []
        assert "Reception has not been heard yet" in page
        await box.text("hello")
        assert ticked(await here.page()) == ["Connect a phone", "Send yourself a text"]
        await box.endpoint(there.url, name="My CRM")
        page = await here.page()
        assert ticked(page) == ["Connect a phone", "Send yourself a text", "Add an endpoint"]
        assert "Send My CRM the last text now?" in page
        fields = dict(re.findall(r'name="(endpoint|message)" value="([^"]+)"', page))
        told = await here.post("/checklist/send", **fields)
        assert (told.status, told.headers["location"]) == (303, "/")
        await box.settled(fields["message"])
        assert len(there.arrivals) == 1
        assert "See it delivered" in ticked(await here.page())
        await box.database.write(lambda db: backups.note_made(db, box.clock.now()))
        page = await here.page()
        assert len(ticked(page)) == 5
        assert "First steps" not in await here.page(), "all done: out of the way"
        assert "All of it is done" in await here.words("/checklist")


async def test_a_first_delivery_counts_although_its_figures_were_lost(tmp_path: Path):
    """They are written once a minute: a backup, or a power cut, may know the delivery alone."""
    async with receiver(answer(200)) as there, site(tmp_path, ("the-phone",)) as here:
        here.box.dispatcher.observe = lambda *_: None
        await here.box.endpoint(there.url)
        await here.box.settled(await here.box.text("hello"))
        assert "See it delivered" in ticked(await here.page())


async def test_the_last_text_goes_to_the_new_endpoint_once(tmp_path: Path):
    async with receiver(answer(200)) as there, site(tmp_path, PHONE) as here:
        message_id = await here.box.text("hello")
        endpoint_id = await here.box.endpoint(there.url)
        for _ in range(2):
            told = await here.post("/checklist/send", message=message_id, endpoint=endpoint_id)
            assert told.status == 303
            await eventually(lambda: there.arrivals)
        gone = await here.post("/checklist/send", message="msg_none", endpoint=endpoint_id)
        assert gone.status == 404
        nowhere = await here.post("/checklist/send", message=message_id, endpoint="ep_none")
        assert nowhere.status == 404


async def test_the_steps_can_be_put_away_and_brought_back(tmp_path: Path):
    async with site(tmp_path, PHONE) as here:
        assert "First steps" in await here.page()
        assert (await here.post("/checklist/away")).status == 303
        assert "First steps" not in await here.page()
        assert "Connect a phone" in await here.words("/checklist")
        assert (await here.post("/checklist/back")).status == 303
        assert "First steps" in await here.page()


async def test_what_is_done_stays_done_when_a_phone_goes_and_texts_are_pruned(tmp_path: Path):
    async with site(tmp_path, PHONE) as here:
        await here.box.text()
        await here.box.figures.flush()
        here.box.change(lambda db: db.execute("DELETE FROM messages"))
        assert "Send yourself a text" in ticked(await here.page())


async def test_a_text_that_does_not_arrive_is_no_delivery_and_is_looked_at(tmp_path: Path):
    async with receiver(default=answer(500)) as there, site(tmp_path, PHONE) as here:
        endpoint_id = await here.box.endpoint(there.url)
        await here.box.settled(await here.box.text(), "pending")
        await here.box.figures.flush()
        page = await here.page()
        assert "See it delivered" not in ticked(page)
        assert "Send it" not in page, "it is on its way already"
        assert f'href="/deliveries?endpoint={endpoint_id}"' in page
        assert "See what became of it" in page


async def test_a_test_is_no_text_and_no_delivery(tmp_path: Path):
    async with receiver(answer(200)) as there, site(tmp_path) as here:
        endpoint_id = await here.box.endpoint(there.url)
        endpoint = here.box.endpoint_row(endpoint_id)
        await desk_of(here.box).trials.send(endpoint)
        assert ticked(await here.page()) == ["Add an endpoint"]


# -- is everything well? ------------------------------------------------------------------------


async def away(here: Site) -> None:
    assert (await here.post("/checklist/away")).status == 303
    await here.page()  # which says so


async def test_all_is_well(tmp_path: Path):
    async with receiver(answer(200)) as there, site(tmp_path, PHONE) as here:
        await here.box.endpoint(there.url)
        await here.box.settled(await here.box.text())
        await away(here)
        words = await here.words()
        assert "All is well Texts are taken in and delivered. The last one came just now" in words
        assert "Texts today 1" in words
        assert "Waiting now 0 nothing waits" in words
        assert "Delivered, 24 h 100 % of 1 attempt" in words
        assert "delivered" in words


@pytest.mark.parametrize(
    ("state", "told", "link"),
    [
        (EndpointState.HELD, "My CRM does not take texts It says no. 1 text waits", "endpoints"),
        (EndpointState.PAUSED, "My CRM is paused 1 text waits", "endpoints"),
    ],
)
async def test_an_endpoint_that_gets_nothing_is_named_with_the_way_to_it(
    tmp_path: Path, state: EndpointState, told: str, link: str
):
    async with site(tmp_path, PHONE) as here:
        endpoint_id = await here.box.endpoint(
            "http://127.0.0.1:9/",
            name="My CRM",
            state=state,
            held_class="gone",
            held_reason="It says no",
        )
        await here.box.text()
        await away(here)
        assert told in await here.words()
        assert "nothing is lost" in await here.words()
        assert f'href="/{link}/{endpoint_id}"' in await here.page()
        assert "All is well" not in await here.words()


async def test_without_a_network_that_is_told_and_not_each_endpoint(tmp_path: Path):
    async with site(tmp_path, PHONE, offline=lambda: True) as here:
        await here.box.endpoint("http://127.0.0.1:9/", name="My CRM", state=EndpointState.HELD)
        words = await here.words()
        assert "This machine has no network" in words
        assert "does not take texts" not in words


async def test_a_proxy_that_is_not_trusted_is_told_with_the_way_to_its_setting(tmp_path: Path):
    async with site(tmp_path, PHONE) as here:
        asked = request("/", {"X-Forwarded-For": "203.0.113.5"}, method="GET")
        page = (await ask(here.port, asked)).body.decode()
        assert "Requests come through a proxy at 127.0.0.1 that is not trusted" in page
        assert 'href="/settings/network"' in page


async def test_a_silent_phone_and_a_push_that_was_not_understood_are_named(tmp_path: Path):
    async with site(tmp_path, PHONE) as here:
        await here.box.text()
        told = await here.box.push({"Content-Type": "application/json"}, b'{"nothing": "known"}')
        assert told.status == 200
        assert "1 push of Reception was not understood" in await here.words()
        device_id = next(iter(here.box.tokens))
        here.box.presences.silent(device_id, here.box.clock.now())
        assert "Reception has fallen silent" in await here.words()
        assert f'href="/phones/{device_id}"' in await here.page()


async def test_a_day_that_is_unusually_quiet_is_told(tmp_path: Path):
    async with site(tmp_path, PHONE) as here:
        now = here.box.clock.now()
        hour = now - now % 3_600_000
        rows = {("dev_1", hour - n * 7 * DAY - 2 * 3_600_000): 40 for n in range(1, 8)}
        await here.box.database.write(lambda db: tallies.add(db, rows, {}))
        await here.box.text()
        words = await here.words()
        quiet = "Today is unusually quiet 1 text has come; on this weekday it is about 40 by now"
        assert quiet in words or "usually about 0 by now" in words  # just after midnight


async def test_a_backup_that_is_old_is_told(tmp_path: Path):
    async with site(tmp_path, PHONE) as here:
        long_ago = here.box.clock.now() - 40 * DAY
        await here.box.database.write(lambda db: backups.note_made(db, long_ago))
        assert "A backup is due The last one was made 40 days ago" in await here.words()


async def test_names_and_texts_of_strangers_are_only_shown(tmp_path: Path):
    evil = "<script>alert(1)</script>"
    async with site(tmp_path) as here:
        await here.box.device(token="t" * 20, name=f"{evil}\" onload='x'")
        await here.box.endpoint("http://127.0.0.1:9/", name=evil, state=EndpointState.HELD)
        await here.box.text(f"{evil} \x07 \u202e", sender=evil)
        page = await here.page()
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert "\x07" not in page


async def test_the_numbers_of_the_bars_can_be_read(tmp_path: Path):
    async with site(tmp_path, PHONE) as here:
        await here.box.text()
        words = await here.words()
        assert "1 text in 30 days" in words
        assert "The same as a table" in words


# -- the doctor ---------------------------------------------------------------------------------

DISK, DNS = Check("disk", "Disk"), Check("dns", "Names of the receivers")


def links(page: str) -> list[str]:
    """Where the concerns, or the sentence that all is well, lead to."""
    well = page.partition('id="well"')[2].partition('class="tiles"')[0]
    return re.findall(r'href="([^"]+)"', well)


async def well(here: Site) -> None:
    """Nothing to be concerned about: a text has come, and a backup was made."""
    await here.box.text("hello")
    assert (await here.post("/checklist/away")).status == 303
    await here.box.database.write(lambda db: backups.note_made(db, here.box.clock.now()))
    await here.box.endpoint("http://127.0.0.1:9/x")


def found(here: Site, *findings: Finding, ago: int = 2 * HOUR) -> None:
    here.doctor.last = Report(at=here.box.clock.now() - ago, findings=findings)


async def test_when_all_is_well_the_doctor_is_asked_or_has_a_word(tmp_path: Path):
    async with site(tmp_path, PHONE) as here:
        await well(here)
        assert "doctor looked" not in await here.words()
        assert links(await here.page()) == ["/help/doctor"]
        found(here, DISK.ok("Fine."), DNS.note("Slow."))
        words = await here.words()
        assert "All is well" in words
        assert "The doctor looked 2 h ago: no problem, and 1 thing to know. What it found" in words
        found(here, DISK.ok("Fine."), ago=DAY)
        assert "doctor looked" not in await here.words(), "that was yesterday"


async def test_what_the_doctor_has_found_is_a_concern_for_a_day(tmp_path: Path):
    async with site(tmp_path, PHONE) as here:
        await well(here)
        found(here, DISK.problem("Full.", "Tidy up."), DNS.ok("Fine."), DNS.problem("No.", "Do."))
        words = await here.words()
        assert "The doctor has found 2 problems" in words
        assert (
            "About: Disk, Names of the receivers. It looked 2 h ago; when that is mended" in words
        )
        assert "All is well" not in words
        assert links(await here.page()) == ["/help/doctor"]
        found(here, DISK.problem("Full.", "Tidy up."), ago=DAY)
        assert "All is well" in await here.words(), "that was yesterday"


async def test_a_concern_leads_to_what_the_doctor_says_of_it(tmp_path: Path):
    full = SystemWarning(code="disk", sentence="Only 200 MB are free.", remedy="Free some.")
    late = SystemWarning(code="clock", sentence="It is late.", remedy="")
    async with site(
        tmp_path, PHONE, machine=lambda: [full, late], stalled=lambda: 8.0, offline=lambda: True
    ) as here:
        await well(here)
        assert links(await here.page()) == [
            "/help/doctor",
            "/help/doctor",
            "/help/doctor#disk",
            "/settings/network",
        ]
