#!/usr/bin/env bash
# Set-up of ngcfem on one machine: system libraries, Python, uv in .tools/, .venv/ from the hashed
# lock, and the package itself, editable. Does nothing when nothing has changed.
#
#   containers/setup.sh          everything
#   containers/setup.sh tools    .tools/ only (what `make lock` needs)
#
# Read from the environment:
#   PYTHON          the interpreter to use (3.12 or newer); found by itself otherwise
#   VENV            directory of the environment (default .venv)
#   SSL_CERT_FILE   certificate authorities of a machine behind a proxy; PIP_CERT is used without it
set -euo pipefail
shopt -s nullglob

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$here"
VENV=${VENV:-.venv}
TOOLS=.tools
goal=${1:-all}

say() { printf 'setup: %s\n' "$*"; }
fail() {
    printf 'setup: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '    %s\n' "$line" >&2; done
    exit 1
}

# The stamp of an environment holds the place and the content it was made from. The place matters
# because scripts inside an environment name it; the content decides what has to be installed.
# .tools has one program without such names, so that it survives a move of the clone.
place_line() { printf 'place %s\n' "$here"; }
content_line() { printf 'content %s\n' "$(cat "$@" | sha256sum | cut -d' ' -f1)"; }
stamp_has() { [ -f "$1/.stamp" ] && grep -qxF "$2" "$1/.stamp"; }
write_stamp() { # only whole stamps count
    { place_line; content_line "${@:2}"; } >"$1/.stamp.new"
    mv "$1/.stamp.new" "$1/.stamp"
}

tool_sources=(requirements-tools.lock)
venv_sources=(requirements.lock pyproject.toml containers/setup.sh)
tools_ready() { stamp_has "$TOOLS" "$(content_line "${tool_sources[@]}")" && "$TOOLS/bin/uv" --version >/dev/null 2>&1; }
venv_in_place() { stamp_has "$VENV" "$(place_line)" && "$VENV/bin/python" -c '' 2>/dev/null; }
venv_ready() { stamp_has "$VENV" "$(content_line "${venv_sources[@]}")" && venv_in_place; }
goal_reached() { if [ "$goal" = tools ]; then tools_ready; else venv_ready; fi; }

if goal_reached; then exit 0; fi

# Two targets of make may run at the same time in one clone.
mkdir -p .cache
exec 9>.cache/setup.lock
if command -v flock >/dev/null; then flock 9; fi
if goal_reached; then exit 0; fi

# A directory that is being made is removed again when anything fails.
unfinished=
trap 'status=$?; if [ -n "$unfinished" ]; then rm -rf -- "$unfinished"; fi; exit $status' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# --- Python: every candidate is run, because a shim on the PATH may exist and not work ------------

usable_python() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1; }
has_headers() {
    "$1" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' >/dev/null 2>&1
}
# Of an interpreter inside an environment, the one the environment was made from: it outlives .venv.
base_of() { "$1" -c 'import os, sys; print(os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable))'; }
find_python() {
    local candidate
    local pyenv=${PYENV_ROOT:-${HOME:-}/.pyenv} uv=${UV_PYTHON_INSTALL_DIR:-${XDG_DATA_HOME:-${HOME:-}/.local/share}/uv/python}
    for candidate in python3.12 python3.13 python3 \
        "$pyenv"/versions/3.1[2-9]*/bin/python3 "$uv"/cpython-3.1[2-9]*/bin/python3; do
        if usable_python "$candidate"; then
            base_of "$candidate"
            return 0
        fi
    done
    return 1
}
no_python="ngcfem needs Python 3.12 or newer (with its venv module and headers); none was found."
python_remedies=(
    "Debian 13, Ubuntu 24.04:  sudo apt-get install python3-venv libpython3-dev"
    "with pyenv:               pyenv install 3.12"
    "with uv:                  uv python install 3.12"
    "anywhere else on disk:    make setup PYTHON=/path/to/python3.12"
)
# grep reads to the end here and below (no -q): a closed pipe would count as a failure of the pipeline.
distribution_has_python() { apt-cache policy python3 2>/dev/null | grep -E 'Candidate: 3\.(1[2-9]|[2-9][0-9])' >/dev/null; }

if [ -n "${PYTHON:-}" ]; then
    usable_python "$PYTHON" || fail "PYTHON=$PYTHON is not a working Python 3.12 or newer with the venv module."
    python=$(base_of "$PYTHON")
else
    python=$(find_python || true)
fi

# --- system packages: only what is missing, and only where this user may install ------------------

has_library() { # by file name, in the loader's cache or on LD_LIBRARY_PATH (modules of a cluster)
    local directory
    local -a extra
    IFS=: read -r -a extra <<<"${LD_LIBRARY_PATH:-}"
    for directory in ${extra[@]+"${extra[@]}"}; do
        if [ -n "$directory" ] && [ -e "$directory/$1" ]; then return 0; fi
    done
    PATH="$PATH:/sbin:/usr/sbin" ldconfig -p 2>/dev/null | grep -F "$1 " >/dev/null
}
present() {
    case $1 in
        gcc) command -v gcc >/dev/null ;;
        libc6-dev) printf '#include <stdio.h>\n#include <math.h>\n' | gcc -E -x c - >/dev/null 2>&1 ;;
        libegl1) has_library libEGL.so.1 ;;
        libgl1) has_library libGL.so.1 ;;
        libglu1-mesa) has_library libGLU.so.1 ;;
        libxcursor1) has_library libXcursor.so.1 ;;
        libxft2) has_library libXft.so.2 ;;
        libxinerama1) has_library libXinerama.so.1 ;;
        *) [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ] ;;
    esac
}

if [ "$goal" = all ]; then
    missing=()
    while read -r package; do
        if [ -n "$package" ] && ! present "$package"; then missing+=("$package"); fi
    done <containers/apt.txt
    if [ -n "$python" ] && ! has_headers "$python"; then missing+=(libpython3-dev); fi

    as_root=(env DEBIAN_FRONTEND=noninteractive)
    if [ "$(id -u)" != 0 ]; then as_root=(sudo -n "${as_root[@]}"); fi
    may_install=
    if { [ ${#missing[@]} -gt 0 ] || [ -z "$python" ]; } &&
        command -v apt-get >/dev/null && "${as_root[@]}" true 2>/dev/null; then
        may_install=yes
        # What the distribution offers is known only from fresh lists: an image may come without any.
        "${as_root[@]}" apt-get update -qq >.cache/apt.log 2>&1 || true
    fi
    also=()
    if [ -z "$python" ]; then
        if distribution_has_python; then
            missing+=(python3-venv libpython3-dev)
        else
            also=("$no_python" "${python_remedies[@]}")
        fi
    fi
    if [ ${#missing[@]} -gt 0 ]; then
        line="apt-get install --no-install-recommends ${missing[*]}"
        if [ -n "$may_install" ]; then
            say "$line"
            if ! "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >>.cache/apt.log 2>&1; then
                tail -n 20 .cache/apt.log >&2
                fail "the system packages could not be installed. As root, run:" "apt-get update" "$line"
            fi
        elif command -v apt-get >/dev/null; then
            fail "system packages are missing, and this user may not install them. Run:" "sudo $line" \
                ${also[@]+"${also[@]}"}
        else
            fail "system packages are missing: ${missing[*]} (Debian's names)." \
                "Debian, Ubuntu:  sudo $line" \
                "Other systems: install what carries the same libraries, or load them as modules." \
                ${also[@]+"${also[@]}"}
        fi
        if [ -z "$python" ]; then python=$(find_python || true); fi
    fi
fi

if [ -z "$python" ]; then
    fail "$no_python" "${python_remedies[@]}"
fi
if [ "$goal" = all ] && ! has_headers "$python"; then
    fail "$python has no Python.h, which compiling the finite element forms needs." \
        "Install the development files of this Python, or choose another: make setup PYTHON=..."
fi

# --- uv, pinned by hash, in an environment of its own that outlives .venv -------------------------

# uv reads certificate authorities from SSL_CERT_FILE only; an empty or dangling value would stop it.
certificates=${SSL_CERT_FILE:-${PIP_CERT:-/etc/ssl/certs/ca-certificates.crt}}
if [ -f "$certificates" ]; then export SSL_CERT_FILE=$certificates; else unset SSL_CERT_FILE; fi
if [ -z "${PIP_CERT:-}" ]; then unset PIP_CERT; fi

if ! tools_ready; then
    say "uv into $TOOLS"
    rm -rf -- "$TOOLS"
    unfinished=$TOOLS
    "$python" -m venv "$TOOLS"
    "$TOOLS/bin/pip" --disable-pip-version-check install -q --require-hashes -r requirements-tools.lock ||
        fail "uv could not be installed from the package index; is the network reachable?" \
            "Behind a proxy, PIP_CERT names the file of certificate authorities."
    write_stamp "$TOOLS" "${tool_sources[@]}"
    unfinished=
fi
if [ "$goal" = tools ]; then exit 0; fi
# Settings of the machine (extra indexes, other resolutions) must not change what the lock says.
uv() { "$here/$TOOLS/bin/uv" --no-config --quiet "$@"; }

# --- .venv from the lock --------------------------------------------------------------------------

if [ -e "$VENV" ] && [ ! -f "$VENV/pyvenv.cfg" ]; then
    fail "$VENV exists and is not a virtual environment; move it away, or choose another VENV."
elif [ -e "$VENV" ] && ! "$VENV/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then
    say "$VENV has no working Python; making it anew"
    rm -rf -- "$VENV"
elif [ -f "$VENV/.stamp" ] && ! venv_in_place; then
    say "$VENV was made in another place; making it anew"
    rm -rf -- "$VENV"
fi
if [ ! -e "$VENV" ]; then
    unfinished=$VENV
    uv venv --python "$python" "$VENV"
else
    # An environment in use is brought to the lock in place; without its stamp it counts as unmade.
    rm -f "$VENV/.stamp"
fi
say "packages of requirements.lock into $VENV ($("$VENV/bin/python" --version))"
sync=(pip sync --python "$VENV/bin/python" --require-hashes requirements.lock)
# What the cache holds needs no network; only what it lacks is fetched.
if ! uv "${sync[@]}" --offline 2>/dev/null; then
    uv "${sync[@]}" || fail "the packages of requirements.lock could not be installed (see above)." \
        "Behind a proxy, SSL_CERT_FILE names the file of certificate authorities;" \
        "UV_DEFAULT_INDEX names a mirror of the package index."
fi
uv pip install --python "$VENV/bin/python" --offline --no-deps --no-build-isolation --editable .

# --- does it work here? ---------------------------------------------------------------------------

# Each in a process of its own: a missing system library may end the process instead of raising.
for module in "mpi4py.MPI, dolfinx" gmsh "vtk" jax; do
    "$VENV/bin/python" -c "import $module" ||
        fail "importing $module fails on this machine (see above): a system library is missing or too old." \
            "Debian, Ubuntu:  sudo apt-get install $(tr '\n' ' ' <containers/apt.txt)"
done
write_stamp "$VENV" "${venv_sources[@]}"
unfinished=
say "done: $VENV"
