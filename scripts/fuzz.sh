# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# ./dev fuzz: the fuzz targets tests/*/fuzz_*.c under libFuzzer with address and undefined behaviour sanitizers. The
# same programs, built without it, replay their corpus in "make check".

# Writes NAME of every target: tests/wire/fuzz_request.c is "request".
fuzz_targets() {
    git ls-files --cached --others --exclude-standard -- 'tests/*/fuzz_*.c' ':!tests/support' |
        sed 's|.*/fuzz_||; s|\.c$||' | sort
}

fuzz_one() {
    local target=$1 seconds=$2 seeds work=build-fuzz/corpus/$1
    seeds=tests/corpus/$target
    # First what may run configure, which must not see the flags of the second.
    make_tree fuzz Makefile
    make_tree fuzz FUZZ_MAIN= LDFLAGS=-fsanitize=fuzzer "fuzz-$target"
    mkdir -p "$work" build-fuzz/crashes "$seeds"
    say "fuzzing $target for $seconds s; new inputs go to $work, crashes to build-fuzz/crashes"
    build-fuzz/"fuzz-$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="build-fuzz/crashes/$target-" "$work" "$seeds"
}

cmd_fuzz() {
    local seconds=${2-60} target targets
    need build fuzz
    case "$seconds" in
    *[!0-9]* | '') die "fuzz: '$seconds' is no number of seconds" ;;
    esac
    mapfile -t targets < <(fuzz_targets)
    if [ $# -gt 0 ]; then
        printf '%s\n' "${targets[@]}" | grep -qx -- "$1" || die "fuzz: no target '$1'; there are: ${targets[*]}"
        targets=("$1")
    fi
    [ "${#targets[@]}" -gt 0 ] || die "there is no fuzz target"
    for target in "${targets[@]}"; do
        fuzz_one "$target" "$seconds"
    done
}
