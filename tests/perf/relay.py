#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Benchmark of alcor-relay.  Started by tests/perf/run.

Ingests endpoints over many hosts, asks for destinations, kills the relay with
-9 and starts it again; and gives one neighbour to many agents, which are all
played by this process.
"""

import argparse
import contextlib
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import zmq

import alcor_relay


def say(text):
    print("    " + text, file=sys.stderr, flush=True)


class Relay:
    def __init__(self, directory):
        self.env = dict(os.environ, OVS_RUNDIR=directory,
                        OVS_LOGDIR=directory, OVS_DBDIR=directory)
        self.directory = directory
        self.publish = "ipc://%s/pub" % directory
        self.control = "ipc://%s/ctl" % directory

    def start(self, *options):
        subprocess.run([os.path.join(os.environ["ALCOR_BUILD_DIR"], "plugin",
                                     "alcor-relay"),
                        "--publish=" + self.publish,
                        "--control=" + self.control, "--on-demand-rate=1000000",
                        "--detach", "--no-chdir", "--pidfile", "--log-file",
                        "-vconsole:off", *options], env=self.env, check=True)

    def pid(self):
        with open(os.path.join(self.directory, "alcor-relay.pid")) as f:
            return int(f.read())

    def kill(self):
        pid = self.pid()
        os.kill(pid, signal.SIGKILL)
        while running(pid):
            time.sleep(0.01)

    def cpu(self):
        """Seconds of CPU time."""
        with open("/proc/%d/stat" % self.pid()) as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return ((int(fields[11]) + int(fields[12]))
                / os.sysconf("SC_CLK_TCK"))

    def memory(self):
        with open("/proc/%d/smaps_rollup" % self.pid()) as f:
            for line in f:
                if line.startswith("Anonymous:"):
                    return int(line.split()[1]) / 1024


def running(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def address(number):
    return "10.%d.%d.%d" % (number >> 16 & 255, number >> 8 & 255,
                            number & 255)


def host_ip(number):
    return "172.16.%d.%d" % (number // 250, number % 250 + 1)


def messages(net, endpoints, hosts, chunk):
    """Goal state of 'endpoints' in VPCs of 1000 hosts at most, in messages of
    'chunk' endpoints."""
    pb = net.schema.alcor
    first = pb.GoalStateV2(format_version=1)
    first.vpc_states["v"].CopyFrom(net.build.vpc("v", 100))
    first.subnet_states["s"].CopyFrom(
        net.build.subnet("s", "v", "10.0.0.0/8"))
    yield 0, first.SerializeToString()
    for start in range(0, endpoints, chunk):
        message = pb.GoalStateV2(format_version=1)
        for i in range(start, min(start + chunk, endpoints)):
            host = i % hosts
            mac = "02:00:00:%02x:%02x:%02x" % (i >> 16, i >> 8 & 255, i & 255)
            id = "endpoint-%d" % i
            where = host_ip(host), "02:ac:00:00:%02x:%02x" % (host >> 8,
                                                              host & 255)
            message.neighbor_states[id].CopyFrom(net.build.neighbor(
                id, "v", "s", [address(i + 16)], mac, where))
        yield len(message.neighbor_states), message.SerializeToString()


def ports(net, hosts, where="172.16.%d.%d"):
    """One port for each host, so that each is in the VPC."""
    pb = net.schema.alcor
    message = pb.GoalStateV2(format_version=1)
    for i in range(hosts):
        id, ip = "port-%d" % i, where % (i // 250, i % 250 + 1)
        message.port_states[id].CopyFrom(net.build.port(
            id, "v", "s", ["10.255.%d.%d" % (i >> 8, i & 255)],
            "02:00:01:00:%02x:%02x" % (i >> 8, i & 255), (ip, "")))
        message.host_resources[ip].resources.add(type="PORT", id=id)
    return message


def measure(relay, net, args):
    result = {}
    controller = alcor_relay.Controller(net)
    encoded = list(messages(net, args.endpoints, args.hosts, 5000))
    say("%d messages made" % len(encoded))
    controller.wait_reply(controller.goal(encoded[0][1]))
    controller.wait_reply(controller.goal(ports(net, args.hosts)),
                          timeout=60)

    started = time.monotonic()
    cpu = relay.cpu()
    ids = [controller.goal(payload) for _, payload in encoded[1:]]
    for id in ids:
        net.wait(lambda: controller.replies[id], "reply", 300)
    seconds = time.monotonic() - started
    bad = [s for id in ids for s in controller.replies[id][0]
           .operation_statuses if s.operation_status not in (0, 3)]
    if bad:
        raise RuntimeError("not stored: %s" % bad[0])
    result["ingest"] = args.endpoints / seconds
    result["per_cpu"] = args.endpoints / (relay.cpu() - cpu)
    result["memory"] = relay.memory()
    say("%d endpoints in %.1f s" % (args.endpoints, seconds))

    asker = alcor_relay.Agent(net, "n0", host_ip(0))
    asker.number = lambda *_: True      # Asks for nothing else.
    net.wait(lambda: hasattr(asker, "greeted"), "HELLO_REPLY")
    times = []
    for i in range(args.requests):
        started = time.monotonic()
        id = asker.on_demand(100, "10.255.0.0",
                             address(16 + i * 7919 % args.endpoints))
        net.wait(lambda: id in asker.host_replies, "answer")
        times.append(time.monotonic() - started)
        if asker.host_replies[id] != "SUCCESS":
            raise RuntimeError("not found")
    result["p50"] = statistics.median(times) * 1000
    result["p99"] = sorted(times)[len(times) * 99 // 100] * 1000

    relay.kill()
    started = time.monotonic()
    relay.start()
    del asker.greeted
    asker.hello()
    net.wait(lambda: hasattr(asker, "greeted"), "HELLO_REPLY", 60)
    result["restart"] = time.monotonic() - started
    id = asker.on_demand(100, "10.255.0.0", address(15 + args.endpoints))
    net.wait(lambda: id in asker.host_replies, "answer")
    result["kept"] = asker.host_replies[id] == "SUCCESS"
    return result


def fan_out(_, net, args):
    """Seconds until one neighbour is acknowledged by all agents, and until all
    have got a snapshot."""
    net.context.set(zmq.MAX_SOCKETS, 4 * args.agents)
    controller = alcor_relay.Controller(net)
    agents = []
    for i in range(args.agents):
        agent = alcor_relay.Agent(net, "n%d" % i, host_ip(i), start=False)
        agent.topics.add("vpc/v")
        agent.start()
        agents.append(agent)
    net.wait(lambda: all(hasattr(a, "greeted") for a in agents),
             "HELLO_REPLY", 120)
    deadline = time.monotonic() + 2     # Subscriptions arrive.
    while time.monotonic() < deadline:
        net.run(0.05)
    controller.wait_reply(controller.goal(next(messages(net, 0, 1, 1))[1]))
    controller.wait_reply(controller.goal(ports(net, args.agents)),
                          timeout=120)
    say("%d agents, each with a port" % args.agents)

    seconds = []
    for i in range(args.repeat):
        message = net.schema.alcor.GoalStateV2(format_version=1)
        id = "neighbor-%d" % i
        message.neighbor_states[id].CopyFrom(net.build.neighbor(
            id, "v", "s", ["10.200.0.%d" % (i + 1)],
            "02:00:00:00:00:%02x" % (i + 1),
            ("172.31.9.9", "02:ac:00:00:00:09")))
        started = time.monotonic()
        controller.wait_reply(controller.goal(message), timeout=60)
        seconds.append(time.monotonic() - started)

    started = time.monotonic()
    before = [agent.n_snapshots for agent in agents]
    for agent in agents:
        agent.ask()
    net.wait(lambda: all(a.n_snapshots > n for a, n in zip(agents, before)),
             "snapshots", 120)
    return statistics.median(seconds), time.monotonic() - started


def topics(_, net, args):
    """Seconds from one message that concerns a host by as many topics, until
    it is acknowledged, and how many messages were lost."""
    controller = alcor_relay.Controller(net)
    agent = alcor_relay.agent_with_topics(
        net, controller, "n0", host_ip(0),
        ["vpc/v%d" % i for i in range(args.topics)])
    for state in alcor_relay.vpcs_of_host(net, agent.ip, args.topics):
        controller.wait_reply(controller.goal(state), timeout=60)
    message = alcor_relay.neighbor_in_each(net, args.topics)
    started = time.monotonic()
    lines = controller.wait_reply(controller.goal(message), timeout=120)
    seconds = time.monotonic() - started
    bad = [line for line in lines if not line.endswith(" SUCCESS")]
    if bad:
        raise RuntimeError("not a success: %s" % bad[0])
    lost = args.topics - len([topic for topic in agent.positions
                              if topic.startswith("vpc/")])
    return seconds, lost + agent.gaps


def in_new_relay(function, args, *options):
    directory = tempfile.mkdtemp(prefix="alcor-relay-")
    relay = Relay(directory)
    try:
        relay.start(*options)
        with contextlib.closing(alcor_relay.Net(relay.publish,
                                                relay.control)) as net:
            return function(relay, net, args)
    finally:
        os.kill(relay.pid(), signal.SIGTERM)
        shutil.rmtree(directory, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--endpoints", type=int, default=1000000)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--topics", type=int, default=40000)
    args = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    r = in_new_relay(measure, args)
    r["fan-out"], r["snapshots"] = in_new_relay(fan_out, args)
    r["topics"], r["lost"] = in_new_relay(topics, args, "--unicast-hosts=0")
    print("\n%d processors, load average now %.1f"
          % (os.cpu_count(), os.getloadavg()[0]))
    for what, value, unit, target, ok in (
            ("endpoints ingested", r["ingest"], "/s", ">= 50000",
             r["ingest"] >= 50000),
            ("... per CPU second", r["per_cpu"], "/s", "stated", True),
            ("anonymous memory", r["memory"], "MiB", "stated", True),
            ("destination, median", r["p50"], "ms", "<= 1", r["p50"] <= 1),
            ("destination, 99 %", r["p99"], "ms", "stated", True),
            ("ready after kill -9", r["restart"], "s", "<= 2",
             r["restart"] <= 2),
            ("nothing is lost", r["kept"], "", "yes", r["kept"]),
            ("one neighbour, all agents", r["fan-out"], "s", "<= 1",
             r["fan-out"] <= 1),
            ("a snapshot for each", r["snapshots"], "s", "stated", True),
            ("%d topics, a message each" % args.topics, r["topics"], "s",
             "stated", True),
            ("... lost", r["lost"], "", "0", r["lost"] == 0)):
        print("%-4s %-32s %12s %-4s (target: %s)" % (
            "OK" if ok else "MISS", what,
            value if isinstance(value, bool) else "%.2f" % value, unit,
            target))


if __name__ == "__main__":
    main()
