#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sends frames that the data plane drops, each for another reason.

usage: insight-frames.py INTERFACE KIND...

The network is that of the test "every drop has its reason"
(system-insight.at); see KINDS below.
"""

import sys

from scapy.all import (ARP, Dot1Q, Ether, ICMP, ICMPv6ND_NA,
                       ICMPv6ND_RA, IP, IPv6, UDP, sendp)

MAC = "02:00:00:00:00:0%d"
GATEWAY = "fa:16:3e:00:00:01"
EVERYBODY = "ff:ff:ff:ff:ff:ff"


def ether(sender, to, **fields):
    return Ether(src=MAC % sender, dst=to, **fields)


def ip(sender, to, dst, **fields):
    return (ether(sender, to)
            / IP(src="10.0.0.%d" % sender, dst=dst, **fields))


DATA = UDP(sport=5000, dport=5001) / b"data"
KINDS = {
    # From vm1.
    "unknown-destination": ip(1, MAC % 7, "10.0.0.7") / DATA,
    "to-gateway": ip(1, GATEWAY, "10.0.0.254") / DATA,
    "ttl": ip(1, GATEWAY, "10.0.1.5", ttl=1) / DATA,
    "not-ip": ether(1, GATEWAY, type=0x1234) / b"data",
    "no-route": ip(1, GATEWAY, "203.0.113.1") / DATA,
    "unanswered": (ether(1, EVERYBODY)
                   / ARP(hwsrc=MAC % 1, psrc="10.0.0.1", pdst="10.0.0.7")),
    "tagged": (ether(1, MAC % 2) / Dot1Q(vlan=7)
               / IP(src="10.0.0.1", dst="10.0.0.2") / DATA),
    "spoofed-mac": ip(6, MAC % 2, "10.0.0.2") / DATA,
    "spoofed-ip": (ether(1, MAC % 2) / IP(src="10.0.0.6", dst="10.0.0.2")
                   / DATA),
    "spoofed-arp": (ether(1, EVERYBODY)
                    / ARP(hwsrc=MAC % 1, psrc="10.0.0.6", pdst="10.0.0.2")),
    "spoofed-nd": (ether(1, MAC % 2) / IPv6(src="fe80::ff:fe00:1",
                                            dst="fe80::ff:fe00:2")
                   / ICMPv6ND_NA(tgt="fe80::6")),
    "dhcp-server": ip(1, MAC % 2, "10.0.0.2") / UDP(sport=67, dport=68),
    "router-advertisement": (ether(1, MAC % 2)
                             / IPv6(src="fe80::ff:fe00:1",
                                    dst="fe80::ff:fe00:2") / ICMPv6ND_RA()),
    "security-group": ip(1, MAC % 2, "10.0.0.2") / DATA,
    "ct-invalid": ip(1, MAC % 2, "10.0.0.2") / ICMP(type=0),
    "port-down": ip(1, MAC % 2, "10.0.0.2") / DATA,
    "unknown-tunnel": ip(1, MAC % 3, "10.0.0.3") / DATA,
    # From vm3, on the other host.
    "not-here": ip(3, MAC % 9, "10.0.0.9") / DATA,
    "no-subnet": (ether(3, EVERYBODY)
                  / IP(src="192.0.2.3", dst="192.0.2.255") / DATA),
    "no-port": ip(3, EVERYBODY, "10.0.0.255") / DATA,
    # From vm4, likewise.
    "no-members": (ether(4, EVERYBODY)
                   / IP(src="10.0.1.4", dst="10.0.1.255") / DATA),
}


def main():
    interface, *kinds = sys.argv[1:]
    sendp([KINDS[kind] for kind in kinds], iface=interface, verbose=False)


main()
