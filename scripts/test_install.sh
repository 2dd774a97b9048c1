#!/bin/sh
# docs/install.md, typed: its commands, and the README's five minutes, are run word for word in a Debian that
# is booted in a container on the spot, by a user who has sudo and a closed home, as on a Raspberry Pi
# (`make test-install`). Root, debootstrap, systemd-container; two minutes, and one more for the Debian.
#   usage: test_install.sh PACKAGE ONE_FILE [FOLDER for the Debian, which is kept]
# Prints each step with its time, and ends at the first that fails.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
deb=$1 one_file=$2 work=${3:-/var/tmp/mmconnect-test-install}
begun=$(date +%s)
. "$here/scripts/container.sh"

linked() { grep -q "http://$LAN:8480/setup#" "$work/said"; }

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

for file in "$deb" "$one_file"; do [ -f "$file" ] || { echo "there is no $file: make deb" >&2; exit 1; }; done
make_system libpam-systemd,procps,sudo
echo 'pi ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/pi"
clear_system
make_owner
# A release as it lies there when it was downloaded: two kinds of machine in the sums, one of them here.
version=$(basename "$deb" | cut -d_ -f2)
install -m 644 "$deb" "$root/home/pi/"
install -m 644 "$one_file" "$root/home/pi/mmconnect-$version-linux-amd64"
(cd "$root/home/pi" && sha256sum -- *"$version"* >SHA256SUMS && echo "$(printf '%064d' 0)  another.deb" >>SHA256SUMS)
chroot "$root" chown -R pi: /home/pi

trap end EXIT
boot
step "a Debian has booted"

page=docs/install.md
type_in $page check
grep -q "$version.*OK" "$work/said" || fail "nothing was checked: $(cat "$work/said")"
step "the sums are right"

block $page "one file, to look at it" >"$work/typed"
as_pi timeout -s INT 300 sh -ec "cd; $(cat "$work/typed")" </dev/null >"$work/said" 2>&1 &
until_true "the one file says its link" 60 linked
inside pkill -INT -u pi -x mmconnect
wait $! || true
inside test -e /home/pi/.local/share/mmconnect/mmconnect.db || fail "its data are not where the page says"
step "one file: looked at"

type_in $page "one file, with its texts"
is ActiveState active || fail "it is not active"
[ "$(inside ps -o user= -p "$(show MainPID)")" = pi ] || fail "it does not run as pi"
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
until_true "the receiver listens" 60 listens 8490
type_in README.md "a text"
until_true "the text is printed" 60 grep -q "OK: The request is genuine" "$work/received"
inside pkill -INT -u pi -x mmconnect || true
end_receiver
step "the README's five minutes: a text, and its signature is right"

type_in $page "from the one file to the package"
until_true "it is active" 60 is ActiveState active
[ "$(inside readlink -f "/proc/$(show MainPID)/exe")" = \
    /usr/lib/mmconnect/mmconnect ] || fail "the package does not run"
[ "$(listed)" = 1 ] || fail "the text did not come along"
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
[ "$(listed)" = 1 ] || fail "the text did not come along"
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

end_in_order
step "all is well"
