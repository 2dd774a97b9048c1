#!/bin/sh
# docs/install.md, typed: its commands, and the README's five minutes, are run word for word in a Debian that
# is booted in a container on the spot, by a user who has sudo and a closed home, as on a Raspberry Pi
# (`make test-install`). Root, debootstrap, systemd-container; two minutes, and one more for the Debian.
#   usage: test_install.sh PACKAGE ONE_FILE [FOLDER for the Debian, which is kept]
# Prints each step with its time, and ends at the first that fails.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
deb=$1 one_file=$2 work=${3:-/var/tmp/mmconnect-test-install}
root=$work/root
data=/var/lib/mmconnect
begun=$(date +%s)

step() { printf '%4d s  %s\n' $(($(date +%s) - begun)) "$*"; }
fail() {
    step "FAILED: $*"
    inside journalctl --no-pager -u mmconnect -n 30 2>/dev/null || true
    exit 1
}
need() { command -v "$1" >/dev/null || { echo "$1 is missing: sudo apt-get install $2" >&2; exit 1; }; }
inside() { nsenter -t "$leader" -a env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"; }
as_pi() { inside runuser -u pi -- env -i PATH=/usr/local/bin:/usr/bin:/bin HOME=/home/pi USER=pi "$@"; }
until_true() { # what, seconds, command…
    what=$1 end=$(($(date +%s) + $2)) && shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -le $end ] || fail "$what: not in time"
        sleep 0.3
    done
}
is() { [ "$(inside systemctl show mmconnect -p "$1" --value)" = "$2" ]; }
texts() { inside mmconnect message list --json | grep -o '"id": *"msg_' | wc -l; }
linked() { grep -q 'http://192.168.1.20:8480/setup#' "$work/said"; }

# The block of a page that has this title.
block() { # page, title
    awk -v head="\`\`\`sh title=\"$2\"" '{ sub(/^ +/, "") } $0 == head { on = 1; found = 1; next } /^```/ { on = 0 } on
        END { exit !found }' "$here/$1" || fail "$1 has no block \"$2\""
}
# Each line of it as the owner of the machine types it, in the home; what it says is in $work/said.
type_in() { # page, title
    block "$1" "$2" >"$work/typed"
    as_pi sh -ec "cd; $(cat "$work/typed")" </dev/null >"$work/said" 2>&1 ||
        { cat "$work/said"; fail "$1, \"$2\""; }
}

# Two containers in the same control group kill each other's services, as they have the same names.
groups() {
    for one in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
        [ ! -e $one/cgroup.procs ] || echo "$one/mmconnect-install-$$"
    done
}
own_groups() { for one in $(groups); do mkdir -p "$one" && echo 0 >"$one/cgroup.procs"; done; }
forget_groups() { for one in $(groups); do find "$one" -depth -type d -exec rmdir {} + 2>/dev/null || true; done; }

[ "$(id -u)" = 0 ] || { echo "only root can boot a container: sudo $0" >&2; exit 1; }
need debootstrap debootstrap
need systemd-nspawn systemd-container
for file in "$deb" "$one_file"; do [ -f "$file" ] || { echo "there is no $file: make deb" >&2; exit 1; }; done

if [ ! -e "$work/made" ]; then
    step "making a Debian in $root"
    rm -rf "$root" && mkdir -p "$work"
    debootstrap --variant=minbase \
        --include=systemd,systemd-sysv,dbus,libpam-systemd,iproute2,procps,sudo,adduser,ca-certificates,tzdata \
        bookworm "$root" >"$work/debootstrap.log" 2>&1 || { tail -5 "$work/debootstrap.log"; exit 1; }
    chroot "$root" useradd -m -s /bin/bash pi
    echo 'pi ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/pi"
    touch "$work/made"
fi
chroot "$root" dpkg --purge mmconnect >/dev/null 2>&1 || true
for left in etc/systemd/system/mmconnect.service etc/sysusers.d/mmconnect.conf etc/tmpfiles.d/mmconnect.conf \
    etc/systemd/system/multi-user.target.wants/mmconnect.service etc/mmconnect var/lib/mmconnect \
    usr/local/bin/mmconnect home/pi var/tmp/mmconnect.db; do
    rm -rf "${root:?}/$left"
done
# A release as it lies there when it was downloaded: two kinds of machine in the sums, one of them here.
version=$(basename "$deb" | cut -d_ -f2)
install -d -m 700 "$root/home/pi"
install -m 644 "$deb" "$root/home/pi/"
install -m 644 "$one_file" "$root/home/pi/mmconnect-$version-linux-amd64"
(cd "$root/home/pi" && sha256sum -- *"$version"* >SHA256SUMS && echo "$(printf '%064d' 0)  another.deb" >>SHA256SUMS)
chroot "$root" chown -R pi: /home/pi

# Reading the kernel's clock is what the unit allows on top of a service's usual calls, so it may here, too.
(
    own_groups
    exec systemd-nspawn -q -D "$root" --boot --register=no --keep-unit --private-network --console=pipe \
        --system-call-filter=@clock --machine="mmconnect-install-$$" </dev/null >"$work/console.log" 2>&1
) &
container=$!
leader=
trap 'kill -KILL $leader $container 2>/dev/null || true; sleep 1; forget_groups' EXIT
for _ in $(seq 300); do
    leader=$(cut -d" " -f1 /proc/$container/task/$container/children 2>/dev/null || true)
    [ -n "$leader" ] && [ "$(cat "/proc/$leader/comm" 2>/dev/null)" = systemd ] && break
    sleep 0.2
done
until_true "the container boots" 120 inside systemctl is-active multi-user.target
inside ip link set lo up
# The network of an appliance: an address of a LAN.
inside ip link add lan0 type veth peer name lan1
inside ip address add 192.168.1.20/24 dev lan0
inside ip link set lan0 up
inside ip link set lan1 up
step "a Debian has booted"

page=docs/install.md
type_in $page check
grep -q "$version.*OK" "$work/said" || fail "nothing was checked: $(cat "$work/said")"
step "the sums are right"

block $page "one file, to look at it" >"$work/typed"
nsenter -t "$leader" -a runuser -u pi -- env -i PATH=/usr/bin:/bin HOME=/home/pi \
    timeout -s INT 300 sh -ec "cd; $(cat "$work/typed")" </dev/null >"$work/said" 2>&1 &
until_true "the one file says its link" 60 linked
inside pkill -INT -u pi -x mmconnect
wait $! || true
inside test -e /home/pi/.local/share/mmconnect/mmconnect.db || fail "its data are not where the page says"
step "one file: looked at"

type_in $page "one file, with its texts"
is ActiveState active || fail "it is not active"
[ "$(inside ps -o user= -p "$(inside systemctl show mmconnect -p MainPID --value)")" = pi ] || fail "it does not run as pi"
grep -q " /home/pi/.local/share/mmconnect$" "$work/said" || fail "not with these data: $(cat "$work/said")"
as_pi sudo mmconnect service uninstall >/dev/null || fail "uninstall"
inside rm -r /etc/mmconnect
step "one file: kept, with its texts, as its owner"

type_in $page "one file, to keep it"
linked || fail "no link: $(cat "$work/said")"
is ActiveState active || fail "it is not active"
inside test -x /usr/local/bin/mmconnect || fail "it is not where the page says"
step "one file: kept, as a service"

# The README's five minutes: the first block goes on in a terminal of its own.
block README.md receiver >"$work/typed"
as_pi sh -ec "cd; $(cat "$work/typed")" </dev/null >"$work/received" 2>&1 &
receiver=$!
until_true "the receiver listens" 60 inside sh -c "ss -ltn | grep -q :8490"
type_in README.md "a text"
until_true "the text is printed" 60 grep -q "OK: The request is genuine" "$work/received"
kill $receiver 2>/dev/null || true
inside pkill -INT -u pi -x mmconnect || true
step "the README's five minutes: a text, and its signature is right"

type_in $page "from the one file to the package"
until_true "it is active" 60 is ActiveState active
[ "$(inside readlink -f "/proc/$(inside systemctl show mmconnect -p MainPID --value)/exe")" = \
    /usr/lib/mmconnect/mmconnect ] || fail "the package does not run"
[ "$(texts)" = 1 ] || fail "the text did not come along"
step "from the one file to the package, with the texts"

type_in $page "package, a command"
grep -q "My phone" "$work/said" || fail "no phone: $(cat "$work/said")"
type_in $page "package, a new link"
linked || fail "no new link: $(cat "$work/said")"
step "the package: its commands"

type_in $page "moving, on the old machine"
is ActiveState inactive || fail "the old machine's still runs"
inside dpkg --purge mmconnect >/dev/null 2>&1 || fail "purge"
! inside test -e $data || fail "a purge leaves the data"
type_in $page package
linked || fail "no link: $(cat "$work/said")"
is ActiveState active || fail "it is not active"
inside install -o pi -g pi -m 600 /var/tmp/mmconnect.db /home/pi/mmconnect.db # as scp leaves it there
type_in $page "moving, on the new machine"
until_true "it is active" 60 is ActiveState active
[ "$(texts)" = 1 ] || fail "the text did not come along"
step "a purge, the package as on a machine of its own, and everything moved to it"

as_pi sudo apt-get remove -y mmconnect >"$work/said" 2>&1 || fail "remove"
grep -q "stay in $data" "$work/said" || fail "not told where the data are"
inside test -e $data/mmconnect.db || fail "the data are gone"
as_pi sudo apt-get purge -y mmconnect >"$work/said" 2>&1 || fail "purge"
! inside test -e $data || fail "the data are still there"
step "removed, then purged"

type_in $page "one file, to keep it"
as_pi sudo mmconnect service uninstall >"$work/said" 2>&1 || fail "uninstall"
grep -q "still in $data" "$work/said" || fail "not told where the data are"
type_in $page "one file, all of it gone"
for left in $data /etc/mmconnect /usr/local/bin/mmconnect /etc/systemd/system/mmconnect.service; do
    ! inside test -e $left || fail "$left is left over"
done
! inside id mmconnect >/dev/null 2>&1 || fail "the account is left over"
step "the one file: all of it gone"

inside systemctl poweroff || true
wait $container || true
trap - EXIT
forget_groups
step "all is well"
