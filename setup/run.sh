#!/usr/bin/env bash
# Everything a demo or the tests need, in order.  Each step looks whether it is done, so a second
# run takes seconds.  usage: setup/run.sh demo|test

. "$(dirname "${BASH_SOURCE[0]}")/step.sh"

kind=${1:-demo}
case $kind in
demo) environment=core ;;
test) environment=dev ;;
*) fail "usage: setup/run.sh demo|test" ;;
esac
take_lock

setup/debian.sh "$kind"
setup/core.sh $environment
setup/rasa.sh

# step NAME COMMAND…: one of the project's own commands, which say themselves what they are doing.
step() {
    begin "$1"
    shift
    "$@" 9>&- </dev/null || fail "stopped (exit code $?): ${*}"
    finished
}

step "models" .venv/bin/voicebot models install
[ "$kind" = demo ] || step "models for the tests" .venv/bin/voicebot models install vosk-ko
step "talk tracks, demo site and prompts" .venv/bin/voicebot demo prepare
