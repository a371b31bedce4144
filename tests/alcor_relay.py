# SPDX-License-Identifier: Apache-2.0
"""Both ends of a relay, for tests that share nothing with our C code: a
controller, and agents that keep what they are told in a dictionary.

    net = Net(publish, control)
    net.controller.send(goal_state); net.wait(...)

Everything is served inside Net.wait() and Net.run(), in one thread.
"""

import collections
import time
import uuid

import zmq

import alcor_goal
import alcor_schema
from alcor_controller import TIME_FACTOR, WaitTimeout, to_bytes

DEFAULT_TIMEOUT = 15 * TIME_FACTOR

MAPS = {"VPC": "vpc_states", "SUBNET": "subnet_states", "PORT": "port_states",
        "NEIGHBOR": "neighbor_states", "SECURITYGROUP":
        "security_group_states", "DHCP": "dhcp_states", "ROUTER":
        "router_states", "GATEWAY": "gateway_states"}


class Peer:
    """A DEALER towards the relay."""

    def __init__(self, net, name):
        self.net = net
        self.name = name
        self.control = None

    def connect(self):
        self.control = self.net.context.socket(zmq.DEALER)
        self.control.setsockopt(zmq.ROUTING_ID, self.name.encode())
        self.control.setsockopt(zmq.SNDHWM, 0)
        self.control.setsockopt(zmq.RCVHWM, 0)
        self.control.setsockopt(zmq.LINGER, 1000)
        self.net.curve(self.control, self.name)
        self.control.connect(self.net.control_ep)
        self.net.poller.register(self.control, zmq.POLLIN)
        self.net.handlers[self.control] = self.on_control

    def close(self):
        for socket in self.sockets():
            self.net.poller.unregister(socket)
            self.net.handlers.pop(socket)
            socket.close()

    def sockets(self):
        return [self.control]

    def send(self, kind, payload=None, message_id=None, correlation_id="",
             **fields):
        mq = self.net.schema.mq
        envelope = mq.Envelope(
            protocol_version=1, kind=kind, sender=self.name,
            message_id=message_id or str(uuid.uuid4()),
            correlation_id=correlation_id, epoch=1,
            sent_at=time.time_ns() // 1000, **fields)
        self.control.send_multipart([envelope.SerializeToString(),
                                     to_bytes(payload)])
        return envelope.message_id

    def on_control(self, socket):
        frames = socket.recv_multipart()
        envelope = self.net.schema.mq.Envelope.FromString(frames[0])
        kind = self.net.schema.mq.Kind.Name(envelope.kind)
        self.received(None, kind, envelope, frames[1])


class Controller(Peer):
    def __init__(self, net, name="controller"):
        super().__init__(net, name)
        self.replies = collections.defaultdict(list)
        self.connect()

    def received(self, topic, kind, envelope, payload):
        if kind == "GOAL_STATE_REPLY":
            self.replies[envelope.correlation_id].append(
                self.net.schema.alcor.GoalStateOperationReply
                .FromString(payload))

    def goal(self, state, **kwargs):
        return self.send("GOAL_STATE_V2", state, **kwargs)

    def wait_reply(self, message_id, number=1, timeout=DEFAULT_TIMEOUT):
        """Waits for reply 'number' to a message.  Returns it as lines."""
        self.net.wait(lambda: len(self.replies[message_id]) >= number,
                      "reply %d" % number, timeout)
        return self.lines(self.replies[message_id][number - 1])

    def wait_healed(self, message_id, n, timeout=DEFAULT_TIMEOUT):
        """Waits until second replies have named 'n' resources."""
        def healed():
            return sorted(sum(map(self.lines, self.replies[message_id][1:]),
                              []))
        self.net.wait(lambda: len(healed()) >= n, "%d healed" % n, timeout)
        return healed()

    def lines(self, reply):
        pb = self.net.schema.alcor
        return sorted("%s %s %s" % (
            pb.ResourceType.Name(s.resource_type), s.resource_id or "-",
            pb.OperationStatus.Name(s.operation_status))
            for s in reply.operation_statuses)


class Agent(Peer):
    """Subscribes to its topics, stores what comes, answers SUCCESS (or what
    'answer' says), and asks for its state when a number is missing."""

    def __init__(self, net, name, ip, start=True):
        super().__init__(net, name)
        self.ip = ip
        self.state = {}                     # (type, id): State message.
        self.origins = {}                   # By (type, id).
        self.epoch = 0
        self.positions = {}                 # By topic.
        self.topics = {"node/" + name, "all"}
        self.log = []                       # (topic or None, kind).
        self.messages = []                  # (topic, kind, Envelope).
        self.received_by = collections.Counter()    # "TOPIC TYPE": number.
        self.snapshot = None
        self.n_snapshots = 0
        self.replayed = 0                   # Messages that were missed.
        self.gaps = 0
        self.deaf = False                   # Drops what is published...
        self.missed = []                    # ...which was of these kinds.
        self.counts = True                  # Looks at sequence numbers.
        self.answer = lambda type, id: "SUCCESS"
        self.host_replies = {}              # request id: status.
        self.verdicts = []                  # On what we sent.
        self.sub = None
        if start:
            self.start()

    def start(self):
        self.sub = self.net.context.socket(zmq.SUB)
        self.sub.setsockopt(zmq.RCVHWM, 0)
        self.sub.setsockopt(zmq.SNDHWM, 0)  # Subscriptions.
        self.net.curve(self.sub, self.name)
        # Those of VPCs first: who gets what is unicast has them, too.
        for topic in sorted(self.topics, reverse=True):
            self.sub.setsockopt(zmq.SUBSCRIBE, topic.encode())
        self.sub.connect(self.net.publish_ep)
        self.net.poller.register(self.sub, zmq.POLLIN)
        self.net.handlers[self.sub] = self.on_publish
        self.connect()
        self.hello()

    def sockets(self):
        return [self.control, self.sub]

    def hello(self, topics=None):
        mq = self.net.schema.mq
        self.hello_id = self.send("HELLO", mq.Hello(
            node_id=self.name, host_ip=self.ip, agent_version="test",
            topics=sorted(topics or self.topics), positions=self.positions,
            epoch=self.epoch, sender="alcor-relay"))
        return self.hello_id

    def ask(self, topics=None):
        pb = self.net.schema.alcor
        self.hello(topics)
        request = pb.HostRequest(format_version=1)
        request.state_requests.add(request_type="AGENT_RESTARTED",
                                   request_id=str(uuid.uuid4()))
        self.send("HOST_REQUEST", request)

    def on_demand(self, vni, source, destination, port=80, protocol="TCP"):
        pb = self.net.schema.alcor
        request = pb.HostRequest(format_version=1)
        id = str(uuid.uuid4())
        request.state_requests.add(
            request_type="ON_DEMAND", request_id=id, tunnel_id=vni,
            source_ip=source, destination_ip=destination,
            destination_port=port, protocol=protocol)
        self.send("HOST_REQUEST", request)
        return id

    def join(self, topic):
        if topic not in self.topics:
            self.topics.add(topic)
            self.sub.setsockopt(zmq.SUBSCRIBE, topic.encode())

    def on_publish(self, socket):
        frames = socket.recv_multipart()
        topic = frames[0].decode()
        if topic not in self.topics:
            return
        envelope = self.net.schema.mq.Envelope.FromString(frames[1])
        kind = self.net.schema.mq.Kind.Name(envelope.kind)
        if self.deaf:
            self.missed.append(kind)
        else:
            self.received(topic, kind, envelope, frames[2])

    def number(self, topic, kind, envelope):
        """Returns false if the message was seen before."""
        if envelope.epoch != self.epoch:
            is_first = not self.epoch
            self.epoch = envelope.epoch
            self.positions = {}
            if not is_first:
                self.ask()
        position = self.positions.get(topic, 0)
        wanted = envelope.sequence if kind == "HEARTBEAT" \
            else envelope.sequence - 1
        if wanted > position:
            self.gaps += 1
            self.positions[topic] = envelope.sequence
            self.ask()
        elif kind != "HEARTBEAT" and envelope.sequence <= position:
            return False
        self.positions[topic] = max(position, envelope.sequence)
        return True

    def received(self, topic, kind, envelope, payload):
        handler = getattr(self, "on_" + kind.lower(), None)
        self.log.append((topic, kind))
        self.messages.append((topic, kind, envelope))
        if topic and self.counts and not self.number(topic, kind, envelope):
            return
        if handler:
            handler(topic, envelope, payload)

    def is_newer(self, key, end):
        """What wrote or deleted the resource came after the snapshot."""
        epoch, topic, sequence = self.origins.get(key, (0, None, 0))
        return (topic is not None and epoch == end.epoch
                and sequence > end.positions.get(topic, 0))

    def apply(self, topic, state, sequence=0, end=None):
        """'end' is that of a snapshot."""
        pb = self.net.schema.alcor
        statuses = []
        for type, field in MAPS.items():
            for key, resource in getattr(state, field).items():
                id = resource.configuration.id or key
                self.received_by["%s %s" % (topic or "-", type)] += 1
                if end is not None:
                    if not self.is_newer((type, id), end):
                        self.state[type, id] = resource
                    continue
                self.origins[type, id] = (self.epoch, topic, sequence)
                if resource.operation_type == pb.DELETE:
                    self.state.pop((type, id), None)
                else:
                    self.state[type, id] = resource
                statuses.append((type, id, self.answer(type, id)))
        return statuses

    def reply(self, correlation_id, statuses):
        pb = self.net.schema.alcor
        reply = pb.GoalStateOperationReply(format_version=1)
        for type, id, status in statuses:
            reply.operation_statuses.add(resource_type=type, resource_id=id,
                                         operation_status=status)
        self.send("GOAL_STATE_REPLY", reply, correlation_id=correlation_id)

    def on_goal_state_v2(self, topic, envelope, payload):
        state = self.net.schema.alcor.GoalStateV2.FromString(payload)
        if envelope.sequence and not topic:
            self.snapshot.append((envelope, state))
            return
        self.replayed += envelope.correlation_id == self.hello_id
        statuses = self.apply(topic, state, envelope.sequence)
        if None not in [s for _, _, s in statuses]:
            self.reply(envelope.message_id, statuses)

    def on_snapshot_begin(self, topic, envelope, payload):
        begin = self.net.schema.mq.SnapshotBegin.FromString(payload)
        self.snapshot = [(envelope, begin)]

    def on_snapshot_end(self, topic, envelope, payload):
        numbers = [e.sequence for e, _ in self.snapshot] + [envelope.sequence]
        if numbers != list(range(1, len(numbers) + 1)):
            raise ValueError("snapshot has holes: %s" % numbers)
        end = self.net.schema.mq.SnapshotEnd.FromString(payload)
        if not self.snapshot[0][1].topics:
            for key in list(self.state):
                if not self.is_newer(key, end):
                    del self.state[key]
        for _, state in self.snapshot[1:]:
            self.apply("snapshot", state, end=end)
        for t, position in end.positions.items():
            self.positions[t] = max(position, self.positions.get(t, 0))
        self.epoch = end.epoch
        self.n_snapshots += 1
        self.reply(envelope.message_id, [])

    def on_goal_state_reply(self, topic, envelope, payload):
        pb = self.net.schema.alcor
        for s in pb.GoalStateOperationReply.FromString(payload) \
                .operation_statuses:
            self.verdicts.append(pb.OperationStatus.Name(s.operation_status))

    def on_hello_reply(self, topic, envelope, payload):
        self.greeted = self.net.schema.mq.Hello.FromString(payload)
        for t, position in self.greeted.positions.items():
            self.positions[t] = max(position, self.positions.get(t, 0))

    def on_host_reply(self, topic, envelope, payload):
        pb = self.net.schema.alcor
        for s in pb.HostRequestReply.FromString(payload).operation_statuses:
            self.host_replies[s.request_id] = \
                pb.OperationStatus.Name(s.operation_status)

    def on_subscribe_info(self, topic, envelope, payload):
        info = self.net.schema.alcor.NodeSubscribeInfo.FromString(payload)
        if not info.subscribe_operation:
            self.join(info.topic)

    def has(self, type, id):
        return (type, id) in self.state

    def list(self):
        return ["%s %s" % key for key in sorted(self.state)]


class Net:
    def __init__(self, publish_ep, control_ep, keys=None):
        self.publish_ep = publish_ep
        self.control_ep = control_ep
        self.keys = keys
        self.schema = alcor_schema.load()
        self.build = alcor_goal.Builder(self.schema)
        self.context = zmq.Context()
        self.poller = zmq.Poller()
        self.handlers = {}

    def close(self):
        """Else its context, when it is collected, waits for its sockets."""
        self.context.destroy(linger=0)

    def curve(self, socket, name):
        if self.keys:
            self.keys(socket, name)

    def network(self, text, **kwargs):
        """Goal state of the network that 'text' describes."""
        return alcor_goal.Network(self.schema, text).v2(**kwargs)

    def run(self, timeout=0.1):
        for socket, _ in self.poller.poll(timeout * 1000):
            for _ in range(1000):
                try:
                    if socket not in self.handlers \
                            or not socket.get(zmq.EVENTS) & zmq.POLLIN:
                        break
                except zmq.ZMQError:
                    break
                self.handlers[socket](socket)

    def wait(self, predicate, what, timeout=DEFAULT_TIMEOUT):
        deadline = time.monotonic() + timeout
        while not predicate():
            left = deadline - time.monotonic()
            if left <= 0:
                raise WaitTimeout("no %s within %g s" % (what, timeout))
            self.run(min(left, 1))


def agent_with_topics(net, controller, name, ip, topics):
    """Starts an agent with 'topics' beside its own, and returns it when the
    relay has these subscriptions."""
    agent = Agent(net, name, ip, start=False)
    agent.topics |= set(topics)
    agent.start()
    net.wait(lambda: hasattr(agent, "greeted"), "HELLO_REPLY")
    state = net.schema.alcor.GoalStateV2(format_version=1)
    state.vpc_states["probe"].CopyFrom(net.build.vpc("probe", 7))
    state.host_resources[ip].resources.add(type="VPC", id="probe")
    controller.wait_reply(controller.goal(state),
                          timeout=4 * DEFAULT_TIMEOUT)
    agent.gaps = agent.n_snapshots = 0  # It may have come too early.
    return agent


def vpcs_of_host(net, ip, n, at_once=2000):
    """Goal state of 'n' VPCs, each with a subnet and a port on host 'ip', in
    some messages."""
    for first in range(0, n, at_once):
        state = net.schema.alcor.GoalStateV2(format_version=1)
        for i in range(first, min(first + at_once, n)):
            vpc, subnet, port = "v%d" % i, "s%d" % i, "p%d" % i
            state.vpc_states[vpc].CopyFrom(net.build.vpc(vpc, 1000 + i))
            state.subnet_states[subnet].CopyFrom(
                net.build.subnet(subnet, vpc, "10.0.0.0/24"))
            state.port_states[port].CopyFrom(net.build.port(
                port, vpc, subnet, ["10.0.0.1"], "02:00:00:00:00:01",
                (ip, "")))
            state.host_resources[ip].resources.add(type="PORT", id=port)
        yield state


def neighbor_in_each(net, n):
    """A neighbour in each of these VPCs."""
    state = net.schema.alcor.GoalStateV2(format_version=1)
    for i in range(n):
        id = "n%d" % i
        state.neighbor_states[id].CopyFrom(net.build.neighbor(
            id, "v%d" % i, "s%d" % i, ["10.0.0.99"], "02:00:00:00:00:99",
            ("172.31.0.9", "02:ac:1f:00:00:09")))
    return state
