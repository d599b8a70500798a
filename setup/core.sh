#!/usr/bin/env bash
# The core environment .venv: pinned packages, and the project itself with its two commands.
# usage: setup/core.sh core|dev      (dev adds what tests and checks need; once there it stays)

. "$(dirname "${BASH_SOURCE[0]}")/step.sh"
. setup/python.sh
take_lock

kind=${1:-core}
[ -f .venv/.with-dev ] && kind=dev
pins=requirements/$kind.txt
begin "core environment"
key="$kind $(hash_of "$pins" pyproject.toml) $ROOT"
if stamp_is .venv/.stamp "$key" && .venv/bin/python -c '' 2>/dev/null; then
    unchanged
    exit
fi

find_uv
working "packages of $pins into .venv"
need_python 3.11 3.12
environment .venv
sync .venv "$pins"
# Editable, without resolving and without a build environment: hatchling is among the pins.
logged env VIRTUAL_ENV="$ROOT/.venv" "$UV" pip install --quiet --no-deps --no-build-isolation --editable . ||
    fail_logged "the project itself could not be installed into .venv"
[ "$kind" = dev ] && touch .venv/.with-dev
stamp .venv/.stamp "$key"
finished "$(.venv/bin/python --version)"
