"""A running mmconnect for each test, with a phone and an endpoint that are made once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.burst import SECRET, Receiver, Text, receiving
from tests.support.service import PATIENCE, Service, ask, until

HERE = Path(__file__).parent
NOT_DELIVERED = "SELECT count(*) FROM deliveries WHERE state <> 'delivered'"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Real processes, a dozen starts of Python in some tests: a machine that stands still now and
    then needs more than the two minutes that other tests have."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.program)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(300))


@dataclass
class Gateway:
    """A service, its phone's token, and the receiver that its texts go to."""

    service: Service
    receiver: Receiver
    token: str
    endpoint_id: str
    device_id: str

    def push(
        self, body: bytes, within: float = PATIENCE
    ) -> tuple[int, dict[str, str], dict[str, Any]]:
        """Push a body as JSON; status, headers and answer."""
        kind = {"Content-Type": "application/json"}
        path = f"/in/{self.token}"
        status, headers, said = ask(self.service.phone, "POST", path, body, kind, within)
        return status, headers, json.loads(said)

    def text(self, name: str, sender: str = "+15550100", size: int = 0) -> int:
        """Push a text of that id; the status."""
        return self.push(Text(name, sender, f"{name} {'x' * size}").body)[0]

    def texts(self, *names: str) -> None:
        """Push texts of different senders, all of which have to be taken."""
        for n, name in enumerate(names):
            assert self.text(name, f"+1555{n:07d}") == 200

    def wait_delivered(self, count: int) -> None:
        """That many texts have arrived, each once, and every result is recorded."""
        until(
            lambda: len(self.receiver.times) >= count,
            lambda: f"{count} texts arrive, not {len(self.receiver.times)}",
        )
        until(lambda: not self.service.count(NOT_DELIVERED), "every result is recorded")
        assert sorted(self.receiver.times.values()) == [1] * count

    def sound(self) -> bool:
        """Whether SQLite finds the file sound."""
        with self.service.looking() as db:
            return db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.fixture(scope="session")
def shared_receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def receiver(shared_receiver: Receiver) -> Receiver:
    """As new: whatever an earlier test's service still sends goes to nobody."""
    shared_receiver.forget()
    return shared_receiver


@pytest.fixture(scope="session")
def furnished(
    shared_receiver: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str, str, str]:
    """A data directory with a phone and an endpoint, the phone's token, and their ids."""
    service = Service(tmp_path_factory.mktemp("furnished") / "data")
    added = service.cli("endpoint", "add", shared_receiver.url, "--secret", SECRET)
    phone = service.cli("device", "add", "--name", "Phone", "--app", "generic")
    return service.directory, phone["token"], added["id"], phone["id"]


def furnish(
    directory: Path, notes: Path, receiver: Receiver, furnished: tuple[Path, str, str, str]
) -> Gateway:
    """A gateway that has not been started."""
    source, token, endpoint_id, device_id = furnished
    shutil.copytree(source, directory, dirs_exist_ok=True)
    directory.chmod(0o700)
    return Gateway(Service(directory, notes), receiver, token, endpoint_id, device_id)


@pytest.fixture
def still(
    tmp_path: Path, receiver: Receiver, furnished: tuple[Path, str, str, str]
) -> Iterator[Gateway]:
    """Not started yet; killed in the end, if it runs."""
    made = furnish(tmp_path / "data", tmp_path, receiver, furnished)
    yield made
    made.service.kill()


@pytest.fixture
def gateway(still: Gateway) -> Gateway:
    """Up and running."""
    still.service.start()
    return still
