# Sourced by every set-up script: one lock for all of them, one line a step, retries, stamps.
# Needs bash 5 and flock (util-linux), which every Debian and Ubuntu has.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ROOT=$PWD
SETUP_DIR=$ROOT/var/setup
SETUP_LOG=$SETUP_DIR/setup.log
RETRY_WAITS=(2 8 20) # seconds between the tries of a download: a registry that hiccups is back within half a minute

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

# fail_logged WHAT: as fail, after the end of what the last logged command said.
fail_logged() {
    tail -c "+$LOGGED_FROM" "$SETUP_LOG" | tail -n 10 | sed 's/^/    /' >&2
    fail "$1 (log: $SETUP_LOG)"
}

# logged COMMAND…: output goes to the log; a terminal sees the seconds count meanwhile.
logged() {
    local ticker="" status=0
    LOGGED_FROM=$(($(wc -c <"$SETUP_LOG" 2>/dev/null || echo 0) + 1))
    echo "+ $*" >>"$SETUP_LOG"
    if [ -t 2 ]; then
        count_seconds 9>&- &
        ticker=$!
    fi
    "$@" >>"$SETUP_LOG" 2>&1 9>&- </dev/null || status=$?
    if [ -n "$ticker" ]; then
        kill "$ticker" 2>/dev/null || true
        wait "$ticker" 2>/dev/null || true
        printf '\r\033[K' >&2
    fi
    return $status
}

# Ends by itself when the script is gone, for Ctrl-C does not reach a background job.
count_seconds() {
    while sleep 1 && kill -0 $$ 2>/dev/null; do
        printf '\r\033[K… %s: %s' "$STEP" "$(elapsed)" >&2
    done
}

# retry COMMAND…: runs it until it succeeds, with growing waits; the last status when it never does.
retry() {
    local wait status
    for wait in "${RETRY_WAITS[@]}" ""; do
        status=0
        "$@" || status=$?
        [ $status -ne 0 ] || return 0
        [ -n "$wait" ] || return $status
        echo "… $STEP: that failed, next try in $wait s" >&2
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
