# Sourced: finds uv and Python interpreters.  Each candidate is run once, for one that is on the
# PATH may still not work: a pyenv shim exits 127 when its version is not the selected one.

UV_PINS=requirements/uv.txt
BUILD_PINS=requirements/build.txt

# find_uv: sets UV to a uv that runs; installs a private one (.uv/) when there is none.
find_uv() {
    local candidate
    for candidate in "$(command -v uv || true)" "$HOME/.local/bin/uv" "$ROOT/.uv/bin/uv"; do
        if [ -n "$candidate" ] && "$candidate" --version >/dev/null 2>&1; then
            UV=$candidate
            export UV
            return
        fi
    done
    working "installing uv into .uv/"
    rm -rf .uv
    python3 -m venv .uv >>"$SETUP_LOG" 2>&1 ||
        fail "python3 cannot make environments: install the package python3-venv (as root: apt-get install python3-venv)."
    retry logged .uv/bin/python -m pip install --quiet --require-hashes -r "$UV_PINS" ||
        fail_logged "uv could not be installed"
    UV=$ROOT/.uv/bin/uv
    export UV
}

# runs_as PYTHON VERSION: true when it starts, is of that version and has what our packages need of it.
runs_as() {
    timeout 20 "$1" -c "import ctypes, ssl, sys, zlib; sys.exit(sys.version_info[:2] != tuple(map(int, '$2'.split('.'))))" \
        >/dev/null 2>&1
}

# candidates VERSION: every interpreter that may be it, one a line, the likeliest first.
candidates() {
    type -ap "python$1" python3 python 2>/dev/null || true
    "$UV" python find --no-project "$1" 2>/dev/null || true
    compgen -G "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1*/bin/python" || true
}

# find_python VERSION…: prints the first interpreter that runs as one of the versions; status 1 when none does.
find_python() {
    local version candidate
    for version in "$@"; do
        while read -r candidate; do
            if runs_as "$candidate" "$version"; then
                echo "$candidate"
                return
            fi
        done < <(candidates "$version" | awk '!seen[$0]++')
    done
    return 1
}

# need_python VERSION…: sets PYTHON; asks uv for the first version when no candidate runs.
need_python() {
    PYTHON=$(find_python "$@") && return
    working "no Python $1 here, asking uv for one"
    logged "$UV" python install "$1" || # it tries again by itself
        fail_logged "no Python $1 found or installable: put python$1 on the PATH (package, pyenv or your own build) and run this again."
    PYTHON=$(find_python "$@") || fail "uv installed Python $1, but it does not run"
}

# environment FOLDER: makes it with PYTHON unless it is there and runs; one that was moved is made anew,
# since its commands carry the old path.
environment() {
    local made_at=""
    [ -f "$1/.made-at" ] && made_at=$(cat "$1/.made-at")
    if "$1/bin/python" -c '' >/dev/null 2>&1 && [ "${made_at:-$ROOT/$1}" = "$ROOT/$1" ]; then
        return
    fi
    logged "$UV" venv --quiet --clear --no-project --python "$PYTHON" "$1" || fail_logged "could not make $1"
    stamp "$1/.made-at" "$ROOT/$1"
}

# sync FOLDER PINS: exactly the pinned packages, each checked by its hash; the few that come as source
# (pure Python all of them) are built with pinned tools.
sync() {
    retry logged env VIRTUAL_ENV="$ROOT/$1" "$UV" pip sync --require-hashes --build-constraints $BUILD_PINS "$2" ||
        fail_logged "packages of $2 could not be installed"
}
