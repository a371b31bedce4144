#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Floods an interface with what a hostile tenant may think of.

usage: flood-frames.py INTERFACE KIND RATE SECONDS [KEY=VALUE...]

Sends RATE frames a second (0: as many as it can) for SECONDS, prints "ready"
after the first ones, and in the end how many it has sent.  KINDS below says
what they are; KIND "all" takes turns.  Each frame of a kind differs from the
one before: destination, target, or whatever makes the switch think anew.

Values: mac, ip, ip6 (of the sender), gateway_mac.
"""

import itertools
import socket
import struct
import sys
import time

BROADCAST = b"\xff" * 6
NOBODY = bytes.fromhex("020000eeeeee")
N_FRAMES = 20000                # That are made before the first is sent.
BURST_SECONDS = 0.002
MAX_BURST = 256                 # Frames, lest the kernel drops others'.


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ipv4(src, dst, protocol, payload, options=b"", fragment=0, ident=0):
    header = struct.pack(
        "!BBHHHBBH4s4s", 0x45 + len(options) // 4, 0,
        20 + len(options) + len(payload), ident & 0xffff, fragment, 64,
        protocol, 0, src, dst) + options
    return (b"\x08\0" + header[:10] + struct.pack("!H", checksum(header))
            + header[12:] + payload)


def udp(sport, dport, payload=b""):
    return struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload


class Frames:
    """Makes the frames: one generator for each kind, of numbers."""

    def __init__(self, values):
        self.mac = bytes.fromhex(values["mac"].replace(":", ""))
        self.ip = socket.inet_aton(values["ip"])
        self.ip6 = socket.inet_pton(socket.AF_INET6,
                                    values.get("ip6", "fd00::1"))
        self.gateway = bytes.fromhex(
            values.get("gateway_mac", "fa:16:3e:00:00:01").replace(":", ""))

    @staticmethod
    def address(i):
        return bytes((10, 200 + i // 65025 % 50, i // 255 % 255, 1 + i % 254))

    def arp(self, i):
        """Questions for addresses that nobody has."""
        return (BROADCAST + self.mac + b"\x08\x06"
                + struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1)
                + self.mac + self.ip + b"\0" * 6 + self.address(i))

    def nd(self, i):
        """The same of IPv6."""
        target = self.ip6[:8] + struct.pack("!Q", 0x1000000 + i)
        group = bytes.fromhex("ff0200000000000000000001ff") + target[13:]
        body = b"\0" * 4 + target + b"\x01\x01" + self.mac
        icmp = struct.pack("!BBH", 135, 0, 0) + body
        pseudo = self.ip6 + group + struct.pack("!II", len(icmp), 58)
        icmp = icmp[:2] + struct.pack("!H", checksum(pseudo + icmp)) + body
        return (b"\x33\x33" + group[12:] + self.mac + b"\x86\xdd"
                + struct.pack("!IHBB", 6 << 28, len(icmp), 58, 255)
                + self.ip6 + group + icmp)

    def dhcp(self, i):
        """DISCOVER, each with another transaction id."""
        message = (struct.pack("!BBBBIHH", 1, 1, 6, 0, i, 0, 0) + b"\0" * 16
                   + self.mac + b"\0" * 10 + b"\0" * 192
                   + bytes.fromhex("63825363350101ff"))
        return BROADCAST + self.mac + ipv4(
            b"\0" * 4, b"\xff" * 4, 17, udp(68, 67, message))

    def fragments(self, i):
        """First and later fragments of datagrams that are never whole."""
        return NOBODY + self.mac + ipv4(
            self.ip, self.address(i), 17, udp(1000, 2000, b"x" * 16),
            fragment=0x2000 + 3 * (i % 2), ident=i)

    def options(self, i):
        """With record route and router alert."""
        return NOBODY + self.mac + ipv4(
            self.ip, self.address(i), 17, udp(1000 + i % 50000, 2000),
            options=bytes.fromhex("07070400000000" "00" "94040000"))

    def unknown(self, i):
        """Datagrams to addresses and MACs that nobody has."""
        nobody = b"\x02\0\xee" + struct.pack("!I", i)[1:]
        return nobody + self.mac + ipv4(
            self.ip, self.address(i), 17, udp(1000 + i % 50000, i % 65536))

    def known(self, i):
        """Datagrams of one flow to an address that is given."""
        return NOBODY + self.mac + ipv4(self.ip, self.address(0), 17,
                                        udp(1000, 2000))

    def routed(self, i):
        """The same, for the router."""
        return self.gateway + self.mac + ipv4(
            self.ip, bytes((192, 0 + i // 65025 % 90, i // 255 % 255,
                            1 + i % 254)), 17,
            udp(1000 + i % 50000, i % 65536))

    def spoofed(self, i):
        """From addresses and MACs that are not the port's."""
        source = b"\x02\0\xdd" + struct.pack("!I", i)[1:]
        return NOBODY + source + ipv4(self.address(i), self.address(i + 1),
                                      17, udp(i % 65536, 2000))

    def broadcast(self, i):
        """To everybody, each from another port."""
        return BROADCAST + self.mac + ipv4(
            self.ip, b"\xff" * 4, 17, udp(i % 65536, 2000))

    def broadcasts(self, i):
        """The same to everybody, all of one flow."""
        return self.broadcast(0)


KINDS = ("arp", "nd", "dhcp", "fragments", "options", "unknown", "routed",
         "spoofed", "broadcast")


def prepare(kind, values):
    maker = Frames(values)
    kinds = KINDS if kind == "all" else kind.split(",")
    return [getattr(maker, kinds[i % len(kinds)])(i // len(kinds))
            for i in range(N_FRAMES)]


def flood(sock, frames, rate, seconds):
    """Returns how many were sent."""
    source = itertools.cycle(frames)
    sent = 0
    start = time.monotonic()
    while True:
        now = time.monotonic() - start
        if now >= seconds:
            return sent
        due = int(now * rate) if rate else sent + MAX_BURST
        if due <= sent:
            time.sleep(BURST_SECONDS)
            continue
        if due - sent > MAX_BURST:      # It was held up: that is not made
            start += (due - sent - MAX_BURST) / rate        # good for.
        for frame in itertools.islice(source, min(due - sent, MAX_BURST)):
            try:
                sock.send(frame)
            except OSError:     # No buffers: it is lost.
                pass
            sent += 1
            if sent == 64:
                print("ready", flush=True)


def main():
    interface, kind, rate, seconds, *words = sys.argv[1:]
    values = dict(word.split("=", 1) for word in words)
    frames = prepare(kind, values)
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((interface, 0))
    print(flood(sock, frames, int(rate), float(seconds)), flush=True)


if __name__ == "__main__":
    main()
