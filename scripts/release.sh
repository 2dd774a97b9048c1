#!/bin/sh
# Everything of a release, into dist/release-VERSION; nothing is put anywhere else (`make release`).
#   usage: release.sh BUILD_PYTHON TEST_PYTHON        those of .venv-build and .venv; root, for debian_build.sh
# Of a commit, never of changes on top, and only with notes: CHANGELOG.md has to have "## [VERSION] - a date".
# For both kinds of machine: the one-file build, the Debian package, and what is inside (CycloneDX); the
# source and the wheel; the notes; and the checksums of all that. Made in Debians of their own, which are
# fetched anew (FRESH= takes what lies there), so that they have what Debian mended until today.
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

# First which file is whose, as a 32-bit system should be told before a download and not by an error after it.
cat >"$out/NOTES.md" <<EOF
## Which file

Type \`getconf LONG_BIT; uname -m\` on the machine that mmconnect is for.

| it says | Debian 12, Ubuntu 24.04, Raspberry Pi OS bookworm, or newer | another Linux with glibc 2.36 or newer |
|---|---|---|
| \`64\`, \`x86_64\` | \`mmconnect_${version}_amd64.deb\` | \`mmconnect-$version-linux-amd64\` |
| \`64\`, \`aarch64\` | \`mmconnect_${version}_arm64.deb\` | \`mmconnect-$version-linux-arm64\` |
| \`32\` | none: mmconnect needs a 64-bit system, and every Pi since the 3 can run one | none |

The first with \`sudo apt install ./FILE\`; the second with \`chmod +x FILE\`, then \`./FILE\`, and \`sudo ./FILE service install\`
once it has shown that it is what you want. On everything else that has 64 bits (Alpine, an older system) the container, or, on one
with glibc and Python 3.11 or newer, \`pipx install "./mmconnect-$version-py3-none-any.whl[tls]"\`.

\`sha256sum --check --ignore-missing SHA256SUMS\`, beside your file and SHA256SUMS, says whether it came whole. What is inside is
listed in \`….cdx.json\` (CycloneDX), the same for both forms.

## What is new

EOF
awk -v head="## [$version] " 'index($0, head) == 1 { on = 1; next } /^## / { on = 0 } on' CHANGELOG.md |
    sed '/./,$!d' >>"$out/NOTES.md"
"$python" -m hatchling build -d "$out" -t sdist -t wheel

for arch in amd64 arm64; do
    work=${WORK:-/var/tmp}/mmconnect-$arch
    PYTHON=$build_python FRESH=${FRESH-1} sh scripts/debian_build.sh $arch "$work"
    cp dist/$arch/mmconnect "$out/mmconnect-$version-linux-$arch"
    "$build_python" -m scripts.sbom dist/$arch/mmconnect "$work"/root/site-* "$work/root/var/cache/apt/archives" \
        >"$out/mmconnect-$version-linux-$arch.cdx.json"
    rm -f dist/mmconnect_*_$arch.deb # of another version
    TEXTS=dist/$arch/texts sh scripts/deb.sh "$build_python" dist/$arch/mmconnect-onedir
    mv dist/mmconnect_*_$arch.deb "$out/"
done
(cd "$out" && sha256sum -- * >SHA256SUMS.part && mv SHA256SUMS.part SHA256SUMS)
echo "$out:" && ls -l "$out"
