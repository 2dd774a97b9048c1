"""The page about installing: what it says to type is typed, its facts are those of the code."""

from __future__ import annotations

import re
from fnmatch import fnmatch

from mmconnect import config
from mmconnect.service import installing, unit
from tests.docs.test_docs import ROOT, rows, section, text

PAGE = text("docs/install.md")
TYPED = (ROOT / "scripts" / "test_install.sh").read_text(encoding="utf-8")
TITLES = set(re.findall(r'^ *```sh title="([^"]+)"$', PAGE, re.MULTILINE))
ELSEWHERE = {"pipx", "source"}
"""They fetch from the internet, which the container of that script does not have."""


def test_each_block_with_a_title_is_typed_in_a_debian():
    typed = re.findall(r'(?:type_in|block) \$page (?:"([^"]+)"|(\w+))', TYPED)
    assert {one or other for one, other in typed} == TITLES - ELSEWHERE
    readme = re.findall(r'(?:type_in|block) README\.md (?:"([^"]+)"|(\w+))', TYPED)
    told = re.findall(r'^```sh title="([^"]+)"$', text("README.md"), re.MULTILINE)
    assert sorted(one or other for one, other in readme) == sorted(told)


def test_the_files_are_called_as_a_release_calls_them():
    release = (ROOT / "scripts" / "release.sh").read_text(encoding="utf-8")
    assert '"$out/mmconnect-$version-linux-$arch"' in release
    assert "mmconnect_${version}_$arch.deb" in (ROOT / "scripts" / "deb.sh").read_text()
    for pattern, name in {
        "mmconnect-*-linux-amd64": "mmconnect-0.1.0-linux-amd64",
        "mmconnect_*_arm64.deb": "mmconnect_0.1.0_arm64.deb",
        "./mmconnect-*-py3-none-any.whl": "./mmconnect-0.1.0-py3-none-any.whl",
    }.items():
        assert pattern in PAGE
        assert fnmatch(name, pattern)
    assert not fnmatch("mmconnect-0.1.0-linux-amd64.cdx.json", "mmconnect-*-linux-amd64")
    for page in (PAGE, text("README.md")):
        assert "./mmconnect_*_$(dpkg --print-architecture).deb" in page


def test_everything_is_where_the_table_says():
    table = {row[0]: row[1:] for row in rows(section("Where everything is", PAGE))}
    package, kept, own = zip(*(table[name] for name in ("program", "data", "options")), strict=True)
    toml = (ROOT / "packaging" / "mmconnect.toml").read_text(encoding="utf-8")
    state = f"`{unit.STATE}`"
    assert package == ("`/usr/bin/mmconnect`", state, f"`{config.INSTALLED_FILE}`")
    assert f'data_dir = "{unit.STATE}"' in toml
    assert kept == (f"`{installing.BINARY}`", state, f"`{config.INSTALLED_FILE}`")
    assert own[1] == "`~/.local/share/mmconnect`"


def test_the_ports_are_those_of_the_options():
    told = {port for row in rows(section("Firewall", PAGE))[2:] for port in row[0].split(", ")}
    assert told == {
        o.default[-4:] for o in config.OPTIONS if o.name.endswith("_listen") and o.default
    }


def test_the_oldest_system_is_the_same_everywhere():
    for page in (PAGE, text("README.md"), text("docs/building.md")):
        assert "2.36" in page
        assert "glibc" in page
