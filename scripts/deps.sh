# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What ./dev needs from outside: Debian packages, Python packages (in build/venv), Java archives (in build/java).

packages_of() {
    case "$1" in
    build)
        echo autoconf automake libtool make gcc libc6-dev pkg-config ccache python3 git ca-certificates
        echo check libcurl4-openssl-dev libev-dev libisal-dev libjansson-dev liblz4-dev libmicrohttpd-dev
        echo librdkafka-dev libsnappy-dev libsqlite3-dev libsystemd-dev libyaml-dev libzstd-dev zlib1g-dev
        ;;
    sanitizers) echo libasan8 libubsan1 libtsan2 ;;
    run) echo kcat ;;
    test)
        echo kcat python3-venv default-jdk-headless maven strace prometheus systemd procps xz-utils e2fsprogs
        echo iproute2
        ;;
    power) echo user-mode-linux dmsetup xfsprogs e2fsprogs mount strace ;;
    lint) echo clang-format clang-tidy shellcheck mandoc pyflakes3 ;;
    fuzz) echo clang llvm libclang-rt-14-dev ;;
    bench) echo iproute2 linux-perf strace util-linux valgrind ;;
    peers) echo default-jdk-headless maven rabbitmq-server redis-server ;;
    package) echo build-essential debhelper dpkg-dev fakeroot lintian rpm ;;
    *) die "no list of packages for '$1'" ;;
    esac
}

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    elif command -v sudo >/dev/null; then
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    else
        die "missing Debian packages, and neither root nor sudo to install them"
    fi
}

# A package's daemon must not start on a developer's machine only because a test wants a program of it. An existing
# policy is left alone.
install_packages() {
    local policy=/usr/sbin/policy-rc.d ours='' status=0
    if [ ! -e "$policy" ]; then
        ours=yes
        # shellcheck disable=SC2016
        as_root sh -c 'printf "#!/bin/sh\nexit 101\n" >"$1" && chmod 755 "$1"' sh "$policy"
    fi
    quietly build/apt.log as_root apt-get install -y -q --no-install-recommends -o Dpkg::Use-Pty=0 "$@" || status=$?
    [ -z "$ours" ] || as_root rm -f "$policy"
    return "$status"
}

# need GROUP...: installs what is missing of these groups.
need() {
    local group package missing=()
    for group in "$@"; do
        for package in $(packages_of "$group"); do
            is_installed "$package" || missing+=("$package")
        done
    done
    [ "${#missing[@]}" -gt 0 ] || return 0
    command -v apt-get >/dev/null || die "this is no Debian system; install by hand: ${missing[*]}"
    say "installing Debian packages: ${missing[*]}"
    mkdir -p build
    if ! apt-get install -s -q --no-install-recommends "${missing[@]}" >/dev/null 2>&1; then
        quietly build/apt.log as_root apt-get update || die "apt-get update failed"
        install_packages "${missing[@]}" || die "apt-get could not install: ${missing[*]}"
    elif ! install_packages "${missing[@]}"; then
        quietly build/apt.log as_root apt-get update || die "apt-get update failed"
        install_packages "${missing[@]}" || die "apt-get could not install: ${missing[*]}"
    fi
}

# The Kafka clients for Python in build/venv, at the versions of tests/e2e/requirements.txt.
need_python() {
    local want=tests/e2e/requirements.txt have=build/venv/requirements.txt
    need test
    ! cmp -s "$want" "$have" || return 0
    say "installing Python packages into build/venv: $(grep -v '^#' "$want" | tr '\n' ' ')"
    rm -rf build/venv
    mkdir -p build
    /usr/bin/python3 -m venv build/venv
    quietly build/venv.log build/venv/bin/pip install -q -r "$want" || die "pip could not install them"
    cp "$want" "$have"
}

# Apache Kafka's own clients and console tools in build/java, at the version of tests/e2e/java/pom.xml.
need_java() {
    local want=tests/e2e/java/pom.xml have=build/java/pom.xml
    need test
    ! cmp -s "$want" "$have" || return 0
    say "fetching Apache Kafka's Java clients and console tools into build/java"
    rm -rf build/java
    mkdir -p build/java
    quietly build/java.log mvn -q -B -f "$want" dependency:copy-dependencies \
        -DoutputDirectory="$PWD/build/java" || die "maven could not fetch them"
    cp "$want" "$have"
}

# Apache Kafka's broker and the NATS server in build/peers, at the versions of bench/kafka-pom.xml and below; Redis and
# RabbitMQ are Debian's. What can't be had is left out: the benchmark tells what it does without.
need_peers() {
    local want=bench/kafka-pom.xml have=build/peers/kafka-pom.xml nats=v2.15.2
    need peers
    mkdir -p build/peers
    if ! cmp -s "$want" "$have"; then
        say "fetching Apache Kafka's broker into build/peers/kafka"
        rm -rf build/peers/kafka
        if quietly build/peers/kafka.log mvn -q -B -f "$want" dependency:copy-dependencies \
            -DincludeScope=runtime -DoutputDirectory="$PWD/build/peers/kafka"; then
            cp "$want" "$have"
        else
            say "maven could not fetch it"
        fi
    fi
    if [ "$(build/peers/nats-server --version 2>/dev/null)" != "nats-server: $nats" ]; then
        rm -f build/peers/nats-server
        if ! command -v go >/dev/null; then
            say "there is no go to build the NATS server with"
        else
            say "building the NATS server in build/peers"
            GOTOOLCHAIN=local GOBIN="$PWD/build/peers" quietly build/peers/nats.log \
                go install "github.com/nats-io/nats-server/v2@$nats" || say "go could not build it"
        fi
    fi
}
