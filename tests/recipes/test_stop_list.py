"""The STOP list: who is on it, the words that count, and the three ways to use it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.recipes.conftest import A, B, Set
from tests.recipes.running import Recipe
from tests.support.service import ROOT, ask, until

BASE = json.loads((ROOT / "tests" / "golden" / "webhook-sms.json").read_bytes())


class Texts:
    """Texts given to the receiver one after the other, signed."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe, self.count = recipe, 0

    def give(self, text: str, sender: str | None = A, **fields: Any) -> str:
        self.count += 1
        one = {**BASE, "id": f"msg_{self.count:026d}", "from": sender, "text": text, **fields}
        assert self.recipe.give(json.dumps(one).encode()) == 204
        self.recipe.settled()
        return str(one["id"])

    def listed(self) -> list[str]:
        return (self.recipe.state / "optouts.txt").read_text().split()


@pytest.mark.parametrize(
    "text",
    """STOP|stop|Stop.|¡STOP!|  stop \n|STOPALL|Stop all|Please stop|STOP please|stop texting me
    |Unsubscribe|Opt out|OPT-OUT|end|QUIT|Cancel|Stopp|Bitte stopp!|Abmelden|ABBESTELLEN|ARRET
    |Remove|Arrêt|arrêt|désabonner|BAJA|parar|afmelden|СТОП|стоп!|отписаться|توقف|退订|退訂|停止。
    |配信停止|수신거부|BERHENTI|ยกเลิก|\uff33\uff34\uff2f\uff30""".split("|"),
)
def test_these_mean_stop(text: str, make: Callable[..., tuple[Recipe, Any]]):
    recipe, _ = make("stop-list", OPTOUT_URL="")
    texts = Texts(recipe)
    texts.give(text)
    assert texts.listed() == [A]


def test_these_do_not(make: Callable[..., tuple[Recipe, Any]]):
    recipe, _ = make("stop-list", OPTOUT_URL="")
    texts = Texts(recipe)
    for text in (
        "I cannot stop laughing|Stop by tomorrow|Where does the bus stop?|Cancel my appointment|"
        "non-stop|stopped|the end|thank you|please|?|…| |Don't stop|Start the car|balance"
    ).split("|"):
        texts.give(text)
    texts.give("STOP", None)
    texts.give("STOP", B, test=True)
    assert texts.listed() == []


def test_start_takes_it_off_again_and_the_list_outlives_a_kill(
    make: Callable[..., tuple[Recipe, Any]],
):
    recipe, other = make("stop-list", STOP_WORDS="Ruhe,no más", START_WORDS="weiter")
    texts = Texts(recipe)
    first = texts.give("STOP")
    texts.give("ruhe", B)
    texts.give("stop", "Google")
    texts.give("no", "+1")
    texts.give("¡No más!", "+2")
    assert texts.listed() == sorted([A, B, "Google", "+2"])
    back = texts.give("Start!")
    texts.give("weiter", "Google")
    texts.give("alta", "+2")
    assert texts.listed() == [B]
    assert {n: (t["number"], t["out"]) for n, t in other.told.items()}[first] == (A, True)
    assert other.told[back] == {
        **{"number": A, "out": False, "since": BASE["receivedAt"], "id": back},
    }
    assert not other.wrong
    recipe.kill()
    (recipe.state / "optouts.txt").unlink()
    recipe.start()
    assert texts.listed() == [B]


def test_it_can_be_asked_with_the_token_and_not_without(make: Callable[..., tuple[Recipe, Any]]):
    recipe, _ = make("stop-list")
    name = Texts(recipe).give("STOP")
    right = {"authorization": "Bearer lt"}
    path = "/?number=%2B6581230000"
    for headers in ({}, {"authorization": "Bearer ut"}, {"authorization": "ü"}):
        assert ask(recipe.address, "GET", path, headers=headers)[0] == 401
    status, _, said = ask(recipe.address, "GET", path, headers=right)
    wanted = {"number": A, "out": True, "since": BASE["receivedAt"], "id": name}
    assert (status, json.loads(said)) == (200, wanted)
    _, _, said = ask(recipe.address, "GET", "/?number=%2B1", headers=right)
    assert json.loads(said) == {"number": "+1", "out": False, "since": None, "id": None}


def test_a_real_text_puts_its_sender_on_it_while_the_sending_software_is_away(
    at: Callable[[str], Set],
):
    here = at("stop-list")
    here.other.stop()
    here.gateway.delivered(here.gateway.text("Stop", A))
    file = here.recipe.state / "optouts.txt"
    until(lambda: file.read_text().split() == [A], "it is on the list at once")
    here.gateway.delivered(here.gateway.text("START", A))
    here.gateway.text("how are you?", B)
    here.other.start()
    here.arrive(["STOP"], ["START"])
    assert file.read_text() == ""
