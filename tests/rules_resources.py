# SPDX-License-Identifier: Apache-2.0
"""Rules of wire-protocol.md about resources.  See rules.py."""

import os

from google.protobuf import json_format

from alcor_controller import TIME_FACTOR
from rules import HOSTS, NET, NODE, P1, equal, n, rule

NET_ANSWERS = ("SUBNET s INFO SUCCESS", "VPC v INFO SUCCESS")


def v2(t, json):
    return json_format.ParseDict(json, t.pb.GoalStateV2())


@rule("operations")
def operations(t):
    t.start()
    t.expect(NET, *NET_ANSWERS)
    for op in ("CREATE", "UPDATE", "INFO", "CREATE"):
        t.expect(n(1, "op=" + op), "NEIGHBOR n1 %s SUCCESS" % op)
    t.expect(n(1, "op=GET", host=4) + n(2, "op=GET"),
             "NEIGHBOR n1 GET SUCCESS", "NEIGHBOR n2 GET SUCCESS")
    assert "host_ip_address: 172.31.0.2" in t.shown("NEIGHBOR", "n1")
    for _ in range(2):
        t.expect(n(1, "op=DELETE"), "NEIGHBOR n1 DELETE SUCCESS")
    # The map key is an identity, and an identity is all that it takes.
    t.expect(n(1), "NEIGHBOR n1 CREATE SUCCESS")
    for op in ("GET", "DELETE"):
        t.expect(v2(t, {"neighbor_states": {"n1": {"operation_type": op}}}),
                 "NEIGHBOR n1 %s SUCCESS" % op)
    equal(t.stored("NEIGHBOR"), [])


@rule("DELTA and FULL")
def delta_and_full(t):
    t.start()

    def put(kind, id, op, update, **members):
        # CREATE comes with everything, and so may be answered by anything.
        members.update(id=id, update_type=update)
        name = kind.lower()
        t.expect(v2(t, {name + "_states": {id: {
            "operation_type": op, "configuration": members}}}),
            "%s %s %s SUCCESS" % (kind.replace("_", ""), id, op))

    t.expect(NET, *NET_ANSWERS)
    put("VPC", "v", "INFO", "DELTA", name="x", gateway_ids=["a", "b"])
    put("VPC", "v", "UPDATE", "DELTA", gateway_ids=["c"])
    equal(t.shown("VPC", "v"), ["id: v", "name: x", "cidr: 10.0.0.0/16",
                                "tunnel_id: 100", "gateway_ids: c"])
    put("VPC", "v", "UPDATE", "FULL", tunnel_id=100)
    equal(t.shown("VPC", "v"), ["id: v", "tunnel_id: 100"])

    put("SUBNET", "s", "UPDATE", "DELTA", dhcp_enable=True, name="x",
        dns_entry_list=[{"entry": "192.0.2.1"}])
    put("SUBNET", "s", "UPDATE", "DELTA", name="y")
    shown = t.shown("SUBNET", "s")
    for line in ("name: y", "dhcp_enable: false", "cidr: 10.0.0.0/24",
                 "dns_entry_list.entry: 192.0.2.1"):
        assert line in shown, (line, shown)

    neighbor = {"vpc_id": "v", "mac_address": "02:00:00:00:00:09",
                "host_ip_address": "172.31.0.2"}

    def half(role, op, update="DELTA"):
        put("NEIGHBOR", "n", op, update, fixed_ips=[
            {"neighbor_type": role, "subnet_id": "s",
             "ip_address": "10.0.0.9"}], **neighbor)
        return [line for line in t.shown("NEIGHBOR", "n")
                if "neighbor_type" in line]

    l2, l3 = "neighbor_type: L2", "neighbor_type: L3"
    equal(half("L2", "CREATE"), [l2])
    equal(half("L3", "CREATE"), [l2, l3])
    equal(half("L3", "UPDATE", "FULL"), [l3])
    equal(half("L2", "INFO"), [l3, l2])

    t.expect(P1 % "groups=g", "PORT p1 CREATE SUCCESS")
    t.expect(P1 % "op=UPDATE update=DELTA", "PORT p1 UPDATE SUCCESS")
    assert not [line for line in t.shown("PORT", "p1") if "group" in line]

    def ids(kind, id):
        return [line.split(" ")[1] for line in t.shown(kind, id)[1:]
                if line.startswith("id: ")]

    def rules_of(op, update, *rules):
        put("SECURITY_GROUP", "g", op, update, security_group_rules=[
            {"id": r, "operation_type": o} for r, o in rules])
        return ids("SECURITYGROUP", "g")

    equal(rules_of("CREATE", "DELTA", ("a", "INFO"), ("b", "CREATE")),
          ["a", "b"])
    equal(rules_of("UPDATE", "DELTA", ("a", "DELETE"), ("c", "UPDATE")),
          ["b", "c"])
    equal(rules_of("UPDATE", "FULL", ("d", "INFO"), ("b", "DELETE")), ["d"])

    def routes(op, update, **tables):
        put("ROUTER", "r", op, update, subnet_routing_tables=[
            {"subnet_id": subnet, "routing_rules": [
                {"id": r, "operation_type": o, "destination": "192.0.2.0/24"}
                for r, o in table]} for subnet, table in tables.items()])
        return ids("ROUTER", "r")

    equal(routes("CREATE", "FULL", s=[("a", "INFO")], t=[("b", "INFO")]),
          ["a", "b"])
    equal(routes("UPDATE", "DELTA", s=[("a", "DELETE"), ("c", "CREATE")]),
          ["c", "b"])
    equal(routes("UPDATE", "FULL", s=[("e", "INFO")]), ["e"])


@rule("identity")
def identity(t):
    t.start()
    t.expect(NET, *NET_ANSWERS)
    goal = t.goal(n(1) + n(2) + n(3))
    states = goal.neighbor_states
    states["KEY"].CopyFrom(states["n1"])
    del states["n1"]
    states["n3"].configuration.id = ""
    # By map key, by id, listed but absent, not listed, of another kind.
    for type, id in (("NEIGHBOR", "KEY"), ("NEIGHBOR", "n3"),
                     ("NEIGHBOR", "n9"), ("PORT", "n2")):
        goal.host_resources["172.31.0.1"].resources.add(type=type, id=id)
    t.expect(goal, "NEIGHBOR n1 CREATE SUCCESS", "NEIGHBOR n3 CREATE SUCCESS")
    goal.host_resources["172.31.0.1"].resources[0].id = "n1"
    t.expect(goal, "NEIGHBOR n1 CREATE SUCCESS", "NEIGHBOR n3 CREATE SUCCESS")
    # Nothing for this host: no statuses.
    del goal.host_resources["172.31.0.1"]
    goal.host_resources["172.31.0.9"].resources.add(type="NEIGHBOR", id="n2")
    t.expect(goal, "-")
    equal(t.stored("NEIGHBOR"), ["NEIGHBOR n1 ok", "NEIGHBOR n3 ok"])
    # ARION gateways: the newer of a subnet supersedes.
    for id in ("g1", "g2", "g0"):
        t.expect("gateway %s entrances=172.31.0.9@02:00:00:00:00:99 "
                 "type=ARION vpc=v vni=100 subnet=s\n" % id,
                 "GATEWAY %s CREATE SUCCESS" % id)
        equal(t.stored("GATEWAY"), ["GATEWAY %s ok" % id])


@rule("the effective VNI")
def effective_vni(t):
    t.start()
    t.expect("vpc v\nsubnet s vpc=v cidr=10.0.0.0/24 vni=5\n"
             "subnet u vpc=v cidr=10.0.1.0/24 vni=6\n"
             "subnet x vpc=v cidr=10.0.2.0/24\n"
             "vpc w vni=7\nsubnet t vpc=w cidr=10.0.0.0/24 vni=5\n",
             "SUBNET s INFO SUCCESS", "SUBNET t INFO SUCCESS",
             "SUBNET u INFO SUCCESS", "SUBNET x INFO INVALID_ARG",
             "VPC v INFO SUCCESS", "VPC w INFO SUCCESS")
    t.expect("vpc y vni=6\nsubnet z vpc=y cidr=10.0.0.0/24\n"
             "subnet g vpc=y cidr=10.0.1.0/24 type=GENEVE\n",
             "SUBNET g INFO SUCCESS", "SUBNET z INFO INVALID_ARG",
             "VPC y INFO SUCCESS")


@rule("revisions and tombstones")
def revisions(t):
    t.start()
    t.expect(NET, *NET_ANSWERS)
    for op, revision, status in (
            ("CREATE", 5, "SUCCESS"), ("UPDATE", 4, "OUT_OF_ORDER"),
            ("UPDATE", 5, "SUCCESS"), ("DELETE", 4, "OUT_OF_ORDER"),
            ("UPDATE", 6, "SUCCESS"), ("DELETE", 7, "SUCCESS"),
            ("CREATE", 6, "OUT_OF_ORDER"), ("CREATE", 7, "SUCCESS"),
            ("UPDATE", 0, "SUCCESS"), ("DELETE", 9, "SUCCESS"),
            ("CREATE", 8, "OUT_OF_ORDER")):
        t.expect(n(1, "op=" + op, "revision=%d" % revision),
                 "NEIGHBOR n1 %s %s" % (op, status))
    # A deletion of what is not there counts, too; after ten minutes, none.
    t.expect(n(2, "op=DELETE", "revision=9"), "NEIGHBOR n2 DELETE SUCCESS")
    t.expect(n(2, "revision=8"), "NEIGHBOR n2 CREATE OUT_OF_ORDER")
    t.agent("time/warp", str(11 * 60 * 1000))
    t.expect(n(2, "revision=8"), "NEIGHBOR n2 CREATE SUCCESS")


@rule("parents, PENDING and the second reply")
def parents(t):
    t.start()
    vpc, subnet, _ = NET.split("\n")
    dhcp = "dhcp d vpc=v subnet=s mac=02:00:00:00:00:02 ip=10.0.0.2\n"
    waiting = [t.expect(text, answer + " PENDING") for text, answer in (
        (n(1), "NEIGHBOR n1 CREATE"), (P1 % "", "PORT p1 CREATE"),
        (dhcp, "DHCP d CREATE"), (subnet + "\n", "SUBNET s INFO"))]
    t.expect("group g vpc=none\nrouter r subnets=none dvr=02:00:00:00:00:aa\n"
             "subnet none vpc=x cidr=10.9.0.0/24 op=GET\n"
             "gateway z entrances=172.31.0.9@02:00:00:00:00:99\n",
             "GATEWAY z CREATE SUCCESS", "ROUTER r INFO SUCCESS",
             "SECURITYGROUP g CREATE SUCCESS", "SUBNET none GET SUCCESS")
    t.expect(vpc + "\n", "VPC v INFO SUCCESS")
    for id, answer in zip(waiting, ("NEIGHBOR n1 CREATE", "PORT p1 CREATE",
                                    "DHCP d CREATE", "SUBNET s INFO")):
        equal(t.answers(id, 2), [answer + " SUCCESS"])
        # Who asks again is told both again.
        t.send(message_id=id)
        equal([t.answers(id, i) for i in (3, 4)],
              [[answer + " PENDING"], [answer + " SUCCESS"]])
    t.expect("vpc v op=DELETE\n", "VPC v DELETE SUCCESS")
    equal([line for line in t.stored() if "pending" in line],
          ["DHCP d pending", "NEIGHBOR n1 pending", "PORT p1 pending",
           "SUBNET s pending"])
    t.expect(NET, *NET_ANSWERS)
    # In a transaction PENDING counts as no.
    t.expect(n(5, subnet="none") + n(6), "NEIGHBOR n5 CREATE PENDING",
             "NEIGHBOR n6 CREATE FAILURE", transaction_id="t1")
    equal(t.stored("NEIGHBOR"), ["NEIGHBOR n1 ok"])


@rule("ports without their interface, and unknown groups")
def ports(t):
    t.start()
    t.expect(NET, *NET_ANSWERS)
    t.expect(P1 % "groups=unknown", "PORT p1 CREATE SUCCESS")
    equal(t.stored("PORT"), ["PORT p1 ok"])


@rule("leases")
def leases(t):
    """DHCP: a parent that comes late may show that an address is none of
    its.  The other family is for another subnet of the port."""
    t.start()
    dhcp = "dhcp %s vpc=v subnet=%s mac=02:00:00:00:00:%s %s\n"
    id = t.expect(dhcp % ("a", "s", "0a", "ip=10.0.1.2"),
                  "DHCP a CREATE PENDING")
    t.expect(NET + "subnet six vpc=v cidr=fd00::/64 gw= dhcp=yes\n",
             "SUBNET six INFO SUCCESS", *NET_ANSWERS)
    equal(t.answers(id, 2), ["DHCP a CREATE INVALID_ARG"])
    t.expect(dhcp % ("b", "s", "0b", "ip=10.0.0.2 ip6=fd00::2")
             + dhcp % ("c", "six", "0c", "ip=10.0.0.3 ip6=fd00::3")
             + dhcp % ("d", "six", "0d", "ip6=fd01::4"),
             "DHCP b CREATE SUCCESS", "DHCP c CREATE SUCCESS",
             "DHCP d CREATE INVALID_ARG")
    t.expect("subnet s vpc=v cidr=10.0.0.0/23 gw=\n", "SUBNET s INFO SUCCESS")
    equal(t.stored("DHCP"), ["DHCP a ok", "DHCP b ok", "DHCP c ok"])


@rule("conflicts")
def conflicts(t):
    t.start()
    t.expect(NET, *NET_ANSWERS)
    same = "neighbor %s vpc=v subnet=s ip=10.0.0.9 mac=02:00:00:00:01:%s " \
           "host=host2\n"
    t.expect(same % ("b", "0b") + same % ("a", "0a") + n(1, host=1),
             "NEIGHBOR a CREATE SUCCESS", "NEIGHBOR b CREATE SUCCESS",
             "NEIGHBOR n1 CREATE SUCCESS")
    equal(t.stored("NEIGHBOR"),
          ["NEIGHBOR a ok", "NEIGHBOR b in conflict", "NEIGHBOR n1 ok"])
    t.expect("port z vpc=v subnet=s ip=10.0.0.9 mac=02:00:00:00:01:0c "
             "host=host1\n", "PORT z CREATE SUCCESS")
    equal(t.stored("NEIGHBOR"), ["NEIGHBOR a in conflict",
                                 "NEIGHBOR b in conflict", "NEIGHBOR n1 ok"])


@rule("status")
def status(t):
    t.start()
    t.expect("", "-")
    t.expect(NET + n(1) + n(2) + "vpc x vni=16777216\n"
             "subnet gpe vpc=v cidr=10.0.3.0/24 type=VXLAN_GPE\n"
             "neighbor bad vpc=v subnet=s ip=10.0.0.9 host=host2 "
             "mac=03:00:00:00:00:09\n",
             "NEIGHBOR bad CREATE INVALID_ARG", "NEIGHBOR n1 CREATE SUCCESS",
             "NEIGHBOR n2 CREATE SUCCESS", "SUBNET gpe INFO FAILURE",
             "VPC x INFO INVALID_ARG", *NET_ANSWERS)
    equal(t.stored(), ["NEIGHBOR n1 ok", "NEIGHBOR n2 ok", "SUBNET s ok",
                       "VPC v ok"])
    # What is malformed leaves what is there, and the three times are sane.
    id = t.expect("neighbor n1 vpc=v subnet=s ip=10.0.1.9 host=host2 "
                  "mac=02:00:00:00:00:0b\n", "NEIGHBOR n1 CREATE INVALID_ARG")
    assert "ip_address: 10.0.0.11" in t.shown("NEIGHBOR", "n1")
    id = t.expect(n(3), "NEIGHBOR n3 CREATE SUCCESS")
    s = t.c.replies_to(id)[0].message.operation_statuses[0]
    assert 0 < s.state_elapse_time < 10**7, s
    assert s.network_configuration_time <= s.state_elapse_time, s


def malformed_cases():
    """(Kind of states, its members) of what is malformed, by the document's
    list."""
    def subnet(**members):
        return "subnet", dict({"vpc_id": "v", "cidr": "10.0.0.0/24"},
                              **members)

    def port(ip="10.0.0.20", mac="02:00:00:00:00:20", **members):
        return "port", dict({"vpc_id": "v", "mac_address": mac, "fixed_ips": [
            {"subnet_id": "s", "ip_address": ip}]}, **members)

    def neighbor(ip="10.0.0.20", mac="02:00:00:00:00:20", host="172.31.0.2",
                 **members):
        return "neighbor", dict(
            {"vpc_id": "v", "mac_address": mac, "host_ip_address": host,
             "fixed_ips": [{"subnet_id": "s", "ip_address": ip}]}, **members)

    def rule_(**members):
        return "security_group", {"security_group_rules": [
            dict({"id": "r"}, **members)]}

    yield from (neighbor(ip=ip) for ip in (
        "", "10.0.0", "10.0.0.256", "10.0.0.1/24", "x", "::1::", "fd00::1",
        "0.0.0.0", "255.255.255.255", "224.0.0.1", "ff02::1", "10.0.1.1"))
    yield from (neighbor(mac=mac) for mac in (
        "", "02:00:00:00:00", "02:00:00:00:00:0g", "00:00:00:00:00:00",
        "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01"))
    yield from (neighbor(host=host) for host in (
        "", "172.31.0", "0.0.0.0", "255.255.255.255", "239.0.0.1"))
    yield neighbor(fixed_ips=[])
    yield from (port(ip=ip) for ip in ("", "10.0.0.300", "10.0.1.1",
                                       "0.0.0.0", "224.0.0.1"))
    yield from (port(mac=mac) for mac in ("", "zz", "33:33:00:00:00:01",
                                          "00:00:00:00:00:00"))
    yield port(vpc_id="")
    yield port(vpc_id="x" * 256)
    yield from (subnet(cidr=cidr) for cidr in (
        "", "10.0.0.0/33", "10.0.0", "fd00::/129", "192.168.0.0/24",
        "10.0.0.0/8"))
    yield subnet(tunnel_id=1 << 24, vpc_id="v0")
    yield subnet(tunnel_id=0, vpc_id="v0")
    yield subnet(gateway={"ip_address": "10.0.1.1"})
    yield subnet(gateway={"mac_address": "ff:ff:ff:ff:ff:ff"})
    yield subnet(network_type=9)
    yield "vpc", {"tunnel_id": 1 << 24}
    yield "vpc", {"cidr": "10.0.0.0/-1"}
    yield "vpc", {"update_type": 7}
    yield rule_(port_range_min=1, port_range_max=65536)
    yield rule_(port_range_min=90, port_range_max=80)
    yield rule_(protocol=99)
    yield rule_(direction=2)
    yield rule_(remote_ip_prefix="10.0.0.0/40")
    yield rule_(ethertype="IPV6", remote_ip_prefix="10.0.0.0/8")
    yield "dhcp", {"subnet_id": "s", "mac_address": "02:00:00:00:00:02",
                   "ipv4_address": "fd00::1"}
    yield "dhcp", {"subnet_id": "s", "mac_address": "02:00:00:00:00:02",
                   "ipv4_address": "10.0.1.2"}
    yield "router", {"host_dvr_mac_address": "01:00:00:00:00:01"}
    yield "gateway", {"gateway_type": 9}
    yield "gateway", {"gateway_type": "ZETA", "destinations": [
        {"ip_address": "172.31.0.9", "mac_address": "00:00:00:00:00:00"}]}
    yield "gateway", {"gateway_type": "ZETA",
                      "zeta_info": {"port_inband_operation": 65536}}


@rule("malformed resources")
def malformed(t):
    t.start()
    t.expect(NET + "vpc v0\n", "VPC v0 INFO SUCCESS", *NET_ANSWERS)
    before = t.stored()
    cases = list(malformed_cases())
    assert len(cases) >= 50, len(cases)
    ids = ["case%d" % i for i in range(len(cases))]
    for id, (kind, members) in zip(ids, cases):
        goal = v2(t, {kind + "_states": {id: {
            "operation_type": "CREATE",
            "configuration": dict(members, id=id)}},
            "vpc_states": {"good": {"configuration": {"id": "good"}}}}
            if kind != "vpc" else
            {"vpc_states": {
                id: {"operation_type": "CREATE",
                     "configuration": dict(members, id=id)},
                "good": {"configuration": {"id": "good"}}}})
        t.expect(goal, "%s %s CREATE INVALID_ARG"
                 % (kind.replace("_", "").upper(), id),
                 "VPC good INFO SUCCESS")
    # Ids: empty, not UTF-8, too long.  Operations.
    state = b"\x08\x01\x12\x04\x3a\x02::"
    for key in (b"", b"\xff\xfe", b"x" * 256):
        entry = (b"\x0a" + varint(len(key)) + key
                 + b"\x12" + varint(len(state)) + state)
        id = t.send(b"\x1a" + varint(len(entry)) + entry)
        (line,) = t.answers(id)
        assert line.endswith(" CREATE INVALID_ARG"), line
    id = t.send(v2(t, {"vpc_states": {"op": {
        "operation_type": 9, "configuration": {"id": "op"}}}}))
    (reply,) = t.c.wait_reply(id)
    equal([(s.resource_id, s.operation_status)
           for s in reply.message.operation_statuses], [("op", 2)])
    equal(t.stored(), sorted(before + ["VPC good ok"]))
    with open(os.path.join(os.environ["OVS_LOGDIR"],
                           "alcor-agent.log")) as f:
        log = f.read()
    missing = [id for id in ids if " %s: " % id not in log]
    equal(missing, [])


def varint(value):
    return bytes((value,)) if value < 128 else bytes((value & 127 | 128,
                                                      value >> 7))


@rule("size")
def size(t):
    t.start()
    t.expect(NET, *NET_ANSWERS)
    # Fewer where everything is slow: what valgrind does for recv() is
    # proportional to all that is still missing of a message.
    n_many = 5000 // TIME_FACTOR
    many = "".join(
        "neighbor m%d vpc=v subnet=big ip=10.0.%d.%d host=host2 "
        "mac=02:00:00:01:%02x:%02x\n" % (i, 128 + i // 250, 1 + i % 250,
                                         i // 256, i % 256)
        for i in range(n_many))
    goal = t.goal("subnet big vpc=v cidr=10.0.128.0/17\n" + many)
    for state in goal.neighbor_states.values():
        state.configuration.name = "x" * 12000
    size = goal.ByteSize()
    assert 56 << 20 < size * TIME_FACTOR < 64 << 20, size
    equal(len(t.answers(t.send(goal))), n_many + 1)
    # Larger ones are refused without harm.
    goal.neighbor_states["m0"].configuration.name = "x" * ((68 << 20) - size)
    count = t.c.n_hellos[NODE]
    t.send(goal)
    t.c.wait_hello(NODE, count + 1)
    t.expect(n(1), "NEIGHBOR n1 CREATE SUCCESS")


assert HOSTS
