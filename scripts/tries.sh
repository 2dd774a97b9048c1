#!/bin/sh
# Runs a command that downloads something, up to three times: networks and their servers hiccup, and
# what a clean clone must pass is not to fail by that. The last try says what it says.
#   usage: tries.sh COMMAND [WORD…]     TRIES_REST: seconds before the second try, 5 unless told
set -u
rest=${TRIES_REST:-5}
for n in 1 2; do
    "$@" && exit 0
    echo "tries: $1 failed ($?); again in $rest s" >&2
    sleep "$rest"
    rest=$((rest * 4))
done
exec "$@"
