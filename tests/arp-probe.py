#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Duplicate-address detection (RFC 5227): sends ARP probes, one for each
ADDRESS but the last, and prints who answered to each.

usage: arp-probe.py INTERFACE SENDER ADDRESS...

The last ADDRESS must be one that is answered, and is asked for in the name of
SENDER: answers come in order, so when it has been answered, no other answer is
on its way and nobody has to wait in case there is one.  Exits with status 1 if
that took more than 5 seconds.
"""

import socket
import struct
import sys
import time

ETH_P_ARP = 0x0806
REQUEST, REPLY = 1, 2


def probe(mac, ip, sender=b"\0" * 4):
    return (b"\xff" * 6 + mac + struct.pack("!H", ETH_P_ARP)
            + struct.pack("!HHBBH", 1, 0x0800, 6, 4, REQUEST)
            + mac + sender + b"\0" * 6 + ip)


def parse_reply(frame):
    """(address, MAC) that 'frame' says belong together, or None."""
    if len(frame) < 42 or struct.unpack("!H", frame[20:22])[0] != REPLY:
        return None
    return frame[28:32], frame[22:28].hex(":")


def main():
    interface, sender, *addresses = sys.argv[1:]
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                         socket.htons(ETH_P_ARP))
    sock.bind((interface, ETH_P_ARP))
    mac = sock.getsockname()[4]
    asked = [socket.inet_aton(address) for address in addresses]
    for ip in asked[:-1]:
        sock.send(probe(mac, ip))
    sock.send(probe(mac, asked[-1], socket.inet_aton(sender)))

    answers = {ip: [] for ip in asked}
    deadline = time.monotonic() + 30
    while not answers[asked[-1]]:
        sock.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            reply = parse_reply(sock.recv(2048))
        except socket.timeout:
            print("no answer for the last address", file=sys.stderr)
            break
        if reply and reply[0] in answers:
            answers[reply[0]].append(reply[1])
    for address, ip in zip(addresses, asked):
        print(address, *answers[ip] or ["nobody"])
    sys.exit(not answers[asked[-1]])


if __name__ == "__main__":
    main()
