#!/bin/sh
# Both forms of the build, made in a Debian 12 of their own, for this machine or for another: an unpacked Debian,
# wheels that pip fetches for it, and PyInstaller in there, under QEMU where it is for another kind of machine.
# Then the smoke test on what came out. docs/building.md tells it at length.
#   usage: debian_build.sh arm64|amd64 [FOLDER for the Debian, which is kept for a week]
#   PYTHON=…  an interpreter with pip (3.11 or newer) for fetching the wheels     OUT=…  instead of dist/ARCH
#   FRESH=1  fetches a new Debian all the same
#   MIRROR=… SECURITY=…  other mirrors of Debian and of its security updates, also of a day that has gone by
# Beside both forms, OUT has the folder texts: manual page, completions, notices, for the package (scripts/deb.sh).
# Root. Prints each step with its time, and ends at the first that fails.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
arch=${1:-}
case $arch in
arm64) machine=aarch64 ;;
amd64) machine=x86_64 ;;
*) echo "usage: $0 arm64|amd64 [FOLDER]" >&2 && exit 2 ;;
esac
work=${2:-/var/tmp/mmconnect-$arch}
out=${OUT:-$here/dist/$arch}
python=${PYTHON:-python3}
root=$work/root
bare=$work/bare # what a build has to run in: a C library and nothing else
begun=$(date +%s)

step() { printf '%4d s  %s\n' $(($(date +%s) - begun)) "$*"; }
fail() { echo "$*" >&2; exit 1; }
need() { command -v "$1" >/dev/null || fail "$1 is missing: sudo apt-get install $2"; }

[ "$(id -u)" = 0 ] || fail "Only root can unpack a Debian and run it: sudo $0"
need debootstrap debootstrap
need apt-get apt
need unshare util-linux
"$python" -m pip --version >/dev/null || fail "$python has no pip: sudo apt-get install python3-pip, or PYTHON=…"

# Mounts are this script's own, and gone when it ends, however it ends.
[ "${MOUNTS_ALONE:-}" = 1 ] || MOUNTS_ALONE=1 exec unshare --mount --propagation private -- sh "$0" "$@"

# Flag F in Debian's line: the kernel keeps the emulator open, so that it is found inside a chroot, too. This
# is the one thing that stays when the script has ended: until the next start this machine runs arm64 programs.
if [ "$(uname -m)" != $machine ]; then
    need qemu-$machine-static qemu-user-static
    binfmt=/proc/sys/fs/binfmt_misc
    mountpoint -q $binfmt || mount -t binfmt_misc binfmt_misc $binfmt
    [ -e $binfmt/qemu-$machine ] || cat /usr/lib/binfmt.d/qemu-$machine.conf >$binfmt/register
fi

# What Debian has mended since its last point release: debootstrap asks for none of that.
updated() {
    apt=$work/apt debs=$root/var/cache/apt/archives
    rm -rf "$apt" && mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/debs"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
        "${SECURITY:-http://deb.debian.org/debian-security} bookworm-security main" >"$apt/sources.list"
    set -- -q -o APT::Architecture="$arch" -o APT::Architectures="$arch" -o Dir::Cache="$apt/cache" \
        -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$apt/lists" \
        -o Dir::State::status=/dev/null -o APT::Sandbox::User=root
    # A mirror of a day that has gone by says that its lists have run out.
    [ -z "${SECURITY:-}" ] || set -- "$@" -o Acquire::Check-Valid-Until=false
    apt-get "$@" update
    apt-cache "$@" pkgnames | sort >"$apt/there"
    for deb in "$debs"/*.deb; do dpkg-deb -W --showformat='${Package}\n' "$deb"; done | sort | comm -12 - "$apt/there" >"$apt/ours"
    # shellcheck disable=SC2046  # a list of package names
    (cd "$apt/debs" && apt-get "$@" download $(cat "$apt/ours"))
    for new in "$apt"/debs/*.deb; do
        [ -e "$new" ] || continue
        old=$(echo "$debs/$(basename "$new" | cut -d_ -f1)"_*.deb)
        if dpkg --compare-versions "$(dpkg-deb -f "$new" Version)" gt "$(dpkg-deb -f "$old" Version)"; then
            rm "$old" && mv "$new" "$debs/" && step "updated: $(basename "$new")"
        fi
    done
}

unpack() { # package names, or none for all; into the folder $to
    for deb in "$root"/var/cache/apt/archives/*.deb; do
        name=$(basename "$deb") && name=${name%%_*}
        case " ${*:-$name} " in *" $name "*) ;; *) continue ;; esac
        # Not dpkg-deb -x, which would put directories where /bin, /lib and /sbin are links.
        dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$to"
    done
}

# Updates come nearly every day; and who tidies up /var/tmp takes files that are a month old, one by one.
if [ -n "${FRESH:-}" ] || [ -n "$(find "$work/made" -mtime +6 2>/dev/null)" ]; then rm -f "$work/made"; fi
if [ ! -e "$work/made" ]; then
    step "unpacking a Debian for $arch in $work"
    rm -rf "$root" "$bare" && mkdir -p "$root" "$bare"
    # Debian 12: what is built on it runs on everything that has the same C library or a newer one.
    debootstrap --arch="$arch" --foreign --variant=minbase --include=python3,libpython3.11,binutils \
        bookworm "$root" ${MIRROR:+"$MIRROR"} >"$work/debootstrap.log" 2>&1 || { tail -5 "$work/debootstrap.log" >&2; exit 1; }
    updated >"$work/updates.log" 2>&1 || { tail -5 "$work/updates.log" >&2; exit 1; }
    to=$root && unpack
    chroot "$root" /sbin/ldconfig # PyInstaller asks its cache
    for one in bin lib sbin; do mkdir -p "$bare/usr/$one" && ln -s "usr/$one" "$bare/$one"; done
    to=$bare && unpack libc6 zlib1g
    install -d -m 1777 "$bare/tmp" && install -d "$bare/dev" "$bare/proc"
    touch "$work/made"
fi

# By the hash of the locks, so that other locks start afresh and the same ones fetch nothing.
lock=$(cat "$here/requirements/build.txt" "$here/requirements/man.txt" | cksum | cut -d' ' -f1)
site=$root/site-$lock
if [ ! -e "$site" ]; then
    step "fetching the wheels of requirements/build.txt"
    rm -rf "$root"/site-*
    # pip would ask this machine whether a line is meant for it: so the lines for other systems are dropped here.
    sed -e "/sys_platform == '\(win32\|darwin\)'/d" -e 's/ *;.*//' "$here/requirements/build.txt" >"$work/pins.txt"
    "$python" -m pip install -q --disable-pip-version-check --no-deps --no-compile --target "$site.part" \
        --python-version 3.11 --implementation cp --only-binary=:all: --platform manylinux2014_$machine \
        --platform manylinux_2_17_$machine --platform manylinux_2_28_$machine -r "$work/pins.txt"
    # What writes the manual page comes as source, in pure Python.
    "$python" -m pip install -q --disable-pip-version-check --no-deps --no-compile --target "$site.part/man" \
        -r "$here/requirements/man.txt"
    mv "$site.part" "$site"
fi

step "building"
# Inside is no git that could be asked.
commit=${COMMIT:-$(git -C "$here" describe --always --abbrev=40 --dirty=+changes --exclude='*' 2>/dev/null || true)}
mkdir -p "$root/src" "$root/out"
rm -rf "$root/out"/* # of an earlier run
mount --bind "$here" "$root/src"
mount -o remount,bind,ro "$root/src"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
inside() { # a command in the sources, with Debian's Python and the wheels
    chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LC_ALL=C.UTF-8 \
        PYTHONPATH="/site-$lock:/site-$lock/man" PYTHONHASHSEED=1 PYTHONDONTWRITEBYTECODE=1 PYI_LOG_LEVEL=WARN \
        COMMIT="$commit" ${SOURCE_DATE_EPOCH:+SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH} \
        sh -c 'cd /src && exec "$@"' sh "$@"
}
inside python3 -m PyInstaller --noconfirm --clean --distpath /out/dist --workpath /out/build build.spec
# Written by the Python that is inside, whatever this machine has.
texts=$root/out/dist/texts
mkdir "$texts"
inside python3 -m scripts.man_page >"$texts/mmconnect.1"
for shell in bash zsh fish; do inside python3 -m mmconnect completion $shell >"$texts/$shell"; done
(cd "$here" && PYTHONHASHSEED=1 "$python" -m scripts.third_party "$root/out/dist/mmconnect-onedir" \
    --debian "$root" --site "$site") >"$texts/third-party"
rm -rf "$out" && mkdir -p "$out"
cp -a "$root/out/dist/." "$out/"
step "built: $(du -b "$out/mmconnect" | cut -f1) bytes, and a folder of $(du -sh "$out/mmconnect-onedir" | cut -f1)"

mount -t proc proc "$bare/proc"
mount --rbind /dev "$bare/dev"
rm -rf "$bare/opt" && mkdir "$bare/opt" && cp -a "$out/." "$bare/opt/"
for form in /opt/mmconnect /opt/mmconnect-onedir/mmconnect; do
    step "a text through $form, as nobody, where there is a C library and no more"
    (cd "$here" && "$python" -m scripts.smoke --root "$bare" $form)
done
step "all is well: $out"
