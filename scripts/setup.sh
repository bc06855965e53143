# shellcheck shell=bash
# What scripts/test and scripts/demo need of the machine. Sourced, never run:
#
#     . "$(dirname "$0")/setup.sh"
#     need_packages postfix     Debian packages, only those that are missing, and what .venv needs
#     setup_venv tox            makes or reuses .venv and installs what pip names (`setup_venv -e .` for the demo)
#     need_asterisk             sets ASTERISK, the folder of a runnable Asterisk
#
# Each returns at once where nothing is to be done. Long steps say what they do and for how long they have been
# doing it; their output goes to build/setup.log and is shown only where a step fails.
#
# For Debian 12 or newer. Elsewhere need_packages only checks that the packages are there, as dpkg knows them.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=$ROOT/.venv
SETUP_LOG=$ROOT/build/setup.log
mkdir -p "$ROOT/build"
: > "$SETUP_LOG"
# postfix, opendkim and others live in sbin, which is not in every user's path.
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

say() { printf '==> %s\n' "$*" >&2; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# long_step WHAT COMMAND…: runs COMMAND with its output in the log; shows how long it has been running, each second
# on a terminal and each quarter of a minute elsewhere; shows the log's end and returns COMMAND's status if it fails.
# (COMMAND is in the foreground, so that Ctrl-C reaches it.)
long_step() {
    local what=$1 from clock status=0
    shift
    from=$(($(wc -l < "$SETUP_LOG") + 1))
    say "$what"
    show_time & clock=$!
    "$@" >> "$SETUP_LOG" 2>&1 < /dev/null || status=$?
    kill "$clock" 2> /dev/null || true
    wait "$clock" 2> /dev/null || true
    [ ! -t 2 ] || printf '\r\033[K' >&2
    if [ "$status" -ne 0 ]; then
        tail -n "+$from" "$SETUP_LOG" | tail -n 40 >&2
        say "failed: $what (all of it: $SETUP_LOG)"
    fi
    return "$status"
}

# Ends by itself when the script that started it is gone. (A sleep that is left over holds no pipe of a reader open.)
show_time() {
    local began=$SECONDS step=15 before='' after='\n'
    if [ -t 2 ]; then step=1 before='\r' after=''; fi
    # shellcheck disable=SC2059
    while sleep "$step" > /dev/null 2>&1; kill -0 $$ 2> /dev/null; do
        printf "$before    %d s$after" $((SECONDS - began)) >&2
    done
}

# A Python that mailgate supports, as a path: Debian's own where it is new enough, since that is what mailgate is
# installed with and is built to be fast, else the newest; what pytest needs of the standard library is tried here.
find_python() {
    local candidate path
    for candidate in /usr/bin/python3 python3.13 python3.12 python3.11 python3; do
        path=$(command -v "$candidate") || continue
        if "$path" -c 'import sys, ssl, sqlite3; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
            "$path" -c 'import sys; print(sys.executable)'
            return 0
        fi
    done
    return 1
}

# Debian's packages without which .venv cannot be made: Python itself, or ensurepip, which is in a package of its own.
python_packages() {
    local python
    [ ! -e "$VENV" ] || return 0
    if ! python=$(find_python); then
        echo python3 python3-venv
    elif ! "$python" -c 'import ensurepip, venv' 2> /dev/null; then
        "$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'
    fi
}

# setup_venv ARGUMENT…: .venv with what `pip install ARGUMENT…` brings. Done again only when ARGUMENTs, setup.py or
# pyproject.toml have changed.
setup_venv() {
    local python stamp
    if [ ! -e "$VENV" ]; then
        need_packages
        python=$(find_python) || die "no Python 3.11 or newer was found (this needs Debian 12 or newer)"
        long_step "Making .venv with $("$python" -V)" "$python" -m venv "$VENV" || exit 1
    fi
    "$VENV/bin/python" -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2> /dev/null ||
        die "$VENV is not a working environment of Python 3.11 or newer with pip; remove it and run this again"
    stamp=$VENV/.setup-$( (printf '%s\n' "$@"; cat "$ROOT/setup.py" "$ROOT/pyproject.toml") | sha256sum | cut -c1-16)
    if [ ! -e "$stamp" ]; then
        (cd "$ROOT" && long_step "Installing into .venv: $*" \
            "$VENV/bin/python" -m pip install --disable-pip-version-check "$@") || exit 1
        : > "$stamp"
    fi
}

# Runs as root, with the packages as arguments. While it runs, policy-rc.d keeps the packages' daemons from being
# started (what invoke-rc.d and deb-systemd-invoke ask first); afterwards their units are disabled, so that nothing
# starts at the next boot. A policy-rc.d of the machine's own is left as it is.
# shellcheck disable=SC2016
INSTALL_AS_ROOT='
set -eu
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d mark="written by mailgate, safe to remove"
if [ ! -e "$policy" ] || grep -q "$mark" "$policy"; then
    trap "rm -f $policy" EXIT
    trap "exit 130" INT TERM HUP
    printf "#!/bin/sh\n# %s\nexit 101\n" "$mark" > "$policy"
    chmod 755 "$policy"
fi
apt-get -q update || echo "the package lists could not be renewed; going on with those that are there"
# Without an answer, postfix asks which host it should be for the whole Internet.
echo "postfix postfix/main_mailer_type select Local only" | debconf-set-selections || true
apt-get -q -y --no-install-recommends -o Dpkg::Options::=--force-confold install "$@"
[ -d /run/systemd/system ] || exit 0
for package; do
    dpkg -L "$package" | sed -nE "s,^(/usr)?/lib/systemd/system/([^/@]+\.(service|timer|socket))\$,\2,p"
done | xargs -r systemctl disable --quiet
'

# need_packages PACKAGE…: installs those that are missing, and what .venv needs, as root or by sudo; where neither is
# to be had, names the one command to run and ends. (So that it is one: before setup_venv, with all packages at once.)
need_packages() {
    local package missing=() as_root=()
    # shellcheck disable=SC2046
    set -- $(python_packages) "$@"
    command -v dpkg-query > /dev/null || die "this needs Debian 12 or newer (there is no dpkg-query here)"
    for package; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2> /dev/null)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        if command -v sudo > /dev/null && { sudo -n true 2> /dev/null || { [ -t 0 ] && sudo -v; }; }; then
            as_root=(sudo)
        else
            say "Debian packages are missing. As root, run this, then start $0 again:"
            printf 'apt-get update && apt-get install -y --no-install-recommends %s\n' "${missing[*]}" >&2
            exit 1
        fi
    fi
    long_step "Installing Debian packages: ${missing[*]}" \
        "${as_root[@]}" bash -c "$INSTALL_AS_ROOT" install "${missing[@]}" || exit 1
}

# What get-asterisk.sh needs (to be named in the first need_packages as well, see there).
ASTERISK_PACKAGES=(debian-archive-keyring ca-certificates)

# need_asterisk: Asterisk 22, unpacked by get-asterisk.sh and not installed; ASTERISK/run/asterisk starts it.
# Tests find it at this same place.
need_asterisk() {
    ASTERISK=${XDG_CACHE_HOME:-$HOME/.cache}/mailgate/asterisk
    if [ ! -x "$ASTERISK/run/asterisk" ] || ! "$ASTERISK/run/asterisk" -V > /dev/null 2>&1; then
        need_packages "${ASTERISK_PACKAGES[@]}"
        mkdir -p "$ASTERISK"
        long_step "Unpacking Asterisk into $ASTERISK" "$ROOT/scripts/get-asterisk.sh" "$ASTERISK" || exit 1
    fi
}
