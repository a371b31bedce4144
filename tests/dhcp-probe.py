#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Sends DHCP messages that real clients do not send when one wants them to,
and prints what is answered.

usage: dhcp-probe.py DEVICE TYPE [KEY=VALUE...]      (version 4)
       dhcp-probe.py -6 DEVICE TYPE [KEY=VALUE...]

TYPE is a message type (discover, request, ...; solicit, request, ...).  Keys:
    mac       sender, default: that of DEVICE
    chaddr    hardware address in the message, default: mac
    src, dst  addresses of the packet; src is 0.0.0.0 and dst everybody
    ciaddr, requested, server, broadcast=1, params=N,N..., max=N, id=HEX
    giaddr    of a relay
    duid      of the server (hex); address: in the IA; rapid=1; ia=na|ta|pd;
              oro=N,N
    wait      seconds to wait for an answer, default $ALCOR_ANSWER_WAIT or 2

Prints "no answer" or, on one line each, where the answer went ("to MAC IP"),
its type and address, and its options by number.
"""

import os
import sys
import threading

from scapy.all import (AsyncSniffer, BOOTP, DHCP, Ether, IP, IPv6, UDP, Raw,
                       conf, get_if_hwaddr, sendp)
from scapy.layers import dhcp6

conf.verb = 0

TYPES4 = ("", "discover", "offer", "request", "decline", "ack", "nak",
          "release", "inform")
TYPES6 = {"solicit": dhcp6.DHCP6_Solicit, "request": dhcp6.DHCP6_Request,
          "confirm": dhcp6.DHCP6_Confirm, "renew": dhcp6.DHCP6_Renew,
          "rebind": dhcp6.DHCP6_Rebind, "release": dhcp6.DHCP6_Release,
          "decline": dhcp6.DHCP6_Decline,
          "information": dhcp6.DHCP6_InfoRequest}


def message4(kind, mac, keys):
    options = [("message-type", kind)]
    for key, name in (("requested", "requested_addr"),
                      ("server", "server_id")):
        if key in keys:
            options.append((name, keys[key]))
    if "id" in keys:
        options.append(("client_id", bytes.fromhex(keys["id"])))
    if "params" in keys:
        options.append(("param_req_list",
                        [int(n) for n in keys["params"].split(",")]))
    if "max" in keys:
        options.append(("max_dhcp_size", int(keys["max"])))
    chaddr = bytes.fromhex(keys.get("chaddr", mac).replace(":", ""))
    return (Ether(src=mac, dst=keys.get("to", "ff:ff:ff:ff:ff:ff"))
            / IP(src=keys.get("src", "0.0.0.0"),
                 dst=keys.get("dst", "255.255.255.255"))
            / UDP(sport=68, dport=67)
            / BOOTP(chaddr=chaddr, xid=0x12345678,
                    ciaddr=keys.get("ciaddr", "0.0.0.0"),
                    giaddr=keys.get("giaddr", "0.0.0.0"),
                    flags=0x8000 if "broadcast" in keys else 0)
            / DHCP(options=options + ["end"]))


def client_duid(mac):
    return dhcp6.DUID_LL(lladdr=mac)


def message6(kind, mac, keys):
    packet = (Ether(src=mac, dst="33:33:00:01:00:02")
              / IPv6(src=keys["src"], dst="ff02::1:2")
              / UDP(sport=546, dport=547) / TYPES6[kind](trid=0x123456)
              / dhcp6.DHCP6OptClientId(duid=client_duid(mac)))
    if "duid" in keys:
        packet /= dhcp6.DHCP6OptServerId(duid=Raw(bytes.fromhex(
            keys["duid"])))
    if "rapid" in keys:
        packet /= dhcp6.DHCP6OptRapidCommit()
    addresses = [dhcp6.DHCP6OptIAAddress(addr=a)
                 for a in keys.get("address", "").split(",") if a]
    ia = keys.get("ia", "na" if kind != "information" else "")
    if ia == "na":
        packet /= dhcp6.DHCP6OptIA_NA(iaid=7, ianaopts=addresses)
    elif ia == "ta":
        packet /= dhcp6.DHCP6OptIA_TA(iaid=7)
    elif ia == "pd":
        packet /= dhcp6.DHCP6OptIA_PD(iaid=7)
    if "oro" in keys:
        packet /= dhcp6.DHCP6OptOptReq(
            reqopts=[int(n) for n in keys["oro"].split(",")])
    return packet


def raw_options(data, size):
    """(code, value) of each option; codes and lengths have 'size' bytes."""
    result = []
    while len(data) >= 2 * size:
        code = int.from_bytes(data[:size], "big")
        if size == 1 and code == 255:
            break
        n = int.from_bytes(data[size:2 * size], "big")
        result.append((code, data[2 * size:2 * size + n]))
        data = data[2 * size + n:]
    return result


def check_sums(packet):
    """Checksums that are right when computed again."""
    raw = bytes(packet)
    again = Ether(raw)
    if IP in again:
        del again[IP].chksum
    del again[UDP].chksum
    return bytes(Ether(bytes(again))) == raw


def describe(packet, v6):
    layer = packet[IPv6 if v6 else IP]
    print("to %s %s from %s %s%s" % (
        packet.dst, layer.dst, packet.src, layer.src,
        "" if check_sums(packet) else ", bad checksum"))
    data = bytes(packet[UDP].payload)[:packet[UDP].len - 8]
    if v6:
        print("type %d" % data[0])
        options = raw_options(data[4:], 2)
    else:
        bootp = packet[BOOTP]
        options = raw_options(data[240:], 1)
        kind = dict(options).get(53, b"\0")[0]
        print("%s yiaddr %s ciaddr %s" % (TYPES4[kind], bootp.yiaddr,
                                          bootp.ciaddr))
        options = [o for o in options if o[0] != 53]
    for code, value in options:
        print("%d %s" % (code, value.hex()))


def main():
    args = sys.argv[1:]
    v6 = args[0] == "-6"
    device, kind = args[v6:][:2]
    keys = dict(word.split("=", 1) for word in args[v6 + 2:])
    mac = keys.get("mac", get_if_hwaddr(device))
    packet = (message6 if v6 else message4)(kind, mac, keys)
    ready = threading.Event()
    sniffer = AsyncSniffer(
        iface=device, count=1, started_callback=ready.set,
        timeout=float(keys.get("wait",
                               os.environ.get("ALCOR_ANSWER_WAIT", 2))),
        filter="udp src port %d and not ether src %s"
               % (547 if v6 else 67, mac))
    sniffer.start()
    ready.wait()
    sendp(packet, iface=device)
    sniffer.join()
    if sniffer.results:
        describe(sniffer.results[0], v6)
    else:
        print("no answer")


if __name__ == "__main__":
    main()
