/* SPDX-License-Identifier: Apache-2.0
 *
 * l3-internet: plugin "l3-routing": the network that INTERNET rules lead to.
 */

#include <config.h>

#include "translate/l3-router.h"

#include "byte-order.h"
#include "flow.h"
#include "packets.h"
#include "translate/arp-nd.h"
#include "translate/flow-actions.h"
#include "translate/flow-draft.h"
#include "translate/plugin-provider.h"
#include "util.h"

/* On the bridge that is mapped first, untagged, a router is a station on each
 * host, with the host's own MAC (host_dvr_mac_address): switches there see a
 * MAC in one place, and what comes back comes to the host of the port that it
 * is for.  Therefore a host answers ARP and neighbour solicitations there for
 * the addresses of its own ports, and of no others:
 *
 *    CLASSIFY      makes the answer of a question for an address in a subnet
 *                  that has such a rule,
 *    PROVIDER_ARP  sends it if it is a local port's. */

static void
match_uplink(struct flow_draft *f, const struct l3_uplink *uplink)
{
    flow_draft_init(f, 0);
    match_set_in_port(&f->match, u16_to_ofp(uplink->ofport));
    match_set_dl_tci_masked(&f->match, 0, htons(VLAN_CFI));
}

static void
arp_flow(const struct l3_uplink *uplink, const struct goal_network *net,
         struct plugin_output *out)
{
    const struct goal_prefix *cidr = &net->subnet->cidr;
    struct flow_draft f;

    match_uplink(&f, uplink);
    match_set_dl_type(&f.match, htons(ETH_TYPE_ARP));
    match_set_nw_proto(&f.match, ARP_OP_REQUEST);
    match_set_nw_dst_masked(&f.match, in6_addr_get_mapped_ipv4(&cidr->addr),
                            be32_prefix_mask(cidr->plen));
    act_copy(&f.acts, MFF_ETH_SRC, MFF_ETH_DST);
    act_set_mac(&f.acts, MFF_ETH_SRC, &uplink->mac);
    act_set_u16(&f.acts, MFF_ARP_OP, ARP_OP_REPLY);
    act_copy(&f.acts, MFF_ARP_SHA, MFF_ARP_THA);
    act_set_mac(&f.acts, MFF_ARP_SHA, &uplink->mac);
    act_copy(&f.acts, MFF_ARP_SPA, MFF_REG0);
    act_copy(&f.acts, MFF_ARP_TPA, MFF_ARP_SPA);
    act_copy(&f.acts, MFF_REG0, MFF_ARP_TPA);
    act_set_metadata(&f.acts, net->tag, UINT64_MAX);
    act_goto(&f.acts, OFS_PROVIDER_ARP);
    flow_draft_output(&f, out, OFS_CLASSIFY, OF_PRIO_HIGH);
}

static void
nd_flow(const struct l3_uplink *uplink, const struct goal_network *net,
        struct plugin_output *out)
{
    const struct goal_prefix *cidr = &net->subnet->cidr;
    struct in6_addr mask = ipv6_create_mask(cidr->plen);
    struct flow_draft f;

    match_uplink(&f, uplink);
    flow_draft_match_icmp6(&f, ND_NEIGHBOR_SOLICIT);
    match_set_nd_target_masked(&f.match, &cidr->addr, &mask);
    arp_nd_begin(&f, &uplink->mac, true);
    act_set_metadata(&f.acts, net->tag, UINT64_MAX);
    act_goto(&f.acts, OFS_PROVIDER_ARP);
    flow_draft_output(&f, out, OFS_CLASSIFY, OF_PRIO_HIGH);
}

void
l3_internet_flows(const struct l3_uplink *uplink,
                  const struct goal_network *net, struct plugin_output *out)
{
    struct flow_draft f;

    match_uplink(&f, uplink);
    match_set_dl_dst(&f.match, uplink->mac);
    flow_draft_match_dst(&f, &net->subnet->cidr);
    act_set_u64(&f.acts, MFF_ROUTER, uplink->router);
    act_goto(&f.acts, OFS_ROUTE_SELF);
    flow_draft_output(&f, out, OFS_CLASSIFY, OF_PRIO_HIGH);

    if (IN6_IS_ADDR_V4MAPPED(&net->subnet->cidr.addr)) {
        arp_flow(uplink, net, out);
    } else {
        nd_flow(uplink, net, out);
    }

    flow_draft_init(&f, 0);
    act_drop(&f.acts, OF_DROP_NOT_HERE);
    flow_draft_output(&f, out, OFS_PROVIDER_ARP, OF_PRIO_MISS);
}

void
l3_internet_address(uint64_t tag, const struct in6_addr *ip,
                    struct plugin_output *out)
{
    struct flow_draft f;

    flow_draft_init(&f, tag);
    if (IN6_IS_ADDR_V4MAPPED(ip)) {
        match_set_dl_type(&f.match, htons(ETH_TYPE_ARP));
        match_set_nw_src(&f.match, in6_addr_get_mapped_ipv4(ip));
        act_output_in_port(&f.acts);
    } else {
        flow_draft_match_icmp6(&f, ND_NEIGHBOR_ADVERT);
        match_set_nd_target(&f.match, ip);
        act_resubmit(&f.acts, OFS_RESPOND_ND);
    }
    flow_draft_output(&f, out, OFS_PROVIDER_ARP, OF_PRIO_NORMAL);
}
