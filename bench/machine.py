# SPDX-License-Identifier: LGPL-2.1-or-later
"""The machine that is measured on: its cores, its network, what it is, and what it did meanwhile."""

import ctypes
import fcntl
import os
import pathlib
import platform
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
CORES = sorted(os.sched_getaffinity(0))
IN_NAMESPACE = "GOQUEUE_BENCH_NAMESPACE"
CONGESTION_CONTROL = pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control")


PR_SET_PDEATHSIG = 1
FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_TOPDIR_FL = 0x80086601, 0x40086602, 0x00020000  # <linux/fs.h>
LIBC = ctypes.CDLL(None, use_errno=True)


def pin(core):
    """For preexec_fn: the process and its threads stay on one core, or anywhere without one. It doesn't outlive us."""
    def in_child():
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if core is not None:
            os.sched_setaffinity(0, {CORES[core % len(CORES)]})
    return in_child


def text_of(path):
    try:
        return pathlib.Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return "unknown"


def spread_directories(path):
    """Marks a directory as the top of hierarchies (chattr +T), so that ext4 places each new one in it apart from the
    others: near one that was just removed every creation would look at all inodes that were freed in the last five
    minutes, at 15 times its usual cost. Other file systems refuse, and don't need it."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    flags = bytearray(struct.calcsize("l"))
    try:
        fcntl.ioctl(fd, FS_IOC_GETFLAGS, flags)
        value = struct.unpack("l", flags)[0] | FS_TOPDIR_FL
        fcntl.ioctl(fd, FS_IOC_SETFLAGS, struct.pack("l", value))
    except OSError:
        pass
    os.close(fd)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def set_congestion_control(name):
    try:
        CONGESTION_CONTROL.write_text(name, encoding="utf-8")
    except OSError:
        return False
    return True


def enter_namespace():
    """Runs this program again in a network namespace of its own, where congestion control can be set for all sides
    without touching the machine's: to cubic, or to reno where the kernel doesn't let namespaces have cubic. Neither
    paces what goes over loopback, as BBR does. Where none of this is allowed things stay as they are, and the facts
    say so."""
    if IN_NAMESPACE in os.environ:
        if os.environ[IN_NAMESPACE] == "yes":
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            _ = set_congestion_control("cubic") or set_congestion_control("reno")
        return
    unshare = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    allowed = shutil.which("unshare") and shutil.which("ip") and subprocess.run(
        unshare + ["ip", "link", "set", "lo", "up"], capture_output=True, check=False).returncode == 0
    os.environ[IN_NAMESPACE] = "yes" if allowed else "no"
    if allowed:
        os.execvp(unshare[0], unshare + [sys.executable] + sys.argv)


def commit():
    """What the tree is at, and whether the program differs from it."""
    def git(*words):
        done = subprocess.run(["git", "-C", str(TOP), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""
    name = git("rev-parse", "--short=12", "HEAD")
    changed = " with changes" if git("status", "--porcelain", "--", "src", "configure.ac", "Makefile.am") else ""
    return f"commit {name}{changed}" if name else "of no repository"


def facts(build, where):
    """What a figure depends on, as (name, value)."""
    version = subprocess.run([str(build / "brokerd"), "--version"], capture_output=True, text=True,
                             check=True).stdout.strip().splitlines()[0]
    model = re.search(r"model name\s*: (.*)", text_of("/proc/cpuinfo"))
    memory = re.search(r"MemTotal:\s+(\d+)", text_of("/proc/meminfo"))
    file_system = subprocess.run(["stat", "-f", "-c", "%T", str(where)], capture_output=True, text=True,
                                 check=True).stdout.strip()
    rdkafka = subprocess.run(["pkg-config", "--modversion", "rdkafka"], capture_output=True, text=True, check=False)
    return [("broker", f"{version}, {commit()}"),
            ("client", f"librdkafka {rdkafka.stdout.strip() or 'unknown'}, and raw sockets"),
            ("CPU", f"{len(CORES)} cores, {model.group(1) if model else platform.machine()}"),
            ("memory", f"{int(memory.group(1)) / (1 << 20):.0f} GiB" if memory else "unknown"),
            ("kernel", f"Linux {re.match(r'[0-9.]*[0-9]', platform.release()).group(0)}"),
            ("file system", file_system), ("congestion control", text_of(CONGESTION_CONTROL)),
            ("load before", f"{os.getloadavg()[0]:.2f}")]
