#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Benchmark: two VMs on two hosts, by OVS alone, by the fast path, and by the
kernel's own VXLAN device and bridge, in one run over the same kind of veths.
Entries of the fast path are made by the agents, of what OVS forwards.  Started
by tests/perf/run.

The uplinks of two hosts are the ends of one veth pair, without a bridge in
between.  Round trips are those of ping; bulk TCP is iperf3's, with cubic.
Packets are UDP datagrams of 64 bytes, sent and counted by alcortest live-frames:
the best rate is the highest of which less than LOSS is lost in one of TRIES,
sought by bisection; and what arrives of a flood of OFFERED packets/s, while it
lasts: what has filled buffers by its end arrives afterwards, at leisure, which
is 500 packets of OVS's, 1.5 % of what it delivers in that time.  (A flood cannot
be longer: the kernel lets nobody have a processor for more than 0.95 s of each
second.)  Ratios are those of each repetition, of which the median counts.

With --groups both ports have a stateful security group, as those of controllers
mostly have: OVS tracks connections, and each direction of each connection has
an entry of its own.  Round trips are left out then: an ICMP echo is never the
fast path's where connections are tracked.
"""

import argparse
import json
import math
import os
import re
import statistics
import subprocess
import time

import alcor_controller
import alcor_goal
import alcor_schema
import neighbors
from neighbors import TIMEOUT, say

HOSTS = {"h1": ("172.31.0.1", "02:ac:1f:00:00:01"),
         "h2": ("172.31.0.2", "02:ac:1f:00:00:02")}
VMS = {"vm1": ("h1", "port-1", "02:00:00:00:00:02", "10.0.0.2"),
       "vm2": ("h2", "port-2", "02:00:00:00:00:03", "10.0.0.3")}
TARGET = "10.0.0.3"
PORT = 7000
FRAME = ("dmac=3,smac=2,src=0x0a000002,dst=0x0a000003,dport=%d,payload=64"
         % PORT)
ANSWER = ("dmac=2,smac=3,src=0x0a000003,dst=0x0a000002,dport=1111,sport=%d,"
          "payload=64" % PORT)
GROUP = "group"
OFFERED = 450000
RATES = [round(10000 * 1.1 ** i) for i in range(50)]  # To a million.
LOSS = 0.001
TRIES = 3
BULKS = 3


class Sandbox(neighbors.Sandbox):
    """Two hosts with agents, two VMs, and the same of the kernel alone."""

    def __init__(self, groups=False):
        super().__init__()
        self.groups = groups
        publish, control = ("ipc://%s/%s" % (self.dir, kind)
                            for kind in ("publish", "control"))
        self.schema = alcor_schema.load()
        self.controller = alcor_controller.Controller(publish, control,
                                                      schema=self.schema)
        for name, (ip, mac) in HOSTS.items():
            self.sh("sb_host %s %s/16 %s" % (name, ip, mac))
        self.connect_hosts()
        for name in HOSTS:
            self.sh("""set -e
                sb_agent_configure {0} {1} {2}
                sb_agent_start {0}""".format(name, publish, control))
            self.controller.wait_node(name, TIMEOUT)
        for name, (host, port, mac, ip) in VMS.items():
            self.sh("sb_vm %s %s %s %s %s/24" % (host, name, port, mac, ip))
        self.publish()
        self.make_kernel()

    def connect_hosts(self):
        for host in HOSTS:
            self.sh("""set -e
                sb_in {0} ovs-vsctl del-port br-phy uplink
                ip -n perf-{0} link del uplink""".format(host))
        self.sh("sb_veth h1 uplink h2 uplink 1500")
        for host in HOSTS:
            self.sh("sb_in %s ovs-vsctl add-port br-phy uplink" % host)

    def publish(self):
        build = alcor_goal.Builder(self.schema)
        goal = self.schema.alcor.GoalStateV2(format_version=1)
        goal.vpc_states["net"].CopyFrom(build.vpc("net", 100))
        goal.subnet_states["sub"].CopyFrom(
            build.subnet("sub", "net", "10.0.0.0/24"))
        if self.groups:
            goal.security_group_states[GROUP].CopyFrom(build.group(
                GROUP, "net", [
                    {"id": direction, "direction": direction,
                     "ethertype": "IPV4", "protocol": 255}
                    for direction in ("INGRESS", "EGRESS")]))
        for here in HOSTS:
            message = self.schema.alcor.GoalStateV2()
            message.CopyFrom(goal)
            for host, port, mac, ip in VMS.values():
                if host == here:
                    message.port_states[port].CopyFrom(
                        build.port(port, "net", "sub", [ip], mac))
                    build.annotate(message.port_states[port],
                                   groups=[GROUP] if self.groups else [])
                else:
                    message.neighbor_states[port].CopyFrom(
                        build.neighbor(port, "net", "sub", [ip], mac,
                                       HOSTS[host]))
            self.controller.publish("node/" + here, "GOAL_STATE_V2",
                                    message.SerializeToString())
        self.controller.wait(lambda: len(self.controller.replies) >= 2,
                             "answers", TIMEOUT)

    def make_kernel(self):
        """k1 and k2: a VXLAN device and a bridge, with VMs kvm1 and kvm2."""
        self.sh("""set -e
            sb_namespace k1; sb_namespace k2
            sb_veth k1 uplink k2 uplink 1500""")
        for n in "12":
            self.sh("""set -e
                sb_namespace kvm{0}
                sb_in k{0} ethtool -K uplink tx on >/dev/null
                ip -n perf-k{0} addr add 172.31.1.{0}/16 dev uplink
                ip -n perf-k{0} link set dev uplink address 02:ac:1f:00:01:0{0}
                sb_veth kvm{0} eth0 k{0} tap 1450
                ip -n perf-kvm{0} link set dev eth0 address 02:00:00:00:00:0{2}
                sb_in kvm{0} ethtool -K eth0 tx on >/dev/null
                sb_in k{0} ethtool -K tap tx on >/dev/null
                ip -n perf-k{0} link add name br type bridge
                ip -n perf-k{0} link add name vx type vxlan id 100 \\
                    remote 172.31.1.{1} dstport 4789 dev uplink
                ip -n perf-k{0} link set dev vx mtu 1450 master br up
                ip -n perf-k{0} link set dev tap master br
                ip -n perf-k{0} link set dev br up
                ip -n perf-kvm{0} addr add 10.0.0.{2}/24 dev eth0
                sb_in k{0} sh -c 'cd /proc/sys/net/bridge 2>/dev/null || exit 0
                    echo 0 > bridge-nf-call-iptables'"""
                    .format(n, 3 - int(n), int(n) + 1))

    def set_mode(self, mode, offloads):
        devices = ([(vm, "eth0") for vm in VMS]
                   + [(vm[0], "tap-" + name) for name, vm in VMS.items()]
                   + [(host, "uplink") for host in HOSTS])
        if not offloads:
            self.set_offloads(devices, "off")
        for host in HOSTS:
            self.sh("sb_in %s ovs-vsctl set Open_vSwitch . "
                    "external_ids:alcor-fast-path=%s" % (host, mode))
        self.wait_mode(mode)
        if offloads:
            self.set_offloads(devices, "on")

    def set_offloads(self, devices, state):
        for namespace, device in devices:
            self.sh("sb_in %s ethtool -K %s tx %s > /dev/null"
                    % (namespace, device, state))

    def entries(self, host):
        text = self.sh("sb_in %s ovs-appctl -t alcor-agent fast-path/show"
                       % host)
        match = re.search(r"^entries: (\d+)", text, re.M)
        return int(match.group(1)) if match else -1

    def wait_mode(self, mode):
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            self.ping("vm1", 20, 0.01)
            n = [self.entries(host) for host in HOSTS]
            least = 0 if self.groups else 2
            if all(i == -1 if mode == "off" else i >= least for i in n):
                return
        raise RuntimeError("mode %s: entries %s" % (mode, n))

    def has_connection(self):
        """Whether both hosts have entries of the datagrams to PORT, in both
        directions, or none at all because the fast path is off."""
        for host in HOSTS:
            text = self.sh("sb_in %s ovs-appctl -t alcor-agent "
                           "fast-path/list --format=csv" % host)
            n = len(re.findall(r",%d,\d+,\d+,\d+$" % PORT, text, re.M)
                    + re.findall(r",17,%d," % PORT, text))
            if n != 2 and self.entries(host) != -1:
                return False
        return True

    def ping(self, vm, count, interval):
        """Median round trip in ms."""
        text = subprocess.run(
            ["ip", "netns", "exec", "perf-" + vm, "ping", "-c", str(count),
             "-i", str(interval), "-W", "1", TARGET],
            stdout=subprocess.PIPE, text=True).stdout
        times = [float(t) for t in re.findall(r"time=([0-9.]+)", text)]
        return statistics.median(times) if times else None

    def iperf(self, client, server, *args):
        daemon = subprocess.Popen(
            ["ip", "netns", "exec", "perf-" + server, "iperf3", "-s", "-1"],
            stdout=subprocess.DEVNULL)
        while "5201" not in subprocess.run(
                ["ip", "netns", "exec", "perf-" + server, "ss", "-ltn"],
                stdout=subprocess.PIPE, text=True).stdout:
            time.sleep(0.05)
        text = subprocess.run(
            ["ip", "netns", "exec", "perf-" + client, "iperf3", "-J", "-c",
             TARGET, *args], stdout=subprocess.PIPE, text=True).stdout
        daemon.wait()
        return json.loads(text)["end"]

    def bulk(self, client, server, seconds):
        """Gbit/s of TCP: the median of BULKS runs, since it matters much where
        sender and receiver happen to run."""
        ends = [self.iperf(client, server, "-C", "cubic", "-t", str(seconds))
                for _ in range(BULKS)]
        return statistics.median(end["sum_received"]["bits_per_second"]
                                 for end in ends) / 1e9

    def close(self):
        self.controller.close()
        self.sh("for ns in k1 k2 kvm1 kvm2; do sb_namespace_gone $ns; done")
        super().close()


class Packets:
    """Datagrams from one VM, whose device ends at 'tap', to another."""

    def __init__(self, client, tap, server, sandbox=None):
        """If there is a sandbox, both ends speak first, until the connection
        is tracked and has entries."""
        self.tool = os.path.join(os.environ["ALCOR_BUILD_DIR"], "tests",
                                 "alcortest")
        self.client, self.tap = client, tap
        self.counter = subprocess.Popen(
            ["ip", "netns", "exec", "perf-" + server, self.tool, "live-frames",
             "count", "eth0", FRAME],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.counter.stdout.readline()
        if sandbox:
            self.connect(sandbox)

    def connect(self, sandbox):
        deadline = time.monotonic() + TIMEOUT
        while True:
            for vm, frame in (("vm1", FRAME), ("vm2", ANSWER)):
                subprocess.run(
                    ["ip", "netns", "exec", "perf-" + vm, self.tool,
                     "live-frames", "send", "eth0", frame, "1000", "100"],
                    stdout=subprocess.DEVNULL, check=True)
            if sandbox.has_connection():
                return
            if time.monotonic() > deadline:
                raise RuntimeError("the connection has no entries")

    def set_gro(self, state):
        subprocess.run(["ip", "netns", "exec", "perf-" + self.tap[0],
                        "ethtool", "-K", self.tap[1], "gro", state],
                       check=True)

    def count(self):
        self.counter.stdin.write("\n")
        self.counter.stdin.flush()
        return int(self.counter.stdout.readline())

    def count_all(self):
        """When no more arrive."""
        before, now = -1, self.count()
        while before != now:
            time.sleep(0.05)
            before, now = now, self.count()
        return now

    def start(self, how, rate, seconds):
        """Starts to offer so many packets a second ("send" or "flood")."""
        return subprocess.Popen(
            ["ip", "netns", "exec", "perf-" + self.client, self.tool,
             "live-frames", how, "eth0", FRAME, str(rate),
             str(int(1000 * seconds))], stdout=subprocess.PIPE, text=True)

    def offer(self, how, rate, seconds):
        """Returns how many packets a second were offered, and how many of them
        arrived."""
        before = self.count_all()
        text = self.start(how, rate, seconds).communicate()[0]
        sent, took = (float(word) for word in text.split())
        return sent / took, (self.count_all() - before) / took

    def count_at(self, due):
        """How many have arrived, and when that was, which is not before
        'due'."""
        time.sleep(max(due - time.monotonic(), 0))
        n = self.count()
        return n, time.monotonic()

    def flood(self, seconds):
        """How many a second were offered, and arrived in the middle of that
        time."""
        self.set_gro("on")      # Else there is no NAPI.
        for _ in range(TRIES):
            self.count_all()
            flood = self.start("flood", OFFERED, seconds)
            flood.stdout.readline()
            ready = time.monotonic()
            n0, t0 = self.count_at(ready + seconds * 0.2)
            n1, t1 = self.count_at(ready + seconds * 0.9)
            sent, took, start = map(float, flood.communicate()[0].split())
            if t0 >= start and t1 <= start + took:
                self.set_gro("off")
                return sent / took, (n1 - n0) / (t1 - t0)
        raise RuntimeError("the machine is too busy to count during a flood")

    def is_free_of_loss(self, rate, seconds):
        """Whether the rate can be sent without loss, in one of TRIES."""
        for _ in range(TRIES):
            offered, arrived = self.offer("send", rate, seconds)
            if offered >= rate * 0.95 and arrived >= offered * (1 - LOSS):
                return True
        return False

    def best(self, seconds):
        low, high = 0, len(RATES) - 1
        while low < high:
            middle = (low + high + 1) // 2
            if self.is_free_of_loss(RATES[middle], seconds):
                low = middle
            else:
                high = middle - 1
        return RATES[low]

    def close(self):
        self.counter.communicate()


def measure(sandbox, client, tap, server, args):
    sandbox.ping(client, 20, 0.01)
    result = {
        "rtt": sandbox.ping(client, args.pings, 0.001),
        "tcp": sandbox.bulk(client, server, max(args.seconds // 2, 2)),
    }
    packets = Packets(client, tap, server,
                      sandbox if sandbox.groups and client == "vm1" else None)
    result["best"] = packets.best(args.seconds / 8) / 1e3
    result["offered"], result["arrived"] = (
        rate / 1e3 for rate in packets.flood(args.seconds / 4))
    packets.close()
    return result


OVS, XDP = "OVS userspace", "eBPF, XDP native"
TC, KERNEL = "eBPF, tc interposed", "kernel vxlan, bridge"

ROWS = [  # Name, mode, offloads of VMs.
    (OVS, "off", False),
    (XDP, "native", False),
    (TC, "interpose", True),
]

TARGETS = [  # What, rows, key of results; the ratio of what is measured.
    ("round trip", XDP, OVS, "rtt", "<=", 0.25),
    ("bulk TCP", XDP, OVS, "tcp", ">=", 5),
    ("loss-free", XDP, OVS, "best", ">=", 2),
    ("flood", XDP, OVS, "arrived", ">=", 10),
    ("bulk TCP", TC, KERNEL, "tcp", ">=", 1.1),
    ("round trip", TC, KERNEL, "rtt", "<=", 1),
]


def run(args):
    """Results by row, a list of one for each repetition."""
    results = {name: [] for name, _, _ in ROWS}
    results[KERNEL] = []
    sandbox = Sandbox(args.groups)
    try:
        for i in range(args.repeat):
            for name, mode, offloads in ROWS:
                sandbox.set_mode(mode, offloads)
                results[name].append(measure(
                    sandbox, "vm1", ("h1", "tap-vm1"), "vm2", args))
                say("%s: %s" % (name, results[name][-1]))
            results[KERNEL].append(
                measure(sandbox, "kvm1", ("k1", "tap"), "kvm2", args))
            say("%s: %s" % (KERNEL, results[KERNEL][-1]))
    finally:
        sandbox.close()
    return results


def report(results, groups):
    if groups:
        print("Stateful security groups on both ports.\n")
    print("%-22s %8s %12s %14s %13s %8s"
          % ("", "RTT ms", "TCP Gbit/s", "loss-free k/s", "offered k/s",
             "arrived"))
    for name, rows in results.items():
        r = {key: statistics.median(row[key] for row in rows)
             for key in rows[0]}
        print("%-22s %8.3f %12.2f %14.1f %13.1f %8.1f"
              % (name, r["rtt"], r["tcp"], r["best"], r["offered"],
                 r["arrived"]))
    print()
    ok = True
    for text, ours, theirs, key, compare, limit in TARGETS:
        if groups and key == "rtt":
            continue
        ratio = statistics.median(
            a[key] / b[key] if b[key] else math.inf
            for a, b in zip(results[ours], results[theirs]))
        text = "%s: %s / %s (%s %g)" % (text, ours, theirs, compare, limit)
        met = ratio <= limit if compare == "<=" else ratio >= limit
        print("%-72s %6.2f  %s" % (text, ratio, "OK" if met else "MISS"))
        ok = ok and met
    return ok


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--pings", type=int, default=2000)
    parser.add_argument("--groups", action="store_true")
    args = parser.parse_args()
    report(run(args), args.groups)


main()
