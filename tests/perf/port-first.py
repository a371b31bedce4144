#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Benchmark: ports that are plugged in while a load of neighbours is
published, which a router makes reachable from another subnet.  Started by
tests/perf/run.

First ports are plugged in, one after the other, while nothing else happens,
then while the load is under way: from add-port until alcor-installed=true is
there.  At last the flows are counted: two of each neighbour, and the routing
share, which is its next hop and, since two subnets share a VNI, whose
broadcasts are its own.
"""

import argparse
import gc
import ipaddress
import os
import signal
import statistics
import sys
import time

import alcor_schema
import neighbors

PORTS = 5                       # Plugged in, in each of the two states.
ROUTING_SHARE = 2


class Goal(neighbors.Goal):
    """Two subnets with a router, ports, neighbours of the second subnet."""

    def __init__(self, schema, n):
        super().__init__(schema, n)
        build, base = self.build, self.base
        base.subnet_states["sub"].CopyFrom(
            build.subnet("sub", "net", "10.0.0.0/16"))
        base.subnet_states["far"].CopyFrom(
            build.subnet("far", "net", "10.64.0.0/10"))
        base.router_states["router"].CopyFrom(
            build.router("router", ["sub", "far"]))
        for i in range(2 * PORTS):
            base.port_states["port-%d" % i].CopyFrom(build.port(
                "port-%d" % i, "net", "sub", ["10.0.1.%d" % (i + 1)],
                "02:00:00:00:01:%02x" % i))

    def message(self, numbers):
        message = self.schema.alcor.GoalStateV2(format_version=1)
        for i in numbers:
            host = i % neighbors.REMOTE_HOSTS
            id = "8a9e51a4-ffff-4ece-b3f0-%012x" % i
            message.neighbor_states[id].CopyFrom(self.build.neighbor(
                id, "net", "far",
                [str(ipaddress.ip_address("10.65.0.0") + i)],
                (0x020100000000 + i).to_bytes(6, "big").hex(":"),
                ("172.31.1.%d" % (host + 1), "02:ac:1f:00:01:%02x" % host),
                roles=("L2", "L3")))
        return message.SerializeToString()


def plug(host, i):
    """Seconds until port 'i' is in effect."""
    start = time.monotonic()
    host.sandbox.sh(
        "sb_in {0} ovs-vsctl --retry --no-wait add-port br-int q{1} "
        "-- set Interface q{1} type=internal external_ids:iface-id=port-{1} "
        "&& sb_in {0} ovs-vsctl --retry --timeout=60 wait-until "
        "Interface q{1} external_ids:alcor-installed=true"
        .format(host.name, i))
    return time.monotonic() - start


def measure(sandbox, schema, n):
    goal = Goal(schema, n)
    host = neighbors.Host(sandbox, "p1", schema)
    host.publish([goal.base])
    path = os.path.join(sandbox.dir, "flows")
    n_base = host.dump(path)
    quiet = [plug(host, i) for i in range(PORTS)]
    n_ports = host.dump(path) - n_base
    neighbors.say("quiet: " + " ".join("%.3f" % s for s in quiet))

    c = host.controller
    c.replies.clear()
    start = time.monotonic()
    for payload in goal.messages:
        c.publish("node/" + host.name, "GOAL_STATE_V2", payload)
    loaded, left = [], []
    for i in range(PORTS, 2 * PORTS):
        loaded.append(plug(host, i))
        c.wait(lambda: True, "nothing", 1)
        left.append(len(goal.messages) - len(c.replies))
    neighbors.say("in the load: " + " ".join("%.3f" % s for s in loaded))
    c.wait(lambda: len(c.replies) >= len(goal.messages), "answers",
           neighbors.TIMEOUT)
    seconds = c.replies[-1].received - start
    n_flows = host.dump(path) - n_base - 2 * n_ports
    host.close()
    return {"quiet": statistics.median(quiet) * 1000,
            "loaded": statistics.median(loaded) * 1000,
            "worst": max(loaded) * 1000, "left": left,
            "seconds": seconds, "flows": n_flows}


def report(n, r):
    print("\n%d neighbours load, %d messages; ports are plugged in"
          % (n, (n + neighbors.MESSAGE_SIZE - 1) // neighbors.MESSAGE_SIZE))
    print("\n%-12s %-12s %-12s %-12s %s"
          % ("quiet ms", "in the load", "worst", "load, s",
             "messages left after each"))
    print("%-12.1f %-12.1f %-12.1f %-12.1f %s\n"
          % (r["quiet"], r["loaded"], r["worst"], r["seconds"],
             " ".join(str(i) for i in r["left"])))
    neighbors.target("%d neighbours: flows of each, routed" % n,
                     r["flows"] / n, 2 + ROUTING_SHARE + 0.01, "%.3f")
    neighbors.target("%d neighbours: a port in effect, median, of the time "
                     "of the load" % n,
                     r["loaded"] / 1000 / r["seconds"], 0.2, "%.2f")
    neighbors.target("%d neighbours: messages done before the first port" % n,
                     n // neighbors.MESSAGE_SIZE - r["left"][0],
                     n // neighbors.MESSAGE_SIZE // 2, "%d")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--neighbors", type=int, default=100000)
    args = parser.parse_args()
    schema = alcor_schema.load()
    sandbox = neighbors.Sandbox()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    gc.disable()
    try:
        result = measure(sandbox, schema, args.neighbors)
    finally:
        sandbox.close()
    report(args.neighbors, result)


if __name__ == "__main__":
    main()
