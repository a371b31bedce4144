# SPDX-License-Identifier: Apache-2.0
"""Scenarios of alcor-relay.py: CURVE keys, and what their owners may do."""

import os

import zmq
import zmq.utils.monitor

import alcor_relay
from relay_scenarios import (HOSTS, agents, read_key, relay, scenario, settle,
                             warp)


def use_keys(net, owners):
    """Peers of 'net' have the keys of 'owners'."""
    def curve(socket, name):
        socket.curve_publickey, socket.curve_secretkey \
            = read_key(owners[name])
        socket.curve_serverkey = read_key("server", "alcor.pub")[0]
    net.keys = curve


@scenario
def roles(net):
    """Who may say what depends on the key."""
    owners = {"h1": "node.h1", "h2": "node.h1", "h3": "stranger",
              "controller": "controller.c1", "liar": "node.h2"}
    use_keys(net, owners)

    h1, = agents(net, 1)
    print("hello of h1: %s" % ("yes" if h1.greeted.epoch == 0 else "no"))
    h2 = alcor_relay.Agent(net, "h2", "172.31.0.2")
    net.wait(lambda: h2.verdicts, "verdict")
    print("h2 with the key of h1: " + h2.verdicts[0])
    liar = alcor_relay.Controller(net, "liar")
    id = liar.goal(net.network(HOSTS + "vpc v vni=7 to=h1\n"))
    print("goal state of a node: " + liar.wait_reply(id)[0].split()[-1])
    controller = alcor_relay.Controller(net)
    id = controller.goal(net.network(HOSTS + "vpc v vni=7 to=h1\n"))
    print("goal state of a controller: "
          + controller.wait_reply(id)[0].split()[-1])
    h3 = alcor_relay.Agent(net, "h3", "172.31.0.3")
    settle(net)
    print("a stranger: %s" % (h3.log or "nothing"))


def watch(net, peer):
    """Returns a list for each socket of 'peer', to which is added how each
    handshake ended from now on."""
    words = {zmq.EVENT_HANDSHAKE_SUCCEEDED: "accepted",
             zmq.EVENT_HANDSHAKE_FAILED_AUTH: "refused"}
    lists = []

    def listen(monitor, ends):
        def take(_):
            message = zmq.utils.monitor.recv_monitor_message(monitor)
            ends.append(words[message["event"]])
        net.poller.register(monitor, zmq.POLLIN)
        net.handlers[monitor] = take

    for socket in peer.sockets():
        lists.append([])
        listen(socket.get_monitor_socket(sum(words)), lists[-1])
    return lists


@scenario
def revoked(net):
    """Keys are taken out while their owners are connected."""
    use_keys(net, {"h1": "node.h1", "h2": "node.h2",
                   "old": "controller.c1", "new": "controller.c2"})
    h1, h2 = agents(net, 2)
    old = alcor_relay.Controller(net, "old")
    id = old.goal(net.network(HOSTS + "vpc v vni=7 to=h1,h2\n"))
    print("before: " + old.wait_reply(id)[0].split()[-1])
    ends = {peer: watch(net, peer) for peer in (h1, h2, old)}

    # For a second, the connections are there still.
    relay("time/stop")
    for owner in "controller.c1", "node.h2":
        os.unlink("clients/%s.pub" % owner)
    id = old.goal(net.network(HOSTS + "vpc w vni=8 to=h1\n"))
    print("goal state: " + old.wait_reply(id)[0].split()[-1])
    h2.hello()
    net.wait(lambda: h2.verdicts, "verdict")
    print("hello: " + h2.verdicts[0])

    # Then they are closed, and only who has a key comes back.
    warp(net, 1000)
    for peer in h1, h2, old:
        net.wait(lambda: all(ends[peer]), "handshake of " + peer.name)
        print("%s: %s" % (peer.name,
                          " ".join(sorted({e[0] for e in ends[peer]}))))

    # What is published from now on is not for it to read.
    new = alcor_relay.Controller(net, "new")
    new.goal(net.network(HOSTS + "vpc x vni=9 to=h1,h2\n"))
    new.wait_reply(new.goal(net.schema.alcor.GoalStateV2()))
    h1.ask()
    net.wait(lambda: h1.has("VPC", "x"), "VPC x in h1")
    settle(net)
    print("h1: %s" % h1.list())
    print("h2: %s" % h2.list())
