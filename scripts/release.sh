#!/bin/sh
# Everything of a release, into dist/release-VERSION; nothing is put anywhere else (`make release`).
#   usage: release.sh BUILD_PYTHON TEST_PYTHON        those of .venv-build and .venv; root, for debian_build.sh
# Of a commit, never of changes on top, and only with notes: CHANGELOG.md has to have "## [VERSION] - a date".
# For both kinds of machine: the one-file build, the Debian package, and what is inside (CycloneDX); the
# source and the wheel; the notes; and the checksums of all that.
set -eu
cd "$(dirname "$0")/.."
build_python=${1:-} python=${2:-}

fail() { echo "$*" >&2; exit 1; }
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' mmconnect/__init__.py)
changes=$(git status --porcelain) || fail "A release is made of a commit: this is no checkout."
[ -z "$changes" ] || fail "A release is made of a commit, and there are changes on top:
$changes"
grep -qE "^## \[$(echo "$version" | sed 's/\./\\./g')\] - [0-9]{4}-[0-9]{2}-[0-9]{2}$" CHANGELOG.md ||
    fail "CHANGELOG.md has no notes for $version: its heading has to be \"## [$version] - YYYY-MM-DD\"."
[ -n "$python" ] || fail "usage: $0 BUILD_PYTHON TEST_PYTHON"

# What is dated inside of files has the commit's date, so that who builds the same commit gets the same.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
COMMIT=$(git rev-parse HEAD)
export SOURCE_DATE_EPOCH COMMIT PYTHONHASHSEED=1
out=dist/release-$version
rm -rf "$out" && mkdir -p "$out"

awk -v head="## [$version] " 'index($0, head) == 1 { on = 1; next } /^## / { on = 0 } on' CHANGELOG.md |
    sed '/./,$!d' >"$out/NOTES.md"
"$python" -m hatchling build -d "$out" -t sdist -t wheel

"$build_python" -m pip install -q -r requirements/man.txt
mkdir -p build && "$build_python" -m scripts.man_page >build/mmconnect.1
for arch in amd64 arm64; do
    work=${WORK:-/var/tmp}/mmconnect-$arch
    PYTHON=$build_python sh scripts/debian_build.sh $arch "$work"
    cp dist/$arch/mmconnect "$out/mmconnect-$version-linux-$arch"
    "$build_python" -m scripts.sbom dist/$arch/mmconnect "$work"/root/site-* "$work/root/var/cache/apt/archives" \
        >"$out/mmconnect-$version-linux-$arch.cdx.json"
    sh scripts/deb.sh "$build_python" dist/$arch/mmconnect-onedir
    mv dist/mmconnect_*_$arch.deb "$out/"
done
(cd "$out" && sha256sum -- * >SHA256SUMS.part && mv SHA256SUMS.part SHA256SUMS)
echo "$out:" && ls -l "$out"
