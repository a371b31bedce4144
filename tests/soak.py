#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Churn for a long time: an agent needs no more memory in the end than in the
beginning (make check-soak).

usage: soak.py MINUTES [SEED]

The agent in $OVS_RUNDIR goes through rounds of random steps, those of
equivalence.py without its death, topics and transactions.  At the end of
each round everything is deleted and unplugged, and eleven minutes go by, after
which even deletions are forgotten: then its anonymous memory, its file
descriptors and its threads are counted.  Ids of neighbours never come again.

Prints a line for each round.  Fails if the anonymous memory of the last quarter
of rounds (its median) is above that of the second quarter by more than
TOLERANCE_KB, or if descriptors or threads grow at all.
"""

import os
import statistics
import sys
import time

import equivalence
from equivalence_model import DELETE, KINDS

STEPS = 400                     # A round.
MIN_ROUNDS = 8
TOLERANCE_KB = 1024
FORGET_MSEC = 11 * 60 * 1000


class Soak(equivalence.Run):
    def __init__(self, seed, minutes):
        super().__init__(seed, STEPS)
        self.end = time.monotonic() + 60 * minutes
        self.hosts = [self.a]
        self.schema = self.server.schema
        self.n_transactions = 0
        self.doubts = []        # Transactions that nobody has ended.
        self.vpcs = set()       # Ids of what there may be of them.
        self.samples = []       # (anonymous kB, descriptors, threads).

    def run(self):
        self.start()
        actions = (
            (self.do_message, 600), (self.do_wait, 60), (self.do_repeat, 60),
            (self.do_lose, 20), (self.do_serve, 60), (self.do_plug, 45),
            (self.do_bad, 100), (self.do_topic, 40), (self.do_reconnect, 6),
            (self.do_resync, 6), (self.do_recompute, 5), (self.do_plugins, 3),
            (self.do_switch, 2), (self.do_database, 1), (self.do_epoch, 4),
            (self.do_transaction, 40))
        while len(self.samples) < MIN_ROUNDS or time.monotonic() < self.end:
            self.generator.suffix = "-%d" % len(self.samples)
            self.take_steps(STEPS, actions)
            self.clean_up()
            self.sample()
        self.judge()

    # Steps.

    def do_topic(self):
        """Joins or leaves a topic."""
        info = self.server.schema.alcor.NodeSubscribeInfo(
            subscribe_operation=self.rng.randint(0, 1),
            topic="group/%d" % self.rng.randrange(50), key="k")
        self.a.receive("-", self.server.envelope("SUBSCRIBE_INFO"), info)

    def do_transaction(self):
        """One that is committed, aborted or refused, or left in doubt for a
        while, about resources of its own."""
        self.n_transactions += 1
        number, id = self.n_transactions, "t%d" % self.n_transactions
        message = self.schema.alcor.GoalStateV2(format_version=1)
        for i in range(self.rng.randint(1, 8)):
            configuration = message.vpc_states[
                "%s-%d" % (id, i)].configuration
            configuration.tunnel_id = 1 << 20 | number * 8 % (1 << 19) | i
            if i == 3 and self.rng.random() < 0.5:
                configuration.tunnel_id = 1 << 24       # Too large.
        self.tell(self.rng.choice(("GOAL_STATE_V2", "TXN_PREPARE")), id,
                  message)
        self.doubts.append(id)
        while len(self.doubts) > self.rng.randint(0, 10):
            self.tell(self.rng.choice(("TXN_COMMIT", "TXN_ABORT")),
                      self.doubts.pop(0))
        self.vpcs.update(message.vpc_states)

    def tell(self, kind, transaction, message=None):
        self.log("%s %s" % (kind, transaction))
        self.a.receive("-", self.server.envelope(
            kind, transaction_id=transaction), message)

    # Rounds.

    def end_transactions(self):
        """None is left, nor anything of them."""
        while self.doubts:
            self.tell("TXN_ABORT", self.doubts.pop(0))
        message = self.schema.alcor.GoalStateV2(format_version=1)
        for id in self.vpcs:
            message.vpc_states[id].operation_type = DELETE
        self.vpcs.clear()
        self.a.receive("-", self.server.envelope("GOAL_STATE_V2"), message)

    def clean_up(self):
        self.settle()
        for name in self.interfaces:
            self.a.vsctl("--if-exists", "del-port", "br-int", name)
        self.interfaces.clear()
        resources = []
        for kind, id in list(self.server.model.stored):
            state = getattr(self.server.schema.alcor.GoalStateV2(),
                            KINDS[kind].states)[id]
            state.operation_type = DELETE
            state.configuration.id = id
            resources.append((kind, state))
        self.server.publish(resources, "all")
        self.end_transactions()
        for i in range(50):
            info = self.server.schema.alcor.NodeSubscribeInfo(
                subscribe_operation=1, topic="group/%d" % i)
            self.a.receive("-", self.server.envelope("SUBSCRIBE_INFO"), info)
        self.a.idle()
        self.server.model.graves.clear()
        self.a.agent.command("time/warp", str(FORGET_MSEC))
        self.server.connect()
        self.settle()

    def sample(self):
        pid = self.a.pid("alcor-agent")
        with open("/proc/%d/status" % pid) as f:
            status = dict(line.split(":", 1) for line in f)
        sample = (int(status["RssAnon"].split()[0]),
                  len(os.listdir("/proc/%d/fd" % pid)),
                  int(status["Threads"]))
        self.samples.append(sample)
        print("round %d: %d messages, %d kB anonymous, %d descriptors, "
              "%d threads" % ((len(self.samples), self.server.n_messages)
                              + sample), flush=True)

    def judge(self):
        n = len(self.samples)
        early, late = (self.samples[n // 4:n // 2], self.samples[-n // 4:])
        names = ("kB of anonymous memory", "descriptors", "threads")
        for i, name in enumerate(names):
            before, after = (statistics.median(s[i] for s in samples)
                             for samples in (early, late))
            print("%s: %g in the second quarter, %g in the last"
                  % (name, before, after))
            if after > before + (TOLERANCE_KB if i == 0 else 0):
                raise equivalence.Mismatch("%s grow" % name)


def main():
    soak = Soak(int(sys.argv[2]) if len(sys.argv) > 2 else 1,
                float(sys.argv[1]))
    try:
        soak.run()
    except equivalence.Mismatch as e:
        sys.exit("soak: %s" % e)


if __name__ == "__main__":
    main()
