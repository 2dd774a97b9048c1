# A Debian or one of its kin, booted in a container on the spot, for scripts that try the package or the one
# file under a systemd that really runs. They set $work (a folder) and $begun first, and $python where they
# push, receive or read the database from outside. Root, debootstrap, systemd-container.
#   SUITE, MIRROR, DEBOOTSTRAP: another system than Debian 12, by debootstrap's words and options.
#   UNIFIED=yes: its systemd knows control groups of the second kind alone, as those from 256 on do.
root=$work/root
data=/var/lib/mmconnect
leader= container= receiver= pusher=
LAN=192.168.77.5

step() { printf '%4d s  %s\n' $(($(date +%s) - begun)) "$*"; }
fail() {
    step "FAILED: $*"
    # not by unit: a user's own service is none of the system's
    inside journalctl --no-pager -b 2>/dev/null | grep mmconnect | tail -n 40
    exit 1
}
need() { command -v "$1" >/dev/null || { echo "$1 is missing: sudo apt-get install $2" >&2; exit 1; }; }
inside() {
    nsenter -t "$leader" -a env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
        DEBIAN_FRONTEND=noninteractive "$@"
}
# The owner of the machine, see make_owner, who has just logged in.
as_pi() {
    inside runuser -u pi -- env -i PATH=/usr/local/bin:/usr/bin:/bin HOME=/home/pi USER=pi \
        XDG_RUNTIME_DIR=/run/user/1000 "$@"
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
listens() { inside ss -ltn | grep -q ":$1 "; }
install_deb() { inside dpkg -i "/root/$(basename "$1")" 2>&1; }
# Read beside the service, as any reader of its database may.
sql() { "$python" -c 'import sqlite3, sys
print(sqlite3.connect(sys.argv[1], uri=True).execute(sys.argv[2]).fetchone()[0])' \
    "file:$root$data/mmconnect.db?mode=ro" "$1"; }
waiting() { sql "SELECT count(*) FROM deliveries WHERE state <> 'delivered'"; }
all_delivered() { [ "$(waiting)" = 0 ]; }
texts() { sql "SELECT count(*) FROM messages"; }
# As many texts as a command sees, which has to find the service's data by itself.
listed() { inside mmconnect message list --json | grep -o '"id": *"msg_' | wc -l; }

# A phone that repeats each text until it hears that it was kept; each number it prints was.
push() { # from, to; from a $sender
    nsenter -t "$leader" -n "$python" -c 'import json, os, sys, time, urllib.request
parent = os.getppid()
url, sender, first, last = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
for number in range(first, last + 1):
    text = json.dumps({"from": sender, "text": f"text-{number}-", "id": f"id-{number}"}).encode()
    ask = urllib.request.Request(url, text, {"Content-Type": "application/json"})
    while True:
        try:
            urllib.request.urlopen(ask, timeout=30).read()
            break
        except OSError:
            if os.getppid() != parent:
                sys.exit("nobody waits any more")
            time.sleep(0.05)
    print(number, flush=True)' "$push_url" "${sender:-+6581230000}" "$1" "$2"
}
# What is pushed for a new phone goes to this path.
add_phone() { inside mmconnect device add --name Phone --json | sed -n 's/.*"http[^"]*\(\/in\/[^"]*\)".*/\1/p' | head -n 1; }
# The status that a text of its own is answered with; in bash, so that it needs no $python.
push_once() { # path
    # shellcheck disable=SC2016  # bash's own
    inside timeout 60 bash -c 'exec 3<>/dev/tcp/127.0.0.1/8481
        body="{\"from\": \"+6581230000\", \"text\": \"$(date +%s.%N)\"}"
        printf "POST %s HTTP/1.1\r\nHost: mmconnect\r\nContent-Type: application/json\r\nContent-Length: %s\r\n\r\n%s" \
            "$1" ${#body} "$body" >&3
        read -r _ status _ <&3 && echo "$status"' push_once "$1"
}
answers() { [ "$(push_once "$2")" = "$1" ]; } # status, path
# A phone and your own software, by name, as far as mmconnect goes.
connect() {
    push_url=http://127.0.0.1:8481$(add_phone)
    inside mmconnect endpoint add http://receiver.test:8490/ --secret "$secret" >/dev/null || fail "endpoint add"
}
# What a browser sees: the status of a page, and what is on it in $work/page.
page() { # path
    nsenter -t "$leader" -n "$python" -c 'import sys, urllib.request, urllib.error
try:
    answer = urllib.request.urlopen(sys.argv[1], timeout=60)
except urllib.error.HTTPError as error:
    answer = error
open(sys.argv[2], "wb").write(answer.read())
print(answer.status)' "http://127.0.0.1:8480$1" "$work/page"
}
# Your own software in the container's network, with what `mmconnect receive` prints of each text.
end_receiver() {
    [ -z "$receiver" ] || { kill -KILL "$receiver" && wait "$receiver"; } 2>/dev/null || true
    receiver=
}
receive() { # options…
    end_receiver
    nsenter -t "$leader" -n env -i PATH=/usr/bin:/bin HOME="$work" "$python" -m mmconnect \
        receive --secret "$secret" --host 127.0.0.1 --port 8490 "$@" >>"$work/received" 2>&1 &
    receiver=$!
    until_true "the receiver listens" 60 listens 8490
}
received() { # from, to: each of them, whatever came twice
    for number in $(seq "$1" "$2"); do grep -q "text-$number-" "$work/received" || fail "text $number is lost"; done
}

# The service with new data, on a disk of 40 MB at $data that becomes full: it has to stay up and say so, and to
# take texts again when there is room. The disk stays there.
full_disk() {
    inside systemctl stop mmconnect
    inside mount -t tmpfs -o size=40m,mode=700,uid="$(inside id -u mmconnect)" tmpfs "$data"
    inside mkdir -p /etc/systemd/system/mmconnect.service.d
    inside sh -c 'printf "[Service]\nWatchdogSec=5\n" >/etc/systemd/system/mmconnect.service.d/quick.conf'
    inside systemctl daemon-reload
    inside systemctl start mmconnect
    main=$(show MainPID) path=$(add_phone)
    inside sh -c "head -c 100000000 /dev/zero >$data/ballast" 2>/dev/null || true
    until_true "it says that the disk is full" 120 says "disk is full\|MB are free"
    # Some texts may still fit into the log. Then refusals go on for four times as long as the watchdog waits: only
    # they could end its feeding, as a service that has nothing to write is well on a full disk, too.
    until_true "a phone is told to come again" 60 answers 503 "$path"
    full=$(date +%s)
    until [ "$(date +%s)" -gt $((full + 20)) ]; do
        push_once "$path" >/dev/null || fail "a phone is not answered"
        sleep 0.2
    done
    is MainPID "$main" && is NRestarts 0 || fail "it was ended for a full disk"
    step "a full disk: it stays up, and says so"
    inside rm "$data/ballast"
    inside mmconnect device add --name Phone >/dev/null || fail "it does not recover"
    inside mmconnect message simulate --from +6581230000 --text again >/dev/null || fail "it takes no text"
    until_true "it takes a phone's texts" 60 answers 200 "$path"
    is MainPID "$main" || fail "it was ended after all"
    inside rm -r /etc/systemd/system/mmconnect.service.d
    inside systemctl daemon-reload
    step "and takes texts again when there is room"
}

# Two containers in the same control group kill each other's services, as they have the same names.
groups() {
    for one in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
        [ ! -e $one/cgroup.procs ] || echo "$one/mmconnect-deb-$$"
    done
}
own_groups() { for one in $(groups); do mkdir -p "$one" && echo 0 >"$one/cgroup.procs"; done; }
forget_groups() { for one in $(groups); do find "$one" -depth -type d -exec rmdir {} + 2>/dev/null || true; done; }

make_system() { # packages,that,are,wanted,too
    [ "$(id -u)" = 0 ] || { echo "only root can boot a container: sudo $0" >&2; exit 1; }
    need debootstrap debootstrap
    need systemd-nspawn systemd-container
    mkdir -p "$work"
    # a folder of another script may have a system without them
    [ ! -e "$work/made" ] || [ "$(cat "$work/made")" != "${1:-}" ] || return 0
    step "making a system (${SUITE:-bookworm}) in $root"
    rm -rf "$root"
    # shellcheck disable=SC2086  # words of options
    debootstrap --variant=minbase \
        --include="systemd,systemd-sysv,dbus,iproute2,adduser,ca-certificates,tzdata${1:+,$1}" \
        ${DEBOOTSTRAP:-} "${SUITE:-bookworm}" "$root" ${MIRROR:-} >"$work/debootstrap.log" 2>&1 ||
        { tail -5 "$work/debootstrap.log"; exit 1; }
    echo "${1:-}" >"$work/made"
}
# What an earlier run has left in the system.
clear_system() {
    chroot "$root" dpkg --purge mmconnect >/dev/null 2>&1 || true
    for left in "$data" /etc/mmconnect /etc/systemd/system/mmconnect.service /etc/systemd/system/mmconnect.service.d \
        /etc/systemd/system/multi-user.target.wants/mmconnect.service /etc/sysusers.d/mmconnect.conf \
        /etc/tmpfiles.d/mmconnect.conf /usr/local/bin/mmconnect /srv/texts /home/pi /var/tmp/mmconnect.db; do
        rm -rf "${root:?}$left"
    done
    echo "127.0.0.1 localhost receiver.test" >"$root/etc/hosts" # what debootstrap alone does not bring
    : >"$work/received"
    : >"$work/console.log"
    secret=whsec_$(head -c 24 /dev/urandom | base64)
}
# An owner of the machine whose home is closed to others, as on a Raspberry Pi.
make_owner() {
    chroot "$root" id pi >/dev/null 2>&1 || chroot "$root" useradd -u 1000 -s /bin/bash pi
    install -d -m 700 "$root/home/pi"
    chroot "$root" chown pi: /home/pi
}
# Reading the kernel's clock is what the unit allows on top of a service's usual calls, so it may here, too.
boot() {
    (
        own_groups
        # Else systemd-nspawn takes the host's way. "no" is none: with the first kind alone nobody tells a systemd
        # in a container that the last process of a killed service is gone, and it waits for it.
        [ -z "${UNIFIED:-}" ] || export UNIFIED_CGROUP_HIERARCHY="$UNIFIED"
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
    # a network as at home, with nobody else in it
    inside ip link add lan0 type veth peer name other0
    inside ip address add $LAN/24 dev lan0
    inside ip link set lan0 up && inside ip link set other0 up
}
end() {
    kill -KILL $leader $container $receiver $pusher 2>/dev/null || true
    sleep 1
    forget_groups
}
end_in_order() {
    end_receiver
    inside systemctl poweroff || true
    wait $container || true
    trap - EXIT
    forget_groups
}
