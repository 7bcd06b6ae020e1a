# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# ./dev lint: checks that need no running program. Each is one function lint_NAME that is silent when all is well.

lint_layout() {
    c_files | xargs -r clang-format --dry-run --Werror
}

lint_layers() {
    scripts/check-layers
}

lint_source() {
    {
        c_files
        shell_files
        git ls-files --cached --others --exclude-standard -- '*.py' '*.inc' '*.def' 'scripts/check-*' bench/run |
            existing
    } | sort -u | xargs -r scripts/check-source
}

# The tables name tests that exist, and all bugs.
lint_scenarios() {
    scripts/check-scenarios
    scripts/check-bugs
}

lint_shell() {
    shell_files | xargs -r shellcheck -x
}

lint_python() {
    git ls-files --cached --others --exclude-standard -- '*.py' 'scripts/check-*' tests/e2e/run bench/run |
        existing |
        xargs -r env PYTHONDONTWRITEBYTECODE=1 pyflakes3
}

# mandoc looks cross references up among the pages that are installed here; ours are not.
lint_man() {
    local pages
    mapfile -t pages < <(find man build/man -name '*.[1-8]' 2>/dev/null | sort)
    [ "${#pages[@]}" -gt 0 ] || return 0
    ! mandoc -T lint -W style "${pages[@]}" 2>&1 | grep -v -e 'outdated mandoc.db' \
        -e 'referenced manual not found: Xr \(goqueue\|brokerd\|gqcheck\|gqctl\|sd_\)'
}

# All files are compiled with the same flags, so clang-tidy needs no list of commands. It needs the files that a build
# makes: config.h and what is generated.
lint_tidy() {
    local flags
    flags="-std=gnu11 -Isrc -Ibuild/src -Itests -include build/config.h $(pkg-config --cflags libsystemd sqlite3 \
        yaml-0.1 jansson libisal rdkafka libmicrohttpd libcurl libzstd liblz4 zlib)"
    build_tree plain >/dev/null || return 1
    # shellcheck disable=SC2086
    c_files | sed -n '/^src.*\.c$/p' |
        xargs -r -P "$JOBS" -n 3 sh -c 'clang-tidy --quiet "$@" -- '"$flags"' 2>/dev/null' clang-tidy
}

cmd_lint() {
    local check passed=0 failed=0
    need build lint
    for check in layout layers source scenarios shell python man tidy; do
        if "lint_$check"; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            echo "FAILED: lint $check"
        fi
    done
    echo "lint: $passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
