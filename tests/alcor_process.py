# SPDX-License-Identifier: Apache-2.0
"""Processes that tests end."""

import os
import struct


def is_alive(pid):
    """False once 'pid' has ended and has let go of its locks.  A zombie has,
    when all of its threads are gone."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            state = f.read().rsplit(")", 1)[1].split()[0]
        return state != "Z" or len(os.listdir("/proc/%d/task" % pid)) > 1
    except OSError:
        return False


class Store:
    """The number of transactions that a store has seen, read from the two meta
    pages of its LMDB file."""

    TXNID = (144, 4096 + 144)

    def __init__(self, directory):
        path = os.path.join(directory, "alcor", "data.mdb")
        self.file = open(path, "rb", buffering=0)

    def transactions(self):
        return max(struct.unpack("<Q", os.pread(self.file.fileno(), 8, at))[0]
                   for at in self.TXNID)
