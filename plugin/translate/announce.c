/* SPDX-License-Identifier: Apache-2.0
 *
 * announce: plugin "announce": gratuitous ARP and unsolicited NA. */

#include <config.h>

#include "byte-order.h"
#include "flow.h"
#include "packets.h"
#include "translate/flow-actions.h"
#include "translate/flow-draft.h"
#include "translate/plugin-provider.h"
#include "translate/plugin-registry.h"
#include "translate/punt.h"
#include "util.h"

/* A VM that takes an address over (VRRP, a floating IP) says so: by gratuitous
 * ARP, in which sender and target are the same (request or reply), or by an
 * unsolicited neighbour advertisement to all nodes.  Both are flooded to those
 * who see the subnet's broadcasts, which other ARP and ND are not; port
 * security has seen to it that the address is one of the port's own.
 *
 * Each bound port outputs to RESPOND,
 *
 *    - for each address of its own and each allowed address: what announces it
 *      goes on in FLOOD, with OF_FLAG_ANNOUNCE, which lets it through.  These
 *      are flows, rather than punts, so that a take-over works, and is fast,
 *      whether or not the agent is running;
 *
 *    - for each allowed CIDR: a flow cannot compare sender and target, so ARP
 *      in which both are in it is punted.  The handler
 *      compares them: what is no announcement goes through RESPOND once more,
 *      with OF_FLAG_NO_ANNOUNCE.  An advertisement has one address only, so
 *      that a flow does for CIDRs, too.
 *
 * Probes (RFC 5227) and solicitations from :: (RFC 4862) announce nothing:
 * their sender is not given. */

/* Above what says that nobody answers for one's own address. */
#define PRIO (OF_PRIO_GUARD + 10)

/* Below what needs no punt, and above that, too. */
#define PRIO_PUNT (OF_PRIO_GUARD + 5)

/* To all nodes (RFC 2464), ff02::1. */
static const struct eth_addr all_nodes = ETH_ADDR_C(33,33,00,00,00,01);

static bool
is_ipv4(const struct goal_prefix *prefix)
{
    return IN6_IS_ADDR_V4MAPPED(&prefix->addr);
}

/* True if 'prefix' is one address. */
static bool
is_single(const struct goal_prefix *prefix)
{
    return prefix->plen == (is_ipv4(prefix) ? 32 : 128);
}

static void
match_arp(struct flow_draft *f, const struct goal_prefix *prefix)
{
    ovs_be32 ip = in6_addr_get_mapped_ipv4(&prefix->addr);
    ovs_be32 mask = be32_prefix_mask(prefix->plen);

    match_set_dl_type(&f->match, htons(ETH_TYPE_ARP));
    match_set_nw_src_masked(&f->match, ip, mask);
    match_set_nw_dst_masked(&f->match, ip, mask);
}

static void
flood(struct flow_draft *f, struct plugin_output *out)
{
    act_set_flag(&f->acts, OF_FLAG_ANNOUNCE);
    act_goto(&f->acts, OFS_FLOOD);
    flow_draft_output(f, out, OFS_RESPOND, PRIO);
}

static void
arp_flow(struct plugin_output *out, uint32_t ofport,
         const struct goal_prefix *prefix)
{
    struct flow_draft f;

    flow_draft_init(&f, 0);
    match_set_in_port(&f.match, u16_to_ofp(ofport));
    match_arp(&f, prefix);
    flood(&f, out);
}

static void
nd_flow(struct plugin_output *out, uint32_t ofport,
        const struct goal_prefix *prefix)
{
    struct in6_addr mask = ipv6_create_mask(prefix->plen);
    struct flow_draft f;

    flow_draft_init(&f, 0);
    match_set_in_port(&f.match, u16_to_ofp(ofport));
    flow_draft_match_icmp6(&f, ND_NEIGHBOR_ADVERT);
    match_set_dl_dst(&f.match, all_nodes);
    match_set_nd_target_masked(&f.match, &prefix->addr, &mask);
    flood(&f, out);
}

/* ARP in a CIDR: returns NULL or a message for PLUGIN_FAIL. */
static char *
arp_punt(struct plugin_output *out, const struct goal_port *port,
         uint32_t ofport, const struct goal_prefix *prefix)
{
    const struct punt punt = {
        .kind = PUNT_ANNOUNCE, .port_id = port->up.id,
    };
    struct flow_draft f;

    flow_draft_init(&f, 0);
    match_set_in_port(&f.match, u16_to_ofp(ofport));
    match_set_reg_masked(&f.match, MFF_ALCOR_FLAGS - MFF_REG0, 0,
                         OF_FLAG_NO_ANNOUNCE);
    match_arp(&f, prefix);
    char *error = output_punt(out, &f.acts, &punt);
    if (error) {
        ofpbuf_uninit(&f.acts);
    } else {
        flow_draft_output(&f, out, OFS_RESPOND, PRIO_PUNT);
    }
    return error;
}

static char *
prefix_flows(struct plugin_output *out, const struct goal_port *port,
             uint32_t ofport, const struct goal_prefix *prefix)
{
    if (!is_ipv4(prefix)) {
        nd_flow(out, ofport, prefix);
    } else if (is_single(prefix)) {
        arp_flow(out, ofport, prefix);
    } else {
        return arp_punt(out, port, ofport, prefix);
    }
    return NULL;
}

static enum plugin_result
announce_translate(struct plugin *plugin OVS_UNUSED, struct goal_view *view,
                   const struct goal_resource *r, struct plugin_output *out,
                   char **errorp)
{
    const struct goal_port *port = GOAL_PORT_CAST(r);
    const struct vol_binding *binding = goal_view_volatile(
        view, VOL_BINDING, port->up.id);

    if (!binding) {
        return PLUGIN_DONE;
    }
    for (size_t i = 0; i < port->n_fixed_ips; i++) {
        const struct in6_addr *ip = &port->fixed_ips[i].ip;
        struct goal_prefix prefix = {
            .addr = *ip, .plen = IN6_IS_ADDR_V4MAPPED(ip) ? 32 : 128,
        };
        *errorp = prefix_flows(out, port, binding->ofport, &prefix);
        if (*errorp) {
            return PLUGIN_FAIL;
        }
    }
    for (size_t i = 0; i < port->n_allowed; i++) {
        *errorp = prefix_flows(out, port, binding->ofport,
                               &port->allowed[i].ip);
        if (*errorp) {
            return PLUGIN_FAIL;
        }
    }
    return PLUGIN_DONE;
}

static bool
announce_packet_in(const struct packet_view *view,
                   struct packet_reply *reply)
{
    const struct flow *flow = view->flow;
    bool announces = flow->nw_src == flow->nw_dst;

    if (flow->dl_type != htons(ETH_TYPE_ARP)) {
        return false;
    }
    packet_reply_resume(reply, announces ? OFS_FLOOD : OFS_RESPOND,
                        announces ? OF_FLAG_ANNOUNCE : OF_FLAG_NO_ANNOUNCE);
    return true;
}

const struct plugin_class announce_plugin_class = {
    .abi = PLUGIN_ABI,
    .size = sizeof(struct plugin_class),
    .name = "announce",
    .number = 13,
    .inputs = 1u << GOAL_PORT,
    .stages = UINT64_C(1) << OFS_RESPOND,
    .summary = "gratuitous ARP and unsolicited NA flooded",
    .translate = announce_translate,
    .packet_in = announce_packet_in,
};
