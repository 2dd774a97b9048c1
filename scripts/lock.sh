#!/bin/sh
# Writes requirements/{runtime,tls,test,build}.txt: exact pins with environment markers, from the ranges in pyproject.toml.
#   make lock                     adds and drops what pyproject.toml asks for, keeps the other pins
#   make lock ARGS=--upgrade      newest versions of everything
# Then asks whether each pin has a wheel for every Python and machine that mmconnect is built for.
set -eu
python=$1
shift
env=.venv-lock
[ -x $env/bin/uv ] || { "$python" -m venv $env && $env/bin/python -m pip install -q uv; }

compile() {
    out=requirements/$1.txt
    shift
    $env/bin/uv pip compile -q --universal --python-version 3.11 --no-emit-index-url \
        --custom-compile-command "make lock" -o "$out" pyproject.toml "$@"
}
compile test --annotation-style line --extra test "$@"
compile runtime --no-annotate -c requirements/test.txt "$@"
compile tls --no-annotate --extra tls -c requirements/test.txt "$@"
compile build --no-annotate --extra build -c requirements/test.txt "$@"

for python_version in 3.11 3.12 3.13; do
    for machine in x86_64-manylinux_2_28 aarch64-manylinux_2_28; do
        for lock in test build; do
            $env/bin/uv pip install -q --dry-run --no-deps --only-binary :all: --target $env/none \
                --python-version $python_version --python-platform $machine -r requirements/$lock.txt
        done
        echo "wheels for every pin: Python $python_version, $machine"
    done
done
