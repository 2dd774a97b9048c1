"""Each receiver, behind a running mmconnect, in front of a service that checks what it is sent."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.recipes.conftest import A, B, Set
from tests.recipes.others import OTHERS, FreeScout, HomeAssistant, Zammad
from tests.recipes.running import RECIPES, SECRET, Recipe, signed
from tests.support.service import ROOT, ask, until

GOLDEN = ROOT / "tests" / "golden"
THREADING = {"zammad", "freescout", "osticket", "espocrm", "telegram"}
"""Those that put a sender's texts together."""
AGAIN = {"telegram", "home-assistant"}
"""Those that cannot know whether a try that was cut off has arrived; their pages say so."""

every = pytest.mark.parametrize("name", OTHERS)
texts = pytest.mark.parametrize("name", [name for name in OTHERS if name != "stop-list"])
QUICK = ("zammad", "ntfy")
"""With whom accidents are tried at every run; the common part is the same in all of them, and
`make long` tries it with each."""
accidents = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.long)
        for name in OTHERS
        if name != "stop-list"
    ],
)


def test_every_recipe_with_a_receiver_is_tried():
    assert set(OTHERS) == {path.parent.name for path in RECIPES.glob("*/receive.py")}


def grouped(name: str, *groups: list[str]) -> list[list[str]]:
    """What is expected of a service that threads, or of one that does not."""
    if name in THREADING:
        return [*groups]
    return [[text] for group in groups for text in group]


@texts
def test_texts_go_to_their_place_and_a_replay_changes_nothing(name: str, at: Callable[[str], Set]):
    here = at(name)
    first = here.gateway.text("hello")
    here.arrive(["hello"])
    here.gateway.text("it's <b>me</b> & 😀\nagain")
    here.gateway.text("someone else", B)
    again = "it's <b>me</b> & 😀\nagain"
    if name == "freescout":  # it takes HTML: a text must not be any
        again = "it&#x27;s &lt;b&gt;me&lt;/b&gt; &amp; 😀<br>again"
    wanted = grouped(name, ["hello", again], ["someone else"])
    here.arrive(*wanted)

    (delivery,) = [
        one
        for one in here.gateway.service.cli("delivery", "list", "--endpoint", here.endpoint)
        if one["messageId"] == first
    ]
    here.gateway.service.cli("delivery", "retry", delivery["id"])
    attempts = "SELECT count(*) FROM attempts WHERE delivery_id = ? AND status = 204"
    until(lambda: here.gateway.service.count(attempts, delivery["id"]) == 2, "it is replayed")
    here.arrive(*wanted)

    # The receiver passes mmconnect's own check-up, whose texts are tests: no tickets of them.
    assert here.check() == []
    here.arrive(*wanted)


@accidents
def test_what_comes_while_the_service_is_away_arrives_when_it_is_back(
    name: str, at: Callable[[str], Set]
):
    here = at(name)
    here.other.stop()
    sent = [here.gateway.text(f"text {n}", A) for n in range(3)]
    sent.append(here.gateway.text("other", B))
    for one in sent:
        here.gateway.delivered(one)  # answered at once, from the store
    until(lambda: "tried again" in here.recipe.log, "it has tried")
    here.other.status = 503
    here.other.start()
    until(lambda: 503 in here.other.statuses, "it has tried again")
    here.other.status = 200
    here.arrive(*grouped(name, ["text 0", "text 1", "text 2"], ["other"]))
    if name not in THREADING:
        arrived = [group[0] for group in here.other.groups()]
        assert [t for t in arrived if t != "other"] == ["text 0", "text 1", "text 2"]


def creates(method: str, path: str) -> bool:
    return method == "POST"


@accidents
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_between_answer_and_translation_loses_nothing_and_doubles_nothing(
    name: str, when: str, at: Callable[[str], Set]
):
    here = at(name)
    here.gateway.text("first")
    here.arrive(["first"])
    setattr(here.other, f"hold_{when}", creates)
    message = here.gateway.text("second")
    assert here.other.held.wait(60)
    here.gateway.delivered(message)
    here.recipe.kill()
    # What the service had not acted on when the connection broke, it does not act on any more.
    if when == "before":
        here.other.status = 500
    over = len(here.other.statuses)
    here.other.go_on.set()
    until(lambda: len(here.other.statuses) > over, "the request is over")
    here.other.status = 200
    here.recipe.start()
    wanted = grouped(name, ["first", "second"])
    if name == "telegram" and when == "after":
        wanted[0].append("second")
    if name == "home-assistant" and when == "before":
        # It cannot know: the event says `again`, and a careful automation leaves it out.
        wanted = [["first"]]
        fired = here.other
        assert isinstance(fired, HomeAssistant)
        until(lambda: fired.events[-1][1]["again"] is True, "fired again")
    here.arrive(*wanted)


@every
def test_only_what_is_signed_and_fresh_is_stored(
    name: str, make: Callable[..., tuple[Recipe, Any]]
):
    recipe, _ = make(name)
    body = (GOLDEN / "webhook-sms.json").read_bytes()
    right = signed(body)
    wrong = {
        "another secret": signed(body, None, "whsec_" + "A" * 43 + "="),
        "old": signed(body, time.time() - 301),
        "from the future": signed(body, time.time() + 900),
        "another id": right | {"webhook-id": "msg_other"},
        "no signature": {k: v for k, v in right.items() if k != "webhook-signature"},
        "no time": right | {"webhook-timestamp": "soon"},
        "odd characters": right | {"webhook-signature": "v1,ü"},
        "plain only": {k: v for k, v in right.items() if k.startswith("X-")},
    }
    assert {what: recipe.give(body, headers) for what, headers in wrong.items()} == dict.fromkeys(
        wrong, 401
    )
    assert recipe.give(body.replace(b"balance", b"balances"), right) == 401
    assert recipe.rows("SELECT count(*) FROM texts") == [(0,)]
    assert recipe.give(body, signed(body, time.time() + 330)) == 401
    rotated = signed(body, None, "whsec_" + "A" * 43 + "=", SECRET)
    assert recipe.give(body, rotated) == 204  # one of two signatures fits: the secret is rotated
    assert recipe.give(body, signed(body, time.time() - 290)) == 204
    assert recipe.rows("SELECT count(*) FROM texts") == [(1,)]


@every
def test_every_body_that_mmconnect_sends_is_taken(
    name: str, make: Callable[..., tuple[Recipe, Any]]
):
    recipe, other = make(name)
    bodies = [path.read_bytes() for path in sorted(GOLDEN.glob("*.json")) if path.stem != "cli"]
    for number, body in enumerate(bodies):
        one = json.loads(body)
        one["id"] = f"{one['id'][:-4]}{number:04d}"
        assert recipe.give(json.dumps(one).encode()) == 204
    recipe.settled()
    assert recipe.rows("SELECT count(*) FROM texts WHERE state = 'done'") == [(len(bodies),)]
    assert recipe.rows("SELECT count(*) FROM texts WHERE body IS NOT NULL") == [(0,)]
    assert not other.wrong
    assert "tried again" not in recipe.log


@texts
def test_what_was_with_an_mms_is_named(name: str, make: Callable[..., tuple[Recipe, Any]]):
    recipe, other = make(name)
    mms = json.loads((GOLDEN / "webhook-mms.json").read_bytes())
    assert recipe.give(json.dumps(mms).encode()) == 204
    recipe.settled()
    (group,) = other.groups()
    if name == "home-assistant":
        assert other.events[0][1]["attachments"] == mms["attachments"]
        return
    for part in (mms["subject"], mms["attachments"][0]["contentType"], "on the phone only"):
        assert part in group[0]


@pytest.mark.parametrize("name", ["zammad", "freescout"])
def test_a_closed_ticket_is_left_closed_and_a_new_one_begins(name: str, at: Callable[[str], Set]):
    here = at(name)
    here.gateway.text("old")
    here.arrive(["old"])
    assert isinstance(here.other, Zammad | FreeScout)
    here.other.close(1)
    here.gateway.text("new")
    here.arrive(["old"], ["new"])


def test_a_text_that_is_refused_is_set_aside_and_holds_up_nobody(
    make: Callable[..., tuple[Recipe, Any]],
):
    recipe, other = make("zammad")
    other.status = 422
    body = json.loads((GOLDEN / "webhook-sms.json").read_bytes())
    assert recipe.give(json.dumps(body).encode()) == 204
    until(lambda: recipe.rows("SELECT state FROM texts") == [("refused",)], lambda: recipe.log)
    other.status = 200
    more = {**body, "id": "msg_01JD0000000000000000000009", "text": "more"}
    assert recipe.give(json.dumps(more).encode()) == 204
    recipe.settled()
    assert other.groups() == [["more"]]
    status, _, said = ask(recipe.address, "GET", "/")
    assert (status, json.loads(said)) == (200, {"waiting": 0, "refused": 1})
    assert body["text"] not in recipe.log
    assert body["from"] not in recipe.log
    recipe.kill()
    recipe.start()  # the settings are mended: what was refused is tried once more
    recipe.settled()
    assert sorted(text for group in other.groups() for text in group) == sorted(
        [body["text"], "more"]
    )


def test_one_text_that_fails_for_ever_holds_up_only_its_sender(
    make: Callable[..., tuple[Recipe, Any]],
):
    recipe, other = make("python")
    real = other.act

    def act(method: str, path: str, query: object, body: dict[str, str]) -> object:
        return (500, {}) if body["text"] == "poison" else real(method, path, query, body)

    other.act = act
    base = json.loads((GOLDEN / "webhook-sms.json").read_bytes())
    for number, (sender, text) in enumerate([(A, "poison"), (A, "later"), (B, "fine"), (B, "too")]):
        one = {**base, "id": f"msg_{number:026d}", "from": sender, "text": text}
        assert recipe.give(json.dumps(one).encode()) == 204
    until(lambda: len(other.groups()) == 2, lambda: recipe.log)
    assert other.groups() == [["fine"], ["too"]]
    other.act = real
    until(lambda: len(other.groups()) == 4, lambda: recipe.log)
    assert other.groups()[2:] == [["poison"], ["later"]]


def test_when_it_cannot_store_it_says_503_and_mmconnect_keeps_the_text(
    make: Callable[..., tuple[Recipe, Any]],
):
    recipe, _ = make("python")
    recipe.rows("DROP TABLE texts")
    assert recipe.give((GOLDEN / "webhook-sms.json").read_bytes()) == 503


def test_home_assistant_that_is_starting_is_waited_for(make: Callable[..., tuple[Recipe, Any]]):
    recipe, other = make("home-assistant")
    other.state = "NOT_RUNNING"
    assert recipe.give((GOLDEN / "webhook-sms.json").read_bytes()) == 204
    until(lambda: "not started completely" in recipe.log, "it waits")
    assert not other.events
    other.state = "RUNNING"
    recipe.settled()
    assert len(other.events) == 1


@pytest.mark.parametrize("secret", ["whsec_!", "secret-of-my-own-that-is-long"])
def test_a_secret_that_cannot_check_the_signature_is_told_at_the_start(
    secret: str, make: Callable[..., tuple[Recipe, Any]]
):
    with pytest.raises(AssertionError, match="WEBHOOK_SECRET is not whsec_ and base64"):
        make("python", WEBHOOK_SECRET=secret)
