#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Benchmark: one publisher, many agents.  Started by tests/perf/run.

Starts as many agents without a data plane (--dummy-dataplane), each with its
own ovsdb-server, and measures the time from publishing one message on topic
"all" until the last of them has acknowledged it; and what an agent takes.

With --relay, an alcor-relay publishes: the time is from one neighbour, sent to
the relay, to its answer for all agents, each of which has a port in the VPC;
and then all of them ask for a snapshot at once.
"""

import argparse
import concurrent.futures
import hashlib
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import alcor_controller
import alcor_goal
import alcor_relay
import alcor_schema
import relay as bench_relay

PUBLISH, CONTROL = "tcp://127.0.0.1:9710", "tcp://127.0.0.1:9711"
TIMEOUT = 600
PATIENCE = 20
STARTING = 4                    # Agents that start at a time.
TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
DAEMON = ("--detach", "--no-chdir", "--pidfile", "-vconsole:off")


def say(text):
    print("    " + text, file=sys.stderr, flush=True)


class Database:
    """A configured database of Open vSwitch, in the format of ovsdb-server's
    files, to make those of all nodes from."""

    def __init__(self, directory):
        path = os.path.join(directory, "template")
        subprocess.run(["ovsdb-tool", "create", path, os.path.join(
            os.environ["OVSDIR"], "vswitchd", "vswitch.ovsschema")],
            check=True)
        subprocess.run(["ovsdb-tool", "transact", path, """["Open_vSwitch",
            {"op": "insert", "table": "Open_vSwitch", "row": {
             "external_ids": ["map", [["system-id", "NODE"],
                ["alcor-host-ip", "ADDRESS"], ["alcor-remote", "%s"],
                ["alcor-control", "%s"]]]}}]""" % (PUBLISH, CONTROL)],
                       check=True, stdout=subprocess.DEVNULL)
        with open(path) as f:
            self.records = f.read().splitlines()[1::2]

    def write(self, path, node, address):
        with open(path, "w") as f:
            for record in self.records:
                text = record.replace("NODE", node).replace(
                    "ADDRESS", address) + "\n"
                f.write("OVSDB JSON %d %s\n%s" % (
                    len(text), hashlib.sha1(text.encode()).hexdigest(), text))


class Node:
    def __init__(self, directory, number, database):
        self.name = "n%d" % number
        self.directory = os.path.join(directory, str(number))
        os.mkdir(self.directory)
        database.write(os.path.join(self.directory, "conf.db"), self.name,
                       "172.31.%d.%d" % (number // 250, number % 250 + 1))

    def start(self):
        env = dict(os.environ, OVS_RUNDIR=self.directory,
                   OVS_DBDIR=self.directory, OVS_LOGDIR=self.directory)
        for command in (["ovsdb-server", "conf.db",
                         "--remote=punix:%s/db.sock" % self.directory],
                        [os.environ["ALCOR_AGENT"], "--dummy-dataplane",
                         "unix:%s/db.sock" % self.directory]):
            subprocess.run(command + list(DAEMON), env=env, check=True,
                           cwd=self.directory)

    def pid(self, daemon):
        with open(os.path.join(self.directory, daemon + ".pid")) as f:
            return int(f.read())

    def stop(self):
        for daemon in ("alcor-agent", "ovsdb-server"):
            try:
                os.kill(self.pid(daemon), signal.SIGTERM)
            except (OSError, ValueError):
                pass

    def memory(self):
        """Anonymous and proportional memory of the agent in MiB."""
        fields = {}
        with open("/proc/%d/smaps_rollup" % self.pid("alcor-agent")) as f:
            for line in f.readlines()[1:]:
                key, value = line.split(":")
                fields[key] = int(value.split()[0]) / 1024
        return fields["Anonymous"], fields["Pss"]

    def cpu(self):
        """Seconds of CPU time that the agent has taken."""
        with open("/proc/%d/stat" % self.pid("alcor-agent")) as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return ((int(fields[11]) + int(fields[12]))
                / os.sysconf("SC_CLK_TCK"))


def acknowledged(controller, message, nodes):
    """Publishes; returns the seconds until all 'nodes' have said SUCCESS.  On a
    machine that is busy otherwise connections may be lost, and answers with
    them: what is not answered after a while is published again."""
    controller.replies.clear()
    started = time.monotonic()
    id = controller.publish("all", "GOAL_STATE_V2", message)
    for _ in range(TIMEOUT // PATIENCE):
        try:
            controller.wait(
                lambda: len(controller.replies) >= len(nodes) and len(
                    {r.node for r in controller.replies}) >= len(nodes),
                "%d answers" % len(nodes), PATIENCE)
            break
        except alcor_controller.WaitTimeout as e:
            say("%s: publishing it again" % e)
            controller.publish("all", "GOAL_STATE_V2", message, id)
    replies = controller.replies
    for reply in replies:
        for s in reply.message.operation_statuses:
            if s.operation_status:
                raise RuntimeError("%s: not a success: %s" % (reply.node, s))
    if len({reply.node for reply in replies}) < len(nodes):
        raise RuntimeError("not every node has answered")
    return max(reply.received for reply in replies) - started


def measure(nodes, repeat):
    started = time.monotonic()
    controller = alcor_controller.Controller(PUBLISH, CONTROL,
                                             heartbeats=False)
    with concurrent.futures.ThreadPoolExecutor(STARTING) as pool:
        starting = [pool.submit(node.start) for node in nodes]
        controller.wait(lambda: (controller.subscriptions["all"] == len(nodes)
                                 and len(controller.hellos) == len(nodes)),
                        "HELLO of all agents", TIMEOUT)
        for future in starting:
            future.result()
    say("%d agents, connected after %.1f s"
        % (len(nodes), time.monotonic() - started))

    build = alcor_goal.Builder(controller.schema)
    message = controller.schema.alcor.GoalStateV2(format_version=1)
    message.vpc_states["net"].CopyFrom(build.vpc("net", 100))
    message.subnet_states["sub"].CopyFrom(
        build.subnet("sub", "net", "10.0.0.0/8"))
    acknowledged(controller, message, nodes)

    cpu = sum(node.cpu() for node in nodes)
    seconds = []
    for i in range(repeat):
        message = neighbor(controller.schema, build, i, "net", "sub")
        seconds.append(acknowledged(controller, message, nodes))
        say("message %d of %d: acknowledged after %.3f s"
            % (i + 1, repeat, seconds[-1]))
    cpu = sum(node.cpu() for node in nodes) - cpu
    memory = [node.memory() for node in nodes]
    controller.close()
    return summary(seconds, cpu, memory)


class Through:
    """A relay, and a controller that talks to it."""

    def __init__(self, directory):
        os.mkdir(directory)
        self.relay = bench_relay.Relay(directory)
        self.relay.publish, self.relay.control = PUBLISH, CONTROL
        self.relay.start()
        self.net = alcor_relay.Net(PUBLISH, CONTROL)
        self.controller = alcor_relay.Controller(self.net)

    def command(self, *args):
        return appctl(self.relay.directory, "alcor-relay", *args)

    def publish(self, message):
        """Returns the seconds until nothing is PENDING any more."""
        started = time.monotonic()
        id = self.controller.goal(message)
        self.net.wait(lambda: self.is_done(id), "answer", TIMEOUT)
        return time.monotonic() - started

    def is_done(self, id):
        pending = set()
        for reply in self.controller.replies[id]:
            for s in reply.operation_statuses:
                if s.operation_status not in (0, 3):
                    raise RuntimeError("not a success: %s" % s)
                (pending.add if s.operation_status else pending.discard)(
                    (s.resource_type, s.resource_id))
        return self.controller.replies[id] and not pending


def appctl(directory, daemon, *args):
    with open(os.path.join(directory, daemon + ".pid")) as f:
        target = "%s/%s.%d.ctl" % (directory, daemon, int(f.read()))
    return subprocess.run(["ovs-appctl", "-t", target] + list(args),
                          check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL,
                          universal_newlines=True).stdout


def wait(what, until):
    deadline = time.monotonic() + TIMEOUT
    while not until():
        if time.monotonic() > deadline:
            raise RuntimeError("no " + what)
        time.sleep(0.2)


def neighbor(schema, build, i, vpc, subnet):
    message = schema.alcor.GoalStateV2(format_version=1)
    id = "neighbor-%d" % i
    message.neighbor_states[id].CopyFrom(build.neighbor(
        id, vpc, subnet, ["10.1.0.%d" % (i + 1)],
        "02:00:00:00:00:%02x" % (i + 1),
        ("172.31.200.1", "02:ac:1f:00:c8:01")))
    return message


def ask_all(through, nodes):
    """All nodes ask for a snapshot."""
    started = time.monotonic()
    for node in nodes:
        appctl(node.directory, "alcor-agent", "goal-state/resync")
    asked = time.monotonic() - started
    for node in nodes:
        wait("snapshot", lambda: "resync: nothing missing" in appctl(
            node.directory, "alcor-agent", "connection-status"))
    say("%d snapshots, asked for within %.1f s, all there after %.1f s; "
        "given up: %s" % (len(nodes), asked, time.monotonic() - started,
                          through.command("coverage/read-counter",
                                          "relay_snapshot_cut").strip()))


def measure_relay(nodes, repeat, directory):
    through = Through(os.path.join(directory, "relay"))
    schema = through.net.schema
    build = alcor_goal.Builder(schema)
    try:
        with concurrent.futures.ThreadPoolExecutor(STARTING) as pool:
            for future in [pool.submit(node.start) for node in nodes]:
                future.result()
        wait("HELLO of all agents", lambda: through.command(
            "node/list", "--format=csv").count(",yes,") == len(nodes))
        say("%d agents are connected" % len(nodes))
        first = schema.alcor.GoalStateV2(format_version=1)
        first.vpc_states["v"].CopyFrom(build.vpc("v", 100))
        first.subnet_states["s"].CopyFrom(
            build.subnet("s", "v", "10.0.0.0/8"))
        through.publish(first)
        say("a port each: all acknowledged after %.1f s" % through.publish(
            bench_relay.ports(through.net, len(nodes), "172.31.%d.%d")))
        cpu = sum(node.cpu() for node in nodes)
        seconds = []
        for i in range(repeat):
            seconds.append(through.publish(neighbor(schema, build, i, "v",
                                                    "s")))
            say("neighbour %d of %d: acknowledged after %.3f s"
                % (i + 1, repeat, seconds[-1]))
        cpu = sum(node.cpu() for node in nodes) - cpu
        ask_all(through, nodes)
        say("relay: %.1f MiB of anonymous memory" % through.relay.memory())
        memory = [node.memory() for node in nodes]
    finally:
        os.kill(through.relay.pid(), signal.SIGTERM)
    return summary(seconds, cpu, memory)


def summary(seconds, cpu, memory):
    return {
        "seconds": statistics.median(seconds),
        "slowest": max(seconds),
        "cpu": cpu / len(seconds),
        "anonymous": statistics.mean(m[0] for m in memory),
        "proportional": statistics.mean(m[1] for m in memory),
    }


def report(n, r):
    print("\n%d processors, load average now %.1f"
          % (os.cpu_count(), os.getloadavg()[0]))
    print("%-8s %14s %10s %14s %16s %12s" % (
        "agents", "acknowledged", "slowest", "CPU of agents",
        "anonymous memory", "its share"))
    print("%-8s %12s s %8s s %12s s %12s MiB %8s MiB" % (
        n, *("%.3f" % r[k] for k in ("seconds", "slowest", "cpu")),
        *("%.1f" % r[k] for k in ("anonymous", "proportional"))))
    print("\n%-4s  one message, acknowledged by %d agents: %.2f s"
          " (target: at most 1)"
          % ("OK" if r["seconds"] <= 1 else "MISS", n, r["seconds"]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--relay", action="store_true")
    args = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # As first process of its own namespace it would else not hear of it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    directory = tempfile.mkdtemp(prefix="alcor-fan-")
    nodes = []
    try:
        database = Database(directory)
        nodes += [Node(directory, i, database) for i in range(args.agents)]
        results = (measure_relay(nodes, args.repeat, directory)
                   if args.relay else measure(nodes, args.repeat))
    finally:
        for node in nodes:
            node.stop()
        shutil.rmtree(directory, ignore_errors=True)
    report(args.agents, results)


if __name__ == "__main__":
    main()
