#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a test controller (alcor_controller.py) as a daemon, to which ovs-appctl
talks: where the suite runs slowly, Python would take most of the time.

usage: alcor-controller.py --unixctl SOCKET --publish EP --control EP
                           [--pidfile FILE] [--log FILE] [--sender ID]
                           [--no-heartbeats] [--foreground]
       ovs-appctl -t SOCKET COMMAND [ARG...]

Returns when both endpoints are bound and runs until "exit".
Commands (those that wait give up after --timeout=SECONDS, default
$ALCOR_CTL_TIMEOUT or 15):

  wait-node NODE...      until the nodes have said HELLO and have subscribed
  wait-hello NODE [N]    until NODE has said HELLO N times
  wait-subscription TOPIC [N]
  forget NODE            after its agent has gone: so that wait-node waits
  publish [--id=ID] [--topic=TOPIC] [--v1] [--each] [--transaction=ID]
          [--no-wait] FILE...
      Publishes goal state and waits for all answers, which it prints as
      "HOST TYPE ID OPERATION STATUS", sorted; "HOST -" is an answer without
      statuses.  FILE, relative to --cwd=DIRECTORY, is a network (see
      alcor_goal.py; several are read as one), or GoalStateV2 as *.json.  It
      goes out as one message on topic "all"; with --each as one a host on
      "node/HOST"; with --v1 likewise, as version 1.
  transaction KIND ID [--to=NODE,...] [FILE...]
      Sends TXN_PREPARE (of what is in FILE), TXN_COMMIT or TXN_ABORT of
      transaction ID, to the nodes or, without --to, on topic "all", and prints
      all answers as "publish" does.  Nodes that ask for the outcome later are
      told it.
  vector NAME [--no-wait]
      Publishes a vector of messages.json as it stands.
  replies [ID]           prints answers so far (to ID), in order of arrival
  wait-reply ID [N]      prints the answers to ID when N nodes have answered
  wait-line ID LINE      until an answer to ID holds LINE
  snapshot NODE FILE     what NODE gets when it asks for a resync; without
                         FILE, nothing
  on-demand DESTINATION VERDICT [FILE...]
      How a node that asks for an address is answered: the VERDICT is SUCCESS,
      FAILURE (which it is at first), or "silence"; what is in FILE is sent to
      the node before.
  subscriptions          prints "TOPIC COUNT"
  requests               prints host requests: "NODE TYPE DESTINATION"
  port-events            prints "NODE PORT active|inactive"
  hellos                 prints "NODE HOST_IP COUNT"
  exit
"""

import argparse
import json
import os
import signal
import socket
import sys
import traceback


def parse_command_line(argv):
    parser = argparse.ArgumentParser(
        description=__doc__, usage=argparse.SUPPRESS,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--unixctl", metavar="SOCKET", required=True)
    parser.add_argument("--publish", required=True)
    parser.add_argument("--control", required=True)
    parser.add_argument("--pidfile")
    parser.add_argument("--log", default="/dev/null")
    parser.add_argument("--sender", default="ctl-1")
    parser.add_argument("--no-heartbeats", action="store_true")
    parser.add_argument("--foreground", action="store_true")
    return parser.parse_args(argv)


def timeout_of(command):
    for word in command:
        if word.startswith("--timeout="):
            return float(word.partition("=")[2])
    return float(os.environ.get("ALCOR_CTL_TIMEOUT", 15))


def read_json(sock):
    """Reads one JSON object, after which the client waits for the answer."""
    data = b""
    while True:
        chunk = sock.recv(65536)
        data += chunk
        try:
            return json.loads(data)
        except ValueError:
            if not chunk:
                raise


# Server.

class UsageError(Exception):
    pass


class Options:
    """Words of a command, split into --KEY[=VALUE] and the rest."""

    def __init__(self, words):
        self.args = [w for w in words if not w.startswith("--")]
        self._options = {}
        for w in words:
            if w.startswith("--"):
                key, eq, value = w[2:].partition("=")
                self._options[key] = value if eq else True
        self.timeout = timeout_of(words)

    def get(self, key, default=None):
        return self._options.get(key, default)


class Server:
    """Executes commands for clients, one at a time, in between serving the
    controller's own sockets."""

    def __init__(self, controller, goal_module, listener):
        self.controller = controller
        self.goal = goal_module
        self.listener = listener
        self.exiting = False
        controller.poller.register(listener, 1)         # zmq.POLLIN

    def run(self):
        while not self.exiting:
            if self.controller.run(60):
                connection, _ = self.listener.accept()
                with connection:
                    self.serve(connection)

    def serve(self, connection):
        connection.settimeout(5)
        answer = {"id": None, "result": None, "error": None}
        try:
            request = read_json(connection)
            answer["id"] = request["id"]
            answer["result"] = self.execute(
                [request["method"]] + request["params"])
        except Exception as e:
            traceback.print_exc()
            answer["error"] = "alcor-controller: %s: %s\n" % (
                type(e).__name__, e)
        try:
            connection.sendall(json.dumps(answer).encode())
        except OSError:
            pass                        # The client has gone.

    def execute(self, argv):
        handler = argv and getattr(
            self, "do_" + argv[0].replace("-", "_"), None)
        if not handler:
            raise UsageError("unknown command %s" % argv[:1])
        lines = handler(Options(argv[1:]))
        return "".join(line + "\n" for line in lines or [])

    # Commands.  Each returns the lines to print, or None.

    def do_wait_node(self, o):
        for node in o.args:
            self.controller.wait_node(node, o.timeout)

    def do_wait_hello(self, o):
        self.controller.wait_hello(*self.name_and_count(o), o.timeout)

    def do_wait_subscription(self, o):
        self.controller.wait_subscription(*self.name_and_count(o), o.timeout)

    def do_forget(self, o):
        for node in o.args:
            self.controller.forget_node(node, o.timeout)

    def do_publish(self, o):
        if o.args[0].endswith(".json"):
            messages = self.json_messages(o)
        else:
            messages = self.network_messages(o)
        c = self.controller
        sent = [(c.publish(topic, kind, message, message_id=id,
                           transaction_id=o.get("transaction", "")), n)
                for topic, kind, message, id, n in messages]
        return None if o.get("no-wait") else self.answers(sent, o.timeout)

    def do_transaction(self, o):
        kind, id = "TXN_" + o.args[0], o.args[1]
        del o.args[:2]
        c = self.controller
        payload = self.network(o).v2() if o.args else None
        c.outcomes[id] = kind if payload is None else None
        nodes = o.get("to")
        if nodes:
            sent = [(c.send(node, kind, payload, transaction_id=id), 1)
                    for node in nodes.split(",")]
        else:
            sent = [(c.publish("all", kind, payload, transaction_id=id),
                     len(c.hellos))]
        return None if o.get("no-wait") else self.answers(sent, o.timeout)

    def do_vector(self, o):
        id = self.controller.publish_vector(o.args[0])
        return None if o.get("no-wait") else self.answers([(id, 1)],
                                                          o.timeout)

    def do_replies(self, o):
        replies = (self.controller.replies_to(o.args[0]) if o.args
                   else self.controller.replies)
        return [line for r in replies for line in r.lines()]

    def do_wait_reply(self, o):
        return self.answers([self.name_and_count(o)], o.timeout)

    def do_wait_line(self, o):
        id, line = o.args
        self.controller.wait(
            lambda: any(line in r.lines()
                        for r in self.controller.replies_to(id)),
            "'%s' in answer to %s" % (line, id), o.timeout)

    def do_snapshot(self, o):
        from alcor_controller import Snapshot
        node = o.args.pop(0)
        self.controller.snapshots[node] = Snapshot(
            [], [self.network(o).v2()]) if o.args else None

    def do_on_demand(self, o):
        from alcor_controller import Answer
        destination, verdict = o.args[:2]
        del o.args[:2]
        self.controller.answers[destination] = Answer(
            verdict, self.network(o).v2() if o.args else None)

    def do_subscriptions(self, o):
        return ["%s %d" % item for item
                in sorted(self.controller.subscriptions.items()) if item[1]]

    def do_requests(self, o):
        pb = self.controller.schema.alcor
        return ["%s %s %s" % (node, pb.RequestType.Name(r.request_type),
                              r.destination_ip or "-")
                for node, request in self.controller.requests
                for r in request.state_requests]

    def do_port_events(self, o):
        return ["%s %s %s" % (node, event.port_id,
                              "active" if event.active else "inactive")
                for node, event in self.controller.port_events]

    def do_hellos(self, o):
        return ["%s %s %d" % (node, hello.host_ip,
                              self.controller.n_hellos[node])
                for node, (_, hello) in self.controller.hellos.items()]

    def do_exit(self, o):
        self.exiting = True

    # Helpers.

    @staticmethod
    def name_and_count(o):
        return o.args[0], int(o.args[1]) if len(o.args) > 1 else 1

    @staticmethod
    def text(o):
        parts = []
        for name in o.args:
            with open(os.path.join(o.get("cwd", ""), name)) as f:
                parts.append(f.read())
        return "\n".join(parts)

    def network(self, o):
        return self.goal.Network(self.controller.schema, self.text(o))

    def json_messages(self, o):
        from google.protobuf import json_format
        schema = self.controller.schema
        kind = "GOAL_STATE" if o.get("v1") else "GOAL_STATE_V2"
        message = json_format.Parse(self.text(o),
                                    schema.payload_class(kind)())
        topic = o.get("topic", "all")
        n = len(self.controller.hellos) if topic == "all" else 1
        return [(topic, kind, message, o.get("id"), n)]

    def network_messages(self, o):
        """(topic, kind, message, id, number of answers) of each message."""
        network = self.network(o)
        id = o.get("id")
        if not o.get("v1") and not o.get("each"):
            topic = o.get("topic", "all")
            n = len(self.controller.hellos) if topic == "all" else 1
            return [(topic, "GOAL_STATE_V2", network.v2(), id, n)]
        return [("node/" + host,
                 "GOAL_STATE" if o.get("v1") else "GOAL_STATE_V2",
                 network.v1(host) if o.get("v1") else network.v2(),
                 id and "%s@%s" % (id, host), 1)
                for host in network.receivers()]

    def answers(self, sent, timeout):
        """First answer of each node to the messages 'sent', (id, number of
        nodes) each."""
        lines = []
        for id, n in sent:
            nodes = set()
            for reply in self.controller.wait_reply(id, n, timeout):
                if reply.node not in nodes:
                    nodes.add(reply.node)
                    lines += reply.lines()
        return sorted(lines)


def daemonize(log):
    """Forks; the parent stays until the child calls the function returned,
    and exits with what the child tells it (1 if the child died)."""
    ready, tell = os.pipe()
    if os.fork():
        os.close(tell)
        status = os.read(ready, 1)
        os._exit(status[0] if status else 1)
    os.close(ready)
    os.setsid()

    def detach():
        null = os.open(os.devnull, os.O_RDONLY)
        fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(null, 0)
        os.dup2(fd, 1)
        os.dup2(fd, 2)
        os.write(tell, b"\0")
        os.close(tell)
    return detach


def serve(args):
    detach = (lambda: None) if args.foreground else daemonize(args.log)
    # Imported in the child: ZeroMQ does not survive a fork.
    import alcor_controller
    import alcor_goal
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    listener = socket.socket(socket.AF_UNIX)
    if os.path.exists(args.unixctl):
        os.unlink(args.unixctl)
    listener.bind(args.unixctl)
    listener.listen(16)
    controller = alcor_controller.Controller(
        args.publish, args.control, sender=args.sender,
        heartbeats=not args.no_heartbeats)
    server = Server(controller, alcor_goal, listener)
    if args.pidfile:
        with open(args.pidfile, "w") as f:
            f.write("%d\n" % os.getpid())
    detach()
    try:
        server.run()
    finally:
        controller.close()
        for name in (args.unixctl, args.pidfile):
            if name and os.path.exists(name):
                os.unlink(name)


def main():
    serve(parse_command_line(sys.argv[1:]))


if __name__ == "__main__":
    main()
