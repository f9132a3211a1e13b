# What all scripts share: where things are, and saying what is going on. Sourced, never run.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# Everything that is downloaded or built once per machine; removing the folder is always safe.
cache=${EGRESS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/egress}
mkdir -p "$cache/bin"

# What the tools print that step runs, for this run of this script.
log=

die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# step WHAT COMMAND [ARG…]: runs a command that may take long, in one line of output: what is
# done and how long it took. What the command prints goes to the log, and is shown if it fails.
step() {
    local what=$1 start=$SECONDS
    shift
    if [ -z "$log" ]; then
        log=$cache/$(basename "$0").log
        : > "$log"
    fi
    printf '%s … ' "$what"
    if "$@" >> "$log" 2>&1 < /dev/null; then
        printf '%d s\n' $((SECONDS - start))
    else
        printf 'failed\n'
        tail -n 40 "$log" >&2
        die "this failed: $what. Everything it printed is in $log"
    fi
}

# hash_of FILE…: a short name for the contents of files.
hash_of() {
    cat -- "$@" | sha256sum | cut -c 1-12
}
