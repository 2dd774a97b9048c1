#!/bin/sh
# The benchmarks. Alone, it prints where the microseconds of one text go. With BENCH_DRIVER naming the
# folder of the peer driver (bench.py, with its peers installed as its README says), it measures
# mmconnect beside them: every round runs every peer once, ROUNDS times (default 5), and the medians and
# ratios are written into the results' folder as table.md.
#   WORK    which works (burst,burst50,trickle,crash,outage,fsync,idle)     PEERS   beside whom
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
export BENCH_RESULTS="${BENCH_RESULTS:-$here/results/$(date -u +%Y%m%dT%H%M%S)}"
peers=${PEERS:-mmconnect,kannel,node-red,celery-redis,sqlite-floor,sqlite-group}
works=${WORK:-burst,burst50,trickle,crash,outage,fsync,idle}
rounds=${ROUNDS:-5}
mkdir -p "$BENCH_RESULTS"
cd "$BENCH_DRIVER"

wanted() { case ",$works," in *",$1,"*) true ;; *) false ;; esac; }
# What needs no more than an instance of each peer, one after the other.
one_by_one=
for work in burst burst50 trickle; do
    if wanted "$work"; then one_by_one=${one_by_one:+$one_by_one,}$work; fi
done
round=0
while [ "$round" -lt "$rounds" ]; do
    round=$((round + 1))
    echo "round $round of $rounds"
    [ -z "$one_by_one" ] || "$BENCH_PYTHON" bench.py run "$peers" --work "$one_by_one" --runs 1
    ! wanted fsync || "$BENCH_PYTHON" bench.py fsync "$peers"
    [ "$round" -gt "${FEW:-3}" ] && continue
    # A crash spoils its instance; an outage and a rest take minutes: three rounds tell enough.
    ! wanted crash || "$BENCH_PYTHON" bench.py run "$peers" --work crash --runs 1
    ! wanted outage || "$BENCH_PYTHON" bench.py outage "$peers" --runs 1
    ! wanted idle || "$BENCH_PYTHON" bench.py idle "$peers" --runs 1
done
"$python" "$here/summary.py" "$BENCH_RESULTS" | tee "$BENCH_RESULTS/table.md"
if wanted fsync; then
    # In a burst, and at a trickle of five minutes with its checkpoints: mmconnect alone.
    cd "$here/.."
    { echo; "$python" -m bench.syncs || true; } | tee -a "$BENCH_RESULTS/table.md"
fi
