"""The notices of what a frozen build brings along: `python -m scripts.third_party FOLDER > FILE`.

Run by the environment that FOLDER, a one-directory build, was made in. Python packages tell theirs
themselves; what came from Debian has it in /usr/share/doc. Fails for a library of nobody's.
"""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).parents[1]
_NOTICE = re.compile(r"(licen[cs]e|copying|notice|authors)[^/]*$", re.IGNORECASE)


def notices(folder: Path) -> Iterator[tuple[str, str]]:
    """(What it is, its notice) of everything inside."""
    yield f"Python {sys.version.split()[0]}", _python()
    for name in _locked():
        try:
            found = distribution(name)
        except PackageNotFoundError:  # for other machines, says the lock
            continue
        files = [file for file in found.files or [] if _NOTICE.search(str(file))]
        texts = [file.read_text(encoding="utf-8") for file in sorted(files)]
        if not texts:
            told = found.metadata.get("License-Expression") or found.metadata.get("License")
            texts = [f"Its authors say: {told}\n"]
        yield f"{name} {found.version}", "\n".join(texts)
    for package in sorted(set(map(_owner, _libraries(folder)))):
        about = Path("/usr/share/doc") / package / "copyright"
        yield f"{package}, from Debian", about.read_text(encoding="utf-8")


def _locked() -> list[str]:
    """Names of the packages that may be inside; PyInstaller's boot loader is, too."""
    found = {"pyinstaller"}
    for lock in ("runtime", "tls"):
        text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
        found |= {match[1].lower() for match in re.finditer(r"^([A-Za-z0-9_.-]+)==", text, re.M)}
    return sorted(found)


def _python() -> str:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    places = (
        Path(sysconfig.get_path("stdlib")) / "LICENSE.txt",
        Path(f"/usr/share/doc/python{version}/copyright"),
        Path(f"/usr/share/doc/libpython{version}-minimal/copyright"),
    )
    return next(place for place in places if place.exists()).read_text(encoding="utf-8")


def _libraries(folder: Path) -> list[str]:
    """The shared libraries that are neither Python's own nor lie in a package's folder."""
    found = {file.name for file in (folder / "_internal").glob("lib*.so*")}
    return sorted(name for name in found if not name.startswith("libpython"))


def _owner(library: str) -> str:
    """Debian's package of a library."""
    asked = ["dpkg", "-S", f"*/{library}"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    names = {line.partition(":")[0] for line in done.stdout.splitlines()}
    if not names:
        raise SystemExit(f"{library} is no library of Debian's: whose licence is it under?")
    return min(names)


if __name__ == "__main__":
    for what, text in notices(Path(sys.argv[1])):
        print(f"{'=' * 100}\n{what}\n{'=' * 100}\n\n{text.strip()}\n")
