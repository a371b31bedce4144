#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Benchmark: what a port that floods costs another one on the same host.
Started by tests/perf/run.

Two VMs ping each other; a third one sends RATE packets a second, of one kind
after the other (tests/flood-frames.py).  Round trips are compared with those
of the same run while it is quiet.  They begin a second after the flood, when
the port is limited; that the switch looks at few of its packets is counted from
the beginning.
"""

import argparse
import os
import re
import signal
import statistics
import subprocess
import sys
import time

import alcor_controller
import alcor_goal
import alcor_schema
import neighbors

RATE = 100000
SECONDS = 6
PINGS = 600
KINDS = "arp,nd,dhcp,fragments,options,unknown,routed,spoofed"
NET = """
host f1 ip=172.31.0.1 mac=02:ac:1f:00:00:01
vpc net vni=100 cidr=10.0.0.0/8
subnet sub vpc=net cidr=10.0.0.0/8 gw=10.0.0.254,fa:16:3e:00:00:01 dhcp=yes
port port-1 subnet=sub ip=10.0.0.1 mac=02:00:00:00:00:01 host=f1
port port-2 subnet=sub ip=10.0.0.2 mac=02:00:00:00:00:02 host=f1
port port-3 subnet=sub ip=10.0.0.3 mac=02:00:00:00:00:03 host=f1
dhcp d1 subnet=sub mac=02:00:00:00:00:01 ip=10.0.0.1
router r subnets=sub to=f1
"""


def start(sandbox, schema):
    publish, control = ("ipc://%s/f1.%s" % (sandbox.dir, kind)
                        for kind in ("publish", "control"))
    controller = alcor_controller.Controller(publish, control, schema=schema)
    sandbox.sh("""set -e
        sb_host f1 172.31.0.1/16 02:ac:1f:00:00:01
        sb_agent_configure f1 %s %s
        sb_agent_start f1
        for i in 1 2 3; do
            sb_vm f1 vm$i port-$i 02:00:00:00:00:0$i 10.0.0.$i/8
        done""" % (publish, control))
    controller.wait_node("f1", neighbors.TIMEOUT)
    message = alcor_goal.Network(schema, NET).v2()
    controller.publish("node/f1", "GOAL_STATE_V2",
                       message.SerializeToString())
    controller.wait(lambda: controller.replies, "the answer",
                    neighbors.TIMEOUT)
    sandbox.agent("f1", "wait-idle")
    return controller


def ping(sandbox):
    """(lost, median round trip in ms) of PINGS pings from vm2 to vm3."""
    out = sandbox.sh("sb_in vm2 ping -n -i 0.005 -c %d -W 1 10.0.0.3 || true"
                     % PINGS)
    times = [float(t) for t in re.findall(r"time=([\d.]+)", out)]
    return PINGS - len(times), statistics.median(times)


def misses(sandbox):
    """Packets that the switch has looked at, so far."""
    out = sandbox.sh("sb_in f1 ovs-appctl dpif-netdev/pmd-stats-show")
    return sum(int(n) for n in re.findall(r"miss with .*: (\d+)", out))


def flood(sandbox, kind):
    """Results of one kind, as a dict."""
    quiet = ping(sandbox)
    before = misses(sandbox)
    attacker = subprocess.Popen(
        ["ip", "netns", "exec", sandbox.env["SB_PREFIX"] + "vm1",
         sys.executable, os.path.join(neighbors.TOP, "tests/flood-frames.py"),
         "eth0", kind, str(RATE), str(SECONDS), "mac=02:00:00:00:00:01",
         "ip=10.0.0.1"], stdout=subprocess.PIPE, text=True)
    attacker.stdout.readline()
    time.sleep(1)
    lost, rtt = ping(sandbox)
    sent = int(attacker.stdout.read())
    attacker.wait()
    result = {
        "sent": sent / SECONDS, "lost": lost, "quiet": quiet[1], "rtt": rtt,
        "misses": misses(sandbox) - before,
    }
    neighbors.say("%s: %.3f ms, in the flood %.3f ms"
                  % (kind, result["quiet"], result["rtt"]))
    # The limit is lifted before the next kind.
    sandbox.sh("SB_TIMEOUT=30; sb_wait_until 'the end of the storm' bash -c '"
               ". \"%s/utilities/sandbox-lib.sh\"; ! sb_in f1 ovs-ofctl "
               "-O OpenFlow15 dump-flows br-int | grep -q priority=1999'"
               % neighbors.TOP)
    return result


def report(results):
    print("\nA port floods, at most %d packets a second; round trips of two"
          " others\n" % RATE)
    print("%-10s %10s %8s %9s %9s %7s %10s"
          % ("kind", "sent/s", "lost", "quiet ms", "flood ms", "ratio",
             "looked at"))
    for kind, r in results.items():
        print("%-10s %10.0f %8d %9.3f %9.3f %7.2f %10d"
              % (kind, r["sent"], r["lost"], r["quiet"], r["rtt"],
                 r["rtt"] / r["quiet"], r["misses"]))
    print()
    for kind, r in results.items():
        neighbors.target("%s: packets that others lose" % kind, r["lost"], 0,
                         "%d")
        neighbors.target("%s: round trip of others, times the quiet one"
                         % kind, r["rtt"] / r["quiet"], 2, "%.2f")
        # What the meter lets pass, and what comes before it is there.
        neighbors.target("%s: packets that the switch looks at" % kind,
                         r["misses"], 500 * SECONDS + 3000, "%d")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kinds", default=KINDS)
    args = parser.parse_args()
    schema = alcor_schema.load()
    sandbox = neighbors.Sandbox()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        controller = start(sandbox, schema)
        results = {kind: flood(sandbox, kind)
                   for kind in args.kinds.split(",")}
        controller.close()
    finally:
        sandbox.close()
    report(results)


if __name__ == "__main__":
    main()
