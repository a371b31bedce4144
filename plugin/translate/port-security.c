/* SPDX-License-Identifier: Apache-2.0
 *
 * port-security: plugin "port-security": what a local port may send. */

#include <config.h>

#include "byte-order.h"
#include "flow.h"
#include "openvswitch/match.h"
#include "openvswitch/ofpbuf.h"
#include "translate/flow-actions.h"
#include "translate/flow-draft.h"
#include "translate/plugin-provider.h"
#include "translate/plugin-registry.h"
#include "translate/punt.h"
#include "util.h"

/* A port may send from its "pairs": its MAC with each of its addresses, and
 * its allowed address pairs, in which the address may be a whole network and
 * the MAC, when not given, is the port's.  Each MAC also has the link-local
 * IPv6 address made from it (RFC 4291, appendix A).
 *
 * A port that is bound to an Interface outputs, all by 'in_port', in ADMIT:
 *
 *    IPv4   from the addresses of a MAC; DHCP requests from 0.0.0.0.
 *
 *    ARP    whose sender is a pair, so that gratuitous ARP is for one's own
 *           addresses only; probes (RFC 5227: sender 0.0.0.0), which claim
 *           nothing.
 *
 *    IPv6   from the addresses of a MAC, which goes on to ADMIT_ND; from ::,
 *           what hosts send before they have an address: duplicate address
 *           detection, router solicitations and MLD reports (RFC 3810, section
 *           5.2.13).
 *
 *    other  Ethernet types: from a MAC of the port.
 *
 * and in ADMIT_ND: solicitations and advertisements whose link-layer address
 * option is missing or says the MAC that sends, advertisements for one's own
 * addresses.  OVS sees all zeros where an option is repeated or cut short;
 * ::, which then seems to be the target, is nobody's address.
 *
 * A host that probes for an address that it may not use is told, like any
 * other, that somebody has it.
 *
 * DHCP servers and router advertisements are refused, whoever sends them.
 * Every refusal is a flow of its own, with its reason.
 *
 * Of a fragment OVS shows neither ports nor ICMP type.  What could be DHCP or
 * neighbour discovery to everybody, UDP and ICMPv6 in fragments to broadcast
 * and multicast addresses, is refused; to one station, receivers ignore the
 * latter (RFC 6980), and take the former from the server they chose only.
 *
 * A port whose admin_state_up is false neither sends nor is sent anything;
 * what others know of it stays. */

/* In ADMIT: what no tenant may send; pairs; what else has the right MAC, by
 * type; the rest. */
#define PRIO_REFUSED OF_PRIO_GUARD
#define PRIO_PAIR OF_PRIO_NORMAL
#define PRIO_TYPE (OF_PRIO_LOW + 2)
#define PRIO_MAC (OF_PRIO_LOW + 1)
#define PRIO_REST OF_PRIO_LOW

#define DHCP4_CLIENT 68
#define DHCP4_SERVER 67
#define DHCP6_CLIENT 546
#define DHCP6_SERVER 547

/* ICMPv6 types that hosts send from ::, besides neighbour solicitations:
 * router solicitation, MLD versions 1 and 2. */
static const uint8_t nameless_types[] = { 133, 131, 132, 143 };

/* Where a flow belongs, and what it does. */
struct verdict {
    enum of_stage stage;
    uint16_t priority;
    enum of_drop reason;        /* OF_DROP_NONE: goes on to 'next'. */
    enum of_stage next;
};

static void
put_flow(struct plugin_output *out, const struct verdict *verdict,
         const struct match *match)
{
    uint64_t stub[128 / 8];
    struct ofpbuf ofpacts;

    ofpbuf_use_stub(&ofpacts, stub, sizeof stub);
    if (verdict->reason) {
        act_drop(&ofpacts, verdict->reason);
    } else {
        act_goto(&ofpacts, verdict->next);
    }
    output_flow(out, verdict->stage, verdict->priority, match, &ofpacts);
    ofpbuf_uninit(&ofpacts);
}

static void
admit(struct plugin_output *out, const struct match *match)
{
    const struct verdict verdict = {
        OFS_ADMIT, PRIO_PAIR, OF_DROP_NONE, OFS_EGRESS,
    };
    put_flow(out, &verdict, match);
}

static void
refuse(struct plugin_output *out, enum of_stage stage, uint16_t priority,
       enum of_drop reason, const struct match *match)
{
    const struct verdict verdict = { stage, priority, reason, OFS_DROP };

    put_flow(out, &verdict, match);
}

/* One MAC of a port. */
struct sender {
    uint32_t ofport;
    struct eth_addr mac;
};

/* Sets 'match' to packets of 'sender'. */
static void
match_sender(struct match *match, const struct sender *sender)
{
    match_init_catchall(match);
    match_set_in_port(match, u16_to_ofp(sender->ofport));
    match_set_dl_src(match, sender->mac);
}

/* The same of ICMPv6 of 'type', code 0. */
static void
match_icmp6(struct match *match, const struct sender *sender, uint8_t type)
{
    match_sender(match, sender);
    match_set_dl_type(match, htons(ETH_TYPE_IPV6));
    match_set_nw_proto(match, IPPROTO_ICMPV6);
    match_set_icmp_type(match, type);
    match_set_icmp_code(match, 0);
}

static void
match_udp(struct match *match, bool v6, uint16_t src, uint16_t dst)
{
    match_set_dl_type(match, htons(v6 ? ETH_TYPE_IPV6 : ETH_TYPE_IP));
    match_set_nw_proto(match, IPPROTO_UDP);
    match_set_tp_src(match, htons(src));
    match_set_tp_dst(match, htons(dst));
}

/* IPv4. */

static void
pair_flows_ipv4(struct plugin_output *out, const struct sender *sender,
                ovs_be32 ip, ovs_be32 mask)
{
    struct match match;

    match_sender(&match, sender);
    match_set_dl_type(&match, htons(ETH_TYPE_IP));
    match_set_nw_src_masked(&match, ip, mask);
    admit(out, &match);

    match_sender(&match, sender);
    match_set_dl_type(&match, htons(ETH_TYPE_ARP));
    match_set_arp_sha(&match, sender->mac);
    match_set_nw_src_masked(&match, ip, mask);
    admit(out, &match);
}

static void
mac_flows_ipv4(struct plugin_output *out, const struct sender *sender)
{
    struct match match;

    match_sender(&match, sender);
    match_udp(&match, false, DHCP4_CLIENT, DHCP4_SERVER);
    match_set_nw_src(&match, 0);
    match_set_nw_dst(&match, OVS_BE32_MAX);
    admit(out, &match);

    match_sender(&match, sender);
    match_set_dl_type(&match, htons(ETH_TYPE_ARP));
    match_set_nw_proto(&match, ARP_OP_REQUEST);
    match_set_arp_sha(&match, sender->mac);
    match_set_nw_src(&match, 0);
    admit(out, &match);
}

/* IPv6. */

static void
admit_nd(struct plugin_output *out, const struct match *match)
{
    const struct verdict verdict = {
        OFS_ADMIT_ND, PRIO_PAIR, OF_DROP_NONE, OFS_EGRESS,
    };
    put_flow(out, &verdict, match);
}

static void
pair_flows_ipv6(struct plugin_output *out, const struct sender *sender,
                const struct in6_addr *ip, const struct in6_addr *mask)
{
    const struct verdict to_nd = {
        OFS_ADMIT, PRIO_PAIR, OF_DROP_NONE, OFS_ADMIT_ND,
    };
    struct match match;

    match_sender(&match, sender);
    match_set_dl_type(&match, htons(ETH_TYPE_IPV6));
    match_set_ipv6_src_masked(&match, ip, mask);
    put_flow(out, &to_nd, &match);

    match_icmp6(&match, sender, ND_NEIGHBOR_ADVERT);
    match_set_nd_target_masked(&match, ip, mask);
    match_set_arp_tha(&match, sender->mac);
    admit_nd(out, &match);
    match_set_arp_tha(&match, eth_addr_zero);
    admit_nd(out, &match);
}

static void
mac_flows_ipv6(struct plugin_output *out, const struct sender *sender)
{
    struct in6_addr link_local;
    struct match match;

    in6_generate_lla(sender->mac, &link_local);
    pair_flows_ipv6(out, sender, &link_local, &in6addr_exact);
    for (size_t i = 0; i < ARRAY_SIZE(nameless_types); i++) {
        match_icmp6(&match, sender, nameless_types[i]);
        match_set_ipv6_src(&match, &in6addr_any);
        admit(out, &match);
    }

    /* Duplicate address detection (RFC 4862, section 5.4.2). */
    match_icmp6(&match, sender, ND_NEIGHBOR_SOLICIT);
    match_set_ipv6_src(&match, &in6addr_any);
    match_set_arp_sha(&match, eth_addr_zero);
    admit(out, &match);

    match_icmp6(&match, sender, ND_NEIGHBOR_SOLICIT);
    match_set_arp_sha(&match, sender->mac);
    admit_nd(out, &match);
    match_set_arp_sha(&match, eth_addr_zero);
    admit_nd(out, &match);
}

/* All of a port. */

/* What a MAC of the port may send whatever its addresses, and what it may
 * not. */
static void
mac_flows(struct plugin_output *out, const struct sender *sender)
{
    static const struct {
        uint16_t type;
        enum of_drop reason;
    } types[] = {
        { ETH_TYPE_IP, OF_DROP_SPOOFED_IP },
        { ETH_TYPE_IPV6, OF_DROP_SPOOFED_IP },
        { ETH_TYPE_ARP, OF_DROP_SPOOFED_ARP },
    };
    const struct verdict other = {
        OFS_ADMIT, PRIO_MAC, OF_DROP_NONE, OFS_EGRESS,
    };
    struct match match;

    mac_flows_ipv4(out, sender);
    mac_flows_ipv6(out, sender);

    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        match_sender(&match, sender);
        match_set_dl_type(&match, htons(types[i].type));
        refuse(out, OFS_ADMIT, PRIO_TYPE, types[i].reason, &match);
    }
    match_sender(&match, sender);
    put_flow(out, &other, &match);
}

static void
pair_flows(struct plugin_output *out, const struct sender *sender,
           const struct in6_addr *ip, uint32_t plen)
{
    if (IN6_IS_ADDR_V4MAPPED(ip)) {
        pair_flows_ipv4(out, sender, in6_addr_get_mapped_ipv4(ip),
                        be32_prefix_mask(plen));
    } else {
        struct in6_addr mask = ipv6_create_mask(plen);

        pair_flows_ipv6(out, sender, ip, &mask);
    }
}

/* What no tenant may send.  These flows are the same for all ports. */
static void
refuse_fragments(struct plugin_output *out)
{
    const struct in6_addr multicast = { .s6_addr = { 0xff } };
    struct match match;

    match_init_catchall(&match);
    match_set_dl_type(&match, htons(ETH_TYPE_IP));
    match_set_nw_proto(&match, IPPROTO_UDP);
    match_set_nw_frag_masked(&match, FLOW_NW_FRAG_ANY, FLOW_NW_FRAG_ANY);
    match_set_nw_dst(&match, OVS_BE32_MAX);
    refuse(out, OFS_ADMIT, PRIO_REFUSED, OF_DROP_DHCP_SERVER, &match);

    match_init_catchall(&match);
    match_set_dl_type(&match, htons(ETH_TYPE_IPV6));
    match_set_nw_proto(&match, IPPROTO_ICMPV6);
    match_set_nw_frag_masked(&match, FLOW_NW_FRAG_ANY, FLOW_NW_FRAG_ANY);
    match_set_ipv6_dst_masked(&match, &multicast, &multicast);
    refuse(out, OFS_ADMIT, PRIO_REFUSED, OF_DROP_SPOOFED_ND, &match);
}

static void
refusals(struct plugin_output *out)
{
    static const uint8_t nd_types[] = { ND_NEIGHBOR_SOLICIT,
                                        ND_NEIGHBOR_ADVERT };
    struct match match;

    refuse_fragments(out);
    match_init_catchall(&match);
    match_udp(&match, false, DHCP4_SERVER, DHCP4_CLIENT);
    refuse(out, OFS_ADMIT, PRIO_REFUSED, OF_DROP_DHCP_SERVER, &match);
    match_init_catchall(&match);
    match_udp(&match, true, DHCP6_SERVER, DHCP6_CLIENT);
    refuse(out, OFS_ADMIT, PRIO_REFUSED, OF_DROP_DHCP_SERVER, &match);

    match_init_catchall(&match);
    match_set_dl_type(&match, htons(ETH_TYPE_IPV6));
    match_set_nw_proto(&match, IPPROTO_ICMPV6);
    match_set_icmp_type(&match, ND_ROUTER_ADVERT);
    refuse(out, OFS_ADMIT, PRIO_REFUSED, OF_DROP_ROUTER_ADVERT, &match);
    for (size_t i = 0; i < ARRAY_SIZE(nd_types); i++) {
        match_set_icmp_type(&match, nd_types[i]);
        refuse(out, OFS_ADMIT_ND, PRIO_REST, OF_DROP_SPOOFED_ND, &match);
    }
}

/* Nothing passes from or to 'ofport'. */
static void
down_flows(struct plugin_output *out, uint32_t ofport)
{
    struct match match;

    match_init_catchall(&match);
    match_set_in_port(&match, u16_to_ofp(ofport));
    refuse(out, OFS_ADMIT, OF_PRIO_MAX, OF_DROP_PORT_DOWN, &match);

    match_init_catchall(&match);
    match_set_reg(&match, MFF_ALCOR_OUT - MFF_REG0, ofport);
    refuse(out, OFS_INGRESS, OF_PRIO_MAX, OF_DROP_PORT_DOWN, &match);
}

/* What is left of the packets of 'port' is in the name of somebody else.  Some
 * of it is punted, so that a flood is noticed.  Returns NULL or a malloc()'d
 * message. */
static char *
rest_flow(struct plugin_output *out, const struct goal_port *port,
          uint32_t ofport)
{
    const struct punt punt = { PUNT_SPOOFED, port->up.id, NULL, 0 };
    struct flow_draft f;

    flow_draft_init(&f, 0);
    match_set_in_port(&f.match, u16_to_ofp(ofport));
    char *error = output_punt(out, &f.acts, &punt);
    if (error) {
        ofpbuf_uninit(&f.acts);
        return error;
    }
    act_drop(&f.acts, OF_DROP_SPOOFED_MAC);
    flow_draft_output(&f, out, OFS_ADMIT, PRIO_REST);
    return NULL;
}

static void
up_flows(struct plugin_output *out, const struct goal_port *port,
         uint32_t ofport)
{
    struct sender sender = { ofport, port->mac };

    refusals(out);
    mac_flows(out, &sender);
    for (size_t i = 0; i < port->n_fixed_ips; i++) {
        const struct in6_addr *ip = &port->fixed_ips[i].ip;

        pair_flows(out, &sender, ip, IN6_IS_ADDR_V4MAPPED(ip) ? 32 : 128);
    }
    for (size_t i = 0; i < port->n_allowed; i++) {
        const struct goal_address_pair *pair = &port->allowed[i];

        if (eth_addr_is_zero(pair->mac)) {
            sender.mac = port->mac;
        } else {
            sender.mac = pair->mac;
            mac_flows(out, &sender);
        }
        pair_flows(out, &sender, &pair->ip.addr, pair->ip.plen);
    }
}

static enum plugin_result
port_security_translate(struct plugin *plugin OVS_UNUSED,
                        struct goal_view *view,
                        const struct goal_resource *r,
                        struct plugin_output *out, char **errorp)
{
    const struct goal_port *port = GOAL_PORT_CAST(r);
    const struct vol_binding *binding = goal_view_volatile(
        view, VOL_BINDING, port->up.id);

    if (!binding) {
        return PLUGIN_DONE;
    }
    if (port->admin_state_up) {
        up_flows(out, port, binding->ofport);
        *errorp = rest_flow(out, port, binding->ofport);
    } else {
        down_flows(out, binding->ofport);
    }
    return *errorp ? PLUGIN_FAIL : PLUGIN_DONE;
}

static bool
port_security_packet_in(const struct packet_view *view,
                        struct packet_reply *reply)
{
    if (view->kind != PUNT_SPOOFED) {
        return false;
    }
    packet_reply_event(reply, &view->flow->dl_src,
                       sizeof view->flow->dl_src, false);
    return true;
}

const struct plugin_class port_security_plugin_class = {
    .abi = PLUGIN_ABI,
    .size = sizeof(struct plugin_class),
    .name = "port-security",
    .number = 6,
    .inputs = 1u << GOAL_PORT,
    .stages = (UINT64_C(1) << OFS_ADMIT | UINT64_C(1) << OFS_ADMIT_ND
               | UINT64_C(1) << OFS_INGRESS),
    .summary = "local ports send from their own addresses only",
    .translate = port_security_translate,
    .packet_in = port_security_packet_in,
};
