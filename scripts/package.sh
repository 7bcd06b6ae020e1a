# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Builds the Debian packages from the tarball that "make dist" makes, as a packager would, and checks them.

cmd_package() {
    local version dir=build/package
    need build package
    make_tree plain dist
    version=$(sed -n "s/^PACKAGE_VERSION = //p" build/Makefile)
    rm -rf "$dir"
    mkdir -p "$dir"
    mv "build/goqueue-$version.tar.xz" "$dir/goqueue_$version.orig.tar.xz"
    tar -C "$dir" -xf "$dir/goqueue_$version.orig.tar.xz"
    cp -r debian "$dir/goqueue-$version/"
    (cd "$dir/goqueue-$version" && dpkg-buildpackage -us -uc "-j$JOBS")
    lintian -EiIL +pedantic --fail-on error,warning "$dir"/*.changes
    echo "packages: $(find "$dir" -maxdepth 1 -name '*.deb' | wc -l) passed, 0 failed"
}
