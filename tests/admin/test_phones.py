"""The phones' pages: what they say of a phone, and what each button does."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from mmconnect.admin.site import make_site
from mmconnect.desk.around import Around
from mmconnect.desk.desk import Listeners
from mmconnect.domain.ids import MESSAGE
from mmconnect.phones import codes
from mmconnect.phones.apps import APPS
from mmconnect.phones.urls import Bases
from mmconnect.service.machine import RunningMachine
from mmconnect.store import links, pairings
from mmconnect.store.links import Link
from tests.support.desk import EverybodyIn, scraped
from tests.support.inprocess import FakeClock, eventually
from tests.support.phone_pages import Pages, phone_pages, write
from tests.support.phones import JSON, generic_json, smsgate, smsgate_sms
from tests.support.receiver import receiver
from tests.support.smsgate_phone import SmsgatePhone

DEAD = "http://127.0.0.1:1"
ODD = (
    {"Content-Type": JSON},
    json.dumps({"who": {"nr": "+6581230000"}, "what": "hello you"}).encode(),
)
NAUGHTY = '<script>alert(1)</script>"><b onmouseover=x>'
OLD, NEW = "http://192.168.1.20:8481", "http://192.168.1.77:8481"


def moved_here(box: Any) -> Around:
    bases = Bases(http=(NEW,))
    return Around(
        bases=bases,
        real=bases,
        own={ip_address("192.168.1.77")},
        now=box.clock.now(),
        presence=box.presences.of,
    )


# -- all of them, and one --


async def test_without_a_phone_it_says_what_to_do(tmp_path: Path):
    async with phone_pages(tmp_path) as pages:
        shown = await pages.get("/phones")
        assert "No phone yet" in shown.text
        assert shown.leads("/phones/new")


async def test_the_list_says_how_each_is(tmp_path: Path):
    async with phone_pages(tmp_path, device={"name": "Reception"}) as pages:
        await pages.box.device(name="Workshop", token="second")
        for _ in range(2):
            await pages.push(generic_json({"from": "+6581230000", "text": "one", "id": str(_)}))
        await pages.box.push({"Content-Type": JSON}, b"[1]", token="second")
        leads = [to for to in (await pages.get(pages.at())).actions if to.startswith("/messages?")]
        assert len(leads) == 1
        other = generic_json({"from": "+6581230000", "text": "of the workshop"})
        await pages.box.push(*other, token="second")
        mine = await pages.get(leads[0])
        assert "Reception" in mine.text
        assert "of the workshop" not in mine.text
        shown = await pages.get("/phones")
        rows = shown.text.split("Texts today")[1]
        assert "Reception" in rows
        assert rows.index("works") < rows.index("Workshop") < rows.index("not understood")


async def test_what_was_removed_and_still_pushes_is_shown(tmp_path: Path):
    async with phone_pages(tmp_path, device={"name": "Old one"}) as pages:
        await pages.post(pages.at("remove"))
        assert "still pushing" not in (await pages.get("/phones")).text
        assert (await pages.push())["status"] == 401
        shown = await pages.get("/phones")
        assert "Removed, and still pushing" in shown.text
        assert "Old one last refused" in shown.text
        assert not shown.leads(pages.at()), "it has no page"


async def test_its_page_answers_first_how_it_is(tmp_path: Path):
    async with phone_pages(tmp_path, device={"name": "Reception", "app": "smsgate"}) as pages:
        assert "Nothing was heard of it yet." in (await pages.get(pages.at())).text
        health = {
            "checks": {
                "battery:level": {"observedValue": 81},
                "connection:transport": {"observedValue": 4},
            }
        }
        await pages.push(smsgate("system:ping", {"health": health}))
        await pages.push(smsgate_sms())
        shown = await pages.get(pages.at())
        assert shown.title == "Reception"
        assert "Last heard just now by Wi-Fi at 127.0.0.1; 1 text today." in shown.text
        assert "works" in shown.text
        assert "81 %" in shown.text
        assert "system:ping" in shown.text


@pytest.mark.parametrize(
    ("about", "says", "leads"),
    [
        ("silent", "has not been heard since", "/pair"),
        ("odd", "1 push was not understood and kept", "/unread"),
        ("kept", "1 text was kept without being sent", "/history"),
        ("trouble", "It is not there.", "/fetching"),
        ("refused", "signed with another key", "/settings"),
        ("version", "loses texts", ""),
    ],
)
async def test_what_should_be_done_has_a_way_to_do_it(
    tmp_path: Path, about: str, says: str, leads: str
):
    key = "a-key" if about == "refused" else None
    given = {"name": "Reception", "app": "smsgate", "signing_key": key}
    async with phone_pages(tmp_path, device=given) as pages:
        device = pages.device_id
        match about:
            case "silent":
                pages.box.presences.silent(device, pages.box.clock.now())
            case "odd" | "refused":
                await pages.push(ODD)
            case "kept" | "trouble":
                link_it(pages)
                keep_back(pages, "old")
                if about == "trouble":
                    state = "INSERT INTO phone_link_states (device_id, trouble) VALUES (?, ?)"
                    write(pages, state, device, "It is not there.")
            case "version":
                headers, body = smsgate_sms()
                agent = {"User-Agent": "me.capcom.smsgateway/1.65.2"}
                await pages.push(({**headers, **agent}, body))
        shown = await pages.get(pages.at())
        assert says in shown.text
        assert not leads or shown.leads(leads), shown.actions
        assert "`" not in shown.text, "commands are for the command line"


async def test_an_address_that_has_changed_is_named_until_the_phone_was_told(tmp_path: Path):
    given = {"name": "Reception", "push_base": OLD}
    async with phone_pages(tmp_path, device=given) as pages, elsewhere(pages) as there:
        for path in ("/phones", there.at()):
            shown = await there.get(path)
            assert OLD in shown.text
            assert NEW in shown.text
            assert "Reception still pushes to" in shown.text
        url = (await there.get(there.at("token"))).text
        assert f"{NEW}/in/token-of-the-first-phone" in url
        told = await there.post(there.at("told"))
        assert "taken to push there now" in told.text
        assert OLD not in told.text
        assert there.audit() == [("device.changed", "Reception: it was told the new address")]


@asynccontextmanager
async def elsewhere(pages: Pages) -> AsyncIterator[Pages]:
    """The same appliance, whose machine has another address now."""
    desk = replace(pages.desk, around=lambda: moved_here(pages.box))
    async with TestClient(TestServer(make_site(desk, scraped))) as client:
        yield Pages(pages.box, desk, client)


async def test_a_phone_that_is_not_there(tmp_path: Path):
    async with phone_pages(tmp_path, device={}) as pages:
        await pages.post(pages.at("remove"))
        for rest in ("", "pair", "settings", "mapping", "fetching", "token", "unread", "history"):
            for device in (pages.device_id, "dev_none"):
                path = f"/phones/{device}/{rest}".rstrip("/")
                assert (await pages.get(path)).status == 404, path


# -- adding --


@pytest.mark.parametrize(
    ("form", "field", "says"),
    [
        ({"name": "", "app": "generic"}, "name", "A name has 1 to 200 characters"),
        ({"name": "x", "app": "pigeon"}, "app", "There is no such app"),
        ({"name": "x", "app": "generic", "country": "Atlantis"}, "country", "two letters"),
        (
            {"name": "x", "app": "tasker", "phoneUrl": DEAD},
            "phoneUrl",
            "Texts can be fetched from smsgate and smsforwarder",
        ),
        (
            {"name": "x", "app": "smsgate", "phonePassword": "p"},
            "phoneUrl",
            "where the phone's server",
        ),
        (
            {"name": "x", "app": "smsgate", "phoneUrl": "ftp://x", "phonePassword": "p"},
            "phoneUrl",
            "is no address of a phone",
        ),
        (
            {
                "name": "x",
                "app": "smsgate",
                "phoneUrl": "http://127.0.0.1:1",
                "phonePassword": "pw",
            },
            "phoneUrl",
            "does not answer",
        ),
    ],
)
async def test_what_makes_no_phone_comes_back_as_it_was_typed(
    tmp_path: Path, form: dict[str, str], field: str, says: str
):
    async with phone_pages(tmp_path) as pages:
        shown = await pages.post("/phones/new", **form)
        assert (shown.status, shown.path) == (400, "/phones/new")
        assert says in shown.text
        if field != "app":
            assert f'id="{field}-wrong"' in shown.html
        assert shown.fields["phoneUrl"] == form.get("phoneUrl", "")
        assert "phonePassword" not in form or form["phonePassword"] not in shown.fields.values()
        assert pages.box.rows("SELECT id FROM devices") == []
        assert pages.audit() == []


async def test_a_phone_is_added_and_its_code_opens_the_pairing_page(tmp_path: Path):
    async with phone_pages(tmp_path) as pages:
        write(pages, "INSERT INTO settings VALUES ('country', 'SG')")
        await pages.box.watch.refresh()
        begun = await pages.get("/phones/new")
        assert "As set for all: Singapore" in begun.text
        shown = await pages.post("/phones/new", name="Reception", app="incoming_sms")
        ((device, country),) = pages.box.rows("SELECT id, country FROM devices")
        assert (shown.path, country) == (f"/phones/{device}/pair", "SG")
        assert pages.audit() == [("device.added", "Reception")]
        code = next(word for word in shown.text.split() if codes.read(word) and "-" in word)
        hashed = codes.digest(codes.read(code) or "")
        assert pages.box.one("SELECT device_id FROM pairings WHERE code_hash = ?", hashed) == device
        assert f"/pair/{code}" in shown.text
        assert "<svg" in shown.html
        assert "Waiting for the phone's browser" in shown.text
        assert '<meta http-equiv="refresh"' in shown.html, "without JavaScript it looks again"


async def test_a_phone_that_lets_us_in_is_fetched_from(tmp_path: Path):
    with SmsgatePhone() as phone:
        url = f"http://127.0.0.1:{phone.port}"
        given = {"name": "Reception", "app": "smsgate", "phoneUrl": url, "phoneUser": "sms"}
        async with phone_pages(tmp_path) as pages:
            wrong = await pages.post("/phones/new", **given, phonePassword="wrong-one")
            assert wrong.status == 400
            assert "user or password is wrong" in wrong.text
            assert "wrong-one" not in wrong.html
            assert pages.box.rows("SELECT id FROM devices") == []
            shown = await pages.post("/phones/new", **given, phonePassword="pass1234")
            assert shown.path.endswith("/pair")
            assert "let mmconnect in" in shown.text
            assert pages.box.one("SELECT url FROM phone_links") == url
            assert "pass1234" not in str(pages.box.rows("SELECT * FROM phone_link_states"))
            again = await pages.post(
                "/phones/new", **given | {"name": "Twin"}, phonePassword="pass1234"
            )
            assert "That phone is fetched from already" in again.text
            assert (again.status, again.fields["name"]) == (400, "Twin")
            assert pages.box.one("SELECT count(*) FROM devices") == 1


# -- setting it up --


async def test_the_page_knows_how_far_it_has_come(tmp_path: Path):
    given = {"name": "Reception", "app": "smsgate"}
    async with phone_pages(tmp_path, device=given) as pages:
        assert "There is no code that is good" in (await pages.get(pages.at("pair"))).text
        shown = await pages.post(pages.at("pair"))
        assert "Waiting for the phone's browser" in shown.text
        pairing = pages.box._look(lambda db: pairings.of_device(db, pages.device_id))
        assert pairing is not None
        await pages.box.push({"Content-Type": JSON}, b"{}", token="wrong")
        assert "A push came with a wrong token" in (await pages.get(pages.at("pair"))).text
        await pages.desk.pairings.bind(pairing)
        assert "Waiting for the first text" in (await pages.get(pages.at("pair"))).text
        await pages.push(smsgate("system:ping", {}))
        assert "The phone has reported" in (await pages.get(pages.at("pair"))).text
        await pages.push(smsgate_sms())
        shown = await pages.get(pages.at("pair"))
        assert "The first text has arrived" in shown.text
        assert "refresh" not in shown.html


async def test_a_push_without_the_page_counts_as_well(tmp_path: Path):
    async with phone_pages(tmp_path, device={}) as pages:
        await pages.post(pages.at("pair"))
        await pages.push()
        assert "The first text has arrived" in (await pages.get(pages.at("pair"))).text
        assert isinstance(pages.box.clock, FakeClock)
        pages.box.clock.advance(1)
        await pages.post(pages.at("pair"))
        assert "Waiting for the phone's browser" in (await pages.get(pages.at("pair"))).text


async def test_what_was_paired_long_ago_is_history(tmp_path: Path):
    async with phone_pages(tmp_path, device={}) as pages:
        await pages.post(pages.at("pair"))
        await pages.push()
        day = 86_400_000
        write(pages, "UPDATE pairings SET created_at = created_at - ?, expires_at = 0", 2 * day)
        shown = await pages.get(pages.at("pair"))
        assert "There is no code that is good" in shown.text


async def test_a_code_of_another_run_is_not_known(tmp_path: Path):
    async with phone_pages(tmp_path, device={}) as pages:
        first = (await pages.post(pages.at("pair"))).text
        now = pages.box.clock.now()
        pages.box.change(
            lambda db: pairings.add(db, b"other", pages.device_id, now, now + codes.LIFE)
        )
        shown = await pages.get(pages.at("pair"))
        assert "made somewhere else" in shown.text
        assert "/pair/" in first
        assert "Or open" not in shown.text


async def test_a_certificate_is_made_by_a_button_where_the_app_needs_one(tmp_path: Path):
    made: list[bool] = []

    async def create(self: RunningMachine) -> None:
        made.append(True)

    bases = [Bases(http=(NEW,))]
    async with phone_pages(tmp_path, device={"app": "smsgate"}, where=lambda: bases[0]) as pages:
        await pages.post(pages.at("pair"))
        assert (await pages.get(pages.at("pair"))).leads("/certificate")
        asked = await pages.get(pages.at("certificate"))
        assert "https" in asked.text
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(RunningMachine, "create_authority", create)
            bases[0] = Bases(http=(NEW,), https=("https://192.168.1.77:8482",))
            shown = await pages.post(pages.at("certificate"))
        assert made == [True]
        assert (shown.status, shown.path) == (200, pages.at("certificate")), "a form leads nowhere"
        assert "HTTPS is served" in shown.text
        assert shown.leads(pages.at("pair"))
        assert not (await pages.get(pages.at("pair"))).leads("/certificate")


# -- what a person does --


@pytest.mark.parametrize("app", list(APPS))
async def test_a_simulated_text_goes_the_phones_own_way(tmp_path: Path, app: str):
    key = None if app == "kannel" else "k" * 20
    given = {"app": app, "signing_key": key, "country": "SG"}
    async with receiver() as hook, phone_pages(tmp_path, device=given) as pages:
        await pages.box.endpoint(hook.url)
        shown = await pages.post(pages.at("simulate"), sender="81230000", text="hällo <b>")
        assert shown.status == 200, shown.text
        assert "went through the phone listener" in shown.text
        message = next(
            to.rpartition("/")[2] for to in shown.actions if f"/messages/{MESSAGE}" in to
        )
        found = pages.box.rows("SELECT sender, text FROM messages WHERE id = ?", message)
        assert found == [("+6581230000", "hällo <b>")]
        await pages.box.settled(message)


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"sender": "", "text": "x"}, "Say who it is from"),
        ({"sender": "1", "text": ""}, "Write a text"),
    ],
)
async def test_no_text_without_sender_and_words(tmp_path: Path, form: dict[str, str], says: str):
    async with phone_pages(tmp_path, device={}) as pages:
        shown = await pages.post(pages.at("simulate"), **form)
        assert shown.status == 400
        assert says in shown.text
        assert {n: shown.fields[n] for n in form} == form
        assert pages.box.rows("SELECT id FROM messages") == []


async def test_a_simulated_text_that_nobody_takes_is_no_success(tmp_path: Path):
    nowhere = {"listeners": lambda: Listeners(phone=("127.0.0.1:1",))}
    async with phone_pages(tmp_path, device={}, **nowhere) as pages:
        shown = await pages.post(pages.at("simulate"), sender="+1555", text="x")
        assert shown.status == 400
        assert "The phone listener did not answer" in shown.text
        assert shown.fields["text"] == "x"


async def test_settings_are_saved_and_only_those_that_were_changed(tmp_path: Path):
    given = {"name": "Reception", "app": "generic", "country": "SG", "signing_key": "first-key"}
    async with phone_pages(tmp_path, device=given) as pages:
        begun = await pages.get(pages.at("settings"))
        assert (begun.fields["name"], begun.fields["country"]) == ("Reception", "SG")
        assert begun.fields["app"] == "generic"
        assert "first-key" not in begun.html
        typed = {
            "name": "Front desk",
            "app": "tasker",
            "country": "DE",
            "signingKey": "",
            "silentAfter": "2h",
            "dedupeWindow": "7",
        }
        shown = await pages.post(pages.at("settings"), **typed)
        assert "Saved" in shown.text
        row = "SELECT name, app, country, signing_key, silent_after, dedupe_window FROM devices"
        assert pages.box.rows(row) == [("Front desk", "tasker", "DE", "first-key", 7200, 7)]
        assert shown.fields["silentAfter"] == "2h"
        (noted,) = pages.audit()
        assert noted == (
            "device.changed",
            "Reception: name, app, country, dedupe window, when silent",
        )
        assert "Nothing was changed" in (await pages.post(pages.at("settings"), **typed)).text
        cleared = typed | {"country": "", "silentAfter": "off", "dedupeWindow": "", "noKey": "on"}
        await pages.post(pages.at("settings"), **cleared)
        assert pages.box.rows(row) == [("Front desk", "tasker", None, None, 0, None)]
        await pages.post(pages.at("settings"), **cleared | {"signingKey": "new-key", "noKey": ""})


async def test_a_key_counts_at_once(tmp_path: Path):
    async with phone_pages(tmp_path, device={"name": "R", "app": "generic"}) as pages:
        await pages.post(pages.at("settings"), name="R", app="generic", signingKey="a-key-for-it")
        assert (await pages.push())["status"] == 401
        assert (await pages.post(pages.at("settings"), name="R", app="generic", noKey="on")).status
        assert (await pages.push())["ok"] is True


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("name", "", "A name has"),
        ("app", "pigeon", "no such app"),
        ("country", "ZZZ", "two letters"),
        ("silentAfter", "soon", "Write 2h or 3d"),
        ("silentAfter", "400d", "Write 2h or 3d"),
        ("dedupeWindow", "-1", "in seconds"),
        ("dedupeWindow", "99999999", "in seconds"),
        ("signingKey", "k" * 1001, "1 to 1000"),
    ],
)
async def test_settings_that_make_no_sense_change_nothing(
    tmp_path: Path, field: str, value: str, says: str
):
    given = {"name": "R", "app": "generic", "country": "SG"}
    async with phone_pages(tmp_path, device=given) as pages:
        before = pages.box.rows("SELECT * FROM devices")
        typed = {"name": "R", "app": "generic", "country": "SG", field: value}
        shown = await pages.post(pages.at("settings"), **typed)
        assert shown.status == 400
        assert says in shown.text
        if field not in ("signingKey", "app", "country"):  # which no select can show
            assert shown.fields[field] == value
        assert pages.box.rows("SELECT * FROM devices") == before


async def test_a_sample_is_looked_at_and_stored_nowhere(tmp_path: Path):
    async with phone_pages(tmp_path, device={"app": "generic"}) as pages:
        before = pages.box.rows("SELECT * FROM devices")
        body = ODD[1].decode()
        shown = await pages.post(pages.at("mapping"), sample=body, headers="")
        assert "Not understood: there is no sender" in shown.text
        assert "Perhaps who.nr" in shown.text
        assert shown.fields["sample"].strip() == body
        near = await pages.post(
            pages.at("mapping"), sample=body, headers="", take="on", path__text="what"
        )
        assert "A text, read as one of" in near.text
        assert (near.fields["path-from"], near.fields["path-text"]) == ("who.nr", "what")
        assert '"text": "hello you"' in near.text
        empty = await pages.post(pages.at("mapping"), sample="", headers="")
        assert (empty.status, "Paste what the app sends" in empty.text) == (400, True)
        large = await pages.post(pages.at("mapping"), sample="x" * 70_000, headers="")
        assert (large.status, "64 kB" in large.text) == (400, True)
        assert pages.box.rows("SELECT * FROM devices") == before
        assert pages.box.rows("SELECT id FROM messages") == []
        assert pages.audit() == []


async def test_an_app_whose_shape_is_fixed_has_no_paths(tmp_path: Path):
    async with phone_pages(tmp_path, device={"app": "smsgate"}) as pages:
        shown = await pages.get(pages.at("mapping"))
        assert "is fixed" in shown.text
        assert "path-from" not in shown.fields
        body = smsgate_sms()[1].decode()
        told = await pages.post(pages.at("mapping"), sample=body, headers="")
        assert "from payload.sender" in told.text


async def test_from_a_push_that_was_not_understood_to_its_delivery(tmp_path: Path):
    async with receiver() as hook, phone_pages(tmp_path, device={"app": "generic"}) as pages:
        await pages.box.endpoint(hook.url)
        kept = await pages.push(ODD)
        unread = await pages.get(pages.at("unread"))
        assert "there is no sender" in unread.text
        mend = next(to for to in unread.actions if "/mapping?message=" in to)
        assert mend.endswith(kept["id"])
        shown = await pages.get(mend)
        assert '"nr": "+6581230000"' in shown.text
        near = await pages.post(pages.at("mapping"), message=kept["id"], take="on")
        assert near.fields["path-from"] == "who.nr"
        paths = {"path__from": "who.nr", "path__text": "what"}
        saved = await pages.post(pages.at("mapping"), message=kept["id"], save="on", **paths)
        assert saved.path == pages.at("unread")
        done = await pages.post(pages.at("unread"))
        assert "1 text was understood." in done.text
        await pages.box.settled(kept["id"])
        assert "Everything was understood" in (await pages.get(pages.at("unread"))).text
        actions = [action for action, _ in pages.audit()]
        assert actions == ["device.changed", "device.reread"]


async def test_paths_from_a_pasted_push_lead_to_what_can_be_read_again(tmp_path: Path):
    async with phone_pages(tmp_path, device={"app": "generic"}) as pages:
        await pages.push(ODD)
        saved = await pages.post(pages.at("mapping"), save="on", path__from="who.nr")
        assert "Read again what was not understood" in saved.text
        assert pages.at("unread") in saved.html


async def test_what_is_still_not_understood_is_said(tmp_path: Path):
    async with phone_pages(tmp_path, device={"app": "generic"}) as pages:
        await pages.push(ODD)
        shown = await pages.post(pages.at("unread"))
        assert (shown.path, "1 still not understood" in shown.text) == (pages.at("unread"), True)


async def test_a_push_of_another_phone_is_no_sample(tmp_path: Path):
    async with phone_pages(tmp_path, device={"app": "generic"}) as pages:
        await pages.box.device(token="second")
        kept = (await pages.box.push(*ODD, token="second")).json["id"]
        shown = await pages.get(f"{pages.at('mapping')}?message={kept}")
        assert "who" not in shown.fields.get("sample", "")
        assert "+6581230000" not in shown.html


async def test_a_path_that_is_none_stands_beside_its_field(tmp_path: Path):
    async with phone_pages(tmp_path, device={}) as pages:
        shown = await pages.post(pages.at("mapping"), save="on", path__sim="x" * 501)
        assert shown.status == 400
        assert 'id="path-sim-wrong"' in shown.html
        saved = await pages.post(pages.at("mapping"), save="on", path__from="a.b", path__text="c")
        assert "Saved" in saved.text
        assert pages.at("unread") not in saved.html, "nothing waits to be read again"
        assert saved.fields["path-from"] == "a.b"


# -- fetching --


def link_it(pages: Pages, url: str = "http://192.168.1.31:8080") -> None:
    link = Link(device_id=pages.device_id, url=url, created_at=0)
    pages.box.change(lambda db: links.put(db, link))


def keep_back(pages: Pages, text: str) -> str:
    message = pages.box.ids.new(MESSAGE)
    now = pages.box.clock.now()
    columns = "id, kind, sender, text, received_at, device_id, payload"
    write(
        pages,
        f"INSERT INTO messages ({columns}) VALUES (?, 'sms', '+1', ?, ?, ?, x'7b7d')",
        message,
        text,
        now,
        pages.device_id,
    )
    write(pages, "INSERT INTO kept_back VALUES (?, ?, 'history')", message, pages.device_id)
    return message


async def test_signing_in_looking_less_often_and_no_longer(tmp_path: Path):
    with SmsgatePhone() as phone:
        url = f"http://127.0.0.1:{phone.port}"
        async with phone_pages(tmp_path, device={"name": "R"}) as pages:
            begun = await pages.get(pages.at("fetching"))
            assert begun.fields["phoneUser"] == "sms"
            wrong = await pages.post(pages.at("fetching"), phoneUrl=url, phonePassword="no")
            assert (wrong.status, "password is wrong" in wrong.text) == (400, True)
            odd = await pages.post(pages.at("fetching"), phoneUrl=url, poll="2 days")
            assert (odd.status, "1s to 1h" in odd.text) == (400, True)
            none = await pages.post(pages.at("fetching"), phoneUrl="", phonePassword="")
            assert (none.status, "Name the phone" in none.text) == (400, True)
            done = await pages.post(pages.at("fetching"), phoneUrl=url, phonePassword="pass1234")
            assert "is fetched from" in done.text
            assert pages.box.rows("SELECT app FROM devices") == [("smsgate",)], "it was auto"
            slow = await pages.post(pages.at("fetching"), phoneUrl=url, poll="30s")
            assert "Saved" in slow.text
            assert pages.box.one("SELECT interval FROM phone_links") == 30_000
            assert slow.fields["poll"] == "30s"
            asked = await pages.get(pages.at("unlink"))
            assert "Fetch from R no longer?" in asked.title
            gone = await pages.post(pages.at("unlink"))
            assert "no longer" in gone.text
            assert pages.box.rows("SELECT * FROM phone_links") == []
            assert (await pages.post(pages.at("unlink"))).status == 409
        assert [action for action, _ in pages.audit()] == [
            "device.linked",
            "device.changed",
            "device.unlinked",
        ]


async def test_texts_that_were_kept_back_are_sent(tmp_path: Path):
    async with receiver() as hook, phone_pages(tmp_path, device={"name": "R"}) as pages:
        await pages.box.endpoint(hook.url)
        kept = [keep_back(pages, str(n)) for n in range(3)]
        asked = await pages.get(pages.at("history"))
        assert "3 texts of R, which its inbox held" in asked.text
        assert (await pages.post(pages.at("history"), what="")).path == pages.at("history")
        assert pages.box.one("SELECT count(*) FROM kept_back") == 3
        done = await pages.post(pages.at("history"), what="send")
        assert "3 texts are sent: 3 deliveries." in done.text
        for message in kept:
            await pages.box.settled(message)
        assert "No text waits" in (await pages.get(pages.at("history"))).text


async def test_texts_that_would_go_nowhere_still_wait(tmp_path: Path):
    async with phone_pages(tmp_path, device={"name": "R"}) as pages:
        keep_back(pages, "old")
        asked = await pages.get(pages.at("history"))
        assert "There is no endpoint yet" in asked.text
        assert asked.leads("/endpoints/new")
        assert (await pages.post(pages.at("history"), what="send")).path == pages.at("history")
        assert pages.box.one("SELECT count(*) FROM kept_back") == 1


async def test_texts_that_were_kept_back_are_left(tmp_path: Path):
    async with receiver() as hook, phone_pages(tmp_path, device={"name": "R"}) as pages:
        await pages.box.endpoint(hook.url)
        keep_back(pages, "old")
        done = await pages.post(pages.at("history"), what="leave")
        assert "1 text is left unsent." in done.text
        assert pages.box.rows("SELECT id FROM deliveries") == []
        assert pages.audit() == [("device.history_left", "R: 1 text")]


# -- token, removal --


async def test_a_new_token_and_the_old_one_until_it_is_used(tmp_path: Path):
    async with phone_pages(tmp_path, device={"name": "R"}) as pages:
        assert "7 days at most" in (await pages.get(pages.at("new-token"))).text
        shown = await pages.post(pages.at("new-token"))
        assert shown.path == pages.at("pair")
        assert (await pages.push())["ok"] is True, "the old one still works"
        await pages.post(pages.at("simulate"), sender="+1", text="by the page")
        assert pages.box.one("SELECT count(*) FROM messages WHERE text = 'by the page'") == 1
        await pages.box.watch.refresh()
        again = await pages.push(generic_json({"from": "+1", "text": "still", "id": "still"}))
        assert again["ok"] is True, "the phone still has the old one"
        new = pages.box.one("SELECT token FROM device_tokens WHERE expires_at IS NULL")
        url = await pages.get(pages.at("token"))
        assert f"/in/{new}" in url.text
        await pages.box.push(*generic_json({"from": "+1", "text": "x"}), token=new)

        def gone() -> bool:
            return bool(pages.box.one("SELECT count(*) = 1 FROM device_tokens"))

        await eventually(gone)
        assert new not in (await pages.get(pages.at())).html
        assert new not in str(pages.audit())


async def test_the_push_url_is_shown_after_the_password_alone(tmp_path: Path):
    async with phone_pages(tmp_path, device={}) as pages:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(EverybodyIn, "is_confirmed", lambda self, session: False)
            asked = await pages.get(pages.at("token"))
            assert asked.path == "/confirm"
            assert "token-of-the-first-phone" not in asked.html
        shown = await pages.get(pages.at("token"))
        assert "/in/token-of-the-first-phone" in shown.text


async def test_it_is_removed_after_a_question(tmp_path: Path):
    async with phone_pages(tmp_path, device={"name": "R"}) as pages:
        link_it(pages)
        await pages.box.watch.refresh()
        keep_back(pages, "old")
        asked = await pages.get(pages.at("remove"))
        assert "it is fetched from no longer" in asked.text
        assert "1 text of its inbox still waits" in asked.text
        assert pages.box.one("SELECT removed_at FROM devices") is None
        done = await pages.post(pages.at("remove"))
        assert (done.path, "R was removed" in done.text) == ("/phones", True)
        assert (await pages.push())["status"] == 401
        assert pages.box.rows("SELECT * FROM phone_links") == []


# -- strangers --


async def test_nothing_that_a_stranger_writes_becomes_part_of_a_page(tmp_path: Path):
    given = {"name": NAUGHTY, "app": "auto"}
    async with phone_pages(tmp_path, device=given) as pages:
        headers = {"Content-Type": JSON, "User-Agent": f"me.capcom.smsgateway/1.0 {NAUGHTY}"}
        odd = json.dumps({NAUGHTY: NAUGHTY, "x\u202e": "\x1b[2J"}).encode()
        await pages.push((headers, odd))
        await pages.push((headers, smsgate(f"system:ping{NAUGHTY}", {NAUGHTY: [NAUGHTY]})[1]))
        link_it(pages)
        state = "INSERT INTO phone_link_states (device_id, trouble, moved_from) VALUES (?, ?, ?)"
        write(pages, state, pages.device_id, NAUGHTY, f"http://{NAUGHTY}")
        keep_back(pages, NAUGHTY)
        await pages.box.watch.refresh()
        kept = pages.box.one("SELECT id FROM messages WHERE kind = 'unrecognised'")
        paths = ["/phones", pages.at(), f"{pages.at('mapping')}?message={kept}"]
        rest = ("pair", "settings", "fetching", "unread", "history", "token", "remove", "new-token")
        paths += [pages.at(word) for word in (*rest, "unlink", "certificate")]
        shown = [await pages.get(path) for path in paths]
        sample = {"sample": odd.decode(), "headers": f"X-SMS-From: {NAUGHTY}"}
        shown.append(await pages.post(pages.at("mapping"), **sample))
        shown.append(await pages.post(pages.at("mapping"), **sample, take="on"))
        shown.append(await pages.post(pages.at("settings"), name=NAUGHTY * 9, app=NAUGHTY))
        shown.append(await pages.post("/phones/new", name=NAUGHTY, app=NAUGHTY, phoneUrl=NAUGHTY))
        shown.append(await pages.post(pages.at("simulate"), sender=NAUGHTY, text=NAUGHTY))
        for page in shown:
            assert page.status in (200, 400), (page.path, page.text)
            tags = {tag for tag, _ in page.parsed.tags}
            names = {name for _, values in page.parsed.tags for name in values}
            assert "b" not in {t for t, v in page.parsed.tags if "onmouseover" in v}, page.path
            assert not any(name.startswith("on") or name == "style" for name in names), page.path
            scripts = [v for tag, v in page.parsed.tags if tag == "script"]
            assert all(v.get("src") for v in scripts), page.path
            assert "style" not in tags, page.path
            assert "\x1b" not in page.html
            assert "`" not in page.text.replace("\\`", ""), page.path
