#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Numbered datagrams, one way: which of them arrive, and where.

usage: sequence.py send ADDRESS PORT MSEC FILE
       sequence.py receive PORT FILE

"send" sends one every MSEC milliseconds until there is a file FILE.stop, and
then writes to FILE how many it has sent.  "receive" appends the number of each
that comes to FILE, a line each, until it is killed.  Both print "ready" when
they begin.
"""

import os
import socket
import struct
import sys
import time


def send(address, port, msec, name):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((address, int(port)))
    print("ready", flush=True)
    number = 0
    due = time.monotonic()
    while not os.path.exists(name + ".stop"):
        try:
            sock.send(struct.pack("!I", number))
        except OSError:
            pass                # It counts as lost.
        number += 1
        now = time.monotonic()
        due = max(due + float(msec) / 1000, now)
        time.sleep(due - now)
    with open(name + ".tmp", "w") as f:
        print(number, file=f)
    os.rename(name + ".tmp", name)


def receive(port, name):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    sock.bind(("", int(port)))
    print("ready", flush=True)
    with open(name, "a", buffering=1) as f:
        while True:
            print(struct.unpack("!I", sock.recv(64)[:4])[0], file=f)


def main():
    command, *args = sys.argv[1:]
    {"send": send, "receive": receive}[command](*args)


if __name__ == "__main__":
    main()
