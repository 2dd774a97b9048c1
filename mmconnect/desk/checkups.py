"""A receiver's check-up, run for whoever asks, and its last report kept until the service ends."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from mmconnect.delivery.checkup import Check, check_up
from mmconnect.desk.desk import Desk
from mmconnect.domain.models import Endpoint

_MOST = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a check-up has found."""

    at: int
    """When it was made (UTC ms)."""
    findings: tuple[Check, ...]

    def as_json(self) -> dict[str, Any]:
        """As the API has it."""
        return {
            "ok": all(one.ok is not False for one in self.findings),
            "checks": [
                {
                    "check": one.name,
                    "ok": one.ok,
                    "says": one.says,
                    "remedy": one.remedy,
                    "status": one.status,
                    "ms": one.duration_ms,
                    "deliveryId": one.delivery_id,
                }
                for one in self.findings
            ],
        }


class Reports:
    """The last report of each endpoint."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Report] = OrderedDict()

    async def make(self, desk: Desk, endpoint: Endpoint) -> Report:
        """Run a check-up, as long as it takes. Raises StoreUnavailable."""
        now = desk.clock.now()
        found = tuple([one async for one in check_up(desk.trials, endpoint, now)])
        await desk.refresh()  # a test that is taken ends a hold
        desk.wake()
        report = self._kept[endpoint.id] = Report(at=now, findings=found)
        self._kept.move_to_end(endpoint.id)
        if len(self._kept) > _MOST:
            self._kept.popitem(last=False)
        return report

    def get(self, endpoint_id: str) -> Report | None:
        """The last one, if there was any."""
        return self._kept.get(endpoint_id)
