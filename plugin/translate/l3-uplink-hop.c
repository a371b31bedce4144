/* SPDX-License-Identifier: Apache-2.0
 *
 * l3-uplink-hop: plugin "l3-routing": next hops outside that ARP finds. */

#include <config.h>

#include "translate/l3-router.h"

#include <stdlib.h>
#include <string.h>
#include "dp-packet.h"
#include "flow.h"
#include "packets.h"
#include "store/volatile-store.h"
#include "translate/flow-actions.h"
#include "translate/flow-draft.h"
#include "translate/plugin-provider.h"
#include "translate/plugin-registry.h"
#include "translate/punt.h"
#include "translate/uplink-hop.h"
#include "util.h"

/* Uplink-hop.h tells how it goes. */

/* What the punting flow remembers. */
struct hop_data {
    ovs_be32 ip;                /* Of the next hop. */
    uint32_t ofport;            /* Where to ask; 0: this is what it says. */
    struct eth_addr mac;        /* The router's there. */
    uint8_t pad[2];
};

bool
l3_uplink_asks(const struct in6_addr *next_hop)
{
    return (IN6_IS_ADDR_V4MAPPED(next_hop)
            && in6_addr_get_mapped_ipv4(next_hop));
}

bool
l3_uplink_lookup(struct goal_view *view, const struct in6_addr *next_hop,
                 struct eth_addr *mac)
{
    char id[INET6_ADDRSTRLEN];

    ipv6_string_mapped(id, next_hop);
    const struct vol_uplink_hop *hop = goal_view_volatile(
        view, VOL_UPLINK_HOP, id);
    if (hop) {
        memcpy(mac->ea, hop->mac, sizeof mac->ea);
    }
    return !hop || !eth_addr_is_zero(*mac);
}

static char *
punt_hop(const struct goal_router *router, const struct hop_data *data,
         struct plugin_output *out, struct ofpbuf *acts)
{
    const struct punt punt = {
        PUNT_UPLINK_HOP, router->up.id, data, sizeof *data,
    };

    return output_punt(out, acts, &punt);
}

void
l3_uplink_ask(const struct l3_uplink *uplink,
              const struct goal_router *router,
              const struct in6_addr *next_hop, struct plugin_output *out,
              struct ofpbuf *acts)
{
    struct hop_data data;

    memset(&data, 0, sizeof data);
    data.ip = in6_addr_get_mapped_ipv4(next_hop);
    data.ofport = uplink->ofport;
    data.mac = uplink->mac;
    free(punt_hop(router, &data, out, acts));
}

/* ARP of 'op' from the next hop 'data->ip', about itself if it is a request,
 * is news. */
static void
answer_flow(const struct goal_router *router, uint32_t ofport, uint8_t op,
            const struct hop_data *data, struct plugin_output *out)
{
    struct flow_draft f;

    flow_draft_init(&f, 0);
    match_set_in_port(&f.match, u16_to_ofp(ofport));
    match_set_dl_tci_masked(&f.match, 0, htons(VLAN_CFI));
    match_set_dl_type(&f.match, htons(ETH_TYPE_ARP));
    match_set_nw_proto(&f.match, op);
    match_set_nw_src(&f.match, data->ip);
    if (op == ARP_OP_REQUEST) {
        match_set_nw_dst(&f.match, data->ip);
    }
    free(punt_hop(router, data, out, &f.acts));
    flow_draft_output(&f, out, OFS_CLASSIFY, OF_PRIO_HIGH + 1);
}

void
l3_uplink_answers(uint32_t ofport, const struct goal_router *router,
                  const struct in6_addr *next_hop, struct plugin_output *out)
{
    struct hop_data data;

    memset(&data, 0, sizeof data);
    data.ip = in6_addr_get_mapped_ipv4(next_hop);
    answer_flow(router, ofport, ARP_OP_REPLY, &data, out);
    answer_flow(router, ofport, ARP_OP_REQUEST, &data, out);
}

/* Packets. */

static void
ask(const struct packet_view *view, const struct hop_data *data,
    struct packet_reply *reply)
{
    uint64_t stub[64 / 8];
    struct ofpbuf acts;
    struct dp_packet packet;
    struct uplink_hop_event event;

    dp_packet_init(&packet, 0);
    compose_arp(&packet, ARP_OP_REQUEST, data->mac, eth_addr_zero, true,
                view->flow->nw_src, data->ip);
    ofpbuf_use_stub(&acts, stub, sizeof stub);
    act_output(&acts, data->ofport);
    packet_reply_send(reply, dp_packet_data(&packet),
                      dp_packet_size(&packet), &acts);
    ofpbuf_uninit(&acts);
    dp_packet_uninit(&packet);

    memset(&event, 0, sizeof event);
    event.ip = data->ip;
    event.our_mac = data->mac;
    event.our_ip = view->flow->nw_src;
    event.ofport = data->ofport;
    packet_reply_event(reply, &event, sizeof event, false);
}

bool
l3_uplink_packet_in(const struct packet_view *view,
                    struct packet_reply *reply)
{
    const struct flow *flow = view->flow;
    struct hop_data data;

    if (view->len != sizeof data) {
        return false;
    }
    memcpy(&data, view->data, sizeof data);
    if (data.ofport) {
        if (flow->dl_type != htons(ETH_TYPE_IP)) {
            return false;
        }
        ask(view, &data, reply);
        return true;
    }
    if (flow->dl_type != htons(ETH_TYPE_ARP) || flow->nw_src != data.ip
        || eth_addr_is_zero(flow->arp_sha)
        || eth_addr_is_multicast(flow->arp_sha)) {
        return false;
    }

    struct uplink_hop_event event;
    memset(&event, 0, sizeof event);
    event.ip = data.ip;
    event.mac = flow->arp_sha;
    if (flow->nw_proto == ARP_OP_REPLY) {
        event.our_mac = flow->arp_tha;
        event.our_ip = flow->nw_dst;
    }
    packet_reply_event(reply, &event, sizeof event, false);
    return true;
}

const struct uplink_hop_event *
uplink_hop_from_event(const struct packet_event *event)
{
    return (event->kind == PUNT_UPLINK_HOP
            && event->plugin == l3_routing_plugin_class.number
            && event->len == sizeof(struct uplink_hop_event)
            ? event->data : NULL);
}
