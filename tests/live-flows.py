#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Flows between two VMs of which every packet is accounted for.

usage: live-flows.py count RATE NETNS,IP NETNS,IP
       live-flows.py bulk BYTES fin|rst|pause NETNS,IP NETNS,IP
       live-flows.py silence SECONDS NETNS,IP NETNS,IP...

"count" sends numbered datagrams both ways (UDP port 7000), RATE a second each,
and numbered words over a TCP connection (port 7001), which come back.  It prints
"ready" when all have got through.  Each line of its standard input is a
command: "mark" makes it print "mark" when more of each has got through; "stop"
(or the end) makes it wait for what is still on its way, print for each
direction how many datagrams were lost, how many of these in a row, and how many
came twice, and whether TCP is intact, and exit.  Details go to standard error.

"bulk" has the first VM send BYTES over one TCP connection (port 7002), each
byte of which is compared on arrival, and then end it: by FIN, upon which the
second VM answers and ends it as well, or by RST.  It prints how each of them saw
it end.  With "pause", it prints "paused" after BYTES, and sends one more MB, and
FIN, upon the first line of its standard input.

"silence" is about pairs of VMs, all at the same time.  The two VMs of a pair
exchange datagrams of two connections, which the first opens (UDP ports 7003 and
7004); "ready" is printed when some have got through.  That ends with the first
line of standard input.  Then the second says nothing for SECONDS, the first goes
on in one connection, "one-way", and says nothing in the other, "idle".  Then the
second sends five more in each, in a row.  For each pair and connection it prints
how many of these came, and how many were lost before.
"""

import ctypes
import os
import random
import select
import socket
import struct
import sys
import time

CLONE_NEWNET = 0x40000000
SO_RCVBUFFORCE = 33
TICK = 0.002
QUIET = 0.5                     # So long without any, and none is on its way.
MORE = 50                       # Of each, to a "mark".
PAUSE_MORE = 1000000            # Bytes, after a pause.
WINDOW = 64                     # Words of TCP on their way, at most.
WORD = struct.Struct("!Q")
BLOCK = random.Random(1).randbytes((1 << 20) + 7)


class Namespace:
    """Sockets made within are the namespace's."""
    libc = ctypes.CDLL(None, use_errno=True)

    def __init__(self, name):
        self.path = "/run/netns/" + name

    def __enter__(self):
        self.own = os.open("/proc/self/ns/net", os.O_RDONLY)
        with open(self.path) as f:
            self.set(f.fileno())

    def __exit__(self, *_):
        self.set(self.own)
        os.close(self.own)

    def set(self, fd):
        if self.libc.setns(fd, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns: " + self.path)


class Datagrams:
    """Of one direction."""

    def __init__(self, name, sender, receiver):
        self.name, self.sender, self.receiver = name, sender, receiver
        self.sent, self.got = 0, 0
        self.times = []             # When each was sent.
        self.counts = bytearray()   # How often each has come.
        self.late = 0               # Came after one that was sent later.
        self.last = -1

    def send(self, n, now):
        for _ in range(n):
            try:
                self.sender.send(WORD.pack(self.sent) + bytes(24))
            except (BlockingIOError, ConnectionRefusedError):
                return
            self.sent += 1
            self.times.append(now)
            self.counts.append(0)

    def receive(self):
        while True:
            try:
                data = self.receiver.recv(64)
            except (BlockingIOError, ConnectionRefusedError):
                return
            if len(data) < WORD.size:
                continue            # What opened the connection.
            number, = WORD.unpack_from(data)
            self.counts[number] += 1
            self.got += 1
            self.late += number < self.last
            self.last = max(self.last, number)

    def gaps(self):
        """First and last number of what was lost in a row."""
        first = last = None
        for i, n in enumerate(self.counts):
            if n:
                continue
            if last is not None and i == last + 1:
                last = i
            else:
                if last is not None:
                    yield first, last
                first = last = i
        if last is not None:
            yield first, last

    def report(self, began):
        lost = self.counts.count(0)
        twice = sum(n > 1 for n in self.counts)
        gaps = list(self.gaps())
        longest = max((last - first + 1 for first, last in gaps), default=0)
        print("%s: %d lost, at most %d in a row, %d twice" % (
            self.name, lost, longest, twice))
        print("%s: %d sent, %d lost, %d twice, %d late" % (
            self.name, self.sent, lost, twice, self.late), file=sys.stderr)
        for first, last in gaps:
            print("  lost %d..%d, %.3f s to %.3f s" % (
                first, last, self.times[first] - began,
                self.times[last] - began), file=sys.stderr)


class Words:
    """Over TCP, there and back."""

    def __init__(self, client, server):
        self.client, self.server = client, server
        self.sent, self.got = 0, 0
        self.there, self.back = b"", b""
        self.error = None

    def send(self):
        if self.error or self.sent - self.got >= WINDOW:
            return
        try:
            self.client.sendall(WORD.pack(self.sent))
            self.sent += 1
        except OSError as e:
            self.error = str(e)

    def receive(self):
        try:
            self.there += self.read(self.server)
            if self.there:
                self.there = self.there[self.server.send(self.there):]
            self.back += self.read(self.client)
        except OSError as e:
            self.error = self.error or str(e)
        while len(self.back) >= WORD.size:
            number, = WORD.unpack_from(self.back)
            self.back = self.back[WORD.size:]
            if number != self.got:
                self.error = self.error or "%d instead of %d" % (number,
                                                                 self.got)
            self.got += 1

    @staticmethod
    def read(sock):
        try:
            data = sock.recv(65536)
        except BlockingIOError:
            return b""
        if not data:
            raise OSError("closed")
        return data

    def report(self):
        print("tcp: %s" % (self.error or "intact"))
        print("tcp: %d words" % self.got, file=sys.stderr)


def open_udp(netns, ip, peer, port=7000):
    with netns:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 25)
    s.bind((ip, port))
    s.connect((peer, port))
    s.setblocking(False)
    return s


def open_tcp(port, a, a_ip, b, b_ip):
    """Returns both ends."""
    with b:
        listener = socket.create_server((b_ip, port))
    with a:
        client = socket.socket()
    client.settimeout(10)
    client.connect((b_ip, port))
    server, _ = listener.accept()
    listener.close()
    for s in client, server:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client, server


class Count:
    def __init__(self, rate, first, second):
        (a, a_ip), (b, b_ip) = first, second
        self.rate = rate
        self.words = Words(*open_tcp(7001, a, a_ip, b, b_ip))
        for s in self.words.client, self.words.server:
            s.setblocking(False)
        one, two = open_udp(a, a_ip, b_ip), open_udp(b, b_ip, a_ip)
        # The first opens the connection: who answers too soon does not.
        self.open_connection(one, two)
        self.ways = (Datagrams("there", one, two),
                     Datagrams("back", two, one))
        self.began = time.monotonic()

    @staticmethod
    def open_connection(one, two):
        deadline = time.monotonic() + 10
        while not select.select([two], [], [], 0.2)[0]:
            one.send(b"open")
            if time.monotonic() > deadline:
                sys.exit("no datagram gets through")

    def receive(self, timeout):
        ends = [way.receiver for way in self.ways]
        select.select(ends + [self.words.client, self.words.server], [], [],
                      timeout)
        for way in self.ways:
            way.receive()
        self.words.receive()

    def progress(self):
        return [way.got for way in self.ways] + [self.words.got]

    def run(self):
        goal, word = [MORE] * 3, "ready"
        due = [0, 0]
        while True:
            now = time.monotonic()
            for i, way in enumerate(self.ways):
                target = int((now - self.began) * self.rate)
                # What could not be sent for want of time is not made up for.
                n = min(target - due[i], int(self.rate * TICK * 10) + 1)
                due[i] = target
                way.send(n, now)
            self.words.send()
            self.receive(TICK)
            if word and all(map(int.__ge__, self.progress(), goal)):
                print(word, flush=True)
                word = None
            if not word and select.select([sys.stdin], [], [], 0)[0]:
                command = sys.stdin.readline().strip()
                if command != "mark":
                    break
                goal = [n + MORE for n in self.progress()]
                word = command
        self.stop()

    def stop(self):
        last, then = None, time.monotonic()
        deadline = then + 10
        while time.monotonic() < min(then + QUIET, deadline):
            self.receive(0.02)
            if self.progress() != last:
                last, then = self.progress(), time.monotonic()
        for way in self.ways:
            way.report(self.began)
        self.words.report()
        print("began at %s" % time.strftime(
            "%H:%M:%S", time.gmtime(time.time() - time.monotonic()
                                    + self.began)) + (" + %.3f" % (
            (time.time() - time.monotonic() + self.began) % 1)),
            file=sys.stderr)


def send_bulk(client, size, how):
    view = memoryview(BLOCK * 2)
    sent = 0
    pause = size if how == "pause" else None
    size += PAUSE_MORE if pause else 0
    while sent < size:
        if pause and sent >= pause:
            print("paused", flush=True)
            sys.stdin.readline()
            pause = None
        start = sent % len(BLOCK)
        sent += client.send(view[start:start + min(1 << 20,
                                                   (pause or size) - sent)])
    if how == "rst":
        # Not before all has arrived: RST overtakes.
        client.recv(1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                          struct.pack("ii", 1, 0))
        client.close()
        return "first: reset"
    client.shutdown(socket.SHUT_WR)
    answer = b""
    while True:
        data = client.recv(64)
        if not data:
            client.close()
            return "first: %s, closed" % answer.decode()
        answer += data


def receive_bulk(server, size, how):
    view = memoryview(BLOCK * 2)
    size += PAUSE_MORE if how == "pause" else 0
    buffer = bytearray(1 << 20)
    got = 0
    try:
        while True:
            n = server.recv_into(buffer)
            if not n:
                break
            start = got % len(BLOCK)
            if buffer[:n] != view[start:start + n]:
                return "second: other bytes from %d on" % got
            got += n
            if how == "rst" and got == size:
                server.send(b"!")
    except ConnectionResetError:
        return "second: %s, reset" % ("all" if got == size else got)
    server.send(b"all" if got == size else b"%d" % got)
    server.close()
    return "second: %s, closed" % ("all" if got == size else got)


def bulk(size, how, first, second):
    (a, a_ip), (b, b_ip) = first, second
    client, server = open_tcp(7002, a, a_ip, b, b_ip)
    client.settimeout(60)
    server.settimeout(60)
    sys.stdout.flush()
    child = os.fork()
    if not child:
        client.close()
        print(receive_bulk(server, size, how), flush=True)
        os._exit(0)
    server.close()
    began = time.monotonic()
    result = send_bulk(client, size, how)
    print("%.1f s" % (time.monotonic() - began), file=sys.stderr)
    os.waitpid(child, 0)
    print(result)


class Silence:
    """A connection whose second end falls silent, and speaks again."""
    LAST = 5

    def __init__(self, name, port, first, second):
        (a, a_ip), (b, b_ip) = first, second
        self.name = name
        self.one = open_udp(a, a_ip, b_ip, port)
        self.two = open_udp(b, b_ip, a_ip, port)
        Count.open_connection(self.one, self.two)
        self.there = Datagrams("there", self.one, self.two)
        self.back = Datagrams("back", self.two, self.one)
        self.before = None          # What had come when it fell silent.

    def exchange(self, both):
        self.there.send(1, 0)
        if both:
            self.back.send(1, 0)
        self.receive()

    def receive(self):
        self.there.receive()
        self.back.receive()

    def report(self):
        lost = self.there.counts.count(0) + self.before.count(0)
        print("%s: %d of %d came, %d lost" % (
            self.name, self.back.got - sum(self.before), self.LAST, lost))


def silence(seconds, ends):
    connections = [
        Silence(name, port, *pair)
        for pair in zip(ends[::2], ends[1::2])
        for name, port in (("one-way", 7003), ("idle", 7004))]
    ready = False
    while not select.select([sys.stdin], [], [], 0.02)[0]:
        for c in connections:
            c.exchange(True)
        if not ready and all(c.back.got >= MORE for c in connections):
            ready = True
            print("ready", flush=True)
    time.sleep(QUIET)
    for c in connections:
        c.receive()
        c.before = bytes(c.back.counts)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for c in connections:
            if c.name == "one-way":
                c.exchange(False)
        time.sleep(0.02)
    for c in connections:
        c.back.send(c.LAST, 0)
    time.sleep(QUIET)
    for c in connections:
        c.receive()
        c.report()


def main():
    command, *args = sys.argv[1:]
    ends = []
    while args and "," in args[-1]:
        netns, ip = args.pop().split(",")
        ends.insert(0, (Namespace(netns), ip))
    if command == "count":
        Count(int(args[0]), *ends).run()
    elif command == "silence":
        silence(int(args[0]), ends)
    else:
        bulk(int(args[0]), args[1], *ends)


main()
