"""What is kept of a phone's inbox without going out, and what its page says of a token's end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mmconnect.desk.device_link_page import LinkPage
from mmconnect.phones.keeping import Keeping
from mmconnect.store.links import Link, LinkState
from mmconnect.webhook.events import DEVICE_UNRECOGNISED
from tests.support.inprocess import NOW, FakeClock, appliance
from tests.support.receiver import receiver

DAY = 86_400_000


async def test_a_row_that_cannot_be_read_is_kept_once_and_told_once(tmp_path: Path):
    clock = FakeClock()
    woken: list[int] = []
    async with receiver() as hook, appliance(tmp_path, clock=clock) as box:
        await box.endpoint(hook.url, events=frozenset({DEVICE_UNRECOGNISED}))
        device = box.watch.look().devices[next(iter(box.tokens))]
        keeping = Keeping(box.database, box.watch.look, clock, box.ids, lambda: woken.append(1))
        for _ in range(3):  # an inbox is read again and again
            await keeping.keep_odd_row(device, b'{"id":"x:1","type":"VOICE"}', "an odd type")
        assert box.rows("SELECT kind FROM messages WHERE kind = 'unrecognised'") == [
            ("unrecognised",)
        ]
        assert len(box.rows("SELECT 1 FROM deliveries WHERE trigger = 'event'")) == 1
        assert woken == [1]


def test_a_token_that_is_not_renewed_is_told_with_the_command_that_helps():
    link = Link(device_id="dev_1", url="http://192.168.1.31:8080", created_at=NOW)
    state = LinkState(device_id="dev_1", token_made_at=NOW, token_ends_at=NOW + 100 * DAY)
    page = LinkPage(link=link, state=state, kept={})
    assert page.notes(NOW + 50 * DAY) == []
    (note,) = page.notes(NOW + 52 * DAY)
    assert "device link dev_1 --phone-password" in note.whole
    assert (
        replace(page, state=replace(state, token_made_at=NOW + 51 * DAY)).notes(NOW + 52 * DAY)
        == []
    )
