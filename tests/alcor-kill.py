#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Kills an agent while it stores a message.

usage: alcor-kill.py PUBLISH-ENDPOINT CONTROL-ENDPOINT

Publishes two messages in topic "all", as ctl-1 in epoch 1: VPC v with subnet s
and, when that is answered, tens of thousands of neighbours.  The agent (host1,
with its files in $OVS_RUNDIR and $OVS_DBDIR) gets SIGKILL when some
transactions of the second message are in its store and others are not.
"""

import os
import signal
import sys
import time

import alcor_controller
import alcor_goal
import alcor_process

NEIGHBORS = 60000
TIMEOUT = 60 * alcor_controller.TIME_FACTOR

NETWORK = """host host1 ip=172.31.0.1
host host2 ip=172.31.0.2 mac=02:ac:1f:00:00:02
vpc v vni=100 cidr=10.0.0.0/8
subnet s vpc=v cidr=10.0.0.0/8
"""


def neighbors():
    return "".join("neighbor x%d subnet=s ip=10.1.%d.%d host=host2 "
                   "mac=02:00:00:01:%02x:%02x\n"
                   % (i, i >> 8, i & 255, i >> 8, i & 255)
                   for i in range(NEIGHBORS))


def main():
    controller = alcor_controller.Controller(
        sys.argv[1], sys.argv[2], sender="ctl-1", epoch=1, heartbeats=False)
    build = lambda text: alcor_goal.Network(controller.schema, text).v2(True)
    small, big = build(NETWORK), build(NETWORK + neighbors())
    controller.wait_node("host1", TIMEOUT)
    id = controller.publish("all", "GOAL_STATE_V2", small)
    controller.wait_reply(id, timeout=TIMEOUT)

    store = alcor_process.Store(os.environ["OVS_DBDIR"])
    enough = store.transactions() + 2
    with open(os.path.join(os.environ["OVS_RUNDIR"], "alcor-agent.pid")) as f:
        pid = int(f.read())
    controller.publish("all", "GOAL_STATE_V2", big)
    limit = time.monotonic() + TIMEOUT
    while store.transactions() < enough:
        if time.monotonic() > limit:
            sys.exit("the message has not come")
    os.kill(pid, signal.SIGKILL)
    controller.close()


if __name__ == "__main__":
    main()
