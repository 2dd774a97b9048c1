"""The certificate in use: renewed in time, when the machine moves, and never by a wrong clock;
whatever goes wrong, the last good one is served, and somebody is told."""

from __future__ import annotations

import logging
import shutil
import sys
from pathlib import Path

import pytest

from mmconnect.domain.errors import ConfigError
from mmconnect.service.tls import files, making
from mmconnect.service.tls.keeper import LOOK_AT_HOSTS, Brought, Keeper
from mmconnect.service.tls.names import Hosts, hosts
from tests.support.clocks import NOW, SetClock
from tests.support.https import HERE, made

DAY = 86_400
MOVED = hosts("reception", ["192.168.1.77", "fd00::20"])


class Told:
    """What is wrong at present."""

    def __init__(self) -> None:
        self.now: dict[str, str] = {}

    def begin(self, code: str, sentence: str, remedy: str) -> None:
        self.now[code] = f"{sentence} {remedy}"

    def end(self, code: str) -> None:
        self.now.pop(code, None)


class Bench:
    """A keeper, and what it depends on, to be changed at will."""

    def __init__(self, directory: Path, brought: Brought | None = None) -> None:
        self.directory, self.clock, self.told = directory, SetClock(), Told()
        self.hosts: Hosts = HERE
        self.trusted = True
        self.keeper = Keeper(
            directory, brought, self.told, self.clock, lambda: self.trusted, self.present
        )

    def present(self) -> Hosts:
        return self.hosts

    async def after(self, days: float = 0.0) -> None:
        """Look again when that many days and a look have passed."""
        self.clock.advance(days * DAY + LOOK_AT_HOSTS)
        await self.keeper.look()

    @property
    def written(self) -> list[str]:
        """The files in the data directory."""
        return [path.name for path in self.directory.iterdir()]

    @property
    def server(self) -> str:
        """Which certificate is in use."""
        assert self.keeper.server is not None
        return self.keeper.server.fingerprint

    @property
    def warning(self) -> str:
        return self.told.now.get("certificate", "")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(made(tmp_path, now=NOW))


@pytest.fixture
def no_library(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on: what the bench has was made before."""
    for name in [n for n in sys.modules if n.partition(".")[0] == "cryptography"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "cryptography", None)


async def test_without_a_certificate_there_is_none_and_nothing_is_wrong(tmp_path: Path):
    bench = Bench(tmp_path)
    await bench.after()
    assert bench.keeper.context is None
    assert bench.keeper.authority is None
    assert bench.told.now == {}
    assert bench.written == [], "nobody asked for one"


async def test_one_that_is_made_meanwhile_is_in_use_at_the_next_look(tmp_path: Path):
    bench = Bench(tmp_path)
    await bench.keeper.look()
    made(tmp_path, now=NOW)
    await bench.keeper.look()  # no time has passed
    assert bench.keeper.context is not None
    assert bench.keeper.authority == (tmp_path / "ca.pem").read_bytes()
    before, context = bench.server, bench.keeper.context
    made(tmp_path, now=NOW)
    await bench.keeper.look()
    assert bench.server != before
    assert bench.keeper.context is not context, "the old one never changes under a connection"


@pytest.mark.usefixtures("no_library")
async def test_what_another_process_is_in_the_midst_of_making_is_left_to_it(
    bench: Bench, tmp_path: Path
):
    new = tmp_path / "new"
    new.mkdir()
    keeper = Bench(new).keeper
    await keeper.look()
    shutil.copy(bench.directory / files.AUTHORITY_KEY, new)
    await keeper.look()
    assert (keeper.server, keeper._unrenewed) == (None, None)
    shutil.copy(bench.directory / files.SERVER, new)
    await keeper.look()
    assert keeper.server is not None
    assert keeper.server.fingerprint == bench.server


async def test_it_is_renewed_when_a_third_of_its_time_is_left(bench: Bench):
    first = bench.server
    ca = bench.keeper.authority
    await bench.after(days=397 * 2 / 3 - making.BACKDATED_DAYS - 1)
    assert bench.server == first
    await bench.after(days=1)
    assert bench.server != first
    assert bench.keeper.authority == ca
    assert bench.told.now == {}
    second = bench.server
    await bench.after()
    assert bench.server == second, "once is enough"


async def test_for_ten_years_and_then_it_is_said_that_the_authority_ends(bench: Bench):
    seen = {bench.server}
    for month in range(120):
        await bench.after(days=30)
        assert bench.keeper.server is not None
        assert bench.keeper.server.not_after > bench.clock.now()
        if month < 115:
            assert bench.told.now == {}, month
        seen.add(bench.server)
    assert 10 < len(seen) < 20
    assert "CA ends on 2036-" in bench.warning
    assert "--replace" in bench.warning
    made(bench.directory, now=bench.clock.now())
    await bench.keeper.look()
    assert bench.told.now == {}


async def test_a_new_address_is_in_the_certificate_at_the_next_look(bench: Bench):
    ca = bench.keeper.authority
    bench.hosts = MOVED
    await bench.keeper.look()
    assert bench.keeper.server is not None
    assert "192.168.1.77" in bench.keeper.server.addresses, "the first look is at everything"
    bench.hosts = hosts("reception", ["192.168.1.78"])
    bench.clock.advance(LOOK_AT_HOSTS - 1)
    await bench.keeper.look()
    assert "192.168.1.78" not in bench.keeper.server.addresses
    bench.clock.advance(1)
    await bench.keeper.look()
    assert "192.168.1.78" in bench.keeper.server.addresses
    assert bench.keeper.authority == ca
    bench.hosts = hosts("kitchen", ["192.168.1.77"])
    await bench.after()
    assert "kitchen.local" in bench.keeper.server.names


async def test_an_address_that_is_gone_is_no_reason(bench: Bench):
    """The cable is out, or the router is still starting."""
    first = bench.server
    bench.hosts = hosts("reception", [])
    await bench.after()
    assert bench.server == first


async def test_another_authority_signs_when_nobody_else_has_by_the_next_look(bench: Bench):
    """A crash between writing the one and the other."""
    first = bench.server
    key, certificate = making.make_authority("mmconnect CA other", NOW)
    files.write(bench.directory / files.AUTHORITY_KEY, key + certificate)
    await bench.keeper.look()
    assert bench.server == first
    await bench.keeper.look()  # sees the copy of the CA that it made itself
    await bench.keeper.look()  # no time has passed
    assert bench.keeper.authority == certificate
    assert bench.keeper.server is not None
    assert bench.keeper._authority is not None
    assert bench.keeper.server.issuer_key_id == bench.keeper._authority.key_id
    (bench.directory / files.SERVER).unlink()
    await bench.keeper.look()
    assert (bench.directory / files.SERVER).exists()


# -- clocks ---


async def test_a_clock_that_is_not_believed_renews_nothing(bench: Bench):
    first = bench.server
    bench.trusted = False
    for years in (30, -60):
        bench.clock.set_by(years * 365 * DAY)
        await bench.after()
        assert (bench.server, bench.told.now) == (first, {})
    bench.clock.set_by(30 * 365 * DAY)
    bench.trusted = True
    await bench.after()
    assert (bench.server, bench.told.now) == (first, {})


async def test_what_was_made_while_the_clock_was_ahead_is_made_again(bench: Bench):
    bench.clock.set_by(9 * 365 * DAY)
    bench.trusted, bench.hosts = False, MOVED
    await bench.after()
    ahead = bench.server
    bench.clock.set_by(-9 * 365 * DAY)
    bench.trusted = True
    await bench.after()
    assert bench.server != ahead
    assert bench.keeper.server is not None
    assert bench.keeper.server.not_before < bench.clock.now()


async def test_an_authority_of_the_future_is_told_and_signs_nothing_for_ever(tmp_path: Path):
    bench = Bench(made(tmp_path, now=NOW + 3 * 365 * DAY * 1000))
    first = bench.server
    await bench.after()
    await bench.after()
    assert "while the clock of this machine was ahead" in bench.warning
    assert bench.server == first


# -- what goes wrong ---


@pytest.mark.usefixtures("no_library")
async def test_without_the_library_the_last_one_is_served_and_somebody_told(
    bench: Bench, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.INFO)
    first = bench.keeper.context
    bench.hosts = MOVED
    for _ in range(4):
        await bench.after()
    assert bench.keeper.context is first
    assert "this machine is now also 192.168.1.77" in bench.warning
    assert "-m pip install cryptography" in bench.warning
    assert not caplog.records, "the warning is logged by who keeps it, once"
    bench.hosts = HERE
    await bench.after()
    assert bench.told.now == {}, "it moved back"


@pytest.mark.usefixtures("no_library")
async def test_the_end_comes_with_a_warning(bench: Bench):
    assert bench.keeper.server is not None
    (bench.directory / files.AUTHORITY_KEY).unlink()
    (bench.directory / files.AUTHORITY).unlink()
    left = (bench.keeper.server.not_after - NOW) / 1000 / DAY
    await bench.after(days=left - 15)
    assert bench.told.now == {}
    await bench.after(days=1)
    assert "HTTPS ends on 2027-" in bench.warning
    await bench.after(days=20)
    assert "HTTPS ended on 2027-" in bench.warning


async def test_files_that_are_damaged_leave_the_last_one_in_use(bench: Bench):
    first = bench.keeper.context
    (bench.directory / files.SERVER).write_bytes(b"nonsense")
    await bench.keeper.look()
    assert bench.keeper.context is first
    assert "holds no certificate" in bench.warning
    made(bench.directory, now=NOW)
    await bench.keeper.look()
    assert bench.keeper.context is not first
    assert bench.told.now == {}


async def test_a_disk_that_cannot_be_written_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    def full(path: Path, content: bytes) -> None:
        raise OSError(30, "Read-only file system")

    first = bench.server
    bench.hosts = MOVED
    with monkeypatch.context() as patch:
        patch.setattr(files, "write", full)
        await bench.after()
    assert bench.server == first
    assert "Read-only file system" in bench.warning
    await bench.after()
    assert bench.server != first
    assert bench.told.now == {}


# -- brought along ---


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Somebody's certificate, and in the data directory a CA that is not asked."""
    folder = made(tmp_path / "own", now=NOW)
    shutil.copy(folder / "server.pem", folder / "cert.pem")
    return folder


def bring(tmp_path: Path, own: Path) -> Bench:
    made(tmp_path / "data", now=NOW)
    return Bench(tmp_path / "data", Brought(certificate=own / "cert.pem", key=None))


async def test_what_is_brought_wins_and_is_read_again_when_told(tmp_path: Path, own: Path):
    bench = bring(tmp_path, own)
    assert bench.keeper.authority is None, "ours is of no use to phones then"
    first = bench.server
    made(own, now=NOW)
    shutil.copy(own / "server.pem", own / "cert.pem")
    bench.hosts = MOVED
    await bench.after(days=300)
    assert bench.server == first, "its owner renews it, and says when"
    bench.keeper.reload()
    assert bench.server != first


async def test_what_is_brought_and_no_good_leaves_the_one_before(tmp_path: Path, own: Path):
    bench = bring(tmp_path, own)
    first = bench.keeper.context
    good = (own / "cert.pem").read_bytes()
    for bad, says in ((b"", "no certificate"), (good[:-100], "is damaged")):
        (own / "cert.pem").write_bytes(bad)
        bench.keeper.reload()
        await bench.keeper.look()
        assert bench.keeper.context is first
        assert says in bench.warning
        assert "SIGHUP" in bench.warning
    (own / "cert.pem").write_bytes(good)
    bench.keeper.reload()
    await bench.keeper.look()
    assert bench.told.now == {}


async def test_the_end_of_what_is_brought_comes_with_a_warning(tmp_path: Path, own: Path):
    bench = bring(tmp_path, own)
    await bench.after(days=397 - making.BACKDATED_DAYS - 15)
    assert bench.told.now == {}
    await bench.after(days=1)
    assert "Renew it, then send SIGHUP" in bench.warning


def test_what_is_brought_has_to_be_good_at_the_start(tmp_path: Path):
    with pytest.raises(ConfigError, match="none cannot be read"):
        Bench(tmp_path, Brought(certificate=tmp_path / "none", key=None))
