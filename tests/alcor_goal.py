# SPDX-License-Identifier: Apache-2.0
"""Goal state for tests: builders of single states, and whole networks from a
few lines of text, as a version 2 message or as one version 1 message per host.

A network is made of lines "KIND ID KEY=VALUE..."; '#' starts a comment:

    host h1 ip=172.31.0.1 mac=02:ac:1f:00:00:01
    vpc v vni=100 cidr=10.0.0.0/16 [gateways=G,G...]
    subnet s vpc=v cidr=10.0.0.0/24 [vni=N] [gw=IP,MAC] [type=VXLAN]
        [dhcp=yes] [dns=A[,A...]] [options=NAME:VALUE[;NAME:VALUE...]]
    dhcp d subnet=s mac=M [ip=A] [ip6=A] [name=NAME]
    vm p subnet=s ip=10.0.0.2 mac=02:00:00:00:00:02 host=h1
    port p subnet=s ip=A[,A...] mac=M host=H
    neighbor n subnet=s ip=A[,A...] mac=M host=H [to=H,H...] [l3=yes|both]
    router r subnets=s,s... [dvr=MAC]
    route x router=r subnet=s dest=CIDR [via=IP] [mac=M] [priority=N]
        [type=INTERNET|VPC_GW]
    gateway g entrances=IP@MAC,... [oam=PORT] [type=ZETA|ARION]
        [vpc=v vni=N subnet=s]
    group g [vpc=v]
    rule r group=g in=tcp/80-90 from=10.0.0.0/8

An address in another subnet than the line's is A@SUBNET.

A "vm" is what controllers make of one: a port for its host and a neighbour,
with the port's id, for the other hosts that have a VM of the same VPC.  A
"port" or "neighbor" line is that one resource.  All three take
pairs=CIDR[@MAC],... and groups=G,...; ports also up=no.  With l3=yes a
neighbour is one in the L3 role, with l3=both in both.  A "route" line is a rule
of the table that a router in the text has for a subnet.

A "group" line is a security group, a "rule" line one of the rules of a group
that is in the text:

    in= | out=    PROTOCOL[6][/MIN[-MAX]]: any, tcp, udp, icmp, http, arp; "6"
                  makes it IPv6; of ICMP, MIN-MAX is TYPE-CODE
    from= | to=   CIDR, or the id of a group; not given: anywhere

Every line takes op=, to= (the hosts that get it; not a rule), revision= and
update=; a resource whose subnet is not in the text names its vpc=.
"""

import collections
import ipaddress
import re

KINDS = ("host", "vpc", "subnet", "vm", "port", "neighbor", "group", "rule",
         "router", "route", "dhcp", "gateway")

Line = collections.namedtuple("Line", "kind id options number")


class GoalError(Exception):
    """The text of a network is wrong; says where."""


def parse(text):
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        if len(words) < 2 or words[0] not in KINDS:
            raise GoalError("line %d: expected %s and an id, not %r"
                            % (number, ", ".join(KINDS), line))
        try:
            options = dict(word.split("=", 1) for word in words[2:])
        except ValueError:
            raise GoalError("line %d: expected KEY=VALUE" % number)
        lines.append(Line(words[0], words[1], options, number))
    return lines


def pairs_and_groups(options):
    """What pairs= and groups= of a line say."""
    def words(key):
        return options[key].split(",") if options.get(key) else []

    return ([(pair + "@").split("@")[:2] for pair in words("pairs")],
            words("groups"))


def rule(line):
    """The arguments that make a rule of a "rule" line."""
    options = line.options
    ingress = "in" in options
    if ingress == ("out" in options):
        raise GoalError("line %d: expected one of in= and out="
                        % line.number)
    match = re.fullmatch(r"(any|tcp|udp|icmp|http|arp)(6?)"
                         r"(?:/(\d+)(?:-(\d+))?)?",
                         options["in" if ingress else "out"])
    if not match:
        raise GoalError("line %d: expected PROTOCOL[6][/MIN[-MAX]]"
                        % line.number)
    protocol, v6, first, last = match.groups()
    first = int(first or 0)
    default_last = 0 if protocol == "icmp" else first
    result = {
        "id": line.id,
        "operation_type": options.get("op", "INFO"),
        "direction": "INGRESS" if ingress else "EGRESS",
        "ethertype": "IPV6" if v6 else "IPV4",
        "protocol": 255 if protocol == "any" else protocol.upper(),
        "port_range_min": first,
        "port_range_max": default_last if last is None else int(last),
    }
    remote = options.get("from" if ingress else "to")
    if remote:
        is_prefix = re.fullmatch(r"[0-9.]+/\d+|[0-9a-f:]*:[0-9a-f:]*/\d+",
                                 remote)
        result["remote_ip_prefix" if is_prefix else "remote_group_id"] = remote
    return result


class Builder:
    """Makes states of 'schema' (alcor_schema.load())."""

    def __init__(self, schema):
        self.pb = schema.alcor

    def vpc(self, id, vni=0, cidr="", gateways=(), op="INFO", revision=1,
            update="DELTA"):
        state = self.pb.VpcState(operation_type=op)
        self._common(state, id, revision, update)
        state.configuration.tunnel_id = vni
        state.configuration.cidr = cidr
        state.configuration.gateway_ids.extend(gateways)
        return state

    def subnet(self, id, vpc, cidr, vni=0, gw=None, network_type="VXLAN",
               op="INFO", revision=1, update="DELTA"):
        state = self.pb.SubnetState(operation_type=op)
        self._common(state, id, revision, update)
        conf = state.configuration
        conf.vpc_id = vpc
        conf.cidr = cidr
        conf.tunnel_id = vni
        conf.network_type = self.pb.NetworkType.Value(network_type)
        if gw:
            conf.gateway.ip_address, conf.gateway.mac_address = gw
        return state

    def port(self, id, vpc, subnet, ips, mac, host=("", ""), op="CREATE",
             revision=1, update="FULL", up=True):
        state = self.pb.PortState(operation_type=op)
        self._common(state, id, revision, update)
        conf = state.configuration
        conf.vpc_id = vpc
        conf.mac_address = mac
        conf.admin_state_up = up
        conf.host_info.ip_address, conf.host_info.mac_address = host
        for ip in ips:
            address, _, other = ip.partition("@")
            conf.fixed_ips.add(subnet_id=other or subnet, ip_address=address)
        return state

    def neighbor(self, id, vpc, subnet, ips, mac, host, op="CREATE",
                 revision=1, update="FULL", roles=("L2",)):
        state = self.pb.NeighborState(operation_type=op)
        self._common(state, id, revision, update)
        conf = state.configuration
        conf.vpc_id = vpc
        conf.mac_address = mac
        conf.host_ip_address, conf.host_mac_address = host
        for role in roles:
            for ip in ips:
                address, _, other = ip.partition("@")
                conf.fixed_ips.add(neighbor_type=role, ip_address=address,
                                   subnet_id=other or subnet)
        return state

    def router(self, id, subnets, dvr="", op="INFO", revision=1,
               update="FULL"):
        state = self.pb.RouterState(operation_type=op)
        self._common(state, id, revision, update)
        state.configuration.host_dvr_mac_address = dvr
        for subnet in subnets:
            state.configuration.subnet_routing_tables.add(subnet_id=subnet)
        return state

    def group(self, id, vpc="", rules=(), op="CREATE", revision=1,
              update="FULL"):
        """'rules' are keyword arguments of add()."""
        state = self.pb.SecurityGroupState(operation_type=op)
        self._common(state, id, revision, update)
        state.configuration.vpc_id = vpc
        for rule in rules:
            state.configuration.security_group_rules.add(
                security_group_id=id, **rule)
        return state

    def gateway(self, id, entrances, oam=0, type="ZETA", arion=None,
                op="CREATE", revision=1):
        """'entrances' are (IP, MAC); 'arion' the members of arion_info."""
        state = self.pb.GatewayState(operation_type=op)
        conf = state.configuration
        conf.revision_number = revision
        conf.id = id
        conf.gateway_type = self.pb.GatewayType.Value(type)
        for ip, mac in entrances:
            conf.destinations.add(ip_address=ip, mac_address=mac)
        info = conf.arion_info if type == "ARION" else conf.zeta_info
        info.port_inband_operation = oam
        for key, value in (arion or {}).items():
            setattr(info, key, value)
        return state

    def dhcp(self, id, subnet, mac, ip="", ip6="", name="", op="CREATE",
             revision=1, update="FULL"):
        state = self.pb.DHCPState(operation_type=op)
        self._common(state, id, revision, update)
        conf = state.configuration
        conf.subnet_id = subnet
        conf.mac_address = mac
        conf.ipv4_address = ip
        conf.ipv6_address = ip6
        conf.port_host_name = name
        return state

    @staticmethod
    def annotate(state, pairs=(), groups=()):
        """Adds allowed pairs, (CIDR, MAC), and security groups to the state
        of a port or neighbour."""
        conf = state.configuration
        for ip, mac in pairs:
            conf.allow_address_pairs.add(ip_address=ip, mac_address=mac)
        for group in groups:
            if hasattr(conf, "host_info"):
                conf.security_group_ids.add(id=group)
            else:
                conf.security_group_ids.append(group)

    @staticmethod
    def _common(state, id, revision, update):
        state.configuration.revision_number = revision
        state.configuration.id = id
        state.configuration.update_type = (
            state.configuration.DESCRIPTOR.fields_by_name["update_type"]
            .enum_type.values_by_name[update].number)


# A resource of a network: its type (as in ResourceType), its id, its state,
# and the names of the hosts that get it.
Resource = collections.namedtuple("Resource", "type id state hosts")


class Network:
    """A network parsed from text."""

    MAPS = {"VPC": "vpc_states", "SUBNET": "subnet_states",
            "PORT": "port_states", "NEIGHBOR": "neighbor_states",
            "SECURITYGROUP": "security_group_states",
            "ROUTER": "router_states", "DHCP": "dhcp_states",
            "GATEWAY": "gateway_states"}

    def __init__(self, schema, text):
        self.schema = schema
        self.build = Builder(schema)
        self.hosts = collections.OrderedDict()  # name: (ip, mac).
        self.subnets = {}                       # id: vpc id.
        self.vpc_hosts = {}                     # vpc id: set of hosts.
        self.rules = {}                         # group id: list of rules.
        self.resources = []
        lines = parse(text)
        for line in lines:
            self._survey(line)
        for line in lines:
            self._add(line)

    def v2(self, everything=False):
        """One GoalStateV2 for all hosts, or with 'everything' one whose
        host_resources is empty."""
        message = self.schema.alcor.GoalStateV2(format_version=1)
        for r in self.resources:
            getattr(message, self.MAPS[r.type])[r.id].CopyFrom(r.state)
            for host in () if everything else r.hosts:
                message.host_resources[self.hosts[host][0]].resources.add(
                    type=r.type, id=r.id)
        return message

    def v1(self, host):
        """The GoalState for 'host'."""
        message = self.schema.alcor.GoalState(format_version=1)
        for r in self.resources:
            if host in r.hosts:
                getattr(message, self.MAPS[r.type]).add().CopyFrom(r.state)
        return message

    def receivers(self):
        """Names of hosts that some resource is for, in order."""
        return [host for host in self.hosts
                if any(host in r.hosts for r in self.resources)]

    def _vpc_of(self, line):
        vpc = line.options.get("vpc") or self.subnets.get(
            line.options.get("subnet"))
        if not vpc:
            raise GoalError("line %d: neither vpc= nor a known subnet="
                            % line.number)
        return vpc

    def _survey(self, line):
        options = line.options
        try:
            if line.kind == "host":
                self.hosts[line.id] = (options["ip"], options.get("mac", ""))
            elif line.kind == "subnet":
                self.subnets[line.id] = options["vpc"]
            elif line.kind in ("vm", "port"):
                hosts = self.vpc_hosts.setdefault(self._vpc_of(line), set())
                hosts.add(options["host"])
            elif line.kind == "rule":
                self.rules.setdefault(options["group"], []).append(
                    rule(line))
        except KeyError as e:
            raise GoalError("line %d: lacks %s=" % (line.number, e.args[0]))

    def _add(self, line):
        if line.kind in ("host", "rule"):
            return
        handler = getattr(self, "_add_" + line.kind)
        options = dict(line.options)
        common = {key: options.pop(key) for key in ("op", "update")
                  if key in options}
        if "revision" in options:
            common["revision"] = int(options.pop("revision"))
        to = options.pop("to", None)
        try:
            handler(line, options, to.split(",") if to else None, common)
        except KeyError as e:
            raise GoalError("line %d: lacks or does not know %s"
                            % (line.number, e.args[0]))

    def _resource(self, type, state, hosts):
        for host in hosts:
            if host not in self.hosts:
                raise KeyError("host " + host)
        self.resources.append(
            Resource(type, state.configuration.id, state, set(hosts)))

    def _add_vpc(self, line, options, to, common):
        gateways = [g for g in options.get("gateways", "").split(",") if g]
        state = self.build.vpc(line.id, int(options.get("vni", 0)),
                               options.get("cidr", ""), gateways, **common)
        self._resource("VPC", state, to or self._members(line.id))

    def _add_subnet(self, line, options, to, common):
        cidr = options["cidr"]
        gw = options.get("gw")
        if gw is None:
            first = ipaddress.ip_network(cidr).network_address + 1
            gw = "%s,fa:16:3e:00:00:01" % first
        state = self.build.subnet(
            line.id, options["vpc"], cidr, int(options.get("vni", 0)),
            gw.split(",") if gw else None, options.get("type", "VXLAN"),
            **common)
        conf = state.configuration
        conf.dhcp_enable = options.get("dhcp", "no") == "yes"
        for server in filter(None, options.get("dns", "").split(",")):
            conf.dns_entry_list.add(entry=server)
        for option in filter(None, options.get("options", "").split(";")):
            name, value = option.split(":", 1)
            conf.extra_dhcp_options.add(name=name, value=value)
        self._resource("SUBNET", state, to or self._members(options["vpc"]))

    def _members(self, vpc):
        """Hosts that have a port of 'vpc'; all when none is known."""
        return self.vpc_hosts.get(vpc) or set(self.hosts)

    def _add_vm(self, line, options, to, common):
        self._add_port(line, options, None, common)
        others = self._members(self._vpc_of(line)) - {options["host"]}
        self._add_neighbor(line, options, to or others, common)

    def _add_port(self, line, options, to, common):
        host = options["host"]
        state = self.build.port(
            line.id, self._vpc_of(line), options["subnet"],
            options["ip"].split(","), options["mac"], self.hosts[host],
            up=options.get("up", "yes") == "yes", **common)
        self.build.annotate(state, *pairs_and_groups(options))
        self._resource("PORT", state, to or [host])

    def _add_neighbor(self, line, options, to, common):
        host = options["host"]
        state = self.build.neighbor(
            line.id, self._vpc_of(line), options["subnet"],
            options["ip"].split(","), options["mac"], self.hosts[host],
            roles={"yes": ["L3"], "both": ["L2", "L3"]}.get(
                options.get("l3"), ["L2"]), **common)
        self.build.annotate(state, *pairs_and_groups(options))
        if to is None:
            to = self._members(self._vpc_of(line)) - {host}
        self._resource("NEIGHBOR", state, to)

    def _add_group(self, line, options, to, common):
        vpc = options.get("vpc", "")
        state = self.build.group(line.id, vpc, self.rules.get(line.id, ()),
                                 **common)
        self._resource("SECURITYGROUP", state, to or self._members(vpc))

    def _add_dhcp(self, line, options, to, common):
        state = self.build.dhcp(line.id, options["subnet"], options["mac"],
                                options.get("ip", ""),
                                options.get("ip6", ""),
                                options.get("name", ""), **common)
        self._resource("DHCP", state,
                       to or self._members(self._vpc_of(line)))

    def _add_gateway(self, line, options, to, common):
        common.pop("update", None)
        entrances = [entrance.split("@")
                     for entrance in options["entrances"].split(",")]
        arion = None
        if options.get("type") == "ARION":
            arion = {"vpc_id": options["vpc"], "vni": int(options["vni"]),
                     "subnet_id": options["subnet"]}
        state = self.build.gateway(line.id, entrances,
                                   int(options.get("oam", 8300)),
                                   options.get("type", "ZETA"), arion,
                                   **common)
        self._resource("GATEWAY", state, to or set(self.hosts))

    def _add_router(self, line, options, to, common):
        subnets = options["subnets"].split(",")
        state = self.build.router(line.id, subnets, options.get("dvr", ""),
                                  **common)
        if to is None:
            to = set().union(*(self._members(self.subnets[subnet])
                               for subnet in subnets))
        self._resource("ROUTER", state, to)

    def _add_route(self, line, options, to, common):
        routers = [r.state.configuration for r in self.resources
                   if r.type == "ROUTER" and r.id == options["router"]]
        tables = [t for router in routers
                  for t in router.subnet_routing_tables
                  if t.subnet_id == options["subnet"]]
        if not tables:
            raise KeyError("that subnet in that router")
        rule = tables[0].routing_rules.add(
            operation_type=common.get("op", "INFO"), id=line.id,
            destination=options["dest"], next_hop_ip=options.get("via", ""),
            priority=int(options.get("priority", 0)))
        extra = rule.routing_rule_extra_info
        extra.destination_type = self.build.pb.DestinationType.Value(
            options.get("type", "VPC_GW"))
        extra.next_hop_mac = options.get("mac", "")
