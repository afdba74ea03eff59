#!/usr/bin/env bash
# Prepare this machine for skymill: ./scripts/setup.sh [--tests]
#
# Makes the virtual environment .venv with the pinned packages and skymill itself, and installs Debian's
# source-extractor where root and apt-get allow it; with --tests also Chromium, which one test of the report opens, and
# Slurm, which the tests of profiles/slurm start.
# Safe to call again: what is there already is left alone, and a finished set-up takes well under a second.
#   PYTHON=python3.12 ./scripts/setup.sh    chooses the interpreter (3.11 or later) that .venv is made from
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
venv=.venv
stamp=$venv/.skymill-setup

say() { printf 'setup: %s\n' "$*" >&2; }
stop() {
    say "$*"
    exit 1
}

can_apt() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

apt_install() {
    say "installing Debian's $* (apt-get)"
    apt-get update -qq >&2 || return 1
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null
}

check_python() {
    command -v "$python" >/dev/null ||
        stop "expected a Python interpreter called '$python', found none. Install Python 3.11 or later, or name yours: make setup PYTHON=python3.12"
    local found
    found=$("$python" -c 'import platform; print(platform.python_version())')
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        stop "expected Python 3.11 or later, found $python = $found. Install a newer one and name it: make setup PYTHON=python3.12"
}

# Debian and Ubuntu ship Python without what a virtual environment needs.
check_venv_module() {
    "$python" -c 'import ensurepip, venv' 2>/dev/null && return
    local package
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if can_apt && apt_install "$package" && "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        return
    fi
    stop "expected the Python modules venv and ensurepip, found $python without them. Install them: sudo apt-get install $package"
}

# What the environment was made from; another answer means that it has to be brought up to date.
fingerprint() {
    { cat requirements.lock pyproject.toml scripts/setup.sh && "$venv/bin/python" -VV && pwd; } | sha256sum
}

make_venv() {
    if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        check_python
        check_venv_module
        say "making the virtual environment $venv with $python"
        "$python" -m venv --clear "$venv"
    fi
    [ "$(fingerprint)" != "$(cat "$stamp" 2>/dev/null)" ] || return 0
    rm -f "$stamp"
    local pip=("$venv/bin/python" -m pip --disable-pip-version-check install --quiet --progress-bar off)
    # torch first and alone: a plain pin takes a local or CPU build where there is one.
    say "installing torch (1 of 3)"
    "${pip[@]}" torch==2.13.0
    say "installing the pinned packages (2 of 3)"
    "${pip[@]}" --requirement requirements.lock
    say "installing skymill itself (3 of 3)"
    "${pip[@]}" --no-deps --no-build-isolation --editable .
    fingerprint >"$stamp"
}

# wanted "PACKAGES" "MESSAGE" COMMAND...: install the packages unless one of the commands is there. Never stops the
# set-up; a failed try is remembered, so that a machine without network waits for apt-get only once.
wanted() {
    local packages=$1 message=$2 command
    local tried=$venv/.skymill-tried-${packages%% *}
    shift 2
    for command in "$@"; do
        if command -v "$command" >/dev/null; then return; fi
    done
    if can_apt && [ ! -e "$tried" ]; then
        # shellcheck disable=SC2086 # one word a package
        if apt_install $packages; then return; fi
        touch "$tried"
        say "apt-get could not install $packages (delete $tried to try again)"
    fi
    say "$message"
}

make_venv
wanted source-extractor "source-extractor is missing: the run goes on with the other detectors, and its report says so. Get it with 'sudo apt-get install source-extractor' or 'conda install -c conda-forge astromatic-source-extractor'" \
    source-extractor sex sextractor
if [ "${1:-}" = --tests ]; then
    wanted chromium "Chromium is missing: the test that opens the report in a browser is skipped. Get it with 'sudo apt-get install chromium'" \
        chromium chromium-browser google-chrome
    wanted "slurmctld slurmd slurm-client munge" "Slurm is missing: the tests that run the workflow on a Slurm of their own are skipped. Get it with 'sudo apt-get install slurmctld slurmd slurm-client munge'; they need root, too" \
        slurmctld /usr/sbin/slurmctld
fi
