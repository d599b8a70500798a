# Sourced by every set-up script: one lock for all of them, one line a step, retries, stamps.
# Needs bash 5 and flock (util-linux), which every Debian and Ubuntu has.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ROOT=$PWD
SETUP_DIR=$ROOT/var/setup
SETUP_LOG=$SETUP_DIR/setup.log
RETRY_WAITS=(2 6 15 30) # seconds between the tries of a download: a registry that hiccups is back within a minute

mkdir -p "$SETUP_DIR" 2>/dev/null || {
    echo "✗ $ROOT is not writable by $(id -un): own the folder (chown) or clone it where you may write." >&2
    exit 2
}

# Takes the one lock, once for a whole tree of scripts.  Children get it by the environment, and no
# child process inherits the file itself (a daemon started by a package would hold it for ever).
take_lock() {
    [ "${VOICEBOT_SETUP_LOCK:-}" = "$SETUP_DIR/lock" ] && return
    exec 9>"$SETUP_DIR/lock"
    if ! flock -n 9; then
        echo "… another set-up runs in $ROOT: waiting for it"
        flock 9
    fi
    export VOICEBOT_SETUP_LOCK=$SETUP_DIR/lock
    : >"$SETUP_LOG"
}

# begin NAME: the step's clock starts.
begin() {
    STEP=$1
    STEP_START=${EPOCHREALTIME/[.,]/}
}

elapsed() {
    local tenths=$(((${EPOCHREALTIME/[.,]/} - STEP_START) / 100000))
    echo "$((tenths / 10)).$((tenths % 10)) s"
}

# working TEXT: said when a step takes longer than a moment.
working() { echo "… $STEP: $1"; }
finished() { echo "✓ $STEP${1:+: $1} ($(elapsed))"; }
unchanged() { echo "= $STEP: up to date ($(elapsed))"; }

# fail WHAT: the step's one line of failure; exit 2.
fail() {
    echo "✗ ${STEP:-set-up}: $1" >&2
    exit 2
}

# logged COMMAND…: output goes to the log (and to a terminal, when there is one, so that progress
# bars are seen); on failure the end of the log is shown.
logged() {
    local start status=0
    start=$(($(wc -c <"$SETUP_LOG" 2>/dev/null || echo 0) + 1))
    echo "+ $*" >>"$SETUP_LOG"
    if [ -t 2 ]; then
        "$@" >>"$SETUP_LOG" 9>&- </dev/null || status=$?
    else
        "$@" >>"$SETUP_LOG" 2>&1 9>&- </dev/null || status=$?
        [ $status -eq 0 ] || tail -c "+$start" "$SETUP_LOG" | tail -n 15 | sed 's/^/    /' >&2
    fi
    return $status
}

# retry COMMAND…: runs it until it succeeds, with growing waits; the last status when it never does.
retry() {
    local wait status
    for wait in "${RETRY_WAITS[@]}" ""; do
        status=0
        "$@" || status=$?
        [ $status -ne 0 ] || return 0
        [ -n "$wait" ] || return $status
        echo "… $STEP: failed, next try in $wait s" >&2
        sleep "$wait"
    done
}

# stamp_is FILE KEY: true when the file holds exactly this key.
stamp_is() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }

# stamp FILE KEY: written beside and renamed, so that it is there whole or not at all.
stamp() {
    printf '%s\n' "$2" >"$1.new"
    mv -f "$1.new" "$1"
}

# hash_of FILE…: one hash over the contents.
hash_of() { cat "$@" | sha256sum | cut -c1-16; }
