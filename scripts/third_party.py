"""The notices of what a frozen build brings along: `python -m scripts.third_party FOLDER > FILE`.

Run by the environment that FOLDER, a one-directory build, was made in. Python packages tell theirs
themselves; what came from Debian has it in /usr/share/doc. Fails for a library of nobody's.
A build made in a Debian of its own is told of with `--debian ROOT --site SITE`: its packages lie in
ROOT, and the wheels in SITE (scripts/debian_build.sh).
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from scripts.sbom import canonical, compiled_in, debian_packages

ROOT = Path(__file__).parents[1]
_NOTICE = re.compile(r"(licen[cs]e|copying|notice|authors)[^/]*$", re.IGNORECASE)


def notices(folder: Path, debian: Path | None, site: Path | None) -> Iterator[tuple[str, str]]:
    """(What it is, its notice) of everything inside."""
    documents = (debian or Path("/")) / "usr/share/doc"
    if debian:
        found = debian_packages(_libraries(folder), debian / "var/cache/apt/archives")
        packages = {part["name"]: part["version"] for part in found}
    else:
        packages = {
            _owner(one): "" for one in _libraries(folder) if not one.startswith("libpython")
        }
        yield f"Python {sys.version.split()[0]}", _python()
    locked = _locked()
    wheels = distributions(path=[str(site)]) if site else distributions()
    there = {canonical(one.name): one for one in wheels}
    for name in sorted(locked & there.keys()):  # the others are for other machines, says the lock
        yield f"{name} {there[name].version}", _told(there[name])
    for package, version in sorted(packages.items()):
        text = (documents / package / "copyright").read_text(encoding="utf-8")
        yield f"{package} {version}".strip() + ", from Debian", text


def _locked() -> set[str]:
    """Names of the packages that may be inside; PyInstaller's boot loader is, too."""
    found = {"pyinstaller"}
    for lock in ("runtime", "tls"):
        text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
        found |= {match[1].lower() for match in re.finditer(r"^([A-Za-z0-9_.-]+)==", text, re.M)}
    return found


def _told(package: Distribution) -> str:
    """What a wheel says of itself, and what is known to be compiled into it."""
    files = [file for file in package.files or [] if _NOTICE.search(str(file))]
    texts = [file.read_text(encoding="utf-8") for file in sorted(files)]
    if not texts:
        about: Any = package.metadata
        told = about.get("License-Expression") or about.get("License")
        texts = [f"Its authors say: {told}\n"]
    parts = [
        f"  {part['name']} {part.get('version', '')}".rstrip()
        + f": {part['licenses'][0]['expression']}"
        for part in compiled_in(package)
    ]
    return "\n".join([*texts, *(["Compiled into it are:", *parts] if parts else [])])


def _python() -> str:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    places = (
        Path(sysconfig.get_path("stdlib")) / "LICENSE.txt",
        Path(f"/usr/share/doc/python{version}/copyright"),
        Path(f"/usr/share/doc/libpython{version}-minimal/copyright"),
    )
    return next(place for place in places if place.exists()).read_text(encoding="utf-8")


def _libraries(folder: Path) -> list[str]:
    """The shared libraries that do not lie in a package's folder."""
    return sorted({file.name for file in (folder / "_internal").glob("lib*.so*")})


def _owner(library: str) -> str:
    """Debian's package of a library."""
    asked = ["dpkg", "-S", f"*/{library}"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    names = {line.partition(":")[0] for line in done.stdout.splitlines()}
    if not names:
        raise SystemExit(f"{library} is no library of Debian's: whose licence is it under?")
    return min(names)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The notices of what a build brings along.")
    parser.add_argument("folder", type=Path, help="a one-directory build")
    parser.add_argument("--debian", type=Path, help="the root of the Debian that it was made in")
    parser.add_argument("--site", type=Path, help="where the wheels were installed for it")
    args = parser.parse_args()
    for what, text in notices(args.folder, args.debian, args.site):
        print(f"{'=' * 100}\n{what}\n{'=' * 100}\n\n{text.strip()}\n")
