"""What is inside a build, as CycloneDX: `python -m scripts.sbom PROGRAM SITE DEBS > FILE`.

The one-file PROGRAM itself is asked, not what should be in it. Packages in SITE (where the wheels
were installed) count when something of them is inside; each library that is none of theirs has to
come from one of the Debian packages in the folder DEBS, Python's own among them; one of nobody's is
an error. Needs PyInstaller, which reads programs for any machine. The same build gives the same.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mmconnect import __version__

Component = dict[str, Any]


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
    name = re.sub(r"[-_.]+", "-", package.name).lower()
    about: Any = package.metadata
    licence = about.get("License-Expression")
    told = {"expression": licence} if licence else {"license": {"name": _first_line(about)}}
    return {
        "type": "library",
        "bom-ref": f"pkg:pypi/{name}@{package.version}",
        "name": name,
        "version": package.version,
        "purl": f"pkg:pypi/{name}@{package.version}",
        "licenses": [told],
    }


def _first_line(about: Any) -> str:
    lines = (about.get("License") or "").splitlines()
    classes = [c for c in about.get_all("Classifier") or () if c.startswith("License ::")]
    return lines[0] if lines else classes[0].rpartition(":: ")[2] if classes else "unknown"


def debian_packages(libraries: Iterable[str], debs: Path) -> list[Component]:
    """The packages that the libraries came from; raises SystemExit for one of nobody's."""
    missing, found = set(libraries), {}
    for deb in sorted(debs.glob("*.deb")):
        lines = _asked("dpkg-deb", "-c", str(deb)).splitlines()
        names = {Path(line.split(" -> ")[0].split()[-1]).name for line in lines}
        if names & missing:
            missing -= names
            shown = "--showformat=${Package}|${Version}|${Architecture}"
            name, version, machine = _asked("dpkg-deb", "-W", shown, str(deb)).split("|")
            found[name] = _deb(name, version, machine)
    if missing:
        raise SystemExit(f"whose are these? {', '.join(sorted(missing))}")
    return list(found.values())


def _deb(name: str, version: str, machine: str) -> Component:
    purl = f"pkg:deb/debian/{name}@{quote(version, safe='')}?arch={machine}&distro=bookworm"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


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
    parts = [*wheels, *debian_packages(foreign, debs)]
    parts.sort(key=lambda part: str(part["purl"]))
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or program.stat().st_mtime)
    own = f"pkg:generic/mmconnect@{__version__}"
    listed = json.dumps(parts, sort_keys=True)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, own + listed)}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "application",
                "bom-ref": own,
                "name": "mmconnect",
                "version": __version__,
                "licenses": [{"license": {"id": "MIT"}}],
            },
        },
        "components": parts,
        "dependencies": [{"ref": own, "dependsOn": [part["bom-ref"] for part in parts]}],
    }


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit("usage: python -m scripts.sbom PROGRAM SITE DEBS")
    print(json.dumps(document(*map(Path, sys.argv[1:])), indent=1))
