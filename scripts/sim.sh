# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# ./dev sim: the simulator, with the seeds that once failed and with fresh ones.

FRESH_SEEDS=2000
MARK_SEEDS=2000 # always the same ones, which must come by all coverage marks

# Fresh ones for each commit, so that nobody runs the same ones for ever, and the same ones for all who look at it.
first_seed() {
    local id
    id=$(git rev-parse --short=12 HEAD 2>/dev/null) || id=1
    printf '%d\n' "0x$id"
}

run_simulator() {
    local first
    first=$(first_seed)
    GQ_COMMIT=$(git describe --always --dirty 2>/dev/null || echo unknown)
    export GQ_COMMIT
    make_tree plain gqsim
    build/gqsim --list tests/seeds/seeds.txt
    build/gqsim --seeds "1-$MARK_SEEDS" --marks --jobs "$JOBS"
    build/gqsim --seeds "$first-$((first + $1 - 1))" --jobs "$JOBS"
}

cmd_sim() {
    [ $# -le 1 ] || die "sim takes at most one word: how many seeds, or --bugs"
    if [ "${1-}" = --bugs ]; then
        make_tree plain gqsim
        build/gqsim --bugs --large --jobs "$JOBS"
        return
    fi
    case "${1-$FRESH_SEEDS}" in
    '' | *[!0-9]* | 0) die "sim: '${1-}' is not a number of seeds" ;;
    esac
    run_simulator "${1-$FRESH_SEEDS}"
}
