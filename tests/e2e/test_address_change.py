"""This machine gets another address while phones push to the old one: a real process, in a network
namespace with real interfaces."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.support.netns import inside, interface, ip, needs_netns
from tests.support.phones import generic_json
from tests.support.receiver import free_port
from tests.support.service import Service, ask, until

OLD, NEW = "192.168.7.20", "192.168.7.77"


@needs_netns
def test_it_is_named_until_the_phone_has_been_told(tmp_path: Path):
    code = "from tests.e2e.test_address_change import _inside; _inside()"
    inside(code, str(tmp_path))


def _inside() -> None:
    ip("link", "set", "lo", "up")
    interface("docker0", "172.17.0.1/16")
    interface("wlan0", f"{OLD}/24")
    here = Path(sys.argv[1])
    service = Service(here / "data", here)
    port = free_port()
    try:
        service.start("--phone-listen", f"0.0.0.0:{port}")
        made = service.cli("device", "add", "--name", "Reception")
        assert made["pushUrl"].startswith(f"http://{OLD}:{port}/in/")
        service.cli("settings", "set", "alert_url", "http://127.0.0.1:9/")
        headers, body = generic_json()

        def push(address: str) -> int:
            path = f"/in/{made['token']}"
            return ask((address, port), "POST", path, body, headers)[0]

        def status() -> str:
            return service.page()

        def told() -> list[str]:
            found = service.cli("message", "list", "--events")
            return [e["note"] for e in found if "still pushes" in e["note"]]

        assert push(OLD) == 200
        ip("addr", "del", f"{OLD}/24", "dev", "wlan0")
        assert service.cli("device", "list")[0]["notes"] == [], "the Wi-Fi is away, no more"
        ip("addr", "add", f"{NEW}/24", "dev", "wlan0")
        until(lambda: f"http://{OLD}:{port}" in status(), status)
        until(lambda: len(told()) == 1, lambda: json.dumps(told()), every=0.3)
        (event,) = told()
        assert f"Reception still pushes to http://{OLD}:{port}" in event
        assert f"http://{NEW}:{port} now" in event
        assert made["token"] not in event
        (listed,) = service.cli("device", "list")
        assert listed["notes"][0] in event
        assert push(NEW) == 200
        until(lambda: f"http://{OLD}:{port}" not in status(), status)
        assert service.cli("device", "list")[0]["pushBase"] == f"http://{NEW}:{port}"
        assert made["token"] not in service.log_text()
    finally:
        service.kill()
