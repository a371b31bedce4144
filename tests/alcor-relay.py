# SPDX-License-Identifier: Apache-2.0
"""Scenarios for alcor-relay, with a controller and agents of our own
(alcor_relay.py).  What is printed is what the test compares.

usage: alcor-relay.py PUBLISH CONTROL SCENARIO [ARG...]
"""

import os
import signal
import subprocess
import sys
import time

import zmq.auth.thread

import alcor_controller
import alcor_process
import alcor_relay
import relay_keys  # noqa: F401 (its scenarios are found by name)
import relay_slow  # noqa: F401
from relay_scenarios import (HOSTS, NETWORK, SCENARIOS, agents, joined_agents,
                             read_key, received, relay, scenario, send, settle,
                             show, warp)

@scenario
def first(net):
    """Who gets what, by which topic."""
    controller = alcor_relay.Controller(net)
    a, b, c = joined_agents(net)
    send(net, controller, NETWORK)
    for agent in a, b, c:
        show(agent.name, received(agent))
        show(agent.name + " has", agent.list())


@scenario
def refusals(net):
    """What is not taken, and how that is said."""
    controller = alcor_relay.Controller(net)
    pb = net.schema.alcor
    id = controller.goal(pb.GoalStateV2())
    show("empty", controller.wait_reply(id))
    id = controller.send("GOAL_STATE", pb.GoalState())
    show("version 1", controller.wait_reply(id))
    id = controller.goal(b"\xff\xff\xff")
    show("not protobuf", controller.wait_reply(id))
    id = controller.goal(pb.GoalStateV2(), transaction_id="t")
    show("transaction", controller.wait_reply(id))
    id = controller.send("TXN_PREPARE", pb.GoalStateV2())
    show("unknown kind", controller.wait_reply(id))
    bad = pb.GoalStateV2()
    bad.host_resources["nowhere"].resources.add(type="VPC", id="v")
    id = controller.goal(bad)
    show("no address", controller.wait_reply(id))
    id = controller.goal(net.network(HOSTS + "vpc v vni=16777216\n"
                                     "vpc w vni=7\n"))
    show("one bad resource", controller.wait_reply(id))


def restart(net, kill=False):
    """Ends the relay, by command or kill -9, and starts it again."""
    pid = relay_pid()
    if kill:
        os.kill(pid, signal.SIGKILL)
    else:
        relay("exit")
    while alcor_process.is_alive(pid):
        net.run(0.01)
    start_relay()


@scenario
def away(net):
    """A host that comes later: PENDING, then a second reply."""
    controller = alcor_relay.Controller(net)
    a, b = agents(net, 2)
    id = send(net, controller, NETWORK)
    c, = agents(net, 1, first=3)
    c.join("vpc/v")
    c.ask()
    show("second reply", controller.wait_reply(id, 2))
    show("h3 has", c.list())
    print(relay("ack/list", "--format=csv"), end="")


def retries():
    return relay("coverage/read-counter", "relay_ack_retry")


@scenario
def retry(net):
    """A host that loses a message, and notices nothing itself."""
    controller = alcor_relay.Controller(net)
    a, b = agents(net, 2)
    b.deaf = True
    b.counts = False
    relay("time/stop")
    id = controller.goal(net.network(HOSTS + """
vpc v vni=100
subnet s vpc=v cidr=10.0.0.0/24
port p1 subnet=s ip=10.0.0.11 mac=02:00:00:00:00:11 host=h1
port p2 subnet=s ip=10.0.0.12 mac=02:00:00:00:00:12 host=h2
"""))
    net.wait(lambda: "GOAL_STATE_V2" in b.missed, "message to h2")
    net.wait(lambda: relay("ack/list", "--format=csv").strip()
             .endswith(",h2 waiting"), "answer of h1")
    b.deaf = False
    warp(net, 4900)
    net.wait(lambda: (None, "HEARTBEAT") in b.log, "probe")
    print("retries: " + retries(), end="")
    warp(net, 200)
    show("reply", controller.wait_reply(id))
    show("h2 has", b.list())
    print("retries: " + retries(), end="")


@scenario
def gap(net):
    """A message lost on the way is noticed by its number, and repaired."""
    controller = alcor_relay.Controller(net)
    a, b, c = joined_agents(net)
    send(net, controller, NETWORK)
    c.deaf = True
    id = controller.goal(net.network(HOSTS + "host h9 ip=172.31.0.9\n"
        "neighbor n1 subnet=s vpc=v ip=10.0.0.21 mac=02:00:00:00:00:21 "
        "host=h9 to=h1,h2,h3\n"))
    net.wait(lambda: "GOAL_STATE_V2" in c.missed, "message to h3")
    c.deaf = False
    net.wait(lambda: a.has("NEIGHBOR", "n1") and b.has("NEIGHBOR", "n1"),
             "n1")
    show("reply", controller.wait_reply(id))
    # It was said before the end of the snapshot.
    net.wait(lambda: c.n_snapshots, "snapshot")
    show("h3", ["gaps: %d" % c.gaps, "snapshots: %d" % c.n_snapshots,
                "n1: %s" % c.has("NEIGHBOR", "n1")])


@scenario
def limits(net):
    """More answers than are remembered."""
    controller = alcor_relay.Controller(net)
    for i in range(20):
        controller.wait_reply(controller.goal(net.network(
            "vpc v%d vni=%d cidr=10.0.0.0/16\n" % (i, i + 1))))


def leave(net, agent):
    """The agent is gone, and the relay knows."""
    agent.close()
    del agent.greeted
    agent.log.clear()
    agent.messages.clear()


def come_back(net, agent):
    agent.start()
    net.wait(lambda: hasattr(agent, "greeted"), "HELLO_REPLY")
    show("%s is told" % agent.name, ["%s to %d" % item for item in sorted(
        agent.greeted.positions.items())])


@scenario
def replay(net):
    """A host that was away is told what it has missed, and no more."""
    controller = alcor_relay.Controller(net)
    a, b, c = joined_agents(net)
    send(net, controller, NETWORK)
    text = HOSTS + """host h9 ip=172.31.0.9
neighbor n1 subnet=s vpc=v ip=10.0.0.21 mac=02:00:00:00:00:21 host=h9
port p4 subnet=s vpc=v ip=10.0.0.14 mac=02:00:00:00:00:14 host=h3
"""
    leave(net, c)
    id = send(net, controller, text, "while it is away")
    send(net, controller, HOSTS + "neighbor p1 subnet=s vpc=v ip=10.0.0.11 "
         "mac=02:00:00:00:00:11 host=h1 op=DELETE\n", "later")
    come_back(net, c)
    net.wait(lambda: c.replayed == 3, "3 messages")
    show("healed", controller.wait_healed(id, 2))
    show("h3 has", c.list())
    print("as published: %s" % [
        (kind, envelope.sequence) for topic, kind, envelope in c.messages
        if not topic and kind.startswith("GOAL")])

    # Nothing missed.
    leave(net, c)
    come_back(net, c)
    settle(net)
    print("replayed: %d, gaps: %d, snapshots: %d"
          % (c.replayed, c.gaps, c.n_snapshots))

    # What was published before a restart of the relay is no longer known.
    leave(net, c)
    send(net, controller, HOSTS + "host h9 ip=172.31.0.9\n"
         "neighbor n2 subnet=s vpc=v ip=10.0.0.22 mac=02:00:00:00:00:22 "
         "host=h9\n", "before a restart")
    restart(net)
    back(net, a, b)
    come_back(net, c)
    net.wait(lambda: c.n_snapshots == 1, "snapshot")
    print("replayed: %d, n2: %s" % (c.replayed, c.has("NEIGHBOR", "n2")))


@scenario
def restarts(net):
    """A clean exit goes unnoticed; after kill -9 hosts ask again.  Nothing
    that was acknowledged is lost."""
    controller = alcor_relay.Controller(net)
    a, b, c = joined_agents(net)
    send(net, controller, NETWORK)
    before = a.epoch

    restart(net)
    back(net, a, b, c)
    send(net, controller, HOSTS + "vm p4 subnet=s vpc=v ip=10.0.0.14 "
         "mac=02:00:00:00:00:14 host=h1\n", "after exit")
    print("epoch is the same: %s, gaps: %d, snapshots: %d"
          % (a.epoch == before, a.gaps, a.n_snapshots))

    restart(net, kill=True)
    back(net, a, b, c)
    send(net, controller, HOSTS + "vm p5 subnet=s vpc=v ip=10.0.0.15 "
         "mac=02:00:00:00:00:15 host=h2\n", "after kill -9")
    for agent in a, b, c:
        net.wait(lambda: agent.n_snapshots, "snapshot")
    print("epoch is the same: %s" % (a.epoch == before))
    for agent in a, b, c:
        show(agent.name + " has", agent.list())


def back(net, *agents):
    """Says HELLO again, as agents do when the connection is back."""
    for agent in agents:
        del agent.greeted
        agent.hello()
    for agent in agents:
        net.wait(lambda: hasattr(agent, "greeted"), "HELLO_REPLY")
    settle(net)


@scenario
def order(net):
    """Revisions, repeated messages, deletions."""
    controller = alcor_relay.Controller(net)
    a, b, c = joined_agents(net)
    send(net, controller, NETWORK)
    neighbor = "neighbor p1 subnet=s vpc=v ip=10.0.0.11 " \
        "mac=02:00:00:00:00:99 host=h1 to=h2,h3 revision=%s %s\n"
    send(net, controller, HOSTS + neighbor % (5, ""), "newer")
    send(net, controller, HOSTS + neighbor % (4, ""), "older")
    send(net, controller, HOSTS + neighbor % (4, "op=DELETE"), "older delete")
    id = send(net, controller, HOSTS + neighbor % (6, "op=DELETE"), "delete")
    controller.goal(net.network(HOSTS + neighbor % (6, "op=DELETE")),
                    message_id=id)
    show("repeated", controller.wait_reply(id, 2))
    show("h2 has", b.list())
    print("received: %d" % b.received_by["vpc/v NEIGHBOR"])
    send(net, controller, HOSTS + "port p2 subnet=s vpc=v ip=10.0.0.12 "
         "mac=02:00:00:00:00:12 host=h3\n", "moved")
    show("h2 has", b.list())
    show("h3 has", c.list())


@scenario
def statuses(net):
    """The worst of all hosts counts; what is PENDING heals."""
    controller = alcor_relay.Controller(net)
    a, b, c = joined_agents(net)
    b.answer = lambda type, id: "FAILURE" if id == "p3" else "SUCCESS"
    c.answer = lambda type, id: "PENDING" if id == "p1" else "SUCCESS"
    id = send(net, controller, NETWORK)
    print("ack/list: " + relay("ack/list", "--format=csv")
          .strip().split(",")[-1])
    print("ack/show:\n" + relay("ack/show", id), end="")
    for (topic, kind, envelope) in c.messages:
        if topic == "vpc/v":
            c.reply(envelope.message_id, [("NEIGHBOR", "p1", "SUCCESS")])
    show("second reply", controller.wait_reply(id, 2))
    print("ack/show:\n" + relay("ack/show", id), end="")
    print("left: %d" % (len(relay("ack/list", "--format=csv").split()) - 1))


@scenario
def on_demand(net):
    """Destinations: the neighbour comes before the answer."""
    controller = alcor_relay.Controller(net)
    pb = net.schema.alcor
    a, b, c = agents(net)
    state = net.network(HOSTS + """
vpc v vni=100
subnet s vpc=v cidr=10.0.0.0/24
subnet t vpc=v cidr=10.0.1.0/24
subnet u vpc=v cidr=10.0.2.0/24
port p1 subnet=s ip=10.0.0.11 mac=02:00:00:00:00:11 host=h1
port p2 subnet=s ip=10.0.0.12 mac=02:00:00:00:00:12 host=h2
port p3 subnet=t ip=10.0.1.13 mac=02:00:00:00:00:13 host=h3
port p4 subnet=u ip=10.0.2.14 mac=02:00:00:00:00:14 host=h3
""")
    for port, group in ("p1", "web"), ("p2", "db"):
        state.port_states[port].configuration.security_group_ids.add(id=group)
    for group, rules in (
            ("web", [dict(direction="EGRESS", protocol=255)]),
            ("db", [dict(direction="INGRESS", protocol="TCP",
                         port_range_min=5432, port_range_max=5432,
                         remote_group_id="web")])):
        sg = state.security_group_states[group].configuration
        sg.id, sg.vpc_id = group, "v"
        for i, rule in enumerate(rules):
            protocol = rule.pop("protocol")
            r = sg.security_group_rules.add(id="%s%d" % (group, i), **rule)
            r.protocol = protocol if isinstance(protocol, int) \
                else pb.Protocol.Value(protocol)
    router = state.router_states["r"].configuration
    router.id = "r"
    for subnet in "s", "t":
        router.subnet_routing_tables.add(subnet_id=subnet)
    id = controller.goal(state)
    show("reply", controller.wait_reply(id))

    for source, destination, port in (
            ("10.0.0.11", "10.0.0.12", 5432), ("10.0.0.11", "10.0.0.12", 80),
            ("10.0.0.12", "10.0.0.11", 80), ("10.0.0.11", "10.0.1.13", 80),
            ("10.0.0.11", "10.0.2.14", 80), ("10.0.0.11", "10.0.0.99", 80)):
        before = len(a.log)
        id = a.on_demand(100, source, destination, port)
        net.wait(lambda: id in a.host_replies, "HOST_REPLY")
        kinds = [kind for _, kind in a.log[before:] if kind != "HEARTBEAT"]
        print("%s > %s:%d %s %s" % (source, destination, port,
                                    a.host_replies[id], " ".join(kinds)))
    id = a.on_demand(7, "10.0.0.11", "10.0.0.12")
    net.wait(lambda: id in a.host_replies, "HOST_REPLY")
    print("another VNI: " + a.host_replies[id])
    show("h1 has", a.list())
    for _ in range(30):
        id = a.on_demand(100, "10.0.0.11", "10.0.1.13")
    net.wait(lambda: id in a.host_replies, "HOST_REPLY")
    print("over budget: " + a.host_replies[id])


@scenario
def remote_groups(net):
    """Neighbours carry the security groups of the ports they are."""
    controller = alcor_relay.Controller(net)
    a, b, c = joined_agents(net)
    state = net.network(NETWORK)
    state.port_states["p1"].configuration.security_group_ids.add(id="web")
    id = controller.goal(state)
    controller.wait_reply(id)

    def groups():
        return list(b.state["NEIGHBOR", "p1"].configuration
                    .security_group_ids)
    print("p1 at h2: %s" % groups())
    port = net.network(HOSTS + "port p1 subnet=s vpc=v ip=10.0.0.11 "
                       "mac=02:00:00:00:00:11 host=h1\n")
    port.port_states["p1"].configuration.security_group_ids.add(id="db")
    id = controller.goal(port)
    show("another group", controller.wait_reply(id))
    net.wait(lambda: groups() == ["db"], "group db")
    print("p1 at h2: %s" % groups())


@scenario
def publish_network(net):
    """For agents that are not ours."""
    controller = alcor_relay.Controller(net)
    started = time.monotonic()
    send(net, controller, "".join(HOSTS.splitlines(True)[:3])
         + NETWORK[len(HOSTS):])
    # Hosts that join the VPC's topic have its neighbours from a snapshot: that
    # counts, and nothing has to be repeated.
    print("in time" if time.monotonic() - started < 4 else "late")


@scenario
def publish_more(net):
    controller = alcor_relay.Controller(net)
    send(net, controller, "".join(HOSTS.splitlines(True)[:3])
         + "vm p4 subnet=s vpc=v ip=10.0.0.14 mac=02:00:00:00:00:14 host=h1 "
         "to=h2,h3\n")


@scenario
def groups(net):
    """What all nodes of a group are to have goes by the group's topic."""
    controller = alcor_relay.Controller(net)
    a, b, c = agents(net)
    net.wait(lambda: "rack/1" in a.topics and "rack/1" in b.topics,
             "SUBSCRIBE_INFO")
    settle(net)
    send(net, controller, "".join(HOSTS.splitlines(True)[:3]) + """
vpc v vni=100
subnet s vpc=v cidr=10.0.0.0/24
""")
    for agent in a, b, c:
        show(agent.name, received(agent))


# How often each fault point of the relay (plugin/fault-point.h) is tried: at so
# many passes, and whether what is told then may have failed.
FAULTS = {
    "store-open-before": 0, "store-open-after": 0,      # At the start.
    "store-mark-before": 0, "store-mark-after": 0,
    "store-copy-before": 0, "store-copy-after": 0,      # See crash-matrix.py.
    "store-commit-before": 1, "store-commit-after": 1,
    "store-sync-before": 1, "store-sync-after": 1,
    "relay-place-before": 1, "relay-place-after": 1,
    "relay-publish-before": 3, "relay-publish-after": 3,
    "relay-reply-before": 1, "relay-reply-after": 1,
}


class Crash:
    """Has a relay take one message after another, while something goes wrong;
    sees that what was answered SUCCESS is there, for hosts that were there all
    the time and for one that comes new."""

    def __init__(self, net, mode):
        self.net = net
        self.mode = mode
        self.controller = alcor_relay.Controller(net)
        self.agents = joined_agents(net)
        self.controller.wait_reply(self.controller.goal(net.network(NETWORK)))
        self.n = 0              # Trials.
        self.expected = set(self.agents[0].list())

    def message(self):
        """A port that moves to and fro between h1 and h2, and two neighbours:
        one more, and the last one no more."""
        self.n += 1
        text = HOSTS + "host h9 ip=172.31.0.9\n"
        text += "port m subnet=s vpc=v ip=10.0.0.99 mac=02:00:00:00:00:99 " \
            "host=h%d\n" % (1 + self.n % 2)
        for n, op in ((self.n, "CREATE"), (self.n - 1, "DELETE")):
            text += "neighbor n%d subnet=s vpc=v ip=10.0.0.1%02d " \
                "mac=02:00:00:00:01:%02x host=h9 op=%s\n" % (n, n, n, op)
        return self.net.network(text).SerializeToString()

    def tell(self, payload, pid):
        """Tells the relay until it has answered SUCCESS, through its death."""
        id, seen = self.controller.goal(payload), 0
        deadline = time.monotonic() + 2 * alcor_relay.DEFAULT_TIMEOUT
        while time.monotonic() < deadline:
            replies = self.controller.replies[id]
            if len(replies) > seen:
                bad = [s for s in replies[-1].operation_statuses
                       if s.operation_status]
                if not bad:
                    return
                if bad[0].operation_status != self.net.schema.alcor.PENDING:
                    id, seen = self.controller.goal(payload), -1
                seen += 1
            if not alcor_process.is_alive(pid):
                start_relay()
                pid = relay_pid()
                back(self.net, *self.agents)
                if len(self.controller.replies[id]) > seen:
                    continue    # It was answered before: that must do.
                self.controller.goal(payload, message_id=id)
            elif int(time.monotonic() * 5) % 10 == 0:
                self.controller.goal(payload, message_id=id)
            self.net.run(0.2)
        raise alcor_relay.WaitTimeout("no answer but %s" % [
            str(reply) for reply in self.controller.replies[id]])

    def has(self, agent, host):
        common = {"VPC v", "SUBNET s", "PORT p%d" % host,
                  "NEIGHBOR n%d" % self.n} \
            | {"NEIGHBOR p%d" % i for i in (1, 2, 3)}
        if host == 1 + self.n % 2:
            common.add("PORT m")
        return set(agent.list()) == common

    def check(self, what):
        """All hosts, and one with nothing in its place, have what they are to
        have."""
        for host, agent in enumerate(self.agents, 1):
            self.net.wait(lambda: self.has(agent, host),
                          "state of %s, which has %s, after %s"
                          % (agent.name, agent.list(), what), 30)
        old = self.agents[0]
        old.close()
        fresh, = agents(self.net, 1)
        fresh.join("vpc/v")
        fresh.ask()
        self.net.wait(lambda: self.has(fresh, 1), "snapshot after %s, not %s"
                      % (what, fresh.list()))
        self.agents[0] = fresh

    def try_point(self, point, count):
        what = "%s of pass %d of %s" % (self.mode, count, point)
        pid = relay_pid()
        relay("fault/set", point, self.mode, str(count))
        self.tell(self.message(), pid)
        if self.mode == "kill":
            self.net.wait(lambda: not alcor_process.is_alive(pid) or relay_pid() != pid,
                          "death, " + what)
            if relay_pid() == pid:
                start_relay()
                back(self.net, *self.agents)
        relay("fault/clear")
        self.check(what)


def relay_pid():
    with open("alcor-relay.pid") as f:
        return int(f.read())


def start_relay():
    with open("restart") as f:
        subprocess.run(f.read(), shell=True, check=True)


@scenario
def crash(net, mode):
    """MODE (kill, fail, stall) at each fault point."""
    c = Crash(net, mode)
    listed = {line.split(",")[0] for line in relay(
        "fault/list", "--format=csv").splitlines()[1:]}
    if listed != set(FAULTS):
        raise ValueError("fault points without a test, or that are not there: "
                         "%s" % sorted(listed ^ set(FAULTS)))
    for point, passes in FAULTS.items():
        for count in range(1, passes + 1):
            c.try_point(point, count)
    print("%d trials" % c.n)


class Above:
    """A controller above the relay, whose node r1 that is."""

    def __init__(self, net, **kwargs):
        self.net = net
        self.controller = alcor_controller.Controller(
            "ipc://up-pub", "ipc://up-ctl", schema=net.schema, **kwargs)
        self.controller.snapshots["r1"] = alcor_controller.Snapshot([], [])
        self.wait(lambda: self.controller.node_is_ready("r1"), "r1")

    def wait(self, predicate, what):
        deadline = time.monotonic() + alcor_relay.DEFAULT_TIMEOUT
        while not predicate():
            if time.monotonic() > deadline:
                raise alcor_relay.WaitTimeout("no " + what)
            self.controller.run(0.02)
            self.net.run(0.02)

    def replies(self, id, number=1):
        self.wait(lambda: len(self.controller.replies_to(id)) >= number,
                  "reply %d" % number)
        reply = self.controller.replies_to(id)[number - 1]
        return sorted(reply.lines())

    def requests(self):
        return [node for node, r in self.controller.requests]


@scenario
def upstream(net):
    """The relay is an agent to who is above it."""
    above = Above(net)
    ctl = above.controller
    above.wait(above.requests, "AGENT_RESTARTED")
    agents_ = [alcor_relay.Agent(net, "h%d" % i, "172.31.0.%d" % i)
               for i in (1, 2, 3)]
    a, b, c = agents_
    for agent in agents_:
        agent.join("vpc/v")
        above.wait(lambda: hasattr(agent, "greeted"), "HELLO_REPLY")
    settle(net)
    own = alcor_relay.Controller(net)
    id = own.goal(net.network(HOSTS + "vpc own vni=7 to=h1\n"))
    above.wait(lambda: own.replies[id], "reply")

    state = net.network(NETWORK)
    id = ctl.publish("node/r1", "GOAL_STATE_V2", state)
    show("by topic", above.replies(id))
    ctl.publish("node/r1", "GOAL_STATE_V2", state, message_id=id)
    show("again", above.replies(id, 2)[:1])
    one = "vm p4 subnet=s vpc=v ip=10.0.0.14 mac=02:00:00:00:00:14 host=h3\n"
    id = ctl.send("r1", "GOAL_STATE_V2", net.network(HOSTS + one))
    show("on the control channel", above.replies(id))
    bad = ctl.publish("all", "GOAL_STATE_V2", b"\xff\xff")
    show("not protobuf", above.replies(bad))
    show("h3 has", c.list())

    # Something is lost, upon which there is a snapshot: with p1 and p5 only.
    ctl.snapshots["r1"] = alcor_controller.Snapshot([], [net.network(
        "".join(line for line in NETWORK.splitlines(True)
                if not line.startswith(("vm p2", "vm p3")))
        + "vm p5 subnet=s ip=10.0.0.15 mac=02:00:00:00:00:15 host=h3\n")])
    ctl.next_sequence("node/r1")
    above.wait(lambda: c.has("PORT", "p5") and not c.has("PORT", "p3")
               and not b.has("PORT", "p2")
               and not a.has("NEIGHBOR", "p4"), "snapshot")
    for agent in a, c:
        show(agent.name + " has", agent.list())
    print("requests: %d" % len(above.requests()))

    # It remembers how far it has got, also when it dies.
    restart(net, kill=True)
    ctl.hellos.clear()
    above.wait(lambda: "r1" in ctl.hellos, "HELLO")
    print("at: %s" % sorted(ctl.hellos["r1"][1].positions.items()))
    back(net, a, b, c)
    id = ctl.publish("node/r1", "GOAL_STATE_V2", net.network(
        HOSTS + "vpc v vni=100 cidr=10.0.0.0/16 revision=2 to=h1\n"))
    show("after kill -9", above.replies(id))
    print("requests: %d" % len(above.requests()))
    print(relay("connection-status").split("upstream resync: ")[1]
          .splitlines()[0])


@scenario
def upstream_keys(net):
    """The server above encrypts, and lets in those whose keys it knows."""
    authenticators = []

    def secure(socket):
        if not authenticators:
            a = zmq.auth.thread.ThreadAuthenticator(socket.context)
            a.start()
            a.configure_curve(domain="*", location="above-clients")
            authenticators.append(a)
        socket.curve_server = True
        socket.curve_publickey, socket.curve_secretkey = read_key("above")

    try:
        above = Above(net, secure=secure)
        # What is published before would have to be in the snapshot.
        above.wait(above.requests, "AGENT_RESTARTED")
        id = above.controller.publish("node/r1", "GOAL_STATE_V2", net.network(
            HOSTS + "vpc v vni=100 to=h1\n"))
        show("reply", above.replies(id))
        print(relay("connection-status").split("upstream: ")[1]
              .splitlines()[0])
    finally:
        authenticators[0].stop()


@scenario
def publish_file(net, name):
    """Publishes the network in a file; for agents that are not ours."""
    with open(name) as f:
        text = f.read()
    send(net, alcor_relay.Controller(net), text)


@scenario
def publish_until(net, name):
    """The same as a controller does that wants to succeed: again, until there
    is an answer, and then until nothing is PENDING any more."""
    with open(name) as f:
        state = net.network(f.read())
    controller = alcor_relay.Controller(net)
    show("published", publish_all(net, controller, [state]))


def publish_all(net, controller, states,
                timeout=2 * alcor_relay.DEFAULT_TIMEOUT):
    """Returns what became of all resources, as lines."""
    deadline = time.monotonic() + timeout
    ids = {controller.goal(state): state for state in states}
    again = time.monotonic() + 3

    def outcome(id):
        lines = {}
        for reply in controller.replies[id]:
            lines.update(line.rsplit(" ", 1)
                         for line in controller.lines(reply))
        return lines

    def is_done(id):
        lines = outcome(id)
        return lines and "PENDING" not in lines.values()

    while not all(map(is_done, ids)):
        if time.monotonic() > deadline:
            raise alcor_relay.WaitTimeout("not done: %.200s" % [
                outcome(id) for id in ids if not is_done(id)])
        net.run(0.2)
        if time.monotonic() > again:
            again += 3
            for id, state in ids.items():
                if not controller.replies[id]:
                    controller.goal(state, message_id=id)
    return sorted("%s %s" % item for id in ids
                  for item in outcome(id).items())


def say(what, lines):
    bad = [line for line in lines if not line.endswith(" SUCCESS")]
    print("%d %s: %s" % (len(lines), what, bad or "SUCCESS"))


@scenario
def publish_vpcs(net, n, *hosts):
    """N VPCs that are on all hosts: each host has as many topics."""
    text = HOSTS + "host h9 ip=172.31.0.9\n"
    states, n = [], int(n)
    for first in range(0, n, 100):
        lines = ""
        for i in range(first, min(first + 100, n)):
            lines += "vpc v%d vni=%d cidr=10.0.0.0/16\n" % (i, 1000 + i)
            lines += "subnet s%d vpc=v%d cidr=10.0.0.0/24\n" % (i, i)
            for j, host in enumerate(hosts):
                lines += "vm p%d-%d subnet=s%d ip=10.0.0.1%d " \
                    "mac=02:00:00:00:00:1%d host=%s\n" % (i, j, i, j, j, host)
        states.append(net.network(text + lines))
    controller = alcor_relay.Controller(net)
    say("resources", publish_all(net, controller, states, 120))
    say("neighbours by %d topics" % n, publish_all(
        net, controller, [net.network(text + "".join(
            "neighbor n%d vpc=v%d subnet=s%d ip=10.0.0.99 "
            "mac=02:00:00:00:00:99 host=h9 to=%s\n"
            % (i, i, i, ",".join(hosts)) for i in range(n)))], 60))


@scenario
def topics(net, n):
    """A host in N VPCs, each with a topic, of which none loses anything when
    one message of a controller concerns them all."""
    n = int(n)
    controller = alcor_relay.Controller(net)
    a = alcor_relay.agent_with_topics(net, controller, "h1", "172.31.0.1",
                                      ["vpc/v%d" % i for i in range(n)])
    lines = []
    for state in alcor_relay.vpcs_of_host(net, a.ip, n):
        lines += publish_all(net, controller, [state], 120)
    say("resources", lines)
    say("neighbours", publish_all(
        net, controller, [alcor_relay.neighbor_in_each(net, n)], 120))
    print("by %d topics, gaps: %d, snapshots: %d" % (
        len([t for t in a.positions if t.startswith("vpc/")]), a.gaps,
        a.n_snapshots))


def main():
    publish, control, name = sys.argv[1:4]
    net = alcor_relay.Net(publish, control)
    SCENARIOS[name](net, *sys.argv[4:])


if __name__ == "__main__":
    main()
