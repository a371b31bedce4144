/* SPDX-License-Identifier: Apache-2.0
 *
 * arp-nd: plugin "arp-nd": answers address resolution on the host. */

#include <config.h>

#include "translate/arp-nd.h"

#include "byte-order.h"
#include "flow.h"
#include "store/goal-fit.h"
#include "translate/flow-actions.h"
#include "translate/flow-draft.h"
#include "translate/plugin-provider.h"
#include "translate/plugin-registry.h"
#include "translate/router-advert.h"
#include "util.h"

/* For every address known in a subnet (of ports, of neighbours in their L2
 * role, of their allowed address pairs, and the gateway's) one flow in RESPOND
 * turns an ARP request or a neighbour solicitation into the answer and sends
 * it back, without a controller and without flooding (RFC 826, RFC 4861).
 *
 * Neighbour advertisements take two steps: the address's own flow in RESPOND
 * tells the MAC, and a few flows in RESPOND_ND that all addresses share do the
 * rest, according to what the solicitation was: one of duplicate address
 * detection (from ::, answered to all nodes), one with a link-layer address
 * option, which becomes that of the answer, or one without.
 *
 * The kernel datapath can set fields of neither ARP nor ND: vswitchd executes
 * these flows there, on each packet.  It is not told the flags and the types
 * of options, so nothing here matches on them: a link-layer address option is
 * known by the address in it.  Nor would vswitchd accept a flow with
 * "set_field" on them there, but it does with "move", so values come from
 * registers.
 *
 * Link-local addresses that are made from MACs (RFC 4291, appendix A) tell the
 * MAC themselves: two flows answer for all of them.
 *
 * An allowed pair with a whole network is answered for unless it contains the
 * subnet, as 0.0.0.0/0 does; single addresses come first, then longer
 * prefixes.
 *
 * Router solicitations of local ports are answered as well (router-advert.h).
 *
 * A port's own addresses are not answered to the port itself, so that its
 * duplicate address detection (RFC 5227, RFC 4862) finds what it should:
 * others.  Those of an allowed pair that contains the subnet are everybody's.
 */

/* Flags of an advertisement, where they are in MFF_ND_RESERVED. */
#define NA_ROUTER UINT32_C(0x80000000)
#define NA_SOLICITED UINT32_C(0x40000000)
#define NA_OVERRIDE UINT32_C(0x20000000)

/* Between RESPOND and RESPOND_ND: the flags, and the MAC in the solicitation's
 * link-layer address option or 0.  Later, the type of the answer's option. */
#define MFF_NA_FLAGS MFF_REG0
#define MFF_NA_OPTION MFF_REG1
#define MFF_NS_MAC MFF_XREG1

/* Answers for all link-local addresses. */
#define PRIO_LINK_LOCAL (OF_PRIO_NORMAL - 1)

static const struct eth_addr all_nodes_mac
    = ETH_ADDR_C(33,33,00,00,00,01);

static bool
is_single(const struct goal_prefix *ip)
{
    return ip->plen == (IN6_IS_ADDR_V4MAPPED(&ip->addr) ? 32 : 128);
}

/* Priority of answers for 'ip', of which 0 is for the port's own: those to the
 * owner have one more. */
static uint16_t
answer_priority(const struct goal_prefix *ip)
{
    if (is_single(ip)) {
        return OF_PRIO_NORMAL;
    }

    /* IPv6 prefixes in a subnet are long. */
    uint32_t plen = (IN6_IS_ADDR_V4MAPPED(&ip->addr) ? ip->plen
                     : ip->plen > 80 ? ip->plen - 80
                     : 0);
    return OF_PRIO_LOW + 1 + 2 * plen;
}

/* Adds to the match: ARP requests or neighbour solicitations for 'ip'. */
static void
match_question(struct flow_draft *f, const struct goal_prefix *ip)
{
    if (IN6_IS_ADDR_V4MAPPED(&ip->addr)) {
        match_set_dl_type(&f->match, htons(ETH_TYPE_ARP));
        match_set_nw_proto(&f->match, ARP_OP_REQUEST);
        match_set_nw_dst_masked(&f->match,
                                in6_addr_get_mapped_ipv4(&ip->addr),
                                be32_prefix_mask(ip->plen));
    } else {
        struct in6_addr mask = ipv6_create_mask(ip->plen);

        flow_draft_match_icmp6(f, ND_NEIGHBOR_SOLICIT);
        match_set_nd_target_masked(&f->match, &ip->addr, &mask);
    }
}

/* ARP. */

static void
arp_answer(struct flow_draft *f, const struct goal_prefix *ip,
           const struct eth_addr *mac)
{
    act_copy(&f->acts, MFF_ETH_SRC, MFF_ETH_DST);
    act_set_mac(&f->acts, MFF_ETH_SRC, mac);
    act_set_u16(&f->acts, MFF_ARP_OP, ARP_OP_REPLY);
    act_copy(&f->acts, MFF_ARP_SHA, MFF_ARP_THA);
    act_set_mac(&f->acts, MFF_ARP_SHA, mac);
    if (is_single(ip)) {
        act_copy(&f->acts, MFF_ARP_SPA, MFF_ARP_TPA);
        act_set_ip(&f->acts, MFF_ARP_SPA, MFF_IPV6_SRC, &ip->addr);
    } else {
        /* Exchange the addresses. */
        act_copy(&f->acts, MFF_ARP_SPA, MFF_REG0);
        act_copy(&f->acts, MFF_ARP_TPA, MFF_ARP_SPA);
        act_copy(&f->acts, MFF_REG0, MFF_ARP_TPA);
    }
    act_output_in_port(&f->acts);
}

/* Neighbour discovery. */

/* All but the last step in RESPOND; eth_src is the MAC that is asked for. */
static void
nd_advertise(struct flow_draft *f, bool router)
{
    act_copy(&f->acts, MFF_ND_SLL, MFF_NS_MAC);
    act_set_u8(&f->acts, MFF_ICMPV6_TYPE, ND_NEIGHBOR_ADVERT);
    act_set_u32(&f->acts, MFF_NA_FLAGS,
                NA_SOLICITED | NA_OVERRIDE | (router ? NA_ROUTER : 0));
}

static void
nd_goto(struct flow_draft *f, bool router)
{
    nd_advertise(f, router);
    act_goto(&f->acts, OFS_RESPOND_ND);
}

void
arp_nd_begin(struct flow_draft *f, const struct eth_addr *mac, bool router)
{
    act_copy(&f->acts, MFF_ETH_SRC, MFF_ETH_DST);
    act_set_mac(&f->acts, MFF_ETH_SRC, mac);
    nd_advertise(f, router);
}

static void
nd_answer(struct flow_draft *f, const struct eth_addr *mac, bool router)
{
    arp_nd_begin(f, mac, router);
    act_goto(&f->acts, OFS_RESPOND_ND);
}

/* To the solicitation of a station with an address, with a link-layer address
 * option or without. */
static void
nd_reply_flow(struct plugin_output *out, bool option)
{
    struct flow_draft f;

    flow_draft_init(&f, 0);
    flow_draft_match_icmp6(&f, ND_NEIGHBOR_ADVERT);
    if (!option) {
        match_set_xreg(&f.match, MFF_NS_MAC - MFF_XREG0, 0);
    }
    act_copy(&f.acts, MFF_IPV6_SRC, MFF_IPV6_DST);
    act_copy(&f.acts, MFF_ND_TARGET, MFF_IPV6_SRC);
    act_copy(&f.acts, MFF_NA_FLAGS, MFF_ND_RESERVED);
    if (option) {
        act_set_u32(&f.acts, MFF_NA_OPTION, ND_OPT_TARGET_LINKADDR);
        act_move(&f.acts, MFF_NA_OPTION, 0, MFF_ND_OPTIONS_TYPE, 0, 8);
        act_copy(&f.acts, MFF_ETH_SRC, MFF_ND_TLL);
    }
    act_output_in_port(&f.acts);
    flow_draft_output(&f, out, OFS_RESPOND_ND,
                      option ? OF_PRIO_LOW : OF_PRIO_NORMAL);
}

/* To duplicate address detection: to all nodes, not solicited. */
static void
nd_duplicate_flow(struct plugin_output *out)
{
    const struct in6_addr all_nodes = IN6ADDR_ALL_HOSTS_INIT;
    struct flow_draft f;

    flow_draft_init(&f, 0);
    flow_draft_match_icmp6(&f, ND_NEIGHBOR_ADVERT);
    match_set_ipv6_src(&f.match, &in6addr_any);
    act_set_mac(&f.acts, MFF_ETH_DST, &all_nodes_mac);
    act_set_ip(&f.acts, MFF_IPV4_DST, MFF_IPV6_DST, &all_nodes);
    act_copy(&f.acts, MFF_ND_TARGET, MFF_IPV6_SRC);
    act_set_u32(&f.acts, MFF_NA_FLAGS, NA_OVERRIDE);
    act_copy(&f.acts, MFF_NA_FLAGS, MFF_ND_RESERVED);
    act_output_in_port(&f.acts);
    flow_draft_output(&f, out, OFS_RESPOND_ND, OF_PRIO_HIGH);
}

/* To solicitations for link-local addresses made from MACs whose bit
 * "universal/local" is 'local'; the address has the inverse. */
static void
nd_link_local_flow(struct plugin_output *out, bool local)
{
    struct in6_addr target = { .s6_addr = { 0xfe, 0x80 } };
    struct in6_addr mask = ipv6_create_mask(64);
    struct flow_draft f;

    target.s6_addr[8] = local ? 0 : 2;
    target.s6_addr[11] = 0xff;
    target.s6_addr[12] = 0xfe;
    mask.s6_addr[8] = 2;
    mask.s6_addr[11] = mask.s6_addr[12] = 0xff;

    flow_draft_init(&f, 0);
    flow_draft_match_icmp6(&f, ND_NEIGHBOR_SOLICIT);
    match_set_nd_target_masked(&f.match, &target, &mask);
    act_copy(&f.acts, MFF_ETH_SRC, MFF_ETH_DST);
    act_move(&f.acts, MFF_ND_TARGET, 0, MFF_ETH_SRC, 0, 24);
    act_move(&f.acts, MFF_ND_TARGET, 40, MFF_ETH_SRC, 24, 17);
    act_set_mac_bit(&f.acts, MFF_ETH_SRC, 41, local);
    act_move(&f.acts, MFF_ND_TARGET, 58, MFF_ETH_SRC, 42, 6);
    nd_goto(&f, false);
    flow_draft_output(&f, out, OFS_RESPOND, PRIO_LINK_LOCAL);
}

/* The flows that all addresses share. */
static void
nd_shared_flows(struct plugin_output *out)
{
    nd_reply_flow(out, true);
    nd_reply_flow(out, false);
    nd_duplicate_flow(out);
    nd_link_local_flow(out, false);
    nd_link_local_flow(out, true);
}

/* Answers. */

/* Questions for 'ip' in the subnet with 'tag' are answered with 'mac'. */
static void
answer_flow(struct plugin_output *out, uint64_t tag,
            const struct goal_prefix *ip, const struct eth_addr *mac,
            bool router)
{
    struct flow_draft f;

    flow_draft_init(&f, tag);
    match_question(&f, ip);
    if (IN6_IS_ADDR_V4MAPPED(&ip->addr)) {
        arp_answer(&f, ip, mac);
    } else {
        nd_answer(&f, mac, router);
    }
    flow_draft_output(&f, out, OFS_RESPOND, answer_priority(ip));
}

/* Questions for 'ip' from the port that owns it get no answer. */
static void
own_address_flow(struct plugin_output *out, uint32_t ofport,
                 const struct goal_prefix *ip)
{
    struct flow_draft f;

    flow_draft_init(&f, 0);
    match_question(&f, ip);
    match_set_in_port(&f.match, u16_to_ofp(ofport));
    flow_draft_output(&f, out, OFS_RESPOND,
                      is_single(ip) ? OF_PRIO_GUARD : answer_priority(ip) + 1);
}

/* The same for the link-local address that is made from 'mac'. */
static void
own_link_local_flow(struct plugin_output *out, uint32_t ofport,
                    const struct eth_addr *mac)
{
    struct in6_addr ip;

    in6_generate_lla(*mac, &ip);
    struct goal_prefix prefix = goal_prefix_single(&ip);
    own_address_flow(out, ofport, &prefix);
}

/* Allowed pairs of the owner of 'mac', in the subnet of 'net'. */
static void
answer_pairs(struct plugin_output *out, const struct goal_network *net,
             const struct eth_addr *mac, const struct goal_address_pair *pairs,
             size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct goal_address_pair *pair = &pairs[i];

        if (!goal_prefix_covers(&pair->ip, &net->subnet->cidr)) {
            answer_flow(out, net->tag, &pair->ip,
                        eth_addr_is_zero(pair->mac) ? mac : &pair->mac,
                        false);
        }
    }
}

static enum plugin_result
translate_subnet(struct goal_view *view, const struct goal_subnet *subnet,
                 struct plugin_output *out, char **errorp)
{
    struct goal_network net;
    enum plugin_result result = goal_view_network(view, subnet->up.id, &net,
                                                  errorp);

    if (result != PLUGIN_DONE) {
        return result;
    }

    bool ipv6 = (subnet->cidr.given
                 && !IN6_IS_ADDR_V4MAPPED(&subnet->cidr.addr));
    if (ipv6) {
        nd_shared_flows(out);
    }
    if (ipv6_addr_is_set(&subnet->gateway_ip)
        && !eth_addr_is_zero(subnet->gateway_mac)) {
        struct goal_prefix ip = goal_prefix_single(&subnet->gateway_ip);

        answer_flow(out, net.tag, &ip, &subnet->gateway_mac, true);
        if (ipv6) {
            struct in6_addr link_local;

            in6_generate_lla(subnet->gateway_mac, &link_local);
            ip = goal_prefix_single(&link_local);
            answer_flow(out, net.tag, &ip, &subnet->gateway_mac, true);
        }
    }
    return PLUGIN_DONE;
}

/* True if 'prefix' contains a subnet of the port, so that others have
 * addresses in it, too. */
static bool
covers_subnet(struct goal_view *view, const struct goal_port *port,
              const struct goal_prefix *prefix)
{
    for (size_t i = 0; i < port->n_fixed_ips; i++) {
        const struct goal_resource *r = goal_view_get(
            view, GOAL_SUBNET, port->fixed_ips[i].subnet_id);

        if (r && goal_prefix_covers(prefix, &GOAL_SUBNET_CAST(r)->cidr)) {
            return true;
        }
    }
    return false;
}

/* What 'port', plugged into 'ofport', does not hear about itself. */
static void
own_addresses(struct goal_view *view, const struct goal_port *port,
              uint32_t ofport, struct plugin_output *out)
{
    bool ipv6 = false;

    for (size_t i = 0; i < port->n_fixed_ips; i++) {
        struct goal_prefix ip = goal_prefix_single(&port->fixed_ips[i].ip);

        own_address_flow(out, ofport, &ip);
        ipv6 = ipv6 || !IN6_IS_ADDR_V4MAPPED(&ip.addr);
    }
    for (size_t i = 0; i < port->n_allowed; i++) {
        if (!covers_subnet(view, port, &port->allowed[i].ip)) {
            own_address_flow(out, ofport, &port->allowed[i].ip);
        }
        if (ipv6 && !eth_addr_is_zero(port->allowed[i].mac)) {
            own_link_local_flow(out, ofport, &port->allowed[i].mac);
        }
    }
    if (ipv6) {
        own_link_local_flow(out, ofport, &port->mac);
    }
}

static enum plugin_result
translate_port(struct goal_view *view, const struct goal_port *port,
               struct plugin_output *out, char **errorp)
{
    const struct vol_binding *binding = goal_view_volatile(
        view, VOL_BINDING, port->up.id);

    for (size_t i = 0; i < port->n_fixed_ips; i++) {
        const struct goal_fixed_ip *fixed = &port->fixed_ips[i];
        struct goal_prefix ip = goal_prefix_single(&fixed->ip);
        struct goal_network net;
        enum plugin_result result = goal_view_network(
            view, fixed->subnet_id, &net, errorp);

        if (result != PLUGIN_DONE) {
            return result;
        }
        answer_flow(out, net.tag, &ip, &port->mac, false);
        answer_pairs(out, &net, &port->mac, port->allowed, port->n_allowed);
        if (binding) {
            const struct router_advert_listener listener = {
                port, binding->ofport, &net,
                goal_view_mtu(view, &net),
            };

            *errorp = router_advert_flow(&listener, out);
            if (*errorp) {
                return PLUGIN_FAIL;
            }
        }
    }
    if (binding) {
        own_addresses(view, port, binding->ofport, out);
    }
    return PLUGIN_DONE;
}

static enum plugin_result
translate_neighbor(struct goal_view *view,
                   const struct goal_neighbor *neighbor,
                   struct plugin_output *out, char **errorp)
{
    for (size_t i = 0; i < neighbor->n_fixed_ips; i++) {
        const struct goal_neighbor_ip *fixed = &neighbor->fixed_ips[i];
        struct goal_prefix ip = goal_prefix_single(&fixed->ip);
        struct goal_network net;

        if (fixed->type != GOAL_NEIGHBOR_L2) {
            continue;
        }
        enum plugin_result result = goal_view_network(
            view, fixed->subnet_id, &net, errorp);
        if (result != PLUGIN_DONE) {
            return result;
        }
        answer_flow(out, net.tag, &ip, &neighbor->mac, false);
        answer_pairs(out, &net, &neighbor->mac, neighbor->allowed,
                     neighbor->n_allowed);
    }
    return PLUGIN_DONE;
}

static enum plugin_result
arp_translate(struct plugin *plugin OVS_UNUSED, struct goal_view *view,
              const struct goal_resource *r, struct plugin_output *out,
              char **errorp)
{
    switch (r->kind) {
    case GOAL_SUBNET:
        return translate_subnet(view, GOAL_SUBNET_CAST(r), out, errorp);
    case GOAL_PORT:
        return translate_port(view, GOAL_PORT_CAST(r), out, errorp);
    case GOAL_NEIGHBOR:
        return translate_neighbor(view, GOAL_NEIGHBOR_CAST(r), out, errorp);
    case GOAL_VPC:
    case GOAL_SECURITY_GROUP:
    case GOAL_DHCP:
    case GOAL_ROUTER:
    case GOAL_GATEWAY:
    case GOAL_N_KINDS:
        break;
    }
    return PLUGIN_DONE;
}

const struct plugin_class arp_nd_plugin_class = {
    .abi = PLUGIN_ABI,
    .size = sizeof(struct plugin_class),
    .name = "arp-nd",
    .number = 4,
    .inputs = 1u << GOAL_SUBNET | 1u << GOAL_PORT | 1u << GOAL_NEIGHBOR,
    .stages = UINT64_C(1) << OFS_RESPOND | UINT64_C(1) << OFS_RESPOND_ND,
    .summary = "ARP and neighbour discovery answered on the host",
    .translate = arp_translate,
    .packet_in = router_advert_packet_in,
};
