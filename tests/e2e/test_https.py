"""HTTPS by a real process: a client that trusts only the CA, a CA made while texts come in, other
certificates, and clients that speak the wrong thing."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from mmconnect.service.tls import files, names
from mmconnect.service.tls.making import MISSING
from mmconnect.service.tls.reading import read
from tests.e2e.conftest import Gateway
from tests.support.burst import Text
from tests.support.https import get, made, trusting
from tests.support.receiver import free_port
from tests.support.service import PATIENCE, Address, Service, ask, until

DAY = 86_400_000
PORTS = ("--phone-tls-listen", "127.0.0.1:0", "--admin-tls-listen", "127.0.0.1:0")


class Secure:
    """A gateway, and its ports for HTTPS."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway, self.service = gateway, gateway.service

    def _bound(self, side: str) -> Address | None:
        bound = self.service._note().get(side)
        if not bound:
            return None
        host, _, port = bound[0].rpartition(":")
        return host, int(port)

    @property
    def phone(self) -> Address:
        until(lambda: self._bound("phone_tls"), self.service.log_text)
        bound = self._bound("phone_tls")
        assert bound is not None
        return bound

    @property
    def admin(self) -> Address:
        bound = self._bound("admin_tls")
        assert bound is not None
        return bound

    @property
    def trust(self) -> ssl.SSLContext:
        """Trusts this gateway's CA, and nobody else."""
        status, _, pem = ask(self.service.phone, "GET", "/ca.crt")
        assert status == 200
        return trusting(pem)

    def presents(self) -> str:
        """The fingerprint of the certificate that a new connection is shown."""
        pem = ssl.get_server_certificate(self.phone, timeout=PATIENCE)
        return read(pem.encode()).fingerprint

    def hang_up(self) -> None:
        assert self.service.process is not None
        self.service.process.send_signal(signal.SIGHUP)


@pytest.fixture
def plain(still: Gateway) -> Secure:
    """Started without a certificate."""
    still.service.start(*PORTS)
    return Secure(still)


@pytest.fixture
def secure(still: Gateway) -> Secure:
    """Started with a CA of its own."""
    still.service.cli("tls", "create-ca")
    still.service.start(*PORTS)
    return Secure(still)


@pytest.mark.parametrize("host", [None, "localhost"])
def test_a_text_from_a_client_that_trusts_only_the_ca(secure: Secure, host: str | None) -> None:
    text = Text("one", "+15550100", "hello")
    path = f"/in/{secure.gateway.token}"
    status, _, body = get(secure.phone, path, secure.trust, host, "POST", text.body)
    assert (status, json.loads(body)["ok"]) == (200, True)
    secure.gateway.wait_delivered(1)
    assert get(secure.phone, path, secure.trust, host)[0] == 200
    page = get(secure.admin, "/", secure.trust, host, headers=secure.service.cookie())
    assert (page[0], page[1]["content-type"]) == (200, "text/html; charset=utf-8")
    assert page[1]["cross-origin-opener-policy"] == "same-origin"
    assert get(secure.admin, "/readyz", secure.trust, host)[0] == 200


def test_by_the_machines_name(secure: Secure) -> None:
    """Whatever resolves it: the name is in the certificate."""
    name = socket.gethostname().partition(".")[0].lower()
    for asked in (name, f"{name}.local", f"{name}.fritz.box"):
        with (
            socket.create_connection(secure.phone, timeout=PATIENCE) as raw,
            secure.trust.wrap_socket(raw, server_hostname=asked) as line,
        ):
            line.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert line.recv(100).startswith(b"HTTP/1.1 200 OK")


def test_a_ca_made_while_texts_come_in_is_served_within_a_second(plain: Secure) -> None:
    service = plain.service
    assert ask(service.phone, "GET", "/ca.crt")[0] == 404
    assert ask(service.admin, "GET", "/ca.crt")[0] == 404
    assert ask(service.admin, "GET", "/")[1]["location"] == "/setup"
    kept = http.client.HTTPConnection(*service.phone, timeout=PATIENCE)
    path, kind = f"/in/{plain.gateway.token}", {"Content-Type": "application/json"}
    kept.request("POST", path, Text("one", "+15550100", "x").body, kind)
    assert kept.getresponse().read()
    files.create(service.directory, "mmconnect CA test", _here(), _now(), replace=False)
    took = [until(lambda: plain._bound("phone_tls"), service.log_text)]
    for _ in range(2):  # and whichever comes after it: the machine may stand still for one of them
        shown = plain.presents()
        files.create(service.directory, "mmconnect CA test", _here(), _now(), replace=True)
        took.append(until(lambda: plain.presents() != shown, service.log_text))  # noqa: B023
    assert median(took) < 1.0, took
    assert get(plain.phone, path, plain.trust)[0] == 200
    assert get(plain.admin, "/healthz", plain.trust)[0] == 200
    kept.request("POST", path, Text("two", "+15550101", "x").body, kind)
    assert kept.getresponse().status == 200, "on the connection of before"
    kept.close()
    plain.gateway.wait_delivered(2)
    assert "HTTPS is served: phones at 127.0.0.1:" in service.log_text()


def test_the_command_waits_for_the_port_and_says_where_it_is(plain: Secure) -> None:
    told = plain.service.cli("tls", "create-ca")
    assert told["phoneUrls"] == [f"https://127.0.0.1:{plain.phone[1]}"]
    assert told["adminUrls"] == [f"https://127.0.0.1:{plain.admin[1]}"]
    assert told["downloadUrls"] == [f"http://127.0.0.1:{plain.service.phone[1]}/ca.crt"]
    pem = ask(plain.service.phone, "GET", "/ca.crt")[2]
    assert read(pem).fingerprint == told["ca"]["fingerprint"]
    assert plain.presents() == told["server"]["fingerprint"]
    before = plain.trust
    plain.service.cli("tls", "create-ca", "--replace")
    until(lambda: plain.presents() != told["server"]["fingerprint"], "the new one is served")
    with pytest.raises(ssl.SSLCertVerificationError):
        get(plain.phone, "/healthz", before)
    assert get(plain.phone, "/healthz", plain.trust)[0] == 200


def test_pages_lead_to_https_and_machines_do_not_notice(secure: Secure) -> None:
    at = secure.service.admin
    status, headers, _ = ask(at, "GET", "/?a=b")
    assert (status, headers["location"]) == (307, f"https://127.0.0.1:{secure.admin[1]}/?a=b")
    for path in ("/healthz", "/readyz", "/metrics", "/static/style.css", "/ca.crt"):
        assert ask(at, "GET", path)[0] == 200, path
    assert ask(at, "GET", "/v1/endpoints")[0] == 401
    status, headers, _ = ask(secure.admin, "GET", "/x?y")
    assert (status, headers["location"]) == (307, f"https://127.0.0.1:{secure.admin[1]}/x?y")


def test_plain_http_on_the_port_for_https_is_told_so(secure: Secure) -> None:
    body = Text("one", "+15550100", "x").body
    status, headers, told = ask(secure.phone, "POST", f"/in/{secure.gateway.token}", body)
    assert (status, headers["connection"]) == (400, "close")
    assert b"This port speaks HTTPS: write https://" in told
    assert f"port {secure.service.phone[1]}".encode() in told
    assert secure.service.count("SELECT count(*) FROM messages") == 0
    with pytest.raises(ssl.SSLError):
        get(secure.service.phone, "/", secure.trust)


def test_who_does_not_trust_it_costs_no_line_in_the_log(secure: Secure) -> None:
    # the last that a start says
    until(lambda: "/setup#" in secure.service.log_text(), secure.service.log_text)
    before = secure.service.log_text()
    for _ in range(20):
        with pytest.raises(ssl.SSLCertVerificationError):
            get(secure.phone, "/", ssl.create_default_context())
        with pytest.raises(ssl.SSLError):
            get(secure.service.phone, "/", ssl.create_default_context())
        ask(secure.phone, "GET", "/")
    assert get(secure.phone, "/healthz", secure.trust)[0] == 200
    assert secure.service.log_text() == before


def test_the_start_says_so_and_an_endpoint_there_is_refused(secure: Secure) -> None:
    out = secure.service.out.read_text()
    assert f"https://127.0.0.1:{secure.phone[1]}/in/TOKEN" in out
    assert f"https://127.0.0.1:{secure.admin[1]}/" in out
    for port in (secure.phone[1], secure.admin[1]):
        told = secure.service.run("endpoint", "add", f"https://127.0.0.1:{port}/", "--json")
        assert "mmconnect itself" in told.stderr
    assert secure.gateway.text("one") == 200
    held = "SELECT count(*) FROM endpoints WHERE held_class = 'blocked'"
    until(lambda: secure.service.count(held) == 2, "both are held: nothing is sent there")


# -- renewal ---


def test_an_old_one_is_renewed_and_old_connections_go_on(still: Gateway) -> None:
    made(still.service.directory, _here(), _now() - 300 * DAY)
    still.service.start(*PORTS)
    secure = Secure(still)
    kept = http.client.HTTPSConnection(*secure.phone, timeout=PATIENCE, context=secure.trust)
    kept.request("GET", "/healthz")
    assert kept.getresponse().read() == b"ok\n"
    trust, ca = secure.trust, (secure.service.directory / "ca.pem").read_bytes()
    long_ago = _now() - 240 * DAY
    files.renew(secure.service.directory, _here(), long_ago)  # a third of its time is left
    old = read((secure.service.directory / "server.pem").read_bytes()).fingerprint

    def renewed() -> bool:
        return read((secure.service.directory / "server.pem").read_bytes()).fingerprint != old

    until(renewed, secure.service.log_text)
    until(lambda: secure.presents() not in ("", old), "the new one is presented")
    assert get(secure.phone, "/healthz", trust)[0] == 200, "by the same CA"
    assert (secure.service.directory / "ca.pem").read_bytes() == ca
    kept.request("GET", "/healthz")
    assert kept.getresponse().read() == b"ok\n"
    kept.close()
    assert "A new certificate for HTTPS, as the last one ends soon" in secure.service.log_text()


_WITHOUT = """
import sys
sys.modules["cryptography"] = None
from mmconnect.cli import main
raise SystemExit(main())
"""


def test_without_the_library_what_there_is_is_served_and_the_rest_is_told(still: Gateway) -> None:
    service = still.service
    service.program = [sys.executable, "-c", _WITHOUT]
    told = service.run("tls", "create-ca")
    assert (told.returncode, told.stderr) == (1, f"mmconnect: {MISSING}\n")
    made(service.directory, _here(), _now() - 240 * DAY)
    service.start(*PORTS)
    secure = Secure(still)
    assert get(secure.phone, "/healthz", secure.trust)[0] == 200
    wrong = "The certificate for HTTPS cannot be renewed (the last one ends soon)"
    until(lambda: wrong in service.log_text(), service.log_text)
    page = get(secure.admin, "/", secure.trust, headers=service.cookie())[2].decode()
    assert wrong in page
    assert still.text("one") == 200
    still.wait_delivered(1)


def test_a_service_without_a_ca_never_loads_the_library(plain: Secure) -> None:
    assert plain.service.process is not None
    maps = Path(f"/proc/{plain.service.process.pid}/maps")
    assert "cryptography" not in maps.read_text()
    plain.service.cli("tls", "create-ca")
    assert get(plain.phone, "/healthz", plain.trust)[0] == 200
    assert "cryptography" not in maps.read_text(), "nor to serve what another process has made"


# -- brought along ---


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Somebody's certificate and key, in files of their own."""
    folder = made(tmp_path / "own", _here())
    _split(folder)
    return folder


def _split(folder: Path) -> None:
    key, begin, certificate = (folder / "server.pem").read_text().partition("-----BEGIN CERT")
    (folder / "key.pem").write_text(key)
    (folder / "cert.pem").write_text(begin + certificate)


@pytest.fixture
def brought(still: Gateway, own: Path) -> Secure:
    still.service.cli("tls", "create-ca")
    named = ("--tls-cert", str(own / "cert.pem"), "--tls-key", str(own / "key.pem"))
    still.service.start(*PORTS, *named)
    return Secure(still)


def test_what_is_brought_wins(brought: Secure, own: Path) -> None:
    assert get(brought.phone, "/healthz", trusting((own / "ca.pem").read_bytes()))[0] == 200
    assert ask(brought.service.phone, "GET", "/ca.crt")[0] == 404
    shown = brought.service.cli("tls", "show")
    assert (shown["ca"], shown["server"]["brought"]) == (None, True)
    assert shown["server"]["file"] == str(own / "cert.pem")
    assert "so the CA is of no use" in brought.service.run("tls", "create-ca", "--replace").stdout


def test_sighup_reads_it_again_and_a_bad_one_changes_nothing(brought: Secure, own: Path) -> None:
    first = brought.presents()
    kept = http.client.HTTPSConnection(
        *brought.phone, timeout=PATIENCE, context=trusting((own / "ca.pem").read_bytes())
    )
    kept.request("GET", "/healthz")
    assert kept.getresponse().read() == b"ok\n"
    good = (own / "cert.pem").read_text()
    made(own / "other", _here())
    _split(own / "other")
    shutil.copy(own / "other" / "cert.pem", own / "cert.pem")  # and not its key
    brought.hang_up()
    says = f"The private key in {own}/key.pem is not that of the certificate in {own}/cert.pem"
    until(lambda: says in brought.service.log_text(), brought.service.log_text)
    assert brought.presents() == first
    trust, cookie = trusting((own / "ca.pem").read_bytes()), brought.service.cookie()
    page = get(brought.admin, "/", trust, headers=cookie)[2].decode()
    assert "The new certificate is not used" in page
    shutil.copy(own / "other" / "key.pem", own / "key.pem")
    brought.hang_up()
    until(lambda: brought.presents() != first, brought.service.log_text)
    assert (own / "cert.pem").read_text() != good
    until(lambda: "Over: The new certificate" in brought.service.log_text(), "it is over")
    kept.request("GET", "/healthz")
    assert kept.getresponse().read() == b"ok\n", "on the connection of before"
    kept.close()
    assert brought.gateway.text("one") == 200


@pytest.mark.parametrize("damage", ["none", "nonsense"])
def test_it_does_not_start_with_a_certificate_that_is_no_good(
    still: Gateway, tmp_path: Path, damage: str
) -> None:
    file = tmp_path / "cert.pem"
    if damage == "nonsense":
        file.write_text("nonsense")
    process = still.service.spawn("--tls-cert", str(file))
    assert process.wait(60) == 1
    said = still.service.log_text()
    assert str(file) in said
    assert "Traceback" not in said


def test_sighup_without_anything_to_read_is_no_end(plain: Secure) -> None:
    plain.hang_up()
    assert plain.gateway.text("one") == 200
    plain.gateway.wait_delivered(1)


# -- ports ---


def test_a_port_that_is_taken_stops_no_text_and_is_tried_again(still: Gateway) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as other:
        port = other.getsockname()[1]  # which nobody else is given afterwards
        program = "from mmconnect.service.tls import https; https.AGAIN = 0.5;"
        program += "from mmconnect.cli import main; raise SystemExit(main())"
        still.service.program = [sys.executable, "-c", program]
        still.service.start("--phone-tls-listen", f"127.0.0.1:{port}")
        still.service.cli("tls", "create-ca")
        wrong = f"HTTPS cannot be served: --phone-tls-listen 127.0.0.1:{port} cannot be opened"
        until(lambda: wrong in still.service.log_text(), still.service.log_text)
        assert still.text("one") == 200
    secure = Secure(still)
    assert secure.phone[1] == port
    assert get(secure.phone, "/healthz", secure.trust)[0] == 200
    until(lambda: "Over: HTTPS cannot be served" in still.service.log_text(), "it is over")


def test_switched_off_it_stays_off(still: Gateway) -> None:
    still.service.cli("tls", "create-ca")
    still.service.start()
    shown = still.service.cli("tls", "create-ca", "--replace")
    assert shown["phoneUrls"] == []
    assert shown["adminUrls"] == []
    assert ask(still.service.admin, "GET", "/", headers=still.service.cookie())[0] == 200


def test_stopping_ends_with_everybody_still_connected(secure: Secure) -> None:
    kept = http.client.HTTPSConnection(*secure.phone, timeout=PATIENCE, context=secure.trust)
    kept.request("GET", "/healthz")
    kept.getresponse().read()
    page = http.client.HTTPSConnection(*secure.admin, timeout=PATIENCE, context=secure.trust)
    page.request("GET", "/healthz")
    page.getresponse().read()
    silent = [socket.create_connection(at) for at in (secure.phone, secure.admin)]
    begun = time.monotonic()
    assert secure.service.stop() == 0
    assert time.monotonic() - begun < 25, "it waits for none of them"
    assert "Traceback" not in secure.service.log_text()
    for raw in silent:
        raw.close()
    for line in (kept, page):
        line.close()


@pytest.mark.parametrize("side", ["phone", "admin"])
def test_a_crowd_of_idle_connections_costs_little_memory(secure: Secure, side: str) -> None:
    assert secure.service.process is not None
    status = Path(f"/proc/{secure.service.process.pid}/status")

    def resident() -> int:
        """Bytes."""
        [line] = [one for one in status.read_text().splitlines() if one.startswith("VmRSS")]
        return int(line.split()[1]) * 1024

    def connect() -> ssl.SSLSocket:
        raw = socket.create_connection(getattr(secure, side), timeout=PATIENCE)
        return trust.wrap_socket(raw, server_hostname="127.0.0.1")

    trust, crowd = secure.trust, 150
    lines = [connect() for _ in range(10)]
    before = resident()
    lines += [connect() for _ in range(crowd)]
    assert (resident() - before) / crowd < 120_000
    for line in lines:
        line.close()


# -- seen from outside ---


@pytest.mark.apt
def test_nmap_finds_nothing_weak(secure: Secure) -> None:
    if shutil.which("nmap") is None:
        pytest.skip("there is no nmap here")
    for port in (secure.phone[1], secure.admin[1]):
        words = ["-Pn", "--script", "+ssl-enum-ciphers,+ssl-cert", "-p", str(port), "127.0.0.1"]
        done = subprocess.run(["nmap", *words], capture_output=True, text=True, check=True)
        report = done.stdout
        assert "least strength: A" in report, report
        assert "TLSv1.2:" in report
        assert "TLSv1.3:" in report
        for old in ("SSLv3", "TLSv1.0", "TLSv1.1", "warnings:"):
            assert old not in report
        assert "IP Address:127.0.0.1" in report


@pytest.mark.apt
def test_openssl_connects_and_may_not_renegotiate(secure: Secure) -> None:
    host, port = secure.phone
    base = ["openssl", "s_client", "-connect", f"{host}:{port}", "-verify_return_error"]
    base += ["-CAfile", str(secure.service.directory / "ca.pem"), "-verify_ip", host]
    good = _s_client([*base, "-alpn", "http/1.1"], "Q\n")
    assert "Verification: OK" in good
    assert "ALPN protocol: http/1.1" in good
    assert "no renegotiation" in _s_client([*base, "-tls1_2", "-legacy_server_connect"], "R\n")


def _s_client(words: list[str], given: str) -> str:
    try:
        done = subprocess.run(
            words, input=given, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    except FileNotFoundError:
        pytest.skip("there is no openssl here")
    return done.stdout + done.stderr


# -- the machine moves ---

_EAGER = """
from mmconnect.service.tls import keeper
keeper.LOOK_AT_HOSTS = 0.5
from mmconnect.cli import main
raise SystemExit(main())
"""
_ASK = """
import http.client, ssl, sys
trust = ssl.create_default_context(cafile=sys.argv[3])
line = http.client.HTTPSConnection(sys.argv[1], int(sys.argv[2]), timeout=30, context=trust)
line.request("GET", "/healthz")
print(line.getresponse().status)
"""


@pytest.fixture
def space() -> Iterator[str]:
    """A network of its own with one interface, lo: an address is an address, wherever it is."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("needs root and iproute2")
    name = f"mmtest{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], check=False).returncode:
        pytest.skip("no network namespaces here")
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def test_after_the_address_changed_the_certificate_follows_without_a_new_ca(
    space: str, tmp_path: Path
) -> None:
    def address(verb: str, ip: str) -> None:
        subprocess.run(["ip", "-n", space, "addr", verb, f"{ip}/24", "dev", "lo"], check=True)

    def asked(ip: str) -> bool:
        words = ["ip", "netns", "exec", space, sys.executable, "-c", _ASK]
        words += [ip, str(port), str(service.directory / "ca.pem")]
        return subprocess.run(words, capture_output=True, check=False).stdout == b"200\n"

    address("add", "10.11.12.13")
    service = Service(tmp_path / "data")
    service.program = ["ip", "netns", "exec", space, sys.executable, "-c", _EAGER]
    made = service.cli("tls", "create-ca")
    assert "10.11.12.13" in made["server"]["addresses"]
    try:
        service.start("--phone-listen", "0.0.0.0:0", "--phone-tls-listen", "0.0.0.0:0")
        port = int(service._note()["phone_tls"][0].rpartition(":")[2])
        assert asked("10.11.12.13")
        address("del", "10.11.12.13")
        address("add", "10.11.12.77")
        until(lambda: asked("10.11.12.77"), service.log_text)
        shown = service.cli("tls", "show")
        assert shown["ca"] == made["ca"]
        assert "10.11.12.77" in shown["server"]["addresses"]
        assert shown["phoneUrls"] == [f"https://10.11.12.77:{port}"]
    finally:
        service.kill()


def _here() -> names.Hosts:
    return names.present()


def _now() -> int:
    return time.time_ns() // 1_000_000
