#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Benchmark: one publisher, many agents.  Started by tests/perf/run.

Starts as many agents without a data plane (--dummy-dataplane), each with its
own ovsdb-server, and measures the time from publishing one message on topic
"all" until the last of them has acknowledged it; and what an agent takes.

With --relay, an alcor-relay publishes: the time is from one neighbour, sent to
the relay, to its answer for all agents, each of which has a port in the VPC;
and then all of them ask for a snapshot at once.

All processes are in a PID namespace of their own: they end with this one.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import resource
import shutil
import signal
import socket
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
TIMEOUT = 120                   # For any one thing.
PATIENCE = 20
STARTING = 4                    # Agents that start at a time.
TELL = 5                        # Seconds between words on progress.
IDLE = 5                        # Seconds in which nothing happens.
PAUSE = 2                       # Between messages: databases follow.
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
        """Seconds of CPU time that the agent and its database have taken."""
        seconds = 0
        for daemon in "alcor-agent", "ovsdb-server":
            with open("/proc/%d/stat" % self.pid(daemon)) as f:
                fields = f.read().rsplit(")", 1)[1].split()
            seconds += ((int(fields[11]) + int(fields[12]))
                        / os.sysconf("SC_CLK_TCK"))
        return seconds


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


def start_all(nodes, run, n_ready):
    """Starts all nodes and waits until n_ready() is as many; run() is called
    all the time."""
    started = time.monotonic()
    told = started
    with concurrent.futures.ThreadPoolExecutor(STARTING) as pool:
        starting = [pool.submit(node.start) for node in nodes]
        left, last, since = set(starting), 0, started
        while left or n_ready() < len(nodes):
            run()
            for future in [f for f in left if f.done()]:
                future.result()
                left.remove(future)
            now = time.monotonic()
            ready = n_ready()
            if ready + len(nodes) - len(left) != last:
                last, since = ready + len(nodes) - len(left), now
            if now - told >= TELL:
                told = now
                say("%d of %d agents run, %d are connected"
                    % (len(nodes) - len(left), len(nodes), ready))
            if now - since > TIMEOUT:
                for future in left:
                    future.cancel()
                raise RuntimeError("nothing moves: %d of %d agents are "
                                   "connected" % (ready, len(nodes)))
    say("%d agents, connected after %.1f s"
        % (len(nodes), time.monotonic() - started))


def pause(run):
    """Agents write what has changed to their databases, after they have
    answered: that is no part of the answer to the next message."""
    deadline = time.monotonic() + PAUSE
    while time.monotonic() < deadline:
        run()


def idle_cpu(nodes, run):
    """CPU seconds in a second in which there is nothing to do."""
    for _ in range(2):                  # What is left to do is done first.
        cpu, started = sum(node.cpu() for node in nodes), time.monotonic()
        while time.monotonic() < started + IDLE:
            run()
    return (sum(node.cpu() for node in nodes) - cpu) / IDLE


def measure(nodes, repeat):
    controller = alcor_controller.Controller(PUBLISH, CONTROL,
                                             heartbeats=False)
    start_all(nodes, lambda: controller.run(0.1), lambda: min(
        controller.subscriptions["all"], len(controller.hellos)))
    build = alcor_goal.Builder(controller.schema)
    message = controller.schema.alcor.GoalStateV2(format_version=1)
    message.vpc_states["net"].CopyFrom(build.vpc("net", 100))
    message.subnet_states["sub"].CopyFrom(
        build.subnet("sub", "net", "10.0.0.0/8"))
    acknowledged(controller, message, nodes)

    idle = idle_cpu(nodes, lambda: controller.run(0.1))
    cpu = sum(node.cpu() for node in nodes)
    seconds = []
    for i in range(repeat):
        message = neighbor(controller.schema, build, i, "net", "sub")
        pause(lambda: controller.run(0.1))
        seconds.append(acknowledged(controller, message, nodes))
        say("message %d of %d: acknowledged after %.3f s"
            % (i + 1, repeat, seconds[-1]))
    cpu = sum(node.cpu() for node in nodes) - cpu
    memory = [node.memory() for node in nodes]
    controller.close()
    return summary(seconds, cpu, memory, idle)


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
    """What ovs-appctl does, without a process for it."""
    with open(os.path.join(directory, daemon + ".pid")) as f:
        path = "%s/%s.%d.ctl" % (directory, daemon, int(f.read()))
    text = ""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(TIMEOUT)
        s.connect(path)
        s.sendall(json.dumps({"id": 0, "method": args[0],
                              "params": args[1:]}).encode())
        while True:
            data = s.recv(65536)
            text += data.decode()
            try:
                reply = json.loads(text)
                break
            except ValueError:
                if not data:
                    raise
    if reply["error"]:
        raise RuntimeError("%s: %s" % (args[0], reply["error"]))
    return reply["result"]


def neighbor(schema, build, i, vpc, subnet):
    message = schema.alcor.GoalStateV2(format_version=1)
    id = "neighbor-%d" % i
    message.neighbor_states[id].CopyFrom(build.neighbor(
        id, vpc, subnet, ["10.1.0.%d" % (i + 1)],
        "02:00:00:00:00:%02x" % (i + 1),
        ("172.31.200.1", "02:ac:1f:00:c8:01")))
    return message


def n_snapshots(node):
    return int(appctl(node.directory, "alcor-agent", "coverage/read-counter",
                      "resync_applied"))


def ask_all(through, nodes):
    """All nodes ask for a snapshot.  Returns the seconds until all have it,
    and how many were given up."""
    before = [n_snapshots(node) for node in nodes]
    started = told = time.monotonic()
    for node in nodes:
        appctl(node.directory, "alcor-agent", "goal-state/resync")
    asked = time.monotonic() - started
    left = list(zip(nodes, before))
    while left:
        left = [(node, n) for node, n in left if n_snapshots(node) <= n]
        now = time.monotonic()
        if now - told >= TELL:
            told = now
            say("%d snapshots are missing" % len(left))
        if now - started > TIMEOUT:
            raise RuntimeError("%d snapshots are missing" % len(left))
    seconds = time.monotonic() - started
    say("%d snapshots, asked for within %.1f s, all there after %.1f s"
        % (len(nodes), asked, seconds))
    return seconds, int(through.command("coverage/read-counter",
                                        "relay_snapshot_cut"))


def n_connected(through):
    return through.command("node/list", "--format=csv").count(",yes,")


def measure_relay(nodes, repeat, directory):
    through = Through(os.path.join(directory, "relay"))
    schema = through.net.schema
    build = alcor_goal.Builder(schema)
    try:
        start_all(nodes, lambda: through.net.run(0.1),
                  lambda: n_connected(through))
        first = schema.alcor.GoalStateV2(format_version=1)
        first.vpc_states["v"].CopyFrom(build.vpc("v", 100))
        first.subnet_states["s"].CopyFrom(
            build.subnet("s", "v", "10.0.0.0/8"))
        through.publish(first)
        say("a port each: all acknowledged after %.1f s" % through.publish(
            bench_relay.ports(through.net, len(nodes), "172.31.%d.%d")))
        idle = idle_cpu(nodes, lambda: through.net.run(0.1))
        cpu = sum(node.cpu() for node in nodes)
        seconds = []
        for i in range(repeat):
            pause(lambda: through.net.run(0.1))
            seconds.append(through.publish(neighbor(schema, build, i, "v",
                                                    "s")))
            say("neighbour %d of %d: acknowledged after %.3f s"
                % (i + 1, repeat, seconds[-1]))
        cpu = sum(node.cpu() for node in nodes) - cpu
        snapshots, cut = ask_all(through, nodes)
        relay_memory = through.relay.memory()
        memory = [node.memory() for node in nodes]
    finally:
        os.kill(through.relay.pid(), signal.SIGTERM)
    return dict(summary(seconds, cpu, memory, idle), snapshots=snapshots,
                cut=cut, relay=relay_memory)


def summary(seconds, cpu, memory, idle):
    return {
        "seconds": statistics.median(seconds),
        "slowest": max(seconds),
        "cpu": cpu / len(seconds),
        "idle": idle,
        "anonymous": statistics.mean(m[0] for m in memory),
        "proportional": statistics.mean(m[1] for m in memory),
    }


def report(n, r):
    rows = [
        ("one message, acknowledged by all", r["seconds"], "s", "<= 1",
         r["seconds"] <= 1),
        ("... the slowest", r["slowest"], "s", "stated", True),
        ("... CPU of agents, databases", r["cpu"], "s", "stated", True),
        ("CPU while idle, all of them", r["idle"], "s/s", "stated", True),
        ("anonymous memory of an agent", r["anonymous"], "MiB", "stated",
         True),
        ("its share of all memory", r["proportional"], "MiB", "stated", True),
    ]
    if "relay" in r:
        rows += [
            ("a snapshot for each at once", r["snapshots"], "s", "stated",
             True),
            ("... given up", r["cut"], "", "0", r["cut"] == 0),
            ("anonymous memory of the relay", r["relay"], "MiB", "stated",
             True),
        ]
    print("\n%d agents, %d processors, load average now %.1f"
          % (n, os.cpu_count(), os.getloadavg()[0]))
    for what, value, unit, target, ok in rows:
        print("%-4s %-33s %8.2f %-4s (target: %s)" % (
            "OK" if ok else "MISS", what, value, unit, target))


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
