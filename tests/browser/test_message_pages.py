"""The pages about messages in a real browser: every action, with and without JavaScript."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmconnect.domain.models import Numbers
from mmconnect.store import messages
from tests.support.admin_browser import AXE, both, browser_marks, opened
from tests.support.inprocess import Appliance
from tests.support.receiver import answer, receiver

api = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
api.expect.set_options(timeout=60_000)

pytestmark = browser_marks

EVIL = "<script>document.title='x'</script>\"'><img src=x onerror=alert(1)> \u202egnirts"


def text_of(box: Appliance, message_id: str) -> str | None:
    found = box.change(lambda db: messages.get(db, message_id))
    return None if found is None else found.message.text


@both
async def test_a_text_is_found_and_sent_on(tmp_path: Path, javascript: bool):
    async with (
        receiver() as late,
        opened(tmp_path, javascript=javascript, width=390) as (box, watched),
    ):
        page = watched.page
        id_ = await box.text("Überweisung ist raus")
        await box.text("something else", sender="MyBank")
        await box.endpoint(late.url, name="Archive")
        await watched.go("/messages")
        await watched.fits()
        await page.get_by_label("A number, or words of a text").fill("uberweisung")
        await watched.press("Search")
        await api.expect(page.get_by_role("row")).to_have_count(2)  # its head and one
        await watched.follow("+6581230000")
        await watched.says("No endpoint wanted it")
        await watched.fits()
        await page.get_by_label("Endpoint").select_option(label="Archive")
        await watched.press("Send it")
        await watched.says("It goes to Archive.")
        await box.settled(id_)
        if not javascript:
            await page.reload()
        await watched.says("Delivered to Archive")  # with the script by itself
        assert late.texts == ["Überweisung ist raus"]


@both
async def test_filters_are_told_and_can_be_taken_away(tmp_path: Path, javascript: bool):
    async with opened(tmp_path, javascript=javascript) as (box, watched):
        page = watched.page
        await box.text("unwanted")
        await box.push({"Content-Type": "application/json"}, b'{"odd": 1}')
        await watched.go("/messages")
        await page.get_by_text("Phone, state, kind, time").click()
        await page.get_by_label("State").select_option(label="not understood")
        await watched.press("Search")
        await watched.says("Only not understood")
        await api.expect(page.get_by_role("row")).to_have_count(2)
        await page.get_by_text("Phone, state, kind, time").click()
        await page.get_by_label("State").select_option(label="delivered")
        await watched.press("Search")
        await watched.says("Nothing found")
        await watched.follow("Show all")
        await api.expect(page.get_by_role("row")).to_have_count(3)


async def test_new_messages_are_told_of_while_one_reads(tmp_path: Path):
    async with opened(tmp_path) as (box, watched):
        await box.text("first")
        await watched.go("/messages")
        await box.text("second")
        await watched.says("1 new message")
        assert await watched.page.get_by_text("second").count() == 0, "nothing moves by itself"
        await watched.follow("1 new message")
        await watched.says("second")
        assert await watched.page.get_by_text("1 new message").count() == 0


@both
async def test_a_text_is_wiped_and_then_deleted(tmp_path: Path, javascript: bool):
    async with receiver() as good, opened(tmp_path, javascript=javascript) as (box, watched):
        page = watched.page
        await box.endpoint(good.url, name="CRM")
        id_ = await box.text("Quetzalcoatl")
        await box.settled(id_)
        await watched.go(f"/messages/{id_}")
        await watched.follow("Wipe the text")
        await watched.says("cannot be undone")
        await page.get_by_text("Leave it as it is").click()
        assert text_of(box, id_) == "Quetzalcoatl"
        await watched.follow("Wipe the text")
        await watched.press("Wipe it")
        await watched.says("The text is wiped.")
        assert text_of(box, id_) == ""
        assert "Quetzalcoatl" not in await page.content()
        await watched.follow("Delete the message")
        await watched.press("Delete it")
        await watched.says("The message is deleted.")
        assert text_of(box, id_) is None


@both
async def test_everything_from_a_number_is_deleted(tmp_path: Path, javascript: bool):
    async with opened(tmp_path, javascript=javascript, width=390) as (box, watched):
        for n in range(3):
            await box.text(f"mine {n}")
        other = await box.text("other", sender="+6591234567")
        await watched.go("/messages")
        await watched.page.get_by_label("A number, or words of a text").fill("8123 0000")
        await watched.press("Search")
        await watched.follow("Delete everything from 8123 0000")
        await watched.says("No message came from 8123 0000.")
        await watched.go("/messages?q=%2B6581230000")
        await watched.follow("Delete everything from +6581230000")
        await watched.says("3 messages came from this number")
        await watched.fits()
        await watched.press("Delete all of it")
        await watched.says("3 messages are deleted.")
        assert [r[0] for r in box.rows("SELECT id FROM messages")] == [other]


@both
async def test_a_push_is_read_again(tmp_path: Path, javascript: bool):
    async with opened(tmp_path, javascript=javascript) as (box, watched):
        body = json.dumps({"wer": "+6581230000", "was": EVIL}).encode()
        odd = (await box.push({"Content-Type": "application/json"}, body)).json["id"]
        await watched.go(f"/messages/{odd}")
        await watched.says("This push was not understood")
        await watched.press("Read it again")
        await watched.says("still not understood")
        paths = json.dumps({"from": "wer", "text": "was"})
        box.change(
            lambda db: db.execute("UPDATE devices SET app = 'generic', mapping = ?", (paths,))
        )
        await box.watch.refresh()
        await watched.press("Read it again")
        await watched.says("Read again: understood")
        assert text_of(box, odd) == EVIL
        assert await watched.page.title() != "x"


@pytest.mark.long  # test_every_page.py has every page at every run
@pytest.mark.skipif(not AXE.exists(), reason="axe is not installed")
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_everybody_can_read_them(tmp_path: Path, scheme: str):
    async with (
        receiver() as good,
        receiver(answer(500)) as bad,
        opened(tmp_path, scheme=scheme, width=390) as (box, watched),
    ):
        await watched.go("/messages")
        await watched.axe()
        await box.endpoint(good.url, name="CRM")
        id_ = await box.text(EVIL)
        await box.settled(id_)
        await box.endpoint(bad.url, name="Old", numbers=Numbers.DIGITS)
        waits = await box.text("waits " * 100)
        odd = (await box.push({"Content-Type": "text/plain"}, b"\xff\x00\x01")).json["id"]
        for path in (
            "/messages",
            "/messages?q=waits&state=waiting",
            "/messages?q=zebra",
            f"/messages/{id_}",
            f"/messages/{waits}",
            f"/messages/{odd}",
            f"/messages/{id_}/delete",
            f"/messages/{id_}/wipe",
            "/messages/purge?number=%2B6581230000",
            "/messages/purge?number=815",
        ):
            await watched.go(path)
            await watched.axe()
            await watched.fits()
        watched.refused = 500
        await watched.go("/messages?state=lost")
        await watched.axe()
        for width in (195, 768, 1440):  # 195: 390 at twice the size
            await watched.page.set_viewport_size({"width": width, "height": 800})
            for path in ("/messages", f"/messages/{waits}"):
                await watched.go(path)
                await watched.fits()


async def test_it_is_found_by_keyboard_alone(tmp_path: Path):
    async with opened(tmp_path) as (box, watched):
        await box.text("Bring a card")
        await watched.go("/messages")
        page = watched.page
        await page.keyboard.press("/")
        await page.keyboard.type("card")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**q=card*")
        for _ in range(40):
            await page.keyboard.press("Tab")
            focused = await page.evaluate("document.activeElement.getAttribute('href') || ''")
            if "/messages/msg_" in focused:
                break
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/messages/msg_*")
        await watched.says("Bring a card")
