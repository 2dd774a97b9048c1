#!/bin/sh
# What a whole run of the tests left red, once more and alone, for `make ci` only: on a machine that
# stands still for seconds a test can lose a race that no user ever runs. Red again is red. Green now
# is said aloud at the end, for a test that fails by chance is a defect of the test, or of mmconnect.
# More than three, or a run that did not come to its end, are not chance, and are not run again.
#   usage: again.sh PYTHON STATUS     STATUS is what pytest ended with; 1 is "ran to its end, some failed"
set -eu
python=$1 status=$2
failed=.pytest_cache/v/cache/lastfailed

[ "$status" = 1 ] && [ -s "$failed" ] || exit "$status"
names=$("$python" -c 'import json, sys; print(*json.load(open(sys.argv[1])), sep="\n")' "$failed")
[ "$(printf '%s\n' "$names" | wc -l)" -le 3 ] || exit "$status"

echo "again: what failed once more, alone"
"$python" -m pytest -q --last-failed --last-failed-no-failures none || exit $?
printf 'again: FAILED ONCE, PASSED ALONE: find out why\n%s\n' "$names"
