"""The pages about who may come in: first visit, logging in, password, browsers, API keys."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mmconnect.admin.pages.account.sessions import browser as named
from mmconnect.desk.entry import CONFIRMED
from mmconnect.desk.tries import WRONG
from mmconnect.domain import countries
from mmconnect.domain.numbers import is_country
from mmconnect.store import accounts, api_keys, audit
from tests.support.door import PASSWORD, Browser, House, house_of
from tests.support.inprocess import FakeClock


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with house_of(tmp_path, clock=FakeClock()) as made:
        yield made


async def is_in(browser: Browser) -> bool:
    return (await browser.get("/")).status == 200


# -- the first visit ---


@pytest.mark.parametrize("path", ["/", "/messages", "/settings/keys", "/login", "/nowhere"])
async def test_everything_leads_to_the_first_visit(house: House, path: str) -> None:
    told = await house.browser().get(path)
    assert (told.status, told.headers["location"]) == (303, "/setup")


async def test_the_first_visit(house: House) -> None:
    browser, code = house.browser(), await house.code()
    page = (await browser.get("/setup")).body.decode()
    assert "One-time setup code" in page
    assert "mmconnect admin setup-code" in page
    assert code not in page
    told = await browser.post(
        "/setup",
        code=code.lower(),
        password=PASSWORD,
        again=PASSWORD,
        site_name="Acme & Söhne",
        country="SG",
    )
    assert (told.status, told.headers["location"]) == (303, "/")
    page = (await browser.get("/")).body.decode()
    assert "Acme &amp; Söhne" in page
    assert "Welcome" in page
    assert house.desk.look().tenant.name == "Acme & Söhne"
    again = await house.browser().get("/setup")
    assert (again.status, again.headers["location"]) == (303, "/")
    other = await house.browser().post("/setup", code=code, password=PASSWORD, again=PASSWORD)
    assert (other.status, other.headers["location"]) == (303, "/login")


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("code", "AAAA-BBBB-CCCC", "That is no setup code that is good now"),
        ("password", "short", "at least 10 characters"),
        ("again", PASSWORD + "x", "not the same as above"),
        ("country", "XX", "two letters"),
    ],
)
async def test_what_is_wrong_stands_beside_its_field(
    house: House, field: str, value: str, sentence: str
) -> None:
    browser, code = house.browser(), await house.code()
    good = {"code": code, "password": PASSWORD, "again": PASSWORD, "site_name": "Acme <b>"}
    told = await browser.post("/setup", **{**good, field: value})
    page = told.body.decode()
    assert told.status == 400
    beside = re.search(rf'id="{field}-wrong">(.*?)</p>', page, re.DOTALL)
    assert beside is not None
    assert sentence in beside[1]
    assert PASSWORD not in page, "a password does not come back"
    assert 'value="Acme &lt;b&gt;"' in page, "the rest does"
    assert (await browser.post("/setup", **good)).status == 303, "the code is still good"


async def test_wrong_codes_have_to_wait(house: House) -> None:
    browser = house.browser()
    form = {"code": "AAAA-BBBB-CCCC", "password": PASSWORD, "again": PASSWORD}
    for _ in range(WRONG):
        assert (await browser.post("/setup", **form)).status == 400
    told = await browser.post("/setup", **{**form, "code": await house.code()})
    assert told.status == 429
    assert int(told.headers["retry-after"]) > 60
    assert "Too many tries. Wait 10 minutes" in told.body.decode()


def test_every_country_has_a_name() -> None:
    assert len(countries.NAMES) == 245
    assert all(is_country(code) and name for code, name in countries.NAMES.items())
    assert "NA" in countries.NAMES
    assert countries.NAMES["GB"] == "United Kingdom"


def test_the_country_is_guessed_from_zone_or_language(tmp_path: Path) -> None:
    zones = tmp_path / "zoneinfo"
    (zones / "Asia").mkdir(parents=True)
    (zones / "Asia" / "Singapore").touch()
    link = tmp_path / "localtime"
    link.symlink_to(zones / "Asia" / "Singapore")
    table = tmp_path / "zone.tab"
    table.write_text("# code\tcoordinates\tTZ\nSG\t+0117+10351\tAsia/Singapore\n")
    assert countries.guess({"LANG": "de_DE.UTF-8"}, link, table) == "SG"
    assert countries.guess({"LANG": "de_DE.UTF-8"}, tmp_path / "none", table) == "DE"
    assert countries.guess({"LANG": "C.UTF-8"}, link, tmp_path / "none") is None


# -- logging in and out ---


async def test_logging_in_leads_to_what_was_asked_for(house: House) -> None:
    await house.set_up()
    browser = house.browser()
    told = await browser.get("/messages?q=a%20b&state=failed")
    assert told.status == 303
    page = (await browser.get(told.headers["location"])).body.decode()
    assert 'value="/messages?q=a%20b&amp;state=failed"' in page
    told = await browser.log_in(next="/messages?q=a%20b&state=failed")
    assert (told.status, told.headers["location"]) == (303, "/messages?q=a%20b&state=failed")
    assert await is_in(browser)
    told = await browser.get("/login?next=/phones")
    assert (told.status, told.headers["location"]) == (303, "/phones"), "it is in already"


async def test_a_wrong_password_is_told_beside_the_field(house: House) -> None:
    await house.set_up()
    browser = house.browser()
    told = await browser.log_in("wrong password", next="/phones")
    page = told.body.decode()
    assert told.status == 400
    assert "That is not the password" in page
    assert 'value="/phones"' in page
    assert "wrong password" not in page
    assert not await is_in(browser)


async def test_blanks_belong_to_a_password(house: House) -> None:
    browser = await house.set_up()
    new = "  with blanks around  "
    form = {"current": PASSWORD, "password": new, "again": new}
    assert (await browser.post("/settings/password", **form)).status == 303
    assert (await house.browser().log_in(new.strip())).status == 400
    assert (await house.browser().log_in(new)).status == 303


async def test_logging_out(house: House) -> None:
    browser = await house.set_up()
    kept = dict(browser.cookies)
    told = await browser.post("/logout")
    assert (told.status, told.headers["location"]) == (303, "/login")
    assert "mmconnect" not in browser.cookies
    assert "You are logged out." in (await browser.get("/login")).body.decode()
    browser.cookies = kept
    assert not await is_in(browser), "the cookie opens nothing any more"
    assert (await browser.get("/logout")).status in (303, 405), "a link logs nobody out"


async def test_what_is_sent_by_who_is_out_changes_nothing(house: House) -> None:
    browser = await house.set_up()
    await browser.post("/logout")
    told = await browser.post("/settings/keys", name="x", scope="read")
    assert (told.status, told.headers["location"]) == (303, "/login")
    assert "nothing was changed" in (await browser.get("/login")).body.decode()
    assert await house.box.database.read(api_keys.known) == []


async def test_a_session_ends_when_nobody_comes(house: House) -> None:
    browser = await house.set_up()
    assert isinstance(house.box.clock, FakeClock)
    for _ in range(4):
        house.box.clock.advance(accounts.IDLE / 1000 - 60)
        assert await is_in(browser)
        await house.box.database.write(lambda db: None)
    house.box.clock.advance(accounts.IDLE / 1000)
    assert not await is_in(browser)


async def test_a_page_that_renews_itself_keeps_nobody_in(house: House) -> None:
    browser = await house.set_up()
    assert isinstance(house.box.clock, FakeClock)
    for _ in range(3):
        house.box.clock.advance(accounts.IDLE / 1000 / 2)
        told = await browser.get("/", X_Live="1")
        await house.box.database.write(lambda db: None)
    assert told.status == 303


async def test_a_session_ends_after_thirty_days_in_any_case(house: House) -> None:
    browser = await house.set_up()
    assert isinstance(house.box.clock, FakeClock)
    for day in range(1, 31):
        house.box.clock.advance(86_400)
        assert await is_in(browser) is (day < 30)
        await house.box.database.write(lambda db: None)


# -- the password once more ---


async def test_the_password_once_more(house: House) -> None:
    browser = await house.set_up()
    page = (await browser.get("/confirm?next=/settings/keys")).body.decode()
    assert 'value="/settings/keys"' in page
    told = await browser.post("/confirm", password="wrong password", next="/settings/keys")
    assert told.status == 400
    assert isinstance(house.box.clock, FakeClock)
    house.box.clock.advance(CONFIRMED / 1000)
    told = await browser.post("/confirm", password=PASSWORD, next="/settings/keys")
    assert (told.status, told.headers["location"]) == (303, "/settings/keys")
    (session,) = await house.desk.entry.sessions()
    assert house.desk.entry.is_confirmed(session)


# -- password and browsers ---


async def test_changing_the_password(house: House) -> None:
    browser, other = await house.set_up(), house.browser()
    await other.log_in()
    form = {"current": PASSWORD, "password": "another password", "again": "another password"}
    for field, value in (("current", "wrong password"), ("password", "short"), ("again", "x")):
        told = await browser.post("/settings/password", **{**form, field: value})
        assert (told.status, f'id="{field}-wrong"' in told.body.decode()) == (400, True)
    before = browser.cookies["mmconnect"]
    told = await browser.post("/settings/password", **form)
    assert (told.status, told.headers["location"]) == (303, "/settings/sessions")
    assert browser.cookies["mmconnect"] != before
    assert (await is_in(browser), await is_in(other)) == (True, False)
    assert (await house.browser().log_in()).status == 400
    assert (await house.browser().log_in("another password")).status == 303


async def test_browsers_are_listed_and_logged_out(house: House) -> None:
    browser = await house.set_up()
    others = [house.browser(User_Agent=f"Mozilla/5.0 (Linux) Firefox/{n}") for n in range(2)]
    for one in others:
        await one.log_in()
    page = (await browser.get("/settings/sessions")).body.decode()
    assert page.count("Firefox on Linux") == 2
    assert page.count("this one") == 1
    assert page.index("this one") < page.index("Firefox on Linux")
    ids = re.findall(r"/settings/sessions/(ses_\w+)/end", page)
    told = await browser.post(f"/settings/sessions/{ids[1]}/end")
    assert told.status == 303
    assert "That browser is logged out." in (await browser.get("/settings/sessions")).body.decode()
    assert sum([await is_in(one) for one in others]) == 1
    await browser.post("/settings/sessions/end-others")
    assert sum([await is_in(one) for one in others]) == 0
    assert await is_in(browser)
    told = await browser.post(f"/settings/sessions/{ids[0]}/end")
    assert told.headers["location"] == "/login"
    assert not await is_in(browser)


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Firefox on Linux",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
            " Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (Linux; Android 15; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko)"
            " Chrome/140.0.0.0 Mobile Safari/537.36",
            "Chrome on Android",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML,"
            " like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
            "Safari on iPhone",
        ),
        ("<script>", "A browser"),
        (None, "A browser"),
    ],
)
def test_a_browser_is_called_what_people_call_it(agent: str | None, name: str) -> None:
    assert named(agent) == name


# -- API keys ---


async def test_a_key_that_opens_everything_wants_the_password_again(house: House) -> None:
    """As what it can take away does; one for less is made without."""
    browser = await house.set_up()
    assert isinstance(house.box.clock, FakeClock)
    house.box.clock.advance(CONFIRMED / 1000)
    told = await browser.post("/settings/keys", name="CRM", scope="read")
    assert told.headers["location"].startswith("/settings/keys/key_")
    form: dict[str, Any] = {"name": "NAS", "scope": ["read", "backup"]}
    told = await browser.post("/settings/keys", **form)
    assert told.headers["location"] == "/confirm?next=/settings/keys"
    await browser.post("/confirm", password=PASSWORD, next="/settings/keys")
    told = await browser.post("/settings/keys", **form)
    page = (await browser.get(told.headers["location"])).body.decode()
    assert "backup, read" in page
    found = await house.box.database.read(api_keys.known)
    assert sorted(one.name for one in found) == ["CRM", "NAS"]


async def test_a_key_is_made_shown_and_revoked(house: House) -> None:
    browser = await house.set_up()
    told = await browser.post(
        "/settings/keys", name="CRM <b>", scope=["read", "metrics"], ends="30"
    )
    assert told.status == 303
    where = told.headers["location"]
    page = (await browser.get(where)).body.decode()
    secret = re.findall(r"sk_live_\w{40}", page)[0]
    assert "curl -H" in page
    assert f"http://127.0.0.1:{house.port}/v1/" in page
    shown = await house.desk.keys.show(secret, "127.0.0.1")
    assert shown.key is not None
    assert shown.key.scopes == {"read", "metrics"}
    assert (shown.key.expires_at or 0) - shown.key.created_at == 30 * 86_400_000
    stranger = house.browser()
    await stranger.log_in()
    assert secret not in (await stranger.get(where)).body.decode(), "for that browser alone"
    listed = (await browser.get("/settings/keys")).body.decode()
    assert "CRM &lt;b&gt;" in listed
    assert secret not in listed
    asked = (await browser.get(f"{where}/revoke")).body.decode()
    assert "Revoke the key CRM &lt;b&gt;?" in asked
    assert (await house.desk.keys.show(secret, "127.0.0.1")).key is not None, "not by looking"
    told = await browser.post(f"{where}/revoke")
    assert told.headers["location"] == "/settings/keys"
    assert (await house.desk.keys.show(secret, "127.0.0.1")).key is None
    assert (await browser.get(where)).status == 404
    entries = await house.box.database.read(lambda db: audit.newest(db, limit=10))
    assert [e.action for e in entries if e.action.startswith("key.")] == [
        "key.revoked",
        "key.created",
    ]
    assert all(secret not in entry.detail for entry in entries)


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"name": "", "scope": "read"}, "name"),
        ({"name": "x" * 201, "scope": "read"}, "name"),
        ({"name": "a\nb", "scope": "read"}, "name"),
        ({"name": "x"}, "scope"),
        ({"name": "x", "scope": "everything"}, "scope"),
        ({"name": "x", "scope": "read", "ends": "9999"}, "ends"),
    ],
)
async def test_what_makes_no_key(house: House, form: dict[str, str], field: str) -> None:
    browser = await house.set_up()
    told = await browser.post("/settings/keys", **form)
    assert told.status == 400
    assert 'class="wrong"' in told.body.decode()
    assert await house.box.database.read(api_keys.known) == []
