"""Figures of the running service: written at a stop; a crash costs figures of a minute, no text."""

from __future__ import annotations

from tests.e2e.conftest import Gateway

TEXTS = "SELECT coalesce(sum(texts), 0) FROM text_hours WHERE device_id = ?"
TRIED = "SELECT coalesce(sum(delivered), 0) FROM endpoint_hours WHERE endpoint_id = ?"


def test_a_stop_writes_what_was_counted(gateway: Gateway) -> None:
    gateway.texts(*[f"text-{n}" for n in range(7)])
    gateway.wait_delivered(7)
    assert gateway.service.stop() == 0
    for device_id in ("", gateway.device_id):
        assert gateway.service.count(TEXTS, device_id) == 7
    assert gateway.service.count(TRIED, gateway.endpoint_id) == 7


def test_a_crash_costs_figures_and_no_text(gateway: Gateway) -> None:
    gateway.texts("before-1", "before-2")
    gateway.wait_delivered(2)
    gateway.service.stop()
    gateway.service.start()
    gateway.texts("lost-1", "lost-2", "lost-3")
    gateway.wait_delivered(5)
    gateway.service.kill()
    gateway.service.start()
    gateway.texts("after-1")
    gateway.wait_delivered(6)
    gateway.service.stop()
    assert gateway.service.count("SELECT count(*) FROM messages") == 6
    assert gateway.service.count(TEXTS, "") == 3  # a minute had not passed: three were in memory
