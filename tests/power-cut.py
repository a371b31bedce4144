#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The power fails while the disk is written: what a goal store finds then is
what its copy says, whole.

usage: power-cut.py SEED TRIALS

Makes a store in directory "store" whose copy has the old state, and whose data,
after three more writes, have the new one.  Then, TRIALS times, the disk has
got some of that: data of which each page is an old or a new one, or that are cut
off or torn at any byte; beside them, parts of files that were being written.
Opened after another boot, the store has the old state, whole.

Without a copy there is nothing that must be: the store opens, and says that it
is not to be believed, or is empty; likewise if the copy is cut off.

Prints how many there were of each kind of damage.
"""

import collections
import os
import random
import shutil
import subprocess
import sys

PAGE = 4096
OLD = """boot-id one
open
begin ctl t 1 1
put VPC v name=old
many NEIGHBOR a 1 400
commit
copy
kill
"""
NEW = """boot-id one
open
begin ctl t 1 2
put VPC v name=new
delete-many NEIGHBOR a 100 300 0
commit
begin ctl t 1 3
many NEIGHBOR b 1 2000
commit
begin ctl t 1 4
put VPC w
commit
kill
"""
LOOK = """boot-id two
open
list NEIGHBOR
list VPC
get VPC v
position ctl t 1
begin ctl t 1 9
put VPC x
commit
list VPC
close
open
list VPC
close
"""
WHOLE = """open: old, restored
400: a1 a10 a100 a101 a102 a103 a104 a105 ...
1: v
id: v
name: old
position: 1
put x: written
commit: ok
  VPC x: self
2: v x
open: old
2: v x
"""


def store(directory, commands):
    """Returns what alcortest prints."""
    return subprocess.run(("alcortest", "store", directory), input=commands,
                          stdout=subprocess.PIPE, text=True).stdout


def read(*path):
    with open(os.path.join(*path), "rb") as f:
        return f.read()


def write(data, *path):
    with open(os.path.join(*path), "wb") as f:
        f.write(data)


class Cut:
    """Kinds of damage: each returns what there is of the new data."""

    def __init__(self, rng, old, new):
        self.rng = rng
        self.old = old
        self.new = new

    def pages(self):
        """The kernel has written some pages, in any order."""
        share = self.rng.random()
        old = self.old.ljust(len(self.new), b"\0")
        return b"".join(
            (self.new if self.rng.random() < share else old)[i:i + PAGE]
            for i in range(0, len(self.new), PAGE))

    def cut(self):
        return self.new[:self.rng.randrange(len(self.new))]

    def torn(self):
        """New up to some byte, old from there on."""
        at = self.rng.randrange(len(self.new))
        return self.new[:at] + self.old[at:]

    def meta(self):
        """What says where everything is has come to the disk, and one more
        page at most has."""
        at = self.rng.randrange(2, len(self.new) // PAGE) * PAGE
        data = self.new[:2 * PAGE] + self.old[2 * PAGE:].ljust(
            len(self.new) - 2 * PAGE, b"\0")
        return data[:at] + self.new[at:at + PAGE] + data[at + PAGE:]


def main():
    rng = random.Random(int(sys.argv[1]))
    store("store", OLD)
    old = read("store", "data.mdb")
    store("store", NEW)
    copy = read("store", "copy.mdb")
    cut = Cut(rng, old, read("store", "data.mdb"))
    if old == cut.new:
        sys.exit("both states have the same data")
    counts = collections.Counter()
    for _ in range(int(sys.argv[2])):
        kind = rng.choice((cut.pages, cut.cut, cut.torn, cut.meta))
        how = rng.choice(("copy", "copy", "copy", "no copy", "bad copy"))
        shutil.rmtree("cut", ignore_errors=True)
        shutil.copytree("store", "cut")
        write(kind(), "cut", "data.mdb")
        for name in ("copy.mdb.tmp", "boot.tmp", "data.mdb.tmp"):
            if rng.random() < 0.3:
                write(copy[:rng.randrange(len(copy))], "cut", name)
        if how == "no copy":
            os.unlink("cut/copy.mdb")
        elif how == "bad copy":
            write(copy[:rng.randrange(len(copy))], "cut", "copy.mdb")
        found = store("cut", LOOK)
        # "new": nothing of it could be used.
        good = (found == WHOLE if how == "copy"
                else found.startswith(("open: old, restored\n", "open: new\n"))
                and found.splitlines()[-2] == "open: old"
                and found.splitlines()[-1] == found.splitlines()[-3])
        if not good:
            sys.exit("data: %s, %s:\n%s" % (kind.__name__, how, found))
        counts["%s, %s" % (kind.__name__, how)] += 1
    for what, n in sorted(counts.items()):
        print("%d %s" % (n, what))


if __name__ == "__main__":
    main()
