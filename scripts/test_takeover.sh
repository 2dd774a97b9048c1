#!/bin/sh
# From `mmconnect service install` to the Debian package and back, under a systemd that really runs: the same
# data, one service, and nobody is asked anything (`make test-takeover`). Root, debootstrap,
# systemd-container; two minutes, after `make deb`.
#   usage: test_takeover.sh PYTHON [FOLDER for the Debian, which is kept]
# Prints each step with its time, ends at the first that fails.
set -eu
cd "$(dirname "$0")/.."
python=$1 work=${2:-/var/tmp/mmconnect-test-systemd}
case $python in /*) ;; *) python=$(pwd)/$python ;; esac
begun=$(date +%s)
. scripts/container.sh

version=$(dist/mmconnect version --json | sed 's/.*"version": "\([^"]*\)".*/\1/')
new=dist/mmconnect_${version}_$(dpkg --print-architecture).deb
for file in dist/mmconnect "$new"; do
    [ -e "$file" ] || { echo "there is no $file: make deb" >&2; exit 1; }
done
make_system
clear_system
cp "$new" "$root/root/"
install -m 755 dist/mmconnect "$root/root/mmconnect"
rm -f "$root/usr/bin/mmconnect"
own=/etc/systemd/system/mmconnect.service
drop_in=$own.d/taken-over.conf

# As people do it, and with nobody there to answer: apt-get, without a terminal.
apt_install() { inside apt-get install -y "/root/$(basename "$new")" </dev/null 2>&1; }
by_package() { # texts that have to be there
    case $(show FragmentPath) in # /lib is /usr/lib
    /lib/systemd/system/mmconnect.service | /usr/lib/systemd/system/mmconnect.service) ;;
    *) fail "the unit is $(show FragmentPath)" ;;
    esac
    is ActiveState active || fail "it is not active"
    inside systemctl is-enabled mmconnect >/dev/null || fail "it would not start with the machine"
    inside readlink "/proc/$(show MainPID)/exe" | grep -q '^/usr/lib/mmconnect/' || fail "it is another program"
    [ "$(inside sh -c 'ls -l /proc/[0-9]*/exe 2>/dev/null | grep -c "/mmconnect$"')" = 1 ] || fail "there are two of them"
    [ "$(texts)" = "$1" ] || fail "$(texts) texts are there, of $1"
    for left in $own /etc/sysusers.d/mmconnect.conf /etc/tmpfiles.d/mmconnect.conf; do
        ! inside test -e $left || fail "$left is still there"
    done
}

trap end EXIT
boot
step "a system has booted"

inside /root/mmconnect service install >/dev/null || fail "service install"
connect
receive
push 1 5 >/dev/null
push 6 400 >"$work/kept" &
pusher=$!
until_true "it is busy" 60 grep -q '^30$' "$work/kept"
told=$(apt_install) || fail "apt-get install: $told"
echo "$told" | grep -q "has taken over the service" || fail "it does not say so: $told"
echo "$told" | grep -q "sudo rm /usr/local/bin/mmconnect" || fail "the other program is not told of: $told"
! echo "$told" | grep -q "mmconnect.toml.*==>\|What would you like" || fail "it asks: $told"
wait $pusher
pusher=
by_package 400
! inside test -e $drop_in || fail "there was nothing to note"
inside rm /usr/local/bin/mmconnect
until_true "all is delivered" 120 all_delivered
received 1 400
step "taken over by the package among texts: one service, with the same data, nothing lost, no question"

told=$(inside apt-get remove -y mmconnect </dev/null 2>&1) || fail "apt-get remove: $told"
told=$(inside /root/mmconnect service install 2>&1) || fail "service install: $told"
is FragmentPath $own || fail "the unit is $(show FragmentPath)"
receive
push 401 401 >/dev/null
until_true "all is delivered" 60 all_delivered
step "and back: removed, a download installs its own service, with the same data"

inside systemctl stop mmconnect
inside mv $data /srv/texts
inside mmconnect service install --data-dir /srv/texts >/dev/null || fail "service install --data-dir"
data=/srv/texts
push 402 402 >/dev/null
told=$(apt_install) || fail "apt-get install: $told"
echo "$told" | grep -q "stay in /srv/texts" || fail "it does not say where the data are: $told"
by_package 402
inside grep -q '^ReadWritePaths=/srv/texts$' $drop_in || fail "$(inside cat $drop_in)"
inside rm /usr/local/bin/mmconnect
push 403 403 >/dev/null
[ "$(texts)" = 403 ] || fail "the text is not there"
inside systemctl reload mmconnect || fail "reload"
score=$(inside systemd-analyze security mmconnect --no-pager | sed -n 's/.*exposure level[^0-9]*\([0-9.]*\).*/\1/p')
step "data in another directory: the package goes on there (systemd-analyze security: $score)"

told=$(inside apt-get purge -y mmconnect </dev/null 2>&1) || fail "apt-get purge: $told"
echo "$told" | grep -q "The texts in /srv/texts stay" || fail "it does not say what stays: $told"
[ "$(texts)" = 403 ] || fail "the data are gone"
for left in /var/lib/mmconnect /etc/mmconnect $own.d; do
    ! inside test -e $left || fail "$left is still there"
done
step "purged: a directory that the owner named stays, and that is said"

# What is written in /etc/mmconnect/mmconnect.toml, word for word.
inside rm -r /srv/texts
told=$(apt_install) || fail "apt-get install: $told"
data=/var/lib/mmconnect
push_url=
connect
push 1 3 >/dev/null
inside systemctl stop mmconnect
inside mkdir /mnt/disk && inside mv $data /mnt/disk/
inside sed -i 's|^data_dir = .*|data_dir = "/mnt/disk/mmconnect"|' /etc/mmconnect/mmconnect.toml
inside systemctl start mmconnect 2>/dev/null && fail "it runs where it must not write"
inside mkdir $own.d
inside sed -n 's/^#     //p' /etc/mmconnect/mmconnect.toml >"$root$own.d/override.conf"
inside systemctl daemon-reload
inside systemctl start mmconnect
data=/mnt/disk/mmconnect
[ "$(texts)" = 3 ] || fail "these are not the data"
push 4 4 >/dev/null
[ "$(texts)" = 4 ] || fail "the text went elsewhere"
[ "$(listed)" = 4 ] || fail "commands look elsewhere"
step "moved to another disk, by the words in /etc/mmconnect/mmconnect.toml"
inside apt-get purge -y mmconnect </dev/null >/dev/null 2>&1 || fail "apt-get purge"
inside rm -r /mnt/disk $own.d

end_in_order
step "all is well"
