/* SPDX-License-Identifier: Apache-2.0
 *
 * of-pipeline: layout of the OpenFlow pipeline: tables, registers, ids. */

#ifndef APPLY_OF_PIPELINE_H
#define APPLY_OF_PIPELINE_H 1

/* The pipeline
 * ============
 *
 * What?
 * -----
 *
 * The one definition of which table does what, what the metadata and the
 * registers hold, and which parts of the bridge are ours.  Update
 * alcor-agent(8), "Pipeline", if you change this.
 *
 *    tenant port --> CLASSIFY --> ADMIT --> EGRESS --> RESPOND --> ROUTE
 *                       |                               |           |
 *    tunnel port -------+                               v           v
 *                       v                        (back to port)  L2_LOOKUP
 *                    ARRIVAL --+--> FLOOD <---------------------- |  |  |
 *                              |      |                           |  |  |
 *                              |      +--> (INGRESS, ENCAP) each  |  |  |
 *                              v                                  |  |  v
 *                           INGRESS <-----------------------------+  | UNKNOWN
 *                              |                                     v
 *                              v                                   ENCAP
 *                           DELIVER                                  |
 *                              |                                     v
 *                              v                                  tunnel port
 *                         tenant port
 *
 * A stage that decides in several steps has several tables, EGRESS_CT say; all
 * drops end in DROP, with the reason in MFF_ALCOR_REASON: the packet counts of
 * the flows there are the drops by port and reason, and a trace that ends
 * there says why.
 *
 * Metadata: the subnet tag
 * ------------------------
 *
 * From CLASSIFY (or ARRIVAL) on, OXM metadata names the subnet that the packet
 * is in:
 *
 *    bits 63...56  encapsulation (enum goal_network_type)
 *    bits 55...32  effective VNI
 *    bits 31...0   hash of the subnet's id, never 0
 *
 * Encapsulation and VNI name the VPC; the whole tag names the subnet, the
 * domain in which MAC addresses are looked up.  A routed packet gets the tag
 * of its destination's subnet.  The tag depends on nothing but goal state: not
 * on arrival order, not on a lost store, so that a fresh agent makes the same
 * flows.
 *
 * What is ours
 * ------------
 *
 * Cookies with our prefix, tables OFT_FIRST...OFT_LAST whole, priorities
 * OF_PRIO_MIN...OF_PRIO_MAX of table 0, groups and meters from the ids below
 * on.  A foreign flow in there is reported, not overwritten. */

#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/meta-flow.h"

/* PIPELINE_STAGE(NAME, TABLE, "name")
 *
 * Gaps are for stages to come; a stage's number may change from one version to
 * the next, since the difference is applied at start. */
#define PIPELINE_STAGES                                                 \
    /* Which port or tunnel a packet came from: sets the tag. */        \
    PIPELINE_STAGE(CLASSIFY,      0, "classify")                        \
    /* What a tenant port may send (port security). */                  \
    PIPELINE_STAGE(ADMIT,         8, "admit")                           \
    /* The same of IPv6, neighbour discovery in particular. */          \
    PIPELINE_STAGE(ADMIT_ND,      9, "admit-nd")                        \
    /* Egress security groups: through connection tracking or not; */   \
    /* by state of the connection; by rule. */                          \
    PIPELINE_STAGE(EGRESS,       16, "egress")                          \
    PIPELINE_STAGE(EGRESS_CT,    17, "egress-ct")                       \
    PIPELINE_STAGE(EGRESS_RULES, 18, "egress-rules")                    \
    PIPELINE_STAGE(EGRESS_VERDICT, 19, "egress-verdict")                \
    /* Questions answered on this host: ARP, ND, DHCP. */               \
    PIPELINE_STAGE(RESPOND,      24, "respond")                         \
    /* The rest of the answers of neighbour discovery. */               \
    PIPELINE_STAGE(RESPOND_ND,   26, "respond-nd")                      \
    /* Packets for a gateway's MAC: what is for the router itself; */   \
    /* where to, by prefix; to whom. */                                 \
    PIPELINE_STAGE(ROUTE,        32, "route")                           \
    PIPELINE_STAGE(ROUTE_SELF,   33, "route-self")                      \
    PIPELINE_STAGE(ROUTE_LOOKUP, 34, "route-lookup")                    \
    PIPELINE_STAGE(ROUTE_NEXT_HOP, 36, "route-next-hop")                \
    /* Destination MAC within the subnet. */                            \
    PIPELINE_STAGE(L2_LOOKUP,    48, "l2-lookup")                       \
    /* Broadcasts and multicasts: a copy for each who is to see it. */  \
    PIPELINE_STAGE(FLOOD,        50, "flood")                           \
    /* In crowded VPCs: the copies for a part of the hosts. */          \
    PIPELINE_STAGE(FLOOD_CHUNK,  51, "flood-chunk")                     \
    /* Unicasts for whom nothing is known. */                           \
    PIPELINE_STAGE(UNKNOWN,      52, "unknown")                         \
    /* Packets from tunnels: finds subnet and local port. */            \
    PIPELINE_STAGE(ARRIVAL,      56, "arrival")                         \
    /* Which subnet broadcasts and multicasts from tunnels are in. */   \
    PIPELINE_STAGE(ARRIVAL_SUBNET, 57, "arrival-subnet")                \
    /* A copy for each local port. */                                   \
    PIPELINE_STAGE(FLOOD_LOCAL,  58, "flood-local")                     \
    /* Ingress security groups, like EGRESS; MFF_ALCOR_OUT is set. */   \
    PIPELINE_STAGE(INGRESS,      64, "ingress")                         \
    PIPELINE_STAGE(INGRESS_CT,   65, "ingress-ct")                      \
    PIPELINE_STAGE(INGRESS_RULES, 66, "ingress-rules")                  \
    PIPELINE_STAGE(INGRESS_VERDICT, 67, "ingress-verdict")              \
    /* Output to the local port in MFF_ALCOR_OUT. */                    \
    PIPELINE_STAGE(DELIVER,      80, "deliver")                         \
    /* Output to the tunnel that the tag calls for. */                  \
    PIPELINE_STAGE(ENCAP,        88, "encap")                           \
    /* Output to a provider bridge. */                                  \
    PIPELINE_STAGE(PROVIDER,     92, "provider")                        \
    /* ARP from there for local ports. */                               \
    PIPELINE_STAGE(PROVIDER_ARP, 93, "provider-arp")                    \
    /* Counts by reason. */                                             \
    PIPELINE_STAGE(DROP,         99, "drop")

/* PIPELINE_PREFIX(NAME, "field"...)
 *
 * What the flows of a stage match by prefix (Flow_Table.prefixes), so that a
 * packet that matches none of them need not be looked at whole, and many
 * addresses share a datapath flow.  Open vSwitch has room for three. */
#define PIPELINE_PREFIXES                                               \
    PIPELINE_PREFIX(ADMIT, "ip_src", "ip_dst", "ipv6_src")              \
    PIPELINE_PREFIX(ROUTE_SELF, "ip_dst", "ipv6_dst")                   \
    PIPELINE_PREFIX(ROUTE_LOOKUP, "ip_dst", "ipv6_dst")                 \
    PIPELINE_PREFIX(ARRIVAL_SUBNET, "ip_src", "ipv6_src")

enum of_stage {
#define PIPELINE_STAGE(NAME, TABLE, STRING) OFS_##NAME,
    PIPELINE_STAGES
#undef PIPELINE_STAGE
    OFS_N_STAGES
};

/* Table of each stage. */
enum of_table {
#define PIPELINE_STAGE(NAME, TABLE, STRING) OFT_##NAME = TABLE,
    PIPELINE_STAGES
#undef PIPELINE_STAGE
};

#define OFT_FIRST 8
#define OFT_LAST 99

uint8_t of_stage_to_table(enum of_stage);
const char *of_stage_to_string(enum of_stage);
const char *of_table_to_string(uint8_t table); /* Null if none of ours. */

/* Priorities in table 0.  In all other tables, the same range is used, except
 * that OF_PRIO_MISS is the table's last word. */
#define OF_PRIO_MIN 1000
#define OF_PRIO_MAX 1999
#define OF_PRIO_MISS 0

/* Priorities within the range. */
#define OF_PRIO_LOW 1100
#define OF_PRIO_NORMAL 1200
#define OF_PRIO_HIGH 1300
#define OF_PRIO_GUARD 1400

/* True if a flow there belongs to us, whatever its cookie. */
bool of_is_our_space(uint8_t table, uint16_t priority);

#define OF_GROUP_BASE 0x0a1c0000
#define OF_N_GROUPS 65536
#define OF_METER_BASE 0x8000

/* Cookies: prefix 16 bits | plugin 8 | hash of the resource's id 40. */
#define OF_COOKIE_PREFIX UINT64_C(0xa1c0)
#define OF_COOKIE_MASK (UINT64_C(0xffff) << 48)

/* The plugin whose flows apply/port-stats reads. */
#define OF_PLUGIN_PORT_COUNTERS 17

uint64_t of_cookie(uint8_t plugin, const char *kind, const char *id);
static inline uint8_t
of_cookie_plugin(uint64_t cookie)
{
    return cookie >> 40;
}
static inline bool
of_cookie_is_ours(uint64_t cookie)
{
    return cookie >> 48 == OF_COOKIE_PREFIX;
}

/* Registers.  The others are scratch within the tables of one stage: 0...3 for
 * EGRESS and INGRESS, 4...11 for ROUTE. */
#define MFF_ALCOR_OUT MFF_REG15 /* OpenFlow port to deliver to. */
#define MFF_ALCOR_FROM MFF_REG12 /* From ROUTE on: last half of the tag of the
                                  * subnet that it was routed from. */
#define MFF_ALCOR_REASON MFF_REG14 /* enum of_drop, on the way to DROP. */
#define MFF_ALCOR_FLAGS MFF_REG13 /* Bitmap of OF_FLAG_*; stays as it is from
                                   * stage to stage. */

/* The packet was parked by the agent until its destination was known, thus is
 * not to be punted for that reason again. */
#define OF_FLAG_RELEASED (1u << 31)

/* The packet is ARP or ND, but announces an address, thus is to be flooded; or
 * has been looked at and does not. */
#define OF_FLAG_ANNOUNCE (1u << 30)
#define OF_FLAG_NO_ANNOUNCE (1u << 29)

/* The packet has passed the meter of a port that floods. */
#define OF_FLAG_LIMITED (1u << 28)

/* The packet is a broadcast or multicast and has passed the port's meter. */
#define OF_FLAG_METERED (1u << 27)

/* The packet is a copy for a chunk of hosts, and was looked up for it. */
#define OF_FLAG_CHUNK (1u << 26)

/* The packet takes a direct path, past the gateway that told of it. */
#define OF_FLAG_DIRECT (1u << 25)

/* Why packets are dropped: OF_DROP(NAME, "name", "explanation").  Add at the
 * end: the numbers are in flows. */
#define OF_DROP_REASONS                                                 \
    OF_DROP(UNKNOWN_DESTINATION, "unknown-destination",                 \
            "nobody is known to have the destination MAC or address")   \
    OF_DROP(UNKNOWN_TUNNEL, "unknown-tunnel",                           \
            "no tunnel for the subnet's encapsulation")                 \
    OF_DROP(NOT_HERE, "not-here",                                       \
            "arrived in a tunnel for nobody on this host")              \
    OF_DROP(NO_PORT, "no-port", "the local port has gone")              \
    OF_DROP(NO_PROVIDER, "no-provider",                                 \
            "no bridge is mapped to the provider network")              \
    OF_DROP(NO_MEMBERS, "no-members",                                   \
            "broadcast or multicast in a subnet without members")       \
    OF_DROP(SPOOFED_MAC, "spoofed-mac",                                 \
            "the port may not send from this MAC")                      \
    OF_DROP(SPOOFED_IP, "spoofed-ip",                                   \
            "the port may not send from this address")                  \
    OF_DROP(SPOOFED_ARP, "spoofed-arp",                                 \
            "ARP for an address or MAC that is not the port's")         \
    OF_DROP(SPOOFED_ND, "spoofed-nd",                                   \
            "neighbour discovery for an address or MAC that is not "    \
            "the port's, or malformed")                                 \
    OF_DROP(DHCP_SERVER, "dhcp-server",                                 \
            "a port may not answer DHCP requests")                      \
    OF_DROP(ROUTER_ADVERT, "router-advertisement",                      \
            "a port may not send router advertisements")                \
    OF_DROP(PORT_DOWN, "port-down",                                     \
            "the port's admin_state_up is false")                       \
    OF_DROP(UNANSWERED, "unanswered",                                   \
            "ARP, ND or DHCP that nobody answers is not flooded")       \
    OF_DROP(NO_SUBNET, "no-subnet",                                     \
            "arrived broadcast or multicast of a subnet that is not known") \
    OF_DROP(TAGGED, "tagged", "a port sent a frame with a VLAN tag")    \
    OF_DROP(SECURITY_GROUP, "security-group",                           \
            "no rule of the port's security groups allows it")          \
    OF_DROP(CT_INVALID, "ct-invalid",                                   \
            "belongs to no connection and cannot open one")             \
    OF_DROP(TO_GATEWAY, "to-gateway",                                   \
            "for the gateway itself, which answers pings only")         \
    OF_DROP(TTL, "ttl", "the TTL or hop limit is used up")              \
    OF_DROP(NOT_IP, "not-ip", "for the gateway's MAC, and not IP")      \
    OF_DROP(NO_ROUTE, "no-route", "the router knows no way there")

enum of_drop {
    OF_DROP_NONE,
#define OF_DROP(NAME, STRING, TEXT) OF_DROP_##NAME,
    OF_DROP_REASONS
#undef OF_DROP
    OF_N_DROPS
};

/* Name and explanation of a reason; null if there is no such reason. */
const char *of_drop_to_string(enum of_drop);
const char *of_drop_explain(enum of_drop);

/* Subnet tag. */
#define OF_TAG_ENCAP_SHIFT 56
#define OF_TAG_VNI_SHIFT 32
#define OF_TAG_VPC_MASK (UINT64_MAX << OF_TAG_VNI_SHIFT)

uint64_t of_subnet_tag(uint32_t network_type, uint32_t vni,
                       const char *subnet_id);
static inline uint64_t
of_vpc_tag(uint32_t network_type, uint32_t vni)
{
    return (uint64_t) network_type << OF_TAG_ENCAP_SHIFT
           | (uint64_t) vni << OF_TAG_VNI_SHIFT;
}

#endif /* apply/of-pipeline.h */
