"""The check-up from inside the service, as the pages will run it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmconnect.delivery.checkup import Check, check_up
from mmconnect.delivery.trials import Trials
from mmconnect.domain.models import EndpointState
from tests.support.inprocess import Appliance, FakeClock, appliance
from tests.support.receiver import answer, receiver


async def checks(box: Appliance, endpoint_id: str) -> dict[str, Check]:
    trials = Trials(box.database.write, box.sender, box.clock, box.ids)
    endpoint = box.watch.look().endpoints[endpoint_id]
    return {one.name: one async for one in check_up(trials, endpoint, box.clock.now())}


@pytest.mark.parametrize("state", list(EndpointState))
async def test_it_runs_beside_the_traffic_and_is_like_any_test(
    tmp_path: Path, state: EndpointState
):
    async with (
        appliance(tmp_path, clock=FakeClock()) as box,  # whose answers take no time
        receiver(default=answer(200)) as there,
    ):
        endpoint_id = await box.endpoint(there.url, state=state)
        found = await checks(box, endpoint_id)
        assert {name: one.ok for name, one in found.items()} == {
            "signed": True,
            "repeated": True,
            "forged": False,
            "quick": True,
        }
        assert len(there.arrivals) == 3
        paused = state is EndpointState.PAUSED  # a success ends a hold, not what a person wants
        after = EndpointState.PAUSED if paused else EndpointState.ACTIVE
        assert box.endpoint_row(endpoint_id).state is after
        assert {d.state for d in box.deliveries()} == {"delivered"}


async def test_a_410_to_a_test_holds_nothing(tmp_path: Path):
    async with appliance(tmp_path) as box, receiver(default=answer(410)) as there:
        endpoint_id = await box.endpoint(there.url)
        found = await checks(box, endpoint_id)
        assert found["signed"].ok is False
        assert box.endpoint_row(endpoint_id).state is EndpointState.ACTIVE
        assert len(there.arrivals) == 1
