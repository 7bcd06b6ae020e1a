# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# ./dev test: runs stages one after the other, each into a log of its own below build/test/, and adds up what they
# count. A stage is a function stage_NAME; the last line "N passed, N failed[, N skipped]" of its log is its count.

COUNT_LINE='^([A-Za-z0-9_.-]+: )?[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$'
LONG=''
PATTERN=''

stage_build() {
    build_tree plain
    build_tree asan
}

# Adds up what the test programs of "make check" in one build said; a program that counts nothing counts as one.
count_check() {
    local trs log line passed=0 failed=0 skipped=0 p f
    while IFS= read -r trs; do
        log=${trs%.trs}.log
        line=$(grep -aE "$COUNT_LINE" "$log" | tail -n 1 | sed 's/^[^ ]*: //') || true
        read -r p _ f _ <<<"${line:-0 passed, 0 failed}"
        if grep -q '^:test-result: SKIP' "$trs"; then
            echo "SKIP $log"
            skipped=$((skipped + 1)) p=0
        elif ! grep -q '^:test-result: PASS' "$trs"; then
            [ "$f" -gt 0 ] || f=1
        elif [ "$p" -eq 0 ]; then
            p=1
        fi
        passed=$((passed + p)) failed=$((failed + f))
    done < <(find "$1" -name '*.trs' -not -path '*/goqueue-*')
    echo "$passed passed, $failed failed, $skipped skipped"
}

check_in() {
    local dir programs=() status=0
    dir=$(tree_dir "$1")
    [ -d "$dir" ] || build_tree "$1"
    find "$dir" -name '*.trs' -delete
    if [ -n "$PATTERN" ]; then
        # shellcheck disable=SC2016
        mapfile -t programs < <(make -s -C "$dir" --eval='list-tests:;@printf "%s\n" $(TESTS)' list-tests |
            grep -F -- "$PATTERN")
        [ "${#programs[@]}" -gt 0 ] || return 0
        programs=("TESTS=${programs[*]}")
    fi
    make_tree "$1" check VERBOSE=1 "${programs[@]}" || status=$?
    count_check "$dir"
    return "$status"
}

stage_check() {
    check_in plain
}

# Many more subsets and seeds than in "make check", and errors of all calls.
stage_crash() {
    make_tree plain test-crash test-node
    CRASH_LONG=1 build/test-crash
    CRASH_LONG=1 CK_RUN_SUITE=disk_errors build/test-node
}

stage_check-asan() {
    check_in asan
}

# Only sys/ has threads that share anything.
stage_check-tsan() {
    make_tree tsan test-sys
    TSAN_OPTIONS="halt_on_error=1 suppressions=tests/sys/tsan.suppressions" build-tsan/test-sys
}

# Those that once failed, and fresh ones.
stage_sim() {
    . scripts/sim.sh
    run_simulator "$FRESH_SEEDS"
}

# The variants that are broken on purpose are found.
stage_bugs() {
    . scripts/sim.sh
    hunt_known
}

stage_lint() {
    . scripts/lint.sh
    cmd_lint
}

# Our message schemas against the definitions inside Apache Kafka's own client library.
stage_schemas() {
    need_java
    python3 tests/wire/compare_schemas.py build/java/kafka-clients-*.jar
}

# The committed vectors are what Kafka's encoders write.
stage_golden() {
    need_java
    tests/golden/make-vectors --check
}

stage_units() {
    need test
    tests/systemd/units.sh
}

# Figures without noise: instructions, allocations, system calls, flushes and bytes for 1000 batches.
stage_gates() {
    need bench
    bench/run --gates
}

end_to_end() {
    local dir options=()
    dir=$(tree_dir "$1")
    need run
    need_python
    need_java
    build_tree "$1"
    [ -z "$LONG" ] || options+=(--long)
    [ "$1" != asan ] || options+=(--slow-build)
    build/venv/bin/python tests/e2e/run --build "$dir" "${options[@]}" ${PATTERN:+"$PATTERN"}
}

stage_e2e() {
    end_to_end plain
}

stage_e2e-asan() {
    end_to_end asan
}

# Power cuts and failing disks; also end-to-end tests, but most need root, and a kernel of their own.
stage_power() {
    local options=()
    need run power
    need_python
    build_tree plain
    [ -z "$LONG" ] || options+=(--long)
    build/venv/bin/python tests/e2e/run --tests tests/power "${options[@]}" ${PATTERN:+"$PATTERN"}
}

stage_distcheck() {
    need test
    make_tree plain distcheck DISTCHECK_CONFIGURE_FLAGS="CC='ccache gcc' CFLAGS=-O1"
}

stage_fuzz() {
    . scripts/fuzz.sh
    cmd_fuzz
}

stage_package() {
    . scripts/package.sh
    cmd_package
}

# Stages of this run in their order: those there is something for in the tree.
stages() {
    echo build lint check check-asan
    echo sim bugs
    [ ! -d tests/sys ] || echo check-tsan
    [ ! -f tests/wire/compare_schemas.py ] || echo schemas
    [ ! -x tests/golden/make-vectors ] || echo golden
    [ ! -x tests/systemd/units.sh ] || echo units
    [ ! -f bench/gates.json ] || echo gates
    echo e2e e2e-asan power
    echo distcheck
    [ -z "$LONG" ] || echo crash fuzz package
}

# The lines that look like the reason, which parallel make may have buried, and the end of a log.
show_failure() {
    { grep -anE 'error:|\*\*\*|^FAIL|Sanitizer:|runtime error' "$1" || true; } | head -n 20
    echo ...
    tail -n 80 "$1"
    echo "all of it is in $1"
}

# Runs one stage and writes its line; its counts are left in build/test/NAME.count.
run_stage() {
    local name=$1 log=build/test/$1.log start=$SECONDS status=0 line passed failed skipped
    set +e
    (
        set -e
        "stage_$name"
    ) >"$log" 2>&1 </dev/null
    status=$?
    set -e
    line=$(grep -aE "$COUNT_LINE" "$log" | tail -n 1 | sed 's/^[^ ]*: //; s/,//g') || true
    [ -n "$line" ] || line="$((status == 0)) passed $((status != 0)) failed"
    read -r passed _ failed _ skipped _ <<<"$line"
    [ "$status" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
    echo "$passed $failed ${skipped:-0}" >"build/test/$name.count"
    printf '%-12s %5d passed %4d failed %4d skipped %5d s\n' "$name" "$passed" "$failed" "${skipped:-0}" \
        $((SECONDS - start))
    grep -a '^SKIP' "$log" || true
    [ "$failed" -eq 0 ] || show_failure "$log" | sed 's/^/    /'
}

# The stages that PATTERN names, or those whose tests it is looked for in.
chosen_stages() {
    local all named
    all=$(stages | tr ' ' '\n')
    named=$(grep -F -- "$PATTERN" <<<"$all") || true
    if [ -n "$named" ]; then
        PATTERN=''
        mapfile -t chosen <<<"$named"
    else
        mapfile -t chosen < <(grep -E '^(build|check|e2e|power)$' <<<"$all")
    fi
}

cmd_test() {
    local name chosen lock passed=0 failed=0 skipped=0 p f s
    while [ $# -gt 0 ]; do
        case "$1" in
        --long) LONG=yes ;;
        -*) die "test: there is no option '$1'" ;;
        *) PATTERN=$1 ;;
        esac
        shift
    done
    need build
    mkdir -p build/test
    exec {lock}>build/test/lock
    flock -n "$lock" || die "test: another ./dev test runs in this tree; they would write to the same builds and logs"
    chosen_stages
    for name in "${chosen[@]}"; do
        run_stage "$name"
        read -r p f s <"build/test/$name.count"
        passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    done
    echo "all in $SECONDS s; logs in build/test/"
    if [ "${CI-}" = true ] && [ "$skipped" -gt 0 ]; then
        echo "a skipped test counts as failed here"
        failed=$((failed + skipped)) skipped=0
    fi
    [ $((passed + failed)) -gt 0 ] || die "no test has run"
    if [ "$skipped" -gt 0 ]; then
        echo "$passed passed, $failed failed, $skipped skipped"
    else
        echo "$passed passed, $failed failed"
    fi
    [ "$failed" -eq 0 ]
}
