# SPDX-License-Identifier: Apache-2.0
"""Scenarios of alcor-relay.py: hosts that do not take what they are sent."""

import socket
import threading
import time

import alcor_relay
from relay_scenarios import (HOSTS, NETWORK, joined_agents, relay, scenario,
                             send, warp)


def bulk(net, first, n):
    """Goal state of 'n' neighbours in VPC v, of about 800 bytes each."""
    state = net.schema.alcor.GoalStateV2(format_version=1)
    for i in range(first, first + n):
        id = ("bulk-%d-" % i).ljust(250, "x")
        state.neighbor_states[id].CopyFrom(net.build.neighbor(
            id, "v", "b", ["10.0.%d.%d" % (16 + i // 250, i % 250 + 1)],
            "02:00:00:01:%02x:%02x" % (i >> 8, i & 255),
            ("172.31.0.9", "02:ac:1f:00:00:09")))
    return state


def memory():
    """What memory/show says, as numbers by name."""
    return {name: int(value) for name, value in (
        word.split(":") for word in relay("memory/show").split()
        if word.split(":")[-1].isdigit())}


class Stuck:
    """A peer that hangs: it takes nothing any more, but goes on to say PONG, so
    that libzmq does not notice by itself."""

    GREETING = b"\xff" + bytes(8) + b"\x7f\x03\0" \
        + b"NULL".ljust(20, b"\0") + bytes(32)
    PONG = b"\x04\x05\x04PONG"

    def __init__(self, net, endpoint, type, identity=b""):
        ready = b"\x05READY" + self.property(b"Socket-Type", type) \
            + self.property(b"Identity", identity)
        self.net = net
        self.data = b""
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(endpoint[len("ipc://"):])
        self.say(self.GREETING, b"NULL")
        self.say(b"\x04" + bytes([len(ready)]) + ready, b"READY")

    def property(self, name, value):
        return bytes([len(name)]) + name + len(value).to_bytes(4, "big") \
            + value

    def say(self, said, wanted):
        """Says 'said', and waits until there was 'wanted'."""
        self.socket.sendall(said)
        self.net.wait(lambda: wanted in self.read(), "%s" % wanted)

    def send(self, frames, wanted):
        self.say(b"".join(bytes([frame is not frames[-1], len(frame)]) + frame
                          for frame in frames), wanted)

    def hang(self):
        threading.Thread(target=self.say_pong, daemon=True).start()

    def say_pong(self):
        try:
            while True:
                self.socket.sendall(self.PONG)
                time.sleep(0.5)
        except OSError:
            pass                # It was cut off.

    def read(self):
        try:
            self.data += self.socket.recv(4096, socket.MSG_DONTWAIT)
        except BlockingIOError:
            pass
        return self.data


@scenario
def stuck_host(net):
    """A host takes nothing of the snapshot that it has asked for."""
    controller = alcor_relay.Controller(net)
    a, b, c = joined_agents(net)
    send(net, controller, NETWORK)
    send(net, controller, HOSTS + "subnet b vpc=v cidr=10.0.0.0/17 "
         "to=h1,h2,h3\n")
    for i in range(3):
        controller.wait_reply(controller.goal(bulk(net, i * 1300, 1300)))

    a.close()
    stuck = Stuck(net, net.control_ep, b"DEALER", b"h1")
    mq, pb = net.schema.mq, net.schema.alcor

    def envelope(kind, id):
        return mq.Envelope(protocol_version=1, kind=kind, sender="h1",
                           message_id=id).SerializeToString()
    stuck.send([envelope("HELLO", "hi"), mq.Hello(
        node_id="h1", host_ip="172.31.0.1").SerializeToString()], b"hi")
    request = pb.HostRequest(format_version=1)
    request.state_requests.add(request_type="AGENT_RESTARTED",
                               request_id="r")
    stuck.send([envelope("HOST_REQUEST", "all"), request.SerializeToString()],
               b"all")
    stuck.hang()
    window = 1024 + 2 * 64      # kB.
    net.wait(lambda: memory().get("control-waiting-KB", 0) > window / 2,
             "full window")
    b.ask()
    net.wait(lambda: b.n_snapshots, "snapshot of h2")
    waiting = memory()["control-waiting-KB"]
    print("waits: %s" % ("the window" if waiting <= window else waiting))
    stuck.socket.close()


@scenario
def slow(net):
    """One subscriber takes nothing: what waits for it stays within what may,
    it is cut off, and the others have everything in time."""
    controller = alcor_relay.Controller(net)
    a, b, c = joined_agents(net)
    send(net, controller, NETWORK)
    send(net, controller, HOSTS + "subnet b vpc=v cidr=10.0.0.0/17 "
         "to=h1,h2,h3\n")
    stuck = Stuck(net, net.publish_ep, b"SUB")
    stuck.send([b"\x01vpc/v"], b"vpc/v")
    stuck.hang()
    relay("time/stop")

    # Less than a quarter of what may wait: that is nobody's fault.
    controller.wait_reply(controller.goal(bulk(net, 0, 500)))
    warp(net, 6000)
    waiting = memory().get("published-waiting-KB", 0)
    print("one message: %s" % ("waits" if 0 < waiting < 512 else waiting))
    print("cut off: " + relay("coverage/read-counter", "server_slow_cut"),
          end="")

    # More than may: goal state has to wait until it is cut off.
    for i in range(4):
        id = controller.goal(bulk(net, i * 1300, 1300))
        deadline = time.monotonic() + 4 * alcor_relay.DEFAULT_TIMEOUT
        while not controller.replies[id]:
            if time.monotonic() > deadline:
                raise alcor_relay.WaitTimeout("no reply")
            warp(net, 100)
            net.run(0.1)
    net.wait(lambda: "published-waiting-KB" not in memory(), "room")
    print("cut off: " + relay("coverage/read-counter", "server_slow_cut"),
          end="")
    for agent in a, b, c:
        n = len([1 for _, id in agent.state if id.startswith("bulk")])
        print("%s has %d, gaps: %d" % (agent.name, n, agent.gaps))
    stuck.socket.close()
