#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sends random frames between two VMs, and writes down what comes out.

usage: offload-frames.py SEED COUNT NETNS,MAC,IP NETNS,MAC,IP

Sends COUNT frames each way, through the interfaces eth0 of two network
namespaces, and prints a line for each: number, kind, and what the other VM got
of it: how many times, with which digest.  The same SEED gives the same frames,
so that the output is the same if the network between does the same.

Frames go in batches.  Each is followed by two that are known to arrive: one
that the fast path takes, and one that it leaves to Open vSwitch.  When both are
there, so is everything that was sent before them, but for what needs a new
flow of the kernel datapath, which comes later.  So at last it is waited for
what is known to arrive.
"""

import collections
import ctypes
import hashlib
import os
import random
import select
import socket
import struct
import sys
import time

BATCH = 16
AGAIN_SECONDS = 0.2             # When to send the last two of a batch again.
TIMEOUT = 30                    # Seconds for a batch.
MAX_PAYLOAD = 1300
MAGIC = b"offload-frame:"
CLONE_NEWNET = 0x40000000
SO_RCVBUFFORCE = 33
NOBODY = bytes.fromhex("020000eeeeee")
BROADCAST = b"\xff" * 6

Vm = collections.namedtuple("Vm", "socket mac ip letter")


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ipv4(src, dst, protocol, payload, options=b"", fragment=0, tos=0, ttl=64,
         extra=0, ident=0):
    """'extra' is added to the total length."""
    header = struct.pack(
        "!BBHHHBBH4s4s", 0x45 + len(options) // 4, tos,
        20 + len(options) + len(payload) + extra, ident, fragment, ttl,
        protocol, 0, src, dst) + options
    return (header[:10] + struct.pack("!H", checksum(header)) + header[12:]
            + payload)


def udp(src, dst, sport, dport, data, sum_=None):
    header = struct.pack("!HHHH", sport, dport, 8 + len(data), 0)
    if sum_ is None:
        pseudo = src + dst + struct.pack("!HH", 17, 8 + len(data))
        sum_ = checksum(pseudo + header + data) or 0xffff
    return header[:6] + struct.pack("!H", sum_) + data


def tcp(rnd, src, dst, data):
    header = struct.pack("!HHIIBBHHH", rnd.randrange(1024, 65536),
                         rnd.choice((22, 80, 443)), rnd.getrandbits(32),
                         rnd.getrandbits(32), 0x50,
                         rnd.choice((2, 0x10, 0x18, 0x11, 4)), 1000, 0, 0)
    pseudo = src + dst + struct.pack("!HH", 6, len(header + data))
    sum_ = checksum(pseudo + header + data)
    return header[:16] + struct.pack("!HH", sum_, 0) + data


# Kinds of frames: functions (random numbers, sender, receiver, data).

def ether(a, b, ethertype, payload):
    return b.mac + a.mac + struct.pack("!H", ethertype) + payload


def plain(rnd, a, b, data, **kwargs):
    protocol = rnd.choice((17, 6))
    payload = (udp(a.ip, b.ip, rnd.randrange(1, 65536), rnd.choice((53, 5001)),
                   data, rnd.choice((None, None, 0, 1)))
               if protocol == 17 else tcp(rnd, a.ip, b.ip, data))
    return ether(a, b, 0x0800, ipv4(a.ip, b.ip, protocol, payload, **kwargs))


def options(rnd, a, b, data):
    return plain(rnd, a, b, data[:MAX_PAYLOAD - 40],
                 options=b"\x01" * (4 * rnd.randrange(1, 11)))


def fragment(rnd, a, b, data):
    return plain(rnd, a, b, data, ident=rnd.randrange(65536),
                 fragment=rnd.choice((0x2000, 0x2010, 0x0010, 0x00ff)))


def tos(rnd, a, b, data):
    return plain(rnd, a, b, data, tos=rnd.randrange(256),
                 fragment=rnd.choice((0, 0x4000)))


def ttl(rnd, a, b, data):
    return plain(rnd, a, b, data, ttl=rnd.choice((0, 1, 2, 255)))


def icmp(rnd, a, b, data):
    body = struct.pack("!BBHI", rnd.choice((0, 3, 8, 11)), rnd.randrange(4),
                       0, rnd.getrandbits(32)) + data
    body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
    return ether(a, b, 0x0800, ipv4(a.ip, b.ip, 1, body))


def protocol(rnd, a, b, data):
    return ether(a, b, 0x0800, ipv4(a.ip, b.ip, rnd.choice((47, 50, 132)),
                                    data))


def bad_length(rnd, a, b, data):
    return plain(rnd, a, b, data, extra=rnd.choice((-8, -1, 1, 100)))


def bad_checksum(rnd, a, b, data):
    frame = bytearray(plain(rnd, a, b, data))
    frame[24] ^= rnd.randrange(1, 256)
    return bytes(frame)


def bad_version(rnd, a, b, data):
    frame = bytearray(plain(rnd, a, b, data))
    frame[14] = rnd.choice((0x44, 0x40, 0x55, 0x4f))
    return bytes(frame)


def padded(rnd, a, b, data):
    return plain(rnd, a, b, data) + bytes(rnd.randrange(1, 64))


def truncated(rnd, a, b, data):
    """The number is left, behind what is left of the headers."""
    return plain(rnd, a, b, b"")[:rnd.randrange(14, 42)] + data


def vlan(rnd, a, b, data):
    frame = plain(rnd, a, b, data)
    return (frame[:12] + struct.pack("!HH", 0x8100, rnd.randrange(4096))
            + frame[12:])


def ipv6(rnd, a, b, data):
    source = bytes.fromhex("fe80" + "00" * 13 + "02")
    payload = struct.pack("!HHHH", 1, 2, 8 + len(data), 1) + data
    return ether(a, b, 0x86dd, struct.pack(
        "!IHBB", 6 << 28, len(payload), 17, 64) + source * 2 + payload)


def other_sender(rnd, a, b, data):
    return plain(rnd, a._replace(ip=socket.inet_aton("10.0.0.77")), b, data)


def other_mac(rnd, a, b, data):
    return plain(rnd, a._replace(mac=NOBODY), b, data)


def to_nobody(rnd, a, b, data):
    return plain(rnd, a, b._replace(mac=rnd.choice((NOBODY, BROADCAST))), data)


def to_other_address(rnd, a, b, data):
    return plain(rnd, a, b._replace(ip=socket.inet_aton("10.0.0.78")), data)


KINDS = (plain, plain, plain, plain, tos, tos, ttl, icmp, protocol, options,
         fragment, bad_length, bad_checksum, bad_version, padded, truncated,
         vlan, ipv6, other_sender, other_mac, to_nobody, to_other_address)

# The kernel datapath does not look at an IP packet's length, ovs-vswitchd does:
# it reads no addresses in one that is too short.  If such a frame is the first
# that needs a datapath flow, that is one of its sender, and drops what else the
# sender sends to that part of the network (seen with OVS 3.1, without us).
if os.environ.get("ALCOR_TEST_DATAPATH") == "system":
    KINDS = tuple(k for k in KINDS if k not in (bad_length, truncated))

# The others arrive, all of them.
DOUBTFUL = (bad_length, bad_version, truncated, vlan, ipv6, other_sender,
            other_mac, to_nobody)


def open_vm(text, letter):
    netns, mac, ip = text.split(",")
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/run/netns/" + netns) as f:
        if libc.setns(f.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns: " + netns)
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    s.bind(("eth0", 3))
    libc.setns(own, CLONE_NEWNET)
    os.close(own)
    s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 25)
    return Vm(s, bytes.fromhex(mac.replace(":", "")), socket.inet_aton(ip),
              letter)


def receive(a, b, got, seen):
    """Takes what b has received of a: numbers and digests to 'got', and the
    ends of batches to 'seen'."""
    prefix = MAGIC + a.letter
    while select.select([b.socket], [], [], 0.001)[0]:
        frame, address = b.socket.recvfrom(65536)
        at = frame.find(prefix)
        if address[2] == socket.PACKET_OUTGOING or at < 0:
            continue
        word = frame[at + len(prefix):].split(b";")[0].decode()
        if word[0] == "e":
            seen.add(word)
        else:
            got.setdefault(int(word), []).append(
                hashlib.sha256(frame).hexdigest()[:12])


def finish_batch(number, a, b, got):
    ends = ["e%d%s" % (number, kind) for kind in ("fast", "slow")]
    frames = [ether(a, b, 0x0800, ipv4(
        a.ip, b.ip, 17, udp(a.ip, b.ip, 5, 5001,
                            MAGIC + a.letter + end.encode() + b";"),
        options=b"\x01" * 4 if end.endswith("slow") else b"")) for end in ends]
    seen, deadline = set(), time.monotonic() + TIMEOUT
    while not seen.issuperset(ends):
        if time.monotonic() > deadline:
            sys.exit("batch %d: no end after %d s" % (number, TIMEOUT))
        for frame in frames:
            a.socket.send(frame)
        again = time.monotonic() + AGAIN_SECONDS
        while time.monotonic() < again and not seen.issuperset(ends):
            receive(a, b, got, seen)


def wait_for_late(kinds, a, b, got):
    names = [kind.__name__ for kind in DOUBTFUL]
    sure = {i for i, kind in enumerate(kinds) if kind not in names}
    deadline = time.monotonic() + TIMEOUT
    while not sure <= got.keys() and time.monotonic() < deadline:
        receive(a, b, got, set())


def run(rnd, count, a, b):
    got, kinds = {}, []
    for i in range(count):
        kind = rnd.choice(KINDS)
        kinds.append(kind.__name__)
        data = MAGIC + a.letter + b"%d;" % i
        data += rnd.randbytes(rnd.choice((0, 1, 20, 500, MAX_PAYLOAD
                                          - len(data))))
        a.socket.send(kind(rnd, a, b, data))
        if i % BATCH == BATCH - 1 or i == count - 1:
            finish_batch(i, a, b, got)
    wait_for_late(kinds, a, b, got)
    for i, kind in enumerate(kinds):
        print(a.letter.decode(), i, kind, len(got.get(i, [])),
              *got.get(i, []))


def main():
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    a, b = open_vm(sys.argv[3], b"A"), open_vm(sys.argv[4], b"B")
    run(random.Random(seed), count, a, b)
    run(random.Random(seed + 1), count, b, a)


if __name__ == "__main__":
    main()
