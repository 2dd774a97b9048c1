"""The pages about endpoints: forms as a browser without JavaScript sends them, and what comes back.

Real listener, store, dispatcher and receiver; what is shown is asked of the database, too.
"""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from mmconnect.desk import endpoint_places
from mmconnect.desk.entry import Standing
from mmconnect.domain.models import Condition, EndpointState, Match, Routing
from mmconnect.store import audit, secrets
from mmconnect.store import endpoints as stored
from mmconnect.webhook.addresses import AddressRule, listeners
from tests.support.desk import EverybodyIn, admin_of, desk_of
from tests.support.inprocess import SECRET, Appliance, FakeClock, appliance, eventually
from tests.support.receiver import Receiver, answer, receiver
from tests.support.wire import Told, ask, request
from tests.unit.test_trust import CA

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


class Known(EverybodyIn):
    """Everybody is in, by a name in the cookie; `late` entered the password too long ago."""

    async def look(self, cookie: str | None, address: str, *, visit: bool = True) -> Standing:
        standing = await super().look(cookie, address, visit=visit)
        assert standing.session is not None
        confirmed = 0 if cookie == "late" else standing.session.confirmed_at
        who = replace(standing.session, id=f"ses_{cookie}", confirmed_at=confirmed)
        return Standing(is_set_up=True, session=who)


@dataclass
class Visitor:
    """A browser without JavaScript: keeps cookies, sends forms, follows where it is led."""

    port: int
    box: Appliance
    cookies: dict[str, str]

    async def _ask(self, target: str, method: str, body: bytes = b"") -> Told:
        host = f"127.0.0.1:{self.port}"
        headers = {"Cookie": "; ".join(f"{n}={v}" for n, v in self.cookies.items())}
        if method == "POST":
            headers |= {
                "Content-Type": "application/x-www-form-urlencoded",
                "Origin": f"http://{host}",
            }
        told = await ask(self.port, request(target, headers, body, method=method, host=host))
        if (cookie := told.headers.get("set-cookie")) is not None:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return told

    async def get(self, target: str, status: int = 200) -> str:
        told = await self._ask(target, "GET")
        assert told.status == status, (target, told.status, words(told.body.decode()))
        return told.body.decode()

    async def post(self, target: str, status: int = 200, **fields: Any) -> str:
        """Send a form; the page that it leads to."""
        told = await self._ask(target, "POST", urlencode(fields, doseq=True).encode())
        if told.status == 303:
            assert status == 200, words(await self.get(told.headers["location"]))
            return await self.get(told.headers["location"].partition("#")[0])
        assert told.status == status, (target, told.status, words(told.body.decode()))
        return told.body.decode()

    def endpoint(self) -> Any:
        (found,) = self.box.change(stored.known)
        return found


def words(page: str) -> str:
    """What a person reads of a page."""
    main = page.partition('<main id="main"')[2].partition("</main>")[0] or page
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", main)).split())


@asynccontextmanager
async def visiting(
    directory: Path, clock: FakeClock | None = None, **desk: Any
) -> AsyncIterator[Visitor]:
    async with appliance(directory, clock=clock) as box:
        entry = Known(box.database, box.clock, box.ids)
        async with admin_of(desk_of(box, **{"entry": entry} | desk)) as port:
            yield Visitor(port, box, {"mmconnect": "owner"})


@asynccontextmanager
async def with_endpoint(
    directory: Path,
    target: Receiver | None = None,
    clock: FakeClock | None = None,
    **fields: Any,
) -> AsyncIterator[tuple[Visitor, str]]:
    """A visitor, and the path of the pages about the one endpoint there is."""
    async with visiting(directory, clock) as visitor:
        url = "http://127.0.0.1:9/hook" if target is None else target.url
        made = await visitor.box.endpoint(url, **{"name": "CRM"} | fields)
        yield visitor, f"/endpoints/{made}"


# -- the list ---


async def test_an_empty_list_says_what_to_do_next(tmp_path: Path):
    async with visiting(tmp_path) as visitor:
        page = await visitor.get("/endpoints")
        assert "No endpoint yet" in page
        assert 'href="/endpoints/new"' in page


async def test_the_list_says_how_each_is_and_keeps_the_order(tmp_path: Path):
    async with visiting(tmp_path) as visitor:
        box = visitor.box
        await box.device()
        works = await box.endpoint("http://127.0.0.1:9/1", name="Works")
        held = await box.endpoint("http://127.0.0.1:9/2", name="Held")
        paused = await box.endpoint("http://127.0.0.1:9/3", name="Paused")
        box.change(
            lambda db: stored.hold(db, held, "gone", "It said 410", 1, "http://127.0.0.1:9/2")
        )
        box.change(lambda db: stored.pause(db, paused, 1))
        page = words(await visitor.get("/endpoints"))
        assert re.search(
            r"Works .*not tried yet.* Held .* held It said 410.* Paused .* paused", page
        )
        assert "Down" not in page
        assert "Down" in words(await visitor.get("/endpoints?order=1"))
        page = words(await visitor.post(f"/endpoints/{paused}/move", way="up"))
        assert page.index("Paused") < page.index("Held http")
        await visitor.post(f"/endpoints/{works}/move", way="down")
        assert [e.name for e in box.change(stored.known)] == ["Paused", "Works", "Held"]


# -- adding one ---


async def test_adding_one_shows_its_secret_for_a_while(tmp_path: Path):
    async with receiver() as target, visiting(tmp_path) as visitor:
        page = await visitor.post("/endpoints/new", url=target.url, name="  My CRM ")
        made = visitor.endpoint()
        assert (made.name, made.url) == ("My CRM", target.url)
        assert made.secrets[0].value in page
        assert f"PORT={target.port} python3 receive.py" in page
        secret = f"/endpoints/{made.id}/secret"
        page = await visitor.get(f"{secret}?language=go")
        assert made.secrets[0].value in page
        assert "go run receive.go" in page
        for path in ("", "/signing", "/settings", "/routing", "/check"):
            assert made.secrets[0].value not in await visitor.get(f"/endpoints/{made.id}{path}")
        await visitor.post(secret)
        told = await visitor._ask(secret, "GET")
        assert (told.status, told.headers["location"]) == (303, f"/endpoints/{made.id}/signing")
        (entry,) = visitor.box.change(lambda db: audit.newest(db, limit=9))
        assert (entry.actor, entry.action) == ("admin", "endpoint.added")


async def test_another_browser_does_not_see_the_secret(tmp_path: Path):
    async with visiting(tmp_path) as visitor:
        await visitor.post("/endpoints/new", url="http://127.0.0.1:9/")
        other = Visitor(visitor.port, visitor.box, {"mmconnect": "other"})
        told = await other._ask(f"/endpoints/{visitor.endpoint().id}/secret", "GET")
        assert told.status == 303
        assert visitor.endpoint().name == "127.0.0.1", "the host, where no name was given"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://crm.example/", "is not a URL that webhooks can go to"),
        ("http://169.254.169.254/", "credentials"),
        ("http://[fe80::1]/", "link-local"),
        ("http://127.0.0.1:8480/hook", "is mmconnect itself"),
        ("", "where its texts are to go"),
        (f"http://{EVIL}/", "is not a URL"),
    ],
)
async def test_where_nothing_can_go_is_refused_with_what_was_typed(
    tmp_path: Path, url: str, says: str
):
    own = AddressRule(own=listeners(["0.0.0.0:8480"]))
    async with visiting(tmp_path, rule=lambda: own) as visitor:
        page = await visitor.post("/endpoints/new", 400, url=url, name=EVIL)
        assert says in words(page)
        assert (
            f'value="{html.escape(EVIL).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")}"'
            in page
        )
        assert "<script>alert" not in page
        assert visitor.box.change(stored.known) == []


async def test_plain_http_beyond_the_own_network_wants_a_tick(tmp_path: Path):
    async with visiting(tmp_path) as visitor:
        page = await visitor.post("/endpoints/new", 400, url="http://8.8.8.8/hook", secret="k" * 16)
        assert "everybody on the way can read your texts" in words(page)
        assert 'name="plainHttp"' in page
        assert "k" * 16 not in page, "a secret is not sent back"
        await visitor.post("/endpoints/new", url="http://8.8.8.8/hook", plainHttp="on")
        assert visitor.endpoint().plain_http is True


async def test_the_look_at_a_url_while_it_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async def resolve(host: str, port: int) -> list[str]:
        found = {"crm.example": ["93.184.216.34"], "ha.lan": ["192.168.1.30"], "x.lan": ["fe80::1"]}
        if host not in found:
            raise OSError(-2, "Name or service not known")
        return found[host]

    monkeypatch.setattr(endpoint_places.look, "__kwdefaults__", {"resolve": resolve})
    async with visiting(tmp_path) as visitor:

        async def look(url: str) -> str:
            return await visitor.get(f"/endpoints/look?{urlencode({'url': url})}")

        assert "on the internet" in await look("https://crm.example/x")
        assert 'data-name="ha.lan"' in (page := await look("http://ha.lan:8123/"))
        assert "in your own network" in page
        assert 'name="plainHttp"' not in page
        assert 'name="plainHttp"' in await look("http://crm.example/x")
        assert "link-local" in await look("http://x.lan/")
        assert "was not found (Name or service not known)" in await look("https://typo.example/")
        assert "<script>" not in await look(f"http://{EVIL}/")
        assert 'data-name=""' in await look("")


async def test_a_receiver_that_moves_here_keeps_its_secret(tmp_path: Path):
    async with visiting(tmp_path) as visitor:
        url = "http://127.0.0.1:9/"
        page = await visitor.post("/endpoints/new", 400, url=url, secret="short", digits="on")
        assert "16 are the least" in words(page)
        page = await visitor.post(
            "/endpoints/new", url=url, secret="a secret of our own", digits="on"
        )
        assert "webhook-signature is not sent" in words(page)
        assert visitor.endpoint().numbers == "digits"
        assert visitor.endpoint().secrets[0].value == "a secret of our own"


# -- one of them ---


async def test_a_test_shows_the_answer(tmp_path: Path):
    async with (
        receiver(answer(200, EVIL.encode()), answer(401)) as target,
        with_endpoint(tmp_path, target) as (visitor, path),
    ):
        page = await visitor.post(f"{path}/test")
        assert "The test has arrived" in page
        assert html.escape(EVIL, quote=False) in page.replace("&#34;", '"').replace("&#39;", "'")
        assert "<script>alert" not in page
        page = words(await visitor.post(f"{path}/test"))
        assert "The test has not arrived The receiver did not accept the signature (401)" in page
        other = await visitor.box.endpoint(target.url)
        tested = visitor.box.deliveries()[0].id
        assert "arrived" not in await visitor.get(f"/endpoints/{other}?tested={tested}")
        assert "arrived" not in await visitor.get(f"{path}?tested=dlv_{EVIL[:3]}")


async def test_a_test_that_is_taken_ends_a_hold(tmp_path: Path):
    async with receiver() as target, with_endpoint(tmp_path, target) as (visitor, path):
        made = visitor.endpoint()
        await visitor.box.device()
        visitor.box.change(lambda db: stored.hold(db, made.id, "gone", "It said 410", 1, made.url))
        await visitor.box.watch.refresh()
        message = await visitor.box.text()
        page = words(await visitor.get(path))
        assert "held" in page
        assert "It said 410." in page
        assert "Nothing is tried until you say so" in page
        page = words(await visitor.post(f"{path}/test"))
        assert "held" not in page
        await visitor.box.settled(message)


async def test_a_held_one_is_tried_now(tmp_path: Path):
    async with receiver() as target, with_endpoint(tmp_path, target) as (visitor, path):
        made = visitor.endpoint()
        await visitor.box.device()
        visitor.box.change(lambda db: stored.hold(db, made.id, "gone", "It said 410", 1, made.url))
        await visitor.box.watch.refresh()
        message = await visitor.box.text()
        assert "It is tried now" in await visitor.post(f"{path}/probe")
        await visitor.box.settled(message)
        await eventually(lambda: visitor.endpoint().state is EndpointState.ACTIVE or None)
        page = words(await visitor.get(path))
        assert "works It takes its texts." in page


async def test_the_last_text_is_sent_to_a_new_endpoint(tmp_path: Path):
    async with receiver() as target, visiting(tmp_path) as visitor:
        await visitor.box.device()
        first = await visitor.box.text("an older text")
        last = await visitor.box.text(f"the last text {EVIL}")
        made = await visitor.box.endpoint(target.url)
        page = await visitor.get(f"/endpoints/{made}")
        assert "the last text" in page
        assert "<script>alert" not in page
        page = await visitor.post(f"/endpoints/{made}/send-last")
        assert f"/messages/{last}" in page
        assert "Send it the last text now?" not in page
        await visitor.box.settled(last)
        assert target.texts == [f"the last text {EVIL}"]
        assert visitor.box.deliveries(first) == []
        assert "There is no text that it has not got yet" in words(
            await visitor.post(f"/endpoints/{made}/send-last")
        )


async def test_what_was_given_up_is_told_with_the_reason(tmp_path: Path):
    async with (
        receiver(default=answer(400, EVIL.encode())) as target,
        with_endpoint(tmp_path, target, schedule=(0,)) as (visitor, path),
    ):
        await visitor.box.settled(await visitor.box.text(sender=EVIL), "failed")
        page = await visitor.get(path)
        assert "Given up lately" in page
        assert EVIL in html.unescape(page)
        assert "<script>alert" not in page
        assert f"/deliveries/{visitor.box.deliveries()[0].id}" in page
        assert "state=attention" in page
        other = await visitor.box.endpoint(target.url)
        assert "Given up lately" not in await visitor.get(f"/endpoints/{other}")


async def test_figures_of_the_last_day_are_there_at_once(tmp_path: Path):
    async with (
        receiver(answer(200), answer(500)) as target,
        with_endpoint(tmp_path, target, clock=FakeClock()) as (visitor, path),
    ):
        await visitor.box.settled(await visitor.box.text("one"))
        await visitor.box.text("two", sender="+6599990000")
        await target.until(2)
        await eventually(lambda: len(visitor.box.rows("SELECT 1 FROM attempts")) == 2 or None)
        for page in (await visitor.get("/endpoints"), await visitor.get(path)):
            assert re.search(r"Success, 24 h.*50 %", words(page))
            assert re.search(r"Answers in.*\d ms", words(page))
        page = words(await visitor.get(path))
        assert "trouble A text failed, and none has arrived since." in page
        assert re.search(r"since\. .*500.*That delivery", page), "what it answered"


async def test_pausing_and_resuming_with_a_choice(tmp_path: Path):
    clock = FakeClock()
    async with (
        receiver() as target,
        with_endpoint(tmp_path, target, clock=clock) as (visitor, path),
    ):
        box = visitor.box
        assert "is paused" in words(await visitor.post(f"{path}/pause"))
        old = await box.text("old")
        clock.advance(7200)
        new = await box.text("new")
        page = words(await visitor.get(f"{path}/resume"))
        assert "2 texts wait" in page
        assert "1 text is from the last hour, 2 texts from the last 24 hours" in page
        page = await visitor.post(f"{path}/resume", 400, which="newer", age="soon")
        assert "Write how old a text may be" in page
        assert 'value="soon"' in page
        await visitor.post(f"{path}/resume", 400, which="some")
        page = words(await visitor.post(f"{path}/resume", which="newer", age="1h"))
        assert "CRM goes on: 1 text that waited is now on the way. 1 text was cancelled" in page
        await box.settled(new)
        assert target.texts == ["new"]
        assert box.deliveries(old)[0].state == "cancelled"


async def test_removing_says_what_is_lost_first(tmp_path: Path):
    async with with_endpoint(tmp_path, name=EVIL) as (visitor, path):
        await visitor.box.device()
        await visitor.post(f"{path}/pause")
        message = await visitor.box.text()
        page = await visitor.get(f"{path}/remove")
        assert "1 text waits for it and will be cancelled" in words(page)
        assert "<script>alert" not in page
        assert visitor.endpoint().name == EVIL
        page = await visitor.post(f"{path}/remove")
        assert "was removed; 1 waiting text was cancelled" in words(page)
        assert visitor.box.change(stored.known) == []
        assert visitor.box.deliveries(message)[0].state == "cancelled"
        assert "There is no endpoint" in words(await visitor.get(path, 404))
        await visitor.post(f"{path}/test", 404)


async def test_the_check_up(tmp_path: Path):
    async with (
        receiver(answer(200), answer(409), answer(200)) as target,
        with_endpoint(tmp_path, target, clock=FakeClock()) as (visitor, path),
    ):
        assert "What was found" not in await visitor.get(f"{path}/check")
        page = words(await visitor.post(f"{path}/check"))
        assert "2 things are to be mended" in page
        assert "A signed text is taken A signed text is answered 200" in page
        assert "Answer 2xx to an id that you have already" in page
        assert "The receiver does not check signatures" in page
        assert page == words(await visitor.get(f"{path}/check")), "it stays to be read"


# -- routing ---


async def test_routing_is_previewed_and_saved(tmp_path: Path):
    async with with_endpoint(tmp_path) as (visitor, path):
        box = visitor.box
        (phone,) = box.watch.look().devices
        await box.text("Your code is 1")
        await box.text(f"hello {EVIL}", sender="+6599990000")
        rows: dict[str, Any] = {
            "sender_match": ["prefix", "exact"],
            "sender_value": ["+65", ""],
            "text_match": ["contains", "pattern"],
            "text_value": ["CODE", ""],
        }
        form: dict[str, Any] = {"devices": phone, "sims": "", **rows}
        page = await visitor.post(f"{path}/routing", preview="1", **form)
        assert "It would have matched 1 of the last 2 texts." in words(page)
        assert "Your code is 1" in page
        assert "<script>alert" not in page
        assert visitor.endpoint().routing == Routing(), "only tried"
        assert 'value="CODE"' in page
        page = words(await visitor.post(f"{path}/routing", **form))
        assert "Saved" in page
        assert "Now it gets texts of Reception from numbers and names that begin with +65" in page
        wants = visitor.endpoint().routing
        assert (wants.devices, len(wants.senders), wants.texts[0].value) == (
            frozenset({phone}),
            1,
            "CODE",
        )
        await visitor.post(f"{path}/routing")
        assert visitor.endpoint().routing == Routing(), "an empty form means every text"


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"sims": "0"}, "SIMs are counted from 1"),
        ({"sims": "x"}, "SIMs are counted from 1"),
        ({"text_match": "pattern", "text_value": "(" + EVIL}, "a ( has no )"),
        ({"text_match": "prefix", "text_value": "x"}, "a text is compared by"),
        ({"text_match": "nonsense", "text_value": "x"}, "Choose how a row compares"),
        ({"sender_match": "exact", "sender_value": "x" * 501}, "500 are the most"),
        ({"devices": "dev_none"}, "There is no phone dev_none"),
    ],
)
async def test_a_routing_that_cannot_be_is_told_with_what_was_typed(
    tmp_path: Path, form: dict[str, str], says: str
):
    async with with_endpoint(tmp_path) as (visitor, path):
        page = await visitor.post(f"{path}/routing", 400, **form)
        assert says in words(page)
        assert "<script>alert" not in page
        typed = form.get("text_value") or form.get("sender_value") or form.get("sims") or ""
        assert typed in html.unescape(page)
        assert visitor.endpoint().routing == Routing()


async def test_a_row_that_is_not_touched_stays_as_it_is(tmp_path: Path):
    """A browser takes line ends out of a field: a condition with one is not changed by that."""
    text = Condition(match=Match.CONTAINS, value="two\nlines")
    wants = Routing(id="rule_1", texts=(text,))
    async with with_endpoint(tmp_path, routing=wants) as (visitor, path):
        form: dict[str, Any] = {
            "text_match": ["contains", "exact"],
            "text_value": ["two lines", "STOP"],
        }
        await visitor.post(f"{path}/routing", **form)
        assert visitor.endpoint().routing.texts[0] == text
        assert len(visitor.endpoint().routing.texts) == 2


# -- settings ---

SETTINGS: dict[str, Any] = {
    "url": "http://127.0.0.1:9/hook",
    "name": "CRM",
    "numbers": "e164",
    "events": ["message.received"],
    "maxAge": "14d",
    "schedule": "",
    "concurrency": "64",
    "plainHeaders": "on",
}
"""The form as it stands for a new endpoint."""


async def test_saving_what_stands_there_changes_nothing(tmp_path: Path):
    async with with_endpoint(tmp_path) as (visitor, path):
        before = visitor.endpoint()
        page = await visitor.get(f"{path}/settings")
        for value in ("http://127.0.0.1:9/hook", "CRM", "14d", "64"):
            assert f'value="{value}"' in page
        assert "Nothing was changed" in await visitor.post(f"{path}/settings", **SETTINGS)
        assert visitor.endpoint() == before


async def test_events_of_a_later_version_stay_ticked(tmp_path: Path):
    """They are not offered yet, and not lost either by saving something else."""
    events = frozenset({"message.received", "message.sent"})
    async with with_endpoint(tmp_path, events=events) as (visitor, path):
        await visitor.post(f"{path}/settings", **SETTINGS | {"name": "Other"})
        assert (visitor.endpoint().name, visitor.endpoint().events) == ("Other", events)


async def test_everything_can_be_set(tmp_path: Path):
    async with with_endpoint(tmp_path) as (visitor, path):
        form = SETTINGS | {
            "url": "https://127.0.0.1:9/other",
            "name": EVIL,
            "numbers": "digits",
            "events": ["message.received", "device.silent"],
            "maxAge": "15m",
            "schedule": "now,5s,5m",
            "concurrency": "3",
            "strictOrder": "on",
            "header_name": ["X-Api-Key", "X-Room"],
            "header_value": ["s3cret", "Süd"],
            "ca": CA,
        }
        page = await visitor.post(f"{path}/settings", **form)
        made = visitor.endpoint()
        assert (made.url, made.name, made.numbers) == (form["url"], EVIL, "digits")
        assert made.events == {"message.received", "device.silent"}
        assert (made.max_age, made.schedule, made.concurrency) == (900, (0, 5, 300), 3)
        assert (made.strict_order, made.plain_headers) == (True, True)
        assert made.headers == (("X-Api-Key", "s3cret"), ("X-Room", "Süd"))
        assert made.ca is not None
        assert "Home CA" in page
        assert "s3cret" not in page
        assert "<script>alert" not in page
        form |= {"header_gone": "X-Api-Key", "header_name": "x-room", "header_value": "Nord"}
        form |= {"ca": "", "ca_gone": "on"}
        await visitor.post(f"{path}/settings", **form)
        assert visitor.endpoint().headers == (("x-room", "Nord"),)
        assert visitor.endpoint().ca is None
        entry = visitor.box.change(lambda db: audit.newest(db, limit=1))[0]
        assert "s3cret" not in entry.detail


WRONG = [
    ("url", "ftp://x", "is not a URL"),
    ("url", "http://169.254.1.1/", "link-local"),
    ("url", "http://8.8.8.8/", "Tick this to go on"),
    ("name", "", "1 to 200 characters"),
    ("events", [], "There is no event"),
    ("maxAge", "soon", "is not a duration"),
    ("maxAge", "0", "more than nothing"),
    ("schedule", "5s", "The first attempt is now"),
    ("schedule", "now,now", "each wait is from 1s"),
    ("concurrency", "0", "choose 1 to 256"),
    ("concurrency", "many", "Write a number from 1 to 256"),
    ("header_name", "Host", "belongs to HTTP itself"),
    ("header_name", "X A", "is not a header's name"),
    ("header_name", "X:A", "leave the colon out"),
    ("header_name", "", "has no name"),
    ("ca", "nonsense", "There is no certificate in it"),
]


@pytest.mark.parametrize(("field", "value", "says"), WRONG)
async def test_what_is_wrong_is_told_and_nothing_is_saved(
    tmp_path: Path, field: str, value: Any, says: str
):
    async with with_endpoint(tmp_path) as (visitor, path):
        before = visitor.endpoint()
        more = {"header_value": "v3"} if field.startswith("header") else {}
        form = SETTINGS | {"maxAge": "13d"} | {field: value} | more
        page = await visitor.post(f"{path}/settings", 400, **form)
        assert says in words(page)
        assert "Nothing was saved yet" in words(page)
        if field != "maxAge":
            assert 'value="13d"' in page, "the rest is as it was typed"
        if value:
            assert html.escape(str(value)) in page
        assert visitor.endpoint() == before


async def test_all_that_is_wrong_is_told_at_once(tmp_path: Path):
    async with with_endpoint(tmp_path) as (visitor, path):
        form = SETTINGS | {"maxAge": "soon", "schedule": "5s", "concurrency": "0"}
        page = words(await visitor.post(f"{path}/settings", 400, **form))
        assert all(s in page for s in ("is not a duration", "first attempt is now", "1 to 256"))


# -- the secret ---


async def test_rotating_with_an_overlap_and_ending_it(tmp_path: Path):
    async with (
        receiver() as target,
        with_endpoint(tmp_path, target, clock=FakeClock()) as (visitor, path),
    ):
        page = await visitor.post(f"{path}/rotate", overlap="2h")
        current, older = visitor.endpoint().secrets
        assert older.value == SECRET
        assert current.value in page
        assert SECRET not in page
        page = words(await visitor.get(f"{path}/signing"))
        assert re.search("The previous secret ends in (2 h|120 min)", page)
        assert "check-up finds out" in page
        page = words(await visitor.post(f"{path}/end-overlap"))
        assert "only the current secret signs" in page
        assert [s.value for s in visitor.endpoint().secrets] == [current.value]


async def test_only_where_a_secret_was_ended_it_is_said_that_it_has(tmp_path: Path):
    async with receiver() as target, with_endpoint(tmp_path, target) as (visitor, path):
        assert "previous secret" not in await visitor.post(f"{path}/reveal")
        assert "signs as well, and ends" in await visitor.post(f"{path}/rotate", overlap="2h")
        page = await visitor.post(f"{path}/rotate", overlap="0")
        assert "The previous secret has ended" in page


async def test_an_endpoint_that_refuses_leads_to_its_secret(tmp_path: Path):
    async with receiver() as target, with_endpoint(tmp_path, target) as (visitor, path):
        target.default = answer(401)
        await visitor.box.device()
        for number in range(5):
            await visitor.box.text(f"text {number}", f"+658123{number:04}")
        await eventually(lambda: visitor.endpoint().state is EndpointState.HELD or None)
        assert ">See the secret</a>" in await visitor.get(path)


async def test_which_secret_the_receiver_knows_is_told(tmp_path: Path):
    """It takes what the previous one signs, and nothing else."""
    async with receiver() as target, with_endpoint(tmp_path, target) as (visitor, path):
        box, made = visitor.box, visitor.endpoint()
        box.change(
            lambda db: secrets.rotate(
                db, made.id, "whsec_bmV3IHNlY3JldCBvZiAzMiBieXRlcw==", now=box.clock.now()
            )
        )
        await box.watch.refresh()
        await box.device()
        target.then(answer(401), answer(200))
        await box.settled(await box.text())
        page = words(await visitor.get(f"{path}/signing"))
        assert "The receiver knows only the previous secret" in page


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"overlap": "soon"}, "Write how long"),
        ({"overlap": "8d"}, "At most 7d"),
        ({"overlap": "1h", "secret": "short"}, "16 are the least"),
        ({"overlap": "1h", "secret": SECRET}, "That is the endpoint's secret already"),
    ],
)
async def test_a_rotation_that_cannot_be(tmp_path: Path, form: dict[str, str], says: str):
    async with with_endpoint(tmp_path) as (visitor, path):
        page = await visitor.post(f"{path}/rotate", 400, **form)
        assert says in words(page)
        assert SECRET not in page
        assert [s.value for s in visitor.endpoint().secrets] == [SECRET]


async def test_the_secret_is_shown_again_after_the_password(tmp_path: Path):
    async with with_endpoint(tmp_path) as (visitor, path):
        assert SECRET not in await visitor.get(f"{path}/signing")
        late = Visitor(visitor.port, visitor.box, {"mmconnect": "late"})
        told = await late._ask(f"{path}/reveal", "POST")
        assert told.status == 303
        assert told.headers["location"] == f"/confirm?next={path}/signing"
        assert SECRET not in await late.get(f"{path}/signing")
        assert SECRET in await visitor.post(f"{path}/reveal")
        (entry,) = visitor.box.change(lambda db: audit.newest(db, limit=9))
        assert (entry.action, SECRET in entry.detail) == ("endpoint.secret_shown", False)


async def test_a_secret_is_shown_for_ten_minutes(tmp_path: Path):
    clock = FakeClock()
    async with visiting(tmp_path, clock) as visitor:
        await visitor.post("/endpoints/new", url="http://127.0.0.1:9/")
        path = f"/endpoints/{visitor.endpoint().id}/secret"
        clock.advance(599)
        assert visitor.endpoint().secrets[0].value in await visitor.get(path)
        clock.advance(2)
        assert (await visitor._ask(path, "GET")).status == 303


# -- strangers' input ---


class Read(HTMLParser):
    """What a browser makes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.wrong: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name.startswith("on") or name == "style" or (value or "").startswith("javascript:"):
                self.wrong.append(f"{tag} {name}")
            if tag == "script" and name == "src" and not (value or "").startswith("/static/"):
                self.wrong.append(f"script from {value}")
        if tag == "script" and "src" not in dict(attrs):
            self.wrong.append("a script of its own")


async def test_nothing_that_anybody_has_written_becomes_markup(tmp_path: Path):
    """Names, URLs, header names, conditions, phones, senders, texts, reasons, notes."""
    url = f"http://127.0.0.1:9/{EVIL.replace(' ', '/')}"
    condition = Condition(match=Match.CONTAINS, value=EVIL)
    wants = Routing(
        id="rule_1", texts=(condition,), senders=(replace(condition, match=Match.EXACT),)
    )
    async with visiting(tmp_path) as visitor:
        box = visitor.box
        made = await box.endpoint(
            url, name=EVIL, routing=wants, headers=(("X-`<b>`", EVIL),), events=frozenset({EVIL})
        )
        box.change(lambda db: stored.hold(db, made, "refused", f"It says {EVIL}", 1, url))
        box.change(lambda db: db.execute("UPDATE devices SET name = ?", (EVIL,)))
        fresh, now = "whsec_bmV3IHNlY3JldCBvZiAzMiBieXRlcw==", box.clock.now()
        box.change(lambda db: secrets.rotate(db, made, fresh, now=now))
        await box.watch.refresh()
        await box.text(EVIL, sender=EVIL)
        paths = ["", f"/{made}", f"/{made}/resume", f"/{made}/remove", f"/{made}/routing"]
        paths += [f"/{made}/settings", f"/{made}/signing", f"/{made}/check", "?order=1"]
        for path in paths:
            page = await visitor.get(f"/endpoints{path}")
            assert EVIL in html.unescape(page), path
            assert {"img", "b`"} & Read(page).tags == set(), path
            assert Read(page).wrong == [], path


# -- the alert URL ---


async def test_the_alert_url_is_shown_and_changed_elsewhere(tmp_path: Path):
    url = "https://user:geheim@ntfy.example/topic?token=geheim"
    async with with_endpoint(tmp_path, name="Alerts", alert=True) as (visitor, path):
        visitor.box.change(lambda db: db.execute("UPDATE endpoints SET url = ?", (url,)))
        for page in ("/endpoints", path, f"{path}/signing", f"{path}/check"):
            assert "geheim" not in await visitor.get(page)
        page = await visitor.get(path)
        assert "It stands for the alert URL" in words(page)
        for part in ("routing", "settings"):
            await visitor.get(f"{path}/{part}", 404)
            await visitor.post(f"{path}/{part}", 404)
        await visitor.post(f"{path}/remove", 409)
        assert visitor.endpoint().name == "Alerts"
