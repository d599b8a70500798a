#!/usr/bin/env bash
# All checks and tests, each one run even when an earlier one failed; exit 1 when any failed.
# usage: setup/tests.sh [checks]      (checks: style, types and imports only)

set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PYTHON=.venv/bin/python
JOBS=2 # whole campaigns run alone, for real audio needs the machine; all other tests share the cores
failed=()

run() {
    local name=$1 start=$SECONDS status=0
    shift
    echo "── $name"
    "$@" </dev/null || status=$?
    # pytest says 5 when it collected nothing: a suite that ran no test has proved nothing.
    [ $status -ne 5 ] || echo "no test was collected" >&2
    [ $status -eq 0 ] || failed+=("$name")
    echo "── $name: exit $status, $((SECONDS - start)) s"
}

run "style" $PYTHON -m ruff check .
run "format" $PYTHON -m ruff format --check .
run "types" $PYTHON -m mypy
run "imports" .venv/bin/lint-imports
if [ "${1:-}" != checks ]; then
    run "tests" $PYTHON -m pytest -q -n $JOBS -m "not calls and not alone"
    run "calls" $PYTHON -m pytest -q -n $JOBS --dist loadfile -m "calls and not alone"
    echo "── whole campaigns (${SECONDS} s so far)"
    # Last, so that the suite closes with pytest's own line.
    $PYTHON -m pytest -q -p no:xdist -m alone </dev/null || failed+=("whole campaigns")
fi
if [ ${#failed[@]} -ne 0 ]; then
    echo "failed: ${failed[*]}" >&2
    exit 1
fi
