"""The flow for Node-RED: its functions, in plain node, behind a running mmconnect.

They were also run in Node-RED 3.1 and 4.1 themselves; this is what can be run anywhere.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.recipes.conftest import A, B, Gateway, Set
from tests.recipes.others import Other, Python, need, only
from tests.recipes.running import RECIPES, SECRET, Recipe, signed
from tests.support.service import ROOT, until

pytestmark = pytest.mark.apt
FLOW = RECIPES / "node-red" / "flow.json"
GOLDEN = ROOT / "tests" / "golden"


class Target(Python):
    """What the example's request is sent to."""

    secrets: ClassVar[dict[str, str]] = {}
    key = ("Authorization", "")

    def __init__(self) -> None:
        super().__init__()
        self.arrived: list[str] = []

    def act(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        need((method, path) == ("POST", "/sms"), "no such route", 404)
        only(body, "id", "event", "from", "text", "test", "subject", "attachments")
        self.arrived.append(body["id"])
        if not body.get("test"):
            self.got[body["id"]] = body["text"]
        return 200, {}


class Flow(Recipe):
    """The flow's functions in node; what waits is in a folder."""

    path = "/mmconnect"

    def __init__(self, directory: Path, other: Other, **settings: str) -> None:
        self.spool = directory / "spool"
        own = {"WEBHOOK_SECRET": SECRET, "FLOW": str(FLOW), "MMCONNECT_SPOOL": str(self.spool)}
        super().__init__("node-red", directory, other, **own, **settings)

    @property
    def command(self) -> list[str]:
        return ["node", str(Path(__file__).with_name("node_red.mjs"))]

    def waiting(self) -> list[str]:
        return [p.name for p in self.spool.glob("*.json")] if self.spool.exists() else []

    def settled(self) -> None:
        until(lambda: not self.waiting(), lambda: f"{self.waiting()} {self.log}")


@pytest.fixture(params=["raw", "parsed"])
def here(request: pytest.FixtureRequest, tmp_path: Path, gateway: Gateway) -> Iterator[Set]:
    if shutil.which("node") is None:
        pytest.skip("node is not installed: apt install nodejs")
    other = Target()
    other.start()
    settings = {"PARSED": "1"} if request.param == "parsed" else {}
    recipe = Flow(tmp_path, other, **settings)
    recipe.start()
    one = Set(gateway, recipe, other)
    one.tell()
    yield one
    gateway.service.cli("endpoint", "remove", one.endpoint, "--yes")
    recipe.kill()
    other.go_on.set()
    other.stop()


def test_texts_go_to_their_place_once_also_after_an_outage(here: Set):
    here.gateway.text('hello 😀\n\t"quoted" \\ \x01')
    here.arrive(['hello 😀\n\t"quoted" \\ \x01'])
    here.other.stop()
    sent = [here.gateway.text(f"text {n}") for n in range(3)] + [here.gateway.text("other", B)]
    for one in sent:
        here.gateway.delivered(one)
    here.other.start()
    wanted = [['hello 😀\n\t"quoted" \\ \x01'], ["text 0"], ["text 1"], ["text 2"], ["other"]]
    here.arrive(*wanted)
    arrived = [group[0] for group in here.other.groups()]
    assert [one for one in arrived if one.startswith("text")] == ["text 0", "text 1", "text 2"]
    assert here.check() == []
    here.arrive(*wanted)


def test_killed_between_answer_and_translation_loses_nothing(here: Set):
    here.other.hold_before = lambda method, path: True
    message = here.gateway.text("second")
    assert here.other.held.wait(60)
    here.gateway.delivered(message)
    here.recipe.kill()
    here.other.status = 500
    here.other.go_on.set()
    until(lambda: here.other.statuses, "the request is over")
    here.other.status = 200
    here.recipe.start()
    here.arrive(["second"])


def test_only_what_is_signed_and_fresh_is_stored_and_every_body_is_taken(here: Set):
    body = (GOLDEN / "webhook-sms.json").read_bytes()
    right = signed(body)
    for wrong in (
        signed(body, 1_700_000_000),
        signed(body, None, "whsec_" + "A" * 43 + "="),
        right | {"webhook-id": "msg_other"},
        right | {"webhook-signature": ""},
    ):
        assert here.recipe.give(body, wrong) == 401
    assert here.recipe.give(body.replace(b"balance", b"balances"), right) == 401
    assert isinstance(here.recipe, Flow)
    assert not here.recipe.waiting()
    count = 0
    for path in sorted(GOLDEN.glob("*.json")):
        if path.stem == "cli":
            continue
        body = path.read_bytes()
        old = json.loads(body)["id"]
        body = body.replace(old.encode(), f"{old[:-4]}{count:04d}".encode(), 1)
        assert here.recipe.give(body) == 204
        assert here.recipe.give(body) == 204
        count += 1
    here.recipe.settled()
    assert isinstance(here.other, Target)
    done = here.recipe.spool / "done"
    until(lambda: len(list(done.iterdir())) == count, "all are done")
    assert not here.other.wrong
    assert len(here.other.arrived) == len(set(here.other.arrived)) == count


def test_a_text_that_is_refused_is_set_aside(here: Set):
    here.other.status = 422
    here.gateway.text("no", A)
    assert isinstance(here.recipe, Flow)
    refused = here.recipe.spool / "refused"
    until(lambda: refused.exists() and len(list(refused.iterdir())) == 1, "it is set aside")
    here.other.status = 200
    here.gateway.text("yes", A)
    here.arrive(["yes"])
