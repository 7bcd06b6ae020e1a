# SPDX-License-Identifier: LGPL-2.1-or-later
"""File systems in files, which a test can mount, cut off from their disk, and mount again.

Mounts are made in a mount namespace of the test's own process, so they go away with it and its daemons, whatever
happens, and the loop devices with them."""

import ctypes
import fcntl
import os
import shutil
import struct
import subprocess
import time

from e2elib.harness import Skip

CLONE_NEWNS = 0x00020000
FS_IOC_SHUTDOWN = 0x8004587D
# The file system's own log is written out before the power goes, or lost with everything else that was in memory.
LOG_FLUSHED, LOG_LOST = 1, 2

MKFS = {
    "ext4": ["mkfs.ext4", "-q", "-F"],
    "xfs": ["mkfs.xfs", "-q", "-f"],
}


PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"


def tool(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, check=False,
                          env=dict(os.environ, PATH=PATH))
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with status {done.returncode}: {done.stderr.decode().strip()}")
    return done.stdout.decode()


def own_mounts():
    """From now on this process mounts for itself and its children alone."""
    if os.geteuid() != 0:
        raise Skip("mounting file systems needs root")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        raise Skip(f"no mount namespace of its own: {os.strerror(ctypes.get_errno())}")
    tool("mount", "--make-rprivate", "/")


def make_image(path, size_mb, kind):
    program = MKFS[kind][0]
    if shutil.which(program, path=PATH) is None:
        raise Skip(f"there is no {program} here")
    with open(path, "wb") as file:
        file.truncate(size_mb << 20)
    tool(*MKFS[kind], path)


class LoopDisk:
    """An image with a file system, mounted at DIRECTORY/NAME. Needs own_mounts()."""

    def __init__(self, directory, name, kind, size_mb=0, image=None):
        self.kind = kind
        self.path = directory / name
        self.image = image or directory / f"{name}.img"
        self.path.mkdir()
        if image is None:
            make_image(self.image, size_mb, kind)

    def mount(self, options=""):
        try:
            tool("mount", "-t", self.kind, "-o", "loop" + (options and f",{options}"), self.image, self.path)
        except RuntimeError as error:
            if os.path.exists("/dev/loop-control") and "loop device" not in str(error):
                raise
            raise Skip(f"no loop devices: {error}") from error
        return self

    def unmount(self):
        """A process that was killed may hold its files for a moment longer."""
        deadline = time.monotonic() + 20
        while True:
            try:
                tool("umount", self.path)
                return
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def shut_down(self, how):
        """From now on nothing gets to the disk, and everything fails."""
        fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(fd, FS_IOC_SHUTDOWN, struct.pack("I", how))
        finally:
            os.close(fd)

    def find_error(self):
        """An ext4 does what its option errors= says."""
        device = os.path.basename(tool("findmnt", "-n", "-o", "SOURCE", self.path).strip())
        trigger = f"/sys/fs/ext4/{device}/trigger_fs_error"
        if not os.access(trigger, os.W_OK):
            raise Skip(f"{trigger} can't be written")
        with open(trigger, "w", encoding="ascii") as file:
            file.write("1")
