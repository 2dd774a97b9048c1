"""The receiver's check-up, for pages and API, and a finding as both they and `--json` have it."""

from __future__ import annotations

from typing import Any

from mmconnect.delivery.checkup import Check, check_up
from mmconnect.desk.desk import Desk
from mmconnect.domain.models import Endpoint


async def checked(desk: Desk, endpoint: Endpoint) -> list[Check]:
    """Every check in turn; takes as long as the receiver does. Raises StoreUnavailable."""
    found = [one async for one in check_up(desk.trials, endpoint, desk.clock.now())]
    desk.wake()  # a text that got through has ended a hold
    return found


def finding(check: Check) -> dict[str, Any]:
    """One finding."""
    return {
        "check": check.name,
        "ok": check.ok,
        "says": check.says,
        "remedy": check.remedy,
        "status": check.status,
        "ms": check.duration_ms,
        "deliveryId": check.delivery_id,
    }


def passed(found: list[Check]) -> bool:
    """Whether nothing was found wrong."""
    return all(check.ok is not False for check in found)
