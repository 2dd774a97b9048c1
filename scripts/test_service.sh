#!/bin/sh
# `mmconnect service` under a systemd that really runs: the one-file build (`make build`) in a Debian
# that is booted in a container on the spot. Root, debootstrap, systemd-container; three minutes.
#   usage: test_service.sh [FOLDER for the Debian, which is kept for the next time]
# Prints each step with its time, and ends at the first that fails.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
work=${1:-/var/tmp/mmconnect-test-service}
build=$here/dist/mmconnect
begun=$(date +%s)
. "$here/scripts/container.sh"

[ -x "$build" ] || { echo "there is no $build: make build" >&2; exit 1; }
make_system libpam-systemd # a user's own systemd
clear_system
make_owner
install -m 755 "$build" "$root/home/pi/mmconnect"

trap end EXIT
boot
step "a Debian has booted"

told=$(inside /home/pi/mmconnect service install) || fail "service install: $told"
echo "$told" | grep -q "http://$LAN:8480/setup#" || fail "no link for the first visit: $told"
is ActiveState active || fail "it is not active"
is NotifyAccess all || fail "the second process is not heard"
inside test -x /usr/local/bin/mmconnect || fail "the program was not copied"
step "installed from a download, active, with the link for the first visit"

inside mmconnect device add --name Phone >/dev/null
inside mmconnect message simulate --from +6581230000 --text one >/dev/null || fail "a text"
[ "$(listed)" = 1 ] || fail "the text is not there"
inside mmconnect service install --json | grep -q '"written": \[\]' || fail "a second time it changes something"
step "commands find its data; said again, it changes nothing"

inside systemctl reload mmconnect || fail "reload"
main=$(show MainPID)
inside sh -c "kill -KILL $main"
until_true "it is back after SIGKILL" 30 another "$main"
inside mmconnect message simulate --from +6581230000 --text two >/dev/null
[ "$(listed)" = 2 ] || fail "a text was lost"
inside sh -c 'ls -d /tmp/systemd-private-*mmconnect*/tmp/_MEI*' >"$work/left"
[ "$(wc -l <"$work/left")" = 1 ] || fail "the killed one has left what it unpacked"
step "SIGKILL: back, nothing lost, nothing left over"

main=$(show MainPID)
inside sh -c "kill -STOP \$(cat /proc/$main/task/$main/children)"
until_true "the watchdog restarts it" 120 another "$main"
inside journalctl -u mmconnect --no-pager | grep -q "Watchdog timeout" || fail "that was not the watchdog"
step "SIGSTOP: the watchdog has restarted it"

inside systemctl stop mmconnect
is Result success || fail "the stop was not clean"
inside systemctl start mmconnect
step "a clean stop, and a start"

inside mmconnect service install --data-dir /srv/texts >/dev/null || fail "another data directory"
data=/srv/texts
[ "$(listed)" = 0 ] || fail "these are not the other data"
[ "$(inside stat -c '%a %U' /srv/texts)" = "700 mmconnect" ] || fail "the directory is not its own"
inside systemctl restart mmconnect
is ActiveState active || fail "it does not start there"
step "data in another directory"

full_disk

told=$(inside mmconnect service uninstall) || fail "uninstall: $told"
echo "$told" | grep -q 'still in /srv/texts' || fail "it does not say where the data are: $told"
is LoadState not-found || fail "the unit is still there"
inside test -e /srv/texts/mmconnect.db || fail "the data are gone"
step "uninstalled; the data stay"

inside loginctl enable-linger pi
until_true "the user's systemd is there" 60 as_pi systemctl --user is-active default.target
told=$(as_pi /home/pi/mmconnect service install --user) || fail "a user's own service"
as_pi systemctl --user is-active mmconnect >/dev/null || fail "the user's own is not active"
echo "$told" | grep -q -- '--data-dir /home/pi/.local/share/mmconnect' || fail "not told where the data are: $told"
inside rm /etc/mmconnect/mmconnect.toml
as_pi /home/pi/.local/bin/mmconnect message list >/dev/null || fail "its data are not found"
as_pi /home/pi/.local/bin/mmconnect service install --user | grep -q -- --data-dir && fail "told without need"
as_pi /home/pi/.local/bin/mmconnect service uninstall --user >/dev/null || fail "uninstall --user"
step "a user's own service, and its end"

end_in_order
step "all is well"
