#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# gqcheck as a program: where it reads, what it prints, what it ends with. Runs in "make check", in the build directory.

set -u
# Absolute in a build elsewhere, and "." in one in the tree.
data=${srcdir:-$(dirname "$0")/../../..}/tests/history
passed=0
failed=0

# check NAME STATUS PATTERN ARGUMENTS...: the status, and a line of the output that matches.
check() {
    local name=$1 wanted=$2 pattern=$3 status=0 output
    shift 3
    output=$(./gqcheck "$@" 2>&1) || status=$?
    if [ "$status" -eq "$wanted" ] && grep -q -- "$pattern" <<<"$output"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED: %s: status %d, and %d was due; output:\n%s\n' "$name" "$status" "$wanted" "$output"
    fi
}

check good 0 '^6 operations, 0 anomalies$' "$data/good/lost-write.txt"
check bad 1 'lost-write.txt:11: lost-write: orders/0 offset 1: value 2, ' "$data/bad/lost-write.txt"
check count 1 '^lost-write: 1$' --quiet "$data/bad/lost-write.txt"
check rule 1 ': write-cycle: 2 transactions in a circle' --serial-writes "$data/bad/write-cycle.txt"
check no-rule 0 ' 0 anomalies' "$data/bad/write-cycle.txt"
check malformed 2 "kind.txt:2:1: 'begin' is none of" "$data/malformed/kind.txt"
check pipe 2 '^gqcheck: -:2:16: a control character' - <"$data/malformed/carriage-return.txt"
check empty 0 '^0 operations, 0 anomalies$' /dev/null
check missing 66 'No such file' "$data/nothing.txt"
check directory 66 'Is a directory' "$data"
check nothing 64 '^usage: '
check two 64 '^usage: ' /dev/null /dev/null
check option 64 '^usage: ' --what /dev/null
check max 64 'not .0x.' --max 0x /dev/null
check list 0 '^torn-transaction  *a part' --list
check help 0 '^usage: ' --help
check version 0 '^gqcheck [0-9]' --version

# The text of a history that was generated says what its structs say.
if ./make-history 20000 | ./gqcheck - | grep -q '^2[0-9]* operations, 0 anomalies$'; then
    passed=$((passed + 1))
else
    failed=$((failed + 1))
    echo 'FAILED: a generated history'
fi

# As many as are asked for are shown, and all are counted.
history=''
for i in 1 2 3 4 5; do
    history+="invoke $i 1 send a $i"$'\n'"ok $i offset=$((10 - i))"$'\n'
done
shown=$(./gqcheck --max=2 - <<<"${history%$'\n'}")
if [ "$(grep -c ': send-order: ' <<<"$shown")" -eq 2 ] && grep -q '^send-order: 4, not all are shown$' <<<"$shown"; then
    passed=$((passed + 1))
else
    failed=$((failed + 1))
    printf 'FAILED: --max shows\n%s\n' "$shown"
fi

if ./gqcheck /dev/null >/dev/full 2>/dev/null; then
    failed=$((failed + 1))
    echo 'FAILED: a full device was not noticed'
else
    passed=$((passed + 1))
fi

echo "gqcheck: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
