#!/usr/bin/env bash
# The Rasa environment dialogs/rasa/.venv: Python 3.10 and pins of its own, which clash with ours.

. "$(dirname "${BASH_SOURCE[0]}")/step.sh"
. setup/python.sh
take_lock

FOLDER=dialogs/rasa/.venv
PINS=dialogs/rasa/requirements.txt
NEEDED_MB=3500 # the environment itself is 2.7 GB; the rest is room to unpack

begin "Rasa environment"
key="$(hash_of "$PINS") $ROOT"
if stamp_is $FOLDER/.stamp "$key" && $FOLDER/bin/python -c '' 2>/dev/null; then
    unchanged
    exit
fi

find_uv
need_python 3.10
if [ ! -d $FOLDER/lib ]; then
    free_mb=$(($(df -Pk . | awk 'NR == 2 {print $4}') / 1024))
    [ "$free_mb" -ge $NEEDED_MB ] || fail "needs $NEEDED_MB MB of disk, $free_mb MB are free in $ROOT."
fi
working "Rasa 3.6 and TensorFlow, 2.7 GB, 1 to 6 minutes"
environment $FOLDER
sync $FOLDER $PINS
RASA_TELEMETRY_ENABLED=false logged $FOLDER/bin/python -c 'import rasa.core.agent' ||
    fail_logged "Rasa was installed but does not start"
stamp $FOLDER/.stamp "$key"
finished "$($FOLDER/bin/python --version)"
