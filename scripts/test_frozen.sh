#!/bin/sh
# Both forms of `make build` through every test that starts a program, and through what only a build can do wrong.
#   usage: test_frozen.sh PYTHON BUILD_PYTHON [words for pytest]
# PYTHON has the test packages, BUILD_PYTHON PyInstaller. FORMS="dist/mmconnect" for one form alone, of whatever build.
# A test fails that does not start the build (tests/support/counted.py); which ones cannot is in the list of those skipped.
set -u
cd "$(dirname "$0")/.."
python=$1
export BUILD_PYTHON=$2
shift 2
forms=${FORMS:-dist/mmconnect dist/mmconnect-onedir/mmconnect}
made_of="mmconnect templates static recipes packaging/mmconnect.service scripts/frozen_entry.py scripts/held.py build.spec requirements/build.txt"

for form in $forms; do
    # shellcheck disable=SC2086  # a list of names
    [ -x "$form" ] && [ -z "$(find $made_of -type f ! -name '*.pyc' -newer "$form" | head -n 1)" ] && continue
    [ -z "${FORMS:-}" ] || { echo "$form is not there, or older than the source" >&2; exit 1; }
    make build || exit 1
    break
done

# What a killed one-file build has unpacked nobody removes: all of it goes here, and away in the end.
TMPDIR=$(mktemp -d /tmp/mmfrozen-XXXXXX)
export TMPDIR
chmod 755 "$TMPDIR" # some tests are somebody else for a while
trap 'rm -rf "$TMPDIR"' EXIT
trap 'exit 130' INT TERM
failed=
for form in $forms; do
    echo "== $form"
    TEST_PROGRAM=$form "$python" -m pytest -p tests.support.counted -n "${JOBS:-2}" --dist worksteal -rs \
        -m "${MARKS:-(program or frozen) and not long}" "$@" || failed="$failed $form"
    rm -rf "${TMPDIR:?}"/*
done
[ -z "$failed" ] || { echo "FAILED:$failed" >&2; exit 1; }
echo "Both do what the source does."
