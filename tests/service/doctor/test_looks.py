"""What the doctor reads, read for real: kernel files, sockets, certificates, damaged databases."""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest

from mmconnect.delivery.dial import Dialer
from mmconnect.desk import kept_backups
from mmconnect.desk.doctor import Mark
from mmconnect.domain.clock import SystemClock
from mmconnect.domain.ids import first_at
from mmconnect.service.clock_sync import kernel_clock
from mmconnect.service.doctor import (
    asking,
    certificate,
    copies,
    directory,
    disk,
    firewall,
    hardware,
    sockets,
    speed,
    unit,
)
from mmconnect.service.doctor.patience import within
from mmconnect.service.tls import files, making
from mmconnect.service.tls.names import hosts
from mmconnect.store import inspection, migrate
from mmconnect.store.connection import connect
from mmconnect.store.inspection import Damaged
from mmconnect.store.preferences import Preferences
from mmconnect.webhook.addresses import parse
from tests.support.netns import inside, needs_netns

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
NOW = 1_781_274_720_000
DAY = 86_400_000


def tree(root: Path, **files: str) -> Path:
    """Files below a directory, as a kernel would show them; `__` is a slash."""
    for name, content in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


# -- disk ---


def test_room_on_a_real_disk(tmp_path: Path):
    space = disk.space(tmp_path)
    assert 0 < space.free <= space.size
    assert not space.read_only


@root_only
def test_a_full_disk_in_memory(tmp_path: Path):
    at = tmp_path / "small"
    at.mkdir()
    done = os.system(f"mount -t tmpfs -o size=1M tmpfs {at}")  # noqa: S605 (our own path)
    if done:
        pytest.skip("may not mount here")
    try:
        marks = [one.mark for one in disk.check(disk.space(at), disk.device(at, disk.mounts()))]
        assert marks == [Mark.PROBLEM, Mark.PROBLEM], "full, and in memory"
        (at / "fill").write_bytes(b"x" * disk.space(at).free)
        with pytest.raises(OSError, match="No space left"):
            speed.measure(at, SystemClock())
    finally:
        os.system(f"umount {at}")  # noqa: S605


def test_what_a_disk_is(tmp_path: Path):
    number = tmp_path.stat().st_dev
    numbers = f"{os.major(number)}:{os.minor(number)}"
    mounts = f"36 35 {numbers} / / rw,noatime shared:1 - ext4 /dev/mmcblk0p2 rw\n"
    card = tmp_path / "sys/devices/mmc/block/mmcblk0"
    tree(card, mmcblk0p2__partition="2\n", device__type="SD\n", device__life_time="0x01 0x0a\n")
    at = tmp_path / "sys/dev/block" / numbers
    at.parent.mkdir(parents=True)
    at.symlink_to(card / "mmcblk0p2")
    tree(tmp_path / "sys", fs__ext4__mmcblk0p2__errors_count="3\n")
    found = disk.device(tmp_path, mounts, tmp_path / "sys")
    assert found == disk.Device(kind="ext4", name="mmcblk0p2", card="SD", life=10, errors=3)
    assert disk.device(tmp_path, mounts, tmp_path / "none") == disk.Device(kind="ext4")
    assert disk.device(tmp_path, "", tmp_path / "sys") is None


def test_measuring_leaves_nothing_behind(tmp_path: Path):
    took = speed.measure(tmp_path, SystemClock())
    assert 1 <= len(took) <= speed.TIMES
    assert all(one >= 0 for one in took)
    assert list(tmp_path.iterdir()) == []


async def test_what_never_comes_back_is_left_behind():
    never, left = threading.Event(), []

    def hang() -> bool:
        left.append(threading.current_thread())
        return never.wait()

    try:
        with pytest.raises(TimeoutError):
            await within(1.0, hang)
        assert await within(60, lambda: 5) == 5
        with pytest.raises(ValueError, match="x"):
            await within(60, lambda: int("x"))
        assert all(thread.daemon for thread in left), "the process can end without it"
    finally:
        never.set()
    for thread in left:
        await asyncio.to_thread(thread.join)


# -- directory ---


@root_only
def test_somebody_elses_file(tmp_path: Path):
    tmp_path.chmod(0o700)
    (tmp_path / "mmconnect.db").touch(0o600)
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups" / "b.db").touch(0o600)
    (tmp_path / "lost+found").mkdir()
    itself, found = directory.look(tmp_path)
    assert [one.path.name for one in found] == ["backups", "mmconnect.db", "b.db"]
    (fine,) = directory.check(itself, found, me=0, service=None)
    assert fine.mark is Mark.OK
    os.chown(tmp_path / "backups" / "b.db", 65534, 65534)
    (told,) = directory.check(*directory.look(tmp_path), me=0, service=None)
    assert told.mark is Mark.PROBLEM
    assert "backups/b.db in it is somebody else's" in told.found
    os.chown(tmp_path / "backups" / "b.db", 0, 0)
    os.chown(tmp_path / "backups", 65534, 65534)
    (told,) = directory.check(*directory.look(tmp_path), me=0, service=None)
    assert "backups in it is somebody else's (nobody)" in told.found


def test_a_file_that_goes_while_it_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("mmconnect.db", "mmconnect.db-wal"):
        (tmp_path / name).touch(0o600)
    entry = directory._entry

    def gone(path: Path) -> directory.Entry:
        if path.name.endswith("-wal"):
            path.unlink()
        return entry(path)

    monkeypatch.setattr(directory, "_entry", gone)
    _, found = directory.look(tmp_path)
    assert [one.path.name for one in found] == ["mmconnect.db"]


def test_who_runs_a_process():
    assert directory.owner_of(os.getpid()) == os.geteuid()
    assert directory.owner_of(2**22 + 1) is None
    assert directory.user(3_999_999) == "user 3999999"


def test_copies_that_are_at_hand(tmp_path: Path):
    assert copies.at_hand(tmp_path) == []
    (tmp_path / "backups").mkdir()
    for n, name in enumerate(("mmconnect-1.db", "mmconnect-2.db", "before-schema-9.db", "x.part")):
        (tmp_path / "backups" / name).touch()
        os.utime(tmp_path / "backups" / name, (n, n))
    assert [one.name for one in copies.at_hand(tmp_path)] == [
        *("mmconnect-2.db", "mmconnect-1.db", "before-schema-9.db")
    ]


# -- database ---


@pytest.fixture
def database(tmp_path: Path) -> Path:
    file = tmp_path / "mmconnect.db"
    with closing(connect(file)) as db:
        migrate.migrate(db, file)
    return file


def test_a_backup_that_a_wrong_clock_has_named_is_not_the_last(database: Path):
    folder = database.parent / "backups"
    folder.mkdir()
    real, ahead = NOW - NOW % 1000 - DAY, NOW + 3650 * DAY
    for at in (real, ahead):
        (folder / kept_backups.name_at(at)).touch()
    found = copies.look(database.parent, Preferences(), None, NOW, anything=True)
    assert found.made == real


def test_a_whole_database(database: Path):
    for whole in (False, True):
        with inspection.opened(database) as db:
            assert inspection.damage(db, 60, whole=whole) == inspection.Damage()
            schema = inspection.schema(db)
            assert (schema.number, schema.foreign) == (schema.newest, ())
            assert inspection.in_flight(db) == {}
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                db.execute("DELETE FROM settings")
    assert [one.name for one in database.parent.iterdir()] == ["mmconnect.db"], "nothing beside it"


def test_an_empty_log_says_nothing_of_who_works_with_the_database(database: Path):
    values = "SELECT count(*) FROM settings WHERE name = 'site_name'"
    with closing(connect(database)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert database.with_name("mmconnect.db-wal").stat().st_size == 0
        with inspection.opened(database) as seen:
            assert seen.execute(values).fetchone() == (0,)
            db.execute("INSERT INTO settings (name, value) VALUES ('site_name', '\"A\"')")
            db.execute("PRAGMA wal_checkpoint(PASSIVE)")
            assert seen.execute(values).fetchone() == (1,), "pages change while they are looked at"


def test_nothing_that_comes_after_the_look_is_interrupted():
    class Slow:
        """A connection whose look ends just when its time does."""

        def __init__(self) -> None:
            self.begun, self.ended = threading.Event(), threading.Event()

        def execute(self, words: str) -> list[tuple[str]]:
            assert self.begun.wait(30)
            return [("ok",)]

        def interrupt(self) -> None:
            self.begun.set()
            time.sleep(0.2)  # as a thread that others keep from going on
            self.ended.set()

    slow = Slow()
    assert inspection.damage(cast("sqlite3.Connection", slow), 0.0) == inspection.Damage()
    assert slow.ended.is_set()


def test_texts_that_should_be_in_a_backup(database: Path):
    with closing(sqlite3.connect(database)) as db:
        db.execute(
            "INSERT INTO messages (id, kind, sender, text, received_at, test, duplicates)"
            " VALUES (?, 'sms', '1', 'x', ?, 0, 0)",
            (first_at("msg_", NOW), NOW),
        )
        for since, until, came in (
            (0, NOW + 1, True),
            (NOW, NOW + 1, True),
            (NOW + 1, NOW + DAY, False),
            (0, NOW, False),
            (0, -5, False),
        ):
            assert inspection.came_between(db, since, until) is came


def test_a_torn_page_is_found(database: Path):
    content = bytearray(database.read_bytes())
    assert len(content) > 40 * 2048
    content[20 * 2048 : 40 * 2048] = os.urandom(20 * 2048)
    database.write_bytes(content)
    with inspection.opened(database) as db:
        found = inspection.damage(db, 60)
    assert 1 <= len(found.first) <= 5
    assert "in database" not in found.first[0]


def test_a_row_without_its_like_is_found_by_the_thorough_look_alone(database: Path):
    with closing(sqlite3.connect(database)) as db, db:
        db.execute("INSERT INTO device_tokens VALUES ('t', 'dev_gone', 1, NULL)")
    with inspection.opened(database) as db:
        assert inspection.damage(db, 60) == inspection.Damage()
        found = inspection.damage(db, 60, whole=True)
    assert found.first == ("a row of device_tokens refers to none of devices",)


def test_what_is_no_database_is_told(database: Path):
    database.write_bytes(b"x" * 8192)
    with pytest.raises(Damaged, match="not an SQLite database"), inspection.opened(database):
        pass


def test_a_look_that_takes_too_long_ends(tmp_path: Path):
    file = tmp_path / "large.db"
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("CREATE TABLE t (a)")
        db.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)"
            " INSERT INTO t SELECT randomblob(100) FROM n"
        )
    with inspection.opened(file) as db:
        assert inspection.damage(db, 0.0) == inspection.Damage(finished=False)


def test_what_somebody_has_put_into_the_database(database: Path):
    with closing(sqlite3.connect(database)) as db, db:
        db.execute("CREATE TRIGGER spy AFTER INSERT ON messages BEGIN SELECT 1; END")
    with inspection.opened(database) as db:
        assert inspection.schema(db).foreign == ("spy",)


# -- sockets ---


def test_who_listens_where():
    with socket.socket() as one, socket.socket(socket.AF_INET6) as six:
        one.bind(("127.0.0.1", 0))
        six.bind(("::1", 0))
        one.listen()
        six.listen()
        for sock, host in ((one, "127.0.0.1"), (six, "::1")):
            port = sock.getsockname()[1]
            own = (port, parse(host))
            (found,) = [s for s in sockets.listening() if (s.port, s.address) == own]
            assert found.is_in_the_way(host, port)
            (who,) = sockets.owners([found.inode]).values()
            assert who.endswith(f"(pid {os.getpid()})")


def test_nothing_is_known_where_the_kernel_does_not_tell(tmp_path: Path):
    assert sockets.listening(tmp_path) == []
    assert sockets.owners([5], tmp_path) == {}


async def test_asking_a_listener_that_says_nothing_and_one_that_is_not_there():
    dialer = Dialer(asyncio.get_running_loop())
    silent = socket.create_server(("127.0.0.1", 0))
    port = silent.getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asking, "PATIENCE", 0.3)
        told = await asking.get(dialer, f"http://127.0.0.1:{port}/healthz")
    assert (told.status, told.trouble) == (None, "it took the connection, but does not answer")
    assert told.taken
    silent.close()
    told = await asking.get(dialer, f"http://127.0.0.1:{port}/healthz")
    assert told.status is None
    assert told.trouble
    assert not told.taken


PUBLIC = """
import asyncio, socket, threading
from mmconnect.delivery.dial import Dialer
from mmconnect.service.doctor import asking
from tests.support.netns import interface, ip

ip("link", "set", "lo", "up")
interface("lan0", "203.0.113.5/24", "169.254.7.7/16")
server = socket.create_server(("0.0.0.0", 8481))

def answer():
    while True:
        taken, _ = server.accept()
        taken.recv(9999)
        taken.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")

threading.Thread(target=answer, daemon=True).start()

async def main():
    dialer = Dialer(asyncio.get_running_loop())
    for host in ("203.0.113.5", "169.254.7.7"):
        print((await asking.get(dialer, f"http://{host}:8481/healthz")).status)

asyncio.run(main())
"""


@needs_netns
def test_this_machines_own_addresses_may_be_any():
    assert inside(PUBLIC).split() == ["200", "200"], "the rule for texts is not meant here"


# -- certificate ---


def test_certificates_as_they_lie_there(tmp_path: Path):
    here = hosts("pi", ["192.168.1.5"])
    assert certificate.look(tmp_path, None, in_use=False) == certificate.Papers(
        file=tmp_path / "server.pem"
    )
    files.create(tmp_path, "CA", here, NOW, replace=False)
    papers = certificate.look(tmp_path, None, in_use=False)
    for at, mark in ((NOW + DAY, Mark.OK), (NOW + 5000 * DAY, Mark.PROBLEM)):
        found = list(certificate.check(papers, here, at, running=False, can_make=True))
        assert {one.mark for one in found} == {mark}
    moved = hosts("pi", ["192.168.1.6"])
    (told,) = certificate.check(papers, moved, NOW + DAY, running=False, can_make=True)
    assert "It is not for 192.168.1.6," in told.found
    for name in ("server.pem", "ca.pem"):
        (tmp_path / name).write_bytes(b"no certificate")
        papers = certificate.look(tmp_path, None, in_use=False)
        assert (papers.fault or "").startswith(f"{tmp_path / name}: it holds no certificate")
        assert (papers.unread, papers.authority_whole) == (False, True)
    (tmp_path / "ca.key").write_bytes(b"no key")
    assert not certificate.look(tmp_path, None, in_use=False).authority_whole
    (tmp_path / "ca.pem").unlink()
    (tmp_path / "ca.pem").mkdir()
    papers = certificate.look(tmp_path, None, in_use=False)
    assert (papers.fault, papers.unread) == (f"{tmp_path / 'ca.pem'}: Is a directory", True)
    file = tmp_path / "server.pem"  # in the place of the data directory
    assert certificate.look(file, None, in_use=False).fault is None


def test_a_certificate_with_another_ones_key(tmp_path: Path):
    for n in "ab":
        (tmp_path / n).mkdir()
        files.create(tmp_path / n, "CA", hosts("pi", []), NOW, replace=False)
    theirs, key = tmp_path / "a" / "server.pem", tmp_path / "b" / "server.pem"
    look = certificate.look(tmp_path, theirs, key, in_use=False)
    assert "is not that of the certificate" in (look.fault or "")
    (told,) = certificate.check(look, hosts("pi", []), NOW, running=False, can_make=True)
    assert told.mark is Mark.PROBLEM
    assert certificate.look(tmp_path, theirs, key, in_use=True).fault is None
    assert making.make_authority is not None


# -- machine ---


def test_a_pi_that_tells_everything(tmp_path: Path):
    proc = tree(
        tmp_path / "proc",
        meminfo="MemTotal:        948304 kB\nMemFree:  1 kB\nMemAvailable:     512000 kB\n",
        vmstat="nr_free 3\noom_kill 2\n",
    )
    sys = tree(
        tmp_path / "sys",
        class__thermal__thermal_zone0__temp="48312\n",
        class__thermal__thermal_zone1__temp="51000\n",
    )
    at = sys / "devices/platform/soc/soc:firmware"
    at.mkdir(parents=True)
    (at / "get_throttled").write_text("50005\n")
    assert hardware.look(proc, sys) == hardware.Vitals(
        memory=512000 * 1024, of=948304 * 1024, killed=2, hottest=51.0, throttled=0x50005
    )


def test_a_pi_with_a_sensor_alone_and_a_machine_that_tells_nothing(tmp_path: Path):
    sys = tree(
        tmp_path / "sys", class__hwmon__hwmon1__name="rpi_volt\n", class__hwmon__hwmon0__name="x\n"
    )
    for alarm, bits in (("0\n", 0), ("1\n", 1)):
        (sys / "class/hwmon/hwmon1/in0_lcrit_alarm").write_text(alarm)
        assert hardware.look(tmp_path, sys).throttled == bits
    assert hardware.look(tmp_path / "none", tmp_path / "none") == hardware.Vitals()


def test_the_kernels_word_on_this_machines_clock():
    found = kernel_clock()
    assert found.error is None or found.error >= 0


# -- systemd ---


def test_systemd_is_asked_for_the_machine_and_then_for_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(unit, "SYSTEMD", tmp_path)
    program = tmp_path / "systemctl"
    monkeypatch.setattr("shutil.which", lambda name, path: str(program))
    program.write_text(
        "#!/bin/sh\ncase $1 in --user) echo LoadState=loaded; echo NRestarts=4;;"
        " *) echo LoadState=not-found;; esac\n"
    )
    program.chmod(0o755)
    assert unit.ask() == {"LoadState": "loaded", "NRestarts": "4"}
    program.write_text("#!/bin/sh\n[ $1 = show ] && echo LoadState=loaded && echo A=x=y\n")
    assert unit.ask() == {"LoadState": "loaded", "A": "x=y"}
    program.write_text("#!/bin/sh\nexit 1\n")
    assert unit.ask() is None
    monkeypatch.setattr(unit, "SYSTEMD", tmp_path / "none")
    program.write_text("#!/bin/sh\necho LoadState=loaded\n")
    assert unit.ask() is None, "systemd is installed, and does not run this machine"


# -- firewall ---

CLOSED = """
table inet filter {
  chain lan {
    %s
  }
  chain input {
    type filter hook input priority 0; policy drop;
    iif lo accept
    ct state established,related accept
    ip protocol icmp accept
    meta l4proto { icmp, ipv6-icmp } accept
    udp dport 8481 accept
    tcp dport { 22, 8490-8499 } accept
    %s
  }
}
"""


@pytest.mark.apt
@needs_netns
@pytest.mark.parametrize(
    ("first", "second", "away"),
    [
        ("", "", True),
        ("tcp dport 8481 accept", "", False),
        ("tcp dport 8480-8482 accept", "", False),
        ("ip saddr 192.168.0.0/16 accept", "", False),
        ("ip saddr 192.168.0.0/16 jump lan", "tcp dport 8481 accept", False),
        ("jump lan", "tcp dport 8480 accept", True),
        ("tcp dport vmap { 8481 : accept }", "", False),
        ("iif != lo tcp dport 8481 drop; accept", "", True),
        ("ip saddr 192.168.1.7 tcp dport 8481 drop; accept", "", False),
        ("tcp dport 8481 reject; tcp dport 8481 accept", "", True),
    ],
)
def test_rules_as_nft_tells_them(first: str, second: str, away: bool):
    rules = CLOSED % (second, first)
    code = (
        "import subprocess, sys; from mmconnect.service.doctor import firewall\n"
        "subprocess.run(['nft', '-f', '-'], input=sys.argv[1].encode(), check=True)\n"
        "print(firewall.turned_away(firewall.read(), 8481))"
    )
    if not any((Path(at) / "nft").exists() for at in ("/usr/sbin", "/sbin", "/usr/bin")):
        pytest.skip("there is no nft: apt install nftables")
    assert inside(code, rules).strip() == str(away)


def rule(*expressions: dict[str, object], chain: str = "input") -> dict[str, object]:
    """A rule as `nft -j` gives it."""
    return {"rule": {"family": "inet", "table": "f", "chain": chain, "expr": list(expressions)}}


def chain(policy: str) -> dict[str, object]:
    return {
        "chain": {
            "family": "inet",
            "table": "f",
            "name": "input",
            "type": "filter",
            "hook": "input",
            "policy": policy,
        }
    }


def dport(right: object, protocol: str = "tcp") -> dict[str, object]:
    left = {"payload": {"protocol": protocol, "field": "dport"}}
    return {"match": {"op": "==", "left": left, "right": right}}


def iif(op: str) -> dict[str, object]:
    return {"match": {"op": op, "left": {"meta": {"key": "iif"}}, "right": "lo"}}


TO_X: dict[str, object] = {"jump": {"target": "x"}}
FROM: dict[str, object] = {
    "match": {
        "op": "==",
        "left": {"payload": {"protocol": "ip", "field": "saddr"}},
        "right": "192.168.1.7",
    }
}
ACCEPT: dict[str, object] = {"accept": None}
DROP: dict[str, object] = {"drop": None}
COUNT: dict[str, object] = {"counter": {"packets": 0, "bytes": 0}}


@pytest.mark.parametrize(
    ("rules", "away"),
    [
        ([], False),
        ([chain("accept")], False),
        ([chain("drop")], True),
        ([chain("accept"), rule(COUNT, DROP)], True),
        ([chain("accept"), rule(dport(23), DROP)], False),
        ([chain("drop"), rule(ACCEPT)], False),
        ([chain("drop"), rule(dport(8481), COUNT, ACCEPT)], False),
        ([chain("drop"), rule(dport({"set": [22, {"range": [8480, 8490]}]}), ACCEPT)], False),
        ([chain("drop"), rule(dport(8481, "udp"), ACCEPT)], True),
        ([chain("drop"), rule(dport(8480), ACCEPT)], True),
        ([chain("drop"), rule({"jump": {"target": "x"}}), rule(ACCEPT, chain="x")], False),
        ([chain("drop"), rule({"jump": {"target": "input"}})], True),
        ([chain("drop"), rule({"xt": None}, ACCEPT)], False),
        ([chain("accept"), rule(dport(8481), COUNT, DROP)], True),
        ([chain("accept"), rule(dport({"range": [8000, 9000]}), {"reject": None})], True),
        ([chain("accept"), rule(dport("@ports"), DROP)], False),
        ([chain("accept"), rule(dport(8481, "udp"), DROP)], False),
        ([chain("accept"), rule(iif("!="), dport(8481), DROP)], True),
        ([chain("accept"), rule(iif("=="), dport(8481), DROP)], False),
        ([chain("accept"), rule(iif("=="), ACCEPT), rule(dport(8481), DROP)], True),
        ([chain("accept"), rule(dport(8481), ACCEPT), rule(DROP)], False),
        ([chain("accept"), rule(FROM, ACCEPT), rule(dport(8481), DROP)], False),
        ([chain("accept"), rule(FROM, dport(8481), DROP)], False),
        ([chain("accept"), rule({"xt": None}, dport(8481), DROP)], False),
        ([chain("accept"), rule(TO_X), rule(dport(8481), DROP, chain="x")], True),
        ([chain("accept"), rule(FROM, TO_X), rule(dport(8481), DROP, chain="x")], False),
        (
            [
                *(chain("accept"), rule(TO_X)),
                *(rule(FROM, {"return": None}, chain="x"), rule(DROP, chain="x")),
            ],
            False,
        ),
        ([chain("drop"), rule(iif("=="), TO_X), rule(ACCEPT, chain="x")], True),
    ],
)
def test_whether_phones_are_turned_away(rules: list[dict[str, object]], away: bool):
    assert firewall.turned_away(rules, 8481) is away


def test_what_is_said_of_the_firewall():
    def told(rules: firewall.Rules | None, *, ufw=False, root=True, reached=False):
        (found,) = firewall.check(rules, {8481: "phones"}, ufw=ufw, root=root, reached=reached)
        return found

    assert told([]).found == "It turns nothing away."
    assert told([chain("accept"), rule(ACCEPT)]).found == "It turns nothing away."
    assert told([chain("accept"), rule(dport(23), DROP)]).found == "It lets the ports in."
    named = told([chain("accept"), rule(dport(8481), DROP)])
    assert (named.mark, named.found) == (Mark.PROBLEM, "A rule of it turns away 8481 (phones).")
    assert "insert rule" in (named.remedy or "")
    assert told([chain("drop"), rule(ACCEPT)]).found == "It lets the ports in."
    closed = told([chain("drop")])
    assert closed.mark is Mark.PROBLEM
    assert "8481 (phones)" in closed.found
    assert "nft insert rule inet f input tcp dport 8481 accept" in (closed.remedy or "")
    assert "ufw allow 8481/tcp" in (told([chain("drop")], ufw=True).remedy or "")
    assert told([chain("drop")], reached=True).mark is Mark.NOTE
    assert told(None, root=False).mark is Mark.SKIPPED
    assert "sudo mmconnect doctor" in (told(None, root=False).remedy or "")
    assert told(None, root=True).remedy is None


def test_whether_ufw_is_on(tmp_path: Path):
    file = tmp_path / "ufw.conf"
    assert not firewall.ufw_is_on(file)
    file.write_text("# on?\nENABLED=no\n")
    assert not firewall.ufw_is_on(file)
    file.write_text("ENABLED=yes\n")
    assert firewall.ufw_is_on(file)
