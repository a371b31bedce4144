#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Hosts of a gateway's clients, as frames: written from zeta.md, without our
code.

usage: gateway-probe.py DEVICE send VNI SRC DST ENTRANCE-IP ENTRANCE-MAC
           [--from HOST-IP] [--wait SECONDS]
       gateway-probe.py DEVICE arp VNI SRC TARGET ENTRANCE-IP ENTRANCE-MAC ...
       gateway-probe.py DEVICE until VNI SRC DST ENTRANCE-IP ENTRANCE-MAC ...
       gateway-probe.py DEVICE outage VNI SRC DST ENTRANCE-IP ENTRANCE-MAC FILE
       gateway-probe.py DEVICE storm VNI SRC DST ENTRANCE-IP ENTRANCE-MAC FILE
       gateway-probe.py DEVICE listen

All hosts are behind DEVICE and have its MAC; what comes is told apart by the
outer destination address.  "send" sends a UDP packet from endpoint SRC to DST
(ports 1000 and 2000) to the entrance, and prints what comes back until nothing
has for SECONDS (0.3); "arp" sends an ARP request.  "until" sends every 50 ms
until the packet is forwarded, and prints how many times that was: "at once",
"in time" (within 2 s), or "late".  "outage" sends a packet and an ARP request
every 10 ms, prints "ready" when it has had answers to both, and goes on until
it has had some since FILE was made; then it prints how long, in milliseconds,
it was at most without an answer to ARP requests, and to packets, from the first
of them that had none.  "storm" prints "ready" and sends packets of ever new
flows until FILE is made; then it prints on which hosts flows are by the last
that was told of each: what was deleted is on none.  "listen" waits for an OAM
packet, and prints it.
"""

import argparse
import itertools
import os
import select
import socket
import struct
import sys
import time

VXLAN = 4789
OAM = 8300
SO_RCVBUFFORCE = 33


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def mac_text(data):
    return ":".join("%02x" % b for b in data)


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ip_packet(source, destination, payload, ttl=64):
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0,
                         ttl, socket.IPPROTO_UDP, 0,
                         socket.inet_aton(source),
                         socket.inet_aton(destination))
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] \
        + payload


def udp(sport, dport, payload):
    return struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload


class Probe:
    def __init__(self, args):
        self.args = args
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                    socket.htons(3))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 25)
        self.socket.bind((args.device, 0))
        self.mac = self.socket.getsockname()[4]

    def inner(self, arp, sport, dport):
        args = self.args
        source_mac = mac("020000000002")
        if arp:
            return (b"\xff" * 6 + source_mac + b"\x08\x06"
                    + struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + source_mac
                    + socket.inet_aton(args.src) + b"\0" * 6
                    + socket.inet_aton(args.dst))
        return (mac("02eeeeeeeeee") + source_mac + b"\x08\x00"
                + ip_packet(args.src, args.dst, udp(sport, dport, b"probe")))

    def send(self, arp=False, sport=1000, dport=2000):
        args = self.args
        vxlan = (struct.pack("!II", 1 << 27, args.vni << 8)
                 + self.inner(arp, sport, dport))
        self.socket.send(mac(args.entrance_mac) + self.mac + b"\x08\x00"
                         + ip_packet(args.host, args.entrance,
                                     udp(40000, VXLAN, vxlan)))

    def receive(self, seconds):
        """Yields (what it is, line) until nothing such has come for so
        long."""
        end = time.monotonic() + seconds
        while select.select([self.socket], [], [],
                            max(end - time.monotonic(), 0))[0]:
            data, address = self.socket.recvfrom(65536)
            if address[2] == socket.PACKET_OUTGOING:
                continue
            result = self.describe(data)
            if result:
                yield result
                end = time.monotonic() + seconds

    def describe(self, data):
        if data[:6] != self.mac or data[12:14] != b"\x08\x00" \
                or data[23] != socket.IPPROTO_UDP:
            return None
        source, to = (socket.inet_ntoa(data[at:at + 4]) for at in (26, 30))
        sport, dport, _, csum = struct.unpack_from("!HHHH", data, 34)
        if dport == VXLAN:
            return self.describe_vxlan(data, source, to, csum)
        if dport == OAM:
            return "oam", "OAM to %s from %s (%s), ttl %d, ports %d %d: %s" % (
                to, source, mac_text(data[6:12]), data[22], sport, csum,
                self.describe_oam(data[42:]))
        return None

    @staticmethod
    def describe_vxlan(data, source, to, csum):
        vni = int.from_bytes(data[46:49], "big")
        inner = data[50:]
        head = "to %s from %s (%s), ttl %d, checksum %d, VNI %d: " % (
            to, source, mac_text(data[6:12]), data[22], csum, vni)
        if inner[12:14] == b"\x08\x06":
            return "vxlan", head + "ARP %d %s is at %s" % (
                inner[21], socket.inet_ntoa(inner[28:32]),
                mac_text(inner[22:28]))
        return "vxlan", head + "%s > %s (%s), ttl %d" % (
            socket.inet_ntoa(inner[26:30]), socket.inet_ntoa(inner[30:34]),
            mac_text(inner[:6]), inner[22])

    @staticmethod
    def describe_oam(data):
        ip = lambda at: socket.inet_ntoa(data[at:at + 4])
        text = "%s %d %s:%d > %s:%d proto %d" % (
            {0: "inject", 1: "delete"}.get(data[3], "?"),
            int.from_bytes(data[17:20], "big"), ip(4),
            int.from_bytes(data[12:14], "big"), ip(8),
            int.from_bytes(data[14:16], "big"), data[16])
        if len(data) == 44:
            text += " = %s (%s) on %s (%s) for %d s" % (
                ip(20), mac_text(data[28:34]), ip(24), mac_text(data[34:40]),
                int.from_bytes(data[40:42], "big"))
        return text

    def until(self):
        start = time.monotonic()
        for i in range(200):
            self.send()
            if any(kind == "vxlan" for kind, _ in self.receive(0.05)):
                print("at once" if not i else "in time"
                      if time.monotonic() - start < 2 else "late")
                return
        print("never")

    def outage(self):
        asked = {"ARP": None, "packets": None}  # The first without an answer.
        longest = dict.fromkeys(asked, 0.0)
        answered = dict.fromkeys(asked, 0.0)
        ready = made = None
        due = time.monotonic()
        while made is None or min(answered.values()) < made:
            for kind in asked:
                self.send(kind == "ARP")
                asked[kind] = asked[kind] or time.monotonic()
            due = max(due + 0.01, time.monotonic())
            for kind, line in self.receive_until(due):
                kind = "ARP" if ": ARP 2 " in line else "packets"
                answered[kind] = time.monotonic()
                if asked[kind]:
                    longest[kind] = max(longest[kind],
                                        answered[kind] - asked[kind])
                    asked[kind] = None
            if not ready and all(answered.values()):
                ready = True
                longest = dict.fromkeys(asked, 0.0)
                print("ready", flush=True)
            if made is None and os.path.exists(self.args.file):
                made = time.monotonic()
        print("%d %d" % tuple(1000 * longest[kind] for kind in asked))

    def storm(self):
        told = {}                       # Ports: where they were told to go.
        end = None
        print("ready", flush=True)
        for i in itertools.count():
            if end is None:
                self.send(sport=1 + i % 65535, dport=1 + i // 65535)
                if os.path.exists(self.args.file):
                    end = time.monotonic() + 1
            for data in self.receive_oam(0.0003):
                told[data[12:16]] = socket.inet_ntoa(data[24:28])
            if end and time.monotonic() > end:
                break
        print(*sorted(set(told.values()) - {"0.0.0.0"}))

    def receive_oam(self, seconds):
        """Yields the OAM packets of the next while; deletions have 0s for
        what they do not say."""
        end = time.monotonic() + seconds
        while select.select([self.socket], [], [],
                            max(end - time.monotonic(), 0))[0]:
            data, address = self.socket.recvfrom(65536)
            if (address[2] != socket.PACKET_OUTGOING
                    and data[:6] == self.mac and data[12:14] == b"\x08\x00"
                    and data[36:38] == struct.pack("!H", OAM)):
                yield data[42:].ljust(44, b"\0")

    def receive_until(self, end):
        """Yields (what it is, line) for each answer until then."""
        while select.select([self.socket], [], [],
                            max(end - time.monotonic(), 0))[0]:
            data, address = self.socket.recvfrom(65536)
            result = (self.describe(data)
                      if address[2] != socket.PACKET_OUTGOING else None)
            if result and result[0] == "vxlan":
                yield result

    def run(self):
        if self.args.command == "listen":
            print("listening", flush=True)
            for kind, line in self.receive(60):
                if kind == "oam":
                    print(line, flush=True)
                    return
        elif self.args.command == "until":
            self.until()
        elif self.args.command == "outage":
            self.outage()
        elif self.args.command == "storm":
            self.storm()
        else:
            self.send(self.args.command == "arp")
            for _, line in sorted(self.receive(self.args.wait), reverse=True):
                print(line)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("device")
    parser.add_argument("command", choices=["send", "arp", "until", "outage",
                                            "storm", "listen"])
    if len(sys.argv) > 2 and sys.argv[2] != "listen":
        parser.add_argument("vni", type=int)
        for name in "src", "dst", "entrance", "entrance_mac":
            parser.add_argument(name)
        if sys.argv[2] in ("outage", "storm"):
            parser.add_argument("file")
    parser.add_argument("--from", dest="host", default="172.31.0.1")
    parser.add_argument("--wait", type=float, default=0.3)
    Probe(parser.parse_args()).run()


if __name__ == "__main__":
    main()
