#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Benchmark: ovs-vswitchd restarts on a host with many neighbours.  Started by
tests/perf/run.

From the start of ovs-vswitchd to the first packet that is answered by a VM on
another host, which needs flows, tunnel, and next hop

  - with the agent;
  - without, when ovs-ofctl replays the flows, in a bundle, as ovs-ctl does.
"""

import argparse
import os
import signal
import statistics
import sys
import time

import alcor_schema
import neighbors
from neighbors import TIMEOUT, say

TARGET = 1.3


class Restart:
    def __init__(self, n):
        self.schema = alcor_schema.load()
        self.sandbox = neighbors.Sandbox()
        self.n = n

    def sh(self, command):
        return self.sandbox.sh("set -e; " + command)

    def setup(self):
        """Host h with 'n' neighbours, one of which is a VM that answers."""
        self.host = neighbors.Host(self.sandbox, "h", self.schema)
        goal = neighbors.Goal(self.schema, self.n)
        self.host.publish([goal.base])
        self.host.publish(goal.messages)
        other = goal.schema.alcor.GoalStateV2(format_version=1)
        other.neighbor_states["other"].CopyFrom(goal.build.neighbor(
            "other", "net", "sub", ["10.0.0.3"], "02:00:00:00:00:03",
            ("172.31.0.2", "02:ac:1f:00:00:02")))
        self.host.publish([other.SerializeToString()])
        # The other host has its few flows by hand.
        self.sh("""
            sb_host o 172.31.0.2/16 02:ac:1f:00:00:02
            sb_bridge o
            sb_in o ovs-vsctl add-port br-int vx -- set Interface vx \
                type=vxlan options:remote_ip=flow options:key=flow
            sb_vm o vm-o port-o 02:00:00:00:00:03 10.0.0.3/8
            sb_in o ovs-ofctl add-flow br-int \
                in_port=vx,actions=output:tap-vm-o
            sb_in o ovs-ofctl add-flow br-int 'in_port=tap-vm-o,"""
                """actions=set_field:100->tun_id,"""
                """set_field:172.31.0.1->tun_dst,output:vx'
            sb_in vm-h ip neigh replace 10.0.0.3 lladdr 02:00:00:00:00:03 \
                dev eth0
            sb_in vm-o ip neigh replace 10.0.0.2 lladdr 02:00:00:00:00:02 \
                dev eth0""")
        self.ping()
        self.flows = os.path.join(self.sandbox.dir, "flows")
        self.n_flows = self.host.dump(self.flows)

    def ping(self):
        self.sh("sb_wait_until ping sb_in vm-h ping -c 1 -W 0.1 10.0.0.3")

    def restart(self, then):
        """Seconds from the start of vswitchd, followed by 'then', to a ping.
        Its address is given back to the underlay as soon as there is a
        device.  The pause before it is part of the measurement, not a wait:
        the agent has tried in vain for a while by then, as after any stop that
        takes long."""
        self.sh("""
            pid=$(cat $SB_DIR/h/ovs-vswitchd.pid)
            sb_in h ovs-appctl -t ovs-vswitchd exit
            sb_wait_until exit sb_is_gone $pid
            sleep 1.5""")
        return float(self.sh("""
            sb_in vm-h ping -n -i 0.005 -W 1 10.0.0.3 > $SB_DIR/ping & disown
            began=$(date +%%s.%%N)
            sb_vswitchd_start h
            until sb_in h ip addr replace 172.31.0.1/16 dev br-phy &&
                  sb_in h ip link set br-phy up; do :; done 2>/dev/null
            %s
            until grep -q ttl= $SB_DIR/ping; do sleep 0.005; done
            ended=$(date +%%s.%%N)
            kill $(ip netns pids ${SB_PREFIX}vm-h)
            echo "$ended - $began" | bc""" % then))

    def replay(self):
        """The same by ovs-ofctl."""
        return self.restart(
            "until sb_in h ovs-ofctl -O OpenFlow15 --bundle add-flows br-int "
            "%s 2>/dev/null; do sleep 0.005; done; sb_in h ovs-appctl "
            "tnl/neigh/set br-phy 172.31.0.2 02:ac:1f:00:00:02 >/dev/null"
            % self.flows)

    def run(self, repeat):
        self.setup()
        ours, theirs = [], []
        for _ in range(repeat):
            ours.append(self.restart(":"))
            self.sandbox.agent("h", "wait-idle")
        self.sh("sb_agent_stop h")
        for _ in range(repeat):
            theirs.append(self.replay())
        say("agent: %s; ovs-ofctl: %s" % (ours, theirs))
        return statistics.median(ours), statistics.median(theirs)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--neighbors", type=int, default=10000)
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    restart = Restart(args.neighbors)
    try:
        ours, theirs = restart.run(args.repeat)
    finally:
        restart.sandbox.close()
    print("\novs-vswitchd restarts, %d neighbours (%d flows): first ping %.3f s"
          " after its start;\nwith ovs-ofctl --bundle add-flows instead of the"
          " agent %.3f s"
          % (args.neighbors, restart.n_flows, ours, theirs))
    neighbors.target("restart of ovs-vswitchd to first ping, times ovs-ofctl",
                     ours / theirs, TARGET, "%.2f")


if __name__ == "__main__":
    main()
