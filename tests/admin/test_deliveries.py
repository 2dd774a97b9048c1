"""The pages about deliveries: forms as a browser without JavaScript sends them, and the answers.

Real listener, store, dispatcher and receiver; what is shown is asked of the database, too.
"""

from __future__ import annotations

import asyncio
import html
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from mmconnect.admin.site import make_site
from mmconnect.domain.models import DeliveryState
from mmconnect.store import endpoints, erasure, replays, secrets
from mmconnect.store.delivery_lists import Wanted
from mmconnect.webhook import signing
from tests.delivery.outages import live, nobody
from tests.support.desk import desk_of, scraped
from tests.support.inprocess import SECRET, Appliance, FakeClock, appliance, eventually
from tests.support.phone_pages import Pages, Shown
from tests.support.receiver import Receiver, answer, receiver

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
S = DeliveryState


@asynccontextmanager
async def pages_of(box: Appliance) -> AsyncIterator[Pages]:
    """A browser at an appliance."""
    desk = desk_of(box)
    async with TestClient(TestServer(make_site(desk, scraped))) as client:
        yield Pages(box, desk, client)


async def failed(box: Appliance, there: Receiver, *texts: str, **fields) -> list[str]:
    """Texts that were refused to the end: their deliveries."""
    there.default = answer(fields.pop("status", 400), b"no")
    await box.endpoint(there.url, **({"schedule": (0,)} | fields))
    made = [(await box.settled(await box.text(text), "failed")).id for text in texts]
    there.default = answer()
    return made


def state(box: Appliance, delivery_id: str) -> str:
    return str(box.one("SELECT state FROM deliveries WHERE id = ?", delivery_id))


def wiped(box: Appliance, delivery_id: str) -> None:
    message = box.one("SELECT message_id FROM deliveries WHERE id = ?", delivery_id)
    box.change(lambda db: erasure.wipe(db, [message], box.clock.now()))


def audit(box: Appliance) -> list[tuple[str, str | None]]:
    return box.rows("SELECT action, subject FROM audit ORDER BY number")


# -- the list -------------------------------------------------------------------------------------


async def test_the_list_says_what_went_where_and_why_not(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there, pages_of(box) as pages:
        empty = await pages.get("/deliveries")
        assert "No delivery yet" in empty.text
        (one,) = await failed(box, there, "the code is 1234")
        await box.settled(await box.text("fine"))
        shown = await pages.get("/deliveries")
        assert shown.leads(f"/deliveries/{one}")
        for words in ("the code is 1234", "failed", "delivered", "crm", "found the request wrong"):
            assert words in shown.text
        attention = await pages.get("/deliveries?state=attention")
        assert "the code is 1234" in attention.text
        assert "fine" not in attention.text
        nothing = await pages.get("/deliveries?state=expired")
        assert "No delivery is like that" in nothing.text


async def test_all_is_well_where_nothing_needs_attention(tmp_path: Path):
    async with appliance(tmp_path) as box, pages_of(box) as pages:
        shown = await pages.get("/deliveries?state=attention")
        assert "Nothing needs attention" in shown.text


async def test_a_test_that_failed_is_listed_but_is_nothing_to_attend_to(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there, pages_of(box) as pages:
        there.default = answer(400)
        made = await box.endpoint(there.url)
        await pages.desk.trials.send(pages.desk.look().endpoints[made])
        assert "This is a test" in (await pages.get("/deliveries?state=failed")).text
        assert "Nothing needs attention" in (await pages.get("/deliveries?state=attention")).text


async def test_a_command_in_a_sentence_looks_like_one(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there, pages_of(box) as pages:
        await failed(box, there, "one", status=401)
        assert "<code>mmconnect verify</code>" in (await pages.get("/deliveries")).html


async def test_pages_go_on_and_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mmconnect.admin.pages.deliveries.listing.PAGE", 3)
    async with appliance(tmp_path) as box, receiver() as there, pages_of(box) as pages:
        await box.endpoint(there.url)
        for n in range(7):
            await box.settled(await box.text(f"text number {n}", f"+65812300{n:02}"))

        def numbers(shown: Shown) -> list[int]:
            return [int(n) for n in re.findall(r"text number (\d)", shown.text)]

        def link(shown: Shown, rel: str) -> str | None:
            for tag, at in shown.parsed.tags:
                if tag == "a" and at.get("rel") == rel:
                    return str(at["href"])
            return None

        first = await pages.get("/deliveries?state=delivered")
        second = await pages.get(link(first, "next") or "")
        third = await pages.get(link(second, "next") or "")
        assert [numbers(p) for p in (first, second, third)] == [[6, 5, 4], [3, 2, 1], [0]]
        assert (link(first, "prev"), link(third, "next")) == (None, None)
        back = await pages.get(link(third, "prev") or "")
        assert numbers(back) == [3, 2, 1]
        assert numbers(await pages.get(link(back, "prev") or "")) == [6, 5, 4]


async def test_a_look_that_is_bounded_says_how_far_it_went(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("mmconnect.store.delivery_lists.SPAN", 2)
    async with appliance(tmp_path) as box, receiver() as there, pages_of(box) as pages:
        other = await box.endpoint(there.url, name="other")
        await box.settled(await box.text("the old one"))
        box.change(lambda db: endpoints.remove(db, other, box.clock.now()))
        await box.watch.refresh()
        await box.endpoint(there.url)
        for _ in range(4):
            await box.settled(await box.text())
        shown = await pages.get(f"/deliveries?endpoint={other}")
        assert "Nothing found so far" in shown.text
        assert "other (removed)" in shown.text
        further = next(a for a in shown.actions if "before=" in a)
        further = next(a for a in (await pages.get(further)).actions if "before=" in a)
        assert "the old one" in (await pages.get(further)).text


@pytest.mark.parametrize("asked", ["state=nonsense", "since=yesterday", "until=9999999-01"])
async def test_what_cannot_be_asked_is_said_beside_the_field(tmp_path: Path, asked: str):
    async with appliance(tmp_path) as box, pages_of(box) as pages:
        shown = await pages.get(f"/deliveries?{asked}&endpoint=ep_1")
        assert shown.status == 400
        assert 'aria-invalid="true"' in shown.html
        assert asked.partition("=")[0] == "state" or asked.partition("=")[2] in shown.html


async def test_ids_that_never_were_are_not_found(tmp_path: Path):
    async with appliance(tmp_path) as box, pages_of(box) as pages:
        for path in ("dlv_none", "dlv_none/attempts/1", "..%2fx"):
            assert (await pages.get(f"/deliveries/{path}")).status == 404


async def test_an_endpoint_that_gets_nothing_is_named_with_what_waits(tmp_path: Path):
    async with nobody(tmp_path) as (box, _, endpoint_id, _), pages_of(box) as pages:
        await box.watch.refresh()
        shown = await pages.get("/deliveries?state=pending")
        assert "crm is held: 1 text waits" in shown.text
        assert shown.leads(f"/endpoints/{endpoint_id}")
        assert "is held" not in (await pages.get("/deliveries?state=failed")).text


# -- sending again --------------------------------------------------------------------------------


async def test_what_was_ticked_is_sent_again(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there, pages_of(box) as pages:
        one, two, three = await failed(box, there, "one", "two", "three")
        wiped(box, two)
        shown = await pages.get("/deliveries?state=failed")
        assert f'value="{one}"' in shown.html
        assert f'value="{two}"' not in shown.html
        told = await pages.post("/deliveries/retry", id=one, state="failed")
        assert "1 delivery is sent again" in told.text
        assert told.path == "/deliveries"
        await eventually(lambda: state(box, one) == "delivered")
        assert [state(box, d) for d in (two, three)] == ["failed", "failed"]
        told = await pages.post("/deliveries/retry", id=two)
        assert "1 is not" in told.text
        assert "was wiped" in told.text
        told = await pages.post("/deliveries/retry", state="failed")
        assert "Nothing was selected" in told.text
        assert audit(box) == [("delivery.retried", one)]


async def test_all_that_match_are_counted_then_ordered_then_stopped(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there, pages_of(box) as pages:
        await failed(box, there, "one", "two", "three")
        asked = await pages.get("/deliveries/retry-all?state=attention")
        assert asked.title == "Send 3 deliveries again?"
        assert "At most 20 deliveries a second" in asked.text
        assert "sent once more" not in asked.text
        everything = await pages.get("/deliveries/retry-all")
        assert "What was delivered is sent once more, too" in everything.text
        assert box.rows("SELECT 1 FROM replays") == []
        told = await pages.post("/deliveries/retry-all", state=asked.fields["state"])
        assert "3 deliveries are sent again" in told.text
        assert "0 of 3 offered" in told.text
        (order,) = box._look(lambda db: replays.latest(db, 5))
        assert order.filter == Wanted(states=frozenset({S.FAILED, S.EXPIRED}))
        told = await pages.post(f"/deliveries/replays/{order.id}/stop", state="attention")
        assert "Stopped: 0 of 3 were offered before" in told.text
        told = await pages.post(f"/deliveries/replays/{order.id}/stop")
        assert "0 of 3 were sent again" in told.text
        assert [a for a, _ in audit(box)] == ["replay.ordered", "replay.cancelled"]


async def test_when_nothing_matches_nothing_is_asked(tmp_path: Path):
    async with appliance(tmp_path) as box, pages_of(box) as pages:
        told = await pages.get("/deliveries/retry-all?state=failed")
        assert told.path == "/deliveries"
        assert "Nothing that matches can be sent again" in told.text
        told = await pages.post("/deliveries/retry-all", state="failed")
        assert "Nothing that matches can be sent again" in told.text
        assert box.rows("SELECT 1 FROM replays") == []


async def test_one_is_sent_again_and_cancelled_on_its_page(tmp_path: Path):
    clock = FakeClock()
    async with (
        appliance(tmp_path, clock=clock) as box,
        receiver(answer(500)) as there,
        pages_of(box) as pages,
    ):
        await box.endpoint(there.url)
        message = await box.text()
        delivery = (await box.settled(message, "pending")).id
        shown = await pages.get(f"/deliveries/{delivery}")
        assert "crm did not take it yet; its schedule has 9 more attempts" in shown.text
        assert "The receiver failed (500)" in shown.text
        assert re.search(r"Next attempt 2026-06-12 \d\d:\d\d:05, in 5 s", shown.text)
        assert (
            "Cancelled. It can be sent again."
            in (await pages.post(f"/deliveries/{delivery}/cancel")).text
        )
        assert state(box, delivery) == "cancelled"
        assert "nothing was changed" in (await pages.post(f"/deliveries/{delivery}/cancel")).text
        told = await pages.post(f"/deliveries/{delivery}/retry")
        assert "due now" in told.text
        await eventually(lambda: state(box, delivery) == "delivered")
        shown = await pages.get(f"/deliveries/{delivery}")
        assert "crm took it at attempt 2. It answered 200." in shown.text
        assert shown.leads(f"/deliveries/{delivery}/attempts/2")
        assert shown.leads(f"/messages/{message}")


async def test_what_cannot_be_sent_again_says_so(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there, pages_of(box) as pages:
        (one,) = await failed(box, there, "one")
        wiped(box, one)
        shown = await pages.get(f"/deliveries/{one}")
        assert not shown.leads("/retry")
        assert "nothing to send" in shown.text
        told = await pages.post(f"/deliveries/{one}/retry")
        assert told.status in (400, 409, 422)
        assert "was wiped" in told.text
        attempt = await pages.get(f"/deliveries/{one}/attempts/1")
        assert "The text was wiped, and with it what was sent" in attempt.text
        assert not any(tag == "div" and "copyable tall" in str(a.get("class")) for tag, a in
                       attempt.parsed.tags)  # fmt: skip


# -- an attempt -----------------------------------------------------------------------------------


def blocks(shown: Shown) -> dict[str, str]:
    """The blocks of raw text by their labels, as a browser shows them."""
    found = re.findall(r'<pre[^>]* aria-label="([^"]*)">(.*?)</pre>', shown.html, re.S)
    return {
        label: html.unescape(re.sub(r"</?code>", "", text)).removeprefix("\n")
        for label, text in found
    }


async def test_an_attempt_is_shown_as_it_was_sent_and_answered(tmp_path: Path):
    async with (
        appliance(tmp_path, clock=FakeClock()) as box,
        receiver() as there,
        pages_of(box) as pages,
    ):
        there.then(answer(418, b"short and stout", {"X-Kind": "teapot"}))
        await box.endpoint(there.url, headers=(("X-Api-Key", "s3cret"),))
        delivery = (await box.settled(await box.text("héllo <b>"), "pending")).id
        shown = await pages.get(f"/deliveries/{delivery}/attempts/1")
        (arrival,) = there.arrivals
        found = blocks(shown)
        sent = [f"{n}: {'***' if n == 'X-Api-Key' else v}" for n, v in arrival.headers]
        assert found["Headers of the request"].split("\n") == ["POST /hook HTTP/1.1", *sent]
        assert found["Body of the request"].encode() == arrival.body
        assert found["Body of the answer"] == "short and stout"
        assert "X-Kind: teapot" in found["Headers of the answer"]
        assert "s3cret" not in shown.html
        for words in ("418", f"127.0.0.1:{there.port}", "refused", "five different texts in a row"):
            assert words in shown.text
        assert "Next attempt" in shown.text


async def test_where_there_was_no_connection_nothing_was_sent(tmp_path: Path):
    async with nobody(tmp_path) as (box, clock, _, _), pages_of(box) as pages:
        await live(box, clock, 30, 5)
        (delivery,) = box.deliveries()
        last = box.attempts(delivery.id)[-1]
        shown = await pages.get(f"/deliveries/{delivery.id}/attempts/{last.number}")
        assert "Nothing of it went out" in shown.text
        assert "no connection was made" in shown.text
        assert "probes in a row" in shown.text
        assert "not reached" in shown.text


async def test_the_repeat_of_a_rotation_is_shown(tmp_path: Path):
    clock = FakeClock()
    async with (
        appliance(tmp_path, clock=clock) as box,
        receiver(answer(401)) as there,
        pages_of(box) as pages,
    ):
        endpoint = await box.endpoint(there.url)
        clock.advance(1)
        new = "whsec_bmV3IHNlY3JldCBvZiAzMiBieXRlcywgbW9yZSBvciBsZXNz"
        box.change(lambda db: secrets.rotate(db, endpoint, new, now=clock.now(), overlap=3600))
        await box.watch.refresh()
        delivery = (await box.settled(await box.text())).id
        shown = await pages.get(f"/deliveries/{delivery}/attempts/1")
        second = blocks(shown)["Headers of the second request"]
        assert f"X-MAC-Signature: {there.arrivals[1].header('X-MAC-Signature')}" in second


async def test_what_an_older_version_did_not_keep_is_not_made_up(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there, pages_of(box) as pages:
        await box.endpoint(there.url)
        delivery = (await box.settled(await box.text("still there"))).id
        box.change(lambda db: db.execute("UPDATE attempts SET request = NULL"))
        shown = await pages.get(f"/deliveries/{delivery}/attempts/1")
        assert "sent by a version that did not keep it" in shown.text
        assert "still there" in blocks(shown)["Body of the request"]
        assert "curl" not in shown.text


async def test_strangers_words_are_shown_and_never_obeyed(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there, pages_of(box) as pages:
        body = EVIL.encode() + b"\x00\x1b[31m\x9b\xff\r\n\xe2\x80\xae"
        there.default = answer(302, body, {"Location": f"http://x/{EVIL}", "X-Evil": EVIL})
        await box.endpoint(there.url, schedule=(0,), name=EVIL[:40], headers=(("X-A", EVIL),))
        delivery = (await box.settled(await box.text(EVIL, EVIL), "failed")).id
        for path in (
            "/deliveries",
            f"/deliveries/{delivery}",
            f"/deliveries/{delivery}/attempts/1",
            "/deliveries/retry-all?state=failed",
            f"/deliveries/retry-all?endpoint={box.one('SELECT id FROM endpoints')}",
            f"/deliveries?since={EVIL}".replace("<", "%3C").replace('"', "%22").replace(" ", "+"),
        ):
            shown = await pages.get(path)
            assert "<script>alert" not in shown.html
            assert "<img src=x" not in shown.html
            assert not [a for tag, a in shown.parsed.tags for n in a if n.startswith("on")]
            assert not set(shown.html) & set("\x00\x1b\x9b")
        assert (
            "alert(1)"
            in blocks(await pages.get(f"/deliveries/{delivery}/attempts/1"))["Body of the answer"]
        )


# -- curl -----------------------------------------------------------------------------------------


async def run(command: str) -> bytes:
    made = await asyncio.create_subprocess_exec(
        "bash", "-c", command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await asyncio.wait_for(made.communicate(), 60)
    return out


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
@pytest.mark.parametrize(
    "text",
    [
        "plain",
        'it\'s $HOME `id` $(id) "q" \\ !! @x %41 {a,b} [1-3]',
        "two\nlines\ttab\x1b[31m\x7f\x9b\u202e\u2028 \U0001f600\u200d",
    ],
)
async def test_the_curl_command_sends_the_same_once_more(tmp_path: Path, text: str):
    async with appliance(tmp_path) as box, receiver() as there, pages_of(box) as pages:
        url = there.url + "?key=a%20b&c=[1-3]{x,y}"
        own = (("X-Api-Key", "it's s3cret"),)
        await box.endpoint(url, headers=own)
        delivery = (await box.settled(await box.text(text))).id
        shown = await pages.get(f"/deliveries/{delivery}/attempts/1")
        command = blocks(shown)["Command"]
        assert "VALUE-OF-X-API-KEY" in command
        assert "the plain headers stay valid" in shown.text
        out = await run(command)
        assert out.startswith(b"HTTP/1.1 200"), out
        first, second = there.arrivals
        changed = [(n, "VALUE-OF-X-API-KEY" if n == "X-Api-Key" else v) for n, v in first.headers]
        assert sorted(second.headers) == sorted(changed)
        assert (second.target, second.body) == (first.target, first.body)
        key = signing.standard_key(SECRET)
        assert key is not None
        stamp = int(second.header("webhook-timestamp") or 0)
        expected = signing.standard_signature(key, second.id, stamp, second.body)
        assert second.header("webhook-signature") == expected
