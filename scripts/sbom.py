"""What is inside a build, as CycloneDX: `python -m scripts.sbom PROGRAM SITE DEBS > FILE`.

The one-file PROGRAM itself is asked, not what should be in it. Packages in SITE (where the wheels
were installed) count when something of them is inside, with what they have compiled in; each
library that is none of theirs has to come from one of the Debian packages in the folder DEBS,
Python's own among them. A library of nobody's and a part without a licence are errors. Needs
PyInstaller, which reads programs for any machine. The same build gives the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from mmconnect import __version__

Component = dict[str, Any]

LICENCES = {
    # Wheels whose metadata has no SPDX expression; read in their licence files.
    "aiosignal": "Apache-2.0",
    "google-re2": "BSD-3-Clause",
    "jinja2": "BSD-3-Clause",
    "pyinstaller": "GPL-2.0-or-later WITH Bootloader-exception",
    "segno": "BSD-3-Clause",
    # Debian's source packages; read in /usr/share/doc/PACKAGE/copyright of theirs.
    "expat": "MIT",
    "gcc-12": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "libffi": "MIT",
    "openssl": "Apache-2.0",
    "python3.11": "PSF-2.0",
    "sqlite3": "blessing",
    "zlib": "Zlib",
}
COMPILED_IN: dict[str, list[tuple[str, str, bytes | None]]] = {
    # What wheels contain of other projects and have no SBOM for: (name, licence, and what in their
    # libraries tells the version). All others that have libraries wrote them themselves.
    "aiohttp": [("llhttp", "MIT", None)],
    "cffi": [("libffi", "MIT", None)],
    "google-re2": [
        ("re2", "BSD-3-Clause", None),
        ("abseil-cpp", "Apache-2.0", rb"N4absl12?lts_(\d{8})"),
    ],
}
OWN_LIBRARIES = {"frozenlist", "markupsafe", "multidict", "propcache", "yarl"}


def python_packages(inside: Iterable[str], site: Path) -> tuple[list[Component], set[str]]:
    """The packages of `site` that have something inside, and what of it is theirs."""
    files = set(inside)
    found, theirs = [], set()
    for package in distributions(path=[str(site)]):
        own = {str(file) for file in package.files or ()} & files
        if own or package.name.lower() == "pyinstaller":  # the program begins with its loader
            found.append(_wheel(package))
            theirs |= own
    return found, theirs


def _wheel(package: Distribution) -> Component:
    name = canonical(package.name)
    about: Any = package.metadata
    part = _part(f"pkg:pypi/{name}@{package.version}", name, package.version)
    part["licenses"] = _licence(name, about.get("License-Expression") or about.get("License"))
    compiled = list(compiled_in(package))
    return part | ({"components": compiled} if compiled else {})


def canonical(name: str) -> str:
    """A package's name as indexes write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def compiled_in(package: Distribution) -> Iterator[Component]:
    """What of others a wheel's libraries contain; raises SystemExit where nobody has looked."""
    name = canonical(package.name)
    files = [str(file) for file in package.files or ()]
    libraries = [file for file in files if re.search(r"\.so(\.\d+)*$", file)]
    declared = [file for file in files if ".dist-info/sboms/" in file]
    if libraries and not declared and name not in COMPILED_IN.keys() | OWN_LIBRARIES:
        raise SystemExit(f"What has {name} compiled into {libraries}? Say it in scripts/sbom.py")
    for file in declared:
        yield from _declared(Path(str(package.locate_file(file))))
    code = b"".join(Path(str(package.locate_file(file))).read_bytes() for file in libraries)
    for inner, licence, pattern in COMPILED_IN.get(name, ()):
        found = re.search(pattern, code) if pattern else None
        version = found and found[1].decode()
        purl = f"pkg:generic/{inner}" + (f"@{version}" if version else "")
        # Two wheels may each have one of their own.
        part = _part(purl, inner, version) | {"bom-ref": f"{purl}#{name}"}
        yield part | {"licenses": _licence(inner, licence)}


def _declared(sbom: Path) -> Iterator[Component]:
    """What a wheel's own SBOM lists (PEP 770), but for what only its making needed."""
    for part in json.loads(sbom.read_text(encoding="utf-8"))["components"]:
        if part.get("scope") != "excluded":
            purl = part["purl"].partition("?download_url=")[0]
            licences = part.get("licenses") or _licence(part["name"], None)
            told = {key: part[key] for key in ("hashes",) if key in part}
            yield _part(purl, part["name"], part["version"]) | {"licenses": licences} | told


def _part(purl: str, name: str, version: str | None) -> Component:
    part = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    return {key: value for key, value in part.items() if value is not None}


def _licence(name: str, told: str | None) -> list[Component]:
    """The SPDX expression; raises SystemExit where there is none."""
    try:
        return [{"expression": canonicalize_license_expression(LICENCES.get(name) or told or "")}]
    except InvalidLicenseExpression:
        raise SystemExit(f"What licence has {name}? It says {told!r}: scripts/sbom.py") from None


def debian_packages(libraries: Iterable[str], debs: Path) -> list[Component]:
    """The packages that the libraries came from; raises SystemExit for one of nobody's."""
    missing, found = set(libraries), {}
    for deb in sorted(debs.glob("*.deb")):
        lines = _asked("dpkg-deb", "-c", str(deb)).splitlines()
        names = {Path(line.split(" -> ")[0].split()[-1]).name for line in lines}
        if names & missing:
            missing -= names
            shown = "--showformat=${Package}|${Version}|${Architecture}|${source:Package}"
            name, version, machine, source = _asked("dpkg-deb", "-W", shown, str(deb)).split("|")
            found[name] = _deb(name, version, machine, source)
    if missing:
        raise SystemExit(f"whose are these? {', '.join(sorted(missing))}")
    return list(found.values())


def _deb(name: str, version: str, machine: str, source: str) -> Component:
    purl = f"pkg:deb/debian/{name}@{quote(version, safe='')}?arch={machine}&distro=bookworm"
    return _part(purl, name, version) | {"licenses": _licence(source, None)}


def _asked(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def contents(program: Path) -> tuple[set[str], set[str]]:
    """Names of the modules, and of the files, that a one-file build holds."""
    readers = import_module("PyInstaller.archive.readers")  # here, as only this needs it
    archive = readers.CArchiveReader(str(program))
    embedded = next(name for name in archive.toc if name.endswith(".pyz"))
    return set(archive.open_embedded_archive(embedded).toc), set(archive.toc)


def document(program: Path, site: Path, debs: Path) -> dict[str, Any]:
    """The CycloneDX document."""
    modules, files = contents(program)
    paths = {m.replace(".", "/") for m in modules}
    sources = {f"{path}.py" for path in paths} | {f"{path}/__init__.py" for path in paths}
    wheels, theirs = python_packages(sources | files, site)
    # What else is a library is the system's; Python's own modules and libpython among it.
    foreign = {Path(f).name for f in files if ".so" in Path(f).name and f not in theirs}
    direct = [*wheels, *debian_packages(foreign, debs)]
    own = f"pkg:generic/mmconnect@{__version__}"
    edges = {own: sorted(part["bom-ref"] for part in direct)}
    parts: dict[str, Component] = {}
    for part in direct:
        compiled = {one["bom-ref"]: one for one in part.pop("components", ())}
        parts |= {part["bom-ref"]: part} | compiled
        edges |= {part["bom-ref"]: sorted(compiled)} if compiled else {}
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or program.stat().st_mtime)
    licence = [{"license": {"id": "MIT"}}]
    about = {"type": "application", "bom-ref": own, "name": "mmconnect", "version": __version__}
    digest = hashlib.sha256(program.read_bytes()).hexdigest()
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, own + digest)}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": about
            | {"licenses": licence, "hashes": [{"alg": "SHA-256", "content": digest}]},
        },
        "components": [parts[ref] for ref in sorted(parts)],
        "dependencies": [{"ref": ref, "dependsOn": to} for ref, to in sorted(edges.items())],
    }


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit("usage: python -m scripts.sbom PROGRAM SITE DEBS")
    print(json.dumps(document(*map(Path, sys.argv[1:])), indent=1))
