#!/bin/sh
# scripts/venv.sh DIR PYTHON LOCK [--package]
# Makes or completes the virtual environment DIR with what LOCK pins; --package adds mmconnect itself,
# editable. Needs only PYTHON (3.11 or newer) and its pip or ensurepip.
set -eu
dir=$1 python=$2 lock=$3 package=${4:-} bits=64

say() { printf '%s\n' "$*" >&2; }
tries() { sh "$(dirname "$0")/tries.sh" "$@"; }
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_DEFAULT_TIMEOUT="${PIP_DEFAULT_TIMEOUT:-30}"

command -v "$python" >/dev/null || {
    say "There is no '$python' here. Name the Python to use (3.11 or newer): make PYTHON=python3.12 …"
    exit 1
}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    say "mmconnect needs Python 3.11 or newer; '$python' is $("$python" -V 2>&1 | tail -n 1)."
    say "Name another one: make PYTHON=python3.12 …"
    exit 1
}

if "$python" -c 'import struct, sys; sys.exit(struct.calcsize("P") == 8)'; then
    bits=32
    say "This is a 32-bit system, for which nobody tests mmconnect: every Pi since the 3 can run a 64-bit one."
    say "Trying it all the same, without patterns in an endpoint's routing."
fi

version() { "$1" -c 'import sys; print(sys.version)' 2>/dev/null || true; }

if [ "$(version "$dir/bin/python")" != "$(version "$python")" ] ||
    ! "$dir/bin/python" -m pip --version >/dev/null 2>&1; then
    rm -rf "$dir"
    if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        "$python" -m venv "$dir"
    elif "$python" -c 'import pip, venv' 2>/dev/null; then
        # Debian and its kin keep ensurepip in a package of its own; the machine's pip can stand in.
        "$python" -m venv --without-pip "$dir"
        tries "$python" -m pip --python "$dir/bin/python" install -q pip
    else
        say "'$python' can make no virtual environment: it has neither ensurepip nor pip."
        say "On Debian, Ubuntu and Raspberry Pi OS: sudo apt-get install python3-venv"
        exit 1
    fi
fi

# The old name and the new one of the same thing: the build of our own package obeys the lock too.
export PIP_CONSTRAINT=requirements/test.txt PIP_BUILD_CONSTRAINT=requirements/test.txt
pip() { tries "$dir/bin/python" -m pip "$@"; }

say "$dir: installing $lock"
if [ $bits = 32 ]; then
    # The lock's own condition does not do: below a 32-bit system may be a 64-bit kernel, and that is what pip
    # hears of. Nothing is compiled: where there is nothing ready-made, a sentence says more than a compiler.
    grep -v '^google-re2==' "$lock" >"$dir/lock.txt"
    (unset PIP_CONSTRAINT && "$dir/bin/python" -m pip install -q --no-deps --only-binary=:all: -r "$dir/lock.txt") || {
        say "What mmconnect is made of is not there ready-made for this 32-bit system: it needs a 64-bit one."
        exit 1
    }
else
    (unset PIP_CONSTRAINT && pip install -q --no-deps -r "$lock")
fi
if [ "$package" = --package ]; then
    pip install -q --no-deps -e .
fi
