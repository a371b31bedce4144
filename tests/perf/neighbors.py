#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Benchmark: what a host with many neighbours costs, as ratios to what OVS's
own tools need for the same flows in the same run.  Started by tests/perf/run.

For each number of neighbours, and each repetition, on fresh daemons:

  - publish them in messages of 1,000 over ipc, until the last is acknowledged;
  - dump the flows, and add the very same to a fresh bridge of another host by
    "ovs-ofctl --bundle add-flows".

In the last repetition also: one neighbour more, many times; a restart.

What a neighbour costs in flows is what there is but for the flows of the host
when it had no neighbours, counted in the same run, and for those that send
broadcasts to all hosts of the subnet: a fixed number, 33 at most, as soon as
the VPC is crowded (l2-flood.c).
"""

import argparse
import gc
import ipaddress
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import alcor_controller
import alcor_goal
import alcor_schema

MESSAGE_SIZE = 1000
REMOTE_HOSTS = 100
SINGLE_UPDATES = 500
FLOOD_TABLES = ("50,", "51,")
TIMEOUT = 120
TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))


def say(text):
    print("    " + text, file=sys.stderr, flush=True)


class Sandbox:
    """Hosts made by utilities/sandbox-lib.sh, in a directory of their own."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="alcor-perf-")
        self.env = dict(os.environ, SB_DIR=os.path.join(self.dir, "sb"),
                        SB_PREFIX="perf-", SB_TIMEOUT=str(TIMEOUT))
        self.sh("sb_underlay 172.31.0.254/16")

    def sh(self, command):
        return subprocess.run(
            ["bash", "-c", '. "%s/utilities/sandbox-lib.sh"; %s'
             % (TOP, command)], env=self.env, check=True,
            stdout=subprocess.PIPE, text=True).stdout

    def path(self, host, name):
        return os.path.join(self.env["SB_DIR"], host, name)

    def agent(self, host, command):
        return self.sh("sb_in %s ovs-appctl -T %d -t alcor-agent %s"
                       % (host, TIMEOUT, command)).strip()

    def memory(self, host, daemon):
        """Resident, and of it anonymous, memory in MiB."""
        with open(self.path(host, daemon + ".pid")) as f:
            pid = int(f.read())
        fields = {}
        with open("/proc/%d/status" % pid) as f:
            for line in f:
                key, _, value = line.partition(":")
                fields[key] = value.split()
        return tuple(int(fields[key][0]) / 1024
                     for key in ("VmRSS", "RssAnon"))

    def close(self):
        self.sh("sb_stop")
        shutil.rmtree(self.dir)


class Goal:
    """'n' neighbours of one subnet on REMOTE_HOSTS hosts, encoded."""

    def __init__(self, schema, n):
        self.schema = schema
        self.build = alcor_goal.Builder(schema)
        self.base = schema.alcor.GoalStateV2(format_version=1)
        self.base.vpc_states["net"].CopyFrom(self.build.vpc("net", 100))
        self.base.subnet_states["sub"].CopyFrom(
            self.build.subnet("sub", "net", "10.0.0.0/8"))
        self.base.port_states["port"].CopyFrom(
            self.build.port("port", "net", "sub", ["10.0.0.2"],
                            "02:00:00:00:00:02"))
        self.messages = [self.message(range(i, min(i + MESSAGE_SIZE, n)))
                         for i in range(0, n, MESSAGE_SIZE)]

    def message(self, numbers):
        message = self.schema.alcor.GoalStateV2(format_version=1)
        for i in numbers:
            host = i % REMOTE_HOSTS
            id = "8a9e51a4-ffff-4ece-b3f0-%012x" % i
            message.neighbor_states[id].CopyFrom(self.build.neighbor(
                id, "net", "sub",
                [str(ipaddress.ip_address("10.1.0.0") + i)],
                (0x020100000000 + i).to_bytes(6, "big").hex(":"),
                ("172.31.1.%d" % (host + 1), "02:ac:1f:00:01:%02x" % host)))
        return message.SerializeToString()


class Host:
    """A host with OVS and an agent that has nothing yet, and a controller."""

    def __init__(self, sandbox, name, schema):
        self.sandbox = sandbox
        self.name = name
        publish, control = ("ipc://%s/%s.%s" % (sandbox.dir, name, kind)
                            for kind in ("publish", "control"))
        self.controller = alcor_controller.Controller(publish, control,
                                                      schema=schema)
        sandbox.sh("""set -e
            sb_host {0} 172.31.0.1/16 02:ac:1f:00:00:01
            sb_agent_configure {0} {1} {2}
            sb_in {0} ovs-vsctl --no-wait set Open_vSwitch . \
                external_ids:alcor-neighbor-programming=eager
            sb_agent_start {0}
            sb_vm {0} vm-{0} port 02:00:00:00:00:02 10.0.0.2/8"""
                   .format(name, publish, control))
        self.controller.wait_node(name, TIMEOUT)

    def publish(self, payloads):
        """Publishes and returns the seconds until all is acknowledged."""
        c = self.controller
        c.replies.clear()
        start = time.monotonic()
        ids = [c.publish("node/" + self.name, "GOAL_STATE_V2", payload)
               for payload in payloads]
        c.wait(lambda: len(c.replies) >= len(ids), "%d answers" % len(ids),
               TIMEOUT)
        seconds = c.replies[-1].received - start
        for reply in c.replies:
            for s in reply.message.operation_statuses:
                if s.operation_status:
                    raise RuntimeError("not a success: %s" % s)
        return seconds

    def dump(self, name):
        """Writes the flows of br-int to file 'name', as add-flows wants them,
        but for the few with meters or groups, which no other bridge has.
        Returns how many, and how many of them are for broadcasts."""
        self.sandbox.sh(
            "sb_in %s ovs-ofctl -vconsole:off -O OpenFlow15 --no-names "
            "--no-stats dump-flows br-int | "
            "grep -v '^OFPST\\|meter:\\|group:' > %s" % (self.name, name))
        with open(name) as f:
            flows = f.readlines()
        flood = sum(flow.partition(" table=")[2].startswith(FLOOD_TABLES)
                    for flow in flows)
        return len(flows), flood

    def restart(self):
        """(seconds to idle, flow-mods) of a restart of the agent."""
        sandbox, name = self.sandbox, self.name
        sandbox.sh("sb_agent_stop " + name)
        self.controller.forget_node(name)
        start = time.monotonic()
        sandbox.sh("sb_agent_start " + name)
        # It says HELLO first, which we have to answer.
        self.controller.wait_node(name, TIMEOUT)
        sandbox.agent(name, "wait-idle")
        seconds = time.monotonic() - start
        return seconds, int(sandbox.agent(
            name, "coverage/read-counter openflow_flow_mod"))

    def close(self):
        self.sandbox.sh("sb_vm_gone vm-{0}; sb_host_gone {0}"
                        .format(self.name))
        self.controller.close()


def add_flows(sandbox, name, flows):
    """Seconds that ovs-ofctl needs for the file 'flows', on a fresh host."""
    sandbox.sh("""set -e
        sb_host {0} 172.31.0.2/16 02:ac:1f:00:00:02
        sb_bridge {0}""".format(name))
    seconds = float(sandbox.sh(
        f"TIMEFORMAT=%3R; {{ time sb_in {name} "
        f"ovs-ofctl -O OpenFlow15 --bundle add-flows br-int {flows} "
        f"2>/dev/null; }} 2>&1"))
    sandbox.sh("sb_host_gone " + name)
    return seconds


def measure(sandbox, schema, n, repeat):
    """Results for 'n' neighbours, as a dict."""
    goal = Goal(schema, n)
    flows_file = os.path.join(sandbox.dir, "flows")
    published, added = [], []
    for i in range(repeat):
        host = Host(sandbox, "h%d" % i, schema)
        host.publish([goal.base])
        n_base, flood_base = host.dump(flows_file)
        published.append(host.publish(goal.messages))
        n_flows, flood = host.dump(flows_file)
        if i == repeat - 1:
            single = sorted(
                host.publish([goal.message([j])])
                for j in range(n, n + SINGLE_UPDATES))
            memory = sandbox.memory(host.name, "alcor-agent")
            restart_seconds, restart_mods = host.restart()
            restart_memory = sandbox.memory(host.name, "alcor-agent")
        host.close()
        added.append(add_flows(sandbox, "o%d" % i, flows_file))
        say("%d neighbours, %d of %d: published %.3f s, add-flows %.3f s"
            " (%d flows)" % (n, i + 1, repeat, published[-1], added[-1],
                             n_flows))
    return {
        "published": statistics.median(published),
        "added": statistics.median(added),
        "flows": n_flows,
        "base": n_base,
        "flood": flood - flood_base,
        "per_neighbour": (n_flows - n_base - flood + flood_base) / n,
        "p50": statistics.median(single) * 1000,
        "p99": single[len(single) * 99 // 100] * 1000,
        "memory": memory,
        "restart": restart_seconds,
        "restart_mods": restart_mods,
        "restart_memory": restart_memory,
    }


def report(results):
    print("\n%d processors, load average now %.1f: medians of several runs,"
          " ratios within one run"
          % (os.cpu_count(), os.getloadavg()[0]))
    print("\n%-10s %8s %10s %10s %7s %8s %8s %9s %9s %6s %12s"
          % ("neighbours", "flows", "published", "add-flows", "ratio",
             "1 more", "1 more", "restart", "flow-mods", "RSS", "RSS restart"))
    print("%-10s %8s %10s %10s %7s %8s %8s %9s %9s %6s %12s"
          % ("", "", "s", "s", "", "p50 ms", "p99 ms", "s", "", "MiB",
             "MiB"))
    for n, r in results.items():
        print("%-10d %8d %10.3f %10.3f %7.2f %8.2f %8.2f %9.3f %9d %6.0f"
              " %12.0f"
              % (n, r["flows"], r["published"], r["added"],
                 r["published"] / r["added"], r["p50"], r["p99"],
                 r["restart"], r["restart_mods"], r["memory"][0],
                 r["restart_memory"][0]))
    print()
    for n, r in results.items():
        ratio = 2 if n < 100000 else 1.25
        target("%d neighbours: published to acknowledged, times add-flows"
               % n, r["published"] / r["added"], ratio, "%.2f")
        target("%d neighbours: flows a neighbour (beside the %d of a host with"
               " none and %d for broadcasts)" % (n, r["base"], r["flood"]),
               r["per_neighbour"], 2, "%.4f")
        target("%d neighbours: one more, p50 ms" % n, r["p50"], 1, "%.2f")
        target("%d neighbours: one more, p99 ms" % n, r["p99"], 5, "%.2f")
        target("%d neighbours: restart, seconds to idle" % n, r["restart"],
               1, "%.2f")
        target("%d neighbours: restart, flow-mods" % n, r["restart_mods"], 0,
               "%d")


def target(what, value, limit, form):
    print("%-4s  %s: %s (target: at most %s)"
          % ("OK" if value <= limit else "MISS", what, form % value,
             "%g" % limit))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--counts", default="10000,100000")
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    schema = alcor_schema.load()
    sandbox = Sandbox()
    # As first process of its own namespace it would else not hear of it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    gc.disable()
    try:
        results = {int(n): measure(sandbox, schema, int(n), args.repeat)
                   for n in args.counts.split(",")}
    finally:
        sandbox.close()
    report(results)


if __name__ == "__main__":
    main()
