"""What each look of the doctor makes of what it sees: which mark, and what to do."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from mmconnect import config
from mmconnect.desk.doctor import Finding, Mark
from mmconnect.domain.models import Endpoint, EndpointState, Numbers
from mmconnect.service.clock_sync import ClockState, KernelClock, Standing
from mmconnect.service.doctor import (
    certificate,
    clock,
    copies,
    database,
    directory,
    disk,
    hardware,
    lan,
    ports,
    receivers,
    speed,
    unit,
    versions,
    work,
)
from mmconnect.service.doctor.asking import Answer
from mmconnect.service.doctor.sockets import Listening
from mmconnect.service.lock import Running
from mmconnect.service.tls.names import Hosts
from mmconnect.service.tls.reading import Certificate
from mmconnect.store.backlog import Backlog
from mmconnect.store.health import StoredHealth
from mmconnect.store.inspection import Damage, Schema
from mmconnect.webhook.addresses import parse
from mmconnect.webhook.outcome import Trouble

NOW = 1_781_274_720_000
MINUTE, DAY = 60_000, 86_400_000
GOOD = KernelClock(synchronised=True, error=35_000)
BAD = KernelClock(synchronised=False, error=16_000_000)


def told(found: Finding | Iterable[Finding]) -> list[tuple[Mark, str]]:
    """Mark and words of findings; each that is not well has a remedy, or was not looked at."""
    several = [found] if isinstance(found, Finding) else list(found)
    for one in several:
        assert one.found.endswith((".", ")")), one
        assert one.mark is not Mark.PROBLEM or one.remedy, one
        assert one.remedy is None or one.remedy.endswith((".", "?", ")")), one
    return [(one.mark, f"{one.found} → {one.remedy}") for one in several]


def only(found: Finding | Iterable[Finding], mark: Mark, *parts: str) -> None:
    """There is one finding, with that mark, and these words."""
    ((seen, words),) = told(found)
    assert (seen, [part for part in parts if part not in words]) == (mark, []), words


# -- clock ---


def test_a_clock_that_the_kernel_keeps_says_how_right_it_is():
    only(clock.check(NOW, GOOD, trusted=False, last_ran=None), Mark.OK, "within 35 ms")


def test_a_clock_of_which_nothing_is_known_is_told_with_the_way_to_mend_it():
    found = clock.check(NOW, BAD, trusted=False, last_ran=NOW)
    only(found, Mark.NOTE, "not known", "timedatectl set-ntp true", "clock_trusted", "expires")
    assert "timedatectl" not in found.found, "what to do is the remedy's"
    assert "expires" not in (found.remedy or ""), "what follows is no remedy"


def test_a_clock_that_cannot_be_right_is_a_problem():
    only(clock.check(1_000, GOOD, trusted=True, last_ran=None), Mark.PROBLEM, "before 2025")
    found = clock.check(NOW, BAD, trusted=True, last_ran=NOW + DAY)
    only(found, Mark.PROBLEM, "behind the time at which mmconnect last ran")


def test_the_owners_word_and_the_services_own_knowledge_count():
    only(clock.check(NOW, BAD, trusted=True, last_ran=None), Mark.OK, "clock_trusted")
    agrees = Standing(state=ClockState.AGREES)
    only(clock.check(NOW, BAD, trusted=False, last_ran=None, standing=agrees), Mark.OK, "agrees")


# -- disk ---

ROOM = disk.Space(free=50 * 2**30, size=60 * 2**30, files=10**6, read_only=False)
CARD = disk.Device(kind="ext4", name="mmcblk0p2", card="SD")


@pytest.mark.parametrize(
    ("space", "device", "mark", "part"),
    [
        (ROOM, CARD, Mark.OK, "50 GB of 60 GB are free on an SD card (mmcblk0p2)."),
        (replace(ROOM, free=200 * 2**20), CARD, Mark.NOTE, "Only 200 MB"),
        (replace(ROOM, free=15 * 2**20), CARD, Mark.PROBLEM, "Only 15 MB"),
        (replace(ROOM, files=3), CARD, Mark.PROBLEM, "3 more files"),
        (replace(ROOM, files=None), None, Mark.OK, "are free."),
        (replace(ROOM, read_only=True), CARD, Mark.PROBLEM, "only be read"),
    ],
)
def test_room_on_the_disk(space: disk.Space, device: disk.Device | None, mark: Mark, part: str):
    only(disk.check(space, device), mark, part)


@pytest.mark.parametrize(
    ("device", "mark", "part"),
    [
        (disk.Device(kind="tmpfs"), Mark.PROBLEM, "in memory"),
        (disk.Device(kind="nfs4"), Mark.PROBLEM, "network share"),
        (disk.Device(kind="overlay"), Mark.NOTE, "container"),
        (replace(CARD, errors=2), Mark.PROBLEM, "noted errors (2"),
        (replace(CARD, card="MMC", life=0x0A), Mark.NOTE, "an eMMC (mmcblk0p2)"),
    ],
)
def test_the_kind_of_disk(device: disk.Device, mark: Mark, part: str):
    first, second = told(disk.check(ROOM, device))
    assert first[0] is Mark.OK
    assert second[0] is mark
    assert part in second[1]


def test_a_sound_emmc_is_nothing_to_tell_of():
    only(disk.check(ROOM, replace(CARD, card="MMC", life=0x08)), Mark.OK)


@pytest.mark.parametrize(
    ("took", "mark", "part"),
    [
        ([0.002, 0.003, 0.004], Mark.OK, "3.0 ms, 4.0 ms at the worst: as quick as a good SSD"),
        ([0.06] * 20, Mark.OK, "as a sound SD card"),
        ([0.06] * 19 + [4.0], Mark.NOTE, "60.0 ms, 4,000 ms at the worst: usually quick"),
        ([0.25] * 8, Mark.NOTE, "some 4 in a second"),
        ([1.2, 1.3], Mark.PROBLEM, "give up"),
    ],
)
def test_the_speed_of_the_disk(took: list[float], mark: Mark, part: str):
    only(speed.check(took), mark, part)


def test_a_disk_that_does_not_come_back_or_refuses():
    only(speed.too_long(15), Mark.PROBLEM, "within 15 s: it hangs")
    only(speed.failed("No space left on device"), Mark.PROBLEM, "No space left on device")


# -- directory ---

AT = Path("/data of mine")
TIDY = directory.Entry(path=AT, owner=1, mode=0o700)
FILE = directory.Entry(path=AT / "mmconnect.db", owner=1, mode=0o600)


@pytest.mark.parametrize(
    ("itself", "file", "me", "service", "mark", "part"),
    [
        (TIDY, FILE, 1, 1, Mark.OK, "nobody else"),
        (TIDY, FILE, 0, None, Mark.OK, "nobody else"),
        (TIDY, FILE, 2, 1, Mark.PROBLEM, "`sudo mmconnect doctor`"),
        (TIDY, FILE, 1, 0, Mark.PROBLEM, "the service runs as root"),
        (TIDY, replace(FILE, owner=0), 1, 1, Mark.PROBLEM, "mmconnect.db in it is somebody else's"),
        (TIDY, replace(FILE, mode=0o400), 1, 1, Mark.PROBLEM, "mmconnect.db may not be read and"),
        (replace(TIDY, mode=0o500), FILE, 1, 1, Mark.PROBLEM, "It may not be read and"),
        (replace(TIDY, mode=0o755), FILE, 1, 1, Mark.NOTE, "look into"),
        (
            *(replace(TIDY, mode=0o755), replace(FILE, mode=0o644)),
            *(1, 1, Mark.PROBLEM, "Other users of this machine can read mmconnect.db"),
        ),
        (replace(TIDY, mode=0o744), replace(FILE, mode=0o644), 1, 1, Mark.NOTE, "chmod 700"),
    ],
)
def test_whose_the_directory_is(
    itself: directory.Entry,
    file: directory.Entry,
    me: int,
    service: int | None,
    mark: Mark,
    part: str,
):
    found = list(directory.check(itself, [file], me=me, service=service))
    only(found, mark, part)
    if mark is not Mark.OK:
        assert "'/data of mine'" in (found[0].remedy or ""), "as a shell takes it"


# -- database ---


def judged(damage: Damage, *, whole: bool = False) -> Finding:
    return database.check(damage, 5 * 2**20, whole=whole, seconds=10, copies=[AT / "b.db"])


def test_the_database():
    only(judged(Damage()), Mark.OK, "5.0 MB", "every page was")
    only(judged(Damage(), whole=True), Mark.OK, "every page, index and reference")
    only(judged(Damage(finished=False)), Mark.NOTE, "in 10 s", "doctor --full")
    damaged = judged(Damage(first=("row 3 missing from index x",)))
    only(damaged, Mark.PROBLEM, "row 3 missing", "mmconnect restore FILE", "'/data of mine/b.db'")


@pytest.mark.parametrize(
    ("schema", "mark", "part"),
    [
        (Schema(number=7, newest=7), Mark.OK, "Schema 7"),
        (Schema(number=9, newest=7), Mark.PROBLEM, "newer mmconnect (schema 9; this one knows 7)"),
        (Schema(number=5, newest=7), Mark.NOTE, "The next start"),
        (Schema(number=0, newest=7), Mark.PROBLEM, "it is empty, or somebody else's. → If there"),
    ],
)
def test_the_version_of_the_data(schema: Schema, mark: Mark, part: str):
    only(database.version(schema, running=False), mark, part)


def test_a_database_that_cannot_be_opened_is_not_damaged():
    found = database.closed("unable to open database file")
    only(found, Mark.PROBLEM, "unable to open", "data directory")
    assert "restore" not in (found.remedy or "")


def test_what_works_in_the_database_by_itself():
    _, found = told(database.version(Schema(number=7, newest=7, foreign=("spy",)), running=True))
    assert found[0] is Mark.PROBLEM
    assert "spy" in found[1]


def test_logs_that_have_grown():
    gb = 2**30
    only(database.logs(2**20, 100 * 2**20, 30 * gb, {}), Mark.OK, "1.0 MB", "journal 100 MB")
    only(database.logs(65 * 2**20, 0, 30 * gb, {}), Mark.PROBLEM, "grown to 65 MB")
    only(database.logs(0, 4 * gb, 30 * gb, {}), Mark.NOTE, "vacuum-size")
    only(database.logs(0, 4 * gb, 60 * gb, {}), Mark.OK)
    only(database.logs(0, 0, 0, {"/var/log/syslog": 2 * gb}), Mark.NOTE, "/var/log/syslog", "2,048")


# -- ports and network ---

RUNNING = Running(pid=7, version="1.0", admin=["0.0.0.0:8480"], phone=["0.0.0.0:8481", "[::]:8481"])
YES = Answer(status=200)


def test_listeners_that_answer_and_one_that_does_not():
    sides = ports.sides(RUNNING, None)
    urls = [url for side in sides for url in side.urls]
    assert urls == [
        "http://127.0.0.1:8481/healthz",
        "http://[::1]:8481/healthz",
        "http://127.0.0.1:8480/healthz",
    ]
    fine = dict.fromkeys(urls, YES)
    only(ports.answered(sides, fine), Mark.OK, "phones at 0.0.0.0:8481, [::]:8481; admin side at")
    mute = fine | {urls[2]: Answer(trouble="Connect call failed")}
    first, second = told(ports.answered(sides, mute))
    assert (first[0], second[0]) == (Mark.PROBLEM, Mark.OK)
    assert "Admin side: http://127.0.0.1:8480 does not answer as it should (Connect" in first[1]
    wrong = fine | {urls[0]: Answer(status=404)}
    assert told(ports.answered(sides, wrong))[0] == (
        Mark.PROBLEM,
        "Phones: http://127.0.0.1:8481 does not answer as it should (it answers 404). → Look at the"
        " service's log, and start it anew.",
    )


def test_a_port_that_somebody_else_has():
    side = ports.Side(name="phones", flag="--phone-listen", at=("0.0.0.0:8481",))
    there = Listening(address=parse("127.0.0.1"), port=8481, inode=5)
    only(
        ports.free([side], [there], {5: "nginx (pid 12)"}),
        *(Mark.PROBLEM, "Port 8481 (phones) is taken by nginx (pid 12)", "--phone-listen"),
    )
    only(ports.free([side], [there], {}), Mark.PROBLEM, "another program")
    only(ports.free([side], [replace(there, port=8482)], {}), Mark.OK, "0.0.0.0:8481")


def test_where_it_would_listen_may_be_a_name():
    where = {"MMCONNECT_PHONE_LISTEN": "localhost:8581", "MMCONNECT_ADMIN_LISTEN": "no.invalid:85"}
    sides = ports.sides(None, config.settle({}, where, {}))
    there = Listening(address=parse("127.0.0.1"), port=8581, inode=5)
    taken, unknown, rest = told(ports.free(sides, [there], {}))
    assert (taken[0], unknown[0], rest[0]) == (Mark.PROBLEM, Mark.PROBLEM, Mark.OK)
    assert taken[1].startswith("Port 8581 (phones) is taken")
    assert unknown[1].startswith("Nobody knows the name no.invalid, ")
    assert "Write an address with --admin-listen" in unknown[1]
    long = {"MMCONNECT_PHONE_LISTEN": f"{'x' * 70}:8581"}
    assert ports.sides(None, config.settle({}, long, {}))[0].unknown == "x" * 70


@pytest.mark.parametrize(
    ("host", "theirs", "taken"),
    [
        ("0.0.0.0", "0.0.0.0", True),
        ("0.0.0.0", "192.168.1.5", True),
        ("192.168.1.5", "192.168.1.6", False),
        ("192.168.1.5", "0.0.0.0", True),
        ("192.168.1.5", "::", True),
        ("0.0.0.0", "::1", False),
        ("::1", "::1", True),
        ("::", "0.0.0.0", True),
        ("::1", "fd00::1", False),
    ],
)
def test_who_is_in_whose_way(host: str, theirs: str, taken: bool):
    there = Listening(address=parse(theirs), port=8481, inode=5)
    side = ports.Side(
        name="phones", flag="--x", at=(f"[{host}]:8481" if ":" in host else f"{host}:8481",)
    )
    marks = [mark for mark, _ in told(ports.free([side], [there], {}))]
    assert marks == [Mark.PROBLEM if taken else Mark.OK]


def test_addresses_of_the_machine():
    assert told(lan.addresses(["192.168.1.5", "2001:4860::5"])) == []
    only(lan.addresses([]), Mark.PROBLEM, "no address")
    both = ["192.168.1.5", "10.0.0.5"]
    assert told(lan.cut({}, both)) == []
    assert told(lan.cut({"172.17.0.1": "docker0"}, both)) == []
    only(lan.cut({both[0]: "eth0"}, both), Mark.NOTE, "eth0 (192.168.1.5) has no link", "Plug")
    gone = {both[0]: "eth0", both[1]: "eth0", "fd00::5": "wlan0"}
    only(lan.cut(gone, both), Mark.PROBLEM, "no network: eth0 (192.168.1.5, 10.0.0.5) has")
    only(lan.addresses(["203.0.113.5"]), Mark.NOTE, "anybody on the internet", "203.0.113.5")


def test_the_phones_port_on_each_address():
    urls = ["http://192.168.1.5:8481/healthz", "http://10.0.0.5:8481/healthz"]
    fine = dict.fromkeys(urls, YES)
    only(lan.answered(urls, fine, alone=False), Mark.OK, "http://10.0.0.5:8481.")
    mute = {urls[0]: YES, urls[1]: Answer(trouble="Connection refused")}
    only(
        lan.answered(urls, mute, alone=False),
        *(Mark.PROBLEM, "http://10.0.0.5:8481 does not answer", "Connection refused", "firewall"),
    )
    hangs = mute | {urls[1]: Answer(trouble="it does not answer", taken=True)}
    only(lan.answered(urls, hangs, alone=False), Mark.PROBLEM, "(it does not answer). → Look at")
    here = ["http://127.0.0.1:8481/healthz"]
    only(
        lan.answered(here, {here[0]: YES}, alone=True),
        *(Mark.NOTE, "on this machine alone (127.0.0.1)"),
    )
    assert told(lan.answered(here, {here[0]: YES}, alone=False)) == [], "there is no network"
    assert told(lan.answered([], {}, alone=False)) == []
    assert lan.is_alone(["127.0.0.1:8481", "[::1]:8481"])
    assert not lan.is_alone(["127.0.0.1:8481", "0.0.0.0:8481"])
    assert not lan.is_alone([])


def test_phones_that_are_heard_and_phones_that_are_not():
    page = "http://192.168.1.5:8481/healthz"
    heard = lan.Heard(phones=2, last=NOW - 3 * MINUTE, address="192.168.1.30")
    only(lan.heard(heard, NOW, 4, page), Mark.OK, "3 min ago from 192.168.1.30")
    never = lan.Heard(phones=1, last=None)
    only(lan.heard(never, NOW, 4, page), Mark.NOTE, "No phone was ever heard.", page, "isolation")
    only(lan.heard(never, NOW, 0, page), Mark.NOTE, "no other machine is seen")
    soon = replace(heard, last=NOW + MINUTE)
    only(lan.heard(soon, NOW, 4, page), Mark.OK, "A phone was heard 0 s ago")
    ahead = replace(heard, last=NOW + 3 * DAY)
    only(lan.heard(ahead, NOW, 4, page), Mark.NOTE, "since this machine's clock was set back")
    old = replace(heard, last=NOW - 3 * DAY)
    only(lan.heard(old, NOW, None, None), Mark.NOTE, "No phone was heard for 3 days")
    assert told(lan.heard(lan.Heard(phones=0, last=None), NOW, 0, page)) == []
    assert told(lan.heard(lan.Heard(phones=1, last=None, pulled=1), NOW, 0, page)) == []


def test_neighbours_are_counted_without_the_router():
    arp = (
        "IP address       HW type     Flags       HW address            Mask     Device\n"
        "192.168.1.1      0x1         0x2         aa:bb:cc:dd:ee:ff     *        wlan0\n"
        "192.168.1.30     0x1         0x2         aa:bb:cc:dd:ee:f0     *        wlan0\n"
        "192.168.1.31     0x1         0x0         00:00:00:00:00:00     *        wlan0\n"
    )
    routes = (
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
        "wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\n"
        "wlan0\t0001A8C0\t00000000\t0001\t0\t0\t600\t00FFFFFF\n"
    )
    assert lan.neighbours(arp, routes) == 1
    assert lan.neighbours(arp.splitlines()[0], routes) == 0


# -- receivers ---


def test_names_and_receivers():
    crm = receivers.Reached(endpoint="CRM", host="crm.example:443", named=True)
    home = receivers.Reached(endpoint="Home", host="192.168.1.9:80")
    assert [mark for mark, _ in told(receivers.check([crm, home]))] == [Mark.OK, Mark.OK]
    lost = replace(crm, trouble=Trouble.DNS, detail="Name or service not known")
    first, second = told(receivers.check([lost, home]))
    assert first[0] is Mark.PROBLEM
    assert "CRM (crm.example:443)" in first[1]
    assert "could not be resolved" in first[1]
    assert second[0] is Mark.OK
    refused = replace(home, trouble=Trouble.REFUSED)
    only(receivers.check([refused]), Mark.PROBLEM, "connection was refused", "Is the receiver")
    only(receivers.check([replace(refused, paused=True)]), Mark.NOTE, "It is paused")
    assert told(receivers.check([]))[0:] == []
    assert told(receivers.check([home], left=2))[1][0] is Mark.SKIPPED


# -- certificate ---

HOSTS = Hosts(names=("pi", "pi.local"), addresses=("192.168.1.5",))
SERVER = Certificate(
    subject="pi",
    not_before=NOW - DAY,
    not_after=NOW + 300 * DAY,
    names=HOSTS.names,
    addresses=HOSTS.addresses,
    key_id=b"s",
    issuer_key_id=b"a",
    fingerprint="AA",
)
CA = replace(SERVER, subject="CA", not_after=NOW + 3000 * DAY)
PAPERS = certificate.Papers(server=SERVER, authority=CA, file=Path("/d/server.pem"))
MENDED = certificate.Papers(file=PAPERS.file, fault="x is damaged", authority_whole=True)


@pytest.mark.parametrize(
    ("papers", "can_make", "mark", "part"),
    [
        (certificate.Papers(), True, Mark.OK, "There is none"),
        (PAPERS, True, Mark.OK, "Renewed by itself"),
        (PAPERS, False, Mark.NOTE, "cryptography"),
        (replace(PAPERS, fault="x is damaged"), True, Mark.PROBLEM, "x is damaged. → `mmconnect"),
        (replace(MENDED, authority_whole=False), True, Mark.PROBLEM, "create-ca --replace"),
        (MENDED, True, Mark.PROBLEM, "The next start makes a good one, and phones go on"),
        (MENDED, False, Mark.PROBLEM, "create-ca --replace"),
        (replace(MENDED, unread=True), True, Mark.PROBLEM, "See what is found of the data"),
        (replace(MENDED, brought=True), True, Mark.PROBLEM, "Put the right files there."),
        (
            *(replace(PAPERS, server=replace(SERVER, not_after=NOW + 3 * DAY)), True),
            *(Mark.NOTE, "/d/server.pem ends in 3 days"),
        ),
        (
            *(replace(PAPERS, server=replace(SERVER, not_after=NOW - 3 * DAY)), True),
            *(Mark.PROBLEM, "ended 3 days ago"),
        ),
        (
            *(replace(PAPERS, authority=replace(CA, not_after=NOW + 60 * DAY)), True),
            *(Mark.NOTE, "create-ca --replace"),
        ),
        (
            *(replace(PAPERS, server=replace(SERVER, not_before=NOW + DAY)), True),
            *(Mark.PROBLEM, "only from"),
        ),
        (
            *(replace(PAPERS, server=replace(SERVER, addresses=("10.0.0.1",))), True),
            *(Mark.NOTE, "It is not for 192.168.1.5,"),
        ),
        (replace(PAPERS, server=None), True, Mark.NOTE, "The next start makes it"),
        (
            *(certificate.Papers(server=SERVER, file=Path("/c.pem"), brought=True), False),
            *(Mark.OK, "Of your own"),
        ),
    ],
)
def test_the_certificate(papers: certificate.Papers, can_make: bool, mark: Mark, part: str):
    only(certificate.check(papers, HOSTS, NOW, running=False, can_make=can_make), mark, part)


# -- versions ---

PARTS = versions.Parts(
    python=(3, 13, 5),
    python_final=True,
    sqlite=(3, 53, 1),
    openssl=(3, 5, 0),
    tls="OpenSSL 3.5.0",
    bits=64,
    machine="aarch64",
)


@pytest.mark.parametrize(
    ("parts", "running", "part"),
    [
        (replace(PARTS, sqlite=(3, 40, 1)), None, "SQLite 3.40.1"),
        (replace(PARTS, openssl=(3, 0, 2)), None, "CVE-2022-3602"),
        (replace(PARTS, python_final=False), None, "test version"),
        (replace(PARTS, bits=32), None, "32-bit"),
        (PARTS, "0.0.1", "mmconnect 0.0.1"),
    ],
)
def test_parts_with_known_faults(parts: versions.Parts, running: str | None, part: str):
    first, last = told(versions.check(parts, running))
    assert (first[0], last[0]) == (Mark.NOTE, Mark.OK)
    assert part in first[1]


@pytest.mark.parametrize(
    ("version", "bad"),
    [
        ((3, 6, 23), False),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 1), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 53, 0), False),
    ],
)
def test_a_fault_that_was_mended_in_several_branches(version: tuple[int, ...], bad: bool):
    assert versions.FAULTS[0].has(version) is bad


def test_good_parts():
    only(versions.check(PARTS, None), Mark.OK, "SQLite 3.53.1, OpenSSL 3.5.0, aarch64")


# -- work ---

END = Endpoint(
    id="ep_1",
    name="CRM",
    url="http://h/",
    state=EndpointState.ACTIVE,
    numbers=Numbers.E164,
    events=frozenset({"message.received"}),
    held_class=None,
    held_reason=None,
    max_age=1_209_600,
    plain_headers=True,
    concurrency=64,
    secrets=(),
    created_at=NOW - DAY,
)
NOTHING = Backlog(waiting=0, oldest_due=None)
SOME = Backlog(waiting=3, oldest_due=NOW - 30 * MINUTE, oldest=NOW - 60 * MINUTE)
IDLE = work.Waits(endpoint=END, backlog=NOTHING, learnt=None, flying_since=None)
HELD = replace(
    END, state=EndpointState.HELD, held_class="not_reached", held_reason="Nothing listens there"
)
LEARNT = StoredHealth(
    not_reached=2, failing=(), refused=(), since=NOW - DAY, probes=3, probe_at=NOW
)


@pytest.mark.parametrize(
    ("waits", "running", "mark", "part"),
    [
        (IDLE, True, Mark.OK, "Nothing waits"),
        (
            *(replace(IDLE, endpoint=HELD, backlog=SOME, learnt=LEARNT), True),
            *(Mark.PROBLEM, "CRM is held: Nothing listens there. 3 texts wait, the oldest for 60"),
        ),
        (replace(IDLE, backlog=SOME), True, Mark.PROBLEM, "nothing is being sent"),
        (replace(IDLE, backlog=SOME, flying_since=NOW - 1000), True, Mark.OK, "3 texts wait"),
        (
            *(replace(IDLE, backlog=SOME, endpoint=replace(END, strict_order=True)), True),
            *(Mark.OK, "3 texts wait"),
        ),
        (replace(IDLE, backlog=replace(SOME, oldest_due=NOW - MINUTE)), True, Mark.OK, "3 texts"),
        (replace(IDLE, flying_since=NOW - 9 * MINUTE), True, Mark.PROBLEM, "under way for 9 min"),
        (replace(IDLE, backlog=SOME), False, Mark.NOTE, "when the service runs"),
        (
            *(replace(IDLE, endpoint=replace(END, state=EndpointState.PAUSED), backlog=SOME), True),
            *(Mark.NOTE, "endpoint resume ep_1"),
        ),
    ],
)
def test_deliveries(waits: work.Waits, running: bool, mark: Mark, part: str):
    only(work.deliveries([waits], NOW, running=running), mark, part)


def test_without_endpoints_and_phones():
    only(work.deliveries([], NOW, running=True), Mark.NOTE, "endpoint add")
    only(work.phones([]), Mark.NOTE, "device add")


# -- the machine ---

WELL = hardware.Vitals(memory=500 * 2**20, of=1000 * 2**20, killed=0, hottest=55.4, throttled=0)


@pytest.mark.parametrize(
    ("vitals", "mark", "part"),
    [
        (WELL, Mark.OK, "500 of 1,000 MB memory free, 55 °C, power supply good"),
        (hardware.Vitals(), Mark.SKIPPED, "from here"),
        (replace(WELL, memory=30 * 2**20), Mark.PROBLEM, "Only 30 MB of memory"),
        (replace(WELL, killed=2), Mark.NOTE, "2 programs were ended"),
        (replace(WELL, hottest=84.0), Mark.NOTE, "84 °C"),
        (replace(WELL, throttled=0x50005), Mark.PROBLEM, "voltage is too low"),
        (replace(WELL, throttled=0x50000), Mark.NOTE, "too low at times"),
        (replace(WELL, throttled=0x80008), Mark.NOTE, "too hot"),
    ],
)
def test_the_machine(vitals: hardware.Vitals, mark: Mark, part: str):
    only(hardware.check(vitals), mark, part)


KEPT = copies.Copies(made=NOW - DAY, away=None, anything=True, schedule="daily")
NONE = replace(KEPT, made=None)
OLD = replace(KEPT, made=NOW - 90 * DAY)
STICK = ("there is no folder /x", "Plug its disk in.")


@pytest.mark.parametrize(
    ("known", "mark", "part"),
    [
        (replace(NONE, anything=False), Mark.OK, "nothing to lose"),
        (NONE, Mark.OK, "the first is made in some minutes"),
        (replace(NONE, unsaved=True), Mark.NOTE, "by themselves (daily)"),
        (KEPT, Mark.OK, "24 h ago, on the disk of the data"),
        (replace(KEPT, away=NOW - DAY), Mark.OK, "24 h ago."),
        (replace(KEPT, away=NOW - 31 * DAY), Mark.OK, "24 h ago, on the disk of the data"),
        (OLD, Mark.OK, "90 days ago"),
        (replace(OLD, unsaved=True), Mark.NOTE, "90 days ago, although"),
        (replace(KEPT, obstacle=STICK), Mark.NOTE, "24 h ago. Another cannot be made: there is no"),
        (replace(NONE, anything=False, obstacle=STICK), Mark.NOTE, "none yet: there is no folder"),
        (replace(KEPT, schedule="off", obstacle=STICK), Mark.OK, "24 h ago."),
        (replace(NONE, schedule="off"), Mark.NOTE, "mmconnect backup FILE"),
        (replace(KEPT, schedule="off"), Mark.OK, "24 h ago."),
        (
            *(replace(KEPT, schedule="off", made=NOW - 31 * DAY), Mark.NOTE),
            "31 days ago, and none is made by itself",
        ),
    ],
)
def test_backups(known: copies.Copies, mark: Mark, part: str):
    only(copies.check(known, NOW), mark, part)


# -- service and systemd ---


def test_the_service():
    def said(running: Running | None, ready: Answer | None = None, *, starting: bool = False):
        return unit.service(running, starting=starting, ready=ready)

    body = json.dumps({"ready": False, "problems": {"disk": "Only 3 MB are free"}}).encode()
    only(said(RUNNING, Answer(status=200, body=b'{"problems": {}}')), Mark.OK, "(pid 7)")
    only(said(RUNNING, Answer(status=503, body=body)), Mark.PROBLEM, "Only 3 MB are free.")
    only(said(RUNNING, Answer(status=200, body=b"<html>")), Mark.PROBLEM, "cannot be read")
    only(said(RUNNING, Answer(trouble="timed out")), Mark.PROBLEM, "timed out")
    only(said(RUNNING, Answer(status=404)), Mark.PROBLEM, "it answers 404")
    only(said(None), Mark.PROBLEM, "does not run", "systemctl start mmconnect")
    only(said(None, starting=True), Mark.NOTE, "starting")


UNIT = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "running",
    "UnitFileState": "enabled",
    "NRestarts": "0",
    "WatchdogUSec": "1min",
}


@pytest.mark.parametrize(
    ("found", "running", "mark", "part"),
    [
        (None, True, Mark.SKIPPED, "systemd"),
        (UNIT, True, Mark.OK, "mmconnect.service is active (running)"),
        (UNIT | {"LoadState": "not-found"}, True, Mark.NOTE, "service install"),
        (UNIT | {"ActiveState": "failed", "SubState": "failed"}, False, Mark.PROBLEM, "journalctl"),
        (UNIT | {"ActiveState": "inactive", "SubState": "dead"}, False, Mark.PROBLEM, "inactive"),
        (UNIT | {"ActiveState": "inactive", "SubState": "dead"}, True, Mark.NOTE, "another way"),
        (UNIT | {"ActiveState": "activating", "SubState": "start"}, True, Mark.OK, "(start)"),
        (UNIT | {"ActiveState": "reloading", "SubState": "reload"}, True, Mark.OK, "(reload)"),
        (
            UNIT | {"ActiveState": "activating", "SubState": "auto-restart"},
            *(False, Mark.PROBLEM, "journalctl"),
        ),
        (UNIT | {"UnitFileState": "disabled"}, True, Mark.NOTE, "systemctl enable"),
        (UNIT | {"NRestarts": "12"}, True, Mark.NOTE, "12 times"),
        (UNIT | {"NRestarts": "2"}, True, Mark.OK, "watched"),
        (UNIT | {"WatchdogUSec": "0"}, True, Mark.NOTE, "WatchdogSec"),
    ],
)
def test_what_systemd_says(found: unit.Unit | None, running: bool, mark: Mark, part: str):
    only(unit.unit(found, running=running), mark, part)
