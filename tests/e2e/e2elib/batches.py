# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads record batches (v2) as they lie in segment files, without any code of goqueue or of its clients."""

import pathlib
import struct

import crc32c

HEADER = struct.Struct(">qiibIhiqqqhii")
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


class Incomplete(Exception):
    """The file ends within a batch, as it may while somebody writes it."""


class Batch:
    def __init__(self, data, at):
        if at + HEADER.size > len(data):
            raise Incomplete(f"no whole header at {at}")
        (self.base_offset, self.length, self.leader_epoch, self.magic, self.crc, self.attributes, self.last_delta,
         self.base_timestamp, self.max_timestamp, self.producer_id, self.producer_epoch, self.base_sequence,
         self.count) = HEADER.unpack_from(data, at)
        self.size = 12 + self.length
        self.codec = CODECS[self.attributes & 7]
        self.control = bool(self.attributes & 32)
        assert self.magic == 2, f"magic {self.magic} at {at}"
        if at + self.size > len(data):
            raise Incomplete(f"the batch at {at} goes past the end")
        assert crc32c.crc32c(data[at + 21:at + self.size]) == self.crc, f"CRC of the batch at {at}"


def partition_dirs(data_dir, partition=0):
    """Directories TOPIC-ID-PARTITION of that partition number, of all topics."""
    return sorted(pathlib.Path(data_dir).glob(f"topics/*-{partition}"))


def batches_of(partition_dir):
    """All batches in the .log files of one partition, in order; offsets must have no holes."""
    found, expected = [], None
    for path in sorted(partition_dir.glob("*.log")):
        data = path.read_bytes()
        at = 0
        while at < len(data):
            batch = Batch(data, at)
            assert expected in (None, batch.base_offset), f"{path}: offset {batch.base_offset}, not {expected}"
            expected = batch.base_offset + batch.last_delta + 1
            found.append(batch)
            at += batch.size
    return found


def stored(data_dir, partition=0):
    """All batches of the one topic in a data directory."""
    (directory,) = partition_dirs(data_dir, partition)
    return batches_of(directory)


def stored_now(data_dir, measure):
    """Sum of measure(batch) while a daemon is at work there; None when it is in the middle of something."""
    try:
        return sum(measure(batch) for batch in stored(data_dir))
    except (Incomplete, FileNotFoundError):
        return None


def records_now(data_dir):
    return stored_now(data_dir, lambda batch: batch.count)


def bytes_now(data_dir):
    return stored_now(data_dir, lambda batch: batch.size)
