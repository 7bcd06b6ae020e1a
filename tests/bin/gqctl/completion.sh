#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Drives the completion as bash does, over the gqctl that was built, without a broker.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
gqctl=$PWD/gqctl
# shellcheck source=src/bin/gqctl/completion/gqctl
. "$here/../../../src/bin/gqctl/completion/gqctl"

passed=0 failed=0

# expect WORD... / WANTED...: the last word is the one at the cursor; each of WANTED must be offered, with ! before it
# must not.
expect() {
    local wanted line is_offered
    COMP_WORDS=("$gqctl")
    while [ "$1" != / ]; do
        COMP_WORDS+=("$1")
        shift
    done
    shift
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    line="${COMP_WORDS[*]:1}"
    _gqctl
    for wanted in "$@"; do
        is_offered=''
        [[ " ${COMPREPLY[*]-} " != *" ${wanted#!} "* ]] || is_offered=yes
        if [[ ($wanted == !* && -z $is_offered) || ($wanted != !* && -n $is_offered) ]]; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            echo "FAILED: gqctl $line: $wanted among: ${COMPREPLY[*]-}"
        fi
    done
}

expect '' / topic produce consume cluster log help
expect t / topic !produce
expect - / --cmd --config --help !--follow
expect topic '' / create list describe delete
expect topic create x - / --partitions --config --replicas !--follow
expect topic create x --par / --partitions !--replicas
expect consume x --f / --follow --from-beginning --format !--strategy
expect --broker = 127.0.0.1 : 1 topic '' / create
expect --broker 127.0.0.1 : 1 topic '' / create
expect --json topic '' / create
expect produce x --strategy r / round-robin random !hash
expect produce x --strategy = / manual hash
expect produce x --compression '' / zstd none
expect --cmd l / list-topics
expect help '' / topic consume !help
expect help topic d / describe delete !create
expect cluster '' / status
expect log '' / dump
expect log dump x --j / --json !--broker
expect consume --broker = 127.0.0.1 : 1 '' / !topic !consume

echo "completion: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
