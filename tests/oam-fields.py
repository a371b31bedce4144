#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Reads "tcpdump -x" of Zeta's OAM packets and prints, a line each, what they
say: "inject SOURCE > DESTINATION at HOST" or "delete SOURCE > DESTINATION"."""

import ipaddress
import re
import sys


def show(data):
    oam = bytes.fromhex(data)[28:]          # After IPv4 and UDP.
    op = int.from_bytes(oam[0:4], "big")
    src, dst, host = (ipaddress.ip_address(oam[ofs:ofs + 4])
                      for ofs in (4, 8, 24)) if op == 0 else (
        *(ipaddress.ip_address(oam[ofs:ofs + 4]) for ofs in (4, 8)), None)
    print("%s %s > %s%s" % ("delete" if op else "inject", src, dst,
                            " at %s" % host if host else ""))


data = ""
for line in sys.stdin:
    if line.startswith("\t"):
        data += re.sub(r"^\s*0x[0-9a-f]*:|\s", "", line)
    else:
        if data:
            show(data)
        data = ""
if data:
    show(data)
