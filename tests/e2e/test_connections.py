"""In a day mmconnect connects to what its owner has entered, and to nothing else.

The day is the first one of the year in fast motion (bench/year): three phones, one of which is
fetched from, three receivers, one of them known by its name, alerts, an outage, backups, HTTPS,
somebody who opens every page and lets the doctor look. Each connect() and each datagram of every
process is recorded by strace, from the start on. The phones and receivers of the day are in the
same record: what they connect to is mmconnect itself.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.support.netns import needs_netns
from tests.support.service import ROOT

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(900),
    needs_netns,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
    pytest.mark.skipif(shutil.which("nft") is None, reason="nft is not installed"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed"),
]

MACHINE = "192.168.7.2"
OURS = {("127.0.0.1", port) for port in (8480, 8481, 8482, 8483)}
"""mmconnect itself, by the doctor who looks whether it can be reached. By its other address phones
and the browser reach it, and the name server's answers."""
ENTERED = {
    ("192.168.7.10", 8080),
    ("192.168.7.11", 8443),
    ("192.168.7.12", 8082),
    ("192.168.7.13", 8083),
    ("192.168.7.50", 8080),
}
"""The receivers, and the phone that is fetched from."""
WHICH_WAY = {("192.0.2.1", 9), ("2001:db8::1", 9)}
"""Where nobody is (RFC 5737, RFC 3849): the kernel is asked by which of its own addresses it would
go there. Nothing is sent, which the day itself makes sure of by what comes over the cable."""
NAMES = ("192.168.7.1", 53)
"""Where names are asked for; which, the day itself looks at."""
_ADDRESS = re.compile(
    r"(?P<call>connect|sendto|sendmsg|sendmmsg)\(.*"
    r"(?:sin_port=htons\((?P<port>\d+)\), sin_addr=inet_addr\(\"(?P<v4>[^\"]+)\"\)"
    r"|sin6_port=htons\((?P<port6>\d+)\).*inet_pton\(AF_INET6, \"(?P<v6>[^\"]+)\")"
)
_LOCAL = re.compile(r"sun_path=@?\"(?P<path>[^\"]+)\"")


def test_a_days_connections_go_only_where_the_owner_wants_them_to(tmp_path: Path) -> None:
    """No name server but for that one name, no time server, nothing at the start."""
    record = tmp_path / "record"
    done = subprocess.run(
        [
            *("strace", "-f", "-qq", "-s", "0", "--seccomp-bpf", "-o", str(record)),
            *("-e", "trace=connect,sendto,sendmsg,sendmmsg", "-e", "signal=none"),
            *(sys.executable, "-m", "bench.year"),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=800,
        check=False,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "YEAR_DAYS": "1",
            "YEAR_STRIDE": "300",
            "BENCH_TMP": str(tmp_path),
            "BENCH_RESULTS": str(tmp_path),
        },
    )
    assert done.returncode == 0, done.stdout + done.stderr
    went, local = Counter[tuple[str, int]](), Counter[str]()
    with record.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if (found := _ADDRESS.search(line)) is not None:
                went[found["v4"] or found["v6"], int(found["port"] or found["port6"])] += 1
            elif (found := _LOCAL.search(line)) is not None:
                local[found["path"]] += 1
    known = {*OURS, *ENTERED, *WHICH_WAY, NAMES}
    elsewhere = {at: n for at, n in went.items() if at not in known and at[0] != MACHINE}
    assert elsewhere == {}
    assert {*ENTERED, NAMES} <= set(went)
    assert set(local) <= {"/var/run/nscd/socket"}  # glibc's cache of names
