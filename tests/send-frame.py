#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sends Ethernet frames as they are.

usage: send-frame.py INTERFACE HEX...

Blanks and colons in HEX do not count; frames are padded to 60 bytes.
"""

import re
import socket
import sys


def main():
    interface, *frames = sys.argv[1:]
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((interface, 0))
    for text in frames:
        frame = bytes.fromhex(re.sub("[ :]", "", text))
        sock.send(frame.ljust(60, b"\0"))


if __name__ == "__main__":
    main()
