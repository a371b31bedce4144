#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Benchmark: two VMs on two hosts, by OVS alone, by the fast path, and by the
kernel's own VXLAN device and bridge, in one run over the same kind of veths.
Entries of the fast path are made by the agents, of what OVS forwards.  Started
by tests/perf/run.

Round trips are those of ping; bulk TCP is iperf3's; packets per second are what
arrives of 64-byte UDP datagrams that a VM sends as fast as it can.
"""

import argparse
import json
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


class Sandbox(neighbors.Sandbox):
    """Two hosts with agents, two VMs, and the same of the kernel alone."""

    def __init__(self):
        super().__init__()
        publish, control = ("ipc://%s/%s" % (self.dir, kind)
                            for kind in ("publish", "control"))
        self.schema = alcor_schema.load()
        self.controller = alcor_controller.Controller(publish, control,
                                                      schema=self.schema)
        for name, (ip, mac) in HOSTS.items():
            self.sh("""set -e
                sb_host {0} {1}/16 {2}
                sb_agent_configure {0} {3} {4}
                sb_agent_start {0}""".format(name, ip, mac, publish, control))
            self.controller.wait_node(name, TIMEOUT)
        for name, (host, port, mac, ip) in VMS.items():
            self.sh("sb_vm %s %s %s %s %s/24" % (host, name, port, mac, ip))
        self.publish()
        self.make_kernel()

    def publish(self):
        build = alcor_goal.Builder(self.schema)
        goal = self.schema.alcor.GoalStateV2(format_version=1)
        goal.vpc_states["net"].CopyFrom(build.vpc("net", 100))
        goal.subnet_states["sub"].CopyFrom(
            build.subnet("sub", "net", "10.0.0.0/24"))
        for here in HOSTS:
            message = self.schema.alcor.GoalStateV2()
            message.CopyFrom(goal)
            for host, port, mac, ip in VMS.values():
                if host == here:
                    message.port_states[port].CopyFrom(
                        build.port(port, "net", "sub", [ip], mac))
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
        for n in "12":
            self.sh("""set -e
                sb_namespace k{0}; sb_namespace kvm{0}
                sb_veth k{0} uplink underlay u-k{0} 1500
                ip -n perf-underlay link set u-k{0} master wire
                sb_in k{0} ethtool -K uplink tx on >/dev/null
                sb_in underlay ethtool -K u-k{0} tx on >/dev/null
                ip -n perf-k{0} addr add 172.31.1.{0}/16 dev uplink
                sb_veth kvm{0} eth0 k{0} tap 1450
                sb_in kvm{0} ethtool -K eth0 tx on >/dev/null
                sb_in k{0} ethtool -K tap tx on >/dev/null
                ip -n perf-k{0} link add name br type bridge
                ip -n perf-k{0} link add name vx type vxlan id 100 \\
                    remote 172.31.1.{1} dstport 4789 dev uplink
                ip -n perf-k{0} link set dev vx mtu 1450 master br up
                ip -n perf-k{0} link set dev tap master br
                ip -n perf-k{0} link set dev br up
                ip -n perf-kvm{0} addr add 10.0.0.{2}/24 dev eth0"""
                    .format(n, 3 - int(n), int(n) + 1))

    def set_mode(self, mode, offloads):
        devices = ([(vm, "eth0") for vm in VMS]
                   + [(vm[0], "tap-" + name) for name, vm in VMS.items()]
                   + [(host, "uplink") for host in HOSTS]
                   + [("underlay", "u-" + host) for host in HOSTS])
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
            if all(i == -1 if mode == "off" else i >= 2 for i in n):
                return
        raise RuntimeError("mode %s: entries %s" % (mode, n))

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
        """Gbit/s of TCP."""
        end = self.iperf(client, server, "-t", str(seconds), "-O", "1")
        return end["sum_received"]["bits_per_second"] / 1e9

    def packets(self, client, server, seconds):
        """UDP datagrams that arrive, 1000/s."""
        tool = os.path.join(os.environ["ALCOR_BUILD_DIR"],
                            "tests", "alcortest")
        receiver = subprocess.Popen(
            ["ip", "netns", "exec", "perf-" + server, tool, "blast",
             "receive", "7000", str(1000 * seconds)],
            stdout=subprocess.PIPE, text=True)
        receiver.stdout.readline()
        sent = subprocess.run(
            ["ip", "netns", "exec", "perf-" + client, tool, "blast", "send",
             TARGET, "7000", str(1000 * seconds + 200)],
            stdout=subprocess.PIPE, text=True).stdout
        received = int(receiver.communicate()[0])
        self.offered = int(sent) / (1000 * seconds + 200)
        return received / seconds / 1e3

    def close(self):
        self.controller.close()
        self.sh("for ns in k1 k2 kvm1 kvm2; do sb_namespace_gone $ns; done")
        super().close()


def measure(sandbox, client, server, args):
    sandbox.ping(client, 20, 0.01)
    result = {
        "rtt": sandbox.ping(client, args.pings, 0.001),
        "tcp": sandbox.bulk(client, server, args.seconds),
        "udp": sandbox.packets(client, server, args.seconds),
    }
    result["offered"] = sandbox.offered
    return result


ROWS = [  # Name, mode, offloads of VMs.
    ("OVS userspace", "off", False),
    ("eBPF, XDP native", "native", False),
    ("eBPF, tc interposed", "interpose", True),
]


def run(args):
    results = {name: [] for name, _, _ in ROWS}
    results["kernel vxlan, bridge"] = []
    sandbox = Sandbox()
    try:
        for i in range(args.repeat):
            for name, mode, offloads in ROWS:
                sandbox.set_mode(mode, offloads)
                results[name].append(measure(sandbox, "vm1", "vm2", args))
                say("%s: %s" % (name, results[name][-1]))
            results["kernel vxlan, bridge"].append(
                measure(sandbox, "kvm1", "kvm2", args))
            say("kernel: %s" % results["kernel vxlan, bridge"][-1])
    finally:
        sandbox.close()
    return {name: {key: statistics.median(r[key] for r in rows)
                   for key in rows[0]}
            for name, rows in results.items()}


def target(text, ratio, ok):
    print("%-58s %6.2f  %s" % (text, ratio, "OK" if ok else "MISS"))
    return ok


def report(results):
    print("%-22s %10s %14s %12s %12s" % ("", "RTT ms", "TCP Gbit/s",
                                         "UDP k/s", "offered k/s"))
    for name, r in results.items():
        print("%-22s %10.3f %14.2f %12.1f %12.1f"
              % (name, r["rtt"], r["tcp"], r["udp"], r["offered"]))
    ovs, xdp, tc, kernel = (results[name] for name in results)
    print()
    return all([
        target("round trip, XDP : OVS userspace (<= 0.25)",
               xdp["rtt"] / ovs["rtt"], xdp["rtt"] <= ovs["rtt"] / 4),
        target("bulk TCP, XDP : OVS userspace (>= 5)",
               xdp["tcp"] / ovs["tcp"], xdp["tcp"] >= 5 * ovs["tcp"]),
        target("packets, XDP : OVS userspace (>= 2)",
               xdp["udp"] / ovs["udp"], xdp["udp"] >= 2 * ovs["udp"]),
        target("bulk TCP, tc : kernel vxlan and bridge (>= 1.1)",
               tc["tcp"] / kernel["tcp"], tc["tcp"] >= 1.1 * kernel["tcp"]),
        target("round trip, tc : kernel vxlan and bridge (<= 1)",
               tc["rtt"] / kernel["rtt"], tc["rtt"] <= kernel["rtt"]),
    ])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--pings", type=int, default=2000)
    report(run(parser.parse_args()))


main()
