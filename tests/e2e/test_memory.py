"""What the service holds on to, by the kernel's count."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

from tests.e2e.conftest import Gateway
from tests.support.service import Service, ask

PASSWORD = "a long enough password"
MIB = 2**20


def resident(service: Service) -> int:
    """Bytes."""
    assert service.process is not None
    told = Path(f"/proc/{service.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", told)[1]) * 1024  # type: ignore[index]


def test_what_comparing_a_password_takes_is_given_back(tmp_path: Path) -> None:
    service = Service(tmp_path / "data", tmp_path)
    assert service.run("admin", "set-password", "--password", PASSWORD).returncode == 0
    service.start()
    try:
        host, port = service.admin
        headers = {
            "Origin": f"http://{host}:{port}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        form = urlencode({"password": PASSWORD}).encode()

        def log_in(_: int) -> int:
            return ask(service.admin, "POST", "/login", form, headers)[0]

        assert ask(service.admin, "GET", "/login")[0] == 200, "now the pages are loaded"
        before = resident(service)
        with ThreadPoolExecutor(2) as two:  # so that several threads have compared one
            assert set(two.map(log_in, range(8))) == {303}
        assert resident(service) - before < 8 * MIB  # one comparison takes 16
    finally:
        service.stop()


def test_pages_that_nobody_looks_at_are_not_loaded(gateway: Gateway) -> None:
    assert gateway.service.process is not None
    maps = Path(f"/proc/{gateway.service.process.pid}/maps")
    gateway.text("one")
    gateway.wait_delivered(1)
    assert "markupsafe" not in maps.read_text(), "which every template needs"
    assert ask(gateway.service.admin, "GET", "/login")[0] == 303, "nobody is set up"
    assert "markupsafe" in maps.read_text()


def test_what_one_thread_has_freed_is_there_for_the_others(gateway: Gateway) -> None:
    """glibc would reserve 64 MiB, from a multiple of that on, for each thread's own arena."""
    assert gateway.service.process is not None
    gateway.text("one")
    gateway.wait_delivered(1)
    ask(gateway.service.admin, "GET", "/login")
    maps = Path(f"/proc/{gateway.service.process.pid}/maps").read_text()
    assert len(list(Path(f"/proc/{gateway.service.process.pid}/task").iterdir())) > 2
    reserved = re.findall(r"^\w+-(\w+) ---p", maps, re.MULTILINE)
    assert reserved, "guards of stacks"
    assert [end for end in reserved if int(end, 16) % (64 * MIB) == 0] == []
