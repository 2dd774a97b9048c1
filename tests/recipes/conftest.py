"""A running mmconnect for the recipes of one worker, and a receiver with the service behind it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.recipes.others import OTHERS, Other
from tests.recipes.running import SECRET, Recipe
from tests.support.service import Service, ask, until

A, B = "+6581230000", "+6581230001"
_count = itertools.count(1)


@dataclass
class Gateway:
    """mmconnect with one phone; texts are pushed as a phone pushes them."""

    service: Service
    token: str

    def text(self, text: str, sender: str = A) -> str:
        """Push a text; its id."""
        body = {"from": sender, "text": text, "id": f"push-{next(_count)}"}
        kind = {"Content-Type": "application/json"}
        path = f"/in/{self.token}"
        status, _, said = ask(self.service.phone, "POST", path, json.dumps(body).encode(), kind)
        assert status == 200
        return str(json.loads(said)["id"])

    def delivered(self, message_id: str) -> None:
        """mmconnect has its 2xx for that text."""
        asked = "SELECT count(*) FROM deliveries WHERE message_id = ? AND state <> 'delivered'"
        until(lambda: not self.service.count(asked, message_id), "it is delivered")


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    service = Service(tmp_path_factory.mktemp("recipes") / "data")
    phone = service.cli("device", "add", "--name", "Reception", "--app", "generic")
    service.start()
    yield Gateway(service, phone["token"])
    service.kill()


@dataclass
class Set:
    """A receiver, the service behind it, and the endpoint that leads to it."""

    gateway: Gateway
    recipe: Recipe
    other: Other
    endpoint: str = ""

    def tell(self) -> None:
        """Make it an endpoint of mmconnect's."""
        words = ("endpoint", "add", self.recipe.url, "--secret", SECRET)
        self.endpoint = self.gateway.service.cli(*words)["id"]
        self.gateway.service.noticed()

    def check(self) -> list[str]:
        """What mmconnect's own check-up finds wrong with the receiver. How quickly it answers is
        this machine's business."""
        found = self.gateway.service.cli("endpoint", "check", self.endpoint)
        assert found
        return [one["says"] for one in found if one["ok"] is False and one["check"] != "quick"]

    def arrive(self, *groups: list[str]) -> None:
        """Exactly this has arrived at the other end, in these groups, and nothing was refused."""
        wanted = sorted(groups)
        until(
            lambda: sorted(self.other.groups()) == wanted,
            lambda: f"{self.other.groups()}, {self.other.wrong}, {self.recipe.log}",
        )
        self.recipe.settled()
        assert sorted(self.other.groups()) == wanted
        assert not self.other.wrong


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Start a recipe and the service behind it."""
    made: list[tuple[Recipe, Other]] = []

    def start(name: str, **settings: str) -> tuple[Recipe, Other]:
        other = OTHERS[name]()
        other.start()
        recipe = Recipe(name, tmp_path, other, **settings)
        made.append((recipe, other))
        recipe.start()
        return recipe, other

    yield start
    for recipe, other in made:
        recipe.kill()
        other.go_on.set()
        other.stop()


@pytest.fixture
def at(make: Callable[..., Any], gateway: Gateway) -> Iterator[Callable[[str], Set]]:
    """A recipe at the end of an endpoint."""
    made: list[Set] = []

    def start(name: str) -> Set:
        one = Set(gateway, *make(name))
        one.tell()
        made.append(one)
        return one

    yield start
    for one in made:
        gateway.service.cli("endpoint", "remove", one.endpoint, "--yes")
