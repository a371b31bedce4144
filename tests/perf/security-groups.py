#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Benchmark: what security groups cost: PORTS local ports with one group, whose
RULES rules have a remote group of some number of members on other hosts.
Started by tests/perf/run.

The flows of the rules are counted, and compared with the sum of ports, rules
and members; then one member more, many times: flows, flow-mods, resources
translated, and the time until it is acknowledged.
"""

import argparse
import gc
import ipaddress
import os
import signal
import statistics
import sys

import alcor_schema
import neighbors

PORTS = 100
RULES = 50
MORE = 100
RULE_TABLES = (18, 66)          # Stages egress-rules and ingress-rules.


class Goal(neighbors.Goal):
    """VPC, subnet, group, ports; members on request."""

    def __init__(self, schema):
        super().__init__(schema, 0)
        rules = [{"id": "rule-%d" % i, "direction": "INGRESS",
                  "protocol": "TCP", "port_range_min": 1000 + 2 * i,
                  "port_range_max": 1000 + 2 * i,
                  "remote_group_id": "members"} for i in range(RULES)]
        self.base.security_group_states["group"].CopyFrom(
            self.build.group("group", "net", rules))
        for i in range(PORTS):
            state = self.build.port(
                "port-%d" % i, "net", "sub", ["10.0.1.%d" % (i + 1)],
                "02:00:00:00:01:%02x" % i)
            state.configuration.security_group_ids.add(id="group")
            self.base.port_states["port-%d" % i].CopyFrom(state)

    def members(self, first, n):
        message = self.schema.alcor.GoalStateV2(format_version=1)
        for i in range(first, first + n):
            id = "member-%d" % i
            state = self.build.neighbor(
                id, "net", "sub",
                [str(ipaddress.ip_address("10.1.0.0") + i)],
                (0x020100000000 + i).to_bytes(6, "big").hex(":"),
                ("172.31.1.%d" % (i % 100 + 1),
                 "02:ac:1f:00:01:%02x" % (i % 100)))
            state.configuration.security_group_ids.append("members")
            message.neighbor_states[id].CopyFrom(state)
        return message.SerializeToString()


def plug(sandbox, host):
    sandbox.sh("sb_in %s ovs-vsctl %s" % (host, " ".join(
        "-- add-port br-int q{0} -- set Interface q{0} type=internal "
        "external_ids:iface-id=port-{0}".format(i) for i in range(PORTS))))


def count_rule_flows(host, path):
    host.dump(path)
    with open(path) as f:
        return sum(any(" table=%d," % table in line for table in RULE_TABLES)
                   for line in f)


def counters(host):
    return [int(host.sandbox.agent(host.name, "coverage/read-counter " + name))
            for name in ("openflow_flow_mod", "translator_translate")]


def measure(sandbox, schema, n):
    """Results for 'n' members, as a dict."""
    goal = Goal(schema)
    path = os.path.join(sandbox.dir, "flows")
    host = neighbors.Host(sandbox, "s%d" % n, schema)
    plug(sandbox, host.name)
    host.publish([goal.base])
    size = neighbors.MESSAGE_SIZE
    published = host.publish([goal.members(i, min(size, n - i))
                              for i in range(0, n, size)])
    flows = count_rule_flows(host, path)
    before = counters(host)
    more = sorted(host.publish([goal.members(n + i, 1)])
                  for i in range(MORE))
    after = counters(host)
    flows_after = count_rule_flows(host, path)
    host.close()
    neighbors.say("%d members: %d flows of rules, published in %.3f s"
                  % (n, flows, published))
    return {
        "flows": flows, "published": published,
        "more_flows": (flows_after - flows) / MORE,
        "more_mods": (after[0] - before[0]) / MORE,
        "more_translations": (after[1] - before[1]) / MORE,
        "p50": statistics.median(more) * 1000,
        "p99": more[len(more) * 99 // 100] * 1000,
    }


def report(results):
    print("\n%d ports, %d rules with one remote group" % (PORTS, RULES))
    print("\n%-8s %8s %10s  one more: %6s %9s %12s %8s %8s"
          % ("members", "flows", "published", "flows", "flow-mods",
             "translations", "p50 ms", "p99 ms"))
    for n, r in results.items():
        print("%-8d %8d %10.3f  %16g %9g %12g %8.2f %8.2f"
              % (n, r["flows"], r["published"], r["more_flows"],
                 r["more_mods"], r["more_translations"], r["p50"], r["p99"]))
    print()
    for n, r in results.items():
        # Of the set: what allows, and what later fragments match.
        neighbors.target("%d members: flows of rules" % n, r["flows"],
                         PORTS + RULES + n + 2, "%d")
        neighbors.target("%d members: one more, flows of rules" % n,
                         r["more_flows"], 1, "%g")
        neighbors.target("%d members: one more, resources translated" % n,
                         r["more_translations"], 1, "%g")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--members", default="10,1000,10000")
    args = parser.parse_args()
    schema = alcor_schema.load()
    sandbox = neighbors.Sandbox()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    gc.disable()
    try:
        results = {int(n): measure(sandbox, schema, int(n))
                   for n in args.members.split(",")}
    finally:
        sandbox.close()
    report(results)


if __name__ == "__main__":
    main()
