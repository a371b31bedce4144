#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Random goal states in random order: whatever has happened, the result is
that of a fresh agent that is told the final state.

usage: equivalence.py SEED STEPS [MINUTES]

Agent A (in $OVS_RUNDIR, started by the test) goes through STEPS steps, and with
MINUTES again and again, for so long: messages
with creations, updates, moves and deletions, of both versions, children before
parents, duplicates, lost messages, resynchronisation, new epochs, ports plugged
and unplugged, lazy VPCs, plugins switched off and on, kills and restarts of the
agent and of ovs-vswitchd.  Model (equivalence_model.py)
does by the rules of wire-protocol.md what A should do.  At each checkpoint A is compared with itself
after "recompute", and with agent B, a fresh one, which gets the model's state
in one message: flows, groups, meters, rows, list of resources.

The steps are written to equivalence.log.
"""

import collections
import difflib
import hashlib
import importlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

from alcor_controller import TIME_FACTOR
from alcor_process import is_alive
import alcor_schema
import equivalence_model
from equivalence_model import CREATE, FULL, GET, HOSTS, INFO, KINDS, UPDATE

SENDER = "ctl-1"
TOPICS = ("all", "node/host1")
TIMEOUT = 60 * TIME_FACTOR

# What the agent allocates: where its numbers stand in what is dumped.  They
# differ from agent to agent.
ALLOCATED = (
    ("group", r"\bgroup(?:_id)?[:=](\d+)"),
    ("meter", r"\bmeter(?:_id)?[:=](\d+)"),
    ("conjunction", r"\b(?:conj_id=|conjunction\()(\d+)"),
    ("zone", r"\b(?:ct_)?zone=(\d+)"),
    # Security groups know a port by its zone.
    ("port", r"\b(?:reg0=|set_field:(?=0x[0-9a-f]+->reg0\b))(0x[0-9a-f]+)"),
)
# Tables and columns of the database Alcor that tell what is in effect.
ROWS = (
    ("VPC", "id,tunnel_id,neighbors_stored,neighbors_programmed"),
    ("Port", "id,vpc,mac,addresses,interface,ofport,state,reason"),
    ("Gateway", "id,type,entrances"),
    ("Plugin", "name,enabled,status,flows"),
)


alcor_dummy = importlib.import_module("alcor-dummy")


class Mismatch(Exception):
    pass


class Host:
    """An Open vSwitch and an agent, with their files in 'directory'."""

    def __init__(self, directory):
        self.directory = os.path.abspath(directory)
        self.env = dict(os.environ)
        for name in ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR",
                     "OVS_SYSCONFDIR", "OVS_PKGDATADIR"):
            self.env[name] = self.directory
        self.agent = None
        self.cfg = 0

    def call(self, *command):
        return subprocess.run(command, env=self.env, cwd=self.directory,
                              check=True, stdout=subprocess.PIPE,
                              timeout=TIMEOUT, text=True).stdout

    def ctl(self, *command):
        """Talks to ovsdb-server or ovs-vswitchd, again if it has hung up: the
        former does when the agent adds its database, which it has lost when it
        was restarted, the latter if it could not answer for a second."""
        deadline = time.monotonic() + TIMEOUT
        while True:
            try:
                return self.call(*command)
            except subprocess.CalledProcessError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def vsctl(self, *args):
        return self.ctl("ovs-vsctl", *args)

    def pid(self, daemon):
        with open(os.path.join(self.directory, daemon + ".pid")) as f:
            return int(f.read())

    def kill(self, daemon, how=signal.SIGKILL):
        pid = self.pid(daemon)
        os.kill(pid, how)
        while is_alive(pid):
            time.sleep(0.002)

    def start(self, daemon, *args):
        subprocess.run((daemon,) + args + (
            "--detach", "--no-chdir", "--pidfile", "--log-file",
            "-vconsole:off"), env=self.env, cwd=self.directory, check=True,
            stderr=subprocess.DEVNULL, timeout=TIMEOUT)

    def start_switch(self):
        self.start("ovs-vswitchd", "--enable-dummy", "--disable-system",
                   "--disable-system-route")

    def start_database(self):
        """Starts ovsdb-server; the agent adds its database to it."""
        self.start("ovsdb-server", "--remote=punix:%s/db.sock"
                   % self.directory)

    def start_ovs(self, like):
        """Starts Open vSwitch, configured as that of 'like'."""
        os.makedirs(self.directory)
        with open(os.path.join(self.directory, "schema"), "w") as f:
            f.write(like.call("ovsdb-client", "get-schema", "unix:%s/db.sock"
                              % like.directory, "Open_vSwitch"))
        self.call("ovsdb-tool", "create", "conf.db", "schema")
        shutil.copy(os.path.join(like.directory, "alcor.ovsschema"),
                    self.directory)
        self.start_database()
        self.call("ovsdb-tool", "create", "alcor.db", "alcor.ovsschema")
        self.call("ovs-appctl", "-t", "ovsdb-server", "ovsdb-server/add-db",
                  os.path.join(self.directory, "alcor.db"))
        self.vsctl("--no-wait", "init")
        self.start_switch()
        ids = like.vsctl("get", "Open_vSwitch", ".", "external_ids").strip()
        self.vsctl("--no-wait", "set", "Open_vSwitch", ".",
                   "external_ids=" + ids)

    def start_agent(self):
        self.start("alcor-agent", "--enable-dummy",
                   "unix:%s/db.sock" % self.directory)
        self.connect_agent()
        deadline = time.monotonic() + TIMEOUT
        while "state: running" not in self.agent.command("connection-status"):
            if time.monotonic() > deadline:
                raise Mismatch("the agent does not start")
            time.sleep(0.005)

    def connect_agent(self):
        self.agent = alcor_dummy.Agent("%s/alcor-agent.%d.ctl" % (
            self.directory, self.pid("alcor-agent")))

    def forget(self):
        shutil.rmtree(os.path.join(self.directory, "alcor"))

    def known(self):
        """What is stored, and which messages it came with, as lines."""
        rows = [line.split(",") for line in sorted(self.agent.command(
            "goal-state/list", "--format=csv").splitlines()[1:])]
        return [" ".join(row[:2] + row[-1:]) for row in rows]

    def receive(self, topic, envelope, payload):
        self.agent.command("transport/dummy-receive", topic,
                           envelope.SerializeToString().hex(),
                           payload.SerializeToString().hex()
                           if payload is not None else "")

    def idle(self):
        self.agent.command("wait-idle")

    def sent(self, schema):
        """What the agent has sent: envelopes and payloads."""
        for line in self.agent.command("transport/dummy-sent").splitlines():
            envelope, payload = [bytes.fromhex(h) for h in line.split(" ")]
            yield schema.mq.Envelope.FromString(envelope), payload

    def flow_mods(self):
        return int(self.agent.command("coverage/read-counter",
                                      "openflow_flow_mod"))

    def ofctl(self, command, pattern):
        """What 'command' prints that 'pattern' is in, as sorted lines."""
        lines = self.ctl("ovs-ofctl", "-O", "OpenFlow15", "--names",
                         *command, "br-int").splitlines()
        return sorted(command[-1] + " " + line.strip() for line in lines
                      if pattern in line)

    def rows(self, table, columns):
        return ["%s %s" % (table, line) for line in sorted(self.ctl(
            "ovs-vsctl" if table == "Interface" else "alcor-ctl", "--bare",
            "--format=csv", "--no-headings", "--columns=" + columns, "list",
            table).splitlines())]

    def dump(self):
        """Everything that is compared, as lines."""
        lines = self.ofctl(("--no-stats", "dump-flows"), "cookie=")
        lines += map(without_buckets, self.ofctl(("dump-groups",),
                                                 "group_id="))
        lines += self.ofctl(("dump-meters",), "meter=")
        lines = renamed(lines)
        lines += ["resource " + line.rsplit(",", 1)[0] for line in sorted(
            self.agent.command("goal-state/list",
                               "--format=csv").splitlines()[1:])]
        lines += self.rows("Interface", "name,type,options,external_ids")
        self.wait_for_rows()
        for table, columns in ROWS:
            # Whether entrances are alive is found out in the course of time.
            lines += [re.sub(r"=(alive|dead|unknown)\b", "", line)
                      for line in self.rows(table, columns)]
        return lines

    def wait_for_rows(self):
        """Returns when the agent has written what it knows now: cur_cfg
        follows cfg together with the rows."""
        self.cfg += 1
        self.ctl("alcor-ctl", "set", "Agent", ".", "cfg=%d" % self.cfg)
        deadline = time.time() + TIMEOUT
        while self.ctl("alcor-ctl", "get", "Agent", ".",
                       "cur_cfg").strip() != str(self.cfg):
            if time.time() > deadline:
                raise Mismatch("the agent does not write its rows")
            time.sleep(0.02)


def without_buckets(line):
    """Returns a group without the ids of its buckets, which in select groups
    are allocated and give the order."""
    if "type=select" not in line:
        return line
    group, *buckets = re.sub(r"bucket_id:\d+,", "", line).split(",bucket=")
    return ",bucket=".join([group] + sorted(buckets))


def renamed(lines):
    """Returns 'lines', sorted, with each allocated number replaced by a name
    made of where it is used: two dumps that differ only in these numbers
    become the same."""
    def replace(line, names):
        for kind, pattern in ALLOCATED:
            line = re.sub(pattern, lambda m: "%s<%s>" % (
                m.group(0)[:-len(m.group(1))],
                names.get((kind, m.group(1)), "")), line)
        # Clauses of one flow are in the order of their numbers.
        return re.sub(r"conjunction\([^)]*\)(?:,conjunction\([^)]*\))+",
                      lambda m: ",".join(sorted(re.findall(
                          r"conjunction\([^)]*\)", m.group(0)))), line)

    uses = collections.defaultdict(list)
    for line in lines:
        for kind, pattern in ALLOCATED:
            for number in set(re.findall(pattern, line)):
                uses[kind, number].append(line)
    names = {}
    for _ in range(3):          # A group is used by flows, and names others.
        names = {key: hashlib.sha1("\n".join(sorted(
            replace(line, {**names, key: "this"}) for line in used)
            ).encode()).hexdigest()[:8] for key, used in uses.items()}
    return sorted(replace(line, names) for line in lines)


class Server:
    """Publishes to agent A and answers its requests."""

    def __init__(self, rng, schema, host, model, log):
        self.rng = rng
        self.schema = schema
        self.host = host
        self.model = model
        self.log = log
        self.epoch = 1
        self.sequences = collections.Counter()
        self.sent = collections.deque(maxlen=20)
        self.n_messages = 0
        self.lost = False       # A has not got all that the model has.

    def envelope(self, kind, **fields):
        self.n_messages += 1
        fields.setdefault("message_id", "m%d" % self.n_messages)
        return self.schema.mq.Envelope(
            protocol_version=1, kind=self.schema.kind(kind), sender=SENDER,
            epoch=self.epoch, sent_at=1, **fields)

    def publish(self, resources, topic, lose=False, decoy=None):
        """Sends one message; topic "-": on the control channel.  'decoy' is
        another resource, for another host."""
        for kind, state in resources:
            self.model.apply(kind, state)
        if topic != "-":
            self.sequences[topic] += 1
        version = self.rng.choice((1, 2, 2))
        message = (self.version_1(resources) if version == 1
                   else self.version_2(resources, decoy))
        frames = (topic, self.envelope("GOAL_STATE" if version == 1
                                       else "GOAL_STATE_V2",
                                       sequence=self.sequences[topic]),
                  message)
        self.log("%s %s #%d version %d%s" % (frames[1].message_id, topic,
                                             frames[1].sequence, version,
                                             " (lost)" if lose else ""),
                 ["%s %s" % (kind, str(state).replace("\n", " "))
                  for kind, state in resources])
        if lose:
            self.lost = True
        else:
            self.host.receive(*frames)
            self.sent.append(frames)

    def version_1(self, resources):
        message = self.schema.alcor.GoalState(format_version=1)
        for kind, state in resources:
            getattr(message, KINDS[kind].states).add().CopyFrom(state)
        return message

    def version_2(self, resources, decoy):
        message = self.schema.alcor.GoalStateV2(format_version=1)
        for kind, state in resources:
            key = self._add(message, kind, state)
            if decoy:
                message.host_resources[HOSTS[0][0]].resources.add(
                    type=kind, id=key)
        if decoy:
            message.host_resources[HOSTS[1][0]].resources.add(
                type=decoy[0], id=self._add(message, *decoy))
        return message

    def new_epoch(self):
        """The server has started anew, knowing what it knew."""
        self.epoch += 1
        self.sequences.clear()
        self.lost = True

    def repeat(self):
        if self.sent:
            frames = self.rng.choice(self.sent)
            if frames[0] != "-":
                self.log("again " + frames[1].message_id)
                self.host.receive(*frames)

    def heartbeats(self):
        for topic in TOPICS:
            self.host.receive(topic, self.envelope(
                "HEARTBEAT", sequence=self.sequences[topic]), None)

    def connect(self):
        self.host.agent.command("transport/dummy-connect")

    def serve(self, reliably=False, between=None):
        """Answers requests, if there are any.  'between' is called while a
        snapshot is on its way."""
        for envelope, payload in self.host.sent(self.schema):
            if envelope.kind == self.schema.kind("HELLO"):
                self.topics = self.schema.mq.Hello.FromString(payload).topics
            elif envelope.kind != self.schema.kind("HOST_REQUEST"):
                continue
            elif not reliably and self.rng.random() < 0.1:
                self.log("request ignored")
            else:
                self._answer(envelope.message_id, payload,
                             not reliably and self.rng.random() < 0.2,
                             between if not reliably else None)

    def reply(self, payload, status):
        request_id = self.schema.alcor.HostRequest.FromString(
            payload).state_requests[0].request_id
        reply = self.schema.alcor.HostRequestReply(format_version=1)
        reply.operation_statuses.add(request_id=request_id,
                                     operation_status=status)
        return reply

    def refuse(self, host):
        """Has a fresh agent know that there is nothing to wait for."""
        host.agent.command("transport/dummy-connect")
        host.idle()
        for envelope, payload in host.sent(self.schema):
            if envelope.kind == self.schema.kind("HOST_REQUEST"):
                host.receive("-", self.envelope(
                    "HOST_REPLY", correlation_id=envelope.message_id),
                    self.reply(payload, "FAILURE"))
        host.idle()

    def _answer(self, request, payload, spoil, between):
        frames = [(self.envelope("SNAPSHOT_BEGIN"), self._begin())]
        if "all" in self.topics:
            frames += [(self.envelope("GOAL_STATE_V2"), message)
                       for message in self._states()]
        end = self.schema.mq.SnapshotEnd(epoch=self.epoch, sender=SENDER,
                                         positions=self.sequences)
        frames.append((self.envelope("SNAPSHOT_END"), end))
        self.log("snapshot %s%s %s" % (frames[-1][0].message_id,
                                       " (spoiled)" if spoil else "",
                                       dict(self.sequences)))

        self.host.receive("-", self.envelope("HOST_REPLY",
                                             correlation_id=request),
                          self.reply(payload, "SUCCESS"))
        skip = self.rng.randrange(len(frames)) if spoil else -1
        for i, (envelope, message) in enumerate(frames):
            envelope.sequence = i + 1
            envelope.correlation_id = request
            if i != skip:
                self.host.receive("-", envelope, message)
            if between and self.rng.random() < 0.5:
                between()
        if not spoil and "all" in self.topics:
            self.lost = False

    def _begin(self):
        return self.schema.mq.SnapshotBegin(
            topics=[] if "all" in self.topics else self.topics)

    def _states(self):
        """The model's state in a few messages, in any order."""
        items = list(self.model.stored.items())
        self.rng.shuffle(items)
        n = self.rng.randint(1, 4)
        return [self.all_states(items[i::n]) for i in range(n)]

    def all_states(self, items):
        message = self.schema.alcor.GoalStateV2(format_version=1)
        for (kind, id), configuration in items:
            state = getattr(message, KINDS[kind].states)[id]
            state.operation_type = CREATE
            state.configuration.CopyFrom(configuration)
            if kind != "GATEWAY":
                state.configuration.update_type = FULL
        return message

    @staticmethod
    def _add(message, kind, state):
        """Adds 'state' under a key of its own, as controllers do, which is
        returned."""
        states = getattr(message, KINDS[kind].states)
        key = state.configuration.id
        while key in states:
            key += "'"
        states[key].CopyFrom(state)
        return key


class Run:
    CHECKPOINTS = 3             # In as many steps as are given.

    def __init__(self, seed, steps):
        self.rng = random.Random(seed)
        self.steps = steps
        self.logfile = open("equivalence.log", "w")
        schema = alcor_schema.load()
        self.a = Host(os.environ["OVS_RUNDIR"])
        self.b = Host(os.path.join(self.a.directory, "b"))
        self.hosts = [self.a, self.b]           # With the same Interfaces.
        self.model = equivalence_model.Model()
        self.server = Server(self.rng, schema, self.a, self.model, self.log)
        self.generator = equivalence_model.Generator(self.rng, schema)
        self.interfaces = {}    # Name: iface-id.
        self.ofports = {}       # Name: ofport.
        self.step = 0
        self.counts = collections.Counter()     # Steps, by name.

    def log(self, what, lines=()):
        self.logfile.write("%d: %s\n" % (self.step, what))
        self.logfile.writelines("    %s\n" % line for line in lines)
        self.logfile.flush()

    def start(self):
        self.a.connect_agent()
        self.plugins = [line.split(",")[0] for line in self.a.agent.command(
            "plugin/list", "--format=csv").splitlines()[1:]]
        self.plugins.remove("pipeline")         # Cannot be disabled.
        self.server.connect()

    def run(self, end):
        self.start()
        self.b.start_ovs(self.a)
        self.b.start_agent()
        self.b.idle()
        actions = (
            (self.do_message, 600), (self.do_wait, 60), (self.do_repeat, 60),
            (self.do_lose, 20), (self.do_serve, 60), (self.do_plug, 45),
            (self.do_kill, 6), (self.do_exit, 3), (self.do_reconnect, 6),
            (self.do_resync, 6), (self.do_recompute, 5), (self.do_switch, 2),
            (self.do_plugins, 3), (self.do_epoch, 4), (self.do_lazy, 8),
            (self.do_database, 1), (self.do_bad, 20))
        while self.step < self.steps or time.monotonic() < end:
            self.take_steps(self.steps // self.CHECKPOINTS, actions)
            self.checkpoint()
        print(", ".join("%d %s" % (n, name) for name, n in sorted(
            self.counts.items())))

    def take_steps(self, n, actions):
        for _ in range(n):
            self.step += 1
            action = self.rng.choices([a[0] for a in actions],
                                      [a[1] for a in actions])[0]
            self.counts[action.__name__[len("do_"):]] += 1
            action()

    # Steps.

    def do_message(self, lose=False):
        tame = self.server.lost or lose
        n = self.rng.choices((1, 2, 3, 8), (60, 20, 15, 5))[0]
        resources = [self.generator.resource(tame) for _ in range(n)]
        if len({(kind, s.configuration.id) for kind, s in resources}) < n:
            return              # The order would be anybody's guess.
        topic = self.rng.choices(TOPICS + ("-",), (60, 35, 5))[0]
        self.server.publish(resources, TOPICS[0] if lose else topic, lose,
                            self.decoy(resources))
        if topic == "-":
            self.a.idle()       # Nobody would notice if this were lost.

    def decoy(self, resources):
        """A resource that is none of 'resources', or, mostly, None."""
        kind, state = self.generator.resource(True)
        ids = {s.configuration.id for _, s in resources}
        return ((kind, state) if self.rng.random() < 0.3
                and state.configuration.id not in ids else None)

    def do_overtaking(self):
        """A message that can come at any time."""
        kind, state = self.generator.resource(True)
        if state.operation_type in (INFO, CREATE, UPDATE):
            self.server.publish([(kind, state)], self.rng.choice(TOPICS))

    def do_lose(self):
        self.do_message(True)

    def do_wait(self):
        self.a.idle()

    def do_repeat(self):
        self.server.repeat()

    def do_serve(self):
        self.server.serve(between=self.do_overtaking)

    def do_plug(self):
        """Plugs, unplugs, or has an Interface belong to another port."""
        name = "if%d" % self.rng.randrange(8)
        iface_id = "p%d" % self.rng.randrange(8)
        if self.interfaces.get(name) and self.rng.random() < 0.5:
            self.log("unplug " + name)
            command = ["--if-exists", "del-port", "br-int", name]
            del self.interfaces[name]
        elif iface_id in self.interfaces.values():
            return
        else:
            self.log("plug %s as %s" % (name, iface_id))
            command = ["--may-exist", "add-port", "br-int", name, "--", "set",
                       "Interface", name, "type=dummy",
                       "ofport_request=%d" % (10 + int(name[2:])),
                       "external_ids:iface-id=" + iface_id]
            self.interfaces[name] = iface_id
        for host in self.hosts:
            host.vsctl(*command)

    def do_bad(self):
        """What is no message, or none that makes sense."""
        garbage = self.rng.randbytes(self.rng.randrange(200))
        envelope = self.server.envelope("GOAL_STATE_V2").SerializeToString()
        self.a.agent.command(
            "transport/dummy-receive", "-",
            self.rng.choice((garbage, envelope)).hex(), garbage.hex())

    def do_kill(self):
        """Kills A at any time, or when it has answered everything: then it
        knows all of it after the restart, before anybody tells it anything."""
        answered = self.rng.random() < 0.5
        self.log("kill" + (", all answered" if answered else ""))
        if answered:
            self.a.idle()
            known = self.a.known()
        self.a.kill("alcor-agent")
        self.a.start_agent()
        if answered:
            self.a.idle()
            self.compare("what it was before it died", known, self.a.known())
        self.restarted()

    def do_exit(self):
        self.log("exit")
        pid = self.a.pid("alcor-agent")
        self.a.agent.command("exit")
        while is_alive(pid):
            time.sleep(0.002)
        self.a.start_agent()
        self.restarted()

    def restarted(self):
        """What A had not taken yet is lost with it."""
        self.server.lost = True
        self.server.connect()
        self.server.heartbeats()

    def do_reconnect(self):
        self.log("reconnect")
        self.a.agent.command("transport/dummy-disconnect")
        self.server.connect()

    def do_resync(self):
        self.log("resync")
        self.server.lost = True
        self.a.agent.command("goal-state/resync")

    def do_recompute(self):
        self.log("recompute")
        self.a.agent.command("recompute")

    def do_switch(self):
        self.log("ovs-vswitchd")
        self.a.kill("ovs-vswitchd", self.rng.choice((signal.SIGKILL,
                                                     signal.SIGTERM)))
        if self.rng.random() < 0.5:
            self.do_overtaking()
        self.a.start_switch()

    def do_database(self):
        self.log("ovsdb-server")
        self.a.kill("ovsdb-server", self.rng.choice((signal.SIGKILL,
                                                     signal.SIGTERM)))
        if self.rng.random() < 0.5:
            self.do_overtaking()
        self.a.start_database()

    def do_plugins(self):
        plugins = self.rng.choice(["all"] + ["-" + name
                                             for name in self.plugins])
        self.log("plugins " + plugins)
        self.set_plugins(plugins)

    def set_plugins(self, plugins):
        self.a.vsctl("--no-wait", "set", "Open_vSwitch", ".",
                     "external_ids:alcor-plugins=" + plugins)

    def do_epoch(self):
        self.server.new_epoch()
        self.log("epoch %d" % self.server.epoch)

    def do_lazy(self):
        self.set_programming(self.rng.choice(("eager", "auto", "lazy")),
                             self.rng.randint(1, 8))

    def set_programming(self, programming, threshold=4096):
        self.log("%s, threshold %d" % (programming, threshold))
        for host in self.hosts:
            host.vsctl("--no-wait", "set", "Open_vSwitch", ".",
                       "external_ids:alcor-neighbor-programming="
                       + programming,
                       "external_ids:alcor-neighbor-lazy-threshold=%d"
                       % threshold)

    # Comparing.

    def settle(self):
        """Brings A up to date."""
        deadline = time.monotonic() + TIMEOUT
        self.set_plugins("all")
        while True:
            self.server.heartbeats()
            self.a.idle()
            self.server.serve(reliably=True)
            self.a.idle()
            resync = [line for line in self.a.agent.command(
                "connection-status").splitlines()
                if line.startswith("resync:")]
            if resync == ["resync: nothing missing"]:
                break
            if time.monotonic() > deadline:
                raise Mismatch("resync does not end: %s" % resync)
            time.sleep(0.02)
        self.server.lost = False

    def stable_dump(self, host):
        """A dump that two in a row agree on: Interfaces are changed by
        vswitchd, too."""
        dump = None
        for _ in range(50):
            host.idle()
            last, dump = dump, host.dump()
            if dump == last:
                break
        return dump

    def compare(self, what, expected, actual):
        if expected != actual:
            diff = "\n".join(difflib.unified_diff(
                expected, actual, "expected", "A", lineterm="", n=0))
            raise Mismatch("step %d: A is not %s:\n%s"
                           % (self.step, what, diff))

    def kill_a(self):
        self.a.kill("alcor-agent")
        self.a.start_agent()
        self.restarted()
        self.settle()

    def teach_b(self):
        """Tells a fresh B all that the model knows."""
        self.b.kill("alcor-agent")
        self.b.forget()
        self.b.start_agent()
        self.b.idle()
        self.server.refuse(self.b)
        message = self.server.all_states(sorted(self.model.stored.items()))
        self.b.receive("-", self.server.envelope("GOAL_STATE_V2"), message)
        self.b.idle()

    def checkpoint(self):
        """In a lazy VPC, what was programmed when it became lazy stays so, but
        not over a restart."""
        lazy = self.rng.random() < 0.5
        self.log("checkpoint")
        self.set_programming("lazy" if lazy else "eager")
        self.settle()
        if lazy:
            self.kill_a()
        dump = self.stable_dump(self.a)
        listed = sorted(tuple(line.split()[1].split(",")[:2])
                        for line in dump if line.startswith("resource "))
        self.compare("what the model says",
                     [" ".join(k) for k in sorted(self.model.stored)],
                     [" ".join(k) for k in listed])

        mods = self.a.flow_mods()
        self.a.agent.command("recompute")
        self.a.idle()
        self.compare("the same after recompute", self.stable_dump(self.a),
                     dump)
        if self.a.flow_mods() != mods:
            raise Mismatch("recompute changed flows")

        self.teach_b()
        fresh = self.stable_dump(self.b)
        deadline = time.monotonic() + 5 * TIME_FACTOR
        while fresh != dump and time.monotonic() < deadline:
            fresh, dump = self.stable_dump(self.b), self.stable_dump(self.a)
        self.compare("like a fresh agent", fresh, dump)

        self.kill_a()
        if self.a.flow_mods():
            raise Mismatch("step %d: restart changed flows" % self.step)
        self.compare("the same after a restart", dump,
                     self.stable_dump(self.a))


def main():
    seed, steps = int(sys.argv[1]), int(sys.argv[2])
    minutes = float(sys.argv[3]) if len(sys.argv) > 3 else 0
    run = Run(seed, steps)
    try:
        run.run(time.monotonic() + 60 * minutes)
    except Mismatch as e:
        sys.exit("seed %d: %s" % (seed, e))
    finally:
        for daemon in ("alcor-agent", "ovs-vswitchd", "ovsdb-server"):
            try:
                run.b.kill(daemon, signal.SIGTERM)
            except OSError:
                pass


if __name__ == "__main__":
    main()
