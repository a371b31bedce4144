#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sends messages to an agent whose transport is a dummy
(plugin/ingest/transport-dummy.c) and prints what it answers.

usage: alcor-dummy.py [-t TARGET] [--no-wait] [--unsorted] [--all] [--times]
                      [FILE]

FILE (default: standard input) holds messages, each a line "message ID
KEY=VALUE..." (ID "-": none) and the lines of its payload, which are a network
(see alcor_goal.py; hosts host1, which is the agent's, to host4 are known) or,
starting with "{", a GoalStateV2, or the payload of another kind, as JSON.
Keys:

    topic=TOPIC seq=N    default: the control channel, 0
    listed=yes           lists resources by host; default: all for everybody
    v1=yes               version 1, just what is for host1
    sender= epoch= version= kind= transaction=      of the envelope
    payload=HEX          instead of a network
    envelope=HEX         instead of all of the above
    vector=NAME          instead of all that, a message of messages.json

All messages are sent, then, without --no-wait, the agent is given the time to
become idle.  Prints the answers, in the order of the messages (those to
earlier ones first) and of answers to the same message: "ID TYPE ID OPERATION
STATUS" for each resource, sorted, or "ID -"; about a transaction, "ID VOTE
TRANSACTION TYPE...", the same with DONE, and "QUERY TRANSACTION".  An answer
with times that cannot be gets another line that says so.  With --unsorted,
statuses are as they came; with --all, other messages are printed, too; with
--times, the times of each answer (configuration, programming, elapsed, in µs).
"""

import argparse
import json
import os
import socket
import sys

from google.protobuf import json_format

import alcor_controller
import alcor_goal
import alcor_schema

HOSTS = "".join("host host%d ip=172.31.0.%d mac=02:ac:1f:00:00:%02x\n"
                % (i, i, i) for i in range(1, 5))
TIMEOUT = 60 * alcor_controller.TIME_FACTOR
MAX_USEC = 10**9                # No test takes longer.


class Agent:
    """The agent's control socket (unixctl)."""

    def __init__(self, target):
        if "/" not in target:
            pattern = os.path.join(os.environ["OVS_RUNDIR"], target)
            with open(pattern + ".pid") as f:
                target = "%s.%s.ctl" % (pattern, f.read().strip())
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(TIMEOUT)
        self.socket.connect(target)
        self.buffer = ""

    def command(self, method, *params):
        self.socket.sendall(json.dumps({"id": 0, "method": method,
                                        "params": params}).encode())
        while True:
            try:
                reply, end = json.JSONDecoder().raw_decode(self.buffer)
                break
            except ValueError:
                data = self.socket.recv(1 << 20)
                if not data:
                    raise OSError("%s: the agent is gone" % method)
                self.buffer += data.decode()
        self.buffer = self.buffer[end:].lstrip()
        if reply["error"]:
            raise OSError("%s: %s" % (method, reply["error"].strip()))
        return reply["result"]


class Message:
    """A message as it is read, and the frames that it makes."""

    def __init__(self, words):
        self.id = "" if words[0] == "-" else words[0]
        self.options = dict(word.split("=", 1) for word in words[1:])
        self.lines = []

    def frames(self, schema):
        """Topic, envelope, payload."""
        option = self.options.get
        if option("vector"):
            frames = alcor_controller.vector_frames(option("vector"))
            topic = frames.pop(0).decode() if len(frames) > 2 else "-"
            return [topic] + frames
        topic = option("topic", "-")
        payload = self.payload(schema)
        if option("envelope"):
            return [topic, bytes.fromhex(option("envelope")), payload]
        kind = option("kind", "GOAL_STATE" if option("v1")
                      else "GOAL_STATE_V2")
        envelope = schema.mq.Envelope(
            protocol_version=int(option("version", 1)), message_id=self.id,
            kind=int(kind) if kind.isdigit() else schema.kind(kind),
            sender=option("sender", "ctl-1"), epoch=int(option("epoch", 1)),
            sequence=int(option("seq", 0)), sent_at=1,
            transaction_id=option("transaction", ""))
        return [topic, envelope.SerializeToString(), payload]

    def payload(self, schema):
        if "payload" in self.options:
            return bytes.fromhex(self.options["payload"])
        kind = self.options.get("kind", "")
        if kind and self.lines and all(l[0] == "{" for l in self.lines):
            message = schema.payload_class(kind)()
            json_format.Parse("".join(self.lines), message)
            return message.SerializeToString(deterministic=True)
        text = "".join(line for line in self.lines if line[0] != "{")
        network = alcor_goal.Network(schema, HOSTS + text)
        if self.options.get("v1"):
            message = network.v1("host1")
        else:
            message = network.v2(not self.options.get("listed"))
        for line in self.lines:
            if line[0] == "{":
                message.MergeFrom(json_format.Parse(line, type(message)()))
        return message.SerializeToString(deterministic=True)


def parse(text):
    messages = []
    for line in text.splitlines(keepends=True):
        words = line.split()
        if words and words[0] == "message":
            messages.append(Message(words[1:]))
        elif words:
            messages[-1].lines.append(line)
    return messages


def times_of(status):
    return (status.network_configuration_time,
            status.dataplane_programming_time, status.state_elapse_time)


def implausible(reply):
    """What cannot be true of the times in 'reply', or None."""
    total = reply.message_total_operation_time
    for s in reply.operation_statuses:
        times = times_of(s)
        if max(times) > times[-1] or not times[-1] <= total <= MAX_USEC:
            return "%d, %d, %d, total %d" % (times + (total,))
    return None


def name_of(enum, value):
    return enum.Name(value) if value in enum.values() else str(value)


def describe_reply(schema, name, reply, with_times=False, order=sorted):
    """The lines for a GoalStateOperationReply to the message called 'name'."""
    pb = schema.alcor
    lines = order("%s %s %s %s %s" % (
        name, name_of(pb.ResourceType, s.resource_type),
        s.resource_id or '""',
        name_of(pb.OperationType, s.operation_type),
        name_of(pb.OperationStatus, s.operation_status))
        for s in reply.operation_statuses) or [name + " -"]
    if with_times:
        lines += ["%s times %d %d %d" % ((name,) + times) for times in sorted(
            set(times_of(s) for s in reply.operation_statuses))]
    if implausible(reply):
        lines.append("%s times are implausible: %s"
                     % (name, implausible(reply)))
    return lines


def describe_sent(schema, line, args):
    """What to print of a message that the agent has sent, shown as by
    dummy-sent: the id of the message it answers, and lines."""
    envelope, payload = [bytes.fromhex(h) for h in line.split(" ")]
    envelope = schema.mq.Envelope.FromString(envelope)
    kind = schema.mq.Kind.Name(envelope.kind)
    payload_class = schema.payload_class(kind)
    message = payload_class.FromString(payload) if payload_class else None
    name = envelope.correlation_id
    order = list if args.unsorted else sorted
    if kind == "GOAL_STATE_REPLY":
        return name, describe_reply(schema, name, message, args.times, order)
    if kind in ("TXN_VOTE", "TXN_DONE"):
        return name, describe_reply(schema, "%s %s %s" % (
            name, kind[4:], envelope.transaction_id), message, args.times,
            order)
    if kind == "TXN_QUERY":
        return "", ["QUERY " + envelope.transaction_id]
    if not args.all:
        return "", []
    return "", [kind + " " + json.dumps(json_format.MessageToDict(message),
                                        sort_keys=True)]


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("-t", "--target", default="alcor-agent")
    parser.add_argument("--no-wait", action="store_true")
    parser.add_argument("--unsorted", action="store_true")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--times", action="store_true")
    parser.add_argument("file", nargs="?")
    args = parser.parse_args()

    schema = alcor_schema.load()
    agent = Agent(args.target)
    with open(args.file) if args.file else sys.stdin as f:
        messages = parse(f.read())
    for message in messages:
        topic, envelope, payload = message.frames(schema)
        agent.command("transport/dummy-receive", topic, envelope.hex(),
                      payload.hex())
    if not args.no_wait:
        agent.command("wait-idle")
    answers = [describe_sent(schema, line, args)
               for line in agent.command("transport/dummy-sent").splitlines()]
    order = {message.id: i for i, message in enumerate(messages, 1)}
    for _, lines in sorted(answers, key=lambda a: (order.get(a[0], 0),
                                                   a[0])):
        print("".join(line + "\n" for line in lines), end="")


if __name__ == "__main__":
    main()
