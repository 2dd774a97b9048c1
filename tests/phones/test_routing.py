"""Who gets which text, from the push to the receiver: over the real listener and dispatcher."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmconnect.domain.models import EVERYTHING, Condition, Match, Numbers, Routing
from mmconnect.store import devices, endpoints, routings
from mmconnect.webhook import routing
from tests.support.inprocess import Appliance, appliance, eventually
from tests.support.phones import JSON, generic_json
from tests.support.receiver import receiver

RULE = "rule_01JD0000000000000000000000"


def text(match: str, value: str) -> Routing:
    return Routing(id=RULE, texts=(Condition(match=Match(match), value=value),))


async def push(box: Appliance, wanted: str, **fields: Any) -> str:
    told = await box.push(
        *generic_json({"from": "+6581230000", "text": wanted, **fields}),
        token=fields.pop("token", None),
    )
    assert told.status == 200, told
    return str(told.json["id"])


async def test_each_endpoint_gets_what_it_wants(tmp_path: Path):
    async with (
        appliance(tmp_path, tokens=("one", "two")) as box,
        receiver() as a,
        receiver() as b,
        receiver() as c,
    ):
        first, second = box.tokens
        await box.endpoint(a.url, routing=Routing(id=RULE, devices=frozenset({first})))
        await box.endpoint(b.url, routing=text("contains", "code"))
        await box.endpoint(c.url)
        both = await push(box, "Code 1")
        second_only = await push(box, "CODE 2", token=box.tokens[second])
        await c.until(2)
        await a.until(1)
        await b.until(2)
        await eventually(lambda: box.dispatcher.in_flight == 0)
        assert (a.texts, b.texts, c.texts) == (
            ["Code 1"],
            ["Code 1", "CODE 2"],
            ["Code 1", "CODE 2"],
        )
        assert len(box.deliveries(both)) == 3
        assert len(box.deliveries(second_only)) == 2
        assert [one.json.get("matchedRuleId") for one in (*a.arrivals, *b.arrivals)] == [
            *(None, RULE, RULE)
        ]
        assert "matchedRuleId" not in a.arrivals[0].json, "only what senders or texts decided"


async def test_what_nobody_wants_is_kept(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there:
        await box.endpoint(there.url, routing=text("contains", "code"))
        message = await push(box, "balance")
        assert box.deliveries(message) == []
        assert box.one("SELECT text FROM messages WHERE id = ?", message) == "balance"
        wanted = await push(box, "code")
        await there.until(1)
        assert there.arrivals[0].id == wanted


async def test_its_own_form_has_digits_and_the_rule(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as a, receiver() as b:
        await box.endpoint(a.url, routing=text("contains", "code"), numbers=Numbers.DIGITS)
        await box.endpoint(b.url)
        message = await push(box, "code")
        (mine,), (plain,) = await a.until(1), await b.until(1)
        assert mine.json == plain.json | {"from": "6581230000", "matchedRuleId": RULE}
        await eventually(lambda: all(d.state == "delivered" for d in box.deliveries(message)))


async def test_a_routing_that_changes_counts_for_the_next_text(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there:
        endpoint = await box.endpoint(there.url)
        await push(box, "one")
        await there.until(1)
        row = box.endpoint_row(endpoint)
        box.change(lambda db: endpoints.update(db, replace(row, routing=text("exact", "three"))))
        await box.watch.refresh()
        await push(box, "two")
        await push(box, "three")
        await there.until(2)
        assert there.texts == ["one", "three"]


async def test_an_endpoint_of_a_phone_that_was_removed_gets_nothing_more(tmp_path: Path):
    async with appliance(tmp_path, tokens=("one", "two")) as box, receiver() as there:
        first, second = box.tokens
        await box.endpoint(there.url, routing=Routing(id=RULE, devices=frozenset({first})))
        box.change(lambda db: devices.remove(db, first, box.clock.now()))
        await box.watch.refresh()
        message = await push(box, "x", token=box.tokens[second])
        assert box.deliveries(message) == []


async def test_the_alert_url_and_those_that_ticked_other_events_get_no_text(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there:
        await box.endpoint(there.url, alert=True)
        await box.endpoint(there.url, events=frozenset({"device.silent"}))
        assert box.deliveries(await push(box, "x")) == []


async def test_an_mms_is_routed_by_its_text_too(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver() as there:
        await box.endpoint(there.url, routing=text("contains", "door"))
        mms = {"from": "+6581230000", "attachments": [{"name": "a.jpg"}]}
        for n, words in enumerate(("at the DOOR", "")):
            body = json.dumps({**mms, "id": str(n), "text": words}).encode()
            assert (await box.push({"Content-Type": JSON}, body)).status == 200
        await there.until(1)
        assert (there.texts, there.arrivals[0].json["kind"]) == (["at the DOOR"], "mms")
        assert len(box.deliveries()) == 1


@pytest.mark.parametrize(
    "column",
    [
        '{"id": "r", "texts": [["pattern", "("]]}',
        '{"id": "r", "texts": [["pattern", "(?=x)"]]}',
        '{"id": "r", "senders": [["contains", "+65"]], "texts": [["prefix", ""]]}',
        '{"id": "r", "sims": [0, -1], "devices": [""]}',
    ],
)
async def test_whatever_stands_in_the_database_no_text_is_lost(tmp_path: Path, column: str):
    async with appliance(tmp_path) as box, receiver() as there:
        await box.endpoint(there.url)
        broken = await box.endpoint(there.url)
        box.change(
            lambda db: db.execute("UPDATE endpoints SET routing = ? WHERE id = ?", (column, broken))
        )
        await box.watch.refresh()
        await push(box, "x")
        assert (await there.until(1))[0].text == "x"


async def test_a_pattern_cannot_hold_up_anybody(tmp_path: Path):
    """10,000 letters that a backtracking engine would try in 2**10000 ways."""
    async with appliance(tmp_path) as box, receiver() as there:
        for pattern in ("(a+)+$", "(a|aa)+$", r"(\w+\s?)+\.$"):
            await box.endpoint(there.url, routing=text("pattern", pattern))
        await box.endpoint(there.url, name="all")
        long = "a" * 10_000 + "!"
        await push(box, long)
        await push(box, "short")
        await eventually(lambda: {long, "short"} <= set(there.texts))


def test_wanting_everything_costs_nothing():
    """The hot path asks for each endpoint and text: it must not hash, fold or build anything."""
    made = routing.compile(EVERYTHING)
    assert routing.compile(routings.read("{}")) is made
    before = routing._compiled.cache_info()
    for _ in range(10):
        routing.compile(EVERYTHING)
    assert routing._compiled.cache_info() == before
