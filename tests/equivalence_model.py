# SPDX-License-Identifier: Apache-2.0
"""What the test of equivalence (equivalence.py) sends, and what an agent makes
of it by the rules of wire-protocol.md: Generator and Model.  Neither knows
anything of the agent's code."""

import collections

import alcor_goal

HOSTS = [("172.31.0.%d" % i, "02:ac:1f:00:00:%02x" % i) for i in range(1, 5)]
DELTA, FULL = 0, 1
INFO, CREATE, UPDATE, GET, DELETE = range(5)
ARION = 5

# Kinds of resource: their map in a message, and how often each is sent.
Kind = collections.namedtuple("Kind", "states weight")
KINDS = {
    "VPC": Kind("vpc_states", 4),
    "SUBNET": Kind("subnet_states", 8),
    "PORT": Kind("port_states", 25),
    "NEIGHBOR": Kind("neighbor_states", 40),
    "SECURITYGROUP": Kind("security_group_states", 9),
    "DHCP": Kind("dhcp_states", 4),
    "ROUTER": Kind("router_states", 6),
    "GATEWAY": Kind("gateway_states", 4),
}

# Lists whose elements are merged: how each is told from the others.
KEYS = {
    "fixed_ips": lambda e: (e.neighbor_type, e.subnet_id, e.ip_address),
    "security_group_rules": lambda e: e.id,
    "subnet_routing_tables": lambda e: e.subnet_id,
    "routing_rules": lambda e: e.id,
}


def is_repeated(field):
    return field.label == field.LABEL_REPEATED


class Model:
    """What an agent knows after the messages that it was given."""

    def __init__(self):
        self.stored = {}        # (kind, id): configuration.
        self.graves = {}        # (kind, id): revision of the deletion.

    def apply(self, kind, state):
        new = state.configuration
        key = kind, new.id
        old = self.stored.get(key)
        op = state.operation_type
        known = old.revision_number if old else self.graves.get(key, 0)
        stale = 0 < new.revision_number < known
        if op == DELETE:
            if not old or not stale:
                self.graves[key] = (new.revision_number if old
                                    else max(new.revision_number, known))
                self.stored.pop(key, None)
        elif op != GET and not stale:
            self.graves.pop(key, None)
            self.stored[key] = self._changed(kind, old, new, op)
            self._supersede(kind, new)

    def _changed(self, kind, old, new, op):
        """'old' (None: nothing is stored) after 'new'."""
        if kind == "PORT":
            return new
        base = type(new)()
        replaces = getattr(new, "update_type", DELTA) == FULL
        if old and not replaces and op != CREATE:
            base.CopyFrom(old)
        elif old and not replaces and kind == "NEIGHBOR":
            base.fixed_ips.extend(old.fixed_ips)
        self._merge(base, new)
        base.revision_number = new.revision_number
        if kind == "SUBNET":
            base.dhcp_enable = new.dhcp_enable
        return base

    def _merge(self, base, new):
        for field, value in new.ListFields():
            if field.name in KEYS:
                self._merge_list(getattr(base, field.name), value,
                                 KEYS[field.name])
            elif is_repeated(field):
                base.ClearField(field.name)
                getattr(base, field.name).extend(value)
            elif field.message_type:
                getattr(base, field.name).MergeFrom(value)
            else:
                setattr(base, field.name, value)

    def _merge_list(self, elements, new, key):
        merged = {key(e): e for e in elements}
        for element in new:
            op = getattr(element, "operation_type", INFO)
            if op == DELETE:
                merged.pop(key(element), None)
            elif op != GET:
                merged[key(element)] = self._element(
                    merged.get(key(element)), element)
        result = [type(e).FromString(e.SerializeToString())
                  for e in merged.values()]
        del elements[:]
        elements.extend(result)

    def _element(self, old, new):
        """An element that replaces 'old' (None: nothing), but for the lists in
        it that are merged."""
        base = type(new)()
        for field in base.DESCRIPTOR.fields:
            if old and field.name in KEYS:
                getattr(base, field.name).extend(getattr(old, field.name))
        self._merge(base, new)
        if hasattr(base, "operation_type"):
            base.operation_type = INFO
        return base

    def _supersede(self, kind, new):
        """An ARION gateway is identified by its subnet."""
        if kind == "GATEWAY" and new.gateway_type == ARION:
            subnet = self.stored[kind, new.id].arion_info.subnet_id
            for key, other in list(self.stored.items()):
                if (key[0] == kind and key[1] != new.id
                        and other.gateway_type == ARION
                        and other.arion_info.subnet_id == subnet):
                    del self.stored[key]
                    self.graves[key] = 0


class Generator:
    """Random resources.  Every one is valid with whatever others are there;
    addresses, MACs and ids are few, so that they clash and refer to each
    other, unless the owner changes 'suffix', which those of neighbours and of
    DHCP states end with."""

    VPCS = {"v1": 100, "v2": 200, "v3": 300}
    SUBNETS = {"s1": ("v1", 1), "s2": ("v1", 2), "s3": ("v2", 1),
               "s4": ("v2", 2), "s5": ("v3", 3), "s6": ("v3", 6)}
    NET6 = 6                    # That one is IPv6.
    GROUPS = ["g0", "g1", "g2", "unknown"]
    GATEWAYS = {"zeta0": 1, "zeta1": 1, "arion0": ARION, "arion1": ARION,
                "arion2": ARION, "igw0": 3}

    def __init__(self, rng, schema):
        self.rng = rng
        self.pb = schema.alcor
        self.suffix = ""
        self.build = alcor_goal.Builder(schema)

    def resource(self, tame):
        """Returns a kind and a state.  A 'tame' one depends on nothing that
        came before."""
        kind = self.rng.choices(list(KINDS),
                                [k.weight for k in KINDS.values()])[0]
        state = getattr(self, "_" + kind.lower())()
        configuration = state.configuration
        op = self.rng.choices((INFO, CREATE, UPDATE, GET, DELETE),
                              (15, 35, 27, 3, 20))[0]
        if self.rng.random() < 0.15 and not tame:
            configuration.revision_number = self.rng.randint(1, 5)
        if kind != "GATEWAY":
            configuration.update_type = (FULL if tame else
                                         self.rng.choice((DELTA, FULL)))
        elif tame and op in (INFO, UPDATE):
            op = CREATE
        state.operation_type = op
        return kind, state

    # Values.

    def _often(self, probability):
        return self.rng.random() < probability

    def _some(self, values, most):
        return self.rng.sample(values, self.rng.randint(0, most))

    def _mac(self):
        return "02:00:00:00:00:%02x" % self.rng.randint(1, 24)

    def _subnet_id(self):
        return self.rng.choice(list(self.SUBNETS))

    def _host_in(self, net, i):
        return ("2001:db8::%d:%x" % (net, i) if net == self.NET6
                else "10.0.%d.%d" % (net, i))

    def _is_6(self, subnet):
        return self.SUBNETS[subnet][1] == self.NET6

    def _address(self, subnet):
        return self._host_in(self.SUBNETS[subnet][1],
                             self.rng.randrange(2, 30))

    def _subnet_and_ips(self, n):
        subnet = self._subnet_id()
        vpc, net = self.SUBNETS[subnet]
        return vpc, subnet, [self._host_in(net, i) for i in
                             self.rng.sample(range(2, 30), n)]

    def _prefix(self, v6=False):
        if v6:
            return self.rng.choice(("2001:db8::6:0/112", "2001:db8::6:7/128",
                                    "::/0", "2001:db8:1::/48"))
        return self.rng.choice(("10.0.1.0/24", "10.0.2.0/24", "10.0.0.0/16",
                                "192.168.0.0/16", "10.0.2.7/32",
                                "198.51.100.0/25"))

    # Kinds.

    def _vpc(self):
        id = self.rng.choice(list(self.VPCS))
        vni = self.rng.choice((0, 0, self.VPCS[id], self.VPCS[id] + 1))
        cidr = self.rng.choice(("", "10.0.0.0/8")) if id != "v3" else ""
        state = self.build.vpc(id, vni, cidr, revision=0)
        state.configuration.gateway_ids.extend(
            self._some(["zeta0", "zeta1"], 1))
        return state

    def _subnet(self):
        id = self._subnet_id()
        vpc, net = self.SUBNETS[id]
        vni = 1000 + 10 * int(id[1:]) + self.rng.randint(0, 1)
        cidr = ("2001:db8::6:0/112" if net == self.NET6
                else "10.0.%d.0/24" % net)
        gw = (self._host_in(net, 1), "fa:16:3e:00:00:0%d"
              % self.rng.randint(1, 2)) if self._often(0.7) else None
        type = self.rng.choices(("VXLAN", "GENEVE", "GRE", "VLAN"),
                                (85, 8, 5, 2))[0]
        state = self.build.subnet(id, vpc, cidr, vni, gw, type, revision=0)
        conf = state.configuration
        conf.dhcp_enable = self._often(0.5)
        for entry in self._some(["192.0.2.53", "192.0.2.54",
                                 "2001:db8::53"], 2):
            conf.dns_entry_list.add(entry=entry)
        for name in self._some(["mtu", "domain-name"], 1):
            conf.extra_dhcp_options.add(
                name=name, value="1400" if name == "mtu" else "example.org")
        return state

    def _pairs(self, conf):
        for _ in range(self.rng.choices((0, 1, 2), (80, 15, 5))[0]):
            conf.allow_address_pairs.add(
                ip_address=self.rng.choice(("10.0.1.40", "10.0.2.41",
                                            "10.0.1.64/28")),
                mac_address=self.rng.choice(("", self._mac())))

    def _port(self):
        n = self.rng.choices((1, 2), (80, 20))[0]
        vpc, subnet, ips = self._subnet_and_ips(n)
        state = self.build.port("p%d" % self.rng.randrange(8), vpc, subnet,
                                ips, self._mac(), HOSTS[0], revision=0,
                                up=self._often(0.9))
        conf = state.configuration
        if n == 2:
            other = self.rng.choice([s for s, v in self.SUBNETS.items()
                                     if v[0] == vpc])
            conf.fixed_ips[1].subnet_id = other
            conf.fixed_ips[1].ip_address = self._address(other)
        self._pairs(conf)
        for group in self._some(self.GROUPS, 2):
            conf.security_group_ids.add(id=group)
        return state

    def _neighbor(self):
        n = self.rng.choices((1, 2), (85, 15))[0]
        vpc, subnet, ips = self._subnet_and_ips(n)
        state = self.build.neighbor(
            "n%d%s" % (self.rng.randrange(30), self.suffix), vpc, subnet,
            ips, self._mac(),
            self.rng.choice(HOSTS), revision=0,
            roles=self.rng.choices((("L2",), ("L3",), ("L2", "L3")),
                                   (65, 20, 15))[0])
        self._pairs(state.configuration)
        state.configuration.security_group_ids.extend(
            self._some(self.GROUPS, 1))
        return state

    def _operation(self):
        """Of an element of a list."""
        return self.rng.choices((INFO, CREATE, UPDATE, GET, DELETE),
                                (40, 30, 10, 3, 17))[0]

    def _securitygroup(self):
        state = self.pb.SecurityGroupState()
        conf = state.configuration
        conf.id = self.rng.choice(self.GROUPS[:3])
        conf.name = "name%d" % self.rng.randrange(3)
        for i in self._some(range(6), 4):
            rule = conf.security_group_rules.add(
                operation_type=self._operation(), id="r%d" % i,
                security_group_id=conf.id,
                direction=self.rng.randint(0, 1),
                protocol=self.rng.choice((0, 1, 2, 3, 255)),
                ethertype=self._often(0.2))
            if rule.protocol in (0, 1) and self._often(0.7):
                rule.port_range_min = self.rng.choice((22, 80, 1000))
                rule.port_range_max = (rule.port_range_min
                                       + self.rng.choice((0, 0, 7, 500)))
            elif rule.protocol == 2 and self._often(0.5):
                rule.port_range_min = 8
            remote = self.rng.randrange(3)
            if remote == 1:
                rule.remote_ip_prefix = self._prefix(rule.ethertype)
            elif remote == 2:
                rule.remote_group_id = self.rng.choice(self.GROUPS)
        return state

    def _dhcp(self):
        state = self.pb.DHCPState()
        conf = state.configuration
        conf.id = "d%d%s" % (self.rng.randrange(4), self.suffix)
        conf.subnet_id = self._subnet_id()
        conf.mac_address = self._mac()
        setattr(conf, "ipv6_address" if self._is_6(conf.subnet_id)
                else "ipv4_address", self._address(conf.subnet_id))
        conf.port_host_name = self.rng.choice(("", "vm-1", "vm-2"))
        return state

    def _router(self):
        state = self.pb.RouterState()
        conf = state.configuration
        conf.id = "rt%d" % self.rng.randrange(2)
        conf.host_dvr_mac_address = self.rng.choice(
            ("02:d0:00:00:00:01", "02:d0:00:00:00:01", "02:d0:00:00:00:02"))
        for subnet in self._some(list(self.SUBNETS), 4):
            table = conf.subnet_routing_tables.add(subnet_id=subnet)
            for i in self._some(range(5), 2):
                rule = table.routing_rules.add(
                    operation_type=self._operation(), id="rr%d" % i,
                    name="rule %d" % i,
                    destination=self._prefix(self._is_6(subnet)),
                    priority=self.rng.randint(0, 2))
                if self._often(0.8):
                    rule.next_hop_ip = self._address(subnet)
                else:
                    rule.routing_rule_extra_info.destination_type = (
                        self.rng.randint(0, 1))
        return state

    def _gateway(self):
        state = self.pb.GatewayState()
        conf = state.configuration
        conf.id = self.rng.choice(list(self.GATEWAYS))
        conf.gateway_type = self.GATEWAYS[conf.id]
        for ip, mac in self.rng.sample(HOSTS, self.rng.randint(1, 3)):
            conf.destinations.add(ip_address=ip, mac_address=mac)
        if conf.gateway_type == 1:
            conf.zeta_info.port_inband_operation = 8300
        elif conf.gateway_type == ARION:
            subnet = self.rng.choice(("s1", "s3"))
            conf.arion_info.vpc_id = self.SUBNETS[subnet][0]
            conf.arion_info.vni = 100
            conf.arion_info.subnet_id = subnet
            conf.arion_info.port_inband_operation = 8300
        return state
