#!/bin/sh
# The Debian package under a systemd that really runs: a Debian is booted in a container on the spot, and
# the life of an appliance is lived through in it, from the installation to the purge (`make test-systemd`).
# Root, debootstrap, systemd-container; five minutes,
# and two more when the older version is built for the first time.
#   usage: test_systemd.sh PYTHON [FOLDER for the Debian and the older build, which are kept]
# PYTHON is that of the build environment. Prints each step with its time, ends at the first that fails.
set -eu
cd "$(dirname "$0")/.."
python=$(pwd)/$1 work=${2:-/var/tmp/mmconnect-test-systemd}
root=$work/root
data=/var/lib/mmconnect
begun=$(date +%s)
# The last commit whose database has schema 6.
OLD=7a9f5a8

step() { printf '%4d s  %s\n' $(($(date +%s) - begun)) "$*"; }
fail() {
    step "FAILED: $*"
    inside journalctl --no-pager -u mmconnect -n 40 2>/dev/null || true
    exit 1
}
need() { command -v "$1" >/dev/null || { echo "$1 is missing: sudo apt-get install $2" >&2; exit 1; }; }
inside() {
    nsenter -t "$leader" -a env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
        DEBIAN_FRONTEND=noninteractive "$@"
}
until_true() { # what, seconds, command…
    what=$1 end=$(($(date +%s) + $2)) && shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -le $end ] || fail "$what: not in time"
        sleep 0.2
    done
}
show() { inside systemctl show mmconnect -p "$1" --value; }
is() { [ "$(show "$1")" = "$2" ]; }
says() { show StatusText | grep -q "$1"; }
another() { is ActiveState active && ! is MainPID "$1"; }
install_deb() { inside dpkg -i "/root/$(basename "$1")" 2>&1; }
# Read beside the service, as any reader of its database may.
sql() { "$python" -c 'import sqlite3, sys
print(sqlite3.connect(sys.argv[1], uri=True).execute(sys.argv[2]).fetchone()[0])' \
    "file:$root$data/mmconnect.db?mode=ro" "$1"; }
waiting() { sql "SELECT count(*) FROM deliveries WHERE state <> 'delivered'"; }
all_delivered() { [ "$(waiting)" = 0 ]; }
texts() { sql "SELECT count(*) FROM messages"; }

# A phone that repeats each text until it hears that it was kept; each number it prints was.
push() { # from, to
    nsenter -t "$leader" -n "$python" -c 'import json, sys, time, urllib.request
url, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for number in range(first, last + 1):
    text = json.dumps({"from": "+6581230000", "text": f"text-{number}-", "id": f"id-{number}"}).encode()
    ask = urllib.request.Request(url, text, {"Content-Type": "application/json"})
    while True:
        try:
            urllib.request.urlopen(ask, timeout=30).read()
            break
        except OSError:
            time.sleep(0.05)
    print(number, flush=True)' "$push_url" "$1" "$2"
}
# Your own software, inside, with what `mmconnect receive` prints of each text.
receiver= leader= container=
# A shutdown stops it with everything else, and its nsenter, which is outside, would wait for ever.
end_receiver() {
    [ -z "$receiver" ] || { kill -KILL "$receiver" && wait "$receiver"; } 2>/dev/null || true
    receiver=
}
receive() { # options…
    end_receiver
    nsenter -t "$leader" -a env -i PATH=/usr/bin:/bin HOME=/root setpriv --pdeathsig KILL \
        mmconnect receive --secret "$secret" --host 127.0.0.1 --port 8490 "$@" >>"$work/received" 2>&1 &
    receiver=$!
    until_true "the receiver listens" 30 inside sh -c "ss -ltn | grep -q :8490"
}
received() { # from, to: each of them, whatever came twice
    for number in $(seq "$1" "$2"); do grep -q "text-$number-" "$work/received" || fail "text $number is lost"; done
}

# Two containers in the same control group kill each other's services, as they have the same names.
groups() {
    for one in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
        [ ! -e $one/cgroup.procs ] || echo "$one/mmconnect-deb-$$"
    done
}
own_groups() { for one in $(groups); do mkdir -p "$one" && echo 0 >"$one/cgroup.procs"; done; }
forget_groups() { for one in $(groups); do find "$one" -depth -type d -exec rmdir {} + 2>/dev/null || true; done; }

# Reading the kernel's clock is what the unit allows on top of a service's usual calls, so it may here, too.
boot() {
    (
        own_groups
        exec systemd-nspawn -q -D "$root" --boot --register=no --keep-unit --private-network --console=pipe \
            --system-call-filter=@clock --machine="mmconnect-$$" </dev/null >>"$work/console.log" 2>&1
    ) &
    container=$!
    leader=
    for _ in $(seq 300); do
        leader=$(cut -d' ' -f1 /proc/$container/task/$container/children 2>/dev/null || true)
        [ -n "$leader" ] && [ "$(cat "/proc/$leader/comm" 2>/dev/null)" = systemd ] && break
        sleep 0.2
    done
    until_true "the container boots" 120 inside systemctl is-active multi-user.target
    inside ip link set lo up
}
end() {
    kill -KILL $leader $container $receiver 2>/dev/null || true
    sleep 1
    forget_groups
}

[ "$(id -u)" = 0 ] || { echo "only root can boot a container: sudo $0" >&2; exit 1; }
need debootstrap debootstrap
need systemd-nspawn systemd-container
[ -x dist/mmconnect-onedir/mmconnect ] || { echo "there is no dist/mmconnect-onedir: make deb" >&2; exit 1; }
mkdir -p "$work"

if [ ! -e "$work/made" ]; then
    step "making a Debian in $root"
    rm -rf "$root"
    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,iproute2,adduser,ca-certificates,tzdata \
        bookworm "$root" >"$work/debootstrap.log" 2>&1 || { tail -5 "$work/debootstrap.log"; exit 1; }
    touch "$work/made"
fi
if [ ! -e "$work/old/made" ]; then
    step "building an older version, with an older database ($OLD)"
    rm -rf "$work/old" && mkdir "$work/old"
    git archive $OLD | tar -x -C "$work/old"
    (cd "$work/old" && "$python" -m PyInstaller --noconfirm --clean --log-level ERROR build.spec)
    touch "$work/old/made"
fi
VERSION=0.0.9 sh scripts/deb.sh "$1" "$work/old/dist/mmconnect-onedir"
sh scripts/deb.sh "$1"
arch=$(dpkg --print-architecture)
old=dist/mmconnect_0.0.9_$arch.deb
version=$(dist/mmconnect-onedir/mmconnect version --json | sed 's/.*"version": "\([^"]*\)".*/\1/')
new=dist/mmconnect_${version}_$arch.deb
mv "$old" "$work/" && old=$work/$(basename "$old")
chroot "$root" dpkg --purge mmconnect >/dev/null 2>&1 || true
rm -rf "${root:?}$data" "$root/etc/systemd/system/mmconnect.service.d"
cp "$old" "$new" "$root/root/"
: >"$work/received" >"$work/console.log"
secret=whsec_$(head -c 24 /dev/urandom | base64)
step "packages: $(basename "$new"), and $(basename "$old") to come from"

trap end EXIT
boot
step "a Debian has booted"

told=$(install_deb "$new") || fail "dpkg -i: $told"
echo "$told" | grep -q 'http://.*/setup#' || fail "no link for the first visit: $told"
is ActiveState active || fail "it is not active"
is Type notify && is NotifyAccess main || fail "it is not asked whether it is ready"
inside systemctl is-enabled mmconnect >/dev/null || fail "it would not start with the machine"
[ "$(inside stat -c '%a %U' $data)" = "700 mmconnect" ] || fail "the data are not its own"
step "installed: active, ready, with the link for the first visit"

score=$(inside systemd-analyze security mmconnect --no-pager | sed -n 's/.*exposure level[^0-9]*\([0-9.]*\).*/\1/p')
awk "BEGIN { exit !(${score:-10} <= 2.0) }" || fail "systemd-analyze security: $score"
step "systemd-analyze security: $score"

push_url=$(inside mmconnect device add --name Phone --json | sed -n 's/.*"\(http[^"]*\/in\/[^"]*\)".*/\1/p' | head -n 1)
push_url=http://127.0.0.1:8481/in/${push_url##*/in/}
inside mmconnect endpoint add http://127.0.0.1:8490/ --secret "$secret" >/dev/null || fail "endpoint add"
receive
push 1 1 >/dev/null
until_true "the text is delivered" 60 all_delivered
received 1 1
step "a text was pushed, and delivered"

push 2 400 >"$work/kept" &
pusher=$!
until_true "it is busy" 60 grep -q '^50$' "$work/kept"
main=$(show MainPID) killed=$(date +%s)
inside sh -c "kill -KILL $main"
until_true "it is back after SIGKILL" 10 another "$main"
back=$(($(date +%s) - killed))
wait $pusher
until_true "all is delivered" 120 all_delivered
[ "$(texts)" = 400 ] || fail "$(texts) texts are there, of 400"
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

inside systemctl stop mmconnect
inside mount -t tmpfs -o size=40m,mode=700,uid="$(inside id -u mmconnect)" tmpfs $data
inside mkdir -p /etc/systemd/system/mmconnect.service.d
inside sh -c 'printf "[Service]\nWatchdogSec=5\n" >/etc/systemd/system/mmconnect.service.d/quick.conf'
inside systemctl daemon-reload
inside systemctl start mmconnect
main=$(show MainPID)
inside sh -c "head -c 100000000 /dev/zero >$data/ballast" 2>/dev/null || true
until_true "it says that the disk is full" 120 says "disk is full\|MB are free"
sleep 20 # four times as long as the watchdog waits
is MainPID "$main" && is NRestarts 0 || fail "it was ended for a full disk"
step "a full disk: it stays up, and says so"
inside rm $data/ballast
until_true "it recovers" 60 inside mmconnect device add --name Phone
inside mmconnect message simulate --from +6581230000 --text again >/dev/null || fail "it takes no text"
is MainPID "$main" || fail "it was ended after all"
inside systemctl stop mmconnect
inside umount $data
inside rm -r /etc/systemd/system/mmconnect.service.d
inside systemctl daemon-reload
inside systemctl start mmconnect
step "and takes texts again when there is room"

told=$(inside dpkg -r mmconnect 2>&1) || fail "remove: $told"
echo "$told" | grep -q "stay in $data" || fail "it does not say where the data are: $told"
[ "$(texts)" = 402 ] || fail "the data are gone"
is MainPID 0 || fail "it still runs"
told=$(install_deb "$new") || fail "dpkg -i: $told"
is ActiveState active || fail "it does not run when it is installed again"
[ "$(texts)" = 402 ] || fail "the data are gone"
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
until_true "the older one listens" 60 inside sh -c "ss -ltn | grep -q :8481"
push_url=$(inside mmconnect device add --name Phone --json | sed -n 's/.*"\(http[^"]*\/in\/[^"]*\)".*/\1/p' | head -n 1)
push_url=http://127.0.0.1:8481/in/${push_url##*/in/}
inside mmconnect endpoint add http://127.0.0.1:8490/ --secret "$secret" >/dev/null || fail "endpoint add"
: >"$work/received"
push 501 520 >/dev/null
[ "$(sql 'PRAGMA user_version')" = 6 ] || fail "the older one's database is not what it was meant to be"
inside rm -r /etc/systemd/system/mmconnect.service.d
push 521 900 >"$work/kept" &
pusher=$!
told=$(install_deb "$new") || fail "dpkg -i: $told"
is ActiveState active || fail "it does not run after the upgrade"
wait $pusher
schema=$(sql 'PRAGMA user_version')
[ "$schema" -gt 6 ] || fail "not migrated"
[ "$(inside stat -c '%a %U' $data/backups/before-schema-7.db)" = "600 mmconnect" ] || fail "no backup before"
receive
until_true "all is delivered" 120 all_delivered
[ "$(texts)" = 400 ] || fail "$(texts) texts are there, of 400"
received 501 900
step "upgraded from 0.0.9 among texts: schema 6 is $schema, with a backup before; nothing lost"

end_receiver
inside systemctl poweroff || true
wait $container || true
trap - EXIT
forget_groups
step "all is well"
