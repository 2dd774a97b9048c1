"""The admin side under attack: from other sites' pages, under other names, by guessing, by headers.

A real server, a real administrator. What holds for every page is tried on every route that there
is, found by walking the router, so that a page which is added later is tried as well.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import web

from mmconnect import paths
from mmconnect.admin import forms
from mmconnect.admin.routes import ROUTES
from mmconnect.admin.secure import Secure
from mmconnect.admin.site import make_site
from mmconnect.desk import keys
from mmconnect.desk.keys import Scope
from mmconnect.desk.tries import WRONG
from mmconnect.store import accounts, api_keys, audit
from tests.support.desk import desk_of, scraped
from tests.support.door import PASSWORD, House, house_of
from tests.support.inprocess import appliance
from tests.support.wire import Line, ask, request

BARE = socket.gethostname().partition(".")[0].lower()
OPEN = {"/healthz", "/readyz", "/metrics", "/ca.crt", "/setup", "/login"}
"""Pages that want no session; whoever adds one has to say so here, too."""


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with house_of(tmp_path) as made:
        yield made


def routes(*methods: str) -> Iterator[str]:
    """A path for every route with one of these methods."""
    for route in ROUTES:
        if route.method in methods:
            yield filled(route.path)


PLACE = re.compile(r"\{(\w+):((?:[^{}]|\{[^{}]*\})*)\}")
"""A place in a route's path that says what may stand there."""


def filled(path: str, value: str = "x") -> str:
    """A route's path with something in its places that may stand there."""

    def fitting(place: re.Match[str]) -> str:
        if re.fullmatch(place[2], value):
            return value
        prefix = re.match(r"[a-z]+_", place[2])
        return f"{prefix[0]}x" if prefix else "1"

    return re.sub(r"\{\w+\}", value, PLACE.sub(fitting, path))


GETS, POSTS = sorted(set(routes("GET"))), sorted(set(routes("POST", "PUT", "PATCH", "DELETE", "*")))


def test_every_route_is_found() -> None:
    assert len(GETS) > 10
    assert {"/logout", "/settings/password", "/settings/keys/x/revoke"} <= set(POSTS)


# -- who is not in ---


async def test_no_page_is_for_those_who_are_not_in(house: House) -> None:
    for administrator in (False, True):
        if administrator:
            await house.set_up()
        door = "/login" if administrator else "/setup"
        for path in GETS:
            told = await house.browser().get(path)
            if path in OPEN:
                continue
            assert told.status == 303, path
            assert told.headers["location"].partition("?")[0] == door, path
            assert told.body == b""
        for path in POSTS:
            if path not in OPEN:
                told = await house.browser().post(path, x="y")
                assert (told.status, told.headers["location"]) == (303, door), path


@pytest.mark.parametrize(
    "path",
    ["/SETUP/../", "//settings/keys", "/login/../settings/keys", "/setup/..%2fsettings/keys"],
)
async def test_a_clever_path_opens_nothing(house: House, path: str) -> None:
    await house.set_up()
    told = await house.browser().get(path)
    assert told.status in (303, 404)
    assert b"API key" not in told.body


# -- forgery ---

FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://127.0.0.1"},  # another port is another site
    {"Origin": "http://127.0.0.1.evil.example"},
    {"Origin": "file://"},
    {"Origin": "http://["},  # no URL at all
    {"Referer": "http://evil.example/page"},
    {"Referer": "http://[::1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "own"},
    {},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_another_sites_page_changes_nothing(house: House, headers: dict[str, str]) -> None:
    """Every form of the whole site, with the cookie of whoever is logged in."""
    browser = await house.set_up()
    own = f"http://{browser.host}"
    given = {name: own if value == "own" else value for name, value in headers.items()}
    before = await everything(house)
    for path in POSTS:
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            told = await browser.ask(method, path, given, b"name=x&scope=read")
            assert told.status in (403, 405), (method, path, told.status)
            if method == "POST":
                assert told.status == 403, path
    assert await everything(house) == before


async def everything(house: House) -> tuple[object, ...]:
    return (
        [one.id for one in await house.desk.entry.sessions()],
        await house.box.database.read(api_keys.known),
        await house.box.database.read(accounts.account),
        len(await house.box.database.read(lambda db: audit.newest(db, limit=1000))),
    )


async def test_our_own_pages_may(house: House) -> None:
    browser = await house.set_up()
    own = f"http://{browser.host}"
    for given in (
        {"Origin": own},
        {"Origin": own.upper().replace("HTTP", "http"), "Sec-Fetch-Site": "same-origin"},
        {"Referer": f"{own}/settings/keys"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ):
        told = await browser.ask("POST", "/settings/sessions/end-others", given)
        assert told.status == 303, given


async def test_nobody_is_logged_in_by_somebody_elses_page(house: House) -> None:
    """Or the owner would work in an attacker's session without knowing."""
    await house.set_up()
    for headers in FOREIGN[:-1]:
        if headers.get("Origin") != "own":
            body = b"password=correct+horse+battery"
            told = await house.browser().ask("POST", "/login", headers, body)
            assert told.status == 403
    script = await house.browser().post("/login", origin=None, password=PASSWORD)
    assert script.status == 303, "a script without a cookie says nothing of where it is"


async def test_looking_changes_nothing(house: House) -> None:
    browser = await house.set_up()
    before = await everything(house)
    for path in GETS:
        await browser.get(path)
        await browser.ask("HEAD", path)
    assert await everything(house) == before


# -- names that are not ours ---


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8480",
        "127.0.0.1.evil.example",
        f"{BARE}.evil.example",
        "evil.local",
        "localhost.evil.example",
        "",
        "a b",
        "user@127.0.0.1",
        "[::1].evil.example",
    ],
)
async def test_a_name_that_is_made_to_lead_here(house: House, host: str) -> None:
    browser = await house.set_up()
    browser.host = host
    for path in ("/", "/login", "/setup", "/settings/keys", "/metrics", "/ca.crt"):
        told = await browser.get(path)
        assert told.status in (400, 421), path
        assert b"secret" not in told.body
    told = await browser.post("/login", password=PASSWORD)
    assert told.status in (400, 421)
    assert "mmconnect" not in [one.partition("=")[0] for one in browser.set[2:]]


async def test_the_page_that_refuses_a_name_has_its_styles(house: House) -> None:
    stranger = house.browser("evil.example")
    page = (await stranger.get("/")).body.decode()
    styles = re.findall(r'<link rel="stylesheet" href="([^"]+)"', page)
    assert styles
    for path in styles:
        assert (await stranger.get(path)).status == 200


async def test_what_to_do_about_a_name_is_said(house: House) -> None:
    await house.setting("allowed_hosts", "mm.example.org")
    page = (await house.browser("Sms.example.org:8480").get("/")).body.decode()
    assert "mmconnect settings set allowed_hosts mm.example.org,sms.example.org" in page
    odd = (await house.browser("$(reboot).example").get("/")).body.decode()
    assert "reboot" not in odd
    assert "Open it by its address." in odd


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8480",
        "192.168.1.20",
        "[fd00::20]:8480",
        "[::1]",
        "localhost:8480",
        "LOCALHOST",
        f"{BARE}:8480",
        *(f"{BARE}.{below}" for below in ("local", "lan", "home.arpa", "fritz.box")),
        f"{BARE.upper()}.Local.:8480",
        "mm.example.org",
        "MM.example.org:443",
    ],
)
async def test_names_that_are_ours(house: House, host: str) -> None:
    await house.setting("allowed_hosts", "mm.example.org")
    assert (await house.browser(host).get("/setup")).status == 200


async def test_probes_answer_under_any_name(house: House) -> None:
    for path in ("/healthz", "/readyz"):
        assert (await house.browser("health.cluster.internal").get(path)).status == 200


# -- what headers say ---


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_every_answer_keeps_to_itself(house: House, scheme: str) -> None:
    """No frame, no other host, no inline script, nothing kept: also errors, also redirects."""
    browser = await house.set_up()
    await house.setting("trusted_proxies", "127.0.0.1")
    asked = [(browser, "GET", path) for path in GETS]
    asked += [(browser, "POST", path) for path in POSTS]
    asked += [(house.browser("evil.example"), "GET", "/"), (browser, "GET", "/nowhere")]
    asked += [(browser, "DELETE", "/"), (house.browser(), "GET", "/")]
    for who, method, path in asked:
        seen = {"Origin": f"{scheme}://{browser.host}", "X-Forwarded-Proto": scheme}
        told = await who.ask(method, path, seen)
        headers = told.headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy, path
        assert "frame-ancestors 'none'" in policy
        assert "base-uri 'none'" in policy
        assert "unsafe" not in policy
        assert "*" not in policy
        assert "http" not in policy
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        # over plain http no browser takes it, and each complains of it
        opener = headers.get("cross-origin-opener-policy")
        assert opener == ("same-origin" if scheme == "https" else None)
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "camera=()" in headers["permissions-policy"]
        assert headers["cache-control"] == "no-store", path
        assert headers["server"] == "mmconnect"
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    "bad",
    [
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\x00b\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ],
)
async def test_what_is_no_http_says_nothing_of_us(
    house: House, bad: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    line = await Line.open(house.port)
    await line.send(bad)
    async with asyncio.timeout(60):
        told = await line.reader.readuntil(b"\r\n\r\n")
    line.close()
    assert told.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
    assert b"server: mmconnect\r\n" in told.lower()
    assert b"aiohttp" not in told.lower()
    assert b"Traceback" not in told
    assert "evil" not in caplog.text


@pytest.mark.parametrize(
    "further",
    [
        "http://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\r\nSet-Cookie: a=b",
        "/%0d%0aSet-Cookie:a=b",
        "javascript:alert(1)",
        "data:text/html,x",
        "evil.example",
        "///evil.example",
        "/" + "x" * 5000,
        "",
    ],
)
async def test_the_way_on_is_never_to_another_site(house: House, further: str) -> None:
    browser = await house.set_up()
    told = await house.browser().log_in(next=further)
    where = told.headers["location"]
    assert told.status == 303
    assert where == "/" or where == "/%0d%0aSet-Cookie:a=b"
    assert "a=b" not in told.headers.get("set-cookie", "")
    told = await browser.post("/confirm", password=PASSWORD, next=further)
    assert told.headers["location"] == where
    asked = f"/login?next={quote(further[:2500], safe='')}"
    assert (await browser.get(asked)).headers["location"] == where


@pytest.mark.parametrize(
    "path",
    [
        "/static/../pyproject.toml",
        "/static/%2e%2e/pyproject.toml",
        "/static/..%2f..%2fetc/passwd",
        "/static/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/static/....//pyproject.toml",
        "/static//etc/passwd",
        "/static/\\..\\pyproject.toml",
        "/static/%00",
        "/static/.%00./",
        "/static/",
        "/static",
        "/mmconnect/static/../../pyproject.toml",
    ],
)
async def test_static_files_are_those_and_no_others(house: House, path: str) -> None:
    await house.setting("base_path", "/mmconnect")
    told = await ask(house.port, request(path, method="GET"))
    assert told.status in (303, 400, 403, 404)
    assert b"root:" not in told.body
    assert b"[project]" not in told.body


# -- the cookie ---


async def test_the_cookie_of_a_session(house: House) -> None:
    browser = await house.set_up()
    (cookie,) = [one for one in browser.set if one.startswith("mmconnect=")]
    for flag in ("HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=2592000"):
        assert flag in cookie
    assert "Secure" not in cookie
    assert "Domain" not in cookie


async def test_the_cookie_over_https_cannot_be_planted(house: House) -> None:
    await house.setting("trusted_proxies", "127.0.0.1")
    await house.set_up()
    browser = house.browser(X_Forwarded_For="192.0.2.7", X_Forwarded_Proto="https")
    told = await browser.post("/login", origin=f"https://{browser.host}", password=PASSWORD)
    assert told.status == 303
    (cookie,) = [one for one in browser.set if "mmconnect=" in one]
    assert cookie.startswith("__Host-mmconnect=")
    assert "Secure" in cookie
    assert (await browser.get("/")).status == 200
    await house.setting("base_path", "/mm")
    assert (await browser.get("/mm/")).status == 200, "a new base path logs nobody out"
    browser.cookies = {"mmconnect": browser.cookies["__Host-mmconnect"]}
    assert (await browser.get("/mm/")).status == 303, "the name that can be planted does not count"


async def test_no_cookie_leaves_https(house: House) -> None:
    await house.setting("trusted_proxies", "127.0.0.1")
    await house.set_up()
    browser = house.browser(X_Forwarded_For="192.0.2.7", X_Forwarded_Proto="https")
    await browser.post("/login", origin=f"https://{browser.host}", password=PASSWORD)
    await browser.post("/logout", origin=f"https://{browser.host}")
    assert len(browser.set) == 3, "the session's, what is said of its end, and its end"
    assert all("Secure" in cookie and "HttpOnly" in cookie for cookie in browser.set)


async def test_the_cookie_below_a_base_path(house: House) -> None:
    await house.setting("base_path", "/mm")
    await house.setting("trusted_proxies", "127.0.0.1")
    await house.set_up()
    browser = house.browser(X_Forwarded_For="192.0.2.7", X_Forwarded_Proto="https")
    await browser.post("/mm/login", origin=f"https://{browser.host}", password=PASSWORD)
    (cookie,) = [one for one in browser.set if "mmconnect=" in one]
    assert cookie.startswith("__Secure-mmconnect=")
    assert "Path=/mm;" in cookie


async def test_a_cookie_that_was_planted_before_opens_nothing(house: House) -> None:
    """Session fixation: the attacker knows the cookie that the browser had before the login."""
    await house.set_up()
    browser = house.browser()
    browser.cookies["mmconnect"] = planted = "x" * 43
    assert (await browser.log_in()).status == 303
    assert browser.cookies["mmconnect"] != planted
    attacker = house.browser()
    attacker.cookies["mmconnect"] = planted
    assert (await attacker.get("/")).status == 303


async def test_each_login_has_a_cookie_of_its_own_and_the_old_one_ends(house: House) -> None:
    browser = await house.set_up()
    before = dict(browser.cookies)
    await browser.log_in()
    assert browser.cookies["mmconnect"] != before["mmconnect"]
    old = house.browser()
    old.cookies = before
    assert (await old.get("/")).status == 303


# -- guessing ---


async def test_many_guesses_at_once_are_as_many(house: House) -> None:
    await house.set_up()
    await house.box.database.write(accounts.end_all)
    told = await asyncio.gather(*(house.browser().log_in(f"wrong password {n}") for n in range(60)))
    assert sum(one.status == 400 for one in told) == WRONG
    assert sum(one.status == 429 for one in told) == 60 - WRONG
    assert all(int(one.headers["retry-after"]) > 1 for one in told if one.status == 429)
    assert (await house.browser().log_in()).status == 429, "the right one has to wait as well"


async def test_guesses_from_everywhere_do_not_keep_the_owner_out(house: House) -> None:
    await house.setting("trusted_proxies", "127.0.0.1")
    owner = house.browser(X_Forwarded_For="192.0.2.1")
    await owner.post("/setup", code=await house.code(), password=PASSWORD, again=PASSWORD)
    told = await asyncio.gather(
        *(
            house.browser(X_Forwarded_For=f"198.51.100.{n}").log_in("wrong password")
            for n in range(100)
        )
    )
    assert sum(one.status == 429 for one in told) >= 75
    assert (await house.browser(X_Forwarded_For="192.0.2.1").log_in()).status == 303
    assert (await owner.get("/")).status == 200


async def test_setup_codes_are_not_guessed(house: House) -> None:
    code = await house.code()
    form = {"password": PASSWORD, "again": PASSWORD}
    told = await asyncio.gather(
        *(house.browser().post("/setup", code=f"{n:012}", **form) for n in range(60))
    )
    assert sum(one.status == 400 for one in told) == WRONG
    assert sum(one.status == 429 for one in told) == 60 - WRONG
    assert (await house.browser().post("/setup", code=code, **form)).status == 429


async def test_keys_are_not_guessed_and_a_good_one_never_waits(house: House) -> None:
    key, secret = keys.fresh(
        house.box.ids, name="x", now=house.box.clock.now(), scopes=[Scope.METRICS]
    )
    await house.box.database.write(lambda db: api_keys.add(db, key))
    browser = house.browser(X_Forwarded_For="192.0.2.7")  # else it is this machine itself

    async def scrape(secret: str) -> int:
        headers = {"Authorization": f"Bearer {secret}"}
        return (await browser.ask("GET", "/metrics", headers)).status

    told = await asyncio.gather(*(scrape(f"sk_live_{n:040}") for n in range(60)))
    assert told.count(401) == keys.WRONG_KEYS
    assert told.count(429) == 60 - keys.WRONG_KEYS
    assert await scrape(secret) == 200


@pytest.mark.parametrize(
    ("scopes", "status"),
    [([Scope.METRICS], 200), ([Scope.READ], 200), ([Scope.WRITE], 403), ([], 403)],
)
async def test_what_a_key_may(house: House, scopes: list[Scope], status: int) -> None:
    key, secret = keys.fresh(house.box.ids, name="x", now=house.box.clock.now(), scopes=scopes)
    await house.box.database.write(lambda db: api_keys.add(db, key))
    browser = house.browser(X_Forwarded_For="192.0.2.7")
    headers = {"Authorization": f"Bearer {secret}"}
    assert (await browser.ask("GET", "/metrics", headers)).status == status
    assert (await browser.get("/metrics")).status == 401
    assert (await browser.ask("GET", "/settings/keys", headers)).status == 303, "it is no login"


async def test_nothing_secret_is_logged(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    browser = await house.set_up()
    await house.browser().log_in("wrong-password-of-mine")
    told = await browser.post("/settings/keys", name="x", scope="read")
    page = (await browser.get(told.headers["location"])).body.decode()
    (secret, *_) = re.findall(r"sk_live_\w{40}", page)
    for word in (PASSWORD, "wrong-password-of-mine", secret, browser.cookies["mmconnect"]):
        assert word not in caplog.text


# -- proxies ---


async def test_a_proxy_that_is_not_trusted_is_told_of_and_not_believed(house: House) -> None:
    browser = await house.set_up()
    assert house.desk.status.also() == []
    liar = house.browser("evil.example", X_Forwarded_For="192.0.2.7", X_Forwarded_Host="127.0.0.1")
    assert (await liar.get("/login")).status == 421
    (warning,) = house.desk.status.also()
    assert "through a proxy at 127.0.0.1 that is not trusted" in warning.sentence
    assert "mmconnect settings set trusted_proxies 127.0.0.1" in warning.remedy
    assert "that is not trusted" in (await browser.get("/")).body.decode()
    await house.setting("trusted_proxies", "127.0.0.0/8")
    assert house.desk.status.also() == []


async def test_behind_a_trusted_proxy_each_client_counts_for_itself(house: House) -> None:
    await house.setting("trusted_proxies", "127.0.0.1")
    await house.setting("allowed_hosts", "mm.example.org")
    await house.set_up()
    headers = {"X_Forwarded_Host": "mm.example.org", "X_Forwarded_Proto": "https"}
    for _ in range(WRONG):
        guesser = house.browser("backend:8480", X_Forwarded_For="9.9.9.9, 192.0.2.66", **headers)
        told = await guesser.post("/login", origin="https://mm.example.org", password="wrong pass")
        assert told.status == 400
    other = house.browser("backend:8480", X_Forwarded_For="192.0.2.1", **headers)
    told = await other.post("/login", origin="https://mm.example.org", password=PASSWORD)
    assert told.status == 303
    assert {one.address for one in await house.desk.entry.sessions()} == {"127.0.0.1", "192.0.2.1"}
    told = await guesser.post("/login", origin="https://mm.example.org", password=PASSWORD)
    assert told.status == 429


async def test_https_at_the_proxy_is_https_for_us(tmp_path: Path) -> None:
    async with house_of(tmp_path, secure=Secure(port=lambda: 8483)) as house:
        plain = await house.browser().get("/x")
        assert plain.headers["location"] == "https://127.0.0.1:8483/x"
        await house.setting("trusted_proxies", "127.0.0.1")
        proxied = house.browser(X_Forwarded_For="192.0.2.1", X_Forwarded_Proto="https")
        assert (await proxied.get("/setup")).status == 200


# -- below a base path ---


async def test_everything_is_below_the_base_path_too(house: House) -> None:
    await house.setting("base_path", "/mm")
    browser = await house.set_up()
    for path in (
        "/healthz",
        "/readyz",
        "/metrics",
        "/static/admin.css",
        "/login",
        "/settings/keys",
    ):
        root, below = await browser.get(path), await browser.get(f"/mm{path}")
        assert (root.status, below.status) in ((200, 200), (303, 303)), path
        if "location" in below.headers:
            assert below.headers["location"] == "/mm/"
    for path in ("/mm", "/mm/"):
        assert (await browser.get(path)).status == 200
    assert (await browser.get("/mmm/healthz")).status == 404
    stranger = house.browser()
    told = await stranger.get("/mm/settings/keys?a=b")
    assert told.headers["location"] == "/mm/login?next=%2Fsettings%2Fkeys%3Fa%3Db"
    told = await stranger.post("/mm/login", password=PASSWORD, next="/settings/keys?a=b")
    assert told.headers["location"] == "/mm/settings/keys?a=b"


async def test_every_link_of_every_page_is_below_the_base_path(house: House) -> None:
    await house.setting("base_path", "/mm")
    browser = await house.set_up()
    for path in GETS:
        told = await browser.get(f"/mm{path}")
        if "text/html" not in told.headers.get("content-type", ""):
            continue
        for link in re.findall(r'(?:href|src|action)="(/[^"]*)"', told.body.decode()):
            assert link.startswith("/mm/"), f"{path}: {link}"


def test_no_template_writes_a_path_of_its_own() -> None:
    for file in sorted((paths.resource_root() / "templates" / "admin").rglob("*.html")):
        text = file.read_text(encoding="utf-8")
        wrong = re.findall(r'(?:href|src|action|formaction|data-\w+)="/[^"]*"', text)
        assert not wrong, f"{file.name}: {wrong}: write {{{{ url(…) }}}}"
        assert "|safe" not in text.replace(" ", ""), f"{file.name} leaves something unescaped"
        inline = re.findall(r"\s(?:style|on\w+)=|<style|<script(?![^>]*\ssrc=)", text)
        assert not inline, f"{file.name}: {inline}: the policy forbids it"


# -- a stranger's input ---

NASTY = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\r\nSet-Cookie: a=b\x1b[2J{{7*7}}"


async def test_what_strangers_send_is_shown_and_never_obeyed(house: House) -> None:
    """A text, its sender, a raw push, a browser's name: each on every page where it stands."""
    browser = await house.set_up()
    await house.box.device(name=NASTY.replace("\r\n", " ").replace("\x1b", ""), token="tok")
    await house.box.text(NASTY, NASTY)
    await house.box.push({"User-Agent": "<script>alert(3)</script>"}, b"<script>alert(4)</script>")
    await house.browser(User_Agent="<script>alert(5)</script>").log_in()
    ids = {
        "messages": [row[0] for row in house.box.rows("SELECT id FROM messages")],
        "deliveries": [row[0] for row in house.box.rows("SELECT id FROM deliveries")],
        "phones": [row[0] for row in house.box.rows("SELECT id FROM devices")],
    }
    seen = 0
    for route in ROUTES:
        if route.method != "GET":
            continue
        area = route.path.strip("/").partition("/")[0]
        for one in ids.get(area, ["x"]):
            path = filled(route.path, one)
            told = await browser.get(path)
            if "text/html" not in told.headers.get("content-type", ""):
                continue
            page = told.body.decode()
            seen += "alert(" in page
            assert not re.search(r"<script(?![^>]*\ssrc=\"/static/)", page), path
            assert not re.search(r"<img[^>]*onerror", page), path
            assert "49" not in re.findall(r"Set-Cookie: a=b[^{]*(\d\d)", page)
            assert "a=b" not in told.headers.get("set-cookie", "")
            assert "\x1b" not in page
    assert seen, "it stands somewhere"


def test_the_site_is_made_of_these_routes(house_routes: list[tuple[str, str]]) -> None:
    """Nothing is served that the tests above do not walk through."""
    declared = {(route.method, PLACE.sub(r"{\1}", route.path)) for route in ROUTES}
    served = {(m, p) for m, p in house_routes if m != "HEAD" and not p.startswith("/static")}
    assert served == declared


@pytest.fixture
async def house_routes(tmp_path: Path) -> list[tuple[str, str]]:

    async with appliance(tmp_path) as box:
        app: web.Application = make_site(desk_of(box), scraped)
        return [
            (route.method, route.resource.canonical)
            for route in app.router.routes()
            if route.resource is not None
        ]


async def test_one_browser_does_not_see_anothers_news(house: House) -> None:
    first, second = await house.set_up(), house.browser()
    await first.get("/")
    await second.log_in()
    await first.post("/settings/sessions/end-others")
    await second.log_in()
    assert "1 browser is logged out" not in (await second.get("/settings/sessions")).body.decode()
    assert "1 browser is logged out" in (await first.get("/settings/sessions")).body.decode()


async def test_a_form_that_drips_is_given_up(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.set_up()
    monkeypatch.setattr(forms, "PATIENCE", 0.1)
    kind = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": "100"}
    line = await Line.open(house.port)
    await line.send(request("/login", kind, method="GET").replace(b"GET", b"POST", 1))
    await line.send(b"passw")
    assert (await line.answer()).status == 408
    line.close()


async def test_a_form_that_is_too_large(house: House) -> None:
    browser = await house.set_up()
    told = await browser.post("/settings/keys", name="x" * 300_000, scope="read")
    assert told.status == 413


PART = b'--x\r\nContent-Disposition: form-data; name="password"\r\n%b\r\n\r\n!\r\n--x--\r\n'


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Type": "application/x-www-form-urlencoded; charset=none"}, b"password=x"),
        ({"Content-Type": "multipart/form-data"}, PART % b""),
        ({"Content-Type": "multipart/form-data; boundary=x"}, PART % b"Content-Encoding: none"),
        (
            {"Content-Type": "multipart/form-data; boundary=x"},
            PART % b"Content-Transfer-Encoding: none",
        ),
        ({"Content-Encoding": "gzip"}, b"password=x"),
        ({"Content-Encoding": "deflate"}, b"password=x"),
    ],
    ids=str,
)
async def test_a_form_that_is_none_is_refused_and_fills_no_log(
    house: House, headers: dict[str, str], body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Anybody may send one to the door, as often as they like."""
    browser = await house.set_up()
    own = {"Origin": f"http://{browser.host}", **headers}
    for path in ("/login", "/settings/backup/bring"):
        told = await browser.ask("POST", path, own, body)
        assert told.status == 400, (path, told)
    assert "A page failed" not in caplog.text


async def test_whoever_leaves_in_mid_form_fills_no_log(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    await house.set_up()
    line = await Line.open(house.port)
    await line.send(
        f"POST /login HTTP/1.1\r\nHost: 127.0.0.1:{house.port}\r\nContent-Length: 100\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n\r\npass".encode()
    )
    await asyncio.sleep(0.1)
    line.close()
    await line.writer.wait_closed()
    await asyncio.sleep(0.1)
    assert (await house.browser().get("/login")).status == 200
    assert "A page failed" not in caplog.text
