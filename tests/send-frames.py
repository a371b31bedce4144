#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sends frames that no ordinary program does.

usage: send-frames.py INTERFACE garp SENDER TARGET [reply]
       send-frames.py INTERFACE na ADDRESS
       send-frames.py INTERFACE scan SOURCE COUNT

"garp": ARP, a request unless "reply" is said, to everybody; gratuitous if
SENDER and TARGET are the same.  "na": an unsolicited neighbour advertisement
for ADDRESS to all nodes.  "scan": UDP packets from SOURCE to COUNT addresses of
10.0.0.0/8, each another one, to a MAC that nobody has.
"""

import socket
import struct
import sys

BROADCAST = b"\xff" * 6
ALL_NODES = bytes.fromhex("333300000001")
NOBODY = bytes.fromhex("020000eeeeee")


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def arp(mac, sender, target, operation):
    return (BROADCAST + mac + b"\x08\x06"
            + struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
            + mac + socket.inet_aton(sender) + b"\0" * 6
            + socket.inet_aton(target))


def advertisement(mac, address):
    source = socket.inet_pton(socket.AF_INET6, address)
    destination = socket.inet_pton(socket.AF_INET6, "ff02::1")
    body = (b"\x20\0\0\0" + source + b"\x02\x01" + mac)     # Override.
    pseudo = (source + destination
              + struct.pack("!II", 4 + len(body), socket.IPPROTO_ICMPV6))
    icmp = struct.pack("!BBH", 136, 0, checksum(
        pseudo + struct.pack("!BBH", 136, 0, 0) + body)) + body
    return (ALL_NODES + mac + b"\x86\xdd"
            + struct.pack("!IHBB", 6 << 28, len(icmp),
                          socket.IPPROTO_ICMPV6, 255)
            + source + destination + icmp)


def udp(mac, source, destination):
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28, 0, 0, 64,
                         socket.IPPROTO_UDP, 0, socket.inet_aton(source),
                         socket.inet_aton(destination))
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return (NOBODY + mac + b"\x08\0" + header
            + struct.pack("!HHHH", 1000, 2000, 8, 0))


def frames(mac, what, args):
    if what == "garp":
        yield arp(mac, args[0], args[1], 2 if "reply" in args else 1)
    elif what == "na":
        yield advertisement(mac, args[0])
    else:
        for i in range(int(args[1])):
            yield udp(mac, args[0], "10.200.%d.%d" % (i // 250 % 256,
                                                      1 + i % 250))


def main():
    interface, what, *args = sys.argv[1:]
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((interface, 0))
    for frame in frames(sock.getsockname()[4], what, args):
        sock.send(frame)


if __name__ == "__main__":
    main()
