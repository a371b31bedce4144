#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""TCP and UDP between VMs.

usage: traffic.py serve tcp:PORT|udp:PORT...
       traffic.py try tcp|udp ADDRESS PORT [SOURCE-PORT]
       traffic.py run tcp|udp|stream ADDRESS PORT FILE [SOURCE-PORT]
       traffic.py bulk ADDRESS PORT FILE

"serve" answers with what it gets; to a datagram "stream" with a datagram every
5 ms from then on; on TCP port 9 with as much as the client takes.  It prints
"ready" when it listens.

"try" exits with 0 if an answer comes within $ALCOR_TRY_WAIT seconds, or one.

"run" keeps a connection busy, with a byte (TCP) or datagram every 5 ms, and
appends a byte to FILE for each that comes back: the size of FILE says how
many.  "stream" sends one datagram and counts what comes.  "bulk" reads from TCP
port 9 without sending anything, and appends a byte for each 64 kB.  They print
"ready" with the first answer, and go on until killed.
"""

import os
import select
import socket
import sys
import time

INTERVAL = 0.005


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def open_socket(protocol, address, port, source=0):
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    sock = socket.socket(family(address), kind)
    sock.settimeout(float(os.environ.get("ALCOR_TRY_WAIT", 1)))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("", int(source)))
    sock.connect((address, int(port)))
    if protocol == "tcp":
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


class Server:
    def __init__(self, services):
        self.listeners, self.clients, self.udp = set(), {}, {}
        self.streams = {}           # (socket, peer): time of the next one.
        for service in services:
            protocol, port = service.split(":")
            self.listen(protocol, int(port))

    def listen(self, protocol, port):
        tcp = protocol == "tcp"
        sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM if tcp
                             else socket.SOCK_DGRAM)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("::", port))
        if tcp:
            sock.listen(16)
            self.listeners.add(sock)
        else:
            self.udp[sock] = port

    def run(self):
        print("ready", flush=True)
        while True:
            readable, writable, _ = select.select(
                list(self.listeners) + list(self.udp) + list(self.clients),
                [s for s, bulk in self.clients.items() if bulk], [],
                INTERVAL if self.streams else None)
            for sock in readable:
                self.read(sock)
            for sock in writable:
                self.send(sock, b"x" * 65536)
            self.send_streams()

    def read(self, sock):
        if sock in self.listeners:
            client, _ = sock.accept()
            client.setblocking(False)
            self.clients[client] = sock.getsockname()[1] == 9
        elif sock in self.udp:
            data, peer = sock.recvfrom(65536)
            if data == b"stream":
                self.streams[sock, peer] = time.monotonic()
            else:
                sock.sendto(data, peer)
        elif sock in self.clients:
            try:
                data = sock.recv(65536)
            except OSError:
                data = b""
            if data:
                self.send(sock, data)
            else:
                del self.clients[sock]
                sock.close()

    def send(self, sock, data):
        if sock in self.clients:
            try:
                sock.send(data)
            except BlockingIOError:
                pass
            except OSError:
                del self.clients[sock]
                sock.close()

    def send_streams(self):
        now = time.monotonic()
        for (sock, peer), due in self.streams.items():
            if now >= due:
                self.streams[sock, peer] = now + INTERVAL
                try:
                    sock.sendto(b"x", peer)
                except OSError:
                    pass


def attempt(protocol, address, port, source=0):
    try:
        sock = open_socket(protocol, address, port, source)
        sock.send(b"x")
        return sock.recv(1) == b"x"
    except OSError:
        return False


def run(protocol, address, port, path, source=0):
    sock = open_socket("tcp" if protocol == "bulk" else protocol, address,
                       port, source)
    if protocol == "stream":
        sock.send(b"stream")
    sock.setblocking(False)
    sends = protocol in ("tcp", "udp")
    total = 0
    with open(path, "ab", buffering=0) as output:
        while True:
            readable, _, _ = select.select([sock], [], [], INTERVAL)
            count = len(readable and receive(sock) or b"")
            if count and not total:
                print("ready", flush=True)
            if protocol == "bulk":
                output.write(b"x" * ((total + count) // 65536
                                     - total // 65536))
            else:
                output.write(b"x" * count)
            total += count
            if sends:
                try:
                    sock.send(b"x")
                except OSError:
                    pass
                time.sleep(INTERVAL)


def receive(sock):
    try:
        return sock.recv(65536)
    except OSError:
        return b""


def main():
    command, *args = sys.argv[1:]
    if command == "serve":
        Server(args).run()
    elif command == "try":
        sys.exit(not attempt(*args))
    elif command == "run":
        run(*args)
    elif command == "bulk":
        run("bulk", *args)
    else:
        sys.exit(__doc__)


main()
