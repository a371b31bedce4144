/* SPDX-License-Identifier: Apache-2.0
 *
 * fast-path: plugin "fast-path": shows verdicts to the eBPF fast path. */

#include <config.h>

#include "translate/fast-path.h"

#include <string.h>
#include "byte-order.h"
#include "flow.h"
#include "openvswitch/ofpbuf.h"
#include "translate/flow-actions.h"
#include "translate/flow-draft.h"
#include "translate/l3-router.h"
#include "translate/plugin-provider.h"
#include "translate/plugin-registry.h"
#include "translate/punt.h"
#include "translate/security-rules.h"
#include "util.h"

/* A port whose device has an eBPF program (VOL_FAST_PATH) outputs
 *
 *    ENCAP    what it sends into a VXLAN tunnel, and
 *    DELIVER  what it is sent out of one,
 *
 * as the flows there do that all share, with a punt before it.  Only IPv4, and
 * only what the programs take: no fragments, no TCP with SYN, FIN or RST.
 *
 * A port with security groups: only TCP and UDP, and only what conntrack takes
 * for part of an established connection.  (An entry does not look into ICMP,
 * rules do.)  Else also ICMP; and what is seen then holds for all packets
 * between the two addresses.
 *
 * The data of a punt is what a routed packet does not show any more: who the
 * port is, and the MACs of its gateways. */

#define TCP_FOR_OVS (TCP_SYN | TCP_FIN | TCP_RST)

/* Of these, at most. */
#define MAX_SOURCES 64

/* Data of a punt: what comes from one address of the port. */
struct source {
    ovs_be32 ip;
    uint32_t from;              /* Last half of its subnet's tag. */
    struct eth_addr mac;        /* The port's. */
    struct eth_addr gateway;    /* The subnet's. */
};
BUILD_ASSERT_DECL(sizeof(struct source) == 20);

/* Data of a punt of what comes from a tunnel: a byte. */
#define ARRIVAL_LEN 1

/* Translation. */

struct shown {
    struct plugin_output *out;
    const struct goal_port *port;
    uint32_t ofport;
    uint32_t tunnel;            /* OpenFlow port of the VXLAN tunnels. */
    struct source sources[MAX_SOURCES];
    size_t n_sources;
};

static const struct eth_addr eth_multicast = ETH_ADDR_C(01,00,00,00,00,00);

/* Starts a draft of a flow for packets of 'proto' that can be repeated. */
static void
draft_init(const struct shown *shown, struct flow_draft *f, uint8_t proto)
{
    flow_draft_init(f, 0);
    flow_draft_match_family(f, true);
    match_set_dl_dst_masked(&f->match, eth_addr_zero, eth_multicast);
    match_set_nw_frag(&f->match, 0);
    match_set_nw_proto(&f->match, proto);
    if (proto == IPPROTO_TCP) {
        match_set_tcp_flags_masked(&f->match, 0, htons(TCP_FOR_OVS));
    }
    if (shown->port->security_groups.n) {
        match_set_ct_state_masked(
            &f->match, CS_TRACKED | CS_ESTABLISHED,
            CS_TRACKED | CS_ESTABLISHED | CS_NEW | CS_INVALID);
    }
}

static char *
departure_flow(const struct shown *shown, uint8_t proto)
{
    const struct punt punt = {
        PUNT_FAST_PATH, shown->port->up.id, shown->sources,
        shown->n_sources * sizeof *shown->sources,
    };
    struct flow_draft f;

    draft_init(shown, &f, proto);
    match_set_in_port(&f.match, u16_to_ofp(shown->ofport));
    match_set_metadata_masked(&f.match, htonll(of_vpc_tag(GOAL_NET_VXLAN, 0)),
                              htonll(UINT64_MAX << OF_TAG_ENCAP_SHIFT));
    char *error = output_punt(shown->out, &f.acts, &punt);
    act_encap(&f.acts, shown->tunnel);
    flow_draft_output(&f, shown->out, OFS_ENCAP, OF_PRIO_HIGH);
    return error;
}

static char *
arrival_flow(const struct shown *shown, uint8_t proto)
{
    const struct punt punt = {
        PUNT_FAST_PATH, shown->port->up.id, "", ARRIVAL_LEN,
    };
    struct flow_draft f;

    draft_init(shown, &f, proto);
    match_set_in_port(&f.match, u16_to_ofp(shown->tunnel));
    match_set_reg(&f.match, MFF_ALCOR_OUT - MFF_REG0, shown->ofport);
    char *error = output_punt(shown->out, &f.acts, &punt);
    act_output(&f.acts, shown->ofport);
    flow_draft_output(&f, shown->out, OFS_DELIVER, OF_PRIO_HIGH);
    return error;
}

static char *
port_flows(const struct shown *shown)
{
    static const uint8_t protocols[] = {
        IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP,
    };
    char *error = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(protocols) && !error; i++) {
        if (protocols[i] != IPPROTO_ICMP || !shown->port->security_groups.n) {
            error = departure_flow(shown, protocols[i]);
            error = error ? error : arrival_flow(shown, protocols[i]);
        }
    }
    return error;
}

static enum plugin_result
add_sources(struct goal_view *view, struct shown *shown, char **errorp)
{
    const struct goal_port *port = shown->port;

    for (size_t i = 0; i < port->n_fixed_ips; i++) {
        const struct goal_fixed_ip *fixed = &port->fixed_ips[i];
        struct goal_network net;
        enum plugin_result result = goal_view_network(view, fixed->subnet_id,
                                                      &net, errorp);

        if (result != PLUGIN_DONE) {
            return result;
        }
        if (IN6_IS_ADDR_V4MAPPED(&fixed->ip)
            && shown->n_sources < MAX_SOURCES) {
            shown->sources[shown->n_sources++] = (struct source) {
                in6_addr_get_mapped_ipv4(&fixed->ip), net.tag, port->mac,
                net.subnet->gateway_mac,
            };
        }
    }
    return PLUGIN_DONE;
}

static enum plugin_result
fast_path_translate(struct plugin *plugin OVS_UNUSED, struct goal_view *view,
                    const struct goal_resource *r, struct plugin_output *out,
                    char **errorp)
{
    const struct vol_binding *binding = goal_view_volatile(view, VOL_BINDING,
                                                           r->id);
    const struct vol_tunnel *tunnel = goal_view_volatile(view, VOL_TUNNEL,
                                                         "vxlan");
    struct shown shown = { .out = out, .port = GOAL_PORT_CAST(r) };

    if (!goal_view_volatile(view, VOL_FAST_PATH, "") || !binding) {
        return PLUGIN_DONE;
    }

    const struct vol_fast_path *tried = goal_view_volatile(
        view, VOL_FAST_PATH, r->id);
    if (!tried) {
        return PLUGIN_PARTIAL;
    } else if (!tried->attached || !tunnel || !shown.port->admin_state_up) {
        return PLUGIN_DONE;
    }
    shown.ofport = binding->ofport;
    shown.tunnel = tunnel->ofport;

    enum plugin_result result = add_sources(view, &shown, errorp);
    if (result != PLUGIN_DONE) {
        return result;
    }
    *errorp = port_flows(&shown);
    return *errorp ? PLUGIN_FAIL : PLUGIN_DONE;
}

/* Packets. */

/* What a routed packet was before it was routed.  Returns false if that cannot
 * be told. */
static bool
look_back(const struct packet_view *view, struct fast_path_sighting *s)
{
    for (size_t ofs = 0; ofs + sizeof(struct source) <= view->len;
         ofs += sizeof(struct source)) {
        struct source source;

        memcpy(&source, (const char *) view->data + ofs, sizeof source);
        if (source.ip == s->src && source.from == s->from) {
            s->smac = source.mac;
            s->dmac = source.gateway;
            return true;
        }
    }
    return false;
}

/* The pipeline's scratch, and the connection. */
static void
note_way(const struct flow *flow, struct fast_path_sighting *s)
{
    s->tag = ntohll(flow->metadata);
    s->from = flow->regs[MFF_ALCOR_FROM - MFF_REG0];
    s->hop4 = flow->regs[MFF_HOP4 - MFF_REG0];
    s->router = flow_get_xreg(flow, MFF_ROUTER - MFF_XREG0);
    s->zone = flow->regs[MFF_ZONE - MFF_REG0];
    s->vpc = flow->regs[MFF_VPC - MFF_REG0];
    s->tracked = (flow->ct_state & CS_TRACKED) != 0;
    if (s->tracked) {
        s->ct_src = flow->ct_nw_src;
        s->ct_dst = flow->ct_nw_dst;
        s->ct_sport = flow->ct_tp_src;
        s->ct_dport = flow->ct_tp_dst;
    }
}

static void
note_frame(const struct flow *flow, struct fast_path_sighting *s)
{
    s->smac = s->new_smac = flow->dl_src;
    s->dmac = s->new_dmac = flow->dl_dst;
    s->src = flow->nw_src;
    s->dst = flow->nw_dst;
    s->proto = flow->nw_proto;
    if (s->proto == IPPROTO_TCP || s->proto == IPPROTO_UDP) {
        s->sport = flow->tp_src;
        s->dport = flow->tp_dst;
    }
}

static bool
fast_path_packet_in(const struct packet_view *view,
                    struct packet_reply *reply)
{
    const struct flow *flow = view->flow;
    struct fast_path_sighting s;

    memset(&s, 0, sizeof s);
    /* The kernel forwards what says that it is longer than it is.  Of that,
     * nothing has been read here, no addresses. */
    if (flow->dl_type != htons(ETH_TYPE_IP) || !flow->nw_src
        || !flow->nw_dst) {
        return false;
    }
    note_frame(flow, &s);
    note_way(flow, &s);
    s.when = view->now;
    s.arrival = view->len == ARRIVAL_LEN;
    s.in_port = view->context.in_port;
    if (s.arrival) {
        s.ofport = view->context.regs[MFF_ALCOR_OUT - MFF_REG0];
        s.host = flow->tunnel.ip_src;
        s.vni = ntohll(flow->tunnel.tun_id);
    } else {
        s.ofport = s.in_port;
        s.host = flow->tunnel.ip_dst;
        s.vni = s.tag >> OF_TAG_VNI_SHIFT & 0xffffff;
        s.routed = s.from != 0;
        s.direct = (flow->regs[MFF_ALCOR_FLAGS - MFF_REG0]
                    & OF_FLAG_DIRECT) != 0;
        if (s.routed && !look_back(view, &s)) {
            return false;
        }
    }
    packet_reply_event(reply, &s, sizeof s, false);
    return true;
}

const struct fast_path_sighting *
fast_path_sighting_from_event(const struct packet_event *event)
{
    return (event->kind == PUNT_FAST_PATH
            && event->plugin == fast_path_plugin_class.number
            && event->len == sizeof(struct fast_path_sighting)
            ? event->data : NULL);
}

const struct plugin_class fast_path_plugin_class = {
    .abi = PLUGIN_ABI,
    .size = sizeof(struct plugin_class),
    .name = "fast-path",
    .number = 15,
    .inputs = 1u << GOAL_PORT,
    .stages = UINT64_C(1) << OFS_ENCAP | UINT64_C(1) << OFS_DELIVER,
    .summary = "verdicts shown to the eBPF fast path",
    .translate = fast_path_translate,
    .packet_in = fast_path_packet_in,
};
