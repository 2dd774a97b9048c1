#!/bin/sh
# `mmconnect service` under a systemd that really runs: the one-file build (`make build`) in a Debian
# that is booted in a container on the spot. Root, debootstrap, systemd-container; three minutes.
#   usage: test_service.sh [FOLDER for the Debian, which is kept for the next time]
# Prints each step with its time, and ends at the first that fails.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
work=${1:-/var/tmp/mmconnect-test-service}
root=$work/root
build=$here/dist/mmconnect
begun=$(date +%s)

step() { printf '%4d s  %s\n' $(($(date +%s) - begun)) "$*"; }
fail() {
    step "FAILED: $*"
    inside journalctl --no-pager -n 40 2>/dev/null || true
    exit 1
}
need() { command -v "$1" >/dev/null || { echo "$1 is missing: sudo apt-get install $2" >&2; exit 1; }; }
inside() { nsenter -t "$leader" -a env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"; }
as_user() { inside runuser -u pi -- env XDG_RUNTIME_DIR=/run/user/1000 HOME=/home/pi "$@"; }
until_true() { # what, seconds, command…
    what=$1 end=$(($(date +%s) + $2)) && shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -le $end ] || fail "$what: not in time"
        sleep 0.3
    done
}
is() { [ "$(inside systemctl show mmconnect -p "$1" --value)" = "$2" ]; }
says() { inside systemctl show mmconnect -p StatusText --value | grep -q "$1"; }
another() { is ActiveState active && ! is MainPID "$1"; }
texts() { inside mmconnect message list --json | grep -o '"id": *"msg_' | wc -l; }

# Two containers in the same control group kill each other's services, as they have the same names.
groups() {
    for one in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
        [ ! -e $one/cgroup.procs ] || echo "$one/mmconnect-test-$$"
    done
}
own_groups() { for one in $(groups); do mkdir -p "$one" && echo 0 >"$one/cgroup.procs"; done; }
forget_groups() { for one in $(groups); do find "$one" -depth -type d -exec rmdir {} + 2>/dev/null || true; done; }

[ "$(id -u)" = 0 ] || { echo "only root can boot a container: sudo $0" >&2; exit 1; }
need debootstrap debootstrap
need systemd-nspawn systemd-container
[ -x "$build" ] || { echo "there is no $build: make build" >&2; exit 1; }

if [ ! -e "$work/made" ]; then
    step "making a Debian in $root"
    rm -rf "$root" && mkdir -p "$work"
    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,libpam-systemd,iproute2 \
        bookworm "$root" >"$work/debootstrap.log" 2>&1 || { tail -5 "$work/debootstrap.log"; exit 1; }
    chroot "$root" useradd -m -s /bin/bash pi
    touch "$work/made"
fi
for left in etc/systemd/system/mmconnect.service etc/sysusers.d/mmconnect.conf etc/tmpfiles.d/mmconnect.conf \
    etc/systemd/system/multi-user.target.wants/mmconnect.service \
    etc/systemd/system/mmconnect.service.d etc/mmconnect var/lib/mmconnect srv/texts \
    usr/local/bin/mmconnect home/pi/.local home/pi/.config; do
    rm -rf "${root:?}/$left"
done
install -D -m 755 "$build" "$root/home/pi/mmconnect"
chmod 700 "$root/home/pi"

# Reading the kernel's clock is what the unit allows on top of a service's usual calls, so it may here, too.
(
    own_groups
    exec systemd-nspawn -q -D "$root" --boot --register=no --keep-unit --private-network --console=pipe \
        --system-call-filter=@clock --machine="mmconnect-$$" </dev/null >"$work/console.log" 2>&1
) &
container=$!
leader=
trap 'kill -KILL $leader $container 2>/dev/null || true; sleep 1; forget_groups' EXIT
for _ in $(seq 300); do
    leader=$(cat /proc/$container/task/$container/children 2>/dev/null | cut -d' ' -f1)
    [ -n "$leader" ] && [ "$(cat "/proc/$leader/comm" 2>/dev/null)" = systemd ] && break
    sleep 0.2
done
until_true "the container boots" 120 inside systemctl is-active multi-user.target
inside ip link set lo up
step "a Debian has booted"

told=$(inside /home/pi/mmconnect service install) || fail "service install: $told"
echo "$told" | grep -q 'http://.*/setup#' || fail "no link for the first visit: $told"
is ActiveState active || fail "it is not active"
is NotifyAccess all || fail "the second process is not heard"
inside test -x /usr/local/bin/mmconnect || fail "the program was not copied"
step "installed from a download, active, with the link for the first visit"

inside mmconnect device add --name Phone >/dev/null
inside mmconnect message simulate --from +6581230000 --text one >/dev/null || fail "a text"
[ "$(texts)" = 1 ] || fail "the text is not there"
inside mmconnect service install --json | grep -q '"written": \[\]' || fail "a second time it changes something"
step "commands find its data; said again, it changes nothing"

inside systemctl reload mmconnect || fail "reload"
main=$(inside systemctl show mmconnect -p MainPID --value)
inside sh -c "kill -KILL $main"
until_true "it is back after SIGKILL" 30 another "$main"
inside mmconnect message simulate --from +6581230000 --text two >/dev/null
[ "$(texts)" = 2 ] || fail "a text was lost"
inside sh -c 'ls -d /tmp/systemd-private-*mmconnect*/tmp/_MEI*' >"$work/left"
[ "$(wc -l <"$work/left")" = 1 ] || fail "the killed one has left what it unpacked"
step "SIGKILL: back, nothing lost, nothing left over"

main=$(inside systemctl show mmconnect -p MainPID --value)
inside sh -c "kill -STOP \$(cat /proc/$main/task/$main/children)"
until_true "the watchdog restarts it" 120 another "$main"
inside journalctl -u mmconnect --no-pager | grep -q "Watchdog timeout" || fail "that was not the watchdog"
step "SIGSTOP: the watchdog has restarted it"

inside systemctl stop mmconnect
is Result success || fail "the stop was not clean"
inside systemctl start mmconnect
step "a clean stop, and a start"

inside mmconnect service install --data-dir /srv/texts >/dev/null || fail "another data directory"
[ "$(texts)" = 0 ] || fail "these are not the other data"
[ "$(inside stat -c '%a %U' /srv/texts)" = "700 mmconnect" ] || fail "the directory is not its own"
inside systemctl restart mmconnect
is ActiveState active || fail "it does not start there"
step "data in another directory"

inside systemctl stop mmconnect
inside mount -t tmpfs -o size=40m,mode=700,uid="$(inside id -u mmconnect)" tmpfs /srv/texts
inside mkdir -p /etc/systemd/system/mmconnect.service.d
inside sh -c 'printf "[Service]\nWatchdogSec=5\n" >/etc/systemd/system/mmconnect.service.d/quick.conf'
inside systemctl daemon-reload
inside systemctl start mmconnect
main=$(inside systemctl show mmconnect -p MainPID --value)
inside sh -c 'head -c 100000000 /dev/zero >/srv/texts/ballast' 2>/dev/null || true
until_true "it says that the disk is full" 120 says "disk is full\|MB are free"
sleep 20 # four times as long as the watchdog waits
is MainPID "$main" || fail "it was killed for a full disk"
is NRestarts 0 || fail "it was started again for a full disk"
step "a full disk: it stays up, and says so"
inside rm /srv/texts/ballast
inside mmconnect device add --name Phone >/dev/null || fail "it does not recover"
inside mmconnect message simulate --from +6581230000 --text three >/dev/null || fail "it takes no text"
is MainPID "$main" || fail "it was killed after all"
inside rm -r /etc/systemd/system/mmconnect.service.d
step "and takes texts again when there is room"

told=$(inside mmconnect service uninstall) || fail "uninstall: $told"
echo "$told" | grep -q 'still in /srv/texts' || fail "it does not say where the data are: $told"
is LoadState not-found || fail "the unit is still there"
inside test -e /srv/texts/mmconnect.db || fail "the data are gone"
step "uninstalled; the data stay"

inside loginctl enable-linger pi
until_true "the user's systemd is there" 60 as_user systemctl --user is-active default.target
told=$(as_user /home/pi/mmconnect service install --user) || fail "a user's own service"
as_user systemctl --user is-active mmconnect >/dev/null || fail "the user's own is not active"
echo "$told" | grep -q -- '--data-dir /home/pi/.local/share/mmconnect' || fail "not told where the data are: $told"
inside rm /etc/mmconnect/mmconnect.toml
as_user /home/pi/.local/bin/mmconnect message list >/dev/null || fail "its data are not found"
as_user /home/pi/.local/bin/mmconnect service install --user | grep -q -- --data-dir && fail "told without need"
as_user /home/pi/.local/bin/mmconnect service uninstall --user >/dev/null || fail "uninstall --user"
step "a user's own service, and its end"

inside systemctl poweroff
wait $container || true
trap - EXIT
forget_groups
step "all is well"
