#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# gqsim as a program: what it takes, what a report says, and that the command in it runs the same again. Runs in "make
# check", in the build directory. It is always linked with the planted bugs.

set -u
export GQ_COMMIT=some-commit
ulimit -c 0 # some runs end with an assertion
INVARIANT_BUG=RAFT_ACK_UNFLUSHED
INVARIANT='commit is backed'
ASSERTION_BUG=RAFT_LATE_APPEND_CUTS
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
passed=0
failed=0
status=0
output=''

# run ARGUMENTS...: sets $status and $output.
run() {
    status=0
    output=$(./gqsim "$@" 2>&1) || status=$?
}

# holds NAME COMMAND...: fails with the last output unless the command succeeds.
holds() {
    local name=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED: %s: %.200s\nstatus %d, and the output ends with:\n%s\n' "$name" "$*" "$status" \
            "$(tail -n 20 <<<"$output")"
    fi
}

says() {
    grep -q -- "$1" <<<"$output"
}

says_not() {
    ! says "$1"
}

# check NAME STATUS PATTERN ARGUMENTS...: the status, and a line of the output that matches.
check() {
    local name=$1 wanted=$2 pattern=$3
    shift 3
    run "$@"
    holds "$name" test "$status" -eq "$wanted"
    holds "$name" says "$pattern"
}

# ---- Arguments ----

check nothing 64 '^usage: '
check extra 64 '^usage: ' --seed 1 2
check option 64 '^usage: ' --seed 1 --what
check no-value 64 '^usage: ' --seed
check two-modes 64 '^usage: ' --seed 1 --seeds 1-2
check word 64 "'one' is not a number" --seed one
check tail 64 "'1x' is not a number" --seed 1x
check negative 64 "'-1' is not a number" --seed -1
check blank 64 "' -1' is not a number" --seed ' -1'
check empty 64 "'' is not a number" --seed ''
check large-number 64 "'18446744073709551616' is not a number" --seed 18446744073709551616
check range 64 "'2-1' is not a range of seeds" --seeds 2-1
check no-nodes 64 '^usage: ' --seed 1 --nodes 0
check many-nodes 64 '^usage: ' --seed 1 --nodes 6
check far-too-many-nodes 64 '^usage: ' --seed 1 --events 500 --nodes 4294967297
check far-too-many-jobs 64 '^usage: ' --seeds 1-2 --events 500 --jobs 4294967297
check far-too-many-clients 64 '^usage: ' --seed 1 --events 500 --clients 4294967296
check no-jobs 64 '^usage: ' --seeds 1-2 --jobs 0
check fault 64 "there is no fault 'RAIN'" --seed 1 --without RAIN
check bug 64 "there is no bug 'NONE_SUCH'" --seed 1 --bug NONE_SUCH
check history 64 'history goes with --seed' --seeds 1-2 --history "$dir/history"
check known 64 'go with --bugs' --seed 1 --known "$dir/known"
check save 64 'save is for all bugs' --bugs --bug "$ASSERTION_BUG" --save "$dir/known"
check no-list 1 'No such file' --list "$dir/list"

# ---- Runs that pass ----

hash_line='^seed 1: [0-9]* events, hash [0-9a-f]\{16\}$'
check seed 0 "$hash_line" --seed 1 --events 500
expected=$output
run --seed 1 --events 500 --trace
holds 'a trace ends with the same hash' test "$(tail -n 1 <<<"$output")" = "$expected"
holds 'a trace has the steps' says '^ *0 *1000.000000 ms  phase work$'
holds 'as many events as asked for' says '^ *500 .*  phase heal$'

run --seed 1 --nodes 1 --events 500 --trace
holds 'one node' says ' node 0: turn '
holds 'one node' says_not ' node 1: '
run --seed 1 --nodes 5 --events 500 --trace
holds 'five nodes' says ' node 4: turn '
run --seed 1 --clients 3 --events 500 --trace
clients=$(grep -oE ' (admin|auditor|consumer|producer) [0-9]+:' <<<"$output" | sort -u | wc -l)
holds 'three clients' test "$clients" -eq 3

run --seed 1 --trace
fault=$(sed -n 's/.* ms  fault \([A-Z_]*\) .*/\1/p' <<<"$output" | head -n 1)
holds 'a seed has faults' test -n "$fault"
run --seed 1 --trace --without "$fault"
holds "without $fault" says "$hash_line"
holds "without $fault" says_not " ms  fault $fault "

check seeds 0 '^seeds: 3 passed, 0 failed$' --seeds 1-3 --events 500 --jobs 2
printf '# two\n1 500 one\n2 500 nodes 1 the other\n' >"$dir/list"
check list 0 '^list: 2 passed, 0 failed$' --list "$dir/list"

# ---- Reports ----

# The last steps, what failed and how to run it again.
report() {
    sed -n '/^the last steps:$/,/^commit /p' <<<"$output"
}

last_steps() {
    report | sed '1d; /^faults:/,$d'
}

# part EXPRESSION: of the lines that tell what failed and how to run it again.
part() {
    report | sed -n "s/$1/\\1/p"
}

failure() {
    part '^FAILED seed [0-9]* at event [0-9]*: \(.*\)'
}

# The words of the command, as they are to be given to gqsim.
again() {
    part '^commit some-commit; again: gqsim \(.*\)'
}

# fails_again NAME: the command of the report fails in the same way, and shows each step on its way there.
fails_again() {
    local before words
    before=$(report)
    read -ra words <<<"$(again)"
    run "${words[@]}"
    holds "$1" test "$status" -eq 1
    holds "$1" test "$(report)" = "$before"
    holds "$1" test "$(sed '/^the last steps:$/,$d' <<<"$output" | grep '^ *[0-9]* *[0-9.]* ms  ' |
        tail -n "$(last_steps | wc -l)")" = "$(last_steps)"
}

# reports BUG PATTERN: a campaign finds the bug, and its report has all that it should; so has the one of a run that is
# cut down.
reports() {
    local bug=$1 pattern=$2 seed events
    run --seeds 1-20 --bug "$bug"
    holds "$bug is found" test "$status" -eq 1
    holds "$bug is found" says '^seeds: [0-9]* passed, 1 failed$'
    seed=$(part '^FAILED seed \([0-9]*\) at event .*')
    events=$(part '^FAILED seed [0-9]* at event \([0-9]*\): .*')
    holds "$bug: what failed" grep -q -- "$pattern" <<<"$(failure)"
    holds "$bug: the last steps" test "$(last_steps | grep -c ' ms  ')" -ge 10
    holds "$bug: the command" test "$(again)" = "--seed $seed --bug $bug --trace"
    fails_again "$bug: again"

    run --seed "$seed" --bug "$bug" --shrink
    holds "$bug: cut down" test "$status" -eq 0
    holds "$bug: cut down" says '^[0-9]* runs$'
    holds "$bug: what fails when cut down" grep -q -- "$pattern" <<<"$(failure)"
    holds "$bug: fewer events" test "$(part '^FAILED seed [0-9]* at event \([0-9]*\): .*')" -lt "$events"
    holds "$bug: with less" grep -q -- "^--seed $seed .*--without [A-Z].* --bug $bug --trace$" <<<"$(again)"
    fails_again "$bug: again when cut down"
}

reports "$INVARIANT_BUG" "^$INVARIANT: group 1: "
reports "$ASSERTION_BUG" '^an assertion, see above$'
holds 'an assertion has its text' says ' assertion failed: '

# The command has all that the run had.
options="--nodes 3 --events 8000 --large --clients 8 --without CLOCK_JUMP --bug $INVARIANT_BUG"
read -ra words <<<"$options"
run --seed 1 "${words[@]}"
holds 'all options' test "$(again)" = "--seed 1 $options --trace"
fails_again 'all options: again'

check nothing-to-cut 1 '^seed 1 passes$' --seed 1 --events 500 --shrink
check hunt 0 '^1 of 1 found$' --bugs --bug "$INVARIANT_BUG" --seeds 1-20

echo "gqsim: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
