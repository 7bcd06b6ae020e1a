# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Small functions that ./dev and its parts use. To be sourced at the top of the tree.

JOBS=${JOBS:-$(nproc)}

say() {
    printf '== %s\n' "$*" >&2
}

die() {
    printf 'dev: %s\n' "$*" >&2
    exit 1
}

# C files of ours that git knows or would take.
c_files() {
    git ls-files --cached --others --exclude-standard -- 'src/*.[ch]' 'tests/*.[ch]' 'bench/*.[ch]' | existing
}

shell_files() {
    {
        printf '%s\n' dev .ci/run tests/golden/make-vectors
        git ls-files --cached --others --exclude-standard -- '*.sh' 'src/bin/*/completion/*' 'debian/*.postinst' \
            'debian/*.postrm' \
            'debian/*.prerm' 'debian/*.preinst'
    } | existing
}

# Passes on the names of files that are there.
existing() {
    local f
    while IFS= read -r f; do
        [ ! -f "$f" ] || printf '%s\n' "$f"
    done
}

# quietly LOG COMMAND...: what it prints goes to LOG; shown only when it fails.
quietly() {
    local log=$1 status=0
    shift
    "$@" >"$log" 2>&1 </dev/null || status=$?
    [ "$status" -eq 0 ] || tail -n 60 "$log" >&2
    return "$status"
}
