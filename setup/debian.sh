#!/usr/bin/env bash
# Debian and Ubuntu packages: installs the missing ones as root, names them otherwise.
# usage: setup/debian.sh demo|test

. "$(dirname "${BASH_SOURCE[0]}")/step.sh"
take_lock
begin "Debian packages"

VOICES=var/models/kokoro/zm_yunxia.bin # the last voice file that `voicebot models install` puts in place

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
on_path() { command -v "$1" >/dev/null 2>&1; }
python_makes_environments() { python3 -c 'import ensurepip, venv' >/dev/null 2>&1; }
uv_runs() { uv --version >/dev/null 2>&1 || [ -x .uv/bin/uv ]; }
has_postgres() { compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; }
has_chromium() { on_path chromium || on_path google-chrome; }

# What is there counts, not which package brought it: a site may have Node.js from elsewhere.
missing=()
on_path espeak-ng || missing+=(espeak-ng)
installed fonts-noto-cjk || missing+=(fonts-noto-cjk)
[ -f "$VOICES" ] || on_path npm || missing+=(nodejs npm)
uv_runs || python_makes_environments || missing+=(python3-venv)
if [ "${1:-demo}" = test ]; then
    has_postgres || missing+=(postgresql)
    has_chromium || missing+=(chromium)
fi

if [ ${#missing[@]} -eq 0 ]; then
    unchanged
    exit
fi
if [ "$(id -u)" -ne 0 ]; then
    fail "${missing[*]} missing, and only root may install them. Run: sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}"
fi
on_path apt-get || fail "${missing[*]} missing, and there is no apt-get here: install what they bring, then run this again."

export DEBIAN_FRONTEND=noninteractive
working "installing ${missing[*]}"
retry logged apt-get update -q || fail_logged "apt-get update failed: check the network and /etc/apt/sources.list"
retry logged apt-get install -q -y --no-install-recommends "${missing[@]}" ||
    fail_logged "apt-get could not install ${missing[*]}"
finished "${missing[*]}"
