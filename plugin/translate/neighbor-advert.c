/* SPDX-License-Identifier: Apache-2.0
 *
 * neighbor-advert: how a neighbour solicitation becomes the answer. */

#include <config.h>

#include "translate/neighbor-advert.h"

#include "dp-packet.h"
#include "flow.h"
#include "packets.h"
#include "translate/flow-actions.h"
#include "translate/flow-draft.h"
#include "translate/plugin-provider.h"
#include "translate/punt.h"
#include "util.h"

/* Between RESPOND and RESPOND_ND: the flags (ND_RSO_*), and which register
 * the handler finds them in. */
#define MFF_NA_FLAGS MFF_REG0
#define NA_FLAGS_REG 0

static const struct eth_addr all_nodes_mac
    = ETH_ADDR_C(33,33,00,00,00,01);
static const struct in6_addr all_nodes_ip = IN6ADDR_ALL_HOSTS_INIT;

void
neighbor_advert_goto(struct ofpbuf *ofpacts, bool nd_fields, bool router)
{
    if (nd_fields) {
        act_set_u8(ofpacts, MFF_ICMPV6_TYPE, ND_NEIGHBOR_ADVERT);
    }
    act_set_u32(ofpacts, MFF_NA_FLAGS, ND_RSO_SOLICITED | ND_RSO_OVERRIDE
                                       | (router ? ND_RSO_ROUTER : 0));
    act_goto(ofpacts, OFS_RESPOND_ND);
}

/* To the solicitation of a station with an address, with a link-layer address
 * option or without. */
static void
reply_flow(struct plugin_output *out, bool option)
{
    struct flow_draft f;

    flow_draft_init(&f, 0);
    flow_draft_match_icmp6(&f, ND_NEIGHBOR_ADVERT);
    if (option) {
        match_set_nd_options_type(&f.match, ND_OPT_SOURCE_LINKADDR);
    }
    act_copy(&f.acts, MFF_IPV6_SRC, MFF_IPV6_DST);
    act_copy(&f.acts, MFF_ND_TARGET, MFF_IPV6_SRC);
    act_copy(&f.acts, MFF_NA_FLAGS, MFF_ND_RESERVED);
    if (option) {
        act_set_u8(&f.acts, MFF_ND_OPTIONS_TYPE, ND_OPT_TARGET_LINKADDR);
        act_copy(&f.acts, MFF_ETH_SRC, MFF_ND_TLL);
    }
    act_output_in_port(&f.acts);
    flow_draft_output(&f, out, OFS_RESPOND_ND,
                      option ? OF_PRIO_NORMAL : OF_PRIO_LOW);
}

/* To duplicate address detection: to all nodes, not solicited. */
static void
duplicate_flow(struct plugin_output *out)
{
    struct flow_draft f;

    flow_draft_init(&f, 0);
    flow_draft_match_icmp6(&f, ND_NEIGHBOR_ADVERT);
    match_set_ipv6_src(&f.match, &in6addr_any);
    act_set_mac(&f.acts, MFF_ETH_DST, &all_nodes_mac);
    act_set_ip(&f.acts, MFF_IPV4_DST, MFF_IPV6_DST, &all_nodes_ip);
    act_copy(&f.acts, MFF_ND_TARGET, MFF_IPV6_SRC);
    act_set_u32(&f.acts, MFF_ND_RESERVED, ND_RSO_OVERRIDE);
    act_output_in_port(&f.acts);
    flow_draft_output(&f, out, OFS_RESPOND_ND, OF_PRIO_HIGH);
}

void
neighbor_advert_flows(struct plugin_output *out)
{
    reply_flow(out, true);
    reply_flow(out, false);
    duplicate_flow(out);
}

char *
neighbor_advert_punt(struct plugin_output *out, const char *port_id,
                     uint32_t ofport)
{
    const struct punt punt = { PUNT_NEIGHBOR_SOLICIT, port_id, "", 0 };
    struct flow_draft f;

    flow_draft_init(&f, 0);
    flow_draft_match_icmp6(&f, ND_NEIGHBOR_SOLICIT);
    match_set_in_port(&f.match, u16_to_ofp(ofport));
    char *error = output_punt(out, &f.acts, &punt);
    if (error) {
        ofpbuf_uninit(&f.acts);
        return error;
    }
    flow_draft_output(&f, out, OFS_RESPOND_ND, OF_PRIO_NORMAL);
    return NULL;
}

bool
neighbor_advert_packet_in(const struct packet_view *view,
                          struct packet_reply *reply)
{
    const struct flow *flow = view->flow;
    uint32_t flags = view->context.regs[NA_FLAGS_REG];
    bool duplicate = !ipv6_addr_is_set(&flow->ipv6_src);
    struct dp_packet answer;

    if (view->kind != PUNT_NEIGHBOR_SOLICIT || view->len
        || flow->nw_ttl != 255 || ipv6_addr_is_multicast(&flow->ipv6_src)
        || !ipv6_addr_is_set(&flow->nd_target)
        || ipv6_addr_is_multicast(&flow->nd_target)) {
        return false;
    }
    dp_packet_init(&answer, 0);
    compose_nd_na(&answer, flow->dl_src,
                  duplicate ? all_nodes_mac : flow->dl_dst, &flow->nd_target,
                  duplicate ? &all_nodes_ip : &flow->ipv6_src,
                  htonl(duplicate ? ND_RSO_OVERRIDE : flags));
    packet_reply_answer(reply, dp_packet_data(&answer),
                        dp_packet_size(&answer));
    dp_packet_uninit(&answer);
    return true;
}
