/* SPDX-License-Identifier: Apache-2.0
 *
 * on-demand: plugin "on-demand": packets to unknown destinations are asked
 * about. */

#include <config.h>

#include "translate/on-demand.h"

#include <stdlib.h>
#include <string.h>
#include "flow.h"
#include "openvswitch/match.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "translate/flow-actions.h"
#include "translate/l3-router.h"
#include "translate/plugin-provider.h"
#include "translate/plugin-registry.h"
#include "translate/punt.h"
#include "util.h"

/* Each port that is bound to an Interface outputs, with low priority,
 *
 *    RESPOND: ARP requests and neighbour solicitations that nothing has
 *    answered are punted;
 *
 *    ROUTE_NEXT_HOP, UNKNOWN: so are packets to destinations that nobody is
 *    known to have,
 *
 * each metered by itself, unless nobody could be asked, which is so if the
 * port's VPC is eager (translate/activation.h) and alcor-on-demand is false;
 * and IPv4 only if no gateway of the VPC carries it (zeta-gateway.c).
 *
 * A packet that has been punted once and was released (OF_FLAG_RELEASED) is
 * not punted again.
 *
 * The handler makes a question of the packet; see feedback/on-demand.h for
 * what happens to it. */

/* Above what other plugins have for whatever is left of a port's packets; in
 * ROUTE_NEXT_HOP, below all of them. */
#define PRIO (OF_PRIO_LOW + 10)
#define PRIO_NEXT_HOP OF_PRIO_MIN

/* Wire values of Alcor's Protocol. */
enum { PROTO_TCP, PROTO_UDP, PROTO_ICMP, PROTO_HTTP, PROTO_ARP };

/* What the punting flow remembers: this, and the VPC's id without its null. */
struct punt_data {
    uint8_t stage;              /* enum of_stage in which it is to go on. */
};

/* Translation. */

/* True if somebody can be asked about destinations in 'vpc'. */
static bool
is_wanted(struct goal_view *view, const struct goal_vpc *vpc)
{
    const struct vol_on_demand *on_demand = goal_view_volatile(
        view, VOL_ON_DEMAND, "");

    return ((on_demand && on_demand->enabled)
            || goal_view_volatile(view, VOL_LAZY_VPC, vpc->up.id));
}

/* True if a gateway of its VPC carries all that 'port' sends to IPv4 addresses
 * that are not known.  (Of a gateway that is a subnet's, others of its flows
 * come first, and there is a rest.) */
static bool
has_gateway(struct goal_view *view, const struct goal_port *port)
{
    for (size_t i = 0; i < port->n_fixed_ips; i++) {
        const struct goal_gateway *gateway = NULL;
        struct goal_network net;
        char *error = NULL;

        if (goal_view_network(view, port->fixed_ips[i].subnet_id, &net,
                              &error) == PLUGIN_DONE) {
            gateway = goal_view_gateway(view, &net);
        }
        free(error);
        if (!gateway || gateway->type != GOAL_GATEWAY_ZETA) {
            return false;
        }
    }
    return port->n_fixed_ips > 0;
}

/* What a port's punts have in common. */
struct punts {
    struct plugin_output *out;
    const struct goal_port *port;
    uint32_t ofport;
    char *error;                /* Of the first that failed. */
};

/* In 'stage', what 'match' says of the port's packets is punted, to go on in
 * 'resume'. */
static void
punt_flow(struct punts *punts, enum of_stage stage, enum punt_kind kind,
          struct match *match, enum of_stage resume)
{
    uint8_t data[sizeof(struct punt_data) + ON_DEMAND_MAX_ID];
    size_t id_len = strnlen(punts->port->vpc_id, ON_DEMAND_MAX_ID);
    const struct punt punt = {
        .kind = kind, .port_id = punts->port->up.id,
        .data = data, .len = sizeof(struct punt_data) + id_len,
    };
    uint64_t stub[512 / 8];
    struct ofpbuf ofpacts;

    if (punts->error) {
        return;
    }
    data[0] = resume;
    memcpy(data + sizeof(struct punt_data), punts->port->vpc_id, id_len);
    match_set_in_port(match, u16_to_ofp(punts->ofport));
    match_set_reg_masked(match, MFF_ALCOR_FLAGS - MFF_REG0, 0,
                         OF_FLAG_RELEASED);
    ofpbuf_use_stub(&ofpacts, stub, sizeof stub);
    punts->error = output_punt(punts->out, &ofpacts, &punt);
    if (!punts->error) {
        output_flow(punts->out, stage,
                    stage == OFS_ROUTE_NEXT_HOP ? PRIO_NEXT_HOP : PRIO,
                    match, &ofpacts);
    }
    ofpbuf_uninit(&ofpacts);
}

/* Packets of 'dl_type' in 'stage', to go on in 'resume'. */
static void
unknown_flow(struct punts *punts, enum of_stage stage, uint16_t dl_type,
             enum of_stage resume)
{
    struct match match;

    match_init_catchall(&match);
    match_set_dl_type(&match, htons(dl_type));
    punt_flow(punts, stage, PUNT_UNKNOWN, &match, resume);
}

static void
ipv4_flows(struct punts *punts)
{
    struct match match;

    match_init_catchall(&match);
    match_set_dl_type(&match, htons(ETH_TYPE_ARP));
    match_set_nw_proto(&match, ARP_OP_REQUEST);
    punt_flow(punts, OFS_RESPOND, PUNT_RESOLVE, &match, OFS_RESPOND);
    unknown_flow(punts, OFS_ROUTE_NEXT_HOP, ETH_TYPE_IP, OFS_ROUTE_NEXT_HOP);
    unknown_flow(punts, OFS_UNKNOWN, ETH_TYPE_IP, OFS_L2_LOOKUP);
}

static void
ipv6_flows(struct punts *punts)
{
    struct match match;

    match_init_catchall(&match);
    match_set_dl_type(&match, htons(ETH_TYPE_IPV6));
    match_set_nw_proto(&match, IPPROTO_ICMPV6);
    match_set_icmp_type(&match, ND_NEIGHBOR_SOLICIT);
    match_set_icmp_code(&match, 0);
    punt_flow(punts, OFS_RESPOND, PUNT_RESOLVE, &match, OFS_RESPOND);
    unknown_flow(punts, OFS_ROUTE_NEXT_HOP, ETH_TYPE_IPV6,
                 OFS_ROUTE_NEXT_HOP);
    unknown_flow(punts, OFS_UNKNOWN, ETH_TYPE_IPV6, OFS_L2_LOOKUP);
}

static enum plugin_result
on_demand_translate(struct plugin *plugin OVS_UNUSED, struct goal_view *view,
                    const struct goal_resource *r, struct plugin_output *out,
                    char **errorp)
{
    const struct goal_port *port = GOAL_PORT_CAST(r);
    const struct vol_binding *binding = goal_view_volatile(
        view, VOL_BINDING, port->up.id);
    const struct goal_resource *vpc = goal_view_get(view, GOAL_VPC,
                                                    port->vpc_id);

    if (!vpc) {
        return PLUGIN_WAIT;
    } else if (!binding || !is_wanted(view, GOAL_VPC_CAST(vpc))) {
        return PLUGIN_DONE;
    }

    struct punts punts = {
        .out = out, .port = port, .ofport = binding->ofport,
    };
    if (!has_gateway(view, port)) {
        ipv4_flows(&punts);
    }
    ipv6_flows(&punts);
    *errorp = punts.error;
    return punts.error ? PLUGIN_FAIL : PLUGIN_DONE;
}

/* Packets. */

static bool
is_routable(const struct in6_addr *ip)
{
    if (IN6_IS_ADDR_V4MAPPED(ip)) {
        ovs_be32 ip4 = in6_addr_get_mapped_ipv4(ip);

        return (ip4 && !ip_is_multicast(ip4) && ip4 != htonl(UINT32_MAX)
                && !ip_is_local_multicast(ip4)
                && (ip4 & htonl(0xffff0000)) != htonl(0xa9fe0000)
                && (ip4 & htonl(0xff000000)) != htonl(0x7f000000));
    }
    return (ipv6_addr_is_set(ip) && !ipv6_addr_is_multicast(ip)
            && !IN6_IS_ADDR_LINKLOCAL(ip) && !IN6_IS_ADDR_LOOPBACK(ip));
}

/* Fills in addresses.  A packet that asks for its own sender (gratuitous ARP,
 * for example) is no question. */
static bool
parse_addresses(const struct flow *flow, struct on_demand_question *q)
{
    if (flow->dl_type == htons(ETH_TYPE_ARP)
        || flow->dl_type == htons(ETH_TYPE_IP)) {
        in6_addr_set_mapped_ipv4(&q->src, flow->nw_src);
        in6_addr_set_mapped_ipv4(&q->dst, flow->nw_dst);
    } else if (flow->dl_type == htons(ETH_TYPE_IPV6)) {
        q->src = flow->ipv6_src;
        q->dst = (is_nd(flow, NULL)
                  && flow->tp_src == htons(ND_NEIGHBOR_SOLICIT)
                  ? flow->nd_target : flow->ipv6_dst);
    } else {
        return false;
    }
    return is_routable(&q->dst) && !ipv6_addr_equals(&q->src, &q->dst);
}

/* What is being routed is on its way to its next hop, which need not be its
 * destination: that is what is in question.  (A rule that gives a MAC may give
 * no address.) */
static void
parse_next_hop(const struct flow *flow, struct on_demand_question *q)
{
    const uint32_t *hop6 = &flow->regs[4 * (MFF_HOP6 - MFF_XXREG0)];
    uint32_t hop4 = flow->regs[MFF_HOP4 - MFF_REG0];
    struct in6_addr hop;

    if (!flow->regs[MFF_ALCOR_FROM - MFF_REG0]) {
        return;
    } else if (flow->dl_type == htons(ETH_TYPE_IP)) {
        in6_addr_set_mapped_ipv4(&hop, htonl(hop4));
    } else {
        for (int i = 0; i < 4; i++) {
            ovs_be32 word = htonl(hop6[i]);

            memcpy(&hop.s6_addr[4 * i], &word, sizeof word);
        }
    }
    if (is_routable(&hop)) {
        q->dst = hop;
    }
}

static void
parse_protocol(const struct flow *flow, struct on_demand_question *q)
{
    if (flow->dl_type == htons(ETH_TYPE_ARP) || is_nd(flow, NULL)) {
        q->protocol = PROTO_ARP;
    } else if (is_icmpv4(flow, NULL) || is_icmpv6(flow, NULL)) {
        q->protocol = PROTO_ICMP;
    } else {
        q->protocol = flow->nw_proto == IPPROTO_UDP ? PROTO_UDP : PROTO_TCP;
        q->src_port = ntohs(flow->tp_src);
        q->dst_port = ntohs(flow->tp_dst);
    }
}

static bool
on_demand_packet_in(const struct packet_view *view,
                    struct packet_reply *reply)
{
    const uint8_t *data = view->data;
    struct on_demand_question q;
    size_t id_len;

    memset(&q, 0, sizeof q);
    if (view->len <= sizeof(struct punt_data)
        || data[0] >= OFS_N_STAGES) {
        return false;
    }
    id_len = view->len - sizeof(struct punt_data);
    if (id_len >= sizeof q.vpc_id || !parse_addresses(view->flow, &q)) {
        return false;
    }
    parse_protocol(view->flow, &q);
    q.stage = data[0];
    parse_next_hop(view->flow, &q);
    memcpy(q.vpc_id, data + sizeof(struct punt_data), id_len);
    packet_reply_event(reply, &q, sizeof q, true);
    return true;
}

const struct on_demand_question *
on_demand_question_from_event(const struct packet_event *event)
{
    return ((event->kind == PUNT_UNKNOWN || event->kind == PUNT_RESOLVE)
            && event->plugin == on_demand_plugin_class.number
            && event->len == sizeof(struct on_demand_question)
            ? event->data : NULL);
}

const struct plugin_class on_demand_plugin_class = {
    .abi = PLUGIN_ABI,
    .size = sizeof(struct plugin_class),
    .name = "on-demand",
    .number = 12,
    .inputs = 1u << GOAL_PORT,
    .stages = (UINT64_C(1) << OFS_RESPOND | UINT64_C(1) << OFS_ROUTE_NEXT_HOP
               | UINT64_C(1) << OFS_UNKNOWN),
    .summary = "unknown destinations asked for",
    .translate = on_demand_translate,
    .packet_in = on_demand_packet_in,
};
