#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Kills, refuses and delays an agent at every place where it changes something
outside of itself (plugin/fault-point.h), and sees that nothing is lost.

usage: crash-matrix.py MODE [--2pc] [POINT...]

Agent A (in $OVS_RUNDIR, started by the test) goes back and forth between two
states, P and Q, each time by one message that creates, changes and deletes, or
by the snapshot that it asks for when it has missed that message.  Agent B, a
fresh one with an Open vSwitch of its own, was told P, and told Q: what was
then installed is what must be installed on A.

MODE kill: at each fault point of fault/list, at its first passes, A is killed.
Restarted, with no controller in reach, it is in one of the two states, whole,
and in the later one if that had to be stored by then; then, told what it has
missed, it is in that.  Modes fail and stall: A is in the later state in the
end, and has answered.

With --2pc, A goes from one state to the other by a transaction of several
hosts.  At each fault point that is passed while it takes TXN_PREPARE,
TXN_COMMIT or TXN_ABORT, it is killed and so on, at its first passes.  Restarted,
it is in the old state, whole, until it is told to commit, and in the new one
afterwards; whether it has voted it knows, or it never told anybody; and in
doubt, it asks.

A fault point that is not in POINTS, below, fails the test, and so does one that
is never passed.  With POINTs, only these are tried.  (There is no eBPF here:
bpf-... are tested in system-faults.at.)
"""

import collections
import difflib
import os
import sys
import time

import alcor_goal
import alcor_process
import alcor_schema
import equivalence
from alcor_controller import TIME_FACTOR
from equivalence import Mismatch, is_alive

TIMEOUT = 30 * TIME_FACTOR
# Next hops are set in vswitchd's cache if the other hosts are on-link, which is
# why A has an address of this machine.
HOSTS = """host host1 ip={}
host host2 ip={} mac=02:ac:1f:00:00:02
host host3 ip={} mac=02:ac:1f:00:00:03
host host4 ip={} mac=02:ac:1f:00:00:04
"""

# What is in both states; what is only in P and, with another letter and number,
# in Q; and what is in both, but not the same.
COMMON = """vpc v vni=100 cidr=10.0.0.0/16
subnet s vpc=v cidr=10.0.0.0/24 gw=10.0.0.1,02:00:00:00:00:01 dhcp=yes
subnet t vpc=v cidr=10.0.1.0/24 gw=10.0.1.1,02:00:00:00:01:01
router r subnets=s,t
port common subnet=s ip=10.0.0.2 mac=02:00:00:00:00:02 host=host1
neighbor both subnet=t ip=10.0.1.3 mac=02:00:00:00:01:03 host=host4 l3=both
"""
OWN = """subnet s-{x} vpc=v cidr=10.0.{n}.0/24 type={type}
group g-{x} vpc=v
rule r1-{x} group=g-{x} in=tcp/{n}-8{n} from=10.0.0.0/8
rule r2-{x} group=g-{x} in=udp from=g-{x}
rule r3-{x} group=g-{x} out=any
port p-{x} subnet=s ip=10.0.0.{n} mac=02:00:00:00:00:{n} host=host1 groups=g-{x}
dhcp d-{x} subnet=s mac=02:00:00:00:00:{n} ip=10.0.0.{n}
neighbor n1-{x} subnet=s ip=10.0.0.1{n} mac=02:00:00:00:01:{n} host=host{h}
neighbor n2-{x} subnet=s-{x} ip=10.0.{n}.9 mac=02:00:00:00:02:{n} host=host{h}
"""
CHANGED = """neighbor moves subnet=s ip=10.0.0.99 mac=02:00:00:00:00:99 host=host{h}
"""
STATES = {
    "P": dict(x="p", n="15", h="2", type="GENEVE"),
    "Q": dict(x="q", n="16", h="3", type="VXLAN"),
}

# How a point is tried.
#
# "message": while a message is applied, "snapshot": while a snapshot is,
# "again": while a message is, and killed once more in the start after that;
# "copy": while the store is copied, "start": when the agent starts, "exit": when
# it exits.  With "stored", what was told is stored for good when the point is
# passed, with "unstored" it is not (in mode kill, at the first pass); a "late"
# point may be passed when everything is in effect.
POINTS = {
    "store-open-before": ("start",),
    "store-open-after": ("start",),
    "store-commit-before": ("message unstored", "snapshot unstored"),
    "store-commit-after": ("message stored", "snapshot stored"),
    "store-ids-before": ("message stored",),
    "store-ids-after": ("message stored",),
    "store-sync-before": ("message stored late",),
    "store-sync-after": ("message stored late",),
    "store-copy-before": ("copy",),
    "store-copy-after": ("copy",),
    "store-mark-before": ("start", "exit"),
    "store-mark-after": ("start", "exit"),
    "ovsdb-txn-before": ("message stored",),
    "ovsdb-txn-after": ("message stored",),
    "next-hop-set-before": ("message stored",),
    "next-hop-set-after": ("message stored",),
    "openflow-readback-before": ("start",),
    "openflow-flush-before": ("message stored",),
    "openflow-meter-before": ("message stored",),
    "openflow-bundle-before": ("message stored", "snapshot stored", "again"),
    "openflow-bundle-after": ("message stored", "snapshot stored"),
    "openflow-barrier-before": ("message stored", "snapshot stored", "again"),
    "openflow-barrier-after": ("message stored", "snapshot stored", "again"),
    "alcor-db-txn-before": ("message stored late",),
    "alcor-db-txn-after": ("message stored late",),
    "reply-before": ("message stored", "snapshot stored"),
    "reply-after": ("message stored", "snapshot stored"),
    "snapshot-before": ("snapshot unstored",),
    "snapshot-after": ("snapshot stored",),
    "snapshot-done": ("snapshot stored",),
}
ANSWERS = ("GOAL_STATE_REPLY", "TXN_VOTE", "TXN_DONE")

# A point is tried at this many passes.
MAX_PASSES = 2 if TIME_FACTOR == 1 else 1


def hosts(ip):
    """This host and three beside it."""
    net, last = ip.rsplit(".", 1)
    beside = [n for n in range(1, 255) if n != int(last)]
    beside.sort(key=lambda n: abs(n - int(last)))
    return HOSTS.format(ip, *("%s.%d" % (net, n) for n in beside[:3]))


def other(name):
    return "Q" if name == "P" else "P"


class Host(equivalence.Host):
    def __init__(self, directory):
        super().__init__(directory)
        self.replies = {}       # Id of a message -> statuses.
        self.queries = {}       # Transaction -> id of the last TXN_QUERY.

    def sent(self, schema):
        """Also keeps the answers to goal state."""
        for envelope, payload in super().sent(schema):
            if envelope.kind == schema.kind("TXN_QUERY"):
                self.queries[envelope.transaction_id] = envelope.message_id
            if envelope.kind in map(schema.kind, ANSWERS):
                reply = schema.alcor.GoalStateOperationReply.FromString(
                    payload)
                self.replies[envelope.correlation_id] = [
                    s.operation_status for s in reply.operation_statuses]
            yield envelope, payload

    def start_agent(self, faults=""):
        self.env["ALCOR_FAULTS"] = faults
        if not faults:
            super().start_agent()
            return
        self.start("alcor-agent", "--enable-dummy",
                   "unix:%s/db.sock" % self.directory)

    def installed(self):
        """What is installed, and what is known, as lines."""
        lines = self.ofctl(("--no-stats", "dump-flows"), "cookie=")
        lines += self.ofctl(("dump-groups",), "group_id=")
        lines += self.ofctl(("dump-meters",), "meter=")
        lines = equivalence.renamed(lines)
        lines += ["resource " + line.rsplit(",", 1)[0] for line in sorted(
            self.agent.command("goal-state/list",
                               "--format=csv").splitlines()[1:])]
        return lines + self.rows("Interface",
                                 "name,type,options,external_ids")

    def faults(self):
        """Name -> (passes, mode)."""
        rows = [line.split(",") for line in self.agent.command(
            "fault/list", "--format=csv").splitlines()[1:]]
        return {row[0]: (int(row[1]), row[2]) for row in rows
                if not row[0].startswith("bpf-")}


class Server(equivalence.Server):
    def __init__(self, schema, host):
        super().__init__(None, schema, host, None, lambda *args: None)
        self.state = None       # A GoalStateV2: what a snapshot has.

    def _states(self):
        return [self.state]

    def connect(self):
        """Also answers HELLO: nothing can be replayed."""
        super().connect()
        self.host.idle()
        for envelope, _ in self.host.sent(self.schema):
            if envelope.kind == self.schema.kind("HELLO"):
                self.host.receive("-", self.envelope(
                    "HELLO_REPLY", correlation_id=envelope.message_id),
                    self.schema.mq.Hello())

    def tell(self, message, lose=False):
        """Publishes 'message'.  Returns the frames."""
        self.sequences["all"] += 1
        frames = ("all", self.envelope("GOAL_STATE_V2",
                                       sequence=self.sequences["all"]),
                  message)
        if not lose:
            self.host.receive(*frames)
        return frames


class Matrix:
    def __init__(self, mode):
        self.mode = mode
        self.schema = alcor_schema.load()
        self.a = Host(os.environ["OVS_RUNDIR"])
        self.copy = os.path.join(self.a.directory, "alcor", "copy.mdb")
        self.server = Server(self.schema, self.a)
        self.hosts = hosts(self.a.vsctl(
            "get", "Open_vSwitch", ".",
            "external_ids:alcor-host-ip").strip().strip('"'))
        self.wholes, self.steps, self.expected = {}, {}, {}
        for name in STATES:
            self.wholes[name] = self.build(
                COMMON + OWN.format(**STATES[name])
                + CHANGED.format(**STATES[name]))
            gone = OWN.format(**STATES[other(name)])
            self.steps[name] = self.build(
                COMMON + OWN.format(**STATES[name])
                + CHANGED.format(**STATES[name])
                + "".join(line + " op=DELETE\n" for line in gone.splitlines()
                          if not line.startswith("rule ")))
        self.n = 0              # Trials.
        self.began = time.monotonic()

    def build(self, text):
        return alcor_goal.Network(self.schema, self.hosts + text).v2(True)

    # Comparing.

    def learn(self):
        """Has a fresh agent say what each state looks like."""
        b = Host(os.path.join(self.a.directory, "b"))
        self.b = b
        b.start_ovs(self.a)
        b.start_agent()
        b.idle()
        for host in (self.a, b):
            for number, name in enumerate(("common", "p-p", "p-q"), 11):
                host.vsctl("--may-exist", "add-port", "br-int", name, "--",
                           "set", "Interface", name, "type=dummy",
                           "ofport_request=%d" % number,
                           "external_ids:iface-id=" + name)
        self.server.refuse(b)
        for name, whole in self.wholes.items():
            b.receive("-", self.server.envelope("GOAL_STATE_V2"), whole)
            b.idle()
            self.expected[name] = self.wait_stable(b)
            list(b.sent(self.schema))
            if any(s for statuses in b.replies.values() for s in statuses):
                raise Mismatch("state %s is not good: %s" % (name, b.replies))
            b.kill("alcor-agent")
            b.forget()
            b.start_agent()
            b.idle()
            self.server.refuse(b)
        for lines in self.expected.values():
            bad = [line for line in lines if line.startswith("resource ")
                   and not line.endswith(",ok,")]
            if bad:
                raise Mismatch("not in effect:\n" + "\n".join(bad))

    @staticmethod
    def wait_stable(host):
        dump = None
        for _ in range(50):
            last, dump = dump, host.installed()
            if dump == last:
                return dump
            time.sleep(0.02)
        raise Mismatch("what is installed does not come to rest")

    def check(self, names, what):
        """A is in one of the states 'names': returns in which."""
        deadline = time.monotonic() + 5 * TIME_FACTOR
        while True:
            dump = self.a.installed()
            for name in names:
                if dump == self.expected[name]:
                    return name
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        best = min((list(difflib.unified_diff(
            self.expected[name], dump, name, "A", lineterm="", n=0))
            for name in names), key=len)
        raise Mismatch("%s: A is not in %s:\n%s" % (
            what, " or ".join(names), "\n".join(best)))

    # One trial.

    def wait(self, what, until):
        deadline = time.monotonic() + TIMEOUT
        while not until():
            if time.monotonic() > deadline:
                raise Mismatch("%s: does not come about" % what)
            time.sleep(0.005)

    def settle(self, what):
        """Brings A up to date with the server's state."""
        deadline = time.monotonic() + TIMEOUT
        while True:
            self.a.receive("all", self.server.envelope(
                "HEARTBEAT", sequence=self.server.sequences["all"]), None)
            self.a.idle()
            self.server.serve(reliably=True)
            self.a.idle()
            if "resync: nothing missing" in self.a.agent.command(
                    "connection-status"):
                return
            if time.monotonic() > deadline:
                raise Mismatch("%s: resync does not end" % what)
            time.sleep(0.02)

    def go(self, how, name):
        """Has A go to state 'name'.  Returns the frames of the message."""
        self.server.state = self.wholes[name]
        frames = self.server.tell(self.steps[name], lose=how == "snapshot")
        if how == "snapshot":
            self.a.receive("all", self.server.envelope(
                "HEARTBEAT", sequence=self.server.sequences["all"]), None)
            self.wait("request", lambda: "asked for the state" in
                      self.a.agent.command("connection-status"))
            self.server.serve(reliably=True)
        return frames

    def try_kill(self, point, how, count, when):
        what = "%s, killed at pass %d of %s" % (how, count, point)
        old, new = self.state, other(self.state)
        pid = self.a.pid("alcor-agent")
        store = alcor_process.Store(self.a.directory)
        transactions = store.transactions()
        self.a.agent.command("fault/set", point, "kill", str(count))
        try:
            self.go(how, new)
            self.a.idle()
            if count > 1:       # It took fewer bundles than before, say.
                self.a.agent.command("fault/clear")
                self.settle(what)
                self.check((new,), what + " in vain")
                self.state = new
                return
        except OSError:
            pass                # It was killed while it was talked to.
        self.wait(what, lambda: not is_alive(pid))
        # The thread that syncs may have done so for what came before.
        early = (point.startswith("store-sync")
                 and store.transactions() == transactions)
        if when == "again":
            self.a.start_agent("%s=kill" % point)
            pid = self.a.pid("alcor-agent")
            self.wait(what + " and again", lambda: not is_alive(pid))
        self.a.start_agent()
        self.a.idle()
        names = ((old,) if early
                 else (new,) if when in ("stored", "again")
                 else (old,) if when == "unstored" and count == 1
                 else (old, new))
        self.check(names, what)
        self.server.connect()
        self.settle(what)
        self.check((new,), what + ", told the rest")
        self.state = new
        if early:
            self.log("too early: again")
            self.try_kill(point, how, count, when)

    def try_other(self, point, how, count):
        what = "%s, %s at %s" % (how, self.mode, point)
        new = other(self.state)
        self.a.agent.command("fault/set", point, self.mode, str(count))
        frames = self.go(how, new)
        self.settle(what)
        if count == 1:          # Else there may be fewer passes.
            self.wait(what, lambda: self.a.faults()[point][1] == "off")
        self.a.agent.command("fault/clear")
        if how == "message" and not self.answers(frames):
            self.a.receive(*frames)     # As a controller would.
            self.a.idle()
        self.settle(what)
        self.check((new,), what)
        if how == "message":
            self.check_answers(point, frames, what)
        self.state = new

    def answers(self, frames):
        return self.a.replies.get(frames[1].message_id)

    def check_answers(self, point, frames, what):
        statuses = self.answers(frames)
        if not statuses:
            raise Mismatch("%s: no answer" % what)
        refused = [s for s in statuses if s]
        if refused and not (point.startswith("store-commit")
                            and self.mode == "fail"):
            raise Mismatch("%s: statuses %s" % (what, statuses))

    def try_start(self, point):
        what = "start, %s at %s" % (self.mode, point)
        self.a.kill("alcor-agent")
        if point.startswith("store-mark"):
            self.forget_boot()
        self.a.start_agent("%s=%s" % (point, self.mode))
        if self.mode == "kill":
            pid = self.a.pid("alcor-agent")
            self.wait(what, lambda: not is_alive(pid))
            self.a.start_agent()
        else:
            self.a.connect_agent()
        self.wait(what, lambda: "state: running" in self.a.agent.command(
            "connection-status"))
        self.a.idle()
        self.check((self.state,), what)
        self.server.connect()
        self.settle(what)
        self.check((self.state,), what + ", told the rest")

    def try_exit(self, point):
        what = "exit, %s at %s" % (self.mode, point)
        pid = self.a.pid("alcor-agent")
        self.a.agent.command("fault/set", point, self.mode)
        try:
            self.a.agent.command("exit")
        except OSError:
            pass
        self.wait(what, lambda: not is_alive(pid))
        self.a.start_agent()
        self.a.idle()
        self.check((self.state,), what)
        self.server.connect()
        self.settle(what)

    def try_copy(self, point):
        """The copy fails, and then the host goes down: what is left is the
        copy before, or the new one."""
        what = "copy, %s at %s" % (self.mode, point)
        old, new = self.state, other(self.state)
        self.remove_copy()
        self.a.agent.command("goal-state/copy")
        self.wait(what, lambda: os.path.exists(self.copy))

        self.go("message", new)
        self.a.idle()
        pid = self.a.pid("alcor-agent")
        before = os.stat(self.copy).st_ino
        self.a.agent.command("fault/set", point, self.mode)
        self.a.agent.command("goal-state/copy")
        if self.mode == "kill":
            self.wait(what, lambda: not is_alive(pid))
        else:
            self.wait(what, lambda: self.a.faults()[point][1] == "off")
            if self.mode == "stall":
                self.wait(what, lambda: os.stat(self.copy).st_ino != before)
            self.a.kill("alcor-agent")
        self.lose_power()
        self.a.start_agent()
        self.a.idle()
        self.check((new,) if self.mode == "stall" else (old, new), what)
        self.server.connect()
        self.settle(what)
        self.check((new,), what + ", told the rest")
        self.state = new

    def lose_power(self):
        """The kernel had written half of the data when the host went down."""
        data = os.path.join(self.a.directory, "alcor", "data.mdb")
        os.truncate(data, os.path.getsize(data) // 2 & ~4095)
        self.note_boot()

    def forget_boot(self):
        """Has the agent note in which boot of the host it is."""
        self.remove_copy()      # It would be believed more than the data.
        self.note_boot()

    def note_boot(self):
        with open(os.path.join(self.a.directory, "alcor", "boot"), "w") as f:
            f.write("another boot\n")

    def remove_copy(self):
        if os.path.exists(self.copy):
            os.unlink(self.copy)

    # All of them.

    def dry_run(self, how):
        """How often each point is passed.  Some come later."""
        self.a.agent.command("fault/clear")
        self.state = other(self.state)
        self.go(how, self.state)
        self.settle("dry run")
        self.wait_late()
        self.check((self.state,), "dry run")
        return {name: passes for name, (passes, _)
                in self.a.faults().items()}

    def wait_late(self):
        """Returns when points were passed that are passed when everything is
        in effect."""
        self.wait("dry run", lambda: self.a.faults()[
            "store-sync-after"][0] and self.a.faults()[
                "alcor-db-txn-after"][0])

    def trials(self, points):
        """Yields (point, how, when, passes)."""
        on_link = "0 not on-link" in self.a.agent.command(
            "connection-status")
        passes = {how: self.dry_run(how) for how in ("message", "snapshot")}
        for point in points:
            for trial in POINTS[point]:
                how, when, late = (trial.split() + ["", ""])[:3]
                n = passes[how][point] if how in passes else 1
                if not n and point.startswith("next-hop") and not on_link:
                    continue
                if not n:
                    raise Mismatch("%s is never passed in a %s"
                                   % (point, how))
                yield point, how, when, min(n, 1 if late else MAX_PASSES)

    def run(self, points):
        self.learn()
        self.a.connect_agent()
        self.server.connect()
        self.state = "P"
        self.go("message", "P")
        self.settle("first state")
        self.check(("P",), "first state")
        listed = self.a.faults()
        if sorted(listed) != sorted(POINTS):
            raise Mismatch("fault points without a test: %s; not there: %s" % (
                sorted(set(listed) - set(POINTS)),
                sorted(set(POINTS) - set(listed))))
        for point, how, when, n in list(self.trials(points or POINTS)):
            self.try_point(point, how, when, n)
        print("%d trials" % self.n)

    def log(self, *what):
        print("%.2f %s" % (time.monotonic() - self.began,
                           " ".join(map(str, what))), flush=True)

    def try_point(self, point, how, when, n):
        if how == "again":
            if self.mode != "kill":
                return
            how, when = "message", "again"
        special = {"start": self.try_start, "exit": self.try_exit,
                   "copy": self.try_copy}
        if how in special:
            self.n += 1
            self.log(point, how)
            special[how](point)
            return
        for count in range(1, n + 1):
            self.n += 1
            self.log(point, how, count)
            if self.mode == "kill":
                self.try_kill(point, how, count, when)
            else:
                self.try_other(point, how, count)


class TwoPhase(Matrix):
    """Transactions of several hosts.  Each trial is one, in whose phase 'how'
    something goes wrong; it is committed in the end, but with "abort"."""

    def send(self, kind, id, message=None, **fields):
        """Sends a message about transaction 'id'; returns its id."""
        envelope = self.server.envelope("TXN_" + kind, transaction_id=id,
                                        **fields)
        self.a.receive("-", envelope, message)
        return envelope.message_id

    def prepare(self, id):
        return self.send("PREPARE", id, self.steps[other(self.state)])

    def listen(self):
        list(self.a.sent(self.schema))

    def wait_answer(self, message_id, what):
        """Returns when the message has been answered: all is well."""
        def answered():
            self.listen()
            return message_id in self.a.replies

        self.wait(what + ": answer", answered)
        bad = [s for s in self.a.replies[message_id] if s]
        if bad:
            raise Mismatch("%s: statuses %s" % (
                what, self.a.replies[message_id]))

    def phase(self, id):
        """What A knows about the transaction, or None."""
        for line in self.a.agent.command("transaction/list",
                                         "--format=csv").splitlines():
            if line.startswith(id + ","):
                return line.split(",")[1]
        return None

    def locks(self):
        return int(self.a.agent.command("connection-status").split(
            " staged, ")[1].split()[0])

    def begin(self, how, id):
        """Brings transaction 'id' to where 'how' comes next."""
        if how != "prepare":
            self.wait_answer(self.prepare(id), id + " prepared")
            self.check((self.state,), id + " prepared")

    def take(self, how, id):
        return (self.prepare(id) if how == "prepare"
                else self.send(how.upper(), id))

    def finish(self, how, id, what, asked=False):
        """The coordinator goes on until it knows the outcome everywhere: if it
        is 'asked' for it, when it is."""
        if how == "prepare" and asked and self.phase(id) == "prepared":
            self.wait(what + ": question", lambda: self.listen()
                      or id in self.a.queries)
            self.wait_answer(self.send(
                "COMMIT", id, correlation_id=self.a.queries[id]), what)
        else:
            if how == "prepare":
                self.wait_answer(self.prepare(id), what + ", prepared again")
            self.wait_answer(self.send("ABORT" if how == "abort"
                                       else "COMMIT", id), what)
        if how != "abort":
            self.state = other(self.state)
        self.check((self.state,), what + ", in the end")
        if self.locks() or self.phase(id) != ("aborted" if how == "abort"
                                              else "committed"):
            raise Mismatch("%s: %d locks, %s" % (what, self.locks(),
                                                 self.phase(id)))

    def dry_run(self, how):
        id = "dry-" + how
        self.begin(how, id)
        self.a.agent.command("fault/clear")
        self.take(how, id)
        self.a.idle()
        self.wait_late()
        passes = {name: n for name, (n, _) in self.a.faults().items() if n}
        self.finish(how, id, "dry run")
        return passes

    def try_kill(self, point, how, count, when):
        what = "%s, killed at pass %d of %s" % (how, count, point)
        old, new = self.state, other(self.state)
        id = "%d-%s" % (self.n, how)
        pid = self.a.pid("alcor-agent")
        self.begin(how, id)
        self.a.agent.command("fault/set", point, "kill", str(count))
        try:
            self.take(how, id)
            self.a.idle()
        except OSError:
            pass                # It was killed while it was talked to.
        if when == "late" and count > 1 and is_alive(pid):
            self.a.agent.command("fault/clear")
        else:
            self.wait(what, lambda: not is_alive(pid))
            self.a.start_agent()
            self.a.idle()
            self.check((old, new) if how == "commit" else (old,), what)
            if self.phase(id) not in (
                    ("prepared", "committed") if how == "commit"
                    else ("prepared", "aborted") if how == "abort"
                    else ("prepared", None)):
                raise Mismatch("%s: it is %s" % (what, self.phase(id)))
            if bool(self.locks()) != (self.phase(id) == "prepared"):
                raise Mismatch("%s: it is %s, with %d locks" % (
                    what, self.phase(id), self.locks()))
            self.server.connect()
        self.finish(how, id, what, asked=True)
        self.settle(what)

    def try_other(self, point, how, count):
        """A refusal or a delay: when all is told again, it is as if nothing
        had been."""
        what = "%s, %s at %s" % (how, self.mode, point)
        id = "%d-%s" % (self.n, how)
        self.begin(how, id)
        self.a.agent.command("fault/set", point, self.mode, str(count))
        self.take(how, id)
        self.a.idle()
        self.listen()
        self.a.agent.command("fault/clear")
        if how == "prepare" and self.phase(id) == "aborted":
            self.check((self.state,), what)
            id += "-again"      # It was voted against, for good.
        self.finish(how, id, what)
        self.settle(what)

    def trials(self, points):
        for how in ("prepare", "commit", "abort"):
            for point, n in sorted(self.dry_run(how).items()):
                if not points or point in points:
                    late = point.startswith(("alcor-db", "store-sync"))
                    yield (point, how, "late" if late else "",
                           1 if late else min(n, MAX_PASSES))


def main():
    args = sys.argv[1:]
    two_phase = "--2pc" in args
    if two_phase:
        args.remove("--2pc")
    matrix = (TwoPhase if two_phase else Matrix)(args[0])
    try:
        matrix.run(args[1:])
    except Mismatch as e:
        sys.exit(str(e))
    finally:
        for daemon in ("alcor-agent", "ovs-vswitchd", "ovsdb-server"):
            try:
                matrix.b.kill(daemon)
            except (AttributeError, OSError):
                pass


if __name__ == "__main__":
    main()
