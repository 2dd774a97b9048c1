#!/bin/sh
# The benchmarks. Alone, it prints where the microseconds of one text go. With BENCH_DRIVER naming the
# folder of the peer driver (bench.py, with its peers installed as its README says), it measures
# mmconnect beside them, interleaved: ROUNDS times every peer in turn (default 3).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-$(command -v python)}

"$python" "$here/parts.py"

[ -n "${BENCH_DRIVER:-}" ] || {
    echo
    echo "Beside other software: BENCH_DRIVER=… BENCH_PEERS=… BENCH_PYTHON=… make bench (bench/README.md)"
    exit 0
}
: "${BENCH_PEERS:?the folder the peers are installed in}" "${BENCH_PYTHON:?the Python of the peers}"
export BENCH_MMCONNECT="${BENCH_MMCONNECT:-$(command -v mmconnect)}"
export BENCH_RESULTS="${BENCH_RESULTS:-$here/results}"
peers=${PEERS:-mmconnect,node-red,kannel,celery-redis,sqlite-floor,sqlite-group}
mkdir -p "$BENCH_RESULTS"
cd "$BENCH_DRIVER"
for _ in $(seq "${ROUNDS:-3}"); do
    "$BENCH_PYTHON" bench.py run "$peers" --work "${WORK:-burst,trickle}" --runs 1
done
"$BENCH_PYTHON" bench.py run mmconnect --work crash --runs "${ROUNDS:-3}"
"$BENCH_PYTHON" bench.py idle mmconnect,sqlite-floor --runs 1
"$BENCH_PYTHON" bench.py table
