#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Checks the units as they stand in the tree, without a running systemd: they load without a complaint, their sandbox
# is as tight as promised, and what they name exists. Prints "N passed, N failed, N skipped".
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."

EXPOSURE_MAX=1.1
SERVICE=systemd/goqueue@.service.in
UNITS=(systemd/goqueue.target systemd/goqueue@.socket)

passed=0 failed=0 skipped=0
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# check NAME COMMAND...: passes when the command does; shows what it prints when it doesn't.
check() {
    local name=$1 out
    shift
    if out=$("$@" 2>&1); then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED: %s\n%s\n' "$name" "$out"
    fi
}

# needs PROGRAM COUNT: false, and COUNT checks skipped, where the program is missing.
needs() {
    command -v "$1" >/dev/null && return 0
    echo "SKIP $2 checks: there is no $1"
    skipped=$((skipped + $2))
    return 1
}

# A program that exists stands for ours, which may not be built.
prepare() {
    cp "${UNITS[@]}" "$dir"
    sed 's|@bindir@/brokerd|/bin/true|' "$SERVICE" >"$dir/goqueue@.service"
}

# Silent when all is well; it exits 0 in spite of some complaints.
verify() {
    local out
    out=$(systemd-analyze --man=no verify "$dir/$1" 2>&1) && [ -z "$out" ] && return 0
    echo "$out"
    return 1
}

exposure() {
    local line value
    line=$(systemd-analyze security --no-pager --offline=true "$dir/goqueue@.service" | grep 'Overall exposure level')
    echo "$line, at most $EXPOSURE_MAX is allowed"
    value=${line##*: }
    value=${value%% *}
    awk -v value="$value" -v max="$EXPOSURE_MAX" 'BEGIN { exit !(value ~ /^[0-9.]+$/ && value + 0 <= max + 0) }'
}

has_line() {
    grep -qxF -- "$1" "$SERVICE"
}

# What the daemon and its packages rely on.
check_contract() {
    local line
    while IFS= read -r line; do
        check "$SERVICE says $line" has_line "$line"
    done <<'EOT'
Type=notify
WatchdogSec=10s
Restart=on-failure
RestartSec=100ms
RestartPreventExitStatus=64 78
ExecStart=@bindir@/brokerd --node-id=%i
ConfigurationDirectory=goqueue
StateDirectory=goqueue/%i
StateDirectoryMode=0750
User=goqueue
CapabilityBoundingSet=
NoNewPrivileges=yes
MemoryDenyWriteExecute=yes
PrivateUsers=yes
ProtectSystem=strict
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
UMask=0077
EOT
}

# Documentation=man:NAME(SECTION) of all units.
check_manuals() {
    local page
    for page in $(sed -n 's/^Documentation=//p' "$SERVICE" "${UNITS[@]}" | tr ' ' '\n' | sort -u); do
        page=$(sed 's/^man:\(.*\)(\(.\))$/man\/\1.\2/' <<<"$page")
        check "$page exists" compgen -G "$page*"
    done
}

# The socket's default and the daemon's must agree, or a fresh start fails.
same_address() {
    local port
    port=$(sed -n 's/^KEY(bind_port,.*DEF(\([0-9]*\)).*/\1/p' src/config/keys.def)
    grep -qx "ListenStream=127.0.0.1:$port" systemd/goqueue@.socket &&
        grep -q '^KEY(bind_addr,.*"127.0.0.1"' src/config/keys.def
}

user_exists() {
    systemd-sysusers --dry-run "$PWD/systemd/goqueue.sysusers.conf"
}

prepare
if needs systemd-analyze 4; then
    check 'verify service' verify goqueue@.service
    check 'verify socket' verify goqueue@.socket
    check 'verify target' verify goqueue.target
    check 'sandbox' exposure
fi
if needs systemd-sysusers 1; then
    check 'sysusers' user_exists
fi
check_contract
check_manuals
check 'socket and broker have the same default address' same_address
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
