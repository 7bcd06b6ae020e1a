# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Out-of-tree development builds. Compiler warnings stop them; a build from a release tarball goes on.

# tree_dir KIND: where plain, asan, tsan and fuzz builds go.
tree_dir() {
    case "$1" in
    plain) echo build ;;
    *) echo "build-$1" ;;
    esac
}

configure_tree() {
    local kind=$1 dir cc=gcc options=(--enable-werror)
    dir=$(tree_dir "$kind")
    case "$kind" in
    plain) ;;
    asan) options+=('--with-sanitizers=address,undefined' "CFLAGS=-g -O1") ;;
    tsan) options+=(--with-sanitizers=thread "CFLAGS=-g -O1") ;;
    fuzz)
        options+=('--with-sanitizers=address,undefined,fuzzer-no-link' "CFLAGS=-g -O1")
        cc=clang
        ;;
    *) die "no build of kind '$kind'" ;;
    esac
    options+=("CC=ccache $cc")
    if [ ! -x configure ] || [ ! -x build-aux/install-sh ]; then
        autoreconf -fi
    fi
    mkdir -p "$dir"
    if [ ! -f "$dir/Makefile" ] || [ "$(cat "$dir/options" 2>/dev/null)" != "${options[*]}" ]; then
        (cd "$dir" && ../configure -q "${options[@]}")
        echo "${options[*]}" >"$dir/options"
    fi
}

# make_tree KIND [ARGUMENTS...]: make in that build, made ready first.
make_tree() {
    local kind=$1
    shift
    need build
    configure_tree "$kind"
    make -C "$(tree_dir "$kind")" --no-print-directory -j"$JOBS" "$@"
}

build_tree() {
    make_tree "$1" all
}
