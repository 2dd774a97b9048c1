#!/bin/sh
# The tests marked `apt`: our signatures verified by openssl, PHP, Ruby, Go and Node, a clock that
# jumps (faketime), our TLS seen by nmap, the doctor on a slow disk, an unsynchronised clock and
# behind a firewall, nginx and Caddy in front, and the pages in a real browser (Chromium, axe).
# Installs what is missing when it may; what stays missing is said here, and its tests skip with the
# same reason.
set -eu
python=$1
tries() { sh "$(dirname "$0")/tries.sh" "$@"; }

wanted=
want() { command -v "$1" >/dev/null 2>&1 || wanted="$wanted $2"; }
want openssl openssl
want php php-cli
want ruby ruby
want go golang-go
want node nodejs
want faketime faketime
want nmap nmap
want strace strace
want nft nftables
want nginx nginx
want caddy caddy
want chromium chromium
want npm npm
want zsh zsh
want fish fish

if [ -z "$wanted" ]; then
    echo "apt: everything these tests need is here"
elif ! command -v apt-get >/dev/null 2>&1; then
    echo "apt: missing$wanted, and this machine has no apt-get; those tests are skipped"
elif [ "$(id -u)" != 0 ]; then
    echo "apt: missing$wanted, and only root may install; those tests are skipped"
    echo "apt: to have them: sudo apt-get install$wanted"
else
    echo "apt: installing$wanted"
    export DEBIAN_FRONTEND=noninteractive
    log=$(mktemp)
    # Patient with a network that hiccups and with whoever else installs something; not for ever.
    waits="-o Acquire::Retries=1 -o Acquire::http::Timeout=10 -o DPkg::Lock::Timeout=60"
    # shellcheck disable=SC2086  # a list of words
    apt() { tries apt-get $waits "$@" >>"$log" 2>&1; }
    apt update || echo "apt: could not look up what is new"
    # shellcheck disable=SC2086  # a list of package names
    apt install -y --no-install-recommends $wanted || {
        tail -n 5 "$log"
        echo "apt: could not install all of$wanted (above); those tests are skipped"
    }
    rm -f "$log"
    # Their packages start them, on port 80; the tests need the programs alone.
    for one in nginx caddy; do
        case "$wanted " in *" $one "*) systemctl disable --now "$one" >/dev/null 2>&1 || : ;; esac
    done
fi

# What drives the browser, and what looks for barriers in a page: beside the tests' own packages.
venv=$("$python" -c 'import sys; print(sys.prefix)')
"$python" -c 'import playwright' 2>/dev/null ||
    tries "$python" -m pip install -q --no-deps -r requirements/browser.txt ||
    echo "apt: playwright could not be installed; the tests in a browser are skipped"
[ -f "$venv/axe/node_modules/axe-core/axe.min.js" ] || {
    command -v npm >/dev/null 2>&1 &&
        tries npm install --no-save --no-audit --no-fund --loglevel error --fetch-retries 0 \
            --cache "$venv/axe/cache" --prefix "$venv/axe" axe-core@4.14.1
} || echo "apt: axe-core could not be installed; the test that needs it is skipped"

status=0
rm -rf .pytest_cache
"$python" -m pytest -q -n 4 --dist worksteal -m "apt and not long" || status=$?
[ $status != 5 ] || { echo "apt: no test is marked apt"; status=0; }
[ $status = 0 ] || exec sh "$(dirname "$0")/again.sh" "$python" $status
