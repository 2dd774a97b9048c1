"""Pairing: who sees what, how often, and when it is over."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from mmconnect.phones import codes
from mmconnect.phones.diagnosis import Circumstances
from mmconnect.phones.guides import GUIDES
from mmconnect.phones.pair_pages import phone_address
from mmconnect.phones.pairing import WRONG_CODES, WRONG_IN_ALL, Pairings, Standing
from mmconnect.phones.push import IncomingText
from mmconnect.phones.urls import Bases
from mmconnect.store import devices, pairings
from tests.support.inprocess import eventually
from tests.support.pairing import HTTP, HTTPS, TOKEN, Client, House, continued, pairing_house
from tests.support.phones import generic_json
from tests.support.wire import Told

PUSH = generic_json({"from": "+6581230000", "text": "a secret text"})
PING = (
    {"Content-Type": "application/json"},
    b'{"id":"p1","webhookId":"w","event":"system:ping","deviceId":"d","payload":{"health":{}}}',
)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with pairing_house(tmp_path) as made:
        yield made


def tells(told: Told) -> bool:
    """Whether an answer says anything of the token or the push URL."""
    return TOKEN.encode() in told.body or b"/in/" in told.body


def rows(house: House) -> list[tuple]:
    return house.box.rows("SELECT cookie_hash, continued_at, paired_at FROM pairings")


# -- codes ---


def test_a_code_is_forty_bits_without_look_alikes():
    made = {codes.new_code() for _ in range(500)}
    assert len(made) == 500
    assert all(len(code) == 8 and set(code) <= set(codes.LETTERS) for code in made)
    assert len(codes.LETTERS) == 32
    assert not set("ILOU") & set(codes.LETTERS)


@pytest.mark.parametrize("typed", ["7k2m-9xq4", " 7K2M 9XQ4", "7k2m9xq4", "7K2M–9XQ4"])
def test_a_code_is_read_however_it_is_typed(typed: str):
    assert codes.read(typed) == "7K2M9XQ4"


def test_look_alikes_are_read_as_what_they_look_like():
    assert codes.read("oIl0-0000") == "01100000"


@pytest.mark.parametrize(
    "typed", ["", "7K2M", "7K2M-9XQ44", "7K2M-9XQU", "7K2M-9XQ\xc4", "../../in"]
)
def test_what_is_no_code(typed: str):
    assert codes.read(typed) is None


async def test_the_typed_code_leads_to_its_page(house: House):
    client = Client(house)
    code = house.invite()
    told = await client.get(f"/pair?code={code.lower().replace('-', '')}")
    assert (told.status, told.headers["location"]) == (303, f"/pair/{code}")
    told = await client.get("/pair?code=hello")
    assert told.status == 400
    assert b"eight letters" in told.body
    assert (await client.get("/pair/")).status == 200


# -- a GET uses nothing up, and shows nothing ---


async def test_looking_shows_no_token_and_uses_nothing_up(house: House):
    code = house.invite()
    for method in ("GET", "HEAD", "GET"):
        told = await Client(house).get(f"/pair/{code}", method=method)
        assert told.status == 200
        assert not tells(told)
        assert "set-cookie" not in told.headers
    assert b"Reception" in told.body
    assert b"Acme Dental" in told.body
    assert rows(house) == [(None, None, None)]
    for path in ("/app", "/status", "/wait", "/continue"):
        told = await Client(house).get(f"/pair/{code}{path}")
        assert told.status == 303
        assert not tells(told)


async def test_the_first_browser_has_it_and_no_other(house: House):
    first, other = Client(house), Client(house)
    here = await continued(house, first, "incoming_sms")
    told = await first.get(here)
    assert told.status == 200
    assert tells(told)
    for told in (
        await other.get(here),
        await other.post(f"{here}/continue"),
        await other.get(f"{here}/status"),
        await other.get(f"{here}/wait"),
        await other.post(f"{here}/app", "app=generic"),
    ):
        assert told.status in (404, 409)
        assert not tells(told)
        assert "set-cookie" not in told.headers
    assert b"already opened in another browser" in (await other.get(here)).body.lower()
    assert b"mmconnect device pair" in (await other.get(here)).body
    assert house.box.one("SELECT app FROM devices") == "incoming_sms"


async def test_of_many_that_press_continue_at_once_one_has_it(house: House):
    here = f"/pair/{house.invite()}"
    clients = [Client(house) for _ in range(20)]
    told = await asyncio.gather(*(client.post(f"{here}/continue") for client in clients))
    assert sorted(one.status for one in told) == [303] + [409] * 19
    assert sum(bool(client.cookies) for client in clients) == 1


async def test_the_cookie_is_for_the_pages_alone_and_only_hashes_are_kept(house: House):
    client = Client(house)
    code = house.invite()
    told = await client.post(f"/pair/{code}/continue")
    said = told.headers["set-cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Strict", "Path=/pair"} <= set(said)
    (cookie,) = client.cookies.values()
    assert len(cookie) >= 40
    files = b"".join(p.read_bytes() for p in house.box.directory.iterdir() if p.is_file())
    for secret in (cookie, code, code.replace("-", "")):
        assert secret.encode() not in files


async def test_one_browser_pairs_several_phones(house: House):
    await house.box.device(name="Second", token="another-token-of-a-phone")
    second = list(house.box.tokens)[1]
    client = Client(house)
    here = await continued(house, client, "generic")
    there = f"/pair/{house.invite(second)}"
    assert (await client.post(f"{there}/continue")).status == 303
    assert b"Second" in (await client.follow(there)).body
    assert tells(await client.get(here))


# -- unknown, over, used ---


async def test_unknown_expired_and_used_codes_get_the_same_answer(house: House):
    unknown = await Client(house).get("/pair/0000-0000")
    assert unknown.status == 404
    expired = house.invite()
    house.clock.advance(30 * 60)
    told = await Client(house).get(f"/pair/{expired}")
    assert (told.status, told.body) == (404, unknown.body)
    client = Client(house)
    used = await continued(house, client)
    await client.push(*PUSH)
    await eventually(lambda: rows(house)[0][2])
    told = await Client(house).get(used)
    assert (told.status, told.body) == (404, unknown.body)
    nonsense = await Client(house).get("/pair/nonsense!")
    assert without_date(nonsense) == without_date(unknown)


def without_date(told: Told) -> Told:
    return replace(told, headers={k: v for k, v in told.headers.items() if k != "date"})


async def test_half_an_hour_is_all_for_its_browser_too(house: House):
    client = Client(house)
    here = await continued(house, client, "generic")
    house.clock.advance(30 * 60 - 1)
    assert tells(await client.get(here))
    house.clock.advance(1)
    for told in (await client.get(here), await client.post(f"{here}/app", "app=tasker")):
        assert told.status == 404
        assert not tells(told)
    await client.push(*PUSH)
    await house.box.text("another")
    assert rows(house)[0][2] is None, "paired after its time"


async def test_pressing_continue_is_too_late_after_half_an_hour(house: House):
    here = f"/pair/{house.invite()}"
    house.clock.advance(30 * 60)
    assert (await Client(house).post(f"{here}/continue")).status == 404
    assert rows(house) == [(None, None, None)]


async def test_a_clock_that_is_set_back_gives_a_code_no_second_life(house: House):
    here = f"/pair/{house.invite()}"
    house.clock._now -= 3_600_000
    assert (await Client(house).get(here)).status == 404


async def test_a_new_code_ends_the_older_ones(house: House):
    client = Client(house)
    here = await continued(house, client, "generic")
    house.invite()
    assert (await client.get(here)).status == 404
    assert (await client.get(f"{here}/status")).status == 404


async def test_a_removed_device_cannot_be_paired(house: House):
    client = Client(house)
    here = await continued(house, client, "generic")
    house.box.change(lambda db: devices.remove(db, house.device_id, 1))
    assert (await client.get(here)).status == 404
    assert (await Client(house).get(f"/pair/{house.invite()}")).status == 404


# -- the end ---


@pytest.mark.parametrize(
    ("push", "says"), [(PUSH, b"first text has arrived"), (PING, b"has reported")]
)
async def test_the_first_push_ends_it(
    house: House, push: tuple[dict[str, str], bytes], says: bytes
):
    client = Client(house)
    here = await continued(house, client, "smsgate" if push is PING else "generic")
    assert (await client.get(f"{here}/status")).json["state"] == "waiting"
    assert (await client.push(*push)).status == 200
    await eventually(lambda: rows(house)[0][2])
    assert (await client.get(f"{here}/status")).json == {"state": "arrived"}
    for path in (here, f"{here}/wait", f"{here}/app"):
        told = await client.follow(path)
        assert told.status == 200
        assert says in told.body
        assert not tells(told)
        assert b"a secret text" not in told.body
    assert (await client.post(f"{here}/continue")).status == 303
    await client.post(f"{here}/app", "app=tasker")
    assert house.box.one("SELECT app FROM devices") != "tasker"


async def test_a_push_before_continue_or_one_not_understood_ends_nothing(house: House):
    client = Client(house)
    await client.push(*PUSH)
    here = await continued(house, client, "generic")
    await client.push({"Content-Type": "application/json"}, b'{"hello":"you"}')
    told = (await client.get(f"{here}/status")).json
    assert told["state"] == "waiting"
    assert "could not be read" in told["findings"][0]["title"]
    await house.box.device(name="Second", token="another-token-of-a-phone")
    await client.push(*PUSH, token="another-token-of-a-phone")
    assert (await client.get(f"{here}/status")).json["state"] == "waiting"


async def test_a_push_ends_no_code_that_nobody_has_continued_with(house: House):
    await continued(house, Client(house), "generic")
    code = house.invite()  # the older one is over; its phone pushes all the same
    client = Client(house)
    assert (await client.push(*PUSH)).status == 200
    assert (await client.get(f"/pair/{code}")).status == 200
    assert rows(house) == [(None, None, None)]
    assert (await client.post(f"/pair/{code}/continue")).status == 303
    await client.push(*PUSH)
    await eventually(lambda: rows(house)[0][2])


async def test_a_text_that_had_come_before_shows_that_the_phone_is_there(house: House):
    push = generic_json({"from": "+6581230000", "text": "hello", "id": "7"})
    client = Client(house)
    await client.push(*push)
    here = await continued(house, client, "generic")
    assert (await client.push(*push)).json["duplicate"]
    await eventually(lambda: rows(house)[0][2])
    assert (await client.get(here)).status == 200


async def test_a_fetched_text_ends_it_but_not_one_that_was_there(house: House):
    device = house.box.watch.look().devices[house.device_id]
    text = IncomingText(sender="+6581230000", text="hello", sent_at=1_781_274_718_000)
    await house.box.intake.take_fetched(device, [(text, b"{}")])
    await continued(house, Client(house), "smsgate")
    (again,) = await house.box.intake.take_fetched(device, [(text, b"{}")])
    assert again.duplicate
    assert not house.pairings._marking
    await house.box.intake.take_fetched(device, [(replace(text, text="new"), b"{}")])
    await eventually(lambda: rows(house)[0][2])


async def test_waiting_goes_on_after_a_restart(house: House):
    client = Client(house)
    here = await continued(house, client, "generic")
    again = Pairings(house.box.database, house.clock, house.box.listener.sightings)
    await again.load()
    house.box.intake.on_heard = again.heard
    await client.push(*PUSH)
    await eventually(lambda: rows(house)[0][2])
    assert b"is connected" in (await client.get(here)).body


# -- guessing ---


async def test_guessing_is_slowed_down_but_not_for_whoever_has_the_cookie(house: House):
    holder, guesser = Client(house), Client(house)
    here = await continued(house, holder, "generic")
    for n in range(WRONG_CODES):
        assert (await guesser.get(f"/pair/0000-000{n % 10}")).status == 404
    told = await guesser.get("/pair/0000-0000")
    assert told.status == 429
    assert 1 <= int(told.headers["retry-after"]) <= 60
    second = await second_code(house)
    assert (await guesser.get(f"/pair/{second}")).status == 429
    assert (await guesser.post(f"/pair/{second}/continue")).status == 429
    pretender = Client(house)
    pretender.cookies = dict.fromkeys(holder.cookies, "x" * 43)
    assert (await pretender.get(here)).status == 429
    assert tells(await holder.get(here))
    assert (await holder.get(f"{here}/status")).status == 200
    assert (await Client(house, "127.0.0.2").get(f"/pair/{second}")).status == 200
    house.clock.advance(61)
    assert (await guesser.get(f"/pair/{second}")).status == 200


async def second_code(house: House) -> str:
    await house.box.device(name="Second", token="another-token-of-a-phone")
    return house.invite(list(house.box.tokens)[1])


async def test_guessing_from_many_addresses_is_slowed_down_in_all(house: House):
    code = house.invite()
    for n in range(WRONG_IN_ALL):
        client = Client(house, f"127.0.1.{n // (WRONG_CODES - 1) + 1}")
        assert (await client.get(f"/pair/0000-{n:04d}")).status == 404
    assert (await Client(house, "127.0.2.1").get(f"/pair/{code}")).status == 429
    house.clock.advance(61)
    assert (await Client(house, "127.0.2.1").get(f"/pair/{code}")).status == 200


async def test_guesses_all_at_once_are_no_more_than_one_after_the_other(house: House):
    good = codes.read(house.invite())
    tries = [*(codes.new_code() for _ in range(200)), good]
    views = await asyncio.gather(*(house.pairings.view(one, None, "10.0.0.9") for one in tries))
    told = [view.standing for view in views]
    assert told.count(Standing.UNKNOWN) == WRONG_CODES
    assert told[-1] is Standing.SLOW, "nothing is learnt beyond the bound"


async def test_the_cookie_of_a_page_over_https_never_goes_over_http(house: House):
    told = await Client(house).post(f"/pair/{house.invite()}/continue")
    assert "Secure" not in told.headers["set-cookie"], "it would be of no use there"
    house.secure = True
    told = await Client(house).post(f"/pair/{house.invite()}/continue")
    assert told.headers["set-cookie"].endswith("; HttpOnly; SameSite=Strict; Secure")


async def test_looking_at_a_good_code_is_no_guess(house: House):
    code = house.invite()
    for _ in range(WRONG_CODES + 5):
        assert (await Client(house).get(f"/pair/{code}")).status == 200


# -- from elsewhere ---


async def test_another_sites_page_can_press_nothing(house: House):
    here = f"/pair/{house.invite()}"
    client = Client(house)
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://127.0.0.1:{house.port + 1}"},
        {"Origin": f"ftp://127.0.0.1:{house.port}"},
        {"Sec_Fetch_Site": "cross-site"},
    ):
        told = await client.post(f"{here}/continue", **headers)
        assert told.status == 403, headers
        assert not client.cookies
    assert rows(house) == [(None, None, None)]
    told = await client.get(here, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors")
    assert told.status == 403
    told = await client.get(here, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")
    assert told.status == 200, "a link in a mail"
    own = f"http://127.0.0.1:{house.port}"
    assert (await client.post(f"{here}/continue", Origin=own)).status == 303


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8481", "192.168.1.20.evil.example", "", "a b", "[::1"]
)
async def test_a_name_from_the_internet_is_refused(house: House, host: str):
    here = f"/pair/{house.invite()}"
    for told in (
        await Client(house, Host=host).get(here),
        await Client(house, Host=host).post(f"{here}/continue"),
    ):
        assert told.status in (400, 403)
        assert b"Reception" not in told.body
    assert rows(house) == [(None, None, None)]


@pytest.mark.parametrize(
    "host",
    ["192.168.1.20:8481", "[fd00::1]:8481", "localhost", "pi:8481", "Pi.local", "pi.fritz.box"],
)
async def test_addresses_and_local_names_are_good(house: House, host: str):
    assert (await Client(house, Host=host).get(f"/pair/{house.invite()}")).status == 200


# -- apps and steps ---


async def test_the_first_question_is_which_app_and_one_can_go_back(house: House):
    client = Client(house)
    here = await continued(house, client)
    told = await client.get(here)
    assert b"Which phone, which app?" in told.body
    assert not tells(told)
    told = await client.post(f"{here}/app", "app=incoming_sms")
    assert (told.status, told.headers["location"]) == (303, here)
    assert house.box.watch.look().devices[house.device_id].app == "incoming_sms"
    assert b"Incoming SMS to URL forwarder" in (await client.get(here)).body
    assert b"Which phone, which app?" in (await client.get(f"{here}/app")).body
    await client.post(f"{here}/app", "app=shortcuts")
    assert b"Shortcuts" in (await client.get(here)).body


@pytest.mark.parametrize("form", ["", "app=auto", "app=none", "app=%ff", "&".join(["a=1"] * 20)])
async def test_what_is_no_app_changes_nothing(house: House, form: str):
    client = Client(house)
    here = await continued(house, client, "generic")
    told = await client.post(f"{here}/app", form)
    assert told.headers["location"] == f"{here}/app"
    assert house.box.one("SELECT app FROM devices") == "generic"


async def test_a_device_with_an_app_goes_straight_to_its_steps(tmp_path: Path):
    async with pairing_house(tmp_path, app="smsforwarder") as house:
        client = Client(house)
        told = await client.follow(await continued(house, client))
        assert b"SmsForwarder" in told.body
        assert tells(told)


async def test_the_push_url_is_one_by_which_the_browser_came(house: House):
    house.bases = Bases(http=(HTTP, "http://10.0.0.5:8481"), https=(HTTPS,))
    client = Client(house)
    here = await continued(house, client, "incoming_sms")
    assert f"{HTTP}/in/{TOKEN}".encode() in (await client.get(here)).body
    assert house.box.one("SELECT push_base FROM devices") == HTTP
    told = await client.get(here, Host="10.0.0.5:8481")
    assert f"http://10.0.0.5:8481/in/{TOKEN}".encode() in told.body
    assert house.box.one("SELECT push_base FROM devices") == "http://10.0.0.5:8481"
    told = await client.get(here, Host="pi.local:8481")
    assert f"http://10.0.0.5:8481/in/{TOKEN}".encode() in told.body, "the one told before"


async def test_https_and_the_certificate(house: House):
    client = Client(house)
    here = await continued(house, client, "smsgate")
    told = await client.get(here)
    assert b"mmconnect tls create-ca" in told.body
    assert b"/ca.crt" not in told.body
    status = (await client.get(f"{here}/status")).json
    assert "HTTPS" in status["findings"][0]["title"]
    house.bases, house.ca = Bases(http=(HTTP,), https=(HTTPS,)), True
    told = await client.get(here)
    assert f"{HTTPS}/in/{TOKEN}".encode() in told.body
    assert b'href="/ca.crt"' in told.body
    assert (await client.get(f"{here}/status")).json["findings"] == []
    house.ca = False
    assert b'href="/ca.crt"' not in (await client.get(here)).body


async def test_the_address_of_the_phone_is_the_browsers(house: House):
    client = Client(house)
    here = await continued(house, client, "smsgate")
    assert b"--phone-url http://192.168.1.31:8080" in (await client.get(here)).body, "an example"
    around = Circumstances(
        address="192.168.1.77", on_phone=True, networks=[ip_network("192.168.1.0/24")]
    )
    assert phone_address(around, GUIDES["smsgate"]) == "192.168.1.77"
    for other in (
        replace(around, on_phone=False),
        replace(around, address="10.0.0.7"),
        replace(around, address="fe80::1%eth0"),
        replace(around, networks=[]),
    ):
        assert phone_address(other, GUIDES["smsgate"]) == "192.168.1.31"
    networks = [*around.networks, ip_network("127.0.0.0/8")]
    proxied = replace(around, address="127.0.0.1", networks=networks)
    assert phone_address(proxied, GUIDES["smsgate"]) == "192.168.1.31"


async def test_a_signing_key_is_shown_where_there_is_one(house: House):
    client = Client(house)
    here = await continued(house, client, "incoming_sms")
    assert b"Secret" not in (await client.get(here)).body
    device = house.box.watch.look().devices[house.device_id]
    house.box.change(lambda db: devices.change(db, replace(device, signing_key="k3y-of-it")))
    await house.box.watch.refresh()
    assert b"k3y-of-it" in (await client.get(here)).body


# -- what it says meanwhile ---


async def test_it_says_what_it_sees(house: House):
    client = Client(house)
    here = await continued(house, client, "generic")

    async def found() -> list[str]:
        return [one["title"] for one in (await client.get(f"{here}/status")).json["findings"]]

    assert await found() == []
    await client.push(*PUSH, token="wrong")
    assert await found() == ["A push came with a wrong token"]
    await client.post("/inn/x")
    assert (await found())[0] == "A push came to a wrong path"
    stranger = Client(house, "127.0.0.9")
    await stranger.push({"Content-Type": "application/json"}, b"{}")
    assert (await found())[-1] == "A push came, but it could not be read, from 127.0.0.9"
    page = (await client.get(f"{here}/wait")).body
    assert b"wrong token" in page
    assert b"127.0.0.9" in page


async def test_what_was_wrong_before_continue_is_not_told(house: House):
    client = Client(house)
    await client.push(*PUSH, token="wrong")
    house.clock.advance(1)
    here = await continued(house, client, "generic")
    assert (await client.get(f"{here}/status")).json["findings"] == []


async def test_after_a_minute_it_names_what_it_cannot_see(house: House):
    client = Client(house)
    here = await continued(house, client, "generic")
    house.clock.advance(59)
    assert (await client.get(f"{here}/status")).json["hints"] == []
    house.clock.advance(1)
    told = (await client.get(f"{here}/status")).json
    titles = " ".join(one["title"] for one in told["hints"])
    for word in ("guest", "firewall", "mobile data", "VPN", "asleep"):
        assert word in titles
    assert told["headline"] == "Nothing has come yet"
    desk = (await client.get(f"{here}/status", User_Agent="Mozilla/5.0 (X11; Linux)")).json
    assert desk["hints"][0]["title"] == "A guest Wi-Fi keeps devices apart"
    await client.push(*PUSH, token="wrong")
    assert (await client.get(f"{here}/status")).json["hints"] == []


async def test_another_network_is_told(house: House):
    house.networks = []
    client = Client(house)
    here = await continued(house, client, "generic")
    assert (await client.get(f"{here}/status")).json["findings"] == []


# -- what the pages are made of ---


async def every_page(house: House, client: Client) -> list[Told]:
    here = f"/pair/{house.invite()}"
    pages = [await client.get("/pair"), await client.get("/pair?code=x"), await client.get(here)]
    await client.post(f"{here}/continue")
    pages.append(await client.get(here))
    for app in ("incoming_sms", "smsgate", "kannel"):
        await client.post(f"{here}/app", f"app={app}")
        pages.append(await client.get(here))
    house.clock.advance(61)
    pages += [await client.get(f"{here}/wait"), await client.get(f"{here}/app")]
    pages += [await client.get("/pair/0000-0000"), await Client(house).get(here)]
    await client.push(*PUSH)
    await eventually(lambda: rows(house)[0][2])
    return [*pages, await client.get(here), await client.get(f"{here}/status")]


async def test_every_answer_has_the_headers(house: House):
    for told in [*await every_page(house, Client(house)), await Client(house).post("/pair")]:
        policy = dict(
            part.strip().split(" ", 1)
            for part in told.headers["content-security-policy"].split(";")
        )
        assert policy["default-src"] == "'none'"
        assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        for name in ("style-src", "script-src", "connect-src", "img-src", "form-action"):
            assert policy[name] == "'self'"
        assert told.headers["x-content-type-options"] == "nosniff"
        assert told.headers["referrer-policy"] == "same-origin"
        assert told.headers["cache-control"] == "no-store"
        # over plain http, where these pages mostly are, browsers complain of it in the console
        assert "cross-origin-opener-policy" not in told.headers


async def test_nothing_is_inline_and_nothing_comes_from_elsewhere(house: House):
    for told in await every_page(house, Client(house)):
        page = told.body.decode()
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page)
        assert all(" src=" in tag for tag in re.findall(r"<script[^>]*>", page))
        loaded = re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="([^"]*)"', page)
        assert all(where.startswith("/static/") for where in loaded)


async def test_names_are_text_never_markup(tmp_path: Path):
    evil = "<img src=x onerror=alert(1)>\"'{{7*7}}</title><script>"
    async with pairing_house(tmp_path, name=evil, site=f"Site {evil}") as house:
        for told in await every_page(house, Client(house)):
            page = told.body.decode()
            assert "<img" not in page
            assert "<script>" not in page
            assert "{{7*7}}" in page or "7*7" not in page
        assert b"&lt;img" in told.body or told.json


async def test_its_files_and_no_others(house: House):
    client = Client(house)
    page = (await client.get("/pair")).body.decode()
    for path in re.findall(r'"(/static/[^"]+)"', page):
        told = await client.get(path)
        assert told.status == 200
        assert told.headers["content-type"].startswith(("text/css", "image/svg+xml"))
        assert told.headers["x-content-type-options"] == "nosniff"
    for path in ("/static/", "/static/../templates/pair/base.html", "/static/none.js", "/static"):
        assert (await client.get(path)).status == 404
    assert (await client.post("/static/pair.js")).status == 405


async def test_methods_that_are_none(house: House):
    client = Client(house)
    here = await continued(house, client, "generic")
    assert (await client.get(here, method="DELETE")).status == 405
    assert (await client.get("/pair", method="PUT")).status == 405
    assert (await Client(house).get(f"/pair/{house.invite()}", method="DELETE")).status == 405


async def test_old_pairings_go(house: House):
    house.invite()
    await house.box.device(name="Second", token="another-token-of-a-phone")
    house.clock.advance(pairings.REMEMBERED / 1000 + 31 * 60)
    house.invite(list(house.box.tokens)[1])
    assert len(rows(house)) == 1
