#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The rules of wire-protocol.md, one by one, from outside: a controller that
shares nothing with our C code speaks to a running agent over ZeroMQ.

usage: rules.py RULE        what RULE says holds for the agent in $OVS_RUNDIR,
                            whose servers are ipc://pub and ipc://ctl
       rules.py --list      the rules that there are
"""

import subprocess
import sys

import alcor_controller
import alcor_goal
import alcor_schema
from alcor_controller import TIME_FACTOR

NODE = "host1"
HOSTS = "".join("host host%d ip=172.31.0.%d mac=02:ac:1f:00:00:%02x\n"
                % (i, i, i) for i in range(1, 5))
NET = "vpc v vni=100 cidr=10.0.0.0/16\nsubnet s vpc=v cidr=10.0.0.0/24\n"
QUIET = 0.3                     # Seconds in which nothing is to happen.
TIMEOUT = 60 * TIME_FACTOR

RULES = {}


def rule(name):
    def register(function):
        RULES[name] = function
        return function
    return register


def n(i, *words, host=2, subnet="s"):
    """A line about neighbour n<i>."""
    return ("neighbor n%d vpc=v subnet=%s ip=10.0.0.%d "
            "mac=02:00:00:00:00:%02x host=host%d %s\n"
            % (i, subnet, 10 + i, 10 + i, host, " ".join(words)))


P1 = ("port p1 vpc=v subnet=s ip=10.0.0.2 mac=02:00:00:00:00:02 host=host1 "
      "%s\n")


class Server(alcor_controller.Controller):
    """Leaves the answer to AGENT_RESTARTED to the test when 'manual'."""

    manual = False

    def _received_host_request(self, node, envelope, request):
        if self.manual:
            self.requests.append((node, request))
            self.asked.append((envelope, request))
        else:
            super()._received_host_request(node, envelope, request)

    def _received_hello(self, node, envelope, hello):
        self.asked.append((envelope, hello))
        super()._received_hello(node, envelope, hello)

    def wait(self, predicate, what, timeout=TIMEOUT):
        return super().wait(predicate, what,
                            QUIET if timeout == QUIET else TIMEOUT)

    def __init__(self, schema, **options):
        self.asked = []         # HELLO and HOST_REQUEST, in order.
        super().__init__("ipc://pub", "ipc://ctl", heartbeats=False,
                         schema=schema, **options)


class Tester:
    def __init__(self, **options):
        self.schema = alcor_schema.load()
        self.pb, self.mq = self.schema.alcor, self.schema.mq
        self.c = Server(self.schema, **options)

    # The agent from outside.

    def agent(self, *words):
        return subprocess.run(["ovs-appctl", "-t", "alcor-agent"]
                              + list(words), check=True, text=True,
                              stdout=subprocess.PIPE).stdout

    def stored(self, *kind):
        """"TYPE ID STATUS" of everything stored, sorted."""
        self.agent("wait-idle")
        lines = self.agent("goal-state/list", "--format=csv", *kind)
        return sorted(" ".join(line.split(",")[:3])
                      for line in lines.splitlines()[1:])

    def shown(self, kind, id):
        """Lines of goal-state/show, without those of the revision."""
        text = self.agent("goal-state/show", kind, id)
        return [line.strip(" -") for line in text.splitlines()
                if line and "revision" not in line]

    def restart(self, *before):
        """Stops the agent, runs the command 'before', and starts it."""
        with open("alcor-agent.pid") as f:
            pid = int(f.read())
        self.agent("exit")
        subprocess.run(["sh", "-c", "while kill -0 %d 2>/dev/null; do "
                        "sleep 0.01; done" % pid], check=True)
        self.c.forget_node(NODE)
        self.c.asked.clear()
        if before:
            subprocess.run(before, check=True)
        subprocess.run(["sh", "-c", "alcor-agent --enable-dummy "
                        "--dummy-dataplane -vconsole:off --detach --no-chdir "
                        "--pidfile --log-file unix:$OVS_RUNDIR/db.sock"],
                       check=True)
        self.c.wait_node(NODE)

    # Messages and answers.

    def goal(self, text, v1=False):
        network = alcor_goal.Network(self.schema, HOSTS + text)
        return network.v1(NODE) if v1 else network.v2(True)

    def send(self, payload="", topic=None, kind="GOAL_STATE_V2", **options):
        """Sends a network or a message, on the control channel or 'topic'.
        Returns its id."""
        if isinstance(payload, str):
            payload = self.goal(payload, kind == "GOAL_STATE")
        if topic:
            return self.c.publish(topic, kind, payload, **options)
        return self.c.send(NODE, kind, payload, **options)

    def answers(self, id, count=1):
        """The 'count'th answer to message 'id'."""
        replies = self.c.wait(
            lambda: (self.c.replies_to(id)
                     if len(self.c.replies_to(id)) >= count else None),
            "answer %d to %s" % (count, id))
        return [line.split(" ", 1)[1] for line in replies[count - 1].lines()]

    def expect(self, payload, *lines, **options):
        """Sends, and checks the answer.  Returns the message's id."""
        id = self.send(payload, **options)
        equal(self.answers(id), sorted(lines))
        return id

    def quiet(self, what, count):
        """Nothing more comes that count() counts."""
        before = count()
        try:
            self.c.wait(lambda: count() != before, what, QUIET)
        except alcor_controller.WaitTimeout:
            return
        raise AssertionError("unexpected: " + what)

    # Resynchronisation.

    def start(self):
        """The agent has asked, and knows that there is nothing yet."""
        self.c.manual = True
        self.c.wait_node(NODE)
        self.asks()
        equal(self.answers(self.snapshot()), ["-"])

    def asks(self):
        """Waits until the agent asks for the state.  Returns its HELLO."""
        def asked():
            return (self.c.asked and isinstance(
                self.c.asked[-1][1], self.pb.HostRequest))
        self.c.wait(asked, "request for the state")
        self.envelope, self.request = self.c.asked[-1]
        equal([self.pb.RequestType.Name(r.request_type)
               for r in self.request.state_requests], ["AGENT_RESTARTED"])
        hello = [m for _, m in self.c.asked if isinstance(m, self.mq.Hello)]
        self.c.asked.clear()
        self.c.requests.clear()
        return hello[-1] if hello else None

    def does_not_ask(self):
        self.quiet("a request", lambda: len(self.c.requests))

    def verdict(self, status):
        reply = self.pb.HostRequestReply(format_version=1)
        for r in self.request.state_requests:
            reply.operation_statuses.add(request_id=r.request_id,
                                         operation_status=status)
        self.c.send(NODE, "HOST_REPLY", reply,
                    correlation_id=self.envelope.message_id)

    def snapshot(self, *texts, topics=(), positions=None, without=None):
        """Answers the request; part 'without' is lost.  Returns the id of
        the end."""
        self.verdict("SUCCESS")
        end = self.mq.SnapshotEnd(
            epoch=self.c.epoch, sender=self.c.sender,
            positions=(self.c._sequences if positions is None
                       else positions))
        parts = ([("SNAPSHOT_BEGIN", self.mq.SnapshotBegin(topics=topics))]
                 + [("GOAL_STATE_V2", self.goal(text)) for text in texts]
                 + [("SNAPSHOT_END", end)])
        id = None
        for sequence, (kind, message) in enumerate(parts, 1):
            if sequence != without:
                id = self.c.send(NODE, kind, message, sequence=sequence,
                                 correlation_id=self.envelope.message_id)
        return id


def equal(found, expected):
    if found != expected:
        raise AssertionError("found %r, expected %r" % (found, expected))


def main():
    import rules_delivery
    import rules_resources

    assert rules_delivery and rules_resources
    if sys.argv[1:] == ["--list"]:
        print("\n".join(RULES))
        return
    if len(sys.argv) != 2 or sys.argv[1] not in RULES:
        sys.exit(__doc__)
    tester = Tester()
    try:
        RULES[sys.argv[1]](tester)
    finally:
        tester.c.close()


if __name__ == "__main__":
    # So that the modules above see this one, and not another.
    sys.modules["rules"] = sys.modules["__main__"]
    main()
