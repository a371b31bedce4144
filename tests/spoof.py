#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sends frames that a VM should not send, and some that it may.

usage: spoof.py INTERFACE KIND... [KEY=VALUE...]

Values: mac, ip, ip6 (of the sender), other_mac, other_ip, other_ip6 (what it
pretends to be), to_mac, to_ip, to_ip6 (whom it writes to).  Each frame carries
its KIND as payload, where there is room for one; see KINDS below.
"""

import sys

from scapy.all import (ARP, BOOTP, DHCP, Ether, ICMPv6ND_NA, ICMPv6ND_NS,
                       ICMPv6ND_RA, ICMPv6NDOptDstLLAddr,
                       ICMPv6NDOptSrcLLAddr, IP, IPv6, Raw, UDP, sendp)

def ether(v, mac="mac"):
    return Ether(src=v[mac], dst=v["to_mac"])


def ip(v, mac="mac", src="ip"):
    return ether(v, mac) / IP(src=v[src], dst=v["to_ip"])


def ip6(v, mac="mac", src="ip6"):
    return ether(v, mac) / IPv6(src=v[src], dst=v["to_ip6"])


def arp(v, sha="mac", spa="ip", mac="mac"):
    return ether(v, mac) / ARP(op=2, hwsrc=v[sha], psrc=v[spa],
                               hwdst=v["to_mac"], pdst=v["to_ip"])


def na(v, target, tll="mac", src="ip6"):
    return (ip6(v, src=src) / ICMPv6ND_NA(tgt=v[target], R=0, S=1, O=1)
            / ICMPv6NDOptDstLLAddr(lladdr=v[tll]))


def datagram(kind):
    return UDP(sport=5000, dport=5001) / Raw(kind.encode())


KINDS = {
    "own-ip": lambda v: ip(v) / datagram("own-ip"),
    "other-ip": lambda v: ip(v, src="other_ip") / datagram("other-ip"),
    "other-mac": lambda v: ip(v, mac="other_mac") / datagram("other-mac"),
    "own-ip6": lambda v: ip6(v) / datagram("own-ip6"),
    "other-ip6": lambda v: ip6(v, src="other_ip6") / datagram("other-ip6"),
    "own-arp": arp,
    "arp-of-other-ip": lambda v: arp(v, spa="other_ip"),
    "arp-of-other-mac": lambda v: arp(v, sha="other_mac"),
    "own-na": lambda v: na(v, "ip6"),
    "na-of-other-ip6": lambda v: na(v, "other_ip6"),
    "na-of-other-mac": lambda v: na(v, "ip6", tll="other_mac"),
    "na-twice": lambda v: (na(v, "ip6") / ICMPv6NDOptDstLLAddr(
        lladdr=v["other_mac"])),
    "ns-of-other-mac": lambda v: (
        ip6(v) / ICMPv6ND_NS(tgt=v["to_ip6"])
        / ICMPv6NDOptSrcLLAddr(lladdr=v["other_mac"])),
    "router": lambda v: ip6(v) / ICMPv6ND_RA(),
    "dhcp-server": lambda v: (
        ip(v) / UDP(sport=67, dport=68) / BOOTP(op=2, yiaddr=v["to_ip"])
        / DHCP(options=[("message-type", "offer"), "end"])),
    "dhcp6-server": lambda v: (
        ip6(v) / UDP(sport=547, dport=546) / Raw(b"\x02abc")),
}


def main():
    interface, *words = sys.argv[1:]
    values = dict(word.split("=", 1) for word in words if "=" in word)
    for kind in words:
        if "=" not in kind:
            sendp(KINDS[kind](values), iface=interface, verbose=False)


main()
