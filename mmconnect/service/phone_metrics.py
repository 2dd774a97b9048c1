"""What `/metrics` tells of phones: when each was heard, whether it is silent, its battery.

By the device's id, with its name in a series of its own; never a phone number.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric

from mmconnect.domain.clock import Clock
from mmconnect.phones.facts import BATTERY
from mmconnect.phones.presence import Presences
from mmconnect.store.configuration import Look


class PhoneMetrics:
    """Asked when somebody scrapes."""

    def __init__(self, look: Look, presences: Presences, clock: Clock) -> None:
        self._look, self._presences, self._clock = look, presences, clock

    def families(self) -> Iterator[Metric]:
        """Every family; series of a removed device end."""
        labels = ["device"]
        heard = GaugeMetricFamily(
            "mmconnect_device_last_heard_seconds",
            "How long ago the phone last gave a sign of life; absent while it never has.",
            labels=labels,
        )
        silent = GaugeMetricFamily(
            "mmconnect_device_silent", "1 while the phone counts as silent.", labels=labels
        )
        battery = GaugeMetricFamily(
            "mmconnect_device_battery_percent",
            "Its battery as it last told; absent while it never has.",
            labels=labels,
        )
        info = InfoMetricFamily("mmconnect_device", "A phone's name.", labels=labels)
        for device in self._look().devices.values():
            if device.removed_at is not None:
                continue
            known = self._presences.of(device.id)
            if known.last_heard_at is not None:
                ago = max(0.0, (self._clock.now() - known.last_heard_at) / 1000)
                heard.add_metric([device.id], ago)
            silent.add_metric([device.id], known.silent_at is not None)
            level = known.facts.get(BATTERY)
            if isinstance(level, int):
                battery.add_metric([device.id], level)
            info.add_metric([device.id], {"name": device.name})
        yield from (heard, silent, battery, info)
