#!/bin/sh
# The Debian package under a systemd that really runs: a Debian is booted in a container on the spot, and
# the life of an appliance is lived through in it, from the installation to the purge (`make test-systemd`).
# Root, debootstrap, systemd-container; five minutes,
# and two more when the older version is built for the first time.
#   usage: test_systemd.sh PYTHON [FOLDER for the Debian and the older build, which are kept]
# PYTHON is that of the build environment. Prints each step with its time, ends at the first that fails.
set -eu
cd "$(dirname "$0")/.."
python=$1 work=${2:-/var/tmp/mmconnect-test-systemd}
case $python in /*) ;; *) python=$(pwd)/$python ;; esac
begun=$(date +%s)
# The last commit whose database has schema 6.
OLD=7a9f5a8
. scripts/container.sh

[ -x dist/mmconnect-onedir/mmconnect ] || { echo "there is no dist/mmconnect-onedir: make deb" >&2; exit 1; }
make_system
if [ ! -e "$work/old/made" ]; then
    step "building an older version, with an older database ($OLD)"
    rm -rf "$work/old" && mkdir "$work/old"
    git archive $OLD | tar -x -C "$work/old"
    (cd "$work/old" && "$python" -m PyInstaller --noconfirm --clean --log-level ERROR build.spec)
    touch "$work/old/made"
fi
arch=$(dpkg --print-architecture)
version=$(dist/mmconnect-onedir/mmconnect version --json | sed 's/.*"version": "\([^"]*\)".*/\1/')
new=dist/mmconnect_${version}_$arch.deb old=$work/mmconnect_0.0.9_$arch.deb
[ -e "$new" ] || { echo "there is no $new: make deb" >&2; exit 1; }
if [ ! -e "$old" ] || [ -n "$(find packaging scripts/deb.sh "$work/old/made" -newer "$old")" ]; then
    VERSION=0.0.9 LINTIAN=no sh scripts/deb.sh "$1" "$work/old/dist/mmconnect-onedir"
    mv "dist/$(basename "$old")" "$work/"
fi
clear_system
cp "$old" "$new" "$root/root/"
step "packages: $(basename "$new"), and $(basename "$old") to come from"

trap end EXIT
boot
step "a Debian has booted"

told=$(install_deb "$new") || fail "dpkg -i: $told"
echo "$told" | grep -q "http://$LAN:8480/setup#" || fail "no link for the first visit: $told"
is ActiveState active || fail "it is not active"
is Type notify && is NotifyAccess main || fail "it is not asked whether it is ready"
inside systemctl is-enabled mmconnect >/dev/null || fail "it would not start with the machine"
[ "$(inside stat -c '%a %U' $data)" = "700 mmconnect" ] || fail "the data are not its own"
step "installed: active, ready, with the link for the first visit"

score=$(inside systemd-analyze security mmconnect --no-pager | sed -n 's/.*exposure level[^0-9]*\([0-9.]*\).*/\1/p')
awk "BEGIN { exit !(${score:-10} <= 2.0) }" || fail "systemd-analyze security: $score"
step "systemd-analyze security: $score"

connect
receive
push 1 1 >/dev/null
until_true "the text is delivered" 60 all_delivered
received 1 1
step "a text was pushed, and delivered"

# Everything that it does for the first time lies elsewhere in the other version's files.
inside systemctl restart mmconnect
main=$(show MainPID)
told=$(inside dpkg --unpack "/root/$(basename "$old")" 2>&1) || fail "dpkg --unpack: $told"
sender=+5491123456789 push 1000 1000 >/dev/null
until_true "the text is delivered" 60 all_delivered
received 1000 1000
for path in /readyz /setup /no-such-page; do
    found=$(page $path)
    case $path$found in
    /readyz200 | /setup200 | /no-such-page404) ;;
    *503) grep -q "Another version of mmconnect was just installed" "$work/page" || fail "$path: $(cat "$work/page")" ;;
    *) fail "$path: $found $(cat "$work/page")" ;;
    esac
    step "another version is unpacked over it: $path is $found"
done
is MainPID "$main" || fail "it was ended"
told=$(install_deb "$new") || fail "dpkg -i: $told"
is ActiveState active && ! is MainPID "$main" || fail "it was not restarted"
[ "$(page /setup)" = 200 ] || fail "the pages of the new one: $(cat "$work/page")"
[ "$(sql "SELECT max(attempts) FROM deliveries")" = 1 ] || fail "a delivery had to be tried again"
step "and it took and delivered a text; restarted, its pages are the new ones"

push 2 400 >"$work/kept" &
pusher=$!
until_true "it is busy" 60 grep -q '^50$' "$work/kept"
main=$(show MainPID) killed=$(date +%s)
inside sh -c "kill -KILL $main"
until_true "it is back after SIGKILL" 10 another "$main"
back=$(($(date +%s) - killed))
wait $pusher
pusher=
until_true "all is delivered" 120 all_delivered
[ "$(texts)" = 401 ] || fail "$(texts) texts are there, of 401"
received 1 400
step "SIGKILL among texts: back within $back s; 400 of 400 kept once and delivered"

main=$(show MainPID)
inside sh -c "kill -STOP $main"
until_true "the watchdog restarts it" 150 another "$main"
inside journalctl -u mmconnect --no-pager | grep -q "Watchdog timeout" || fail "that was not the watchdog"
step "SIGSTOP: the watchdog has restarted it"

receive --delay 4
push 401 401 >/dev/null
until_true "it is on its way" 30 inside sh -c "ss -tn | grep -q ESTAB.*:8490"
inside systemctl stop mmconnect
is Result success && is ExecMainStatus 0 || fail "the stop was not clean"
[ "$(waiting)" = 0 ] || fail "the delivery was not waited for"
[ "$(grep -c text-401- "$work/received")" = 1 ] || fail "it came more than once"
inside systemctl start mmconnect
step "a stop in the middle of a delivery: clean, delivered once"

end_receiver
inside systemctl reboot || true
wait $container || true
forget_groups
boot
until_true "it runs after a reboot" 60 is ActiveState active
receive
push 402 402 >/dev/null
until_true "all is delivered" 60 all_delivered
received 402 402
step "rebooted: it runs, takes and delivers texts"

full_disk
inside systemctl stop mmconnect
inside umount $data
inside systemctl start mmconnect

told=$(inside dpkg -r mmconnect 2>&1) || fail "remove: $told"
echo "$told" | grep -q "stay in $data" || fail "it does not say where the data are: $told"
[ "$(texts)" = 403 ] || fail "the data are gone"
is MainPID 0 || fail "it still runs"
told=$(install_deb "$new") || fail "dpkg -i: $told"
is ActiveState active || fail "it does not run when it is installed again"
[ "$(texts)" = 403 ] || fail "the data are gone"
step "removed, the data stay; installed again, it goes on with them"

inside dpkg -P mmconnect >/dev/null 2>&1 || fail "purge"
! inside test -e $data || fail "the data are still there"
! inside id mmconnect >/dev/null 2>&1 || fail "the account is still there"
! inside test -e /etc/mmconnect || fail "the options are still there"
[ "$(show LoadState)" = not-found ] || fail "the unit is still there"
step "purged: data, options and account are gone"

# The older one knows nothing of systemd: it is taken for ready as soon as it runs.
inside mkdir -p /etc/systemd/system/mmconnect.service.d
inside sh -c 'printf "[Service]\nType=exec\nWatchdogSec=0\n" >/etc/systemd/system/mmconnect.service.d/old.conf'
told=$(install_deb "$old") || fail "dpkg -i: $told"
until_true "the older one listens" 60 listens 8481
connect
: >"$work/received"
push 501 520 >/dev/null
[ "$(sql 'PRAGMA user_version')" = 6 ] || fail "the older one's database is not what it was meant to be"
inside rm -r /etc/systemd/system/mmconnect.service.d
push 521 900 >"$work/kept" &
pusher=$!
told=$(install_deb "$new") || fail "dpkg -i: $told"
is ActiveState active || fail "it does not run after the upgrade"
wait $pusher
pusher=
schema=$(sql 'PRAGMA user_version')
[ "$schema" -gt 6 ] || fail "not migrated"
[ "$(inside stat -c '%a %U' $data/backups/before-schema-7.db)" = "600 mmconnect" ] || fail "no backup before"
receive
until_true "all is delivered" 120 all_delivered
[ "$(texts)" = 400 ] || fail "$(texts) texts are there, of 400"
received 501 900
step "upgraded from 0.0.9 among texts: schema 6 is $schema, with a backup before; nothing lost"

end_in_order
step "all is well"
