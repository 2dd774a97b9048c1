"""The pages about messages, as a browser without JavaScript uses them."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from urllib.parse import quote

import pytest

from mmconnect.admin.pages.messages import one
from mmconnect.domain.models import EndpointState, Numbers
from mmconnect.store import audit, messages, remains
from mmconnect.store.connection import FILE
from tests.admin.test_endpoint_pages import EVIL, Visitor, visiting, words
from tests.store.test_erasure import holding
from tests.support.inprocess import FakeClock, eventually
from tests.support.phones import generic_json
from tests.support.receiver import answer, receiver
from tests.support.wire import ask, request

RTL = "\u202egnirts\u202c \x07\x00\x1b[31m"


def listed(page: str) -> list[str]:
    return re.findall(r'<th scope="row"><a href="/messages/(msg_[^"]+)"', page)


def following(page: str, rel: str) -> str | None:
    found = re.search(rf'rel="{rel}" href="([^"]+)"', page)
    return None if found is None else html.unescape(found[1])


def notes(visitor: Visitor) -> list[tuple[str, str | None]]:
    entries = visitor.box.change(lambda db: audit.newest(db, limit=20))
    return [(entry.action, entry.subject) for entry in entries]


# -- the list -------------------------------------------------------------------------------------


async def test_an_empty_list_says_what_to_do_next(tmp_path: Path):
    async with visiting(tmp_path) as visitor:
        page = await visitor.get("/messages")
        assert "No message yet" in page
        assert 'href="/phones"' in page
        assert "Nothing found" in words(await visitor.get("/messages?q=parcel"))


async def test_the_newest_are_there_with_what_became_of_them(tmp_path: Path):
    async with receiver() as good, visiting(tmp_path) as visitor:
        box = visitor.box
        nowhere = await box.text("nobody wants this")
        await box.endpoint(good.url, name="CRM")
        gone = await box.text("Grüße aus Köln")
        await box.settled(gone)
        odd = (await box.push({"Content-Type": "application/json"}, b'{"x": 1}')).json["id"]
        page = await visitor.get("/messages")
        assert listed(page) == [odd, gone, nowhere]
        for id_, told in ((odd, "not understood"), (gone, "delivered"), (nowhere, "nobody wanted")):
            row = words(page.partition(id_)[2].partition("</tr>")[0])
            assert told in row
        for search, wanted in (
            ("q=grusse", [gone]),
            ("q=8123", [gone, nowhere]),
            ("q=%2B65+8123+0000", [gone, nowhere]),
            ("state=unwanted", [nowhere]),
            ("state=unrecognised", [odd]),
            ("state=delivered&q=koln", [gone]),
            ("kind=sms", [gone, nowhere]),
            ("phone=dev_none", []),
            ("since=2001-01-01T00:00&until=2001-01-02T00:00", []),
            ("since=2001-01-01T00:00", [odd, gone, nowhere]),
        ):
            assert listed(await visitor.get(f"/messages?{search}")) == wanted, search


async def test_pages_lead_on_and_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mmconnect.admin.pages.messages.listing.PAGE", 3)
    async with visiting(tmp_path) as visitor:
        ids = [await visitor.box.text(f"number {n}") for n in range(8)][::-1]
        first = await visitor.get("/messages?q=number")
        assert following(first, "prev") is None
        second_at = following(first, "next")
        assert second_at is not None
        second = await visitor.get(second_at)
        third = await visitor.get(following(second, "next") or "")
        assert [listed(page) for page in (first, second, third)] == [ids[:3], ids[3:6], ids[6:]]
        assert following(third, "next") is None
        assert listed(await visitor.get(following(third, "prev") or "")) == ids[3:6]
        assert "number" in (following(third, "prev") or "")
        await visitor.get("/messages?cursor=nonsense", status=400)


async def test_what_came_since_is_counted(tmp_path: Path):
    async with visiting(tmp_path) as visitor:
        page = await visitor.get("/messages")
        news = html.unescape(re.findall(r'data-from="([^"]+)"', page)[0])
        assert "new message" not in words(page)
        await visitor.box.text("one")
        assert "1 new message" in words(await visitor.get(news))
        page = await visitor.get("/messages?q=one")
        news = html.unescape(re.findall(r'data-from="([^"]+)"', page)[0])
        await visitor.box.text("two")
        assert "1 new" not in words(await visitor.get(news)), "it is not what was searched for"
        await visitor.box.text("one more")
        await visitor.box.text("and one more")
        told = await visitor.get(news)
        assert "2 new messages" in words(told)
        assert 'href="/messages?q=one"' in told


async def test_a_search_that_cannot_be_is_told_beside_its_field(tmp_path: Path):
    async with visiting(tmp_path) as visitor:
        for query, told in (
            ("state=lost", "Choose one of the list"),
            ("kind=fax", "Choose one of the list"),
            ("since=yesterday", "Write a day and a time"),
            ("until=9999-99-99T00:00", "Write a day and a time"),
        ):
            page = await visitor.get(f"/messages?q=abc&{query}", status=400)
            name = query.partition("=")[0]
            assert told in page.partition(f'id="{name}-wrong"')[2][:400]
            assert 'value="abc"' in page, "what was typed is still there"


async def test_a_search_says_how_far_back_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("mmconnect.store.message_list.BUDGET", 5)
    monkeypatch.setattr("mmconnect.store.message_sources.FIRST", 4)
    async with visiting(tmp_path) as visitor:
        wanted = await visitor.box.text("needle")
        for n in range(20):
            await visitor.box.text(f"hay {n}")
        page = await visitor.get("/messages?q=needle")
        assert "Nothing found so far" in words(page)
        seen = []
        while (on := re.search(r'href="([^"]+)">Look further back', page)) is not None:
            page = await visitor.get(html.unescape(on[1]))
            seen += listed(page)
        assert seen == [wanted]


# -- one message ----------------------------------------------------------------------------------


async def test_a_message_tells_what_happened_to_it(tmp_path: Path):
    async with (
        receiver() as good,
        receiver(answer(500)) as bad,
        visiting(tmp_path, FakeClock()) as visitor,
    ):
        box = visitor.box
        await box.endpoint(good.url, name="CRM")
        await box.endpoint(bad.url, name="Old server", numbers=Numbers.DIGITS)
        id_ = await box.text("Bring a card")
        await eventually(lambda: len(box.rows("SELECT 1 FROM attempts")) == 2)
        await box.push(*generic_json({"from": "+6581230000", "text": "Bring a card"}))
        page = await visitor.get(f"/messages/{id_}")
        told = words(page)
        assert "1 of 2 endpoints have it. Old server did not take it yet" in told
        for fact in ("CRM: delivered", "Old server: waiting", "500 in", "Next attempt", id_):
            assert fact in told, fact
        (sent,) = good.arrivals[:1]
        (other,) = bad.arrivals[:1]
        for body in (sent.body, other.body):
            assert f"<code>{body.decode()}</code>" in html.unescape(page), "exactly as it was sent"
        assert f"{len(sent.body)} bytes" in told
        assert '"from":"6581230000"' in html.unescape(page)
        assert "User-Agent" in told or "Content-Type" in told
        assert "pushed by the phone" in told


async def test_what_is_missing_is_told_as_such(tmp_path: Path):
    async with visiting(tmp_path) as visitor:
        assert "There is no message" in words(await visitor.get("/messages/msg_0", status=404))
        await visitor.get("/messages/msg_0/raw", status=404)
        await visitor.get("/messages/x'--", status=404)
        await visitor.post("/messages/msg_0/delete", status=404)
        await visitor.post("/messages/msg_0/wipe", status=404)
        await visitor.post("/messages/msg_0/reread", status=404)
        await visitor.post("/messages/msg_0/send", status=404, endpoint="ep_x")


async def test_a_strangers_input_stays_text(tmp_path: Path):
    async with visiting(tmp_path) as visitor:
        box = visitor.box
        await box.device(name=EVIL, token="the-token-of-an-evil-phone")
        body = {"from": EVIL[:60], "text": EVIL + RTL, "to": EVIL, "id": EVIL}
        told = await box.push(*generic_json(body), token="the-token-of-an-evil-phone")
        raw = b"\xff\xfe" + EVIL.encode() + RTL.encode()
        odd = await box.push(
            {"Content-Type": "application/octet-stream", "User-Agent": EVIL},
            raw,
            token="the-token-of-an-evil-phone",
        )
        for path in (
            "/messages",
            f"/messages?q={'%3Cscript%3E'}",
            f"/messages/{told.json['id']}",
            f"/messages/{odd.json['id']}",
            f"/messages/purge?number={quote(EVIL[:60].strip())}",
        ):
            page = await visitor.get(path)
            assert "<script>alert" not in page, path
            assert "<img src=x" not in page, path
            for sign in ("\x07", "\x00", "\x1b"):
                assert sign not in page, path
            assert "javascript:" not in page
        headers = {"Cookie": ""}
        file = await ask(
            visitor.port,
            request(f"/messages/{odd.json['id']}/raw", headers, b"", method="GET"),
        )
        assert file.body == raw
        assert file.headers["content-type"] == "application/octet-stream"
        assert file.headers["content-disposition"].startswith("attachment;")


@pytest.mark.parametrize(
    ("data", "is_text", "rest"),
    [
        ("é" * 30_000, True, 10_000),
        ("short", True, 0),
        (b"\xff" * 5000, False, 5000 - one.HEX),
    ],
)
def test_long_pushes_are_shown_in_part(data: str | bytes, is_text: bool, rest: int):
    raw = data if isinstance(data, bytes) else data.encode()
    shown = one.shown(raw)
    assert (shown.is_text, shown.rest, shown.size) == (is_text, rest, len(raw))
    assert len(shown.text) < 25_000


# -- what can be done -----------------------------------------------------------------------------


async def test_it_is_sent_to_an_endpoint_that_never_got_it(tmp_path: Path):
    async with receiver() as late, visiting(tmp_path) as visitor:
        id_ = await visitor.box.text("for a later one")
        made = await visitor.box.endpoint(late.url, name="Archive")
        page = await visitor.post(f"/messages/{id_}/send", status=400, endpoint="")
        assert "Choose where it is to go" in page
        assert "It goes to Archive." in words(
            await visitor.post(f"/messages/{id_}/send", endpoint=made)
        )
        await visitor.box.settled(id_)
        page = await visitor.get(f"/messages/{id_}")
        assert "Delivered to Archive" in words(page)
        assert "Send it somewhere else" not in words(page), "everybody has it"
        assert ("message.sent", made) in notes(visitor)


async def test_a_text_is_wiped_after_a_question(tmp_path: Path):
    async with receiver() as good, visiting(tmp_path) as visitor:
        await visitor.box.endpoint(good.url)
        id_ = await visitor.box.text("Quetzalcoatl")
        await visitor.box.settled(id_)
        asked = await visitor.get(f"/messages/{id_}/wipe")
        assert "cannot be undone" in words(asked)
        assert "Quetzalcoatl" in await visitor.get(f"/messages/{id_}"), "asking changes nothing"
        page = await visitor.post(f"/messages/{id_}/wipe")
        assert "The text is wiped." in words(page)
        assert "Quetzalcoatl" not in page
        assert "(its text was wiped)" in words(await visitor.get("/messages"))
        assert listed(await visitor.get("/messages?q=quetzal")) == []
        assert ("message.wiped", id_) in notes(visitor)


async def test_what_still_waits_is_not_wiped(tmp_path: Path):
    async with visiting(tmp_path) as visitor:
        await visitor.box.endpoint("http://127.0.0.1:9/")
        id_ = await visitor.box.text("still to go")
        page = await visitor.post(f"/messages/{id_}/wipe", status=409)
        assert "It still waits" in words(page)
        assert "still to go" in await visitor.get(f"/messages/{id_}")


async def test_a_message_is_deleted_after_a_question_with_what_waits(tmp_path: Path):
    async with visiting(tmp_path) as visitor:
        await visitor.box.endpoint("http://127.0.0.1:9/", state=EndpointState.PAUSED)
        id_ = await visitor.box.text("gone soon")
        asked = await visitor.get(f"/messages/{id_}/delete")
        assert "1 delivery waits, and never goes" in words(asked)
        page = await visitor.post(f"/messages/{id_}/delete")
        assert "The message is deleted." in words(page)
        await visitor.get(f"/messages/{id_}", status=404)
        assert visitor.box.rows("SELECT 1 FROM deliveries") == []


async def test_everything_from_a_number_is_counted_then_deleted(tmp_path: Path):
    async with visiting(tmp_path) as visitor:
        box = visitor.box
        mine = [await box.text("mine", sender) for sender in ("+6581230000", "+65 8123 0000")]
        other = await box.text("other", "+6581230001")
        page = await visitor.get("/messages?q=%2B6581230000")
        href = html.unescape(re.findall(r'href="([^"]*purge[^"]*)"', page)[0])
        asked = await visitor.get(href)
        assert "2 messages came from this number" in words(asked)
        assert listed(await visitor.get("/messages")) == [other, *mine[::-1]]
        page = await visitor.post("/messages/purge", number="+6581230000")
        assert "2 messages are deleted." in words(page)
        assert listed(page) == [other]
        await visitor.get("/messages/purge?number=", status=400)
        await visitor.post("/messages/purge", status=400, number=" ")


async def test_a_push_that_was_not_understood_is_read_again(tmp_path: Path):
    async with visiting(tmp_path) as visitor:
        box = visitor.box
        told = await box.push(
            {"Content-Type": "application/json"}, json.dumps({"wer": "+65812", "was": "x"}).encode()
        )
        id_ = told.json["id"]
        page = await visitor.get(f"/messages/{id_}")
        assert "Read it again" in words(page)
        assert "/mapping" in page
        assert "still not understood" in words(await visitor.post(f"/messages/{id_}/reread"))
        device_id = next(iter(box.tokens))
        box.change(
            lambda db: db.execute(
                "UPDATE devices SET app = 'generic', mapping = ? WHERE id = ?",
                (json.dumps({"from": "wer", "text": "was"}), device_id),
            )
        )
        await box.watch.refresh()
        page = await visitor.post(f"/messages/{id_}/reread")
        assert "Read again: understood" in words(page)
        found = box.change(lambda db: messages.get(db, id_))
        assert found is not None
        assert found.message.text == "x"


# -- what it costs --------------------------------------------------------------------------------


async def test_the_bytes_of_what_is_deleted_leave_the_files(tmp_path: Path):
    """With the janitor's work done by hand: it is what a running service does."""
    async with visiting(tmp_path) as visitor:
        id_ = await visitor.box.text("Quetzalcoatl-7f3a")
        await visitor.post(f"/messages/{id_}/delete")
        await visitor.box.database.maintain(remains.truncate_log)
        path = tmp_path / FILE
        assert remains.clear(path, list(remains.middles(path)))
        assert holding(tmp_path, (b"Quetzalcoatl",)) == []
