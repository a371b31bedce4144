#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Subscribes without end, in ZeroMQ's own protocol (ZMTP 3.0).

usage: loud-subscriber.py HOST PORT LENGTH MEGABYTES

Subscribes to topics of LENGTH bytes, all different, until it is cut off, or
MEGABYTES have been said; prints which.
"""

import os
import socket
import struct
import sys

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\0" \
    + b"NULL".ljust(20, b"\0") + bytes(32)


def frame(flags, body):
    if len(body) > 255:
        return struct.pack("!BQ", flags | 2, len(body)) + body
    return bytes([flags, len(body)]) + body


def main():
    host, port, length, megabytes = sys.argv[1:]
    sock = socket.create_connection((host, int(port)))
    sock.sendall(GREETING)
    sock.recv(len(GREETING), socket.MSG_WAITALL)
    sock.sendall(frame(4, b"\x05READY" + b"\x0bSocket-Type"
                       + struct.pack("!I", 3) + b"SUB"))
    try:
        for _ in range(int(megabytes) * 1000000 // int(length)):
            sock.sendall(frame(0, b"\x01" + os.urandom(int(length))))
    except (BrokenPipeError, ConnectionResetError):
        print("cut off")
    else:
        print("said all")


if __name__ == "__main__":
    main()
