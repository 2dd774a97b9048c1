"""Certificates: what is made is what phones take, and what is read is what stands in them."""

from __future__ import annotations

import shutil
import ssl
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mmconnect.domain.clock import SystemClock
from mmconnect.domain.errors import ConfigError, Refused
from mmconnect.service.tls import context, files, making, names, reading
from mmconnect.service.tls.names import hosts
from mmconnect.service.tls.reading import read
from tests.support.https import HERE, made
from tests.support.inprocess import NOW

DAY = 86_400_000


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("tls"), now=NOW)


@pytest.fixture(scope="module")
def authority(directory: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((directory / "ca.pem").read_bytes())


@pytest.fixture(scope="module")
def server(directory: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((directory / "server.pem").read_bytes())


def ms(moment: object) -> int:
    return round(moment.timestamp() * 1000)  # type: ignore[attr-defined]


def test_the_authority(authority: x509.Certificate):
    (name,) = authority.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert name.value == "mmconnect CA test"
    assert authority.issuer == authority.subject
    extensions = authority.extensions
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert (usage.value.key_cert_sign, usage.value.crl_sign) == (True, True)
    assert not usage.value.digital_signature
    assert extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    key = authority.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)
    lasts = authority.not_valid_after_utc - authority.not_valid_before_utc
    assert timedelta(days=3650) <= lasts <= timedelta(days=3660)
    assert ms(authority.not_valid_before_utc) <= NOW - DAY


def test_the_servers_certificate(authority: x509.Certificate, server: x509.Certificate):
    server.verify_directly_issued_by(authority)
    extensions = server.extensions
    assert extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.SERVER_AUTH]
    names_of = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names_of.get_values_for_type(x509.DNSName)) == {
        "localhost",
        "reception",
        "reception.local",
        "reception.lan",
        "reception.home.arpa",
        "reception.fritz.box",
    }
    ips = {str(ip) for ip in names_of.get_values_for_type(x509.IPAddress)}
    assert ips == {"127.0.0.1", "::1", "192.168.1.20", "fd00::20"}
    assert server.not_valid_after_utc - server.not_valid_before_utc <= timedelta(days=397)
    assert ms(server.not_valid_before_utc) <= NOW - DAY
    assert ms(server.not_valid_after_utc) >= NOW + 300 * DAY


def test_two_servers_of_one_authority_have_keys_and_numbers_of_their_own(tmp_path: Path):
    made(tmp_path)
    first = x509.load_pem_x509_certificate((tmp_path / "server.pem").read_bytes())
    ca = (tmp_path / "ca.pem").read_bytes()
    files.renew(tmp_path, HERE, SystemClock().now())
    second = x509.load_pem_x509_certificate((tmp_path / "server.pem").read_bytes())
    assert first.serial_number != second.serial_number
    assert first.public_key() != second.public_key()
    second.verify_directly_issued_by(x509.load_pem_x509_certificate(ca))
    assert (tmp_path / "ca.pem").read_bytes() == ca


@pytest.mark.parametrize("now", [0, NOW - 10 * 365 * DAY])
def test_a_clock_before_there_was_an_mmconnect_makes_no_authority_of_the_past(now: int):
    _, pem = making.make_authority("mmconnect CA", now)
    assert read(pem).not_before < NOW - 30 * DAY
    assert read(pem).not_after > NOW + 8 * 365 * DAY


def test_no_server_certificate_outlives_its_authority():
    key, pem = making.make_authority("mmconnect CA", NOW)
    late = NOW + 9 * 365 * DAY + 200 * DAY
    assert read(making.make_server(key + pem, HERE, late)).not_after == read(pem).not_after


def test_a_key_that_is_not_the_authoritys_signs_nothing():
    (key, _), (_, pem) = (making.make_authority("mmconnect CA", NOW) for _ in range(2))
    with pytest.raises(ValueError, match="not that of its certificate"):
        making.make_server(key + pem, HERE, NOW)


def test_a_long_name_is_cut_to_what_a_certificate_takes():
    _, pem = making.make_authority("mmconnect CA " + "Ö" * 200, NOW)
    assert read(pem).subject == "mmconnect CA " + "Ö" * 25
    making.make_server(b"".join(making.make_authority("x", NOW)), hosts("a" * 63, []), NOW)


# -- reading ---


@pytest.mark.parametrize("name", ["ca.pem", "server.pem"])
def test_what_is_read_is_what_stands_in_it(directory: Path, name: str):
    pem = (directory / name).read_bytes()
    other, ours = x509.load_pem_x509_certificate(pem), read(pem)
    assert ours.subject == other.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    assert ours.not_before == ms(other.not_valid_before_utc)
    assert ours.not_after == ms(other.not_valid_after_utc)
    assert ours.fingerprint.replace(":", "").lower() == other.fingerprint(hashes.SHA256()).hex()
    key = other.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert ours.key_id == key.digest
    if name == "server.pem":
        assert ours.names == HERE.names
        assert ours.addresses == HERE.addresses
        assert ours.issuer_key_id == read((directory / "ca.pem").read_bytes()).key_id


@pytest.mark.apt
@pytest.mark.parametrize(
    "subject", ["/O=No common name", "/CN=one/CN=two", "/C=DE/O=Ümläut/CN=gate.example"]
)
def test_certificates_of_others_are_read_too(tmp_path: Path, subject: str):
    words = (
        "req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -days 20000 -utf8"
        " -addext subjectAltName=DNS:gate.example,IP:10.0.0.1,email:a@b.example"
    )
    subprocess.run(
        ["openssl", *words.split(), "-subj", subject], cwd=tmp_path, check=True, capture_output=True
    )
    pem = (tmp_path / "cert").read_bytes()
    other, ours = x509.load_pem_x509_certificate(pem), read(pem)
    assert ours.not_after == ms(other.not_valid_after_utc)  # beyond 2050: another kind of time
    assert (ours.names, ours.addresses) == (("gate.example",), ("10.0.0.1",))
    assert ours.subject in ("", "one", "gate.example")
    assert "common" in subject or ours.subject


@pytest.mark.parametrize(
    ("tag", "text", "year"),
    [(0x17, "500101000000Z", 1950), (0x17, "491231235959Z", 2049), (0x18, "20500101000000Z", 2050)],
)
def test_the_years_of_both_kinds_of_time(tag: int, text: str, year: int):
    found = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
        milliseconds=reading._moment(tag, text.encode())
    )
    assert found.year == year


def test_every_damage_is_an_error_and_no_other_one(directory: Path):
    pem = (directory / "server.pem").read_bytes()
    text = pem[pem.index(b"-----BEGIN CERT") :].decode()
    der = ssl.PEM_cert_to_DER_cert(text)
    for cut in range(0, len(der), 7):
        with pytest.raises(ValueError, match="damaged"):
            read(ssl.DER_cert_to_PEM_cert(der[:cut]).encode())
    for at in range(0, len(der) // 2):  # whatever is read then, nothing else is raised
        try:
            read(ssl.DER_cert_to_PEM_cert(der[:at] + b"\xff" + der[at + 1 :]).encode())
        except ValueError as error:
            assert "damaged" in str(error)  # noqa: PT017
    for nothing in (b"", b"-----END CERTIFICATE-----", b"\xff\xfe", pem[:200]):
        with pytest.raises(ValueError, match="no certificate"):
            read(nothing)


# -- names and addresses ---


def test_the_names_and_addresses_of_use():
    found = hosts(
        "Reception.Example.org.",
        ["fe80::1%eth0", "169.254.3.4", "10.0.0.2", "fd00::2", "2001:db8::1", "127.0.0.1", "::1"],
    )
    assert found.addresses == ("127.0.0.1", "::1", "10.0.0.2", "2001:db8::1", "fd00::2")
    assert found.names == (
        "localhost",
        "reception.example.org",
        "reception",
        "reception.local",
        "reception.lan",
        "reception.home.arpa",
        "reception.fritz.box",
    )


@pytest.mark.parametrize("name", ["", "bad_name", "-x", "ü", "a b", "x" * 64])
def test_a_host_name_that_is_no_dns_name_is_left_out(name: str):
    assert hosts(name, []).names == ("localhost",)


def test_the_order_of_interfaces_does_not_matter():
    some = ["10.0.0.2", "192.168.1.5", "fd00::9", "10.0.0.1"]
    assert hosts("a", some) == hosts("a", reversed(some))


def test_a_host_of_a_thousand_containers_has_a_certificate_all_the_same():
    many = hosts("a", [f"10.0.{n // 250}.{n % 250 + 1}" for n in range(1000)])
    assert len(many.addresses) == names.MOST
    pem = making.make_server(b"".join(making.make_authority("x", NOW)), many, NOW)
    assert read(pem).addresses == many.addresses


def test_this_machine_has_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    found = names.present()
    assert "127.0.0.1" in found.addresses
    assert "localhost" in found.names
    assert not [a for a in found.addresses if a.startswith(("fe80", "169.254"))]


def test_temporary_ipv6_addresses_are_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    table = tmp_path / "if_inet6"
    table.write_text(
        "fd000000000000000000000000000002 02 40 00 80     eth0\n"
        "fd00000000000000aaaabbbbccccdddd 02 40 00 01     eth0\n"
    )
    monkeypatch.setattr(names, "_IPV6_TABLE", table)
    assert names._temporary() == {"fd00::aaaa:bbbb:cccc:dddd"}


# -- files ---


def test_the_files_are_the_owners_alone_and_hold_what_they_say(directory: Path):
    for name in ("ca.pem", "ca.key", "server.pem"):
        assert stat.S_IMODE((directory / name).stat().st_mode) == 0o600, name
    assert b"PRIVATE" not in (directory / "ca.pem").read_bytes()
    assert sorted(p.name for p in directory.iterdir()) == ["ca.key", "ca.pem", "server.pem"]


def test_a_second_authority_wants_a_word(tmp_path: Path):
    made(tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(Refused, match="every phone has to install"):
        files.create(tmp_path, "x", HERE, NOW, replace=False)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    files.create(tmp_path, "x", HERE, NOW, replace=True)
    assert (tmp_path / "ca.pem").read_bytes() != before["ca.pem"]


def test_the_certificate_for_all_is_put_back_from_beside_its_key(tmp_path: Path):
    made(tmp_path)
    ca = (tmp_path / "ca.pem").read_bytes()
    for damage in (b"half", None):
        if damage is None:
            (tmp_path / "ca.pem").unlink()
        else:
            (tmp_path / "ca.pem").write_bytes(damage)
        assert files.authority(tmp_path) == ca
        assert (tmp_path / "ca.pem").read_bytes() == ca
    (tmp_path / "ca.key").rename(tmp_path / "elsewhere")
    assert files.authority(tmp_path) == ca
    assert files.exists(tmp_path), "its key is kept elsewhere"


def test_a_file_that_cannot_be_written_leaves_the_old_one_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    files.write(tmp_path / "f", b"old")

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.write(tmp_path / "f", b"new")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("f", b"old")]


# -- serving ---


def test_what_cannot_be_served_is_named(directory: Path, tmp_path: Path):
    made(tmp_path)
    ours, other = directory / "server.pem", tmp_path / "server.pem"
    (tmp_path / "empty").write_text("")
    (tmp_path / "damaged").write_bytes(ours.read_bytes().replace(b"MII", b"MIX"))
    for certificate, key, says in (
        (tmp_path / "none", None, "none cannot be read: No such file"),
        (ours, tmp_path / "none", "none cannot be read: No such file"),
        (ours, other, "is not that of the certificate"),
        (tmp_path / "empty", None, "empty holds no certificate"),
        (directory / "ca.pem", None, "ca.pem holds no private key"),
        (ours, tmp_path / "empty", "empty holds no private key"),
        (tmp_path / "damaged", None, "damaged"),
        (tmp_path, None, "cannot be read: Is a directory"),
    ):
        with pytest.raises(ConfigError, match=says):
            context.make(certificate, key)


@pytest.mark.apt
def test_a_key_with_a_password_is_named(directory: Path, tmp_path: Path):
    words = f"ec -in {directory}/server.pem -aes128 -passout pass:x -out {tmp_path}/locked"
    subprocess.run(["openssl", *words.split()], check=True, capture_output=True)
    with pytest.raises(ConfigError, match="has a password"):
        context.make(directory / "server.pem", tmp_path / "locked")


@pytest.mark.apt
def test_openssl_takes_it_strictly(tmp_path: Path):
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl here")
    made(tmp_path)
    for check in (
        ["-verify_ip", "192.168.1.20"],
        ["-verify_ip", "fd00::20"],
        ["-verify_hostname", "reception.fritz.box"],
        ["-verify_hostname", "reception"],
    ):
        words = ["-x509_strict", "-purpose", "sslserver", "-CAfile", "ca.pem", *check, "server.pem"]
        done = subprocess.run(
            ["openssl", "verify", *words], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.stdout == "server.pem: OK\n", done.stderr
    wrong = ["-CAfile", "ca.pem", "-verify_ip", "192.168.1.21", "server.pem"]
    assert subprocess.run(
        ["openssl", "verify", *wrong], cwd=tmp_path, capture_output=True, check=False
    ).returncode, "another address is another server"
