# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# ./dev sim: the simulator, with the seeds that once failed and with fresh ones.

FRESH_SEEDS=2000
HASH_SEEDS=6    # of the fresh ones, which run in several ways
MARK_SEEDS=2000 # always the same ones, which must come by all coverage marks
KNOWN_BUGS=tests/seeds/bugs.txt

# Fresh ones for each commit, so that nobody runs the same ones for ever, and the same ones for all who look at it.
first_seed() {
    local id
    id=$(git rev-parse --short=12 HEAD 2>/dev/null) || id=1
    printf '%d\n' "0x$id"
}

# same_hash SEED COMMAND...: fails unless the command's gqsim comes to what the plain one did, which is in $expected.
same_hash() {
    local seed=$1 found
    shift
    found=$("$@" --seed "$seed" 2>&1 | tail -n 1) || true
    if [ "$found" != "$expected" ]; then
        echo "'$*' --seed $seed says '$found', build/gqsim '$expected'" >&2
        hash_failed=$((hash_failed + 1))
        return
    fi
    hash_passed=$((hash_passed + 1))
}

# A seed is the same run under another allocator, with memory elsewhere, and in a build with other stack frames and
# values in memory that nobody has set; and its history is judged the same by gqcheck. Sets $hash_skipped.
compare_hashes() {
    local seed expected can_fix=yes hash_passed=0 hash_failed=0 history=build/test/simulated.history
    make_tree plain gqcheck
    make_tree asan gqsim
    mkdir -p build/test
    hash_skipped=0
    if ! setarch -R true 2>/dev/null; then
        echo "SKIP $HASH_SEEDS runs without random addresses: setarch -R doesn't work here"
        can_fix='' hash_skipped=$HASH_SEEDS
    fi
    for ((seed = $1; seed < $1 + HASH_SEEDS; seed++)); do
        expected=$(build/gqsim --seed "$seed" 2>&1 | tail -n 1) || true
        same_hash "$seed" env MALLOC_PERTURB_=165 build/gqsim
        same_hash "$seed" env GLIBC_TUNABLES=glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0 build/gqsim
        same_hash "$seed" env MALLOC_TOP_PAD_=77777 MALLOC_ARENA_MAX=1 build/gqsim --history "$history"
        build/gqcheck --quiet "$history" >&2 || hash_failed=$((hash_failed + 1))
        [ -z "$can_fix" ] || same_hash "$seed" setarch -R build/gqsim
        same_hash "$seed" build-asan/gqsim
    done
    echo "hashes: $hash_passed passed, $hash_failed failed, $hash_skipped skipped"
    [ "$hash_failed" -eq 0 ]
}

# The last line is what ./dev test counts, so what was skipped has to be in it.
run_simulator() {
    local first hash_skipped
    first=$(first_seed)
    GQ_COMMIT=$(git describe --always --dirty 2>/dev/null || echo unknown)
    export GQ_COMMIT
    make_tree plain gqsim
    build/gqsim --list tests/seeds/seeds.txt
    compare_hashes "$first"
    build/gqsim --seeds "1-$MARK_SEEDS" --marks --jobs "$JOBS"
    build/gqsim --seeds "$first-$((first + $1 - 1))" --jobs "$JOBS"
    echo "sim: $1 passed, 0 failed, $hash_skipped skipped"
}

# hunt OPTION FILE: plants one bug after the other.
hunt() {
    make_tree plain gqsim
    build/gqsim --bugs "$@" --jobs "$JOBS"
}

# Begins with the seeds that showed each bug when somebody looked at all of them last.
hunt_known() {
    hunt --known "$KNOWN_BUGS"
}

cmd_sim() {
    [ $# -le 1 ] || die "sim takes at most one word: how many seeds, or --bugs"
    if [ "${1-}" = --bugs ]; then
        hunt --save "$KNOWN_BUGS"
        return
    fi
    case "${1-$FRESH_SEEDS}" in
    '' | *[!0-9]* | 0) die "sim: '${1-}' is not a number of seeds" ;;
    esac
    run_simulator "${1-$FRESH_SEEDS}"
}
