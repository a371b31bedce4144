#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Has an agent join and leave many topics.

usage: topics.py PUBLISH-ENDPOINT CONTROL-ENDPOINT N

The agent is host1.  It joins N topics, loses its server and finds it again,
gets a goal state on the first and on the last of the topics, and leaves all of
them: at each step the server sees the subscriptions that should be there, no
more and no less, and each request is answered.  Prints what took how long to
standard error.
"""

import sys
import time

import alcor_controller
import alcor_goal
from alcor_controller import TIME_FACTOR

TIMEOUT = 240 * TIME_FACTOR
# Where everything is slow, so many do: more than a socket's high-water mark.
N_SLOW = 12000
NETWORK = """host host1 ip=172.31.0.1
vpc v%d vni=%d
"""


class Topics:
    def __init__(self, endpoints, n):
        self.endpoints = endpoints
        self.names = ["group/%06d" % i for i in range(n)]
        self.controller = self.connect()
        self.started = time.monotonic()

    def connect(self):
        controller = alcor_controller.Controller(
            *self.endpoints, sender="ctl-1", epoch=1, heartbeats=False)
        controller.wait_node("host1", TIMEOUT)
        return controller

    def say(self, what):
        now = time.monotonic()
        print("%s: %.2f s" % (what, now - self.started), file=sys.stderr)
        self.started = time.monotonic()

    def subscribed(self):
        """The topics that are subscribed to, apart from those that always
        are."""
        return {topic for topic, n in self.controller.subscriptions.items()
                if n > 0 and topic.startswith("group/")}

    def change(self, operation):
        """Joins or leaves all topics; returns when each is answered."""
        c = self.controller
        c.others.clear()
        for i, name in enumerate(self.names):
            c.send("host1", "SUBSCRIBE_INFO",
                   c.schema.alcor.NodeSubscribeInfo(
                       subscribe_operation=operation, topic=name, key="k"))
            if i % 500 == 499:
                # Answers that nobody takes would fill the agent's queue.
                c.wait(lambda: len(c.others) > i - 2000, "answers", TIMEOUT)
        n = len(self.names)
        c.wait(lambda: len(c.others) >= n, "%d answers" % n, TIMEOUT)
        for _, envelope, payload in c.others:
            reply = c.schema.alcor.SubscribeOperationReply.FromString(payload)
            if (envelope.kind != c.schema.kind("SUBSCRIBE_REPLY")
                    or reply.operationStatus):
                sys.exit("refused: %s" % reply)

    def wait(self, expected):
        """Waits until just these topics are subscribed to."""
        expected = set(expected)
        self.controller.wait(
            lambda: self.controller.subscriptions["group/000000"] == bool(
                expected) and self.subscribed() == expected,
            "subscriptions of all topics, but %d of %d"
            % (len(self.subscribed()), len(expected)), TIMEOUT)

    def publish(self, number, topic):
        network = alcor_goal.Network(self.controller.schema,
                                     NETWORK % (number, number))
        id = self.controller.publish(topic, "GOAL_STATE_V2", network.v2(True))
        for reply in self.controller.wait_reply(id, timeout=TIMEOUT):
            print("\n".join(reply.lines()), flush=True)

    def run(self):
        self.change("Subscribe")
        self.say("answered")
        self.wait(self.names)
        self.say("joined")
        self.controller.close()
        self.controller = self.connect()
        self.wait(self.names)
        self.say("joined again, after the connection was lost")
        self.publish(1, self.names[0])
        self.publish(2, self.names[-1])
        self.change("Unsubscribe")
        self.wait([])
        self.say("left")


Topics(sys.argv[1:3],
       int(sys.argv[3]) if TIME_FACTOR == 1 else N_SLOW).run()
