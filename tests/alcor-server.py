#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A server that follows a script, for an agent whose transport is a dummy
(plugin/ingest/transport-dummy.c): it publishes, answers requests for the
state, and prints what the agent sends.

usage: alcor-server.py [-t TARGET] [FILE]

FILE (default: standard input) holds commands, one a line, with options
KEY=VALUE; the lines of a network (see alcor_goal.py) belong to the command
before them:

    connect, disconnect     the control channel
    publish ID topic=T seq=N [kind=K] [correlation=ID] [v1=yes] [payload=HEX]
                            a message; without topic=, on the control channel;
                            correlation=HELLO means the last HELLO
    heartbeat topic=T seq=N
    answer STATUS           HOST_REPLY to the last HOST_REQUEST
    begin [topics=T,...]    of a snapshot that answers it; what follows is
    state                   numbered from 1 on unless seq= says otherwise
    end [positions=T:N,...] [id=ID]
    hello-reply [positions=T:N,...] to the last HELLO
    sent                    prints what the agent has sent since the last time,
                            when it has become idle: first answers to goal
                            state, in the order of that, then all else
    warp MSEC [STEP]        time passes (after time/stop), in about 20 steps
    idle                    waits until the agent has seen to all that

Every command takes sender= (default: ctl-1) and epoch= (1); what belongs to a
snapshot takes request=N, the Nth HOST_REQUEST from the last (1).
"""

import argparse
import importlib
import json
import sys

from google.protobuf import json_format

import alcor_goal
import alcor_schema

COMMANDS = ("connect", "disconnect", "publish", "heartbeat", "answer",
            "begin", "state", "end", "hello-reply", "sent", "warp",
            "idle")


alcor_dummy = importlib.import_module("alcor-dummy")


class Command:
    def __init__(self, words):
        self.name = words[0]
        self.words = [w for w in words[1:] if "=" not in w]
        self.options = dict(w.split("=", 1) for w in words[1:] if "=" in w)
        self.lines = []


def parse(text):
    commands = []
    for line in text.splitlines(keepends=True):
        words = line.split("#")[0].split()
        if words and words[0] in COMMANDS:
            commands.append(Command(words))
        elif words:
            commands[-1].lines.append(line)
    return commands


class Server:
    def __init__(self, target):
        self.schema = alcor_schema.load()
        self.agent = alcor_dummy.Agent(target)
        self.unread = []        # Sent by the agent, as pairs of bytes.
        self.hello = ""         # Id of the last HELLO.
        self.requests = []      # HOST_REQUESTs: message id, request id.
        self.sequence = 0       # In the snapshot being sent.
        self.ids = []           # Of messages, in the order of sending.

    def run(self, command):
        getattr(self, "do_" + command.name.replace("-", "_"))(command)

    def do_connect(self, _):
        self.agent.command("transport/dummy-connect")

    def do_disconnect(self, _):
        self.agent.command("transport/dummy-disconnect")

    def do_warp(self, c):
        left = int(c.words[0])
        step = int(c.words[1]) if len(c.words) > 1 else max(left // 20, 1)
        while left > 0:
            self.agent.command("time/warp", str(min(step, left)))
            left -= step

    def do_idle(self, _):
        self.agent.command("wait-idle")

    def do_publish(self, c):
        kind = c.options.get("kind", "GOAL_STATE" if c.options.get("v1")
                             else "GOAL_STATE_V2")
        self._send(c, kind, self._network(c), c.words[0])

    def do_heartbeat(self, c):
        self._send(c, "HEARTBEAT")

    def do_hello_reply(self, c):
        self._read()
        reply = self.schema.mq.Hello()
        self._positions(c, reply)
        self._send(c, "HELLO_REPLY", reply, correlation=self.hello)

    def do_answer(self, c):
        request = self._request(c)
        reply = self.schema.alcor.HostRequestReply(format_version=1)
        reply.operation_statuses.add(request_id=request[1],
                                     operation_status=c.words[0])
        self._send(c, "HOST_REPLY", reply, correlation=request[0])

    def do_begin(self, c):
        topics = c.options.get("topics")
        self.sequence = 0
        self._snapshot(c, "SNAPSHOT_BEGIN", self.schema.mq.SnapshotBegin(
            topics=topics.split(",") if topics else []))

    def do_state(self, c):
        self._snapshot(c, "GOAL_STATE_V2", self._network(c))

    def do_end(self, c):
        end = self.schema.mq.SnapshotEnd(
            epoch=int(c.options.get("epoch", 1)),
            sender=c.options.get("sender", "ctl-1"))
        self._positions(c, end)
        self._snapshot(c, "SNAPSHOT_END", end)

    def _positions(self, c, message):
        for pair in filter(None, c.options.get("positions", "").split(",")):
            topic, sequence = pair.rsplit(":", 1)
            message.positions[topic] = int(sequence)

    def do_sent(self, _):
        self.agent.command("wait-idle")
        self._read()
        self.unread.sort(key=lambda sent: self._rank(*sent))
        for kind, envelope, payload in self.unread:
            for line in self._describe(kind, envelope, payload):
                print(line)
        self.unread = []

    def _network(self, c):
        if "payload" in c.options:
            return bytes.fromhex(c.options["payload"])
        network = alcor_goal.Network(self.schema,
                                     alcor_dummy.HOSTS + "".join(c.lines))
        return (network.v1("host1") if c.options.get("v1")
                else network.v2(True))

    def _request(self, c):
        self._read()
        return self.requests[-int(c.options.get("request", 1))]

    def _snapshot(self, c, kind, payload):
        self.sequence = int(c.options.get("seq", self.sequence + 1))
        c.options["seq"] = self.sequence
        self._send(c, kind, payload, c.options.get("id", ""),
                   self._request(c)[0])

    def _send(self, c, *args, **kwargs):
        self.agent.command("transport/dummy-receive",
                           *self._frames(c, *args, **kwargs))

    def _frames(self, c, kind, payload=b"", id="", correlation=None):
        option = c.options.get
        if option("correlation") == "HELLO":
            self._read()
            correlation = self.hello
        self.ids.append(id)
        envelope = self.schema.mq.Envelope(
            protocol_version=1, message_id=id, sent_at=1,
            kind=int(kind) if kind.isdigit() else self.schema.kind(kind),
            correlation_id=correlation or option("correlation", ""),
            sender=option("sender", "ctl-1"), epoch=int(option("epoch", 1)),
            sequence=int(option("seq", 0)))
        if not isinstance(payload, bytes):
            payload = payload.SerializeToString()
        return (option("topic", "-"), envelope.SerializeToString().hex(),
                payload.hex())

    def _read(self):
        for line in self.agent.command("transport/dummy-sent").splitlines():
            envelope, payload = [bytes.fromhex(h) for h in line.split(" ")]
            envelope = self.schema.mq.Envelope.FromString(envelope)
            kind = self.schema.mq.Kind.Name(envelope.kind)
            payload = self.schema.payload_class(kind).FromString(payload)
            if kind == "HOST_REQUEST":
                self.requests.append((envelope.message_id,
                                      payload.state_requests[0].request_id))
            if kind == "HELLO":
                self.hello = envelope.message_id
            self.unread.append((kind, envelope, payload))

    def _rank(self, kind, envelope, _):
        """Where it comes in the output.  When answers come is their own
        business, so they are apart from what has an order."""
        id = envelope.correlation_id
        return (0, self.ids.index(id) if id in self.ids else -1) \
            if kind == "GOAL_STATE_REPLY" else (1, 0)

    def _describe(self, kind, envelope, m):
        if kind == "GOAL_STATE_REPLY":
            return alcor_dummy.describe_reply(self.schema,
                                              envelope.correlation_id, m)
        elif kind == "HELLO":
            text = "topics=" + ",".join(sorted(m.topics))
            if m.positions:
                text += " positions=" + ",".join(
                    "%s:%d" % p for p in sorted(m.positions.items()))
                text += " of %s %d" % (m.sender, m.epoch)
        elif kind == "HOST_REQUEST":
            text = self.schema.alcor.RequestType.Name(
                m.state_requests[0].request_type)
        else:
            text = json.dumps(json_format.MessageToDict(m), sort_keys=True)
        return ["%s %s" % (kind, text)]


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("-t", "--target", default="alcor-agent")
    parser.add_argument("file", nargs="?")
    args = parser.parse_args()

    server = Server(args.target)
    with open(args.file) if args.file else sys.stdin as f:
        commands = parse(f.read())
    for command in commands:
        server.run(command)


if __name__ == "__main__":
    main()
