/* SPDX-License-Identifier: Apache-2.0
 *
 * goal-kinds: the tables that describe the eight kinds of resource. */

#include <config.h>

#include "store/goal-types.h"

#include "util.h"

#define FIELD(STRUCT, MEMBER, NAME, TYPE, FLAGS)                    \
    { .name = NAME, .type = TYPE, .flags = FLAGS,                   \
      .offset = offsetof(struct STRUCT, MEMBER) }
#define ENUM(STRUCT, MEMBER, NAME, NAMES, FLAGS)                    \
    { .name = NAME, .type = GF_ENUM, .flags = FLAGS,                \
      .offset = offsetof(struct STRUCT, MEMBER), .names = NAMES }
#define LIST(STRUCT, MEMBER, NAME, SUB, FLAGS)                      \
    { .name = NAME, .type = GF_STRUCTS, .flags = FLAGS,             \
      .offset = offsetof(struct STRUCT, MEMBER), .sub = &SUB }
#define STRUCT(NAME, TYPE, FIELDS)                                  \
    static const struct goal_struct NAME = {                        \
        #TYPE, sizeof(struct TYPE), FIELDS, ARRAY_SIZE(FIELDS)      \
    }

static const char *const network_types[] = {
    "VXLAN", "VLAN", "GRE", "GENEVE", "VXLAN_GPE", NULL
};
static const char *const neighbor_types[] = { "L2", "L3", NULL };
static const char *const directions[] = { "EGRESS", "INGRESS", NULL };
static const char *const ethertypes[] = { "IPV4", "IPV6", NULL };
static const char *const protocols[] = {
    "TCP", "UDP", "ICMP", "HTTP", "ARP", NULL
};
static const char *const operations[] = {
    "INFO", "CREATE", "UPDATE", "GET", "DELETE", NULL
};
static const char *const destination_types[] = {
    "INTERNET", "VPC_GW", NULL
};
static const char *const gateway_types[] = {
    "DEFAULT", "ZETA", "TGW", "IGW", "NGW", "ARION", NULL
};

static const struct goal_field vpc_fields[] = {
    FIELD(goal_vpc, project_id, "project_id", GF_STRING, 0),
    FIELD(goal_vpc, name, "name", GF_STRING, 0),
    FIELD(goal_vpc, cidr, "cidr", GF_PREFIX, 0),
    FIELD(goal_vpc, tunnel_id, "tunnel_id", GF_U32, GFF_VNI),
    FIELD(goal_vpc, gateway_ids, "gateway_ids", GF_STRINGS, GFF_ID),
};
STRUCT(vpc_layout, goal_vpc, vpc_fields);

static const struct goal_field dhcp_option_fields[] = {
    FIELD(goal_dhcp_option, name, "name", GF_STRING, 0),
    FIELD(goal_dhcp_option, value, "value", GF_STRING, 0),
};
STRUCT(dhcp_option_layout, goal_dhcp_option, dhcp_option_fields);

static const struct goal_field subnet_fields[] = {
    ENUM(goal_subnet, network_type, "network_type", network_types, 0),
    FIELD(goal_subnet, vpc_id, "vpc_id", GF_STRING, GFF_REQUIRED | GFF_ID),
    FIELD(goal_subnet, name, "name", GF_STRING, 0),
    FIELD(goal_subnet, cidr, "cidr", GF_PREFIX, GFF_REQUIRED),
    FIELD(goal_subnet, tunnel_id, "tunnel_id", GF_U64, GFF_VNI),
    FIELD(goal_subnet, gateway_ip, "gateway.ip_address", GF_IP, GFF_STATION),
    FIELD(goal_subnet, gateway_mac, "gateway.mac_address", GF_MAC,
          GFF_STATION),
    FIELD(goal_subnet, dhcp_enable, "dhcp_enable", GF_BOOL, GFF_WINS),
    LIST(goal_subnet, dhcp_options, "extra_dhcp_options", dhcp_option_layout,
         0),
    FIELD(goal_subnet, dns, "dns_entry_list.entry", GF_STRINGS, 0),
    FIELD(goal_subnet, availability_zone, "availability_zone", GF_STRING, 0),
};
STRUCT(subnet_layout, goal_subnet, subnet_fields);

static const struct goal_field fixed_ip_fields[] = {
    FIELD(goal_fixed_ip, subnet_id, "subnet_id", GF_STRING,
          GFF_REQUIRED | GFF_ID),
    FIELD(goal_fixed_ip, ip, "ip_address", GF_IP,
          GFF_REQUIRED | GFF_STATION),
};
STRUCT(fixed_ip_layout, goal_fixed_ip, fixed_ip_fields);

static const struct goal_field address_pair_fields[] = {
    FIELD(goal_address_pair, ip, "ip_address", GF_PREFIX,
          GFF_REQUIRED | GFF_HOST_BITS),
    FIELD(goal_address_pair, mac, "mac_address", GF_MAC, GFF_STATION),
};
STRUCT(address_pair_layout, goal_address_pair, address_pair_fields);

static const struct goal_field port_fields[] = {
    FIELD(goal_port, vpc_id, "vpc_id", GF_STRING, GFF_REQUIRED | GFF_ID),
    FIELD(goal_port, name, "name", GF_STRING, 0),
    FIELD(goal_port, device_id, "device_id", GF_STRING, 0),
    FIELD(goal_port, device_owner, "device_owner", GF_STRING, 0),
    FIELD(goal_port, mac, "mac_address", GF_MAC, GFF_REQUIRED | GFF_STATION),
    FIELD(goal_port, admin_state_up, "admin_state_up", GF_BOOL, GFF_WINS),
    FIELD(goal_port, host_ip, "host_info.ip_address", GF_IP, GFF_STATION),
    FIELD(goal_port, host_mac, "host_info.mac_address", GF_MAC, GFF_STATION),
    LIST(goal_port, fixed_ips, "fixed_ips", fixed_ip_layout, GFF_WINS),
    LIST(goal_port, allowed, "allow_address_pairs", address_pair_layout,
         GFF_WINS),
    FIELD(goal_port, security_groups, "security_group_ids.id", GF_STRINGS,
          GFF_ID | GFF_WINS),
};
STRUCT(port_layout, goal_port, port_fields);

static const struct goal_field neighbor_ip_fields[] = {
    ENUM(goal_neighbor_ip, type, "neighbor_type", neighbor_types, GFF_KEY),
    FIELD(goal_neighbor_ip, subnet_id, "subnet_id", GF_STRING,
          GFF_REQUIRED | GFF_ID | GFF_KEY),
    FIELD(goal_neighbor_ip, ip, "ip_address", GF_IP,
          GFF_REQUIRED | GFF_STATION | GFF_KEY),
    FIELD(goal_neighbor_ip, arion_group, "arion_group", GF_STRING, 0),
    FIELD(goal_neighbor_ip, tunnel_id, "tunnel_id", GF_U32, GFF_VNI),
};
STRUCT(neighbor_ip_layout, goal_neighbor_ip, neighbor_ip_fields);

static const struct goal_field neighbor_fields[] = {
    FIELD(goal_neighbor, vpc_id, "vpc_id", GF_STRING, GFF_REQUIRED | GFF_ID),
    FIELD(goal_neighbor, name, "name", GF_STRING, 0),
    FIELD(goal_neighbor, mac, "mac_address", GF_MAC,
          GFF_REQUIRED | GFF_STATION),
    FIELD(goal_neighbor, host_mac, "host_mac_address", GF_MAC, GFF_STATION),
    FIELD(goal_neighbor, host_ip, "host_ip_address", GF_IP,
          GFF_REQUIRED | GFF_STATION),
    LIST(goal_neighbor, fixed_ips, "fixed_ips", neighbor_ip_layout,
         GFF_REQUIRED | GFF_MERGE | GFF_HALVES),
    LIST(goal_neighbor, allowed, "allow_address_pairs", address_pair_layout,
         0),
    FIELD(goal_neighbor, security_groups, "security_group_ids", GF_STRINGS,
          GFF_ID),
};
STRUCT(neighbor_layout, goal_neighbor, neighbor_fields);

static const struct goal_field sg_rule_fields[] = {
    ENUM(goal_sg_rule, operation, "operation_type", operations,
         GFF_OPERATION),
    FIELD(goal_sg_rule, security_group_id, "security_group_id", GF_STRING,
          GFF_ID),
    FIELD(goal_sg_rule, id, "id", GF_STRING,
          GFF_REQUIRED | GFF_ID | GFF_KEY),
    ENUM(goal_sg_rule, direction, "direction", directions, 0),
    ENUM(goal_sg_rule, ethertype, "ethertype", ethertypes, 0),
    ENUM(goal_sg_rule, protocol, "protocol", protocols, GFF_OPEN_ENUM),
    FIELD(goal_sg_rule, port_range_min, "port_range_min", GF_U32,
          GFF_L4PORT),
    FIELD(goal_sg_rule, port_range_max, "port_range_max", GF_U32,
          GFF_L4PORT),
    FIELD(goal_sg_rule, remote_prefix, "remote_ip_prefix", GF_PREFIX, 0),
    FIELD(goal_sg_rule, remote_group_id, "remote_group_id", GF_STRING,
          GFF_ID),
};
STRUCT(sg_rule_layout, goal_sg_rule, sg_rule_fields);

static const struct goal_field security_group_fields[] = {
    FIELD(goal_security_group, vpc_id, "vpc_id", GF_STRING, GFF_ID),
    FIELD(goal_security_group, name, "name", GF_STRING, 0),
    LIST(goal_security_group, rules, "security_group_rules", sg_rule_layout,
         GFF_MERGE),
};
STRUCT(security_group_layout, goal_security_group, security_group_fields);

static const struct goal_field dhcp_fields[] = {
    FIELD(goal_dhcp, subnet_id, "subnet_id", GF_STRING,
          GFF_REQUIRED | GFF_ID),
    FIELD(goal_dhcp, mac, "mac_address", GF_MAC, GFF_REQUIRED | GFF_STATION),
    FIELD(goal_dhcp, ipv4, "ipv4_address", GF_IP, GFF_STATION | GFF_V4),
    FIELD(goal_dhcp, ipv6, "ipv6_address", GF_IP, GFF_STATION | GFF_V6),
    FIELD(goal_dhcp, host_name, "port_host_name", GF_STRING, 0),
};
STRUCT(dhcp_layout, goal_dhcp, dhcp_fields);

static const struct goal_field route_fields[] = {
    ENUM(goal_route, operation, "operation_type", operations,
         GFF_OPERATION),
    FIELD(goal_route, id, "id", GF_STRING, GFF_REQUIRED | GFF_ID | GFF_KEY),
    FIELD(goal_route, name, "name", GF_STRING, 0),
    FIELD(goal_route, destination, "destination", GF_PREFIX, GFF_REQUIRED),
    FIELD(goal_route, next_hop, "next_hop_ip", GF_IP, GFF_STATION),
    FIELD(goal_route, priority, "priority", GF_U32, 0),
    ENUM(goal_route, destination_type,
         "routing_rule_extra_info.destination_type", destination_types, 0),
    FIELD(goal_route, next_hop_mac, "routing_rule_extra_info.next_hop_mac",
          GF_MAC, GFF_STATION),
};
STRUCT(route_layout, goal_route, route_fields);

static const struct goal_field route_table_fields[] = {
    FIELD(goal_route_table, subnet_id, "subnet_id", GF_STRING,
          GFF_REQUIRED | GFF_ID | GFF_KEY),
    LIST(goal_route_table, routes, "routing_rules", route_layout, GFF_MERGE),
};
STRUCT(route_table_layout, goal_route_table, route_table_fields);

static const struct goal_field router_fields[] = {
    FIELD(goal_router, dvr_mac, "host_dvr_mac_address", GF_MAC, GFF_STATION),
    LIST(goal_router, tables, "subnet_routing_tables", route_table_layout,
         GFF_MERGE),
};
STRUCT(router_layout, goal_router, router_fields);

static const struct goal_field destination_fields[] = {
    FIELD(goal_gateway_destination, ip, "ip_address", GF_IP,
          GFF_REQUIRED | GFF_STATION),
    FIELD(goal_gateway_destination, mac, "mac_address", GF_MAC,
          GFF_REQUIRED | GFF_STATION),
};
STRUCT(destination_layout, goal_gateway_destination, destination_fields);

static const struct goal_field gateway_fields[] = {
    ENUM(goal_gateway, type, "gateway_type", gateway_types, 0),
    LIST(goal_gateway, destinations, "destinations", destination_layout, 0),
    FIELD(goal_gateway, oam_port,
          "zeta_info.port_inband_operation|arion_info.port_inband_operation",
          GF_U32, GFF_L4PORT),
    FIELD(goal_gateway, vpc_id, "arion_info.vpc_id", GF_STRING, GFF_ID),
    FIELD(goal_gateway, vni, "arion_info.vni", GF_U32, GFF_VNI),
    FIELD(goal_gateway, subnet_id, "arion_info.subnet_id", GF_STRING,
          GFF_ID),
};
STRUCT(gateway_layout, goal_gateway, gateway_fields);

const struct goal_kind_info goal_kinds[GOAL_N_KINDS] = {
    [GOAL_VPC] = { "VPC", &vpc_layout, true },
    [GOAL_SUBNET] = { "SUBNET", &subnet_layout, true },
    [GOAL_PORT] = { "PORT", &port_layout, false },
    [GOAL_NEIGHBOR] = { "NEIGHBOR", &neighbor_layout, true },
    [GOAL_SECURITY_GROUP] = { "SECURITYGROUP", &security_group_layout, true },
    [GOAL_DHCP] = { "DHCP", &dhcp_layout, true },
    [GOAL_ROUTER] = { "ROUTER", &router_layout, true },
    [GOAL_GATEWAY] = { "GATEWAY", &gateway_layout, true },
};
