# SPDX-License-Identifier: Apache-2.0
"""A controller for tests that shares nothing with our C code: the sockets,
envelopes and answers of wire-protocol.md, with messages from alcor_schema.

Single-threaded: sockets are served only inside run() and wait(), so a test
sees no change that it did not wait for.

    c = Controller("tcp://127.0.0.1:9710", "tcp://127.0.0.1:9711")
    c.wait_node("h1")
    id = c.publish("node/h1", "GOAL_STATE_V2", goal_state)
    for reply in c.wait_reply(id): print(*reply.lines(), sep="\n")
"""

import collections
import json
import os
import time
import uuid

import zmq

import alcor_schema

# How many times longer everything may take (under valgrind).
TIME_FACTOR = int(os.environ.get("ALCOR_TIME_FACTOR") or 1)
DEFAULT_TIMEOUT = 15 * TIME_FACTOR
HEARTBEAT_FIRST = 1
HEARTBEAT_INTERVAL = 10


class WaitTimeout(Exception):
    """What was waited for did not happen."""


class Reply:
    """A GOAL_STATE_REPLY (or TXN_VOTE, TXN_DONE) received from 'node'.  The
    payload is decoded when first looked at: it may be large."""

    def __init__(self, schema, node, envelope, payload):
        self.schema = schema
        self.node = node
        self.envelope = envelope
        self.payload = payload
        self.received = time.monotonic()
        self._message = None

    @property
    def message(self):
        if self._message is None:
            self._message = (self.schema.alcor.GoalStateOperationReply
                             .FromString(self.payload))
        return self._message

    def lines(self):
        """"HOST TYPE ID OPERATION STATUS" of each resource, sorted; "HOST -"
        if it names none."""
        pb = self.schema.alcor
        return sorted("%s %s %s %s %s" % (
            self.node, pb.ResourceType.Name(s.resource_type), s.resource_id,
            pb.OperationType.Name(s.operation_type),
            pb.OperationStatus.Name(s.operation_status))
            for s in self.message.operation_statuses) or [self.node + " -"]


# Answer to AGENT_RESTARTED: the topics covered, and GoalStateV2 messages.
Snapshot = collections.namedtuple("Snapshot", "topics messages")

# To a question for an address: see "on-demand" in alcor-controller.py.
Answer = collections.namedtuple("Answer", "verdict message", defaults=(None,))


class Controller:
    """Binds XPUB and ROUTER; answers HELLO by HELLO_REPLY, AGENT_RESTARTED by
    the snapshot that 'snapshots' has for the node, else by FAILURE ("I hold no
    state"), ON_DEMAND by FAILURE, and TXN_QUERY by what 'outcomes' has for the
    transaction, TXN_ABORT if it is not there."""

    def __init__(self, publish_ep, control_ep, sender="ctl-1", epoch=None,
                 heartbeats=True, schema=None, secure=None):
        """secure(SOCKET) is called before a socket is bound."""
        self.schema = schema or alcor_schema.load()
        self.sender = sender
        self.epoch = epoch or time.time_ns() // 1000
        self.heartbeats = heartbeats

        self.subscriptions = collections.Counter()   # By topic.
        self.hellos = collections.OrderedDict()      # node: (Envelope, Hello).
        self.n_hellos = collections.Counter()        # By node.
        self.replies = []                            # In order of arrival.
        self.requests = []                           # (node, HostRequest).
        self.port_events = []                        # (node, PortEvent).
        self.others = []                             # (node, Envelope, bytes).
        self.malformed = 0
        self.snapshots = {}                          # node: Snapshot.
        self.answers = {}                            # Destination: Answer.
        self.outcomes = {}                           # Transaction: kind of
                                                     # message, None: open.

        self._sequences = collections.Counter()      # By topic.
        self._next_heartbeat = {}                    # topic: monotonic time.

        self.secure = secure or (lambda socket: None)
        self.context = zmq.Context()
        self.poller = zmq.Poller()
        self.pub = self._bind(zmq.XPUB, publish_ep)
        self.router = self._bind(zmq.ROUTER, control_ep)

    def _bind(self, socket_type, endpoint):
        socket = self.context.socket(socket_type)
        if socket_type == zmq.XPUB:
            # Every subscriber counts, not only the first of a topic.
            socket.setsockopt(zmq.XPUB_VERBOSER, 1)
        else:
            socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
            socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
        socket.setsockopt(zmq.SNDHWM, 0)
        socket.setsockopt(zmq.RCVHWM, 0)
        socket.setsockopt(zmq.LINGER, 1000)
        socket.setsockopt(zmq.HEARTBEAT_IVL, 2000)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 2000 * TIME_FACTOR)
        self.secure(socket)
        socket.bind(endpoint)
        self.poller.register(socket, zmq.POLLIN)
        return socket

    def close(self):
        self.pub.close()
        self.router.close()
        self.context.term()

    # Sending.

    def envelope(self, kind, message_id=None, **fields):
        return self.schema.mq.Envelope(
            protocol_version=1, kind=kind, sender=self.sender,
            message_id=message_id or str(uuid.uuid4()), epoch=self.epoch,
            sent_at=time.time_ns() // 1000, **fields)

    def next_sequence(self, topic):
        self._sequences[topic] += 1
        self._next_heartbeat[topic] = time.monotonic() + HEARTBEAT_FIRST
        return self._sequences[topic]

    def publish(self, topic, kind, payload=None, message_id=None,
                transaction_id=""):
        """Publishes 'payload' (a message, bytes or None) with the topic's next
        sequence number.  Returns the message's id."""
        envelope = self.envelope(kind, message_id,
                                 sequence=self.next_sequence(topic),
                                 transaction_id=transaction_id)
        self.publish_frames([topic.encode(), envelope.SerializeToString(),
                             to_bytes(payload)])
        return envelope.message_id

    def publish_frames(self, frames):
        self.pub.send_multipart(frames)

    def publish_vector(self, name):
        """Publishes a vector of messages.json, byte for byte.  Returns its
        message id."""
        frames = vector_frames(name)
        if len(frames) != 3:
            raise ValueError("vector %s is not for PUB/SUB" % name)
        self.publish_frames(frames)
        return self.schema.mq.Envelope.FromString(frames[1]).message_id

    def send(self, node, kind, payload=None, message_id=None,
             correlation_id="", transaction_id="", sequence=0):
        """Sends on the control channel.  Returns the message's id."""
        envelope = self.envelope(kind, message_id, sequence=sequence,
                                 correlation_id=correlation_id,
                                 transaction_id=transaction_id)
        self.router.send_multipart([node.encode(),
                                    envelope.SerializeToString(),
                                    to_bytes(payload)])
        return envelope.message_id

    # Serving.

    def run(self, timeout):
        """Serves the sockets until something arrived or 'timeout' seconds
        have passed.  Returns the other objects registered with 'poller' that
        are ready."""
        self._heartbeat()
        if self._next_heartbeat:
            due = min(self._next_heartbeat.values()) - time.monotonic()
            timeout = min(timeout, max(due, 0))
        ready = dict(self.poller.poll(timeout * 1000))
        if ready.pop(self.pub, None):
            self._drain(self.pub, self._subscribed)
        if ready.pop(self.router, None):
            self._drain(self.router, self._received)
        return list(ready)

    def wait(self, predicate, what, timeout=DEFAULT_TIMEOUT):
        """Serves until predicate() is true, and returns what it returned."""
        deadline = time.monotonic() + timeout
        while True:
            result = predicate()
            if result:
                return result
            left = deadline - time.monotonic()
            if left <= 0:
                raise WaitTimeout("no %s within %g s" % (what, timeout))
            self.run(left)

    def wait_hello(self, node, count=1, timeout=DEFAULT_TIMEOUT):
        self.wait(lambda: self.n_hellos[node] >= count,
                  "HELLO of " + node, timeout)
        return self.hellos[node][1]

    def wait_subscription(self, topic, count=1, timeout=DEFAULT_TIMEOUT):
        self.wait(lambda: self.subscriptions[topic] >= count,
                  "subscription to " + topic, timeout)

    def node_is_ready(self, node):
        """'node' would receive what we publish, and its answer reach us."""
        return (self.n_hellos[node] and self.subscriptions["node/" + node]
                and self.subscriptions["all"] >= len(self.hellos))

    def wait_node(self, node, timeout=DEFAULT_TIMEOUT):
        self.wait(lambda: self.node_is_ready(node), "node " + node, timeout)

    def forget_node(self, node, timeout=DEFAULT_TIMEOUT):
        """To be called when the agent of 'node' is gone: waits until ZeroMQ
        has noticed, so that wait_node() waits for the next one."""
        self.wait(lambda: self.subscriptions["node/" + node] <= 0,
                  "disconnection of " + node, timeout)
        self.hellos.pop(node, None)
        self.n_hellos.pop(node, None)

    def replies_to(self, message_id):
        return [r for r in self.replies
                if r.envelope.correlation_id == message_id]

    def wait_reply(self, message_id, n_agents=1, timeout=DEFAULT_TIMEOUT):
        """Waits until 'n_agents' different nodes have answered."""
        def answered():
            replies = self.replies_to(message_id)
            return (replies if len({r.node for r in replies}) >= n_agents
                    else None)
        return self.wait(answered, "%d replies to %s"
                         % (n_agents, message_id), timeout)

    def _drain(self, socket, handle):
        while True:
            try:
                frames = socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            handle(frames)

    def _subscribed(self, frames):
        topic = frames[0][1:].decode()
        self.subscriptions[topic] += 1 if frames[0][:1] == b"\1" else -1

    def _received(self, frames):
        try:
            node, envelope, payload = frames
            node = node.decode()
            envelope = self.schema.mq.Envelope.FromString(envelope)
            kind = self.schema.mq.Kind.Name(envelope.kind)
            if kind in ("GOAL_STATE_REPLY", "TXN_VOTE", "TXN_DONE"):
                self.replies.append(Reply(self.schema, node, envelope,
                                          payload))
                return
            message_class = self.schema.payload_class(kind)
            message = message_class and message_class.FromString(payload)
        except ValueError:              # Also UnicodeDecodeError, DecodeError.
            self.malformed += 1
            return
        handler = getattr(self, "_received_" + kind.lower(), None)
        if handler:
            handler(node, envelope, message)
        else:
            self.others.append((node, envelope, payload))

    def _received_hello(self, node, envelope, hello):
        self.hellos[node] = (envelope, hello)
        self.n_hellos[node] += 1
        self.send(node, "HELLO_REPLY",
                  self.schema.mq.Hello(node_id=node, epoch=self.epoch,
                                       sender=self.sender),
                  correlation_id=envelope.message_id)

    def _received_host_request(self, node, envelope, request):
        self.requests.append((node, request))
        restarted = self.schema.alcor.RequestType.Value("AGENT_RESTARTED")
        snapshot = self.snapshots.get(node)
        is_resync = any(r.request_type == restarted
                        for r in request.state_requests)
        give = bool(is_resync and snapshot)
        reply = self.schema.alcor.HostRequestReply(format_version=1)
        for r in request.state_requests:
            answer = self.answers.get(r.destination_ip, Answer("FAILURE"))
            verdict = (answer.verdict if r.request_type != restarted
                       else "SUCCESS" if give else "FAILURE")
            if r.request_type != restarted and answer.message is not None:
                self.send(node, "GOAL_STATE_V2", answer.message)
            if verdict != "silence":
                reply.operation_statuses.add(request_id=r.request_id,
                                             operation_status=verdict)
        if reply.operation_statuses:
            self.send(node, "HOST_REPLY", reply,
                      correlation_id=envelope.message_id)
        if give:
            self._send_snapshot(node, envelope.message_id, snapshot)

    def _send_snapshot(self, node, correlation_id, snapshot):
        mq = self.schema.mq
        parts = ([("SNAPSHOT_BEGIN", mq.SnapshotBegin(topics=snapshot.topics))]
                 + [("GOAL_STATE_V2", m) for m in snapshot.messages]
                 + [("SNAPSHOT_END",
                     mq.SnapshotEnd(epoch=self.epoch, sender=self.sender,
                                    positions=self._sequences))])
        for sequence, (kind, message) in enumerate(parts, 1):
            self.send(node, kind, message, correlation_id=correlation_id,
                      sequence=sequence)

    def _received_txn_query(self, node, envelope, _):
        outcome = self.outcomes.get(envelope.transaction_id, "TXN_ABORT")
        if outcome:
            self.send(node, outcome, correlation_id=envelope.message_id,
                      transaction_id=envelope.transaction_id)

    def _received_port_event(self, node, envelope, event):
        self.port_events.append((node, event))

    def _heartbeat(self):
        if not self.heartbeats:
            self._next_heartbeat.clear()
        now = time.monotonic()
        for topic, due in self._next_heartbeat.items():
            if due <= now:
                self._next_heartbeat[topic] = now + HEARTBEAT_INTERVAL
                envelope = self.envelope("HEARTBEAT",
                                         sequence=self._sequences[topic])
                self.publish_frames([topic.encode(),
                                     envelope.SerializeToString(), b""])


def to_bytes(payload):
    if payload is None:
        return b""
    return payload if isinstance(payload, bytes) \
        else payload.SerializeToString()


def vector_frames(name):
    """Frames of a vector of $ALCOR_VECTORS/messages.json."""
    directory = (os.environ.get("ALCOR_VECTORS")
                 or os.path.join(alcor_schema.design_dir(), "..", "vectors"))
    with open(os.path.join(directory, "messages.json")) as f:
        for vector in json.load(f)["vectors"]:
            if vector["name"] == name:
                return [bytes.fromhex(frame) for frame in vector["frames"]]
    raise ValueError("no vector %s" % name)
