# SPDX-License-Identifier: Apache-2.0
"""What the scenarios of alcor-relay.py share."""

import os
import subprocess
import time

import zmq.auth

import alcor_relay

HOSTS = "".join("host h%d ip=172.31.0.%d mac=02:ac:1f:00:00:%02x\n"
                % (i, i, i) for i in range(1, 8))
NETWORK = HOSTS + """
vpc v vni=100 cidr=10.0.0.0/16
subnet s vpc=v cidr=10.0.0.0/24
vm p1 subnet=s ip=10.0.0.11 mac=02:00:00:00:00:11 host=h1
vm p2 subnet=s ip=10.0.0.12 mac=02:00:00:00:00:12 host=h2
vm p3 subnet=s ip=10.0.0.13 mac=02:00:00:00:00:13 host=h3
"""

SCENARIOS = {}


def scenario(function):
    SCENARIOS[function.__name__.replace("_", "-")] = function
    return function


def show(title, lines):
    print("%s:" % title)
    for line in lines:
        print("  " + line)


def agents(net, n=3, first=1):
    """Starts agents h1... and waits until the relay has greeted them."""
    result = [alcor_relay.Agent(net, "h%d" % i, "172.31.0.%d" % i)
              for i in range(first, first + n)]
    for agent in result:
        net.wait(lambda: hasattr(agent, "greeted"), "HELLO_REPLY")
    settle(net)
    return result


def settle(net):
    """Subscriptions travel by themselves: a moment for them."""
    deadline = time.monotonic() + 0.3
    while time.monotonic() < deadline:
        net.run(0.05)


def joined_agents(net):
    """Three agents, each in the topic of VPC v."""
    result = agents(net)
    for agent in result:
        agent.join("vpc/v")
    settle(net)
    return result


def send(net, controller, text, title="reply", **kwargs):
    id = controller.goal(net.network(text, **kwargs))
    show(title, controller.wait_reply(id))
    return id


def received(agent):
    return sorted("%s: %d" % item for item in agent.received_by.items())


def relay(*args):
    return subprocess.run(["ovs-appctl", "-t", "alcor-relay"] + list(args),
                          check=True, stdout=subprocess.PIPE,
                          universal_newlines=True).stdout


def warp(net, msec):
    """Time passes for the relay, after time/stop."""
    for left in range(msec, 0, -100):
        relay("time/warp", str(min(left, 100)))
        net.run(0)


def read_key(owner, name="alcor.key"):
    """The key pair that alcor-ctl keygen made for 'owner'."""
    return zmq.auth.load_certificate(os.path.join("keys", owner, name))
