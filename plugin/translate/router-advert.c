/* SPDX-License-Identifier: Apache-2.0
 *
 * router-advert: answers router solicitations. */

#include <config.h>

#include "translate/router-advert.h"

#include <string.h>
#include "dp-packet.h"
#include "flow.h"
#include "packets.h"
#include "translate/flow-actions.h"
#include "translate/flow-draft.h"
#include "translate/plugin-provider.h"
#include "translate/punt.h"
#include "util.h"

/* The longest (RFC 8319), as nothing is advertised unasked. */
#define ROUTER_LIFETIME 65535
#define CUR_HOP_LIMIT 64

/* Flags of a prefix (RFC 4861, section 4.6.2). */
#define PREFIX_ON_LINK 0x80
#define PREFIX_AUTONOMOUS 0x40

/* What rides in the flow.  No padding, no pointers. */
struct router_advert {
    struct in6_addr prefix;
    struct eth_addr mac;        /* Of the gateway. */
    uint8_t plen;
    uint8_t dhcp;               /* 0 or 1. */
    uint32_t mtu;               /* 0: is not told. */
};

char *
router_advert_flow(const struct router_advert_listener *listener,
                   struct plugin_output *out)
{
    const struct goal_subnet *subnet = listener->net->subnet;
    struct router_advert data;
    struct punt punt = {
        PUNT_ROUTER_SOLICIT, listener->port->up.id, &data, sizeof data,
    };
    struct flow_draft f;

    if (!subnet->cidr.given || IN6_IS_ADDR_V4MAPPED(&subnet->cidr.addr)
        || !ipv6_addr_is_set(&subnet->gateway_ip)
        || eth_addr_is_zero(subnet->gateway_mac)) {
        return NULL;
    }
    memset(&data, 0, sizeof data);
    data.prefix = subnet->cidr.addr;
    data.plen = subnet->cidr.plen;
    data.mac = subnet->gateway_mac;
    data.dhcp = subnet->dhcp_enable;
    data.mtu = listener->mtu;

    flow_draft_init(&f, listener->net->tag);
    match_set_in_port(&f.match, u16_to_ofp(listener->ofport));
    flow_draft_match_icmp6(&f, ND_ROUTER_SOLICIT);
    char *error = output_punt(out, &f.acts, &punt);
    if (error) {
        ofpbuf_uninit(&f.acts);
        return error;
    }
    flow_draft_output(&f, out, OFS_RESPOND, OF_PRIO_NORMAL);
    return NULL;
}

/* To whom the answer to 'flow' goes: who asks from :: is answered with all
 * nodes. */
static void
answer_to(const struct flow *flow, struct eth_addr *mac, struct in6_addr *ip)
{
    static const struct in6_addr all_nodes = IN6ADDR_ALL_HOSTS_INIT;

    if (ipv6_addr_is_set(&flow->ipv6_src)) {
        *ip = flow->ipv6_src;
        *mac = flow->dl_src;
    } else {
        *ip = all_nodes;
        ipv6_multicast_to_ethernet(mac, ip);
    }
}

bool
router_advert_packet_in(const struct packet_view *view,
                        struct packet_reply *reply)
{
    const struct flow *flow = view->flow;
    struct in6_addr link_local, ip;
    struct router_advert data;
    struct dp_packet answer;
    struct eth_addr mac;
    ovs_be128 prefix;

    if (view->kind != PUNT_ROUTER_SOLICIT || view->len != sizeof data
        || flow->nw_ttl != 255 || ipv6_addr_is_multicast(&flow->ipv6_src)) {
        return false;
    }
    memcpy(&data, view->data, sizeof data);
    memcpy(&prefix, &data.prefix, sizeof prefix);
    in6_generate_lla(data.mac, &link_local);
    answer_to(flow, &mac, &ip);

    dp_packet_init(&answer, 0);
    compose_nd_ra(&answer, data.mac, mac, &link_local, &ip, CUR_HOP_LIMIT,
                  data.dhcp ? ND_RA_MANAGED_ADDRESS | ND_RA_OTHER_CONFIG : 0,
                  htons(ROUTER_LIFETIME), 0, 0, data.mtu);
    packet_put_ra_prefix_opt(&answer, data.plen,
                             PREFIX_ON_LINK
                             | (data.dhcp ? 0 : PREFIX_AUTONOMOUS),
                             OVS_BE32_MAX, OVS_BE32_MAX, prefix);
    packet_reply_answer(reply, dp_packet_data(&answer),
                        dp_packet_size(&answer));
    dp_packet_uninit(&answer);
    return true;
}
