"""Nothing is inside of a release that its SBOM and its notices do not name.

What is checked when a release is made (scripts/sbom.py ends it) is checked here, too, on the wheels
of this environment: an upgrade that brings something new shows at once, and not at the release.
"""

from __future__ import annotations

import json
import re
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from cryptography.hazmat.backends.openssl import backend

from scripts import sbom

ROOT = Path(__file__).parents[2]


def locked(lock: str) -> list[str]:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    return re.findall(r"^([A-Za-z0-9_.-]+)==[^;\n]+(?:; platform_machine .*)?$", text, re.MULTILINE)


def wheel(
    site: Path, *, licence: str = "MIT", parts: list[dict[str, object]] | None
) -> Distribution:
    """One that has a library, and an SBOM unless `parts` is None."""
    info = site / "thing-1.0.dist-info"
    (info / "sboms").mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.4\nName: Thing\nVersion: 1.0\nLicense: {licence}\n", encoding="utf-8"
    )
    (site / "thing.abi3.so").write_bytes(b"\x7fELF")
    record = "thing.abi3.so,,\n"
    if parts is not None:
        (info / "sboms" / "x.json").write_text(json.dumps({"components": parts}), encoding="utf-8")
        record += "thing-1.0.dist-info/sboms/x.json,,\n"
    (info / "RECORD").write_text(record, encoding="utf-8")
    return Distribution.at(info)


@pytest.mark.parametrize("name", sorted({*locked("runtime"), *locked("tls")}))
def test_each_wheel_has_a_licence_and_is_known_inside(name: str) -> None:
    found, _ = sbom.python_packages(
        map(str, distribution(name).files or ()), Path(str(distribution(name).locate_file("")))
    )
    part = next(one for one in found if one["name"] == sbom.canonical(name))
    assert part["purl"] == f"pkg:pypi/{part['name']}@{distribution(name).version}"
    assert all(one["licenses"][0]["expression"] for one in (part, *part.get("components", ())))


def test_the_openssl_inside_of_cryptography_is_told() -> None:
    parts = {one["name"]: one for one in sbom.compiled_in(distribution("cryptography"))}
    assert f"OpenSSL {parts['openssl']['version']}" in backend.openssl_version_text()


def test_what_a_wheel_tells_of_itself_is_taken_but_for_what_made_it(tmp_path: Path) -> None:
    purl = "pkg:cargo/inner@2.0"
    inner: dict[str, object] = {"name": "inner", "version": "2.0"}
    inner |= {"purl": f"{purl}?download_url=file://.", "licenses": [{"expression": "MIT"}]}
    maker = inner | {"name": "cc", "scope": "excluded"}
    parts = list(sbom.compiled_in(wheel(tmp_path, parts=[inner, maker])))
    assert [(part["purl"], part["version"]) for part in parts] == [(purl, "2.0")]


def test_a_wheel_that_nobody_has_looked_into_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="What has thing compiled into"):
        list(sbom.compiled_in(wheel(tmp_path, parts=None)))


def test_a_licence_that_has_no_name_is_an_error(tmp_path: Path) -> None:
    wheel(tmp_path, licence="as you like", parts=[])
    with pytest.raises(SystemExit, match="What licence has thing"):
        sbom.python_packages(["thing.abi3.so"], tmp_path)
