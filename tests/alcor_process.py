# SPDX-License-Identifier: Apache-2.0
"""Processes that tests end."""

import os


def is_alive(pid):
    """False once 'pid' has ended and has let go of its locks.  A zombie has,
    when all of its threads are gone."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            state = f.read().rsplit(")", 1)[1].split()[0]
        return state != "Z" or len(os.listdir("/proc/%d/task" % pid)) > 1
    except OSError:
        return False
