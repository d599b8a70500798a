#!/usr/bin/env bash
# The long runs, each one also when an earlier one failed; exit 1 when any failed.  Some 15 minutes on 2 cores.
# Two machines are network namespaces, which root may make.

set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PYTHON=.venv/bin/python
failed=()

run() {
    local name=$1 start=$SECONDS
    shift
    echo "── $name"
    "$@" </dev/null || failed+=("$name")
    echo "── $name: $((SECONDS - start)) s"
}

run "chaos, SQLite" $PYTHON -m tests.soak.chaos --store sqlite
run "chaos, PostgreSQL" $PYTHON -m tests.soak.chaos --store postgresql
run "two machines" $PYTHON -m tests.soak.two_machines
if [ ${#failed[@]} -ne 0 ]; then
    echo "failed: ${failed[*]}" >&2
    exit 1
fi
