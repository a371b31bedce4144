#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A forwarding node (FWD) of a Zeta gateway cluster, for tests: written from
what is known of deployed ones, and sharing no code with the agent.

usage: zeta_gateway.py run [OPTIONS] --entrance IP=MAC [ENDPOINT...]
       zeta_gateway.py ctl SOCKET COMMAND...
       zeta_gateway.py vectors FILE
       zeta_gateway.py form FILE FRAME | form HEX
       zeta_gateway.py payload delete|inject VNI SRC DST SPORT DPORT PROTOCOL
           [IP HOST-IP MAC HOST-MAC]
       zeta_gateway.py forge oam SRC HOST-IP MAC HEX
       zeta_gateway.py forge rejection SRC HOST-IP MAC

"run" forwards on --interface (default: eth0) until "exit":

    --entrance IP=MAC   one of its entrances; may be given again
    --oam-port PORT     default: 8300
    --control SOCKET    listens there for commands
    --detach            returns when it does
    --pidfile FILE, --log FILE

An ENDPOINT is VNI,IP,MAC,HOST-IP,HOST-MAC.  Commands:

    endpoint VNI,IP,MAC,HOST-IP,HOST-MAC    learns it, or that it has moved
    forget VNI,IP                           unlearns it
    entrance IP=MAC | no-entrance IP        is, or is no longer, its own
    oam HOST-IP HOST-MAC ENTRANCE-IP HEX [PORT]
                                            sends an OAM packet with this
                                            payload, from that address, with
                                            the MAC of the first entrance
    storm HOST-IP HOST-MAC RATE SECONDS new|same VNI,SRC,DST,MAC,IP,HOST-MAC
                                            sends injections at RATE a second:
                                            of as many flows (source ports), or
                                            all the same; prints how many
    quiet yes|no                            sends no OAM, or does again
    flows                                   ports of flows that it has seen
    last                                    the last frame forwarded, as it
                                            came, in hex
    counters                                what it has done
    exit

"form" says what counts of a host's frame: of one in a file of vectors, or of
one in hex.  "forge" prints a frame in hex that claims to be from SRC: an OAM
packet, or the news that nobody takes there what the host's tunnel brings.

What deployed ones do, and this does: looks at outer destination MAC and IP (an
entrance's), UDP destination port 4789, VNI and inner destination address.
Checks no flags of VXLAN, no checksum; drops VLAN, IPv6, ARP other than
requests, unknown endpoints, silently.  Rewrites the inner destination MAC and
the outer addresses, decrements the outer TTL, leaves the inner packet.  Sends
one OAM injection for each IPv4 packet that it forwards.  Answers ARP requests
in place: outer UDP ports are not swapped.  Answers no ARP for its entrances.
"""

import collections
import json
import os
import select
import socket
import struct
import sys
import time

VXLAN = 4789
MAX_QUEUE = 1024
IDLE_TIMEOUT = 30
OAM_TTL = 63

Endpoint = collections.namedtuple("Endpoint", "mac host_ip host_mac")


def mac_bytes(text):
    return bytes(int(byte, 16) for byte in text.split(":"))


def checksum(header):
    total = sum(struct.unpack("!%dH" % (len(header) // 2), header))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ip_header(source, destination, length, ttl, ident, tos=0, fragment=0):
    header = struct.pack("!BBHHHBBH4s4s", 0x45, tos, length, ident, fragment,
                         ttl, socket.IPPROTO_UDP, 0, source, destination)
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:]


def matcher(vni, source, destination, sport, dport, protocol):
    return (source + destination + struct.pack("!HHB", sport, dport, protocol)
            + struct.pack("!I", vni)[1:])


def injection(match, ip, endpoint):
    return (struct.pack("!I", 0) + match + ip + endpoint.host_ip
            + endpoint.mac + endpoint.host_mac
            + struct.pack("!HH", IDLE_TIMEOUT, 0))


class Gateway:
    def __init__(self, oam_port=8300):
        self.entrances = {}             # IP: MAC.
        self.endpoints = {}             # (VNI, IP): Endpoint.
        self.oam_port = oam_port
        self.queue = collections.deque(maxlen=MAX_QUEUE)
        self.counters = collections.Counter()
        self.ident = 0
        self.quiet = False
        self.flows = set()
        self.last = b""

    def add_endpoint(self, text):
        vni, ip, mac, host_ip, host_mac = text.split(",")
        self.endpoints[int(vni), socket.inet_aton(ip)] = Endpoint(
            mac_bytes(mac), socket.inet_aton(host_ip), mac_bytes(host_mac))

    def forget_endpoint(self, text):
        vni, ip = text.split(",")
        self.endpoints.pop((int(vni), socket.inet_aton(ip)), None)

    def add_entrance(self, text):
        ip, mac = text.split("=")
        self.entrances[socket.inet_aton(ip)] = mac_bytes(mac)

    def outer(self, frame):
        """Where inner packet, VNI and entrance are in 'frame', or None."""
        if len(frame) < 64 or frame[12:14] != b"\x08\x00" or frame[14] != 0x45:
            return None
        entrance = frame[30:34]
        if self.entrances.get(entrance) != frame[0:6]:
            self.counters["not for an entrance"] += 1
            return None
        if frame[23] != socket.IPPROTO_UDP or (
                struct.unpack_from("!H", frame, 36)[0] != VXLAN):
            self.counters["not VXLAN"] += 1
            return None
        return entrance, int.from_bytes(frame[46:49], "big")

    def readdress(self, frame, entrance, to_ip, to_mac):
        """The outer headers of 'frame', from 'entrance' to another host."""
        tos, length, ident, fragment, ttl = struct.unpack_from("!xBHHHB",
                                                               frame, 14)
        return (to_mac + self.entrances[entrance] + frame[12:14]
                + ip_header(entrance, to_ip, length, ttl - 1, ident, tos,
                            fragment)
                + frame[34:50])

    def forward(self, frame):
        """Returns what to send, or None."""
        outer = self.outer(frame)
        if not outer:
            return None
        entrance, vni = outer
        inner_type = frame[62:64]
        if inner_type == b"\x08\x00" and len(frame) >= 84:
            return self.forward_ipv4(frame, entrance, vni)
        if inner_type == b"\x08\x06" and frame[70:72] == b"\x00\x01":
            return self.answer_arp(frame, entrance, vni)
        self.counters["not understood"] += 1
        return None

    def forward_ipv4(self, frame, entrance, vni):
        source, destination = frame[76:80], frame[80:84]
        endpoint = self.endpoints.get((vni, destination))
        if not endpoint:
            self.counters["unknown"] += 1
            return None
        protocol = frame[73]
        ports = (struct.unpack_from("!HH", frame, 84)
                 if protocol in (socket.IPPROTO_TCP, socket.IPPROTO_UDP)
                 and len(frame) >= 88 else (0, 0))
        payload = injection(matcher(vni, source, destination, *ports,
                                    protocol), destination, endpoint)
        self.queue.append(self.oam(entrance, frame[26:30], frame[6:12],
                                   payload, self.oam_port))
        self.flows.add(ports)
        self.last = frame
        self.counters["forwarded"] += 1
        self.counters["forwarded by %s" % socket.inet_ntoa(entrance)] += 1
        return (self.readdress(frame, entrance, endpoint.host_ip,
                               endpoint.host_mac)
                + endpoint.mac + frame[56:])

    def answer_arp(self, frame, entrance, vni):
        sender_mac, sender, target = frame[72:78], frame[78:82], frame[88:92]
        endpoint = self.endpoints.get((vni, target))
        if not endpoint:
            self.counters["unknown ARP"] += 1
            return None
        self.counters["answered ARP"] += 1
        return (self.readdress(frame, entrance, frame[26:30], frame[6:12])
                + frame[56:62] + endpoint.mac + frame[62:70] + b"\x00\x02"
                + endpoint.mac + target + sender_mac + sender + frame[92:])

    def oam(self, entrance, to_ip, to_mac, payload, port):
        self.ident = (self.ident + 1) & 0xffff
        mac = self.entrances.get(entrance) or next(iter(
            self.entrances.values()))
        return (to_mac + mac + b"\x08\x00"
                + ip_header(entrance, to_ip, 28 + len(payload), OAM_TTL,
                            self.ident)
                + struct.pack("!HHHH", 0, port, 8 + len(payload), 0)
                + payload)


class Server:
    """A gateway on an interface, with a control socket."""

    def __init__(self, gateway, interface, control):
        self.gateway = gateway
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                    socket.htons(0x0800))
        self.socket.bind((interface, 0x0800))
        # SOL_PACKET: PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC;
        # PACKET_IGNORE_OUTGOING.
        index = socket.if_nametoindex(interface)
        self.socket.setsockopt(263, 1, struct.pack("iHH8s", index, 1, 0, b""))
        self.socket.setsockopt(263, 23, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.socket.setblocking(False)
        self.control = None
        self.done = False
        if control:
            self.control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.control.bind(control)
            self.control.listen(8)

    def send(self, frame):
        try:
            self.socket.send(frame)
        except BlockingIOError:
            self.gateway.counters["not sent"] += 1
        except OSError:                 # The interface is down.
            self.gateway.counters["not sent"] += 1

    def run(self):
        sources = [self.socket] + ([self.control] if self.control else [])
        while not self.done:
            for source in select.select(sources, [], [])[0]:
                if source is self.socket:
                    self.receive()
                else:
                    self.serve()

    def receive(self):
        gateway = self.gateway
        for _ in range(256):
            try:
                frame = self.socket.recv(65536)
            except OSError:
                break
            out = gateway.forward(frame)
            if out:
                self.send(out)
        while gateway.queue:
            frame = gateway.queue.popleft()
            if not gateway.quiet:
                gateway.counters["OAM"] += 1
                self.send(frame)

    def serve(self):
        client, _ = self.control.accept()
        with client, client.makefile("rw") as stream:
            words = stream.readline().split()
            try:
                answer = self.command(*words) or ""
            except (ValueError, KeyError, TypeError, OSError) as e:
                answer = "error: %s\n" % e
            stream.write(answer)

    def command(self, name, *args):
        gateway = self.gateway
        if name == "endpoint":
            gateway.add_endpoint(*args)
        elif name == "forget":
            gateway.forget_endpoint(*args)
        elif name == "entrance":
            gateway.add_entrance(*args)
        elif name == "no-entrance":
            gateway.entrances.pop(socket.inet_aton(*args))
        elif name == "quiet":
            gateway.quiet = args[0] == "yes"
        elif name == "oam":
            self.send_oam(*args)
        elif name == "storm":
            return self.storm(*args)
        elif name == "counters":
            return "".join("%s: %d\n" % item
                           for item in sorted(gateway.counters.items()))
        elif name == "flows":
            return "".join("%d %d\n" % ports
                           for ports in sorted(gateway.flows))
        elif name == "last":
            return gateway.last.hex() + "\n"
        elif name == "exit":
            self.done = True
        else:
            raise ValueError("no command " + name)
        return None

    def send_oam(self, host_ip, host_mac, entrance, payload, port=None):
        gateway = self.gateway
        self.send(gateway.oam(socket.inet_aton(entrance),
                              socket.inet_aton(host_ip), mac_bytes(host_mac),
                              bytes.fromhex(payload),
                              int(port or gateway.oam_port)))

    def storm(self, host_ip, host_mac, rate, seconds, what, flow):
        vni, source, destination, mac, next_ip, next_mac = flow.split(",")
        endpoint = Endpoint(mac_bytes(mac), socket.inet_aton(next_ip),
                            mac_bytes(next_mac))
        rate, seconds = int(rate), float(seconds)
        gateway = self.gateway
        entrance = next(iter(gateway.entrances))

        def frame(i):
            ports = (1, 2) if what == "same" else (i % 65536, 1 + i // 65536)
            match = matcher(int(vni), socket.inet_aton(source),
                            socket.inet_aton(destination), *ports,
                            socket.IPPROTO_UDP)
            return gateway.oam(entrance, socket.inet_aton(host_ip),
                               mac_bytes(host_mac), injection(
                                   match, socket.inet_aton(destination),
                                   endpoint), gateway.oam_port)

        first = frame(0)
        total = int(rate * seconds)
        frames = None if what == "same" else [frame(i) for i in range(total)]
        began, n = time.monotonic(), 0
        self.socket.setblocking(True)
        while n < total:
            due = min(total, int((time.monotonic() - began) * rate))
            while n < due:
                self.socket.send(frames[n] if frames else first)
                n += 1
            self.receive_pending()
            time.sleep(0.0005)
        self.socket.setblocking(False)
        return "%d in %.3f s\n" % (n, time.monotonic() - began)

    def receive_pending(self):
        """What comes in while a storm is sent is served, too."""
        if select.select([self.socket], [], [], 0)[0]:
            self.socket.setblocking(False)
            self.receive()
            self.socket.setblocking(True)


def detach():
    """Returns in a child; the parent exits."""
    if os.fork():
        os._exit(0)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1):
        os.dup2(null, fd)


def run(args):
    interface, control, background = "eth0", None, False
    log = pidfile = None
    gateway = Gateway()
    args = collections.deque(args)
    while args:
        arg = args.popleft()
        if arg == "--interface":
            interface = args.popleft()
        elif arg == "--control":
            control = args.popleft()
        elif arg == "--oam-port":
            gateway.oam_port = int(args.popleft())
        elif arg == "--entrance":
            gateway.add_entrance(args.popleft())
        elif arg == "--log":
            log = args.popleft()
        elif arg == "--pidfile":
            pidfile = args.popleft()
        elif arg == "--detach":
            background = True
        else:
            gateway.add_endpoint(arg)
    server = Server(gateway, interface, control)
    if background:
        detach()
        os.dup2(os.open(log or os.devnull,
                        os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), 2)
    if pidfile:
        with open(pidfile + ".tmp", "w") as f:
            print(os.getpid(), file=f)
        os.rename(pidfile + ".tmp", pidfile)
    server.run()


def ctl(path, *words):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(path)
        client.sendall((" ".join(words) + "\n").encode())
        client.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: client.recv(65536), b"")).decode()
    sys.stdout.write(answer)
    return answer.startswith("error")


def payload(what, vni, source, destination, sport, dport, protocol,
            ip=None, host_ip=None, mac=None, host_mac=None):
    """Prints a payload of OAM."""
    match = matcher(int(vni), socket.inet_aton(source),
                    socket.inet_aton(destination), int(sport), int(dport),
                    int(protocol))
    if what == "delete":
        print((struct.pack("!I", 1) + match).hex())
    else:
        print(injection(match, socket.inet_aton(ip),
                        Endpoint(mac_bytes(mac), socket.inet_aton(host_ip),
                                 mac_bytes(host_mac))).hex())


def forge(what, source, host_ip, mac, text=""):
    """Prints a frame that is for a host, whoever sends it."""
    source, host = socket.inet_aton(source), socket.inet_aton(host_ip)
    gateway = Gateway()
    gateway.entrances[source] = mac_bytes("02:00:00:00:00:99")
    frame = gateway.oam(source, host, mac_bytes(mac), bytes.fromhex(text),
                        gateway.oam_port)
    if what == "rejection":
        udp = struct.pack("!HHHH", 50000, 4789, 8, 0)
        quoted = ip_header(host, source, 28, 64, 1) + udp
        icmp = struct.pack("!BBHI", 3, 3, 0, 0) + quoted
        icmp = icmp[:2] + struct.pack("!H", checksum(icmp)) + icmp[4:]
        header = ip_header(source, host, 20 + len(icmp), 64, 1)
        header = header[:9] + b"\x01\x00\x00" + header[12:]
        header = (header[:10] + struct.pack("!H", checksum(header))
                  + header[12:])
        frame = frame[:14] + header + icmp
    print(frame.hex())


def form(*where):
    """Prints what counts of a frame to a gateway."""
    if len(where) == 2:
        with open(where[0]) as f:
            text = json.load(f)["frames"][where[1]]
    else:
        text = where[0]
    frame = bytes.fromhex(text)

    def station(mac, ip):
        return "%s %s" % (frame[mac:mac + 6].hex(":"),
                          socket.inet_ntoa(frame[ip:ip + 4]))

    print("%s > %s" % (station(6, 26), station(0, 30)))
    print("IPv4 %02x tos %d ttl %d protocol %d checksum %s" % (
        frame[14], frame[15], frame[22], frame[23],
        "wrong" if checksum(frame[14:34]) else "right"))
    lengths = (int.from_bytes(frame[16:18], "big") - len(frame),
               int.from_bytes(frame[38:40], "big") - len(frame))
    print("UDP %d checksum %d%s" % (
        int.from_bytes(frame[36:38], "big"),
        int.from_bytes(frame[40:42], "big"),
        "" if lengths == (-14, -34) else " wrong length"))
    print("VXLAN %s %d" % (frame[42:46].hex(),
                           int.from_bytes(frame[46:50], "big") >> 8))
    print("inner %s > %s" % (station(56, 76), socket.inet_ntoa(frame[80:84])))


def vectors(path):
    """Gives this gateway the hosts' frames of the vectors: what it sends is
    what the deployed one sent, but for the OAM packets' identification."""
    with open(path) as f:
        frames = {name: bytes.fromhex(text)
                  for name, text in json.load(f)["frames"].items()}
    gateway = Gateway()
    gateway.add_entrance("172.16.0.254=02:67:00:00:00:01")
    gateway.add_endpoint("1193046,10.0.0.2,02:bb:00:00:00:02,172.16.0.2,"
                         "02:b0:00:00:00:02")
    sent = {
        "gateway_to_destination": gateway.forward(frames["host_to_gateway"]),
        "arp_reply": gateway.forward(frames["arp_request"]),
    }
    # The second packet has another inner source port.
    second = bytearray(frames["host_to_gateway"])
    second[85] += 1
    gateway.forward(bytes(second))
    gateway.ident = struct.unpack_from(
        "!H", frames["oam_injection_to_source"], 18)[0] - 1
    oam = gateway.queue[-1]
    sent["oam_injection_to_source"] = gateway.oam(
        oam[26:30], oam[30:34], oam[0:6], oam[42:], 8300)
    status = 0
    for name, frame in sent.items():
        same = frame == frames[name]
        print(name, "same" if same else "differs: " + (frame or b"").hex())
        status |= not same
    return status


def main():
    mode, *args = sys.argv[1:] or ["help"]
    modes = {"run": run, "ctl": ctl, "vectors": vectors, "payload": payload,
             "forge": forge, "form": form}
    if mode not in modes:
        sys.exit(__doc__)
    return modes[mode](
        *([args] if mode == "run" else args))


if __name__ == "__main__":
    sys.exit(main())
