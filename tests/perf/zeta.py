#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Benchmark of gateways: how long after a gateway has told of a direct path
packets take it, and what storms of OAM packets cost others.

usage: zeta.py [--destinations=N] [--seconds=N] [--fast-path=MODE]

Two hosts, a gateway (tests/zeta_gateway.py).  VM 1 sends to N destinations, one
after the other, a packet every half millisecond: the time between the
gateway's first OAM packet and the first packet that goes directly, on the wire,
and the first of these that eBPF sends (which is known by its source port).
Then OAM packets come, 10,000 a second of new flows, and 100,000 a second of
the same one (as fast as the gateway can): meanwhile VMs talk to each other, and
a port is bound.  MODE is alcor-fast-path, auto unless it is given.

"No route" is how many packets of host 1 went nowhere because vswitchd had just
forgotten its routes, as it does when a device changes (see BUGS in
alcor-agent(8)), here the port's: these losses are not the storm's.
"""

import argparse
import os
import re
import signal
import socket
import statistics
import struct
import subprocess
import sys
import time

import alcor_controller
import alcor_goal
import alcor_schema
from neighbors import TIMEOUT, TOP, Sandbox, say, target

NETWORK = """host h1 ip=172.31.0.1 mac=02:ac:1f:00:00:01
host h2 ip=172.31.0.2 mac=02:ac:1f:00:00:02
gateway g entrances=172.31.0.101@02:67:00:00:00:01
vpc net vni=100 gateways=g
subnet a vpc=net cidr=10.0.0.0/16 gw=10.0.255.254,fa:16:3e:00:00:01
group all vpc=net
rule out group=all out=any
rule in group=all in=any
port port-1 subnet=a ip=10.0.0.1 mac=02:00:00:00:00:01 host=h1
port port-2 subnet=a ip=10.0.0.2 mac=02:00:00:00:00:02 host=h2
port port-4 subnet=a ip=10.0.0.4 mac=02:00:00:00:00:04 host=h1 groups=all
port port-5 subnet=a ip=10.0.0.5 mac=02:00:00:00:00:05 host=h1
port port-6 subnet=a ip=10.0.0.6 mac=02:00:00:00:00:06 host=h1
port port-7 subnet=a ip=10.0.0.7 mac=02:00:00:00:00:07 host=h1
"""
STORM = "100,10.0.0.4,10.0.0.2,02:00:00:00:00:02,172.31.0.2,02:ac:1f:00:00:02"

SENDER = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(int(sys.argv[1])):
    due = time.monotonic()
    for _ in range(80):
        s.sendto(b"x" * 20, ("10.0.1.%d" % (i + 1), 9))
        due += 0.0005
        time.sleep(max(0, due - time.monotonic()))
"""


PACKET = re.compile(r"IP ([\d.]+)\.(\d+) > ([\d.]+)\.(\d+): ")


def entropy(src, sport, dst, dport):
    """The outer source port of such a UDP packet, as bpf/ makes it."""
    src, dst, ports = (struct.unpack("<I", data)[0] for data in (
        socket.inet_aton(src), socket.inet_aton(dst),
        struct.pack("!HH", sport, dport)))
    x = src ^ (dst << 16 & 0xffffffff | dst >> 16) ^ ports ^ 17
    return 0xc000 | (x * 0x9e3779b1 & 0xffffffff) >> 18


def parse(lines):
    """Milliseconds from the first OAM packet of each destination, to the first
    packet that goes directly, and to the first that eBPF sends."""
    told = current = outer = None
    times = {}                  # Destination -> [direct, eBPF].
    for line in lines:
        m = PACKET.search(line)
        if not m:
            continue
        src, sport, dst, dport = m.group(1), int(m.group(2)), m.group(3), int(
            m.group(4))
        if (dst, dport) == ("172.31.0.1", 8300):
            told = told or float(line.split()[0])
        elif dport == 4789:
            outer = (float(line.split()[0]), src, sport, dst)
        elif dst.startswith("10.0.1.") and outer:
            when, host, port, to = outer
            outer = None
            if dst != current:
                current, told = dst, None
            if (host, to) == ("172.31.0.1", "172.31.0.2") and told:
                ms = (when - told) * 1000
                row = times.setdefault(dst, [ms, None])
                if row[1] is None and port == entropy(src, sport, dst, dport):
                    row[1] = ms
    return ([row[0] for row in times.values()],
            [row[1] for row in times.values() if row[1] is not None])


class Bench:
    def __init__(self, sandbox, n, fast_path="auto"):
        self.sandbox = sandbox
        self.n = n
        self.procs = []
        sandbox.env["abs_top_srcdir"] = TOP
        schema = alcor_schema.load()
        publish, control = ("ipc://%s/%s" % (sandbox.dir, kind)
                            for kind in ("publish", "control"))
        self.controller = alcor_controller.Controller(publish, control,
                                                      schema=schema)
        for host in 1, 2:
            sandbox.sh("""set -e
                sb_host h{0} 172.31.0.{0}/16 02:ac:1f:00:00:0{0}
                sb_agent_configure h{0} {1} {2}
                sb_in h{0} ovs-vsctl set Open_vSwitch . \
                    external_ids:alcor-fast-path={3}
                sb_agent_start h{0}""".format(host, publish, control,
                                              fast_path))
            self.controller.wait_node("h%d" % host, TIMEOUT)
        sandbox.sh("set -e; sb_gateway f1 172.31.0.101 02:67:00:00:00:01 "
                   + " ".join(self.endpoints()))
        for vm, host in ((1, 1), (2, 2), (4, 1)):
            self.plug(vm, host)
        self.publish(schema)

    def endpoints(self):
        for vm, host in ((1, 1), (2, 2), (4, 1)):
            yield ("100,10.0.0.{0},02:00:00:00:00:0{0},172.31.0.{1},"
                   "02:ac:1f:00:00:0{1}".format(vm, host))
        for i in range(self.n):
            yield ("100,10.0.1.%d,02:00:00:00:00:02,172.31.0.2,"
                   "02:ac:1f:00:00:02" % (i + 1))

    def plug(self, vm, host):
        self.sandbox.sh("sb_vm h{1} vm{0} port-{0} 02:00:00:00:00:0{0} "
                        "10.0.0.{0}/16".format(vm, host))

    def publish(self, schema):
        c = self.controller
        payload = alcor_goal.Network(schema, NETWORK).v2().SerializeToString()
        c.publish("all", "GOAL_STATE_V2", payload)
        c.wait(lambda: len(c.replies) >= 2, "2 answers", TIMEOUT)
        for host in "h1", "h2":
            self.sandbox.agent(host, "wait-idle")

    def start(self, name, *command):
        """A process in the namespace of a host or VM."""
        proc = subprocess.Popen(
            ["ip", "netns", "exec", "perf-" + name] + list(command),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.procs.append(proc)
        return proc

    def counter(self, name):
        text = self.sandbox.agent("h1", "zeta/counters --format=csv")
        return int(re.search("^%s,(.*)$" % name, text, re.M).group(1))

    def dropped(self):
        """How many packets vswitchd has dropped by a flow without actions."""
        text = self.sandbox.sh("sb_in h1 ovs-appctl coverage/show")
        m = re.search(r"^drop_action_of_pipeline .*total: (\d+)", text, re.M)
        return int(m.group(1)) if m else 0

    def latencies(self):
        """Milliseconds, for each destination: see parse()."""
        # Else each has to be asked for first.
        self.sandbox.sh("for i in `seq %d`; do ip -n perf-vm1 neigh replace "
                        "10.0.1.$i lladdr 02:00:00:00:00:99 dev eth0; done"
                        % self.n)
        # Into a file: nobody reads a pipe meanwhile.
        name = os.path.join(self.sandbox.dir, "wire.pcap")
        dump = self.start("underlay", "tcpdump", "-n", "-U", "-B", "16384",
                          "-w", name, "-i", "wire", "udp port 4789 or 8300")
        while "listening" not in dump.stdout.readline():
            pass
        subprocess.run(["ip", "netns", "exec", "perf-vm1", sys.executable,
                        "-c", SENDER, str(self.n)], check=True)
        time.sleep(1)
        dump.terminate()
        dump.wait()
        return parse(subprocess.run(
            ["tcpdump", "-n", "-tt", "-r", name], check=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True).stdout.splitlines())

    def bind(self, vm):
        """Milliseconds from plugging a VM in to its being installed."""
        self.sandbox.sh("sb_namespace vm%d && sb_veth vm%d eth0 h1 tap-vm%d "
                        "1450" % (vm, vm, vm))
        began = time.monotonic()
        self.sandbox.sh(
            "sb_in h1 ovs-vsctl add-port br-int tap-vm{0} -- set Interface "
            "tap-vm{0} external_ids:iface-id=port-{0} && SB_POLL=0.01 "
            "sb_wait_until installed sb_in h1 ovs-vsctl get Interface "
            "tap-vm{0} external_ids:alcor-installed".format(vm))
        return (time.monotonic() - began) * 1000

    def traffic(self, vm, storm):
        """(packets lost, of how many, bind time, storm's own words), while
        'storm', arguments of that command, takes place."""
        name = os.path.join(self.sandbox.dir, "flows-%d" % vm)
        flows = self.start("vm1", sys.executable, TOP + "/tests/flows.py",
                           "10.0.0.2", "7", "8", "10", name)
        flows.stdout.readline()
        out = subprocess.Popen(
            [sys.executable, TOP + "/tests/zeta_gateway.py", "ctl",
             os.path.join(self.sandbox.env["SB_DIR"], "f1.ctl")] + storm,
            stdout=subprocess.PIPE, text=True)
        time.sleep(1)
        bind = self.bind(vm)
        words = out.communicate()[0].strip()
        with open(name + ".stop", "w"):
            pass
        flows.wait()
        with open(name) as f:
            rows = [[int(word) for word in line.split()] for line in f]
        return (sum(row[1] - row[2] for row in rows),
                sum(row[1] for row in rows), bind, words)

    def close(self):
        for proc in self.procs:
            proc.kill()
        self.controller.close()


def storms(bench, seconds):
    server = bench.start("vm2", sys.executable, TOP + "/tests/traffic.py",
                         "serve", "udp:7")
    server.stdout.readline()
    host = ["172.31.0.1", "02:ac:1f:00:00:01"]
    print("\n%-20s %6s %8s %8s %8s  %s" % ("storm", "lost", "no route", "of",
                                          "bind ms", "sent"))
    rows = []
    for vm, what, command in (
            (5, "none", ["counters"]),
            (6, "10,000/s new flows", ["storm"] + host
             + ["10000", str(seconds), "new", STORM]),
            (7, "100,000/s the same", ["storm"] + host
             + ["100000", str(seconds), "same", STORM])):
        say("storm: " + what)
        before = {name: bench.counter("oam " + name)
                  for name in ("new", "duplicate", "over-budget")}
        dropped = bench.dropped()
        lost, total, bind, words = bench.traffic(vm, command)
        dropped = bench.dropped() - dropped
        after = {name: bench.counter("oam " + name) - value
                 for name, value in before.items()}
        print("%-20s %6d %8d %8d %8.1f  %s" % (
            what, lost, dropped, total, bind,
            "" if what == "none" else words + "; %(new)d new, "
            "%(duplicate)d duplicate, %(over-budget)d over budget" % after))
        rows.append((what, lost, bind))
    print()
    for what, lost, bind in rows[1:]:
        target("packets lost by others, " + what, lost, 0, "%d")
        target("time to bind a port over that without, " + what,
               bind - rows[0][2], 100, "%.1f ms")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--destinations", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--fast-path", default="auto")
    args = parser.parse_args()
    sandbox = Sandbox()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    bench = None
    try:
        say("two hosts and a gateway")
        bench = Bench(sandbox, args.destinations, args.fast_path)
        say("%d destinations, one after the other" % args.destinations)
        for what, ms, limit in zip(("goes directly", "is sent by eBPF"),
                                   bench.latencies(), (5, 1)):
            if limit == 1 and args.fast_path == "off":
                continue
            ms.sort()
            print("OAM packet on the wire -> first packet %s: "
                  "%d of %d, p50 %.2f ms, p90 %.2f ms, max %.2f ms" % (
                      what, len(ms), args.destinations,
                      statistics.median(ms or [999]),
                      (ms or [999])[len(ms) * 9 // 10], (ms or [999])[-1]))
            target("OAM to first packet that %s, p50" % what,
                   statistics.median(ms or [999]), limit, "%.2f ms")
        storms(bench, args.seconds)
    finally:
        if bench:
            bench.close()
        sandbox.close()


if __name__ == "__main__":
    main()
