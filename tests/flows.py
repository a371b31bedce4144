#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Many UDP flows at a time, to a server that sends back what it gets
(traffic.py serve udp:PORT), to see which of them lose packets, and for how
long.

usage: flows.py ADDRESS PORT FLOWS INTERVAL FILE

Flow N has source port 20000 + N and sends a packet every INTERVAL
milliseconds, one flow after the other; if $ALCOR_FLOW_PACKETS is set, all
together send that many packets a second.  Prints "ready" when all have had an answer.  When there is a file
FILE.stop, sends no more, waits for what is on its way ($ALCOR_ANSWER_WAIT
seconds, or one), and writes to FILE a line for each flow:

    SOURCE-PORT SENT RECEIVED GAP

where GAP is the longest time, in milliseconds, between two packets that came
back one after the other.
"""

import os
import selectors
import socket
import struct
import sys
import time


class Flow:
    def __init__(self, address, port, number):
        self.port = 20000 + number
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("", self.port))
        self.socket.connect((address, port))
        self.socket.setblocking(False)
        self.sent = self.received = 0
        self.last = self.gap = 0.0

    def send(self):
        self.socket.send(struct.pack("!I", self.sent))
        self.sent += 1

    def receive(self, now):
        while True:
            try:
                self.socket.recv(64)
            except OSError:
                return
            if self.received:
                self.gap = max(self.gap, now - self.last)
            self.received += 1
            self.last = now


def main():
    address, port, n, interval, name = sys.argv[1:]
    interval = float(interval) / 1000 / int(n)
    if "ALCOR_FLOW_PACKETS" in os.environ:
        interval = 1 / float(os.environ["ALCOR_FLOW_PACKETS"])
    flows = [Flow(address, int(port), i) for i in range(int(n))]
    selector = selectors.DefaultSelector()
    for flow in flows:
        selector.register(flow.socket, selectors.EVENT_READ, flow)
    ready = False
    due, turn = time.monotonic(), 0

    def receive(timeout):
        for key, _ in selector.select(max(timeout, 0)):
            key.data.receive(time.monotonic())

    while not os.path.exists(name + ".stop"):
        receive(due - time.monotonic())
        if time.monotonic() >= due:
            due += interval
            flows[turn].send()
            turn = (turn + 1) % len(flows)
        if not ready and all(flow.received for flow in flows):
            ready = True
            print("ready", flush=True)
    end = time.monotonic() + float(os.environ.get("ALCOR_ANSWER_WAIT", 1))
    while time.monotonic() < end and any(f.received < f.sent for f in flows):
        receive(0.1)
    with open(name + ".tmp", "w") as f:
        for flow in flows:
            print(flow.port, flow.sent, flow.received,
                  int(flow.gap * 1000), file=f)
    os.rename(name + ".tmp", name)


if __name__ == "__main__":
    main()
