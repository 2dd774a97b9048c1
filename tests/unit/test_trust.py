"""A private CA's certificate: kept without anything else, and recognisable."""

from __future__ import annotations

import pytest

from mmconnect.webhook import trust

CA = """-----BEGIN CERTIFICATE-----
MIIBoDCCAUWgAwIBAgIUXTRwOFVwsU9PCg04M7C1pVX1MwcwCgYIKoZIzj0EAwIw
JDEQMA4GA1UEAwwHSG9tZSBDQTEQMA4GA1UECgwHRXhhbXBsZTAgFw0yNjExMjQw
MDExMTZaGA8yMTI2MTAzMTAwMTExNlowJDEQMA4GA1UEAwwHSG9tZSBDQTEQMA4G
A1UECgwHRXhhbXBsZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABMC46L1nSGfg
+Y/5+aTYbQgooU1WrtLfVA1wjAzID8Ief9K1/MaTUvLiO3wQsH0qE5DjAjamXHML
1SVYXL4DhVGjUzBRMB0GA1UdDgQWBBSS4oF9DLk0pEYly9dAiBXiaPml8jAfBgNV
HSMEGDAWgBSS4oF9DLk0pEYly9dAiBXiaPml8jAPBgNVHRMBAf8EBTADAQH/MAoG
CCqGSM49BAMCA0kAMEYCIQDIxKMVTGKhU5rlhTLG6paaBMW3V83mTE4q8LWzX8nv
iwIhAOVlrE6Gn0ZOXnU3/VUAjT9jaQz14akNp/kQ8ZeY0fvm
-----END CERTIFICATE-----
"""
LEAF = """-----BEGIN CERTIFICATE-----
MIIBeDCCAR6gAwIBAgIUSZj0HMluYTQROSApVSOT1MZI9ucwCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHY3JtLmxhbjAgFw0yNjExMjQwMDExMTZaGA8yMTI2MTAzMTAw
MTExNlowEjEQMA4GA1UEAwwHY3JtLmxhbjBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABEY8frtuAQTNTl+CRGCME0dKUVi6jAdMHFbOm10ynTj7WiviXZJoslIQfXWE
6eqmAGf+SXPaf/uSUhHvQEgK6TmjUDBOMB0GA1UdDgQWBBS1QXdHQtqWdkP1F5uh
Cdn5sDWw+zAfBgNVHSMEGDAWgBS1QXdHQtqWdkP1F5uhCdn5sDWw+zAMBgNVHRMB
Af8EAjAAMAoGCCqGSM49BAMCA0gAMEUCIAoDWtkA8jmSXBkjiJuOPYJAgQ+xmz8N
+p5VH4WIZMXrAiEAzQ8y7zAM76dihu2hSpUwFlfnjxy9gup6F789B8n+rmI=
-----END CERTIFICATE-----
"""


def test_certificates_are_kept_and_nothing_else():
    assert trust.certificates(f"Bag Attributes\n  name: x\n{CA}\n# and\n{LEAF}") == CA + LEAF
    assert trust.certificates(CA.replace("\n", "\r\n")).count("BEGIN") == 1


def test_a_ca_is_recognised():
    described = trust.authority(trust.certificates(CA))
    assert described.subject == "Home CA, Example"
    assert described.expires_at == 4_949_079_076_000


def test_of_several_the_first_to_expire_counts():
    assert trust.authority(CA + LEAF) == trust.authority(CA)


def test_one_that_is_no_ca_is_trusted_all_the_same():
    assert trust.authority(trust.certificates(LEAF)).subject is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "there is no certificate in it"),
        ("nonsense", "there is no certificate in it"),
        (f"{CA}-----BEGIN PRIVATE KEY-----\nAAAA\n", "it holds a private key"),
        (f"{CA}-----BEGIN RSA PRIVATE KEY-----\nAAAA\n", "it holds a private key"),
        (CA.replace("MII", "AAA", 1), "cannot be read"),
        ("-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----", "cannot be read"),
        ("-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----", "cannot be read"),
        (CA + "x" * trust.LONGEST, "are the most"),
    ],
)
def test_what_is_refused(text: str, says: str):
    with pytest.raises(ValueError, match=says):
        trust.certificates(text)


def test_what_got_into_the_database_another_way_is_described_all_the_same():
    assert trust.authority("nonsense") == trust.Authority(subject=None, expires_at=None)
